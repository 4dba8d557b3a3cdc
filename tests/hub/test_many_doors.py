"""Several nodes take input into one log: whatever a device sends to more than one of them stands there once."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nats.js.errors import APIError

from hub import clock
from hub.ingest import Door, Ingest
from hub.ledger import Ledger
from hub.log.jetstream import JetStreamLog, Servers
from hub.log.jetstream.blobs import blob_of
from hub.model import Device, Message, Reading, Tick, Verdict
from hub.ports import Batch, Stream
from hub.registry import Registry
from tests.acceptance.nats_server import NatsServer
from tests.hub.logs import everything


class Node:
    """What takes input on one machine."""

    def __init__(self, url: str) -> None:
        self.servers = Servers([url])
        self.log = JetStreamLog(self.servers, "test", 1)
        self.ledger = Ledger()
        self.ingest = Ingest(self.log, Registry({"g": Device("g", "gauge")}), self.ledger, clock.now)
        self.log.events.hear(self.log.events.first, self.ingest.heard)
        self.door: Door = self.ingest.door("test")

    async def submit(self, *numbers: int) -> list[Verdict]:
        return await self.door.submit([Message([reading(number)], [], "g") for number in numbers])

    async def end(self) -> None:
        await self.log.close()
        self.servers.close()


AT = clock.now()


def reading(number: int) -> Reading:
    return Reading("g", AT + number, {"water_level": float(number)})


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[list[Node]]:
    server = NatsServer(tmp_path)
    server.start()
    made = [Node(server.url) for _ in range(3)]
    yield made
    for node in made:
        await node.end()
    server.kill()


async def stands(node: Node) -> Counter[int]:
    """What the log holds, as one sees it who opens it now."""
    log = JetStreamLog(node.servers, "test", 1)
    found = Counter(entry.observed_at - AT for entry in everything(log) if isinstance(entry, Reading))  # type: ignore[operator]
    await log.close()
    return found


async def test_what_comes_to_three_nodes_at_once_stands_in_the_log_once(nodes: list[Node]) -> None:
    rounds = 40
    verdicts = await asyncio.gather(
        *(node.submit(number, number + 1) for number in range(rounds) for node in nodes),
        *(node.submit(1000 * at + number) for number in range(rounds) for at, node in enumerate(nodes, 1)),
    )
    assert {verdict for each in verdicts for verdict in each} == {Verdict.STORED}
    wanted = [*range(rounds + 1), *(1000 * at + number for number in range(rounds) for at in (1, 2, 3))]
    assert await stands(nodes[0]) == Counter(wanted)
    columns = [node.ledger.of("test") for node in nodes]
    assert all(counts.balances() and not counts.in_flight for counts in columns)
    assert sum(counts.logged for counts in columns) == len(wanted)
    assert sum(counts.duplicate for counts in columns) == 6 * rounds - (rounds + 1)


async def test_a_reading_that_its_device_took_to_another_node_meanwhile_is_a_duplicate_there(
    nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first node cannot reach the servers for a while, the device gives up and goes to the second, and then the first comes back."""
    first, second, _ = nodes
    publish, away = first.servers.js.publish, asyncio.Event()

    async def cut_off(*given: Any, **named: Any) -> Any:
        if not away.is_set():
            raise TimeoutError
        return await publish(*given, **named)

    monkeypatch.setattr(first.servers.js, "publish", cut_off)
    waiting = asyncio.ensure_future(first.submit(1, 2))
    await asyncio.sleep(0)
    assert await second.submit(2, 3) == [Verdict.STORED] * 2
    away.set()
    assert await asyncio.wait_for(waiting, 30) == [Verdict.STORED] * 2
    assert await stands(second) == Counter([1, 2, 3])
    assert (first.ledger.of("test").logged, first.ledger.of("test").duplicate) == (1, 1)
    assert await first.submit(3) == await second.submit(1) == [Verdict.STORED]
    assert await stands(second) == Counter([1, 2, 3])


