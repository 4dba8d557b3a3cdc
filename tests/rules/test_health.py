"""A rule fails alone: whatever a rule does at run time harms no other, is seen, is the same in a replay, and ends with its edit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, nan
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model import Change, Device, Edition, Event, Mark, Position, Reading, Tick, Value, Zone
from rules import book as books
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.figures import derived
from rules.figures.derived import FUNCTIONS
from rules.language.functions import OTHER_FUNCTIONS, WINDOW_FUNCTIONS
from rules.state.health import PER_RULE_MAX, PER_SUBJECT_MAX

MINUTE = 60_000_000_000
START = 1_780_000_000_000_000_000

TURNS = """
- rule: turns
  for_each: {kind: vehicle}
  levels: {yellow: "cornering(speed, delta(course, 2 s), time_since(ignition)) > 4 m/s2"}
"""
DEEP = """
- rule: deep
  title: "{subject.name}: {water_depth:.0f cm}"
  for_each: {kind: gauge}
  levels: {red: water_depth >= 50 cm}
"""
SICK = """
- rule: sick
  for_each: {kind: gauge}
  levels: {yellow: beaufort(wind_speed) >= 0 and water_depth > 1 cm}
  silent: 30 min
"""
WORDS = """
- rule: words
  title: "{subject.name}: force {force}"
  for_each: {kind: gauge}
  let: {force: beaufort(wind_speed)}
  levels: {orange: water_depth >= 40 cm}
"""
DERIVES = """
- derive: aqi
  for_each: {kind: gauge}
  value: beaufort(wind_speed)
