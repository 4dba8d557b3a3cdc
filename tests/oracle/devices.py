"""Devices that keep an account: what each sent, and what the hub has acknowledged of it. An acknowledgement is an obligation.

A reading's id is its device and its observed time; no two of a device have the same. What is not acknowledged is sent again,
unchanged, as devices do, until it is, or (some, by the seed) given up.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from adapters.mqtt.codec import V311, publish
from hub.moment import to_text

Id = tuple[str, int]
Values = dict[str, float]
ANSWER_S = 20.0
"""Longer than the hub may take on a busy machine; a device that gives up sends again."""


class Account:
    """Everything that devices sent, by id."""

    def __init__(self) -> None:
        self.sent: dict[Id, Values] = {}
        self.owed: dict[Id, Values] = {}
        """What was acknowledged: the hub's obligations."""
        self.repeats = 0
        """Readings that were sent again, because nobody had acknowledged them."""
        self.answers = 0
        self.may_refuse = False
        """Whether readings may rightly be refused: the hub's clock is wrong, and theirs is far from it."""
        self.refused = 0
        self.longest_s = 0.0

    def send(self, readings: dict[Id, Values]) -> None:
        self.repeats += sum(key in self.sent for key in readings)
        self.sent.update(readings)

    def acknowledged(self, readings: dict[Id, Values], took_s: float) -> None:
        self.owed.update(readings)
        self.answers += 1
        self.longest_s = max(self.longest_s, took_s)


class _Clock:
    """Times of one device: the present, each later than the one before."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        self._last = max(self._last + 1_000, time.time_ns() // 1_000 * 1_000)
        return self._last


def gauge(device: str, chance: random.Random) -> Callable[[], dict[Id, Values]]:
    """A few readings of a river gauge."""
    clock = _Clock()
    return lambda: {
        (device, clock.now()): {"water_level": chance.randrange(3000) / 1000} for _ in range(chance.randint(1, 3))
    }


def underpass(device: str, chance: random.Random) -> Callable[[], dict[Id, Values]]:
    """One reading of a gauge in an underpass that floods and drains: warnings are raised, escalated and cleared."""
    clock = _Clock()
    depths = deque([0.0, 0.2, 0.5, 0.3, 0.05])

    def make() -> dict[Id, Values]:
        if chance.random() < 0.7:
            depths.rotate(-1)
        return {(device, clock.now()): {"water_depth": depths[0] + chance.randrange(40) / 1000}}

    return make


def body(readings: dict[Id, Values]) -> bytes:
    return json.dumps(
        [{"device": device, "time": to_text(at), "values": values} for (device, at), values in readings.items()]
    ).encode()


class HttpDevice:
    """Posts its readings to the API, over one connection as long as it lasts."""

    def __init__(
        self, account: Account, port: int, make: Callable[[], dict[Id, Values]], chance: random.Random, pause_s: float
    ) -> None:
        self._account, self._port, self._make, self._chance, self._pause_s = account, port, make, chance, pause_s
        self._link: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, until: asyncio.Event) -> None:
        """Until the event is set; what is under way then is sent to its end."""
        try:
            while not until.is_set():
                await self._deliver(self._make(), until)
                await asyncio.sleep(self._pause_s * self._chance.random())
        finally:
            self._hang_up()

    async def _deliver(self, readings: dict[Id, Values], until: asyncio.Event) -> None:
        gives_up = self._chance.random() < 0.05
        while True:
            began = time.monotonic()
            self._account.send(readings)
            try:
                async with asyncio.timeout(ANSWER_S):
                    status = await self._post(body(readings))
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
                status = 0
                self._hang_up()
            if status == 200:
                self._account.acknowledged(readings, time.monotonic() - began)
                return
            if status == 400:
                assert self._account.may_refuse, f"the hub refuses what it should take: {readings}"
                self._account.refused += 1
                return
            if gives_up and (status == 0 or until.is_set()):
                return
            await asyncio.sleep(0.05)

    async def _post(self, data: bytes) -> int:
        if self._link is None:
            self._link = await asyncio.open_connection("127.0.0.1", self._port)
        return await given(*self._link, data)

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link[1].close()
            self._link = None


async def given(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> int:
    """Post readings over that connection; gives the answer's status. Raises OSError, IncompleteReadError, ValueError."""
    head = b"POST /api/v1/readings HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    writer.write(head % len(data) + data)
    status, _ = await answer(reader)
    return status


