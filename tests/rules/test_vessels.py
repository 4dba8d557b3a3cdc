"""CPA and TCPA against worked figures."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model import Device, Event, Maintenance, Position, Reading, Tick
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.figures.vessels import Fix, Hull, approach, clearance_m, closest_approach, risky_pairs
from rules.state.maintenance import windows_of
from rules.state.subject import Subject


def test_worked_figures() -> None:
    assert closest_approach(0.5, 2, 0, -20) == pytest.approx((0.5, 6))
    assert closest_approach(3, 3, -12, -12) == pytest.approx((0, 15))
    assert closest_approach(1, 0, 0, 0) == (1, 0)
    assert closest_approach(0, 1, 0, 10) == pytest.approx((0, -6)), "it has passed"


MILE = 1 / 60
"""Degrees of latitude; of longitude at the equator."""


def test_the_hulls_of_a_crossing_meet_where_the_antennas_pass() -> None:
    """A tanker of 330 m goes north, its antenna 30 m from the stern; a boat going west passes 0.1 nm (185 m) ahead of that antenna."""
    tanker, boat = Fix("t", Position(0, 0), 10, 0), Fix("b", Position(MILE, MILE + 0.1 * MILE), 10, 270)
    hull = Hull(300, 30, 30, 30, 0)
    assert approach(tanker, boat).cpa_nm * 1852 == pytest.approx(131, abs=1)
    assert clearance_m(tanker, boat, None, None) == pytest.approx(131, abs=1)
    assert clearance_m(tanker, boat, hull, None) == 0
    astern = boat._replace(position=Position(MILE, MILE - 0.1 * MILE))
    assert clearance_m(tanker, astern, hull, None) == pytest.approx(131 - (30 + 30) / 2**0.5, abs=1)


def test_two_ships_that_meet_in_a_channel_keep_what_is_between_their_sides() -> None:
    north = Fix("n", Position(0, 0), 10, 0)
    south = Fix("s", Position(0.1 * MILE, MILE), 8, 180)
    hulls = Hull(250, 50, 20, 28, 0), Hull(150, 30, 16, 16, 180)
    assert clearance_m(north, south, *hulls) == pytest.approx(185.2 - 28 - 16, abs=0.1)
    assert clearance_m(south, north, hulls[1], hulls[0]) == pytest.approx(185.2 - 28 - 16, abs=0.1)


def test_ships_that_lie_still_keep_the_gap_between_them() -> None:
    berthed = Fix("a", Position(0, 0), 0, 0), Fix("b", Position(0.1 * MILE, 0), 0, 0)
    assert clearance_m(*berthed, Hull(50, 50, 10, 10, 0), Hull(50, 50, 10, 10, 90)) == pytest.approx(
        185.2 - 10 - 50, abs=0.1
    )
    assert clearance_m(berthed[0], berthed[0], None, None) == 0


speeds = st.floats(0, 30)
courses = st.floats(0, 360)


@given(speeds, courses, speeds, courses, st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))
def test_both_vessels_see_the_same(s1: float, c1: float, s2: float, c2: float, dx: float, dy: float) -> None:
    a, b = (
        Fix("a", Position(180 - 0.05, 31), s1, c1),
        Fix("b", Position((180 - 0.05 + dx + 180) % 360 - 180, 31 + dy), s2, c2),
    )
    assert approach(a, b) == pytest.approx(approach(b, a), abs=1e-6)


def test_pairs_on_a_collision_course() -> None:
    fixes = [
        Fix("z", Position(121.0, 31.00), 10, 0),
        Fix("a", Position(121.0, 31.05), 10, 180),
        Fix("m", Position(121.5, 31.0), 10, 0),
    ]
    pairs = risky_pairs(fixes, cpa_nm=0.5, tcpa_min=12)
    assert [pair for pair, _ in pairs] == ["a+z"]
    assert pairs[0][1] == pytest.approx((0, 9), abs=1e-6)
    assert risky_pairs(fixes, cpa_nm=0.5, tcpa_min=8) == []


COLLISION = """
- rule: collision
  for_each: {kind: vessel-pair}
  hold: 1 min
  levels: {yellow: 2 of 3 (cpa < 0.2 nmi and tcpa >= 0 min and tcpa < 6 min) for 20 s}
  clear: (tcpa < 0 min or cpa > 0.3 nmi) for 30 s