async def test_an_acknowledgement_that_got_lost_makes_nobody_elses_of_ones_own(
    nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = nodes
    publish, lost = first.servers.js.publish, 0

    async def loses(*given: Any, **named: Any) -> Any:
        nonlocal lost
        answer = await publish(*given, **named)
        lost += 1
        if lost == 1:
            raise TimeoutError
        return answer

    monkeypatch.setattr(first.servers.js, "publish", loses)
    assert await first.submit(1, 2) == [Verdict.STORED] * 2
    assert await second.submit(2, 3) == [Verdict.STORED] * 2
    assert await stands(first) == Counter([1, 2, 3])
    assert (first.ledger.of("test").logged, first.ledger.of("test").duplicate) == (2, 0)


async def test_the_books_of_a_city_count_what_others_have_logged_and_kept_out(nodes: list[Node]) -> None:
    keeper, other, _ = nodes
    books = Ledger()

    async def keep(stream: Stream, read: Callable[[Batch], None]) -> None:
        place = stream.first
        while True:
            batch = await stream.read(place)
            read(batch)
            read(batch)  # as the reader that stores it does
            place = batch.next

    keeping = [
        asyncio.create_task(keep(keeper.log.quarantine, books.read_in_quarantine)),
        asyncio.create_task(keep(keeper.log.events, books.read_in_log)),
    ]
    await other.door.submit([Message([msgspec.structs.replace(reading(5), device="unknown")], [], "unknown")])
    await other.submit(1, 2)
    async with asyncio.timeout(30):
        while books.of("test").received < 3:
            await asyncio.sleep(0.01)
    counts = books.of("test")
    assert (counts.logged, counts.quarantined, counts.balances()) == (2, 1, True)
    for task in keeping:
        task.cancel()
    await asyncio.gather(*keeping, return_exceptions=True)


class Decoder:
    """Counts what is decoded of others."""

    def __init__(self, decoder: Any) -> None:
        self._decoder, self.decoded = decoder, 0

    def decode(self, data: bytes) -> Any:
        self.decoded += 1
        return self._decoder.decode(data)


def watched(node: Node) -> Decoder:
    decoder = node.log.events._decoder = Decoder(node.log.events._decoder)  # type: ignore[assignment]
    return decoder


async def test_a_node_that_only_takes_in_decodes_nothing_that_others_have_taken(nodes: list[Node]) -> None:
    first, second, reader = nodes
    decoders = [watched(node) for node in nodes]
    assert await first.submit(1, 2) == await second.submit(2, 3) == [Verdict.STORED] * 2
    assert await first.submit(3, 4) == [Verdict.STORED] * 2
    assert [node.ledger.of("test").duplicate for node in (first, second)] == [1, 1]
    assert [decoder.decoded for decoder in decoders] == [0, 0, 0]
    batch = await reader.log.events.read(reader.log.events.first, 2)
    assert [entry.observed_at - AT for entry in batch.entries] == [1, 2]
    assert decoders[2].decoded > 0


async def test_what_a_version_without_keys_has_put_there_is_known_too(nodes: list[Node]) -> None:
    first, second, _ = nodes
    decoder = watched(second)
    old = msgspec.msgpack.encode([Tick(AT), reading(1)])
    headers = {"Nats-Msg-Id": "old", "Entries": "2", "At": str(AT)}
    await first.servers.call(first.servers.js.publish("test.events", old, stream="test-events", headers=headers))
    assert await second.submit(1, 2) == [Verdict.STORED] * 2
    assert await stands(first) == Counter([1, 2])
    assert (second.ledger.of("test").duplicate, decoder.decoded) == (1, 1)


@pytest.mark.parametrize("keys", ["1", "100", "1000000", "-1", "x"])
async def test_a_message_that_says_more_keys_than_it_has_stops_nobody(nodes: list[Node], keys: str) -> None:
    first, second, _ = nodes
    headers = {"Nats-Msg-Id": "odd", "Entries": "1", "At": str(AT), "Keys": keys}
    odd = msgspec.msgpack.encode([reading(1)])[:15]
    await first.servers.call(first.servers.js.publish("test.events", odd, stream="test-events", headers=headers))
    assert await second.submit(1, 2) == [Verdict.STORED] * 2
    assert await stands(first) == Counter([1, 2])
    assert "cannot be read" in " ".join(map(str, second.log.damage()))


async def held_up(
    node: Node, turn: threading.Event, monkeypatch: pytest.MonkeyPatch, then: Exception | None = None
) -> asyncio.Future[list[Verdict]]:
    """Reading 1, handed in at a node whose messages wait until it is its turn; those after the first fail by `then`."""
    publish, tries = node.servers.js.publish, 0

    async def waits(*given: Any, **named: Any) -> Any:
        nonlocal tries
        tries += 1
        await asyncio.to_thread(turn.wait)
        if then is not None and tries > 1:
            raise then
        return await publish(*given, **named)

    monkeypatch.setattr(node.servers.js, "publish", waits)
    handed_in = asyncio.ensure_future(node.submit(1))
    async with asyncio.timeout(30):
        while not tries:
            await asyncio.sleep(0.01)
    return handed_in


async def test_what_comes_while_a_node_waits_for_its_turn_goes_with_what_waits(
    nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where doors take turns each takes in what came meanwhile with one message, however many others there are."""
    first, second, _ = nodes
    turn = threading.Event()
    waiting = [await held_up(first, turn, monkeypatch)]
    waiting += [asyncio.ensure_future(first.submit(number)) for number in (2, 3, 4, 5)]
    assert await second.submit(4, 9) == [Verdict.STORED] * 2
    turn.set()
    assert await asyncio.gather(*waiting) == [[Verdict.STORED]] * 5
    assert await stands(second) == Counter([1, 2, 3, 4, 5, 9])
    assert [{1, 2, 3, 5} <= one for one in await messages(second)] == [False, True]
    counts = first.ledger.of("test")
    assert (counts.logged, counts.duplicate, counts.in_flight, counts.balances()) == (4, 1, 0, True)


async def messages(node: Node) -> list[set[int]]:
    """What each message of the log holds."""
    events = node.log.events
    end, place, found = events.next, events.first, dict[int, set[int]]()
    while place < end:
        batch = await events.read(place)
        for at, entry in zip(batch.positions, batch.entries, strict=False):
            found.setdefault(blob_of(at), set()).add(entry.observed_at - AT)
        place = batch.next
    return [found[number] for number in sorted(found)]


async def test_what_went_with_a_message_that_failed_is_told_so_too(
    nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = nodes
    turn, full = threading.Event(), APIError(code=503, err_code=10077, description="maximum bytes exceeded")
    waiting = [await held_up(first, turn, monkeypatch, then=full)]
    waiting.append(asyncio.ensure_future(first.submit(2)))
    await second.submit(9)
    turn.set()
    assert await asyncio.gather(*waiting) == [[Verdict.BUSY]] * 2
    assert await stands(second) == Counter([9])


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_questions_and_answers_get_lost_each_reading_stands_there_once(
    nodes: list[Node], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    for node in nodes:
        publish = node.servers.js.publish

        async def unreliable(*given: Any, publish: Any = publish, **named: Any) -> Any:
            if chance.random() < 0.2:
                raise TimeoutError
            answer = await publish(*given, **named)
            if chance.random() < 0.2:
                raise TimeoutError
            return answer

        monkeypatch.setattr(node.servers.js, "publish", unreliable)

    stored, busy = set[int](), set[int]()

    async def sends(node: Node) -> None:
        for _ in range(25):
            numbers = [chance.randrange(200) for _ in range(chance.randrange(1, 8))]
            for number, verdict in zip(numbers, await node.submit(*numbers), strict=True):
                assert verdict in (Verdict.STORED, Verdict.BUSY)
                (stored if verdict is Verdict.STORED else busy).add(number)

    await asyncio.gather(*(sends(node) for node in nodes for _ in range(2)))
    found = await stands(nodes[0])
    assert set(found.values()) == {1}
    assert stored <= set(found) <= stored | busy
    columns = [node.ledger.of("test") for node in nodes]
    assert sum(counts.logged for counts in columns) == len(found)
    assert all(counts.balances() and not counts.in_flight for counts in columns)
