"""What a log on servers has beside the laws of every log: which servers it trusts, who may speak, and what outlives a node."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from nats.js import api
from nats.js.errors import APIError

from hub.app.readers import StoreReader
from hub.ledger import Ledger
from hub.log import Limits
from hub.log.jetstream import (
    Damaged,
    JetStreamFiles,
    JetStreamLog,
    Lease,
    Servers,
    Unsafe,
    bucket_of_leases,
    see_that_it_keeps,
    stream,
)
from hub.log.jetstream.files import INLINE_MAX
from hub.log.jetstream.leases import TTL_S
from hub.ports import LogFull
from tests.acceptance.nats_server import Connect, NatsServer, cluster
from tests.acceptance.ports import free_port
from tests.hub.logs import everything, reading, readings

WAIT_S = 2.0
"""No device waits longer for its answer when a server is told to end."""
LIMITS = {name: Limits(1 << 20) for name in ("events", "derived", "alerts", "quarantine")}


def lease(servers: Servers, node: str) -> Lease:
    return Lease(servers, bucket_of_leases(servers, "test", 1), "hub", node)


@asynccontextmanager
async def kept(servers: Servers, node: str, name: str = "hub") -> AsyncIterator[Lease]:
    """A lease that is held and renewed."""
    found = Lease(servers, bucket_of_leases(servers, "test", 1), name, node)
    assert await found.take()
    keeping = asyncio.create_task(found.keep())
    yield found
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


# ------------------------------------------------------------------------------------------------ which servers are trusted


@pytest.mark.parametrize("sync", ["always", "2m"])
def test_one_replica_is_trusted_where_its_server_is_seen_to_sync_or_somebody_states_it(
    tmp_path: Path, sync: str
) -> None:
    server = NatsServer(tmp_path, sync=sync)
    server.start()
    try:
        with closing(Servers([server.url])) as servers:
            with pytest.raises(Unsafe, match="sync_interval: always"):
                see_that_it_keeps(servers, 1, [], stated=False)
            see_that_it_keeps(servers, 1, [], stated=True)
            see_that_it_keeps(servers, 3, [], stated=False)
            if sync == "always":
                see_that_it_keeps(servers, 1, [server.monitoring], stated=False)
            else:
                with pytest.raises(Unsafe, match="acknowledges before its disk"):
                    see_that_it_keeps(servers, 3, [server.monitoring], stated=True)
            with pytest.raises(Unsafe, match="does not tell"):
                see_that_it_keeps(servers, 1, [server.url.replace("nats", "http")], stated=False)
            see_that_it_keeps(servers, 3, [f"http://127.0.0.1:{free_port()}"], stated=False)  # one of three is away
    finally:
        server.kill()


def test_servers_that_take_small_messages_only_are_refused(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, payload="1MB")
    server.start()
    try:
        with closing(Servers([server.url])) as servers, pytest.raises(Unsafe, match="max_payload"):
            see_that_it_keeps(servers, 3, [], stated=True)
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"storage": api.StorageType.MEMORY}, "in memory"),
        ({"discard": api.DiscardPolicy.OLD}, "drops its oldest"),
        ({"max_age": 60.0}, "by age"),
        ({"no_ack": True}, "acknowledges nothing"),
        ({"retention": api.RetentionPolicy.WORK_QUEUE}, "have been read"),
        ({"allow_direct": False}, "allow_direct"),
    ],
)
def test_a_stream_that_may_lose_what_it_took_is_refused(connect: Connect, wrong: dict[str, object], said: str) -> None:
    servers = connect()
    sound: dict[str, object] = {
        "storage": api.StorageType.FILE, "discard": api.DiscardPolicy.NEW, "max_bytes": 1 << 20, "allow_direct": True
    }  # fmt: skip
    config = api.StreamConfig(name="test-events", subjects=["test.events"], **{**sound, **wrong})  # type: ignore[arg-type]
    servers.wait(servers.js.add_stream(config))
    with pytest.raises(Unsafe, match=said):
        JetStreamLog(servers, "test", 1, {"events": Limits(1 << 20)})


def test_no_server_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.log.jetstream.servers.CONNECT_S", 0.5)
    with pytest.raises(OSError, match=r"no server of the log answers at nats://127\.0\.0\.1:1"):
        Servers(["nats://127.0.0.1:1"])


# ------------------------------------------------------------------------------------------------ acknowledgements


async def test_an_acknowledgement_that_got_lost_doubles_nothing(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is sent again by its id, also where the node is fenced and the message itself has moved the fence."""
    servers = connect()
    publish = servers.js.publish
    lost = 2

    async def loses(subject: str, *given: object, **named: object) -> object:
        nonlocal lost
        answer = await publish(subject, *given, **named)  # type: ignore[arg-type]
        if lost and subject == "test.events":
            lost -= 1
            raise TimeoutError
        return answer

    monkeypatch.setattr(servers.js, "publish", loses)
    async with kept(servers, "a") as lease:
        log = JetStreamLog(servers, "test", 1, LIMITS, lease=lease)
        await log.events.append(readings(3))
        await log.events.append(readings(2, 3))
        assert everything(log) == readings(5)
        assert lost == 0
        assert lease.held
        await log.close()


