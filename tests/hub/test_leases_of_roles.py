"""Each role by a lease of its own: who keeps a place, who may drop, and how hubs of earlier versions and of this one keep out of each other's way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hub.log import Limits
from hub.log.jetstream import JetStreamCursors, JetStreamLog, Lease, Newer, Servers, bucket_of_leases
from hub.ports import LogFull, LogPosition
from tests.acceptance.nats_server import NatsServer
from tests.hub.logs import everything, readings

Connect = Callable[[], Servers]
SMALL = {name: Limits(64 << 10) for name in ("events", "derived", "alerts", "quarantine")}
NEEDED = {"events": ("store/events", "rules")}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    running = NatsServer(tmp_path / "servers")
    running.start()
    yield running
    running.kill()


@pytest.fixture
def connect(server: NatsServer) -> Iterator[Connect]:
    """Each call is a node of its own."""
    made: list[Servers] = []

    def connected() -> Servers:
        made.append(Servers([server.url]))
        return made[-1]

    yield connected
    for servers in made:
        servers.close()


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
    old._sure_until = time.monotonic() + 100
    with pytest.raises(OSError, match="another node"):
        one.set("delivery.desk", LogPosition(4))
    assert not old.held
    assert two.get("delivery.desk") == 3
    two.set("delivery.desk", LogPosition(5))
    assert two.get("delivery.desk") == 5


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
