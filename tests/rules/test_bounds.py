"""The bounds of a series' samples tell that a window need not be looked at. They never tell so wrongly."""

from __future__ import annotations

import random

import pytest

from hub.model import AlertChange, Event, Position, Reading, Tick
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.figures.ranks import NEAR
from rules.language import writer
from rules.language.bounds import bound
from rules.language.ir import Comparison, Window
from rules.state.samples import Samples

MINUTE = 60_000_000_000
START = 1_780_000_000_000_000_000
PLACE = Position(116.4, 39.9)

RULES = """
- rule: mean
  for_each: {kind: gauge}
  levels: {blue: "mean(water_depth, 20 min) > 12 cm", red: "mean(water_depth, 20 min) >= 16 cm and water_depth > 15 cm"}
  clear: mean(water_depth, 20 min) < 90 % of level
- rule: low
  for_each: {kind: gauge}
  levels: {yellow: "mean(battery, 30 min, at least 3) < 40 % or max(battery, 10 min) <= 35 %"}
- rule: neither
  for_each: {kind: gauge}
  levels: {blue: "not (min(water_depth, 10 min) < 8 cm) and not (percentile(battery, 50 %, 20 min) > 60 %)"}
- rule: moves
  for_each: {kind: gauge}
  levels:
    blue: rise(water_depth, 15 min) > 9 cm
    yellow: fall(water_depth, 15 min) > 14 cm or delta(water_depth, 15 min) < -15 cm
    orange: largest_step(water_depth, 30 min) >= 17 cm
- rule: around
  for_each: {kind: gauge}
  levels:
    blue: water_depth > 6 cm and mean(water_depth, 30 min, within 3 km) > 13 cm
    yellow: water_depth > 3 cm and (min(water_depth, 10 min, within 3 km) < 2 cm or fall(water_depth, 20 min, within 3 km) > 12 cm)
- rule: spared
  for_each: {kind: gauge}
  levels: {blue: "water_depth > 6 cm and not (mean(battery, 30 min, within 3 km) > 80 %)"}
- rule: both
  for_each: {kind: gauge}
  levels: {blue: "last(battery, 1 h) < 50 % and mean(water_depth, 1 h, at least 5) > 10 cm"}
"""


def book(text: str = RULES) -> RuleBook:
    found = read_book([("test", "test.yaml", text)])
    assert isinstance(found, RuleBook), found
    return found


def stream(seed: int, readings: int = 400) -> list[Event]:
    """Two gauges that tell depth and battery, now and then late, twice, another value for the same moment, marked, or beyond any number."""
    chance = random.Random(seed)
    level, told, clock = 6.0, [], START
    events: list[Event] = []
    for _ in range(readings):
        clock += chance.choice((1, 1, 2, 5)) * MINUTE
        level = min(20.0, max(0.0, level + chance.gauss(0, 2.5)))
        at = clock
        if told and chance.random() < 0.15:
            at = chance.choice(told[-15:])
        told.append(at)
        values = {"water_depth": level / 100, "battery": chance.choice((30.0, 45.0, 55.0, 70.0))}
        if chance.random() < 0.2:
            del values[chance.choice(sorted(values))]
        if chance.random() < 0.01:
            values["water_depth"] = 1e300
        marks = {"water_depth": "fault"} if chance.random() < 0.05 else None
        events.append(
            Reading(chance.choice("ab"), at, values, marks=marks, received_at=clock, kind="gauge", position=PLACE)
        )
        if chance.random() < 0.1:
            events.append(Tick(clock))
        if chance.random() < 0.01:
            clock += 3 * 60 * MINUTE
    return events


def said(events: list[Event]) -> list[AlertChange]:
    return Engine(book()).feed(events).changes


@pytest.mark.parametrize("seed", range(12))
def test_rules_say_the_same_where_bounds_tell_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    events = stream(seed)
    changes = said(events)
    assert len({change.rule for change in changes}) == 7, "else nothing is compared"
    monkeypatch.setattr(writer, "bound", lambda node, wanted: None)
    assert said(events) == changes


@pytest.mark.parametrize("seed", range(4))
def test_a_resumed_engine_leaves_the_same_windows_alone(seed: int) -> None:
    events = stream(seed)
    chance = random.Random(seed)
    whole, resumed = Engine(book()), Engine(book())
    for event in events:
        assert resumed.feed([event]).changes == whole.feed([event]).changes
        if chance.random() < 0.05:
            data = resumed.snapshot()
            resumed = Engine.restore(data, book())
            assert resumed.snapshot() == data == whole.snapshot()


