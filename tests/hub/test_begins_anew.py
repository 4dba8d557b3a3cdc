"""No part of the hub ends for good by one error. Readers, rules and destinations that raised, as where there are no threads or no memory for a
moment, begin anew by themselves, say meanwhile that they are down, and lose and repeat nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from adapters.senml.codec import decode_cbor
from hub import whole_file
from hub.app import destinations, readers, tasks
from hub.app.destinations import Destinations
from hub.health import Part
from hub.ledger import Ledger
from hub.log import Cursors, Log
from hub.model import AlertChange, Change, Event, Reading
from hub.options import SinkConfig
from hub.ports import Delivery, LogFull, SeriesQuery, StoreUnavailable
from hub.store.duckdb import DuckDBStore
from rules.partition import engine_of
from tests.hub.couriers import Sink, change, hub_in, until
from tests.hub.logs import everything, readings
from tests.hub.test_warner import DEVICES, T, book, depth, read_all, warner

NO_THREADS = RuntimeError("can't start new thread")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN_S", (0.05, 0.1))


def failing(real: Callable[..., Any], at: int, error: Exception, after: bool = False) -> Callable[..., Any]:
    """The same, but its call number `at` (from 1) raises. `after`: once it has done its work."""
    calls = 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and not after:
            raise error
        done = real(*arguments, **named)
        if calls == at:
            raise error
        return done

    return call


async def kept_until(
    work: Callable[[], Awaitable[None]], part: Part, done: Callable[[], bool], end: str = "up"
) -> list[str]:
    """The states that the part had meanwhile, until it has the state `end`."""
    states = [part.state]
    running = asyncio.create_task(tasks.kept(work, part))
    async with asyncio.timeout(60):
        while not (done() and part.state == end):
            if part.state != states[-1]:
                states.append(part.state)
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return states


@pytest.mark.parametrize("saved", [False, True])
async def test_rules_that_raised_between_two_events_tell_all_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved: bool
) -> None:
    """The engine has taken the events, and of what they change the log has nothing, or the warnings without the derived readings."""
    events: list[Event] = [depth(n * 10**9, 0.9 if n % 3 else 0.01) for n in range(30)]
    once = Log(tmp_path / "once")
    await once.events.append(events)
    await read_all(warner(tmp_path / "once", once), once)
    implied = [everything_in(once.alerts), everything_in(once.derived)]
    await once.close()
    assert min(map(len, implied)) > 3
    log = Log(tmp_path / "log")
    await log.events.append(events[:10])
    reader = warner(tmp_path / "log", log)
    await read_all(reader, log)
    if saved:
        await reader.save()
    monkeypatch.setattr(log.alerts, "append", failing(log.alerts.append, 2, NO_THREADS))
    monkeypatch.setattr(log.derived, "append", failing(log.derived.append, 4, NO_THREADS))

    async def come() -> None:
        for event in events[10:]:
            await log.events.append([event])
            await asyncio.sleep(0.01)

    coming = asyncio.create_task(come())
    states = await kept_until(
        reader.run, reader.state.part, lambda: coming.done() and reader.state.cursor == log.events.next
    )
    assert "down" in states
    assert [everything_in(log.alerts), everything_in(log.derived)] == implied
    await log.close()


def everything_in(stream: Any) -> list[Any]:
    return list(stream.read_now(stream.first, 100_000).entries) if stream.next > stream.first else []


@pytest.mark.parametrize("after", [False, True])
async def test_a_store_reader_that_raised_stores_all_once_and_its_books_balance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """Before the store had the batch, or when it had it and the books had not."""
    log, ledger, store = Log(tmp_path / "log"), Ledger(), DuckDBStore(tmp_path)
    reader = readers.StoreReader(store, log.events, log.quarantine, ledger, lambda: T)
    await reader.open(None)
    ledger.recover(tmp_path / "ledger.json", log, {"store": reader.state.cursor})
    monkeypatch.setattr(readers, "STORE_LINGER_S", 0.0)
    if after:
        monkeypatch.setattr(ledger, "took", failing(ledger.took, 1, MemoryError()))
    else:
        monkeypatch.setattr(store, "write", failing(store.write, 1, NO_THREADS))
    at = await log.events.append(readings(20))
    ledger.logged("x", 20, log.events.next)
    states = await kept_until(reader.run, reader.state.part, lambda: reader.state.cursor == at + 20)
    assert "down" in states
    assert len(store._fetch("select * from readings", [])) == sum(len(one.values) for one in readings(20))
    stored = sum(ledger.stored["store"].values())
    assert stored == 20
    store.close()
    await log.close()


async def test_an_entry_that_cannot_be_shown_keeps_nobody_from_seeing_what_follows(tmp_path: Path) -> None:
    log, seen = Log(tmp_path), list[Any]()
    poison = readings(10)[4]

    def take(entries: Sequence[Any]) -> None:
        for entry in entries:
            if entry == poison:
                raise ValueError("a defect")
            if entry not in seen:
                seen.append(entry)

    follower = readers.Follower("live", log.events, take, log.events.first)
    await log.events.append(readings(10))
    await kept_until(follower.run, follower.state.part, lambda: follower.state.cursor == log.events.next, "degraded")
    assert seen == [one for one in readings(10) if one != poison]
    assert follower.state.skipped == 1
    assert "1 entries skipped" in follower.state.part.why.en
    assert "1 个条目" in follower.state.part.why.zh
    await log.close()


async def test_a_follower_without_memory_for_a_moment_shows_all_of_it_later(tmp_path: Path) -> None:
    log, seen = Log(tmp_path), list[Any]()
    take = failing(seen.extend, 1, MemoryError())
    follower = readers.Follower("alerts", log.events, take, log.events.first)
    await log.events.append(readings(10))
    states = await kept_until(follower.run, follower.state.part, lambda: follower.state.cursor == log.events.next)
    assert "down" in states
    assert seen == readings(10)
    assert follower.state.skipped == 0
    await log.close()


async def test_a_courier_that_raised_is_down_and_then_delivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    async def deliver(change: AlertChange, key: str, at: int) -> Delivery:
        heard.append(key)
        return Delivery(True)

    monkeypatch.setattr(destinations, "made", lambda config: SimpleNamespace(deliver=deliver, close=closed))
    log = Log(tmp_path / "log")
    config = SinkConfig("desk", "webhook", object(), (), (), (), 1)
    monkeypatch.setattr(destinations, "sign", lambda config: "")
    city = Destinations(log, tmp_path)
    await city.begin([config], Cursors(tmp_path / "cursors"))
    monkeypatch.setattr(log.alerts, "read", failing(log.alerts.read, 3, NO_THREADS))
    city.start()
    said: list[AlertChange] = [AlertChange("a", n, T + n, "r", "s", Change.RAISED, "red") for n in range(6)]
    states = set()

    async def look() -> None:
        while True:
            states.add(city.states()[0].state)
            await asyncio.sleep(0.001)

    looking = asyncio.create_task(look())
    async with asyncio.timeout(60):
        for change in said:
            await log.alerts.append([change])
            await asyncio.sleep(0.01)
        while len(heard) < 6 or city.states()[0].state != "up":
            await asyncio.sleep(0.001)
    looking.cancel()
    assert "down" in states
    assert heard == [change.id for change in said]
    await city.close()
    await log.close()


async def closed() -> None:
    pass


@pytest.mark.parametrize("error", [MemoryError(), NO_THREADS, OSError(24, "Too many open files")])
@pytest.mark.parametrize("what", ["journal", "place"])
async def test_what_a_destination_has_taken_is_not_told_again_because_it_cannot_be_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, what: str
) -> None:
    """Each time a courier began anew people were called once more."""
    async with hub_in(tmp_path) as hub:
        place, record = hub.cursors.set, hub.journal.record

        def fails(*_: Any) -> None:
            raise error

        sink, part = Sink(), Part("video", "up")
        courier = hub.courier("video", sink)
        await courier.begin()
        said = [change(ordinal=n) for n in range(3)]
        monkeypatch.setattr(*((hub.journal, "record") if what == "journal" else (hub.cursors, "set")), fails)
        running = asyncio.create_task(tasks.kept(courier.run, part))
        await hub.say(*said)
        await until(lambda: len(sink.heard) >= 3)
        await asyncio.sleep(0.3)  # in which it would have begun anew some times
        monkeypatch.setattr(hub.journal, "record", record)
        monkeypatch.setattr(hub.cursors, "set", place)
        await hub.say(change(ordinal=3))
        await until(lambda: hub.at("video") == 4)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert sink.heard == [one.id for one in [*said, change(ordinal=3)]]


async def test_a_part_begins_anew_also_where_there_is_no_memory_to_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise ValueError("a defect")

    part = Part("x", "up")
    monkeypatch.setattr(part, "report", failing(part.report, 1, MemoryError()))
    await asyncio.wait_for(tasks.kept(work, part), 60)
    assert begun == 3


async def test_a_log_without_memory_for_a_moment_tells_who_waits_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.log import pending
    from hub.log.tail import Tail

    log = Log(tmp_path)
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    monkeypatch.setattr(pending, "Group", failing(pending.Group, 1, MemoryError()))
    with pytest.raises(LogFull, match="MemoryError"):
        await asyncio.wait_for(log.events.append(readings(2)), 10)
    assert await asyncio.wait_for(log.events.append(readings(2)), 10) == 0
    monkeypatch.setattr(Tail, "add", failing(Tail.add, 1, MemoryError()))
    assert await asyncio.wait_for(log.events.append(readings(2, 2)), 10) == 2
    assert await asyncio.wait_for(log.events.append(readings(2, 4)), 10) == 4
    assert everything(log) == readings(6), "the numbers of what is on disk are given once"
    await log.close()
    again = Log(tmp_path)
    assert everything(again) == readings(6)
    await again.close()


def test_duckdb_believes_its_files_after_a_commit_that_ran_out_of_memory(tmp_path: Path) -> None:
    """What it had in memory then was seen to hold rows twice and others not at all."""
    store = DuckDBStore(tmp_path)
    store.write("events", [Reading("a", T, {"pm25": 1.0})], 0, 1)
    writer = store._writer
    store._writer = Doubtful(writer)  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable, match="Out of Memory"):
        store.write("events", [Reading("a", T + 1, {"pm25": 2.0})], 1, 2)
    assert store.cursor("events") == 1
    store.write("events", [Reading("a", T + 1, {"pm25": 2.0})], 1, 2)
    assert not isinstance(store._writer, Doubtful)
    assert len(store.series(SeriesQuery())) == 2
    store.close()
    again = DuckDBStore(tmp_path)
    assert (again.cursor("events"), len(again._fetch("select * from readings", []))) == (2, 2)
    again.close()


def test_what_duckdb_doubts_is_neither_copied_nor_written_down_as_it_is_closed(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path)
    store.write("events", [Reading("a", T, {"pm25": 1.0})], 0, 1)

    def doubt() -> None:
        store._writer = Doubtful(store._writer)  # type: ignore[assignment]
        with pytest.raises(StoreUnavailable, match="Out of Memory"):
            store.write("events", [Reading("a", T + 1, {"pm25": 2.0})], 1, 2)

    doubt()
    (tmp_path / "copy").mkdir()
    store.copy_to(tmp_path / "copy")
    assert not isinstance(store._writer, Doubtful), "what is in the files was copied as they were in memory"
    store.write("events", [Reading("a", T + 1, {"pm25": 2.0})], 1, 2)
    doubt()
    store.close()
    assert (tmp_path / "history.duckdb.wal").exists(), "it was written into the file as it was in memory"
    again = DuckDBStore(tmp_path)
    assert (again.cursor("events"), len(again.series(SeriesQuery()))) == (2, 2)
    again.close()


class Doubtful:
    """A connection whose commit fails, and that has taken its rows all the same."""

    def __init__(self, real: duckdb.DuckDBPyConnection) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def commit(self) -> None:
        raise duckdb.OutOfMemoryException(
            "Out of Memory Error: Failed to allocate block of 262144 bytes (bad allocation)"
        )


@pytest.mark.parametrize("error", [MemoryError(), NO_THREADS, OSError(12, "Cannot allocate memory")])
async def test_what_a_shortage_keeps_from_the_log_is_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """It was answered "refused", and the device dropped its reading."""
    log = Log(tmp_path)
    monkeypatch.setattr(log.events, "_write", failing(log.events._write, 1, error))
    with pytest.raises(LogFull):
        await log.events.append(readings(2))
    monkeypatch.setattr("hub.log.log.RETRY_AFTER_S", 0.0)
    assert await log.events.append(readings(2)) == 0
    assert everything(log) == readings(2)
    await log.close()


def test_a_shortage_sets_no_good_file_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.json"
    path.write_text("{}")

    def no_memory(data: bytes) -> Any:
        raise MemoryError

    with pytest.raises(MemoryError):
        whole_file.read(path, no_memory, None)
    monkeypatch.setattr(Path, "read_bytes", failing(Path.read_bytes, 1, OSError(24, "Too many open files")))
    with pytest.raises(OSError, match="Too many open files"):
        whole_file.read(path, bytes, None)
    assert [one.name for one in tmp_path.iterdir()] == ["ledger.json"]


def test_a_shortage_is_no_fault_of_what_a_device_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor of a rule, nor of an event: what judges begins anew and judges it again."""
    monkeypatch.setattr("adapters.senml.codec.cbor2.loads", failing(len, 1, MemoryError()))
    with pytest.raises(MemoryError):
        decode_cbor(b"\x80")
    engine = engine_of(book(), DEVICES.values(), [])
    monkeypatch.setattr(engine.judge, "take", failing(len, 1, MemoryError()))
    with pytest.raises(MemoryError):
        engine.feed([depth(1, 0.2)])
    assert engine.health() == []
    assert engine.stats().get("skipped", 0) == 0


async def test_a_warning_that_cannot_be_written_down_silences_no_other(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    reader = warner(tmp_path, log)
    said = [AlertChange("a", n, T + n, "r", "s", Change.RAISED, "red", f"{n}") for n in range(3)]
    said[1].title = "\ud800"
    await reader._append(log.alerts.append, said)
    assert [change.ordinal for change in everything_in(log.alerts)] == [0, 2]
    await log.close()
