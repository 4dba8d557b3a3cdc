"""Each role by a lease of its own: who keeps a place, who may drop, and how hubs of earlier versions and of this one keep out of each other's way."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.app.keeping import OnServers, free
from hub.app.readers import StoreReader
from hub.ledger import Ledger
from hub.log import Limits, Log
from hub.log.jetstream import (
    JetStreamCursors,
    JetStreamFiles,
    JetStreamLog,
    Lease,
    Newer,
    Servers,
    bucket_of_leases,
    leases,
)
from hub.log.jetstream.files import INLINE_MAX
from hub.options import LogOptions
from hub.ports import LogFull, LogPosition, SeriesQuery
from hub.store import open_store
from hub.store.rollups import RollupStore
from tests.acceptance.nats_server import Connect, NatsServer
from tests.hub.logs import everything, readings

SMALL = {name: Limits(64 << 10) for name in ("events", "derived", "alerts", "quarantine")}
NEEDED = {"events": ("store/events", "rules")}


async def taken(servers: Servers, name: str, node: str) -> Lease:
    lease = Lease(servers, bucket_of_leases(servers, "test", 1), name, node)
    assert await lease.take()
    return lease


def places(servers: Servers, lease: Lease) -> JetStreamCursors:
    return JetStreamCursors(servers, servers.bucket("test-cursors", 1), lease)


async def test_a_node_that_was_overtaken_sets_no_place_back_and_gives_its_lease_up(connect: Connect) -> None:
    """It believes in its lease still: what another has written is enough."""
    before, after = connect(), connect()
    old = await taken(before, "delivery", "one")
    one = places(before, old)
    assert one.get("delivery.desk") is None
    one.set("delivery.desk", LogPosition(3))
    await old.release()
    two = places(after, await taken(after, "delivery", "two"))
    assert two.get("delivery.desk") == 3
    two.set("delivery.desk", LogPosition(3))  # as a courier does when it begins
    old._sure_until = leases.seconds() + 100
    with pytest.raises(OSError, match="another node"):
        one.set("delivery.desk", LogPosition(4))
    assert not old.held
    assert two.get("delivery.desk") == 3
    two.set("delivery.desk", LogPosition(5))
    assert two.get("delivery.desk") == 5


async def test_a_machine_that_has_slept_holds_nothing_when_it_wakes(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its monotonic clock stood meanwhile, and another has taken the lease."""
    lease = await taken(connect(), "delivery", "one")
    assert lease.held
    clock, woken = time.clock_gettime, leases.SURE_S + 1
    monkeypatch.setattr(
        time, "clock_gettime", lambda which: clock(which) + (woken if which == time.CLOCK_BOOTTIME else 0.0)
    )
    assert not lease.held


