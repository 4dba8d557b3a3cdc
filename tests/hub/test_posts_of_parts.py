"""What the parts of the rules write for each other, on a real server: in one order, once, and by the holder of the part's lease alone."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.app.generations import GatherOnServers, Number, number_of
from hub.app.keeping import BEGIN, OnServers
from hub.app.part_worker import Begin, Saved
from hub.log.jetstream import JetStreamPosts, Lease, Servers, bucket_of_leases
from hub.log.jetstream.posts import Writer
from hub.options import LogOptions
from tests.acceptance.nats_server import Connect, NatsServer
from tests.waiting import PATIENCE_S


async def writer(servers: Servers, part: int, node: str) -> tuple[Writer, Lease]:
    lease = Lease(servers, bucket_of_leases(servers, "test", 1), f"rules-{part}", node)
    assert await lease.take()
    return (await asyncio.to_thread(JetStreamPosts, servers, "test", 1)).writer(part, lease), lease


async def test_all_read_what_each_has_written_in_one_order(connect: Connect) -> None:
    here, there = connect(), connect()
    (zero, _), (one, _) = await writer(here, 0, "a"), await writer(there, 1, "b")
    assert await asyncio.to_thread(zero.last) is None
    for sender, message in ((zero, b"first"), (one, b"second"), (zero, b"third")):
        assert await asyncio.to_thread(sender.send, message)
    assert await asyncio.to_thread(zero.last) == b"third"
    posts = await asyncio.to_thread(JetStreamPosts, there, "test", 1)
    reader = posts.reader(lambda: False)
    found = await asyncio.to_thread(reader.read, 0, True)
    assert found == [(1, 0, b"first"), (2, 1, b"second"), (3, 0, b"third")]
    assert await asyncio.to_thread(reader.read, 3, False) == []
    await asyncio.to_thread(posts.forget, 3)
    assert await asyncio.to_thread(reader.read, 0, True) == [(3, 0, b"third")]


async def test_who_waits_hears_of_a_message_when_it_is_written(connect: Connect) -> None:
    here, there = connect(), connect()
    zero, _ = await writer(here, 0, "a")
    posts = await asyncio.to_thread(JetStreamPosts, there, "test", 1)
    waiting = asyncio.create_task(asyncio.to_thread(posts.reader(lambda: False).read, 0, True))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await asyncio.to_thread(zero.send, b"news")
    assert await asyncio.wait_for(waiting, 5) == [(1, 0, b"news")]


async def test_whoever_has_lost_its_lease_says_nothing_more(connect: Connect) -> None:
    """Also while it believes in it still."""
    before, after = connect(), connect()
    old, lease = await writer(before, 0, "a")
    await asyncio.to_thread(old.last)
    assert await asyncio.to_thread(old.send, b"mine")
    await lease.release()
    heir, _ = await writer(after, 0, "b")
    assert await asyncio.to_thread(heir.last) == b"mine"
    assert await asyncio.to_thread(heir.send, b"the heir's")
    lease._sure_until = time.monotonic() + 100
    assert not await asyncio.to_thread(old.send, b"too late")
    assert not lease.held
    assert await asyncio.to_thread(heir.send, b"more")
    reader = (await asyncio.to_thread(JetStreamPosts, after, "test", 1)).reader(lambda: False)
    said = [message for _, _, message in await asyncio.to_thread(reader.read, 0, True)]
    assert said == [b"mine", b"the heir's", b"more"]


async def test_a_message_whose_acknowledgement_was_lost_stands_there_once(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    zero, lease = await writer(connect(), 0, "a")
    put, lost = Writer._put, [True]

    async def unheard(self: Writer, *told: Any) -> int:
        number = await put(self, *told)
        if lost.pop() if lost else False:
            raise TimeoutError
        return number

    monkeypatch.setattr(Writer, "_put", unheard)
    assert await asyncio.to_thread(zero.send, b"one")
    assert await asyncio.to_thread(zero.send, b"two")
    assert lease.held
    posts = await asyncio.to_thread(JetStreamPosts, connect(), "test", 1)
    found = await asyncio.to_thread(posts.reader(lambda: False).read, 0, True)
    assert [message for _, _, message in found] == [b"one", b"two"]


async def test_which_generation_of_parts_is_the_newest_is_written_down_again_where_that_was_cut_short(
    server: NatsServer, tmp_path: Path
) -> None:
    options = LogOptions(servers=[server.url], replicas=1, synced=True, events_gb=0.1, alerts_gb=0.1, quarantine_gb=0.1)
    keeping = OnServers(options, tmp_path, "a", parts=3)
    await keeping.open()
    await keeping.granted("rules", lambda _: None)
    gather = GatherOnServers(keeping, tmp_path)
    assert await asyncio.to_thread(gather.begin) is None
    assert await asyncio.to_thread(number_of, keeping) is None
    begin = Begin(3, "", "", 0, b"")
    await asyncio.to_thread(keeping.replace, tmp_path / BEGIN, msgspec.msgpack.encode(begin))
    assert await asyncio.to_thread(gather.begin) == begin
    assert await asyncio.to_thread(number_of, keeping) == Number(3, 1)
    await keeping.close()


async def test_where_a_part_has_ended_is_found_though_what_it_wrote_down_is_damaged_at_first(
    server: NatsServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Judging stood still for good."""
    options = LogOptions(servers=[server.url], replicas=1, synced=True, events_gb=0.1, alerts_gb=0.1, quarantine_gb=0.1)
    keeping = OnServers(options, tmp_path, "a", parts=2)
    await keeping.open()
    assert await keeping.granted_if_free("rules-0") is not None
    path = tmp_path / "rules-0.snapshot"
    ended = msgspec.msgpack.encode(Saved("", "", 7, 0, [], b"", generation=1, ended=True))
    await asyncio.to_thread(keeping.replace, path, ended[:-3])
    looking = asyncio.create_task(GatherOnServers(keeping, tmp_path)._last_of(0, 1))
    async with asyncio.timeout(PATIENCE_S):
        while "cannot be used" not in caplog.text:
            await asyncio.sleep(0.05)
    assert not looking.done()
    await asyncio.to_thread(keeping.replace, path, ended)
    assert await asyncio.wait_for(looking, PATIENCE_S) == ended
    await keeping.close()


