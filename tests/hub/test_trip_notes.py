"""Trips and stops as readings: however the fixes come, the notes in the store are what `hub.trips` makes of all of them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.app import trip_notes
from hub.app.importing import Importer
from hub.app.telemetry import noted_by_the_hub
from hub.app.trip_notes import METRICS, MOTION, WITHDRAWN, TripNotes
from hub.geo import destination
from hub.log import Cursors, Log
from hub.model import Device, Message, Position, Reading
from hub.moment import SECOND
from hub.options import IngestOptions
from hub.ports import Batch, SeriesQuery, Store
from hub.registry import Registry
from hub.store import open_store
from hub.store.rollups import DAY, HOUR
from hub.trips import Fix, trips
from tests.acceptance.ports import free_port
from tests.acceptance.running import write_city
from tests.hub.running import running

START = 1_770_000_000_000_000_000 // DAY * DAY
NOW = START + 40 * DAY
Noted = tuple[int, str, float, float, float]
"""When it began, what it is, s, km, s of idling."""


class Bench:
    """A log, a store that takes all there is when told to, and the notes."""

    def __init__(self, folder: Path) -> None:
        self.log = Log(folder / "log")
        self.store: Any = open_store("duckdb", {}, folder)
        self.cursors = Cursors(folder / "cursors")
        self.stored = {"events": 0, "derived": 0}
        self.open()

    def open(self) -> None:
        async def stored() -> Any:
            return self.stored

        self.notes = TripNotes(self.store, self.log.events, self.log.derived, stored, self.cursors, lambda: NOW)

    async def hear(self, readings: Sequence[Reading]) -> None:
        await self.log.events.append(list(readings))
        self.store_all()
        await self.notes.step()
        self.store_all()

    def store_all(self) -> None:
        for name, at in self.stored.items():
            while at < self.log.streams[name].next:
                batch: Batch = self.log.streams[name].read_now(at)  # type: ignore[arg-type]
                assert self.store.write(name, batch.entries, batch.first, batch.next) == []
                at = batch.next
            self.stored[name] = at


def noted(store: Store) -> list[Noted]:
    """What is noted of the van in a store, and not taken back."""
    told: dict[int, dict[str, Any]] = {}
    for row in store.series(SeriesQuery(device="van-1")):
        if row.metric in METRICS:
            told.setdefault(row.time, {})[row.metric] = row.value
    assert all(len(values) == len(METRICS) for values in told.values())
    return [
        (
            at,
            v[MOTION],
            v["trip_duration"] + v["stop_duration"],
            v["trip_distance"],
            v["trip_idling"] + v["stop_idling"],
        )
        for at, v in sorted(told.items())
        if v[MOTION] != WITHDRAWN
    ]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.close()
    await made.log.close()


def days(seed: int, count: int = 3) -> list[Reading]:
    """A van's fixes: it drives, waits at lights with the engine on, parks, and is not heard for hours."""
    chance = random.Random(seed)
    told: list[Reading] = []
    at, lon, lat, odometer = START, 121.49, 31.24, 100.0
    while at < START + count * DAY:
        what = chance.choice(("drive", "drive", "wait", "park", "off"))
        seconds = chance.choice((120, 400, 1500, 4000))
        if what == "off":
            at += chance.choice((1800, 5000, 20_000)) * SECOND
            continue
        for _ in range(seconds // 30):
            speed = chance.uniform(20, 60) if what == "drive" else 0.0
            lon, lat = destination(lon, lat, 90 if at % (2 * HOUR) < HOUR else 270, speed / 3.6 * 30)
            odometer += speed / 120
            values: dict[str, Any] = {"speed": speed, "ignition": what != "park", "odometer": round(odometer, 3)}
            told.append(Reading("van-1", at, values, Position(lon, lat), received_at=at, adapter="x", kind="vehicle"))
            at += chance.choice((29, 30, 31)) * SECOND
    return told


def expected(told: Sequence[Reading]) -> list[Noted]:
    driven, stood = trips(_fix(reading) for reading in told)
    found = [
        (round(trip.start.at) * SECOND, "driving", round(trip.seconds, 1), round(trip.distance_m / 1000, 3), round(trip.idling_s, 1))
        for trip in driven
    ]  # fmt: skip
    found += [
        (round(stop.start.at) * SECOND, "unheard" if stop.gap else "standing", round(stop.seconds, 1), 0.0, round(stop.idling_s, 1))
        for stop in stood
    ]  # fmt: skip
    return sorted(found)


def _fix(reading: Reading) -> Fix:
    assert reading.position
    speed, ignition, odometer = (reading.values[name] for name in ("speed", "ignition", "odometer"))
    at = (reading.observed_at or 0) / SECOND
    return Fix(at, reading.position.lon, reading.position.lat, float(speed), bool(ignition), float(odometer))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
async def test_what_comes_bit_by_bit_is_noted_as_what_comes_at_once(bench: Bench, seed: int) -> None:
    told = days(seed)
    chance = random.Random(seed)
    at = 0
    while at < len(told):
        until = at + chance.choice((20, 150, 400))
        await bench.hear(told[at:until])
        at = until
    assert noted(bench.store) == expected(told)
    assert len({motion for _, motion, *_ in noted(bench.store)}) == 3, "driving, standing and unheard all occur"


@pytest.mark.parametrize(("seed", "hour"), [(8, 5), (9, 30)])
async def test_a_stretch_that_comes_late_is_made_anew_with_what_stands_beside_it(
    bench: Bench, seed: int, hour: int
) -> None:
    told = days(seed)
    begin = START + hour * HOUR
    lost = [r for r in told if begin < r.observed_at < begin + 4 * HOUR]  # type: ignore[operator]
    await bench.hear([reading for reading in told if reading not in lost])
    before = noted(bench.store)
    half = len(lost) // 2
    await bench.hear(lost[half:])
    await bench.hear(lost[:half])
    assert noted(bench.store) == expected(told)
    assert {at for at, *_ in before} - {at for at, *_ in noted(bench.store)}, "something noted before is withdrawn now"


async def test_months_are_looked_at_in_pieces(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trip_notes, "PIECE_NS", 9 * HOUR)
    told = days(11, 5)
    await bench.hear(told)
    assert noted(bench.store) == expected(told)


async def test_nothing_new_is_noted_twice_and_a_new_start_goes_on(bench: Bench) -> None:
    told = days(5)
    await bench.hear(told[:500])
    written = bench.log.derived.next
    bench.open()
    assert await bench.notes.step() == 0
    assert bench.log.derived.next == written
    await bench.hear(told[500:])
    assert noted(bench.store) == expected(told)


async def test_only_what_carries_people_or_goods_by_road_is_noted(bench: Bench) -> None:
    told = days(1, 1)
    for reading in told:
        reading.kind = "vessel"
    await bench.hear(told)
    assert noted(bench.store) == []
    buoy = Reading("van-1", START, {"battery": 50.0}, received_at=START, adapter="x", kind="vehicle")
    await bench.hear([buoy])
    assert noted(bench.store) == []


async def test_a_note_is_the_hubs_own(bench: Bench) -> None:
    """What the rules derive is compared with what the log has of it after a restart; a note between would look like another rule's."""
    await bench.hear(days(1, 1))
    batch = bench.log.derived.read_now(bench.log.derived.first)
    assert batch.entries
    assert all(noted_by_the_hub(reading) for reading in batch.entries)
    assert all(reading.position is None for reading in batch.entries), "a place of its own would count as a fix"


def test_an_import_notes_trips_too(tmp_path: Path) -> None:
    told = days(2, 1)
    imported = [msgspec.structs.replace(reading) for reading in told]
    registry = Registry({"van-1": Device("van-1", "Post van", "vehicle")})
    store: Any = open_store("duckdb", {}, tmp_path / "store")
    done = Importer(store, registry, IngestOptions(), NOW, tmp_path / "refused.jsonl").run([Message(imported, [])])
    assert done.stored == len(told)
    assert noted(store) == expected(told)
    store.close()


async def test_a_running_hub_notes_what_its_vehicles_drive(tmp_path: Path) -> None:
    city = write_city(tmp_path / "city", "", free_port())
    with (city / "devices.csv").open("a") as file:
        file.write("van-1,Post van,vehicle,,,,north,post,\n")
    async with running(city) as hub:
        shift = hub.now() // SECOND * SECOND - 2 * DAY - START
        told = [
            msgspec.structs.replace(reading, observed_at=reading.observed_at + shift, received_at=hub.now())
            for reading in days(2, 1)
            if reading.observed_at is not None
        ]
        await hub.log.events.append(told)
        events, derived = hub.storing.readers[:2]
        assert await events.reaches(hub.log.events.next, 60)
        assert await hub.judging.trips.step() > 0
        assert await derived.reaches(hub.log.derived.next, 60)
        assert noted(hub.store) == expected(told)
