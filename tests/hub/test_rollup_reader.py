"""The reader that keeps rollups: it follows the store, makes late data once more, and repeats no harm after a crash."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hub.app.rollups import Rollups
from hub.log import Cursors, Log
from hub.model import Reading
from hub.ports import SeriesQuery
from hub.store import open_store
from hub.store.rollups import DAY, HOUR, MINUTE

START = 1_770_000_000_000_000_000 // DAY * DAY


class Bench:
    """A log, a store and the reader, with the store's progress in the test's hand."""

    def __init__(self, folder: Path) -> None:
        self.log = Log(folder / "log")
        self.store = open_store("duckdb", {}, folder)
        self.cursors = Cursors(folder / "cursors")
        self.stored = 0
        self.open()

    def open(self) -> None:
        self.reader = Rollups(
            self.store,
            {"events": self.log.events},
            {"events": lambda: self.stored},
            self.cursors,
            lambda: START + DAY,
            {},
        )

    async def say(self, *readings: Reading) -> None:
        await self.log.events.append(list(readings))

    def catch_up(self) -> None:
        batch = self.log.events.read_now(self.stored)
        self.store.write("events", batch.entries, batch.first, batch.next)
        self.stored = batch.next

    def catch_up_all(self) -> None:
        while self.stored < self.log.events.next:
            self.catch_up()

    def found(self, width: str) -> list[tuple[int, float]]:
        return [(bucket.count, bucket.mean) for bucket in self.store.rollups(width, SeriesQuery())]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.log.close()
    made.store.close()


def reading(at: int, **values: Any) -> Reading:
    return Reading("a", at, values, received_at=at, adapter="x", kind="k")


async def test_it_waits_for_the_store(bench: Bench) -> None:
    await bench.say(reading(START, pm25=10.0))
    assert await bench.reader.step(True) == 0
    bench.catch_up()
    assert await bench.reader.step(True) == 3
    assert [bench.found(width) for width in ("1m", "1h", "1d")] == [[(1, 10.0)]] * 3
    assert await bench.reader.step(True) == 0


async def test_late_data_is_made_into_every_width(bench: Bench) -> None:
    await bench.say(reading(START, pm25=10.0), reading(START + 3 * HOUR, pm25=20.0))
    bench.catch_up()
    await bench.reader.step(True)
    await bench.say(reading(START + MINUTE, pm25=40.0))
    bench.catch_up()
    await bench.reader.step(False)
    assert bench.found("1m") == [(1, 10.0), (1, 40.0), (1, 20.0)]
    assert bench.found("1h")[0] == (1, 10.0)  # hours are made less often
    await bench.reader.step(True)
    assert bench.found("1h")[0] == (2, 25.0)
    assert bench.found("1d") == [(3, pytest.approx(70 / 3))]


@pytest.mark.parametrize("crash", [False, True])
async def test_a_mark_that_comes_after_its_value_reaches_every_width(bench: Bench, crash: bool) -> None:
    """A minute that held nothing else is gone, and so are its hour and day; also where the hub dies between minutes and hours."""
    await bench.say(reading(START + DAY, pm25=1.0), reading(START, pm25=900.0))
    bench.catch_up()
    await bench.reader.step(True)
    await bench.say(Reading("a", START, {}, None, {"pm25": "fault"}, START + MINUTE, "x", "k"))
    bench.catch_up()
    await bench.reader.step(False)
    assert [bench.found(width) for width in ("1m", "1h", "1d")] == [
        [(1, 1.0)],
        [(1, 900.0), (1, 1.0)],
        [(1, 900.0), (1, 1.0)],
    ]
    if crash:
        bench.open()
    await bench.reader.step(True)
    assert [bench.found(width) for width in ("1m", "1h", "1d")] == [[(1, 1.0)]] * 3


async def test_after_a_crash_hours_that_were_not_made_yet_are_made(bench: Bench) -> None:
    await bench.say(reading(START, pm25=10.0))
    bench.catch_up()
    await bench.reader.step(False)
    bench.open()  # the cursor stands where all widths were last made
    await bench.reader.step(True)
    assert bench.found("1d") == [(1, 10.0)]
    bench.open()
    assert await bench.reader.step(True) == 0


async def test_rebuild_makes_all_of_history_anew(bench: Bench) -> None:
    bench.store.write("events", [reading(START + n * 400 * DAY, pm25=float(n)) for n in range(2)], 0, 2)
    assert await bench.reader.rebuild(None, START + 500 * DAY) == 6
    assert bench.found("1d") == [(1, 0.0), (1, 1.0)]
    assert await bench.reader.rebuild(START + 600 * DAY, START + 700 * DAY) == 0


async def test_one_device_that_fills_in_a_day_costs_only_its_own_rollups(bench: Bench) -> None:
    def of(device: str, minute: int) -> Reading:
        at = START + minute * MINUTE
        return Reading(device, at, {"pm25": 1.0}, received_at=at, adapter="x", kind="k")

    for minute in range(0, 1440, 5):
        await bench.say(*(of(f"d{n}", minute) for n in range(50)))
    bench.catch_up_all()
    await bench.reader.step(True)
    made: list[dict[str, set[int]]] = []
    remake = bench.store.remake

    def noted(width: str, minutes: Mapping[str, set[int]]) -> int:
        made.append({device: set(starts) for device, starts in minutes.items()})
        return remake(width, minutes)

    bench.store.remake = noted  # type: ignore[method-assign]
    await bench.say(*(of("d7", minute) for minute in range(1440)))
    await bench.say(*(of(f"d{n}", 1439) for n in range(50)))  # the present, as always
    bench.catch_up_all()
    assert await bench.reader.step(True) <= 1440 + 3 * 50 + 24 + 1
    earlier = {device for part in made for device, starts in part.items() if min(starts) < START + 1439 * MINUTE}
    assert earlier == {"d7"}
    assert START + 1439 * MINUTE in made[0]["d3"]


async def test_the_present_is_made_before_what_was_filled_in_and_the_rest_waits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.app.rollups.WORK_S", -1.0)
    await bench.say(reading(START, pm25=10.0), reading(START + 5 * HOUR, pm25=20.0))
    bench.catch_up()
    assert await bench.reader.step(True) == 0
    monkeypatch.setattr("hub.app.rollups.WORK_S", 20.0)
    assert await bench.reader.step(True) == 5  # two minutes, two hours, and their day
    assert bench.found("1d") == [(2, 15.0)]


async def test_a_step_of_the_clock_drops_no_history_for_a_day(bench: Bench) -> None:
    at = START
    bench.reader._now = lambda: at
    assert bench.reader._clock_is_steady(0.0)
    at += 3600 * 10**9
    assert bench.reader._clock_is_steady(3600.0)
    at += 366 * DAY
    assert not bench.reader._clock_is_steady(7200.0)
    assert not bench.reader._clock_is_steady(80_000.0)
    at -= 366 * DAY
    assert not bench.reader._clock_is_steady(90_000.0)
    at += 90_000 * 10**9
    assert bench.reader._clock_is_steady(180_000.0)
