"""Law: N partitions together say what one engine says, alert by alert, byte for byte per subject, and derive the same readings."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from math import cos, sin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model import AlertChange, Device, Event, OperatorAction, Position, Reading, Tick, Value, Zone
from rules import hand_over
from rules.book import RuleBook, load, read_book
from rules.engine import Engine
from rules.hand_over import HandOver
from rules.judge import Judge
from rules.partition import Partitions, engine_of
from tests.rules.test_resume import BOOK, DEVICES, ZONES, aimed, events

SECOND = 1_000_000_000
START = 1_780_000_000_000_000_000
NUMBERS = (1, 2, 3, 5)


def per_subject(changes: Iterable[AlertChange]) -> dict[str, list[str]]:
    """What was said of each subject, in order."""
    found: dict[str, list[str]] = {}
    for change in changes:
        found.setdefault(change.subject, []).append(msgspec.json.encode(change).decode())
    return found


def said(engine: Engine, stream: Sequence[Event], again: int = 0) -> tuple[dict[str, list[str]], list[str]]:
    """(changes by subject, derived readings) of a stream, fed one by one; after so many events from a snapshot."""
    changes: list[AlertChange] = []
    derived: list[Reading] = []
    for number, event in enumerate(stream):
        if again and number == again and isinstance(engine, Partitions):
            fresh = Partitions(engine.book, engine.registry.values(), engine.zones, engine.partitions, engine.cell_deg)
            engine = fresh.restored(engine.snapshot())
        outcome = engine.feed([event])
        assert not outcome.failed, outcome.failed
        changes += outcome.changes
        derived += outcome.derived
    return per_subject(changes), sorted(msgspec.json.encode(reading).decode() for reading in derived)


def one_engine(
    rules: RuleBook, devices: Sequence[Device], zones: Sequence[Zone], stream: Sequence[Event]
) -> tuple[list[Event], tuple[dict[str, list[str]], list[str]]]:
    """The stream with actions aimed at open alerts, and what one engine says of it."""
    one = Engine(rules, devices, zones)
    seen: list[Event] = []
    changes: list[AlertChange] = []
    derived: list[Reading] = []
    for event in stream:
        seen.append(aimed(one, event))
        outcome = one.feed(seen[-1:])
        changes += outcome.changes
        derived += outcome.derived
    return seen, (per_subject(changes), sorted(msgspec.json.encode(reading).decode() for reading in derived))


# ------------------------------------------------------------------------------------------------ any stream


@given(events(), st.sampled_from(NUMBERS), st.sampled_from([0.004, 0.02, 0.25]), st.integers(0, 60))
@settings(max_examples=20, deadline=None)
def test_any_stream_cut_at_any_point(stream: list[Event], partitions: int, cell_deg: float, again: int) -> None:
    """Late, repeated, marked and moving readings, deafness, people, new rules and registries, places, rivers, lanes."""
    seen, expected = one_engine(BOOK, DEVICES, ZONES, stream)
    assert said(Partitions(BOOK, DEVICES, ZONES, partitions, cell_deg), seen, again) == expected


# ------------------------------------------------------------------------------------------------ a city

TOWN = """
- rule: crowd
  title: "{subject.name}: {speed:.0f km/h}"
  for_each: {kind: vehicle}
  let: {around: "mean(speed, 5 min, within 400 m)"}
  levels:
    blue: speed < 10 km/h and around < 30 km/h for 1 min
    orange: agree(speed < 15 km/h, within 400 m) >= 2 and speed < 15 km/h
  clear: speed > 35 km/h for 1 min
  silent: 6 min
  call: 2 min
- rule: votes
  for_each: {kind: vehicle}
  levels: {yellow: 3 of 5 (speed < 15 km/h)}
- rule: mean
  for_each: {kind: vehicle}
  levels: {yellow: "mean(speed, 10 min) < 28 km/h and max(speed, 5 min, same area) < 70 km/h"}
- rule: waits
  for_each: {kind: vehicle}
  wait: 2 min
  levels: {blue: "ewma(speed, 3 min) < 25 km/h and min(speed, 3 min, within 300 m) < 12 km/h"}
- rule: fence
  for_each: {kind: vehicle}
  levels: {blue: 'in_zone("yard") then not in_zone("yard") within 5 min'}
- rule: yard
  for_each: {every: zone, kind: yard}
  levels: {yellow: "agree(speed < 20 km/h, 5 min, inside) >= 2"}
- rule: district
  for_each: {every: area}
  levels: {yellow: "share(speed < 20 km/h, 5 min, inside, at least 2) >= 50 %"}