"""


def book(*texts: str) -> RuleBook:
    found = read_book([("t", "t.yaml", "".join(texts))])
    assert isinstance(found, RuleBook), found
    return found


def reading(n: int, depth: float, device: str = "g") -> Reading:
    at = START + n * MINUTE
    return Reading(device, at, {"water_depth": depth, "wind_speed": 3.0}, None, None, at, "t", "gauge")


class Broken:
    """A function that fails at the calls in `at` (every one without)."""

    def __init__(self, *at: int) -> None:
        self.at, self.calls = at, 0

    def __call__(self, *arguments: float) -> float:
        self.calls += 1
        if not self.at or self.calls in self.at:
            raise ZeroDivisionError("float division by zero")
        return 1.0


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Broken]]:
    def breaks(*at: int) -> Broken:
        function = Broken(*at)
        monkeypatch.setitem(derived.FUNCTIONS, "beaufort", FUNCTIONS["beaufort"]._replace(function=function))
        books._read.cache_clear()  # rules that were read before are written with the function that works
        return function

    yield breaks
    books._read.cache_clear()


def told(changes: list[Any]) -> list[tuple[str, str]]:
    return [(change.rule, change.change.value) for change in changes]


def test_a_rule_that_raises_harms_no_other_and_is_seen(broken: Callable[..., Broken]) -> None:
    broken()
    engine = Engine(book(SICK, DEEP))
    outcome = engine.feed([reading(0, 0.1), reading(1, 0.8)], numbers=[500, 501])
    assert told(outcome.changes) == [("t/deep", "raised")]
    [ill] = engine.health()
    assert (ill["rule"], ill["subject"], ill["event"], ill["first_event"]) == ("t/sick", "g", 501, 500)
    assert ill["error"] == "ZeroDivisionError: float division by zero"
    assert ill["count"] == 2
    assert engine.stats()["rules_ill"] == 1
    assert engine.stats()["events_skipped"] == 0


def test_a_turn_within_no_time_is_unknown_and_an_underpass_is_under_water() -> None:
    """The case from the field: ignition on, so 0 s since the ignition was on."""
    engine = Engine(book(TURNS, DEEP))
    stream: list[Event] = []
    for n in range(4):
        at = START + n * 1_000_000_000
        values: dict[str, Value] = {"speed": 40.0, "course": 10.0 * n, "ignition": True}
        stream.append(Reading("bus", at, values, None, None, at, "t", "vehicle"))
    outcome = engine.feed([*stream, reading(1, 0.8)])
    assert told(outcome.changes) == [("t/deep", "raised")]
    assert engine.health() == []


def test_it_is_left_out_where_it_fails_until_it_is_edited(broken: Callable[..., Broken]) -> None:
    function = broken()
    engine = Engine(book(SICK, DEEP))
    engine.feed([reading(n, 0.1) for n in range(20)])
    [ill] = engine.health()
    assert (ill["count"], ill["left_out"]) == (PER_SUBJECT_MAX, 1)
    engine.feed([reading(n, 0.1, f"g{n}") for n in range(20, 20 + PER_RULE_MAX)])
    assert engine.health()[0]["left_out"] == "everywhere"
    function.at = (-1,)  # it works again, but nobody has said so
    assert told(engine.feed([reading(200, 0.1, "new")]).changes) == []
    edited = SICK.replace("1 cm", "2 cm")
    engine.feed([Edition(START + 201 * MINUTE, "rules", "t", book(edited, DEEP).text)])
    assert engine.health() == []
    assert told(engine.feed([reading(202, 0.1)]).changes) == [("t/sick", "raised")]


def test_one_failure_skips_one_judgement(broken: Callable[..., Broken]) -> None:
    broken(2)
    engine = Engine(book(SICK))
    outcome = engine.feed([reading(0, 0.1), reading(1, 0.1)])
    assert told(outcome.changes) == [("t/sick", "raised")]
    assert engine.feed([reading(2, 0.0), reading(3, 0.0)]).changes[-1].change is Change.CLEARED


def test_its_silence_is_noticed_all_the_same(broken: Callable[..., Broken]) -> None:
    broken()
    engine = Engine(book(SICK))
    ticks = [Tick(START + n * MINUTE) for n in range(5, 40)]
    assert told(engine.feed([reading(n, 0.1) for n in range(5)] + ticks).changes) == [("t/sick:silent", "raised")]


def test_a_warning_whose_words_fail_goes_out_without_them(broken: Callable[..., Broken]) -> None:
    broken()
    engine = Engine(book(WORDS))
    [change] = engine.feed([reading(0, 0.5)]).changes
    assert (change.level, change.title, change.reason) == ("orange", "g: t/words", "orange")
    assert [item["rule"] for item in engine.health()] == ["t/words"]
    [cleared] = [c for c in engine.feed([reading(n, 0.0) for n in range(1, 9)]).changes if c.change is Change.CLEARED]
    assert cleared.alert == change.alert


def test_a_derivation_fails_alone(broken: Callable[..., Broken]) -> None:
    broken()
    engine = Engine(book(DERIVES, DEEP))
    outcome = engine.feed([reading(n, 0.8) for n in range(6)])
    assert told(outcome.changes) == [("t/deep", "raised")]
    [ill] = engine.health()
    assert ("aqi" in ill["rule"], ill["count"]) == (True, PER_SUBJECT_MAX)


def test_an_event_that_fails_outside_any_rule_is_skipped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from rules.judging import moving

    def breaks(values: dict[str, Value]) -> None:
        raise KeyError("course")

    engine = Engine(book(DEEP))
    with monkeypatch.context() as patched:
        patched.setattr(moving, "motion", breaks)
        bad = msgspec.structs.replace(reading(0, 0.1), position=Position(1.0, 2.0))
        outcome = engine.feed([bad, reading(1, 0.8)], numbers=[7, 8])
    assert told(outcome.changes) == [("t/deep", "raised")]
    assert [type(error) for error in outcome.failed] == [KeyError]
    assert engine.stats()["events_skipped"] == 1
    [ill] = engine.health()
    assert (ill["rule"], ill["event"], ill["subject"]) == ("engine", 7, "g")


@pytest.mark.parametrize("cut", range(12))
def test_a_resumed_engine_knows_the_same_and_goes_on_the_same(broken: Callable[..., Broken], cut: int) -> None:
    broken()
    stream: list[Event] = [reading(n, 0.1 * n, device) for n in range(4) for device in ("g", "h", "k")]
    whole = Engine(book(SICK, DEEP))
    expected = whole.feed(stream).changes
    first = Engine(book(SICK, DEEP))
    got = list(first.feed(stream[:cut]).changes)
    second = Engine.restore(first.snapshot(), first.book)
    assert second.health() == first.health()
    got += second.feed(stream[cut:]).changes
    assert msgspec.json.encode(got) == msgspec.json.encode(expected)
    assert second.snapshot() == whole.snapshot()


def test_a_mended_rule_is_well_after_a_restart(broken: Callable[..., Broken]) -> None:
    broken()
    first = Engine(book(SICK, DEEP))
    first.feed([reading(n, 0.1) for n in range(6)])
    assert Engine.restore(first.snapshot(), book(SICK.replace("1 cm", "2 cm"), DEEP)).health() == []


def test_bytes_that_are_half_a_snapshot_are_a_value_error() -> None:
    engine = Engine(book(DEEP))
    engine.feed([reading(0, 0.8)])
    data = msgspec.msgpack.decode(engine.snapshot())
    for name in data.keys() - {"forwarded", "measured"}:
        with pytest.raises(ValueError, match="snapshot"):
            Engine.restore(msgspec.msgpack.encode({k: v for k, v in data.items() if k != name}), book(DEEP))


# ------------------------------------------------------------------------------------------------ absurd numbers

ABSURD = [0.0, -0.0, 1e-300, -1e-300, 1e300, -1e300, 1.7e308, inf, -inf, nan, 1e16, -273.15, 0.1, 7.0]
numbers = st.sampled_from(ABSURD) | st.floats()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_derived_function_answers_absurd_arguments_with_a_number_or_nothing(name: str, data: st.DataObject) -> None:
    spec = FUNCTIONS[name]
    one = numbers | st.none() if spec.takes_missing else numbers
    arguments = [data.draw(one) for _ in spec.units]
    if spec.dated:
        arguments.insert(0, data.draw(st.sampled_from([START, 0, -(1 << 62)])))
    answer = spec.function(*arguments)
    assert answer is None or -1e100 <= answer <= 1e100


EXPRESSIONS = {
    **{name: f"{name}(water_depth, 10 min) > 1" + {"count": "", "rate": " m/s", "trend": " m/s"}.get(name, " m") for name in WINDOW_FUNCTIONS if name != "percentile"},
    "percentile": "percentile(water_depth, 95 %, 10 min) > 1 m",
    "ewma": "ewma(water_depth, 10 min) > 1 m",
    "cusum": "cusum(water_depth, 10 cm, 5 cm) > 1 m",
    "soil_water": "soil_water(rainfall) > 1 mm",
    "time_since": "time_since(water_depth > 1 m) < 5 min",
    "agree": "agree(std(water_depth, 10 min) > 1 m, 10 min, within 5 km) >= 1",
    "share": "share(water_depth > 1 m, 10 min, within 5 km, at least 1) >= 50 %",
    "in_zone": 'in_zone("z", margin 50 m)',
    "reports_here": "reports_here(20 m) >= 2",
    "during": 'during("always")',
    "marked": 'marked("fault")',
    "greatest": "greatest(water_depth, water_level) > 1 m",
    "least": "least(water_depth, water_level) > 1 m",
    "abs": "abs(water_depth) > 1 m",
    "anomaly": "anomaly(water_depth, 10 min) > 3",
    "hourly_anomaly": "hourly_anomaly(water_depth, 7 d) > 3",
    "stuck": "stuck(water_depth, 10 min)",
    "expects": "expects(water_depth, 10 min, 20 %) > 1 m",
    "residual": "residual(water_depth, water_level, 1 h) > 3",
    "greatest_known": "greatest_known(water_depth, water_level) > 1 m",
    "second_greatest": "second_greatest(water_depth, water_level) > 1 m",
    "third_greatest": "third_greatest(water_depth, water_level, water_depth) > 1 m",
    "division": "water_depth / (water_level - water_level) > 1",
    "product": "1000000000 * water_depth * 1000000000 > 1 m",
}  # fmt: skip


def test_the_list_of_expressions_is_that_of_the_language() -> None:
    assert set(EXPRESSIONS) >= set(OTHER_FUNCTIONS) | set(WINDOW_FUNCTIONS)


@pytest.mark.parametrize("name", sorted(EXPRESSIONS))
@given(st.lists(st.tuples(numbers, numbers, st.integers(0, 3)), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None)
def test_no_expression_fails_at_absurd_values(name: str, rows: list[tuple[float, float, int]]) -> None:
    calendar = "- calendar: always\n  timezone: UTC\n"
    rule = (
        f"- rule: x\n  for_each: {{kind: gauge}}\n  levels: {{yellow: '{EXPRESSIONS[name]} and water_depth > -1 m'}}\n"
    )
    ring = ((119.9, 29.9), (120.1, 29.9), (120.1, 30.1), (119.9, 30.1))
    engine = Engine(cached(calendar + rule), [Device("h", kind="gauge", position=Position(120.0, 30.0))], [Zone("z", "z", "z", (ring,))])  # fmt: skip
    at = START
    for depth, level, step in rows:
        at += step * MINUTE
        values: dict[str, Value] = {"water_depth": depth, "water_level": level, "rainfall": abs(depth)}
        for device in ("g", "h"):
            marks = {"water_depth": Mark.FAULT.value} if step == 3 else None
            engine.feed([Reading(device, at, values, Position(120.0, 30.0), marks, at, "t", "gauge"), Tick(at)])
    assert engine.health() == []


BOOKS: dict[str, RuleBook] = {}


def cached(text: str) -> RuleBook:
    if text not in BOOKS:
        BOOKS[text] = book(text)
    return BOOKS[text]
