"""Every log keeps what `hub.ports.Stream` promises, wherever its entries lie."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub import clock
from hub.log import Limits
from hub.log import Log as SegmentLog
from hub.log.jetstream import JetStreamLog, Servers
from hub.model import Reading, Tick
from hub.moment import SECOND
from hub.ports import BEGINNING, Log, LogFull, LogPosition, Stream, Unwritable, behind
from tests.acceptance.nats_server import NatsServer
from tests.hub.logs import everything, readings


class Segments:
    """Logs in segment files under one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lives = folder, 0
        self._logs: list[SegmentLog] = []

    @property
    def _place(self) -> Path:
        return self._folder / f"life-{self._lives}"

    async def open(self, events_bytes: int = 1 << 30) -> Log:
        """The log as it is; opened where it was not, or was killed."""
        if len(self._logs) == self._lives:
            limits = {"events": Limits(events_bytes, segment_bytes=events_bytes // 8)}
            self._logs.append(SegmentLog(self._place, limits))
        return self._logs[-1]

    async def kill(self) -> None:
        """What is written stays as it is; what the log would still do it does elsewhere."""
        shutil.copytree(self._place, self._folder / f"life-{self._lives + 1}")
        self._lives += 1

    async def end(self) -> None:
        for log in self._logs:
            await log.close()


class JetStream:
    """Logs on a server of their own."""

    def __init__(self, folder: Path) -> None:
        self._server = NatsServer(folder)
        self._server.start()
        self._log: JetStreamLog | None = None

    async def open(self, events_bytes: int = 1 << 30) -> Log:
        """The log as it is; opened where it was not, or was killed."""
        if self._log is None:
            limits = {name: Limits(events_bytes) for name in ("events", "derived", "alerts", "quarantine")}
            needed = {"events": ("store/events", "rules")}
            self._servers = Servers([self._server.url])
            self._log = JetStreamLog(self._servers, "test", 1, limits, needed)
        return self._log

    async def kill(self) -> None:
        """The servers, and then whoever wrote to them."""
        self._server.kill()
        await self._end_log()
        self._server.start()

    async def _end_log(self) -> None:
        if self._log is not None:
            await self._log.close()
            self._servers.close()
            self._log = None

    async def end(self) -> None:
        await self._end_log()
        self._server.kill()


@pytest.fixture(params=[Segments, JetStream])
async def logs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    kind = request.param(tmp_path)
    yield kind
    await kind.end()


async def read_all(stream: Stream, entries_max: int) -> list[tuple[LogPosition, Any]]:
    """Every entry with its place, from the beginning on."""
    found: list[tuple[LogPosition, Any]] = []
    place = stream.first
    while place < stream.next:
        batch = await stream.read(place, entries_max)
        assert 0 < len(batch.entries) <= entries_max
        assert len(batch.positions) == len(batch.entries) + 1
        assert batch.first >= place
        found += zip(batch.positions, batch.entries, strict=False)
        place = batch.next
    return found


async def append_until_it_is_full(stream: Stream) -> int:
    """How many readings it took."""
    for taken in range(0, 10_000, 50):
        try:
            await stream.append(readings(50, taken))
        except LogFull:
            return taken
        stream.trim()
    return 10_000


async def test_what_is_appended_is_read_in_order_and_once(logs: Any) -> None:
    stream = (await logs.open()).events
    firsts = await asyncio.gather(*(stream.append(readings(size, 100 * size)) for size in (3, 1, 7, 2)))
    assert firsts == sorted(set(firsts))
    wanted = [one for size in (3, 1, 7, 2) for one in readings(size, 100 * size)]
    for entries_max in (1, 2, 5, 100):
        found = await read_all(stream, entries_max)
        assert [entry for _, entry in found] == wanted
        places = [place for place, _ in found]
        assert places == sorted(set(places))
        assert firsts == [places[0], places[3], places[4], places[11]]
        assert places[4:11] == [
            behind(places[4], number) for number in range(7)
        ]  # what is appended together stands together


async def test_a_place_leads_to_its_entry_and_behind_it_to_the_next(logs: Any) -> None:
    stream = (await logs.open()).events
    for size in (2, 1, 3):
        await stream.append(readings(size, 100 * size))
    found = await read_all(stream, 100)
    for number, (place, entry) in enumerate(found):
        assert stream.read_now(place, 1).entries == [entry]
        after = stream.read_now(behind(place), 1)
        assert list(after.entries) == [entry for _, entry in found[number + 1 : number + 2]]
    at_end = stream.read_now(stream.next)
    assert (list(at_end.entries), at_end.next) == ([], stream.next)


async def test_a_reader_waits_for_what_comes_and_no_longer_than_it_says(logs: Any) -> None:
    stream = (await logs.open()).events
    assert list((await stream.read(stream.next, wait_s=0.01)).entries) == []
    waiting = asyncio.create_task(stream.read(stream.next))
    await asyncio.sleep(0)
    await stream.append(readings(2))
    batch = await asyncio.wait_for(waiting, 30)
    assert list(batch.entries) == readings(2)
    assert batch.next == stream.next


async def test_lag_counts_entries_and_before_goes_back_by_them(logs: Any) -> None:
    stream = (await logs.open()).events
    assert stream.lag(BEGINNING) == stream.lag(stream.next) == 0
    for size in (4, 1, 5):
        await stream.append(readings(size, 100 * size))
    found = await read_all(stream, 100)
    for number, (place, _) in enumerate(found):
        assert stream.lag(place) == len(found) - number
        assert stream.lag(found[0][0], place) == number
        assert stream.before(stream.next, len(found) - number) == place
        assert stream.before(place, number) == stream.first
    assert stream.before(stream.next, 1000) == stream.first
    assert stream.before(stream.next, 0) == stream.next


async def test_a_batch_until_a_place_holds_what_stands_before_it(logs: Any) -> None:
    stream = (await logs.open()).events
    for size in (4, 1, 5):
        await stream.append(readings(size, 100 * size))
    whole = stream.read_now(stream.first, 100)
    for number, (place, _) in enumerate(await read_all(stream, 100)):
        part = whole.until(place)
        assert list(part.entries) == list(whole.entries[:number])
        assert part.next <= place
    assert whole.until(stream.next).entries == whole.entries


async def test_first_and_the_time_of_the_newest(logs: Any) -> None:
    log = await logs.open()
    assert log.alerts.first == log.alerts.next
    assert log.alerts.last_at is None
    events = log.events
    before = clock.now()
    await events.append(readings(1))
    assert events.last_at is not None
    assert before - SECOND <= events.last_at <= clock.now() + SECOND


async def test_an_entry_that_cannot_be_written_costs_nobody_else_anything(logs: Any) -> None:
    stream = (await logs.open()).events
    good, bad, late = (
        stream.append(readings(2)),
        stream.append([Tick(1 << 80)]),
        stream.append(readings(1, 2)),
    )
    with pytest.raises(Unwritable):
        await bad
    await asyncio.gather(good, late)
    assert [entry for _, entry in await read_all(stream, 100)] == readings(3)


async def test_a_full_log_says_so_loses_nothing_and_takes_again_what_its_reader_made_room_for(logs: Any) -> None:
    log = await logs.open(events_bytes=60_000)
    stream = log.events
    cursor = [stream.first]
    stream.require("store/events", lambda: cursor[0])
    stream.require("rules", lambda: stream.next)
    taken = await append_until_it_is_full(stream)
    assert 50 < taken < 10_000
    assert stream.refusing
    assert [entry for _, entry in await read_all(stream, 1000)] == readings(taken)
    cursor[0] = stream.next
    async with asyncio.timeout(30):
        while True:
            stream.trim()
            try:
                await stream.append(readings(50, taken))
                break
            except LogFull:
                await asyncio.sleep(0.05)
    assert stream.refusing is None
    kept = [entry for _, entry in await read_all(stream, 1000)]
    assert kept[-50:] == readings(50, taken)
    assert len(kept) < taken + 50  # what nobody needs gave way
    assert stream.lag(BEGINNING, stream.first) > 0


async def test_what_was_acknowledged_is_there_after_a_kill_at_the_places_it_had(logs: Any) -> None:
    log = await logs.open()
    for size in (3, 1, 2):
        await log.events.append(readings(size, 100 * size))
    await log.alerts.append([])  # nothing is something that may be appended
    before, end = await read_all(log.events, 100), log.events.next
    await logs.kill()
    again = await logs.open()
    assert again.events.next == end
    assert await read_all(again.events, 100) == before
    assert await again.events.append(readings(1, 900)) >= end
    assert everything(again)[-1:] == readings(1, 900)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=12), entries_max=st.integers(1, 50))
async def test_any_sizes_read_the_same(logs: Any, sizes: list[int], entries_max: int) -> None:
    stream = (await logs.open()).derived
    start, total = stream.next, 0
    for size in sizes:
        await stream.append(readings(size, total))
        total += size
    found: list[Reading] = []
    while start < stream.next:
        batch = stream.read_now(start, entries_max)
        found += batch.entries
        start = batch.next
    assert found == readings(total)
