"""Figures that nobody would miss until they are wrong: sums over years, spans counted twice, edges of zones, marks out of order."""

from __future__ import annotations

from math import cos, fsum, radians

import pytest

from hub.model import AlertChange, Deaf, Device, Event, Position, Reading, Tick, Zone
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.judging import life
from rules.state.geometry import METRES_PER_DEG, distance_m, edge_m
from rules.state.neighbourhood import Neighbourhood
from rules.state.samples import Samples
from rules.state.subject import Standing, Subject

MINUTE = 60_000_000_000
START = 1_780_000_000_000_000_000


def book(text: str) -> RuleBook:
    found = read_book([("t", "t.yaml", text)])
    assert isinstance(found, RuleBook), found
    return found


def reading(minute: float, value: float, mark: str = "", received: float | None = None) -> Reading:
    at = START + round(minute * MINUTE)
    came = START + round((minute if received is None else received) * MINUTE)
    return Reading("g", at, {"water_depth": value}, None, {"water_depth": mark} if mark else None, came, "t", "gauge")


def told(changes: list[AlertChange]) -> list[tuple[str, str, int]]:
    return [(c.rule, c.change.value, (c.at - START) // MINUTE) for c in changes]


def test_a_large_value_that_leaves_a_window_takes_nothing_with_it() -> None:
    """Without compensation the sum keeps what the large value's rounding swallowed: some 0.06 for each sample beside it."""
    samples = Samples(10 * MINUTE)
    window = samples.window(10 * MINUTE, False)
    values = []
    for n in range(5_000):
        values.append(1e15 if n % 97 == 5 else 0.1 + n % 7 / 10)
        samples.add(START + n * MINUTE, values[-1])
        window.trim(START + n * MINUTE)
        assert window.total() == pytest.approx(fsum(values[-10:]), rel=1e-15, abs=1e-9), n
    assert window.sum() == round(fsum(values[-10:]), 9)


SILENT = "- rule: s\n  for_each: {kind: gauge}\n  silent: {after: 30 min, exactly: true}\n"


@pytest.mark.parametrize(
    ("spans", "deaf"),
    [
        ([(5, 15)], 10),
        ([(5, 15), (10, 20)], 15),
        ([(5, 15), (5, 15)], 10),
        ([(5, 20), (10, 15)], 15),
        ([(5, 10), (12, 15)], 8),
    ],
)
def test_time_in_which_the_hub_was_deaf_counts_once(spans: list[tuple[int, int]], deaf: int) -> None:
    events: list[Event] = [reading(0, 0.1)]
    events += [Deaf(START + since * MINUTE, START + until * MINUTE) for since, until in spans]
    events += [Tick(START + n * MINUTE) for n in range(21, 90)]
    assert told(Engine(book(SILENT)).feed(events).changes) == [("t/s:silent", "raised", 30 + deaf)]


def test_the_marks_that_count_are_those_of_the_newest_reading() -> None:
    rules = book('- rule: m\n  for_each: {kind: gauge}\n  levels: {yellow: marked("fault")}\n')
    engine = Engine(rules)
    assert told(engine.feed([reading(10, 0.1, "fault")]).changes) == [("t/m", "raised", 10)]
    assert engine.feed([reading(5, 0.1, received=11)]).changes == [], "a late one without marks heals nothing"
    assert engine.subjects["g"].marks == {"fault"}
    assert told(engine.feed([reading(12, 0.1)]).changes) == [("t/m", "cleared", 12)]
    assert engine.feed([reading(8, 0.1, "fault", received=13)]).changes == [], "nor makes a late one ill"
    assert not engine.subjects["g"].marks


MEANS = """
- rule: mean
  for_each: {kind: gauge}
  levels: {yellow: "mean(water_depth, 1 h) > 1 m"}
- rule: rise
  for_each: {kind: gauge}
  levels: {yellow: "rise(water_depth, 1 h) > 3 m"}
- rule: top
  for_each: {kind: gauge}
  levels: {yellow: "max(water_depth, 30 min) > 3 m for 20 min"}
"""


def test_a_mark_that_comes_after_its_value_takes_the_value_out_of_every_window() -> None:
    """As of a data logger that sends values at once, and its checks of them in the next message."""
    engine = Engine(book(MEANS))
    assert engine.feed([reading(minute, 0.1) for minute in (0, 10, 20)]).changes == []
    assert told(engine.feed([reading(30, 5.0)]).changes) == [("t/mean", "raised", 30), ("t/rise", "raised", 30)]
    check = reading(30, 5.0, "fault", received=31)
    alone = Reading("g", check.observed_at, {}, None, {"water_depth": "fault"}, check.received_at, "t", "gauge")
    for late in (alone, check):  # without its value, and beside it
        again = Engine(book(MEANS))
        again.feed([reading(minute, 0.1) for minute in (0, 10, 20)] + [reading(30, 5.0), late])
        subject = again.subjects["g"]
        assert list(subject.samples["water_depth"].values) == [0.1, 0.1, 0.1]
        assert subject.last["water_depth"] == 0.1
        found = again.feed([reading(40, 0.1), reading(50, 0.1), reading(60, 0.1)]).changes
        assert {change.rule for change in found if change.change.value == "raised"} == set()
    earlier = Reading("g", START + 10 * MINUTE, {}, None, {"water_depth": "fault"}, START + 41 * MINUTE, "t", "gauge")
    again.feed([earlier])
    assert list(again.subjects["g"].samples["water_depth"].times)[1] == START + 20 * MINUTE
    assert again.subjects["g"].last["water_depth"] == 0.1
    usable = reading(60, 0.1, "estimated", received=61)
    again.feed([usable])
    assert usable.observed_at in again.subjects["g"].samples["water_depth"]


def test_a_value_that_comes_behind_its_mark_is_in_no_window() -> None:
    """Of a logger's memory, which has no marks. History, dashboards and rules give one answer; only another mark takes one back."""
    ill = [
        reading(30, 5.0, "fault"),
        Reading("g", START + 40 * MINUTE, {}, None, {"water_depth": "fault"}, START + 40 * MINUTE, "t", "gauge"),
    ]
    behind = [reading(30, 5.0, received=41), reading(40, 6.0, received=42)]
    engine = Engine(book(MEANS))
    assert engine.feed([reading(minute, 0.1) for minute in (0, 10, 20)] + ill).changes == []
    again = Engine.restore(engine.snapshot(), engine.book)
    for going in (engine, again):
        assert going.feed(behind).changes == []
        assert list(going.subjects["g"].samples["water_depth"].values) == [0.1, 0.1, 0.1]
        assert going.subjects["g"].last["water_depth"] == 0.1
        assert going.snapshot() == engine.snapshot()
    assert told(engine.feed([reading(30, 5.0, "manual", received=43)]).changes) == [
        ("t/mean", "raised", 40),
        ("t/rise", "raised", 40),
    ]
    assert len(again.feed([reading(50, 5.0)]).changes) == 2


def test_what_lasts_began_with_the_earlier_of_two_judgements() -> None:
    standing = Standing([])
    true, waits = 1 << life.TRUE, [(10 * MINUTE, 0)] * 4
    assert life.move_levels(waits, standing, true, 20 * MINUTE, 100) == 100 + 10 * MINUTE
    life.move_levels(waits, standing, true, 15 * MINUTE, 101)
    assert standing.since[0] == (15 * MINUTE, 101)
    life.move_levels(waits, standing, true, 18 * MINUTE, 102)
    assert standing.since[0] == (15 * MINUTE, 101)
    life.move_levels(waits, standing, true, 25 * MINUTE, 103)
    assert standing.latched == 1


LON, LAT = 120.0, 31.0
EAST = METRES_PER_DEG * cos(radians(LAT))
SQUARE = Zone("z", "yard", "Z", (((LON, LAT), (LON + 0.02, LAT), (LON + 0.02, LAT + 0.02), (LON, LAT + 0.02)),))
WIDE, HIGH = 0.02 * EAST, 0.02 * METRES_PER_DEG


def at(east_m: float, north_m: float) -> Position:
    """So many metres east and north of the square's south-western corner."""
    return Position(LON + east_m / EAST, LAT + north_m / METRES_PER_DEG)


@pytest.mark.parametrize(
    ("east", "north", "margin", "expected"),
    [
        (3, 500, 0, True), (-3, 500, 0, False), (500, 3, 0, True), (500, -3, 0, False),
        (WIDE - 3, 500, 0, True), (WIDE + 3, 500, 0, False), (500, HIGH - 3, 0, True), (500, HIGH + 3, 0, False), (WIDE - 3, HIGH - 3, 0, True),
        (-45, 500, 50, None), (-55, 500, 50, False), (45, 500, 50, True), (3, 500, 50, True), (500, -48, 50, None), (500, -52, 50, False),
        (-34, -34, 50, None), (-37, -37, 50, False),
    ],
)  # fmt: skip
def test_a_zone_ends_where_it_ends(east: float, north: float, margin: float, expected: bool | None) -> None:
    subject = Subject(Device("a", position=at(east, north)), None)
    hood = Neighbourhood({"a": subject}, [SQUARE], ())
    assert hood.in_zone(subject, "yard", margin) is expected


def test_distances_to_edges_and_between_places_are_metres() -> None:
    assert edge_m(SQUARE, at(-48, 500)) == pytest.approx(48, abs=0.1)
    assert edge_m(SQUARE, at(48, 500)) == pytest.approx(48, abs=0.1)
    assert distance_m(at(0, 0), at(300, 400)) == pytest.approx(500, abs=1)
