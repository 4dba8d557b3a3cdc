"""What a city of sensors costs in memory: the rules' state, subject by subject."""

from __future__ import annotations

import gc
import tracemalloc
from inspect import signature

import msgspec
import pytest

from hub.model import Device, Position, Reading, Value
from rules.book import RuleBook, load
from rules.engine import Engine
from rules.state.memories import Cusum, Ewma, KofN, Since, SoilWater, Then
from rules.state.samples import Samples
from rules.state.subject import NOTHING_YET, Subject
from rules.state.track import Recent
from rules.taking import RECENT_MAX

START = 1_780_000_000_000_000_000
HOUR = 3_600_000_000_000
METRICS = ("pm25", "pm10", "no2", "so2", "o3", "co", "air_temperature")
STATIONS, ROUNDS = 50, RECENT_MAX + 2
A_STATION_BYTES = 12_500
"""A station of seven metrics under `air-cn` with a day of hourly values behind it: 12,040 measured, and 14,950 while what something is derived of
was kept beside the samples."""


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
        made(1)  # what all engines of a process share
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


def test_what_few_operators_remember_has_no_dictionary() -> None:
    for kind in (KofN, Then, Since, Ewma, Cusum, SoilWater):
        assert not hasattr(kind(*[1.0] * (len(signature(kind).parameters))), "__dict__")


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


def test_texts_and_flags_that_something_is_derived_of_stay_of_their_type() -> None:
    for values in ([True, False, True], ["fog", "rain"], [["fog"], ["rain", "fog"]]):
        recent = Recent()
        for at, value in enumerate(values):
            assert recent.take(at, value)
            assert not recent.take(at, value)
        for kept in (recent, Recent.thaw(recent.freeze())):
            assert [kept.before(at) for at in range(len(values))] == list(enumerate(values))
            assert kept.before(-1) is None


@pytest.mark.parametrize("words", [False, True])
def test_of_values_that_something_is_derived_of_the_oldest_give_way(words: bool) -> None:
    """Numbers are samples, of which so many stay however short the windows are; texts are kept apart. Both remember alike."""
    samples, recent = Samples(0, RECENT_MAX), Recent()
    take, kept = (recent.take, recent) if words else (samples.add, samples)
    for at in range(RECENT_MAX):
        assert not kept.forgetful
        take(at * 2, float(at))
    assert kept.forgetful
    assert kept.before(0) == (0, 0.0)
    assert (
        bool(take(3, 9.0)) is words
    )  # late, in its place; it changes no window, and the oldest is not looked at any more
    assert kept.before(0) is None
    assert kept.before(3) == (3, 9.0)
    assert kept.forgetful
    kept.remove(3)
    kept.remove(3)
    assert kept.before(3) == (2, 1.0)
    assert recent.until(4).freeze() == ([[2, 4], [1.0, 2.0]] if words else [[], []])


def test_a_late_value_beyond_all_windows_is_known_where_something_is_derived_of_it() -> None:
    plain, kept = Samples(HOUR), Samples(HOUR, 2)
    for samples in (plain, kept):
        samples.add(START, 1.0)
        assert not samples.add(START - 2 * HOUR, 2.0)
    assert not plain.knows(START - 2 * HOUR, 2.0)
    assert kept.knows(START - 2 * HOUR, 2.0)
    assert not kept.add(START - 3 * HOUR, 3.0)
    assert not kept.knows(START - 3 * HOUR, 3.0), "two newer ones are known"


def test_values_that_an_earlier_snapshot_kept_apart_become_samples() -> None:
    """So a late reading is derived of them, and windows are what they were."""
    book = load([], ["air-cn"])
    assert isinstance(book, RuleBook)
    engine, _ = made(1)
    state = msgspec.msgpack.decode(engine.snapshot())
    (station,) = (subject for subject in state["subjects"] if subject["id"] == "air-0")
    assert not station["recent"]
    for name, gone in (("co", 3), ("so2", ROUNDS)):  # of one the oldest were in no window, of the other all
        size, times, values, overflow, windows, *_ = station["samples"].pop(name)
        station["recent"][name] = [times[-RECENT_MAX:], values[-RECENT_MAX:]]
        if gone < ROUNDS:
            moved = [[*window[:2], window[2] - gone, window[3] - gone, *window[4:]] for window in windows]
            station["samples"][name] = [size, times[gone:], values[gone:], overflow, moved]
    restored = Engine.restore(msgspec.msgpack.encode(state), book, list(engine.registry.values()))
    for name, samples in engine.subjects["air-0"].samples.items():
        again = restored.subjects["air-0"].samples[name]
        assert again.least == samples.least
        for hour in range(ROUNDS):
            assert again.before(START + hour * HOUR) == samples.before(START + hour * HOUR)
        for window, other in zip(samples.windows, again.windows, strict=name != "so2"):
            assert other.values == window.values


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