async def post(port: int, data: bytes) -> int:
    """The same over a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await given(reader, writer, data)
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of an HTTP answer. Raises IncompleteReadError, ValueError."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    if not sizes:
        raise ValueError(f"an answer without a length: {head!r}")
    return status, await reader.readexactly(int(sizes[0].partition(b":")[2]))


async def ask(port: int, path: str) -> Any:
    """A JSON document of the API. Raises OSError, IncompleteReadError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        status, data = await answer(reader)
    finally:
        writer.close()
    if not data:
        raise OSError(f"{path}: {status}")
    return json.loads(data)


class Broker:
    """An MQTT 3.1.1 broker with one subscriber, the hub: it keeps the session, and the hub's PUBACK is the acknowledgement.

    It sends again what was not acknowledged at the next connection (MQTT 3.1.1, 4.4), and may be made to end connections.
    """

    def __init__(self, account: Account, make: Callable[[], dict[Id, Values]], window: int = 10) -> None:
        self._account, self._make, self._window = account, make, window
        self._waiting: dict[int, dict[Id, Values]] = {}
        self._begun: dict[int, float] = {}
        self._number = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.stopping = asyncio.Event()

    async def open(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        feeding: asyncio.Task[None] | None = None
        try:
            while True:
                first, content = await packet(reader)
                kind = first >> 4
                if kind == 1:
                    writer.write(b"\x20\x02\x01\x00")
                elif kind == 8:
                    writer.write(b"\x90\x03" + content[:2] + b"\x01")
                    feeding = feeding or asyncio.create_task(self._feed(writer))
                elif kind == 4:
                    number = int.from_bytes(content[:2])
                    if number in self._waiting:
                        self._account.acknowledged(
                            self._waiting.pop(number), time.monotonic() - self._begun.pop(number)
                        )
                elif kind == 12:
                    writer.write(b"\xd0\x00")
                elif kind == 14:
                    return
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._writers.discard(writer)
            if feeding is not None:
                feeding.cancel()
            writer.close()

    async def _feed(self, writer: asyncio.StreamWriter) -> None:
        for number, readings in list(self._waiting.items()):
            self._send(writer, number, readings, again=True)
        while not self.stopping.is_set():
            if len(self._waiting) < self._window:
                self._number = self._number % 65_535 + 1
                self._waiting[self._number] = readings = self._make()
                self._send(writer, self._number, readings)
            await asyncio.sleep(0.02)

    def _send(self, writer: asyncio.StreamWriter, number: int, readings: dict[Id, Values], again: bool = False) -> None:
        self._account.send(readings)
        self._begun.setdefault(number, time.monotonic())
        packet = publish("city/a/readings", body(readings), 1, number, V311)
        writer.write(bytes([packet[0] | (8 if again else 0)]) + packet[1:])

    def drop(self) -> None:
        """End every connection at once, as a broker that is killed does; its session it still has."""
        for writer in self._writers:
            writer.transport.abort()

    async def settle(self) -> None:
        """Nothing new, and wait for what is not acknowledged yet."""
        self.stopping.set()
        while self._waiting:
            await asyncio.sleep(0.02)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.drop()


async def packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The first byte of an MQTT packet, and what stands behind its length. Raises IncompleteReadError, OSError."""
    first = (await reader.readexactly(1))[0]
    size = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return first, await reader.readexactly(size)