"""
START = 1_780_000_000_000_000_000
SECOND = 1_000_000_000


def crossing() -> list[Event]:
    """Two vessels meet, a third stays far off; each reports every ten seconds at its own moment."""
    made: list[Event] = []
    for i in range(70):
        for offset, (name, lon, lat, cog) in enumerate(
            [("z", 121.0, 31.0 + i * 0.000463, 0.0), ("a", 121.0, 31.04 - i * 0.000463, 180.0), ("m", 121.5, 31.0, 0.0)]
        ):
            at = START + (i * 10 + offset * 3) * SECOND
            made.append(Reading(name, at, {"sog": 10.0, "cog": cog}, Position(lon, lat), received_at=at, kind="vessel"))
        made.append(Tick(START + (i * 10 + 9) * SECOND))
    return made


def engine() -> Engine:
    book = read_book([("t", "t.yaml", COLLISION)])
    assert isinstance(book, RuleBook), book
    return Engine(book)


def renamed(events: list[Event], names: dict[str, str]) -> list[Event]:
    return [
        msgspec.structs.replace(event, device=names.get(event.device, event.device))
        if isinstance(event, Reading)
        else event
        for event in events
    ]


def test_vessels_with_a_plus_in_their_names_are_warned_of_as_a_pair() -> None:
    """`b+` and `+z`: joined and taken apart again the pair must have both, or it has no way and nobody is handed over."""
    one = engine()
    changes = one.feed(renamed(crossing(), {"z": "+z", "a": "b+"})).changes
    assert {change.subject for change in changes} == {"%2Bz+b%2B"}
    assert {change.pair for change in changes} == {("+z", "b+")}
    warned, events = engine(), iter(renamed(crossing(), {"z": "+z", "a": "b+"}))
    while not warned.standing_alerts():
        warned.feed([next(events)])
    assert {subject.pair for _, subject in warned.standing_alerts()} == {("+z", "b+")}
    (plain, *_), (first, *_) = engine().feed(crossing()).changes, changes
    assert (first.at, first.motion, first.position) == (plain.at, plain.motion, plain.position)


def test_a_device_that_is_called_as_a_pair_is_not_forgotten_as_one() -> None:
    events = crossing()
    gauge = Reading("a+z", START, {"water_level": 1.0}, received_at=START, kind="river-gauge")
    one = engine()
    outcome = one.feed([gauge, *events])
    assert one.stats()["subjects"] == 4
    assert not outcome.derived


def test_planned_work_on_a_part_of_a_name_silences_nobody() -> None:
    """`1+truck` and `truck` are two vehicles."""
    window = Maintenance("w", "truck", START, START + 3600 * SECOND, "li")
    both = [Subject(Device("1+truck", kind=kind), None) for kind in ("vessel-pair", "vehicle")]
    assert [windows_of([window], subject) for subject in both] == [(window,), None]


def test_a_pair_is_a_subject_while_it_may_collide() -> None:
    one = engine()
    outcome = one.feed(crossing())
    assert [(c.subject, c.change.value) for c in outcome.changes] == [("a+z", "raised"), ("a+z", "cleared")]
    assert sorted(one.subjects) == ["a", "m", "z"], "the pair is forgotten once it has passed"
    assert {reading.device for reading in outcome.derived} == {"a+z"}


@pytest.mark.parametrize("cut", [1, 30, 60, 100, 150, 200, 250])
def test_pairs_resumed_anywhere(cut: int) -> None:
    stream = crossing()
    whole, first = engine(), engine()
    expected = whole.feed(stream)
    got = first.feed(stream[:cut])
    second = Engine.restore(first.snapshot(), first.book)
    assert second.snapshot() == first.snapshot()
    more = second.feed(stream[cut:])
    assert got.changes + more.changes == expected.changes
    assert got.derived + more.derived == expected.derived
    assert second.snapshot() == whole.snapshot()
