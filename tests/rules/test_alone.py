"""A value that quality denies feeds no window, base or memory, in either direction; a count of readings counts each once."""

from __future__ import annotations

import msgspec
import pytest

from hub.model import AlertChange, Reading, Value
from rules.book import RuleBook, load, read_book
from rules.engine import Engine
from rules.state.samples import Samples

MINUTE = 60_000_000_000
START = 1_780_000_000_000_000_000


def book(text: str) -> RuleBook:
    found = read_book([("t", "t.yaml", text)])
    assert isinstance(found, RuleBook), found
    return found


def run(rules: RuleBook, levels: list[float], kind: str = "river-gauge", every: int = 5, order: list[int] | None = None) -> list[AlertChange]:  # fmt: skip
    """The changes; the engine is put away and taken up after each reading."""
    engine = Engine(rules)
    changes: list[AlertChange] = []
    for n in order or range(len(levels)):
        at = START + n * every * MINUTE
        received = at if order is None else START + len(levels) * every * MINUTE
        changes += engine.feed([Reading("g", at, {"water_level": levels[n]}, None, None, received, "t", kind)]).changes
        engine = Engine.restore(engine.snapshot(), rules)
    assert engine.health() == []
    return changes


@pytest.fixture(scope="module")
def flood() -> RuleBook:
    found = load([], ["flood"])
    assert isinstance(found, RuleBook)
    return found


@pytest.mark.parametrize("glitch", [-5.0, 0.0, 1.5, 2.5, 9.0])
@pytest.mark.parametrize("position", [0, 1, 4, 8])
def test_nine_readings_of_a_river_and_one_of_them_off(flood: RuleBook, glitch: float, position: int) -> None:
    """The case from the field: 2.00 m, once -5.00 m; `fast-rise` said "river up 7.0 m in an hour"."""
    levels = [2.0] * 9
    levels[position] = glitch
    assert run(flood, levels + [2.0] * 12) == []


def test_one_that_comes_late_is_held_against_those_around_it(flood: RuleBook) -> None:
    levels = [2.0, 2.0, 2.0, -5.0, *[2.0] * 8]
    assert run(flood, levels, order=[0, 1, 2, 4, 5, 3, 6, 7, 8, 9, 10, 11]) == []


def test_two_that_are_off_one_after_the_other_and_one_between(flood: RuleBook) -> None:
    assert run(flood, [2.0, 2.0, -5.0, 2.0, -5.0, 2.0, 9.0, 2.0, 2.0, 2.0, 2.0, 2.0]) == []


def test_a_flood_is_still_told_with_its_second_reading(flood: RuleBook) -> None:
    """A wave of three metres, borne out by the next reading; grave with the one after it, since a single step may be a shifted gauge. And one in
    steps."""
    levels = [2.0, 2.0, 2.0, 5.2, 5.5, 5.6]
    told = [(c.level, c.at) for c in run(flood, levels) if c.rule == "flood/fast-rise"]
    assert told == [("yellow", START + 4 * 5 * MINUTE), ("red", START + 5 * 5 * MINUTE)]
    steps = [c.level for c in run(flood, [2.0, 2.0, 2.5, 3.1, 3.8, 4.6, 5.4]) if c.rule == "flood/fast-rise"]
    assert steps[-1] == "red"


@pytest.mark.parametrize(
    "condition",
    [
        "ewma(water_level, 10 min) < 1.5 m",
        "cusum(water_level, 2 m, 50 cm) > 4 m",
        "time_since(water_level < 1 m) < 30 min and water_level < 2.1 m",
        "water_level < 1 m then water_level > 1.9 m within 30 min",
        "2 of 4 (rise(water_level, 1 h) > 1 m)",
        "mean(water_level, 1 h) < 1.6 m",
        "min(water_level, 1 h) < 1 m and water_level > 1.9 m",
        "max(water_level, 1 h) > 4 m and water_level < 2.1 m",
    ],
)
@pytest.mark.parametrize("glitch", [-5.0, 9.0])
def test_a_denied_value_leaves_no_trace_in_windows_and_memories(condition: str, glitch: float) -> None:
    """From the reading on that shows it to have stood alone, everything is as it would have been without it."""
    rules = book(f'- rule: x\n  for_each: {{kind: river-gauge}}\n  levels: {{yellow: "{condition}"}}\n')
    at = START + 5 * 5 * MINUTE
    changes = run(rules, [2.0, 2.0, 2.0, 2.0, glitch, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    assert [c for c in changes if c.change == "raised" and c.at >= at] == []
    assert [c.change for c in changes][1:] in ([], ["cleared"])


TWO = """
- rule: twice
  for_each: {kind: river-gauge}
  levels: {orange: 2 of 2 (water_level > 4 m) and air_temperature > 0 Cel}
- rule: soaked
  for_each: {kind: river-gauge}
  levels: {blue: soil_water(rainfall) > 15 mm and air_temperature > 0 Cel}
"""


def test_one_value_seen_at_two_judgements_counts_once() -> None:
    """The level comes in one message and the temperature in the next: `2 of 2` has heard one level."""
    engine = Engine(book(TWO))

    def say(n: int, values: dict[str, Value]) -> list[AlertChange]:
        at = START + n * MINUTE
        return engine.feed([Reading("g", at, values, None, None, at, "t", "river-gauge")]).changes

    assert say(0, {"water_level": 5.0, "rainfall": 10.0, "air_temperature": 9.0}) == []
    for n in range(1, 5):
        assert say(n, {"air_temperature": 9.0 + n}) == []
    assert [c.rule for c in say(5, {"water_level": 5.0})] == ["t/twice"]


def test_a_sample_taken_out_leaves_what_was_there_without_it() -> None:
    """Sums, extremes and edges of windows, wherever the sample stood."""
    for place in range(12):
        with_it, without = Samples(8 * MINUTE), Samples(8 * MINUTE)
        windows = [with_it.window(8 * MINUTE, closed) for closed in (False, True)]
        for n in range(12):
            with_it.add(START + n * MINUTE, 1e9 if n == place else n / 10)
            if n != place:
                without.add(START + n * MINUTE, n / 10)
            for window in windows:
                window.trim(START + n * MINUTE)
                window.sum(), window.min(), window.max()
        with_it.remove(START + place * MINUTE)
        for window in windows:
            fresh = without.window(8 * MINUTE, window.closed)
            for function in ("sum", "mean", "min", "max", "count", "delta"):
                now = START + 12 * MINUTE
                assert window.figure(function, now, 0, 1) == fresh.figure(function, now, 0, 1), (place, function)


def test_marks_say_what_was_denied(flood: RuleBook) -> None:
    engine = Engine(flood)
    derived = []
    for n, level in enumerate([2.0, 2.0, -5.0, 2.0]):
        at = START + n * 5 * MINUTE
        derived += engine.feed([Reading("g", at, {"water_level": level}, None, None, at, "t", "river-gauge")]).derived
    assert [(r.observed_at, r.values, r.marks) for r in derived] == [
        (START + 10 * MINUTE, {"water_level": -5.0}, {"water_level": "suspect"})
    ]
    assert msgspec.json.encode(derived)