def test_a_window_is_made_when_a_sample_makes_its_mean_worth_asking_for() -> None:
    engine = Engine(
        book("- rule: mean\n  for_each: {kind: gauge}\n  levels: {blue: 'mean(water_depth, 1 h) > 12 cm'}\n")
    )

    def feed(minute: int, depth: float) -> int:
        at = START + minute * MINUTE
        engine.feed([Reading("g", at, {"water_depth": depth}, received_at=at, kind="gauge")])
        return engine.stats()["windows"]

    assert [feed(minute, 0.1) for minute in range(20)] == [0] * 20
    assert feed(20, 0.13) == 1
    assert engine.stats()["open_alerts"] == 0
    for minute in range(21, 70):
        feed(minute, 0.2)
    assert engine.stats()["open_alerts"] == 1


@pytest.mark.parametrize("seed", range(6))
def test_no_sample_lies_outside_the_bounds(seed: int) -> None:
    chance = random.Random(seed)
    samples = Samples(30 * MINUTE)
    window = samples.window(10 * MINUTE, False)
    at = START
    for turn in range(2000):
        at += chance.randrange(3) * MINUTE
        when = at if chance.random() < 0.8 else at - chance.randrange(40) * MINUTE
        samples.add(when, chance.gauss(0, 1) * (100 if turn < 50 else 1))
        if chance.random() < 0.05 and samples.times:
            samples.remove(chance.choice(samples.times))
        if chance.random() < 0.2:
            window.trim(at)
            window.total()
        if chance.random() < 0.01:
            samples = Samples.thaw(samples.freeze())
            window = samples.windows[0]
        if samples.values:
            assert samples.low <= min(samples.values) <= max(samples.values) <= samples.high
    assert samples.high < 20, "what was high once is gone, and its bound with it"


def test_a_snapshot_of_an_engine_that_knew_no_bounds_has_them_found() -> None:
    samples = Samples(30 * MINUTE)
    for minute, value in enumerate((3.0, 1.0, 2.0)):
        samples.add(START + minute * MINUTE, value)
    size, times, values, overflow, windows, *_ = samples.freeze()
    old = Samples.thaw([size, times, values, overflow, windows])
    assert (old.low, old.high) == (1.0, 3.0)


def test_a_sum_that_nobody_asked_for_in_long_is_made_anew() -> None:
    samples = Samples(10 * MINUTE)
    window = samples.window(10 * MINUTE, False)
    for minute in range(100):
        samples.add(START + minute * MINUTE, 0.1 * minute)
        if minute == 20:
            assert window.near_mean(START + minute * MINUTE, 1) is not None
            assert window.sums
    assert not window.sums
    inside = [0.1 * minute for minute in range(90, 100)]
    assert window.near_mean(START + 99 * MINUTE, 1) == pytest.approx(sum(inside) / 10, abs=1e-12)


@pytest.mark.parametrize(
    ("condition", "wanted", "says"),
    [
        ("mean(water_depth, 1 h) > 12 cm", True, ("high", f"> {0.12 - NEAR}")),
        ("mean(water_depth, 1 h) > 12 cm", False, ("low", f"<= {0.12 + NEAR}")),
        ("mean(water_depth, 1 h, within 3 km) > 12 cm", True, ("high", f"> {0.12 - NEAR}")),
        ("fall(water_depth, 1 h) >= 12 cm", True, ("width", f">= {0.12 - NEAR}")),
        ("fall(water_depth, 1 h) >= 12 cm", False, None),
        ("trend(water_depth, 1 h) > 12 cm/h", True, None),
        ("count(water_depth, 1 h) > 12", True, None),
        ("mean(water_depth, 1 h, same zone) > 12 cm", True, None),
    ],
)
def test_what_bounds_say(condition: str, wanted: bool, says: tuple[str, str] | None) -> None:
    rules = book(
        f"- rule: r\n  for_each: {{kind: gauge}}\n  levels: {{blue: 'battery < 50 % and {condition}'}}\n"
    ).rules
    nodes = [node for node in rules[0].nodes() if isinstance(node, Comparison) and isinstance(node.left, Window)]
    told = bound(nodes[0], wanted)
    assert (told and told[1:]) == says