async def test_a_place_whose_answer_got_lost_costs_no_lease(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = connect()
    lease = await taken(servers, "rules", "one")
    mine = places(servers, lease)
    mine.set("rules", LogPosition(1))
    update, lost = mine._bucket.update, 0

    async def loses(*given: Any, **named: Any) -> int:
        nonlocal lost
        answer = await update(*given, **named)
        lost += 1
        if lost == 1:
            raise TimeoutError
        return answer

    monkeypatch.setattr(mine._bucket, "update", loses)
    mine.set("rules", LogPosition(2))
    mine.set("rules", LogPosition(3))
    assert lease.held
    assert mine.get("rules") == 3
    insist = servers.insist
    monkeypatch.setattr(servers, "insist", lambda ask, what: insist(ask, what, 0.0))
    monkeypatch.setattr(mine._bucket, "update", _landed(update))
    with pytest.raises(OSError, match="cannot be kept"):  # it got there, and nobody said so
        mine.set("rules", LogPosition(4))
    monkeypatch.setattr(mine._bucket, "update", update)
    with suppress(OSError):
        mine.set("rules", LogPosition(5))  # learns of it
    mine.set("rules", LogPosition(6))
    assert lease.held
    assert mine.get("rules") == 6


async def test_a_file_whose_answer_got_lost_can_be_replaced_again_and_not_by_a_node_that_was_overtaken(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, other = (JetStreamFiles(connect(), "test", 1) for _ in range(2))
    files.replace("rules.snapshot", b"1")
    update = files._keys.update
    monkeypatch.setattr(files._keys, "update", _landed(update))
    with pytest.raises(OSError, match="cannot be kept"):
        files.replace("rules.snapshot", b"2")
    monkeypatch.setattr(files._keys, "update", update)
    files.replace("rules.snapshot", b"3")
    assert other.read("rules.snapshot") == b"3"
    other.replace("rules.snapshot", b"4")
    with pytest.raises(OSError, match="cannot be kept"):
        files.replace("rules.snapshot", b"5")
    assert other.read("rules.snapshot") == b"4"


@pytest.mark.parametrize("size", [1, INLINE_MAX + 1], ids=["in its key", "as an object"])
async def test_a_node_that_was_stopped_as_it_replaced_a_file_keeps_its_heir_from_replacing_none(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """It goes on when the heir has read the file, and not replaced it yet. The heir's rules could never be written down again, and so nothing of the
    log was let go."""
    old, heir = (JetStreamFiles(connect(), "test", 1) for _ in range(2))
    old.replace("rules.snapshot", b"0" * size)
    update, goes_on, stopped = old._keys.update, asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def stops(*given: Any, **named: Any) -> int:
        loop.call_soon_threadsafe(stopped.set)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(goes_on.wait(), loop))
        return await update(*given, **named)

    monkeypatch.setattr(old._keys, "update", stops)
    replacing = asyncio.create_task(asyncio.to_thread(old.replace, "rules.snapshot", b"1" * size, lambda: False))
    await asyncio.wait_for(stopped.wait(), 60)
    assert await asyncio.to_thread(heir.read, "rules.snapshot") == b"0" * size
    goes_on.set()
    await replacing
    await asyncio.to_thread(heir.replace, "rules.snapshot", b"2" * size, lambda: True)
    await asyncio.to_thread(heir.replace, "rules.snapshot", b"3" * size, lambda: True)
    with pytest.raises(OSError, match="cannot be kept"):
        await asyncio.to_thread(old.replace, "rules.snapshot", b"4" * size, lambda: False)
    assert await asyncio.to_thread(heir.read, "rules.snapshot") == b"3" * size


def _landed(update: Any) -> Any:
    async def landed(*given: Any, **named: Any) -> int:
        await update(*given, **named)
        raise TimeoutError

    return landed


async def test_nothing_is_dropped_before_every_required_reader_has_it_wherever_it_runs(connect: Connect) -> None:
    """The node that judges knows nothing of the store but what that one's node has told the servers."""
    judge = JetStreamLog(connect(), "test", 1, SMALL, NEEDED)
    store = JetStreamLog(connect(), "test", 1, SMALL, NEEDED)
    taken_in, full = 0, False
    while not full:
        try:
            await judge.events.append(readings(50, taken_in))
            taken_in += 50
        except LogFull:
            full = True
    judge.events.require("rules", lambda: judge.events.next)
    for _ in range(3):
        judge.events.trim()
        await asyncio.sleep(0.3)
    assert everything(judge) == readings(taken_in)  # the store's place is not told yet
    half = judge.events.before(judge.events.next, taken_in // 2)
    store.events.require("store/events", lambda: half)
    async with asyncio.timeout(20):
        while judge.events.first == LogPosition(1 << 16):
            for log in (store, judge):
                log.events.trim()
            await asyncio.sleep(0.2)
    assert judge.events.first <= half
    await judge.close()
    await store.close()


# ------------------------------------------------------------------------------------------------ earlier versions


async def test_while_this_version_works_an_earlier_one_stands_by_and_says_for_whom(connect: Connect) -> None:
    ours, theirs = connect(), connect()
    newer = Newer(ours, bucket_of_leases(ours, "test", 1))
    assert await newer.mark() == ""
    assert await Newer(ours, bucket_of_leases(ours, "test", 1)).mark() == ""  # another of this version
    keeping = asyncio.create_task(newer.keep())
    old = Lease(theirs, bucket_of_leases(theirs, "test", 1), "hub", "old-machine")
    until = time.monotonic() + 7  # longer than a lease lasts
    while time.monotonic() < until:
        assert not await old.take()
        await asyncio.sleep(0.3)
    assert await old.holder() == "a newer version"
    assert not keeping.done()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_while_an_earlier_version_works_this_one_stands_by_and_says_for_whom(
    connect: Connect, server: NatsServer, tmp_path: Path
) -> None:
    theirs = connect()
    old = Lease(theirs, bucket_of_leases(theirs, "cityhub", 1), "hub", "old-machine")
    assert await old.take()
    renewing = asyncio.create_task(old.keep())
    options = LogOptions(servers=[server.url], replicas=1, synced=True, events_gb=0.1, alerts_gb=0.1, quarantine_gb=0.1)
    keeping, said = OnServers(options, tmp_path, "new-machine"), list[str]()
    await keeping.open()
    roles = [asyncio.create_task(keeping.granted(role, said.append)) for role in ("rules", "store")]
    await asyncio.sleep(7)
    assert not any(role.done() for role in roles)
    assert said == ["standing by: old-machine, which has an earlier version, works on the log 'cityhub'; end it"]
    renewing.cancel()
    await asyncio.gather(renewing, return_exceptions=True)
    await old.release()
    async with asyncio.timeout(15):
        await asyncio.gather(*roles)
    assert not await old.take()
    await keeping.close()


async def test_who_has_a_lease_alone_replaces_the_files_of_its_role(server: NatsServer, tmp_path: Path) -> None:
    options = LogOptions(servers=[server.url], replicas=1, synced=True, events_gb=0.1, alerts_gb=0.1, quarantine_gb=0.1)
    judge, store = (OnServers(options, tmp_path / name, name) for name in ("judge", "store"))
    for keeping in (judge, store):
        await keeping.open()
    await judge.granted("rules", lambda _: None)
    await store.granted("store", lambda _: None)
    await asyncio.to_thread(judge.replace, tmp_path / "judge" / "rules.snapshot", b"known")
    await asyncio.to_thread(store.replace, tmp_path / "store" / "ledger.json", b"{}")
    with pytest.raises(OSError, match="another hub"):
        await asyncio.to_thread(store.replace, tmp_path / "store" / "rules.snapshot", b"other")
    await judge.close()
    await store.granted("rules", lambda _: None)  # and takes over what there was
    assert (tmp_path / "store" / "rules.snapshot").read_bytes() == b"known"
    await store.close()


# ------------------------------------------------------------------------------------------------ the store


async def test_a_stale_writer_of_the_store_changes_nothing(influxd: str, tmp_path: Path) -> None:
    """One node has a batch in its hands when it is stopped; its heir stores that and more; then the first goes on. The next heir begins where
    the servers have the place, some seconds behind, and stores a stretch once more."""
    database = f"stale_{uuid.uuid4().hex[:8]}"
    made = partial(httpx.post, f"{influxd}/query", params={"q": f"CREATE DATABASE {database}"})
    (await asyncio.to_thread(made)).raise_for_status()
    log = Log(tmp_path / "log")
    await log.events.append(readings(60))

    def opened(name: str) -> tuple[RollupStore, StoreReader, Ledger]:
        store = open_store("influxdb", {"url": influxd, "version": 1, "database": database}, tmp_path / name)
        reader, books = StoreReader(store, log.events, None, Ledger(), lambda: 0), Ledger()
        reader.account(books, log.quarantine, books.read_in_log, free)
        return store, reader, books

    first, stale, _ = opened("first")
    await stale.open(None)
    in_its_hands = await log.events.read(stale.state.cursor, 20)
    second, heir, _ = opened("second")
    await heir.open(None)
    await heir.write(await log.events.read(heir.state.cursor, 100))
    rows = second.series(SeriesQuery())
    assert len(rows) == 60
    await stale.write(in_its_hands)
    assert second.series(SeriesQuery()) == rows
    third, next_one, books = opened("third")
    await next_one.open(in_its_hands.next, shared=True)
    assert next_one.state.cursor == in_its_hands.next
    await next_one.write(await log.events.read(next_one.state.cursor, 100))
    assert third.series(SeriesQuery()) == rows
    answered = sum(sum(kind.get("store", {}).values()) for kind in (books.stored, books.replaced))
    assert books.of("test").logged == answered == 40
    for store in (first, second, third):
        store.close()
    await log.close()


async def test_a_writer_without_its_lease_stores_nothing(tmp_path: Path) -> None:
    log, store = Log(tmp_path / "log"), open_store("duckdb", {}, tmp_path)
    await log.events.append(readings(3))
    held = asyncio.Event()
    reader = StoreReader(store, log.events, None, Ledger(), lambda: 0)

    async def fence() -> None:
        await held.wait()

    reader.account(Ledger(), log.quarantine, lambda batch: None, fence)
    await reader.open(None)
    writing = asyncio.create_task(reader.write(await log.events.read(log.events.first)))
    await asyncio.sleep(0.3)
    assert not writing.done()
    assert store.series(SeriesQuery()) == []
    held.set()
    await writing
    assert len(store.series(SeriesQuery())) == 3
    store.close()
    await log.close()
