"""What a city of sensors costs in memory: the rules' state, subject by subject."""

from __future__ import annotations

import gc
import tracemalloc

import msgspec
import pytest

from hub.model import Device, Position, Reading, Value
from rules.book import RuleBook, load
from rules.engine import Engine
from rules.state.subject import NOTHING_YET, Subject
from rules.state.track import RECENT_MAX, Recent

START = 1_780_000_000_000_000_000
HOUR = 3_600_000_000_000
METRICS = ("pm25", "pm10", "no2", "so2", "o3", "co", "air_temperature")
STATIONS, ROUNDS = 50, RECENT_MAX + 2
A_STATION_BYTES = 15_300
"""A station of seven metrics under `air-cn` with a day of hourly values behind it: 14,720 measured, and 19,220 before values were kept in
arrays and empty dicts shared."""


def made(stations: int) -> tuple[Engine, int]:
    """The rules with so many stations, and the bytes that they take where memory is traced."""
    book = load([], ["air-cn"])
    assert isinstance(book, RuleBook)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    devices = [
        Device(f"air-{n}", kind="air-station", position=Position(121 + n / 1e4, 31.2, 5.0), area="north")
        for n in range(stations)
    ]
    engine = Engine(book, devices)
    for turn in range(ROUNDS):
        at = START + turn * HOUR
        for n, device in enumerate(devices):
            values: dict[str, Value] = {name: 30.0 + (n + turn) % 9 for name in METRICS}
            engine.feed([Reading(device.device, at, values, received_at=at)])
    gc.collect()
    return engine, tracemalloc.get_traced_memory()[0] - before


def test_an_air_station_with_a_day_behind_it_takes_little() -> None:
    tracemalloc.start()
    try:
        (_, few), (_, many) = made(10), made(STATIONS)
    finally:
        tracemalloc.stop()
    assert (many - few) / (STATIONS - 10) < A_STATION_BYTES


def test_stations_that_report_the_same_stand_in_one_set() -> None:
    """Not in one for each series, of which a cell and an area had six."""
    engine, _ = made(10)
    hood = engine.world.hood
    for places in (hood.members, hood.areas):
        (reporters,) = places.values()
        ((reports, names),) = reporters.items()
        assert len(reports) >= 6
        assert names == {f"air-{n}" for n in range(10)}
    hood.forget("air-0")
    assert "air-0" not in names
    for n in range(1, 10):
        hood.forget(f"air-{n}")
    assert not hood.members
    assert not hood.areas


def test_what_subjects_share_nobody_writes_into() -> None:
    one, other = Subject(Device("a"), None), Subject(Device("b"), None)
    assert one.jumps is other.jumps is one.heard is NOTHING_YET
    for write in (
        lambda: one.heard.update(r=1),
        lambda: one.heard.setdefault("r", 1),
        lambda: one.heard.__setitem__("r", 1),
        lambda: one.heard.__ior__({"r": 1}),
    ):
        with pytest.raises(TypeError, match="shared"):
            write()
    one.own("heard")["r"] = 1
    assert one.heard == {"r": 1}
    assert not other.heard
    assert not NOTHING_YET


def test_values_that_something_is_derived_of_stay_of_their_type() -> None:
    """Floats are kept in an array; a flag or a text is none, and what came before it is what it was."""
    for values in ([1.5, 2.0], [1.5, 3], [True, 1.5], [1.5, "rain"], [["fog"], 1.5, 2]):
        recent = Recent()
        for at, value in enumerate(values):
            assert recent.take(at, value)
            assert not recent.take(at, value)
        for kept in (recent, Recent.thaw(recent.freeze())):
            found = [kept.before(at) for at in range(len(values))]
            assert [(*known, type(known[1])) for known in found if known] == [
                (at, value, type(value)) for at, value in enumerate(values)
            ]
            assert kept.before(-1) is None


def test_of_values_that_something_is_derived_of_the_oldest_give_way() -> None:
    recent = Recent()
    for at in range(RECENT_MAX):
        recent.take(at * 2, float(at))
    assert recent.full
    assert recent.before(0) == (0, 0.0)
    assert recent.take(3, 9.0)  # late, in its place; the oldest goes
    assert recent.before(0) is None
    assert recent.before(3) == (3, 9.0)
    assert recent.full
    recent.remove(3)
    recent.remove(3)
    assert recent.before(3) == (2, 1.0)
    assert not recent.full
    assert recent.until(4).freeze() == [[2, 4], [1.0, 2.0]]


def test_a_snapshot_takes_hardly_more_than_the_state() -> None:
    """In pieces: whole, it took two fifths more than the state that it holds (10,000 stations)."""
    tracemalloc.start()
    try:
        engine, state = made(3 * STATIONS)  # what writing one of them down takes, 30 kB, is little beside
        size = 0
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for piece in engine.frozen():
            size += len(piece)
        above = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert size == len(engine.snapshot()) > 0.1 * state, "a state worth the name"
    assert above <= 0.05 * state


def test_a_snapshot_in_pieces_is_one_map() -> None:
    engine, _ = made(3)
    whole = msgspec.msgpack.decode(engine.snapshot())
    assert list(whole) == sorted(whole)
    assert [subject["id"] for subject in whole["subjects"]] == ["air-0", "air-1", "air-2", "area:north"]
