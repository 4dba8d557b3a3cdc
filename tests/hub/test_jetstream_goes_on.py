"""A log on servers goes on after whatever one turn of it raised: it looks, hears and acknowledges as before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from hub.log.jetstream import JetStreamLog, stream
from hub.ports import LogFull
from tests.acceptance.nats_server import Connect
from tests.hub.logs import everything, reading, readings


@pytest.fixture
async def logs(connect: Connect) -> AsyncIterator[list[JetStreamLog]]:
    made = [JetStreamLog(connect(), "test", 1) for _ in range(2)]
    yield made
    for log in made:
        await log.close()


def failing_once(real: Callable[..., Any], error: Exception, raised: list[Exception]) -> Callable[..., Any]:
    def call(*given: Any) -> Any:
        if not raised:
            raised.append(error)
            raise error
        return real(*given)

    return call


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("error", [MemoryError(), ValueError("no JSON"), AttributeError("transport")])
async def test_a_node_finds_what_came_without_a_hint_also_after_a_look_that_failed(
    logs: list[JetStreamLog], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Readers saw nothing more, and were taken to be caught up."""
    reader, writer = logs
    raised: list[Exception] = []
    monkeypatch.setattr(reader.events, "_look", failing_once(reader.events._look, error, raised))
    await until(lambda: raised)
    publish = writer.servers.client.publish

    async def without_hints(subject: str, *given: Any, **named: Any) -> None:
        if not subject.endswith("-grown"):
            await publish(subject, *given, **named)

    monkeypatch.setattr(writer.servers.client, "publish", without_hints)
    await writer.events.append(readings(3))
    batch = await reader.events.read(reader.events.first, wait_s=30)
    assert list(batch.entries) == readings(3)


@pytest.mark.parametrize("error", [MemoryError(), ValueError("a defect")])
async def test_a_node_hears_of_others_also_after_it_failed_to_once(logs: list[JetStreamLog], error: Exception) -> None:
    hearing, writer = logs
    heard: list[Any] = []
    raised: list[Exception] = []

    def told(blob: Any) -> list[Any]:
        heard.extend(blob.entries)
        return []

    hearing.events.hear(hearing.events.first, failing_once(told, error, raised))
    await writer.events.append([reading(1)])
    await until(lambda: raised)
    await writer.events.append([reading(2)])
    await until(lambda: reading(2) in heard)
    assert (reading(1) in heard) == isinstance(error, MemoryError), (
        "a shortage is over sooner or later, a defect is not"
    )
    await hearing.events.append([reading(3)])
    assert everything(hearing) == [reading(1), reading(2), reading(3)]


async def test_what_the_servers_have_is_acknowledged_also_where_there_is_no_memory_to_keep_it_at_hand(
    logs: list[JetStreamLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever had sent it waited for ever."""
    log = logs[0]
    raised: list[Exception] = []
    monkeypatch.setattr(log.events._blobs, "add", failing_once(log.events._blobs.add, MemoryError(), raised))
    async with asyncio.timeout(60):
        await log.events.append(readings(1))
    assert raised
    assert everything(log) == readings(1)


async def test_what_waits_is_not_forgotten_where_a_group_before_it_could_not_be_made(
    logs: list[JetStreamLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.log import pending

    log = logs[0]
    monkeypatch.setattr(log.events._pending, "_entries_max", 1)
    raised: list[Exception] = []
    monkeypatch.setattr(pending, "Group", failing_once(pending.Group, MemoryError(), raised))
    first, second = log.events.append([reading(1)]), log.events.append([reading(2)])
    with pytest.raises(LogFull):
        await asyncio.wait_for(first, 30)
    await asyncio.wait_for(second, 30)
    assert everything(log) == [reading(2)]


async def test_servers_that_answer_nothing_are_told_also_where_nothing_is_appended(
    logs: list[JetStreamLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that only shows looked well, and what it showed was as old as the last answer."""
    events = logs[0].events
    monkeypatch.setattr(stream, "SILENT_S", 0.2)
    with monkeypatch.context() as patched:

        async def away() -> None:
            raise TimeoutError

        patched.setattr(events, "_look", away)
        await until(lambda: events.refusing)
        assert events.refusing is not None
        assert ("do not answer" in events.refusing.en, "没有应答" in events.refusing.zh) == (True, True)
        with pytest.raises(LogFull, match="do not answer"):
            await events.append(readings(1))
    await until(lambda: events.refusing is None)
    await events.append(readings(1))
    assert everything(logs[0]) == readings(1)