async def test_while_the_servers_are_away_input_is_refused_and_what_waits_is_kept_when_they_are_back(
    server: NatsServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "ACK_S", 0.3)
    log = JetStreamLog(connect(), "test", 1, LIMITS)
    await log.events.append(readings(2))
    server.kill()
    waits = log.events.append([reading(2)])
    async with asyncio.timeout(30):
        while log.events.refusing is None:
            await asyncio.sleep(0.02)
    with pytest.raises(LogFull, match="do not acknowledge"):
        await log.events.append([reading(9)])
    assert not waits.done()
    server.start()
    await asyncio.wait_for(waits, 60)
    await log.events.append([reading(3)])
    assert everything(log) == readings(4)
    await log.close()


async def test_a_message_that_a_server_took_along_is_sent_again_before_its_device_gives_up(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is told to end answers nothing more. Devices wait for that long, and are not refused meanwhile."""
    servers = connect()
    log = JetStreamLog(servers, "test", 1, LIMITS)
    publish, lost = servers.client.publish, asyncio.Event()

    async def loses(subject: str, *given: object, **named: object) -> None:
        if subject == "test.events" and not lost.is_set():
            lost.set()
            return
        await publish(subject, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(servers.client, "publish", loses)
    began = time.monotonic()
    first = log.events.append(readings(1))
    await asyncio.wait_for(lost.wait(), 30)
    await asyncio.gather(first, log.events.append(readings(1, 1)))
    assert time.monotonic() - began >= stream.ACK_S
    assert 2 * stream.ACK_S < WAIT_S, (
        "one that is sent again must have been answered by then, on a machine that is not busy"
    )
    assert everything(log) == readings(2)
    await log.close()


@pytest.mark.parametrize("server_sees", ["another", "the same"])
async def test_a_message_that_is_on_its_way_still_costs_no_lease(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, server_sees: str
) -> None:
    """The servers count what waits for their majority: the message that is sent again is refused because of itself, and cannot be read yet."""
    servers = connect()
    publish, asked = servers.js.publish, 0

    async def waits(subject: str, *given: object, **named: object) -> object:
        nonlocal asked
        asked += subject == "test.derived"
        if subject == "test.derived" and asked == 1:
            raise TimeoutError
        if subject == "test.derived" and asked < 4:
            raise APIError(code=400, err_code=10071, description="wrong last sequence: 1")
        return await publish(subject, *given, **named)  # type: ignore[arg-type]

    async with kept(servers, "a") as lease:
        log = JetStreamLog(servers, "test", 1, LIMITS, lease=lease)
        monkeypatch.setattr(servers.js, "publish", waits)
        if server_sees == "another":
            await publish("test.derived", b"\x90")
            with pytest.raises(LogFull, match="another hub"):
                await log.derived.append(readings(1))
        else:
            await log.derived.append(readings(1))
        assert lease.held == (server_sees == "the same")
        assert asked == (2 if server_sees == "another" else 4)
        await log.close()


# ------------------------------------------------------------------------------------------------ who may speak


async def test_a_lease_is_one_nodes_until_it_gives_it_back_or_is_gone(connect: Connect) -> None:
    a, b = lease(connect(), "a"), lease(connect(), "b")
    assert await a.take()
    assert not await b.take()
    assert await b.holder() == "a"
    await a.release()
    assert not a.held
    assert await b.take()
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(60):
        while not await a.take():  # b renews it no more
            await asyncio.sleep(0.1)
    assert not b.held  # it has stopped before
    assert asyncio.get_running_loop().time() - began > TTL_S - 2


async def test_a_node_that_keeps_its_lease_has_it_for_longer_than_one_lasts(connect: Connect) -> None:
    a, b = lease(connect(), "a"), lease(connect(), "b")
    assert await a.take()
    keeping = asyncio.create_task(a.keep())
    until = time.monotonic() + TTL_S + 1
    await asyncio.sleep(0)
    time.sleep(TTL_S - 1)  # noqa: ASYNC251 - the hub is busy with something else
    while time.monotonic() < until:
        assert not await b.take()
        await asyncio.sleep(0.2)
    assert a.held
    keeping.cancel()


async def test_a_node_whose_lease_another_has_taken_finds_out_when_it_renews_it(connect: Connect) -> None:
    a, servers = lease(connect(), "a"), connect()
    assert await a.take()
    bucket = bucket_of_leases(servers, "test", 1)
    servers.wait(bucket.put("hub", b"b"))
    await asyncio.wait_for(a.keep(), 30)
    assert not a.held


async def test_a_renewal_whose_answer_was_lost_costs_no_lease(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = connect()
    publish, lost = servers.js.publish, 0

    async def loses(*given: object, **named: object) -> object:
        nonlocal lost
        answer = await publish(*given, **named)  # type: ignore[arg-type]
        lost += 1
        if lost % 2 == 0:  # the first is that by which it is taken
            await asyncio.Event().wait()
        return answer

    monkeypatch.setattr(servers.js, "publish", loses)
    async with kept(servers, "a") as held:
        async with asyncio.timeout(60):
            while lost < 8 and held.held:
                await asyncio.sleep(0.1)
        assert held.held


async def test_a_node_that_was_overtaken_says_nothing_more_though_it_believes_in_its_lease(connect: Connect) -> None:
    """As a process does that was stopped for a while, between looking at its lease and sending."""
    async with kept(connect(), "a") as first, kept(connect(), "b", "another") as second:
        old = JetStreamLog(connect(), "test", 1, LIMITS, lease=first)
        await old.events.append(readings(2))
        new = JetStreamLog(connect(), "test", 1, LIMITS, lease=second)
        await new.events.append(readings(2, 2))
        assert first.held
        with pytest.raises(LogFull, match="another hub"):
            await old.events.append(readings(1, 99))
        assert not first.held
        await new.events.append(readings(1, 4))
        assert everything(new) == readings(5)
        await asyncio.gather(old.close(), new.close())


# ------------------------------------------------------------------------------------------------ what outlives a node


async def test_places_and_files_are_there_for_the_next_node(connect: Connect) -> None:
    log = JetStreamLog(connect(), "test", 1, LIMITS)
    assert log.cursors.get("delivery.Duty room/1") is None
    log.cursors.set("delivery.Duty room/1", log.events.next)
    files = JetStreamFiles(log.servers, "test", 1)
    assert files.read("rules.snapshot") is None
    files.replace("rules.snapshot", b"small")
    again = JetStreamLog(connect(), "test", 1, LIMITS)
    assert again.cursors.get("delivery.Duty room/1") == log.events.next
    again.cursors.forget("delivery.Duty room/1")
    assert log.cursors.get("delivery.Duty room/1") is None
    others = JetStreamFiles(again.servers, "test", 1)
    for large in (b"1" * (INLINE_MAX + 1), b"2" * (3 * INLINE_MAX)):
        assert others.read("rules.snapshot") is not None
        others.replace("rules.snapshot", large)
        assert JetStreamFiles(log.servers, "test", 1).read("rules.snapshot") == large
    with pytest.raises(OSError, match="cannot be kept"):  # the one that was overtaken
        files.replace("rules.snapshot", b"old")
    assert others.read("rules.snapshot") == b"2" * (3 * INLINE_MAX)
    await asyncio.gather(log.close(), again.close())


@pytest.mark.parametrize("size", [10, INLINE_MAX + 1], ids=["in its key", "as an object"])
async def test_what_a_snapshot_held_before_is_kept_beside_it(connect: Connect, size: int) -> None:
    files, others = (JetStreamFiles(connect(), "test", 1) for _ in range(2))
    name = "rules-1.snapshot"
    assert files.read_before(name) is None
    for number in range(4):
        files.replace(name, bytes([number]) * size, keep_before=True)
        assert others.read(name) == bytes([number]) * size
        assert others.read_before(name) == (bytes([number - 1]) * size if number else None)
    if size > INLINE_MAX:
        stored = files._servers.wait(files._objects.list())
        assert len([one for one in stored if one.name and not one.deleted]) == 2


@pytest.mark.slow
async def test_the_snapshot_of_a_city_of_a_hundred_thousand_devices_is_read_back(connect: Connect) -> None:
    """Reading took the square of its size: on a busy machine a minute, so it was given up, and the role could not be taken over."""
    data = random.Random(1).randbytes(72_000_000)
    JetStreamFiles(connect(), "test", 1).replace("rules.snapshot", data)
    assert JetStreamFiles(connect(), "test", 1).read("rules.snapshot") == data


@pytest.mark.parametrize("lost", ["a message of it", "all of it"])
async def test_an_object_that_is_damaged_is_told_from_servers_that_do_not_answer(connect: Connect, lost: str) -> None:
    """Whoever takes the role was kept waiting for it, and never had it."""
    files = JetStreamFiles(connect(), "test", 1)
    name, servers = "rules-1.snapshot", files._servers
    files.replace(name, b"1" * (3 * INLINE_MAX), keep_before=True)
    files.replace(name, b"2" * (3 * INLINE_MAX), keep_before=True)
    value = servers.wait(files._keys.get(name)).value[1:].decode()
    if lost == "all of it":
        servers.wait(files._objects.delete(value))
    else:
        chunks = f"$O.test-objects.C.{servers.wait(files._objects.get_info(value)).nuid}"
        last = servers.wait(servers.js.get_last_msg("OBJ_test-objects", chunks)).seq
        servers.wait(servers.js.delete_msg("OBJ_test-objects", last - 1))
    with pytest.raises(Damaged, match="is damaged"):
        JetStreamFiles(connect(), "test", 1).read(name)
    assert JetStreamFiles(connect(), "test", 1).read_before(name) == b"1" * (3 * INLINE_MAX)
    files.replace(name, b"3", keep_before=True)
    assert files.read(name) == b"3"


async def test_a_node_opens_its_log_though_the_servers_answer_nothing_for_a_while(
    server: NatsServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = JetStreamLog(connect(), "test", 1, LIMITS)
    JetStreamFiles(first.servers, "test", 1).replace("rules.snapshot", b"kept")
    await first.events.append(readings(3))
    first.cursors.set("rules", first.events.next)
    await first.close()
    monkeypatch.setattr("hub.log.jetstream.servers.CALL_S", 0.3)
    node = connect()
    asked: list[str] = []
    find = node.js.stream_info

    async def find_stream(name: str) -> api.StreamInfo:
        asked.append(name)
        return await find(name)

    monkeypatch.setattr(node.js, "stream_info", find_stream)

    def opened() -> tuple[JetStreamLog, bytes | None]:
        log = JetStreamLog(node, "test", 1, LIMITS)
        return log, JetStreamFiles(node, "test", 1).read("rules.snapshot")

    server.kill()
    opening = asyncio.create_task(asyncio.to_thread(opened))
    async with asyncio.timeout(30):
        while len(asked) < 2:  # one question was in vain
            await asyncio.sleep(0.02)
            assert not opening.done()
    server.start()
    log, kept_file = await asyncio.wait_for(opening, 60)
    assert everything(log) == readings(3)
    assert log.cursors.get("rules") == log.events.next
    assert kept_file == b"kept"
    await log.close()


async def test_a_store_that_another_hub_has_written_to_is_not_written_again(connect: Connect) -> None:
    log = JetStreamLog(connect(), "test", 1, LIMITS)
    await log.events.append(readings(6))
    own, known = (log.events.before(log.events.next, entries) for entries in (4, 1))
    store = SimpleNamespace(cursor=lambda _: own, reach=lambda: None)
    for shared, expected in ((False, own), (True, known)):
        reader = StoreReader(store, log.events, log.quarantine, Ledger(), lambda: 0)  # type: ignore[arg-type]
        await reader.open(known, shared)
        assert reader.state.cursor == expected
    await log.close()


@contextmanager
def three_machines(folder: Path) -> Iterator[tuple[list[NatsServer], Servers]]:
    """Servers that know each other, and a connection to them."""
    machines = cluster(folder)
    servers = Servers([machine.url for machine in machines])
    try:
        yield machines, servers
    finally:
        servers.close()
        for machine in machines:
            machine.kill()


async def test_three_replicas_lose_nothing_that_was_acknowledged_when_the_leader_is_killed(tmp_path: Path) -> None:
    with three_machines(tmp_path) as (machines, servers):
        async with asyncio.timeout(100):
            log = await asyncio.to_thread(JetStreamLog, servers, "test", 3, LIMITS)  # they elect who leads meanwhile
            await log.events.append(readings(5))
            info = servers.wait(servers.js.stream_info("test-events"))
            assert info.cluster is not None
            leader = next(machine for machine in machines if machine.name == info.cluster.leader)
            leader.kill()
            taken = 5
            while taken < 50:
                try:
                    await log.events.append(readings(5, taken))
                    taken += 5
                except LogFull:
                    await asyncio.sleep(0.1)
            assert everything(log) == readings(taken)
            await log.close()


@pytest.mark.slow
async def test_servers_that_are_restarted_one_after_the_other_keep_nobody_waiting(tmp_path: Path) -> None:
    longest, taken, over = 0.0, 0, asyncio.Event()

    async def append() -> None:
        nonlocal longest, taken
        while not over.is_set():
            began = time.monotonic()
            await log.events.append(readings(1, taken))
            longest, taken = max(longest, time.monotonic() - began), taken + 1
            await asyncio.sleep(0.01)

    with three_machines(tmp_path) as (machines, servers):
        async with asyncio.timeout(300):
            log = await asyncio.to_thread(JetStreamLog, servers, "test", 3, LIMITS)
            appending = asyncio.create_task(append())
            for machine in machines * 2:
                before = taken
                await asyncio.to_thread(machine.restart)
                while taken < before + 20:
                    await asyncio.sleep(0.05)
            over.set()
            await appending
            assert everything(log) == readings(taken)
            await log.close()
    print(f"six restarts, {taken} messages, the longest wait {longest:.2f} s")
    assert longest < WAIT_S