async def test_what_a_damaged_snapshot_held_before_is_taken_up(
    server: NatsServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = LogOptions(servers=[server.url], replicas=1, synced=True, events_gb=0.1, alerts_gb=0.1, quarantine_gb=0.1)
    path = tmp_path / "rules-0.snapshot"
    keeping = OnServers(options, tmp_path, "a", parts=2)
    await keeping.open()
    assert await keeping.granted_if_free("rules-0") is not None

    def numbered(data: bytes) -> int:
        return msgspec.json.decode(data, type=int)

    def found() -> int:
        return keeping.read(path, numbered, -1)

    assert await asyncio.to_thread(found) == -1
    for data in (b"1", b"2"):
        await asyncio.to_thread(keeping.replace, path, data)
    path.write_bytes(b"{")  # on this machine's disk
    assert await asyncio.to_thread(found) == 2
    assert "rules-0.snapshot is taken up from the servers of the log" in caplog.text
    await asyncio.to_thread(keeping.replace, path, b"{")
    assert await asyncio.to_thread(found) == 2
    assert "what rules-0.snapshot held before is taken up" in caplog.text
    await asyncio.to_thread(keeping.replace, path, b"{")
    assert await asyncio.to_thread(found) == -1
    await keeping.close()


async def test_a_lease_that_is_given_back_is_free_at_once_and_ends_nothing_else(
    server: NatsServer, tmp_path: Path
) -> None:
    options = LogOptions(servers=[server.url], replicas=1, synced=True, events_gb=0.1, alerts_gb=0.1, quarantine_gb=0.1)
    here, there = (OnServers(options, tmp_path / name, name) for name in ("here", "there"))
    for keeping in (here, there):
        (tmp_path / keeping._node).mkdir()
        await keeping.open()
    assert await here.granted_if_free("rules-0") is not None
    assert await here.granted_if_free("rules-1") is not None
    assert await there.granted_if_free("rules-0") is None
    await here.give_back("rules-0")
    assert await there.granted_if_free("rules-0") is not None
    lost = asyncio.create_task(here.lost())
    await asyncio.sleep(0.5)
    assert not lost.done()
    assert here.lease("rules-1").held
    lost.cancel()
    await here.close()
    await there.close()