"""


def book(text: str) -> RuleBook:
    found = read_book([("t", "t.yaml", text)])
    assert isinstance(found, RuleBook), found
    return found


def town(seed: int, cars: int = 14, steps: int = 45) -> tuple[list[Device], list[Zone], list[Event]]:
    """Cars that cross the town to and fro, some of an area, some unknown to the registry; late, repeated and missing fixes; people
    who acknowledge, shelve and close a yard."""
    chance = random.Random(seed)
    names = [f"car-{n}" for n in range(cars)]
    listed = [Device(name, kind="vehicle", area=chance.choice(["", "east", "west"])) for name in names[: cars * 2 // 3]]
    square = ((121.004, 31.0), (121.011, 31.0), (121.011, 31.01), (121.004, 31.01), (121.004, 31.0))
    zones = [Zone("yard-1", "yard", "Yard", (square,))]
    made: list[Event] = []
    for step in range(steps):
        now = START + step * 30 * SECOND
        for n, name in enumerate(names):
            if chance.random() < 0.12:
                continue
            turn = step / (7 + n % 5) + n
            position = Position(round(121.008 + 0.008 * cos(turn), 6), round(31.005 + 0.004 * sin(turn * 1.3), 6))
            slow = (step // 12 + n) % 3 == 0
            speed = chance.uniform(0, 20) if slow else chance.uniform(25, 60)
            at = now + n * SECOND - chance.choice([0, 0, 0, 0, 45, 100]) * SECOND
            values: dict[str, Value] = {"speed": round(speed, 1), "course": 90.0}
            made.append(Reading(name, at, values, position, None, now + n * SECOND, "t", "vehicle"))
        made.append(Tick(now + 29 * SECOND))
        if step % 9 == 4:
            action = chance.choice(["acknowledge", "shelve", "maintenance"])
            target = "zone:yard-1" if action == "maintenance" else "@open"
            made.append(OperatorAction(now + 29 * SECOND, "op", action, target, "", now + 200 * SECOND))
    return listed, zones, [*made, *(Tick(START + (steps * 30 + 60 * n) * SECOND) for n in range(1, 12))]


@pytest.mark.parametrize("partitions", NUMBERS)
@pytest.mark.parametrize("seed", range(3))
def test_cars_that_cross_borders(seed: int, partitions: int) -> None:
    listed, zones, stream = town(seed)
    one = Engine(book(TOWN), listed, zones)
    seen: list[Event] = []
    changes: list[AlertChange] = []
    derived: list[Reading] = []
    for event in stream:
        seen.append(aimed(one, event))
        outcome = one.feed(seen[-1:])
        changes += outcome.changes
        derived += outcome.derived
    expected = per_subject(changes), sorted(msgspec.json.encode(reading).decode() for reading in derived)
    many = Partitions(book(TOWN), listed, zones, partitions, cell_deg=0.006)
    assert said(many, seen) == expected
    assert len({change.rule for change in changes}) >= 6, "the town has something of every rule"
    if partitions > 1:
        assert many.hand_overs > 50
        assert (
            any(len(known) + 1 < partitions for known in many.judge.homes.known.values()) or partitions < 5
        )  # four cells that meet are of three at least
        again = Partitions(book(TOWN), listed, zones, partitions, cell_deg=0.006)
        assert said(again, seen, len(seen) // 2) == expected


def test_the_number_of_partitions_may_change_with_any_start() -> None:
    """A snapshot is that of one engine, whoever made it: alerts open, memories half full, lanes waiting."""
    listed, zones, stream = town(7, cars=9, steps=40)
    one = Engine(book(TOWN), listed, zones)
    expected = [change for event in stream for change in one.feed([event]).changes]
    changes: list[AlertChange] = []
    data: bytes | None = None
    for turn, partitions in enumerate((3, 1, 5, 2)):
        part = stream[turn * len(stream) // 4 : (turn + 1) * len(stream) // 4]
        engine = engine_of(book(TOWN), listed, zones, partitions, data)
        for event in part:
            changes += engine.feed([event]).changes
        data = engine.snapshot()
    assert per_subject(changes) == per_subject(expected)


def strait() -> list[Event]:
    """Two streams of vessels on opposite courses through a strait."""
    stream: list[Event] = []
    for step in range(40):
        now = START + step * 30 * SECOND
        for n in range(8):
            east = n % 2 == 0
            lon = 121.0 + 0.03 * n + (0.0018 if east else -0.0018) * step
            values: dict[str, Value] = {
                "sog": 12.0,
                "cog": 90.0 if east else 270.0,
                "nav_status": "under way using engine",
            }
            place = Position(round(lon, 6), 31.0 + 0.0008 * (n % 3))
            stream.append(Reading(f"v{n}", now + n * SECOND, values, place, None, now + n * SECOND, "t", "vessel"))
        stream.append(Tick(now + 29 * SECOND))
    return [*stream, *(Tick(START + (40 * 30 + 120 * n) * SECOND) for n in range(40))]


@pytest.mark.parametrize("partitions", NUMBERS)
def test_vessels_that_meet_at_a_border(partitions: int) -> None:
    """Pairs arise, warn and end while both vessels change their homes."""
    found = load([], ["maritime"])
    assert isinstance(found, RuleBook)
    stream = strait()
    expected = said(Engine(found), stream)
    many = Partitions(found, (), (), partitions, cell_deg=0.01)
    assert any("+" in subject for subject in expected[0])
    assert said(many, stream) == expected


@pytest.mark.parametrize("partitions", NUMBERS)
def test_who_crosses_takes_along_what_is_under_way(partitions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vehicle comes to another home while an alert of its is open, votes are still missing in a memory, and a lane holds readings of its."""
    listed, zones, stream = town(0)
    one = Engine(book(TOWN), listed, zones)
    seen: list[Event] = []
    for event in stream:
        seen.append(aimed(one, event))
        one.feed(seen[-1:])
    many = Partitions(book(TOWN), listed, zones, partitions, cell_deg=0.006)
    take, laden = hand_over.take, list[str]()

    def noticing(judge: Judge, given: HandOver) -> None:
        if judge in many.judge.judges and not given.guest:
            standing = msgspec.msgpack.decode(given.states[0])["standing"]
            waits = any(device == given.device for lane in many.lanes.values() for _, device, _ in lane.held)
            opened = any(state[4] for state in standing.values())
            votes = [memory[1] for memory in standing.get("t/votes", [0, 0, 0, []])[3]]
            if waits and opened and any(0 < len(told) < 5 for told in votes):
                laden.append(given.device)
        take(judge, given)

    monkeypatch.setattr(hand_over, "take", noticing)
    assert said(many, seen) == said(Engine(book(TOWN), listed, zones), seen)
    assert bool(laden) == (partitions > 1)
