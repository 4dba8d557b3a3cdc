"""Quality tests: each alone, and what the engine makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hub.model import AlertChange, Device, Event, Position, Reading
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.qartod import Flag, flat_line, gap, gross_range, neighbours, rate_of_change, spike, worst

START = 1_780_000_000_000_000_000
HOUR = 3_600_000_000_000
RULES = """
- rule: dust
  title: "{subject.name} {pm25:.0f ug/m3}"
  for_each: {kind: air-station}
  levels:
    yellow: pm25 > 115 ug/m3
    orange: pm25 > 150 ug/m3
    red: pm25 > 250 ug/m3
  clear: pm25 < 90 % of level
- rule: all-of-it
  for_each: {kind: air-station}
  quality: any
  levels: {blue: pm25 > 4000 ug/m3}
"""


def test_each_test_alone() -> None:
    assert gross_range(11, (-10, 10)) is Flag.FAIL
    assert gross_range(9, (-10, 10), (-2, 3)) is Flag.SUSPECT
    assert gross_range(float("nan"), (-10, 10)) is Flag.FAIL
    assert spike(1, 3, 1, 0.8, 3) is Flag.SUSPECT
    assert spike(1, 5, 1, 0.8, 3) is Flag.FAIL
    assert spike(1, 2, 3, 0.8, 3) is Flag.GOOD
    assert spike(None, 2, 3, 0.8) is Flag.NOT_EVALUATED
    assert rate_of_change(1, 2, 100, 0.001) is Flag.SUSPECT
    assert rate_of_change(1, 2, 1000, 0.001) is Flag.GOOD
    assert flat_line(3 * 3600, 10, 3 * 3600, 6 * 3600) is Flag.SUSPECT
    assert flat_line(6 * 3600, 10, 3 * 3600, 6 * 3600) is Flag.FAIL
    assert flat_line(6 * 3600, 2, 3 * 3600, 6 * 3600) is Flag.GOOD
    assert gap(181, 60) is Flag.MISSING
    assert neighbours(30, 600, [20, 40]) is Flag.SUSPECT
    assert neighbours(30, 600, [20, 200]) is Flag.GOOD
    assert neighbours(600, 30, [500, 600]) is Flag.SUSPECT
    assert neighbours(30, 600, []) is Flag.NOT_EVALUATED
    assert worst([Flag.GOOD, Flag.SUSPECT, Flag.NOT_EVALUATED]) is Flag.SUSPECT
    assert worst([]) is Flag.NOT_EVALUATED


def engine(rules: str = RULES) -> Engine:
    found = read_book([("t", "t.yaml", rules)])
    assert isinstance(found, RuleBook), found
    return Engine(found, [Device(n, n, "air-station", Position(116.4 + i / 20, 39.9)) for i, n in enumerate("abc")])


def feed(e: Engine, device: str, values: Sequence[float], since: int = 0) -> tuple[list[AlertChange], list[Reading]]:
    events: list[Event] = [
        Reading(device, START + (since + i) * HOUR, {"pm25": float(v)}, received_at=START + (since + i) * HOUR)
        for i, v in enumerate(values)
    ]
    outcome = e.feed(events)
    return outcome.changes, outcome.derived


def said(changes: list[AlertChange]) -> list[str]:
    return [f"{c.subject} {c.change.value} {c.level}" for c in changes]


def test_a_lone_spike_among_calm_neighbours_is_no_disaster_and_says_so() -> None:
    e = engine()
    feed(e, "b", [30, 31])
    changes, derived = feed(e, "a", [30, 600, 40])
    assert said(changes) == ["a raised yellow", "a cleared yellow"]
    withheld = changes[0].evidence[0]["withheld"]
    assert withheld == (
        "pm25 jumped from 30 to 600 in one reading while 1 within 30 km stay at 31; it waits for the next reading or a neighbour"
    )
    assert "more is withheld: pm25 jumped" in changes[0].reason
    assert [(r.observed_at, r.values, r.marks) for r in derived] == [
        (START + HOUR, {"pm25": 600.0}, {"pm25": "suspect"})
    ], "the spike is marked for good once the reading after it denies it"


def test_its_own_next_reading_confirms_a_jump() -> None:
    e = engine()
    feed(e, "b", [30, 31])
    changes, derived = feed(e, "a", [30, 600, 610])
    assert said(changes) == ["a raised yellow", "a escalated red"]
    assert derived == []


def test_a_neighbour_confirms_a_jump_even_from_a_rule_that_does_not_ask_neighbours() -> None:
    e = engine()
    feed(e, "b", [30])
    changes, _ = feed(e, "a", [30, 600])
    assert said(changes) == ["a raised yellow"]
    assert said(feed(e, "b", [200], 1)[0]) == ["b raised orange", "a escalated red"]


def test_alone_in_the_world_a_jump_counts_at_once() -> None:
    assert said(feed(engine(), "a", [30, 600])[0]) == ["a raised red"]


def test_what_no_sensor_can_measure_is_not_used_unless_asked_for() -> None:
    changes, derived = feed(engine(), "a", [30, 9000, 30])
    assert [(c.rule, c.level) for c in changes] == [("t/all-of-it", "blue"), ("t/all-of-it", "blue")]
    assert [(r.values, r.marks) for r in derived] == [({"pm25": 9000.0}, {"pm25": "fail"})]


def test_a_sensor_that_never_moves_is_doubted_then_not_used() -> None:
    e = engine()
    _, derived = feed(e, "a", [160] * 30)
    words = [r.marks["pm25"] for r in derived if r.marks]
    assert words == ["suspect"] * 12 + ["fail"] * 6
    assert e.subjects["a"].last_t["pm25"] == START + 23 * HOUR
    assert feed(e, "a", [161], 30)[1] == []


@pytest.mark.parametrize("cut", range(6))
def test_resumed_in_the_middle_of_a_doubt(cut: int) -> None:
    whole, first = engine(), engine()
    for e in (whole, first):
        feed(e, "b", [30])
    expected, marked = feed(whole, "a", [30, 600, 30, 30, 30, 700])
    got, derived = feed(first, "a", [30, 600, 30, 30, 30, 700][:cut])
    second = Engine.restore(first.snapshot(), first.book, first.registry.values())
    assert second.snapshot() == first.snapshot()
    more, derived_more = feed(second, "a", [30, 600, 30, 30, 30, 700][cut:], cut)
    assert got + more == expected
    assert derived + derived_more == marked
    assert feed(second, "b", [200], 6) == feed(whole, "b", [200], 6)
    assert second.snapshot() == whole.snapshot()
