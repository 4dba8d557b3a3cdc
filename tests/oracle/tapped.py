"""A real mosquitto between a device and the hub, with a tap on its line to the hub: what the hub acknowledges there is owed.

The device is a client of its own (aiomqtt). It waits for the broker's acknowledgement, and publishes again what had none. What the broker
has acknowledged and still has must reach the hub; what a killed broker forgets was never the hub's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiomqtt

from adapters.mqtt.codec import encode_varint
from tests.acceptance.mosquitto import Mosquitto
from tests.oracle.devices import Account, Id, Values, body, packet

TOPIC = "city/a/readings"
PUBLISH, PUBACK, SUBACK = 3, 4, 9
"""Types of packets (MQTT 5, 2.1.2)."""


class TappedBroker:
    """In the place of `devices.Broker`."""

    def __init__(
        self, account: Account, make: Callable[[], dict[Id, Values]], folder: Path, chance: random.Random
    ) -> None:
        """`folder`: for what mosquitto keeps."""
        self._account, self._make, self._chance = account, make, chance
        folder.mkdir(parents=True)
        self._mosquitto = Mosquitto(folder)
        self._database = folder / "mosquitto.db"
        self._made: dict[bytes, dict[Id, Values]] = {}
        """Readings by the payload that says them."""
        self._with_broker: dict[bytes, int] = {}
        """Payloads that the broker has acknowledged and the hub has not, with the broker's life."""
        self._life = 0
        """Of the broker's memory: a broker that was killed has lost it."""
        self._subscribed = asyncio.Event()
        """The broker has a session for the hub, so that what it takes reaches the hub once it is there."""
        self._stopping = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._publishing: asyncio.Task[None] | None = None
        self._troubled = asyncio.Lock()

    async def open(self, port: int) -> None:
        await asyncio.to_thread(self._mosquitto.start)
        self._server = await asyncio.start_server(self._tap, "127.0.0.1", port)
        self._publishing = asyncio.create_task(self._publish())

    # ---------------------------------------------------------------------------------------------- the tap

    async def _tap(self, hub: asyncio.StreamReader, to_hub: asyncio.StreamWriter) -> None:
        try:
            broker, to_broker = await asyncio.open_connection("127.0.0.1", self._mosquitto.port)
        except OSError:
            to_hub.close()
            return
        lines = {to_hub, to_broker}
        self._lines |= lines
        waiting: dict[int, bytes] = {}
        """Payloads by the packet's number, for as long as this connection lasts."""

        def told_by_broker(first: int, content: bytes) -> None:
            if first >> 4 == PUBLISH:
                number, payload = published(content)
                waiting[number] = payload
            elif first >> 4 == SUBACK:
                self._subscribed.set()

        def told_by_hub(first: int, content: bytes) -> None:
            if first >> 4 == PUBACK and (payload := waiting.pop(int.from_bytes(content[:2]), None)) is not None:
                self._account.acknowledged(self._made[payload], 0.0)
                self._with_broker.pop(payload, None)

        ways = [
            asyncio.create_task(_carried(hub, to_broker, told_by_hub)),
            asyncio.create_task(_carried(broker, to_hub, told_by_broker)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self._lines -= lines
            for line in lines:
                line.transport.abort()

    # ---------------------------------------------------------------------------------------------- the device

    async def _publish(self) -> None:
        payload = b""
        while payload or not self._stopping.is_set():
            with suppress(aiomqtt.MqttError, OSError, TimeoutError):
                async with aiomqtt.Client("127.0.0.1", self._mosquitto.port, timeout=5) as client:
                    while payload or not self._stopping.is_set():
                        if not payload:
                            readings = self._make()
                            payload = body(readings)
                            self._made[payload] = readings
                        await self._subscribed.wait()
                        life = self._life
                        self._account.send(self._made[payload])
                        await client.publish(TOPIC, payload, qos=1)
                        if not (self._made[payload].keys() <= self._account.owed.keys()) and life == self._life:
                            self._with_broker[payload] = life
                        payload = b""
                        await asyncio.sleep(0.02)
            await asyncio.sleep(0.05)

    # ---------------------------------------------------------------------------------------------- troubles

    def drop(self) -> None:
        """The line to the hub breaks, or the broker ends and comes back, with its session or without."""
        task = asyncio.create_task(self._trouble(self._chance.choice(("line", "ended", "killed"))))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _trouble(self, what: str) -> None:
        async with self._troubled:
            if what == "line":
                self._hang_up()
                return
            if what == "killed":
                self._subscribed.clear()
                self._life += 1
            await asyncio.to_thread(self._mosquitto.stop, what == "killed")
            if what == "killed":
                self._with_broker.clear()
                self._database.unlink(missing_ok=True)
            await asyncio.sleep(self._chance.uniform(0.0, 1.0))
            await asyncio.to_thread(self._mosquitto.start)

    def _hang_up(self) -> None:
        for line in self._lines:
            line.transport.abort()

    # ---------------------------------------------------------------------------------------------- the end

    async def settle(self) -> None:
        """Nothing new, and wait until the hub has acknowledged all that the broker has."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        assert self._publishing is not None
        await self._publishing
        while self._with_broker:
            await asyncio.sleep(0.02)

    def close(self) -> None:
        for task in (*self._tasks, self._publishing):
            if task is not None:
                task.cancel()
        if self._server is not None:
            self._server.close()
        self._hang_up()
        self._mosquitto.stop(kill=True)


async def _carried(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, told: Callable[[int, bytes], None]
) -> None:
    """Hand packets on, one by one; `told` hears each before."""
    with suppress(asyncio.IncompleteReadError, OSError):
        while True:
            first, content = await packet(source)
            told(first, content)
            target.write(bytes([first]) + encode_varint(len(content)) + content)
            await target.drain()


def published(content: bytes) -> tuple[int, bytes]:
    """Number and payload of a PUBLISH of quality 1 (MQTT 5, 3.3): topic, number, properties by their length, payload."""
    at = 2 + int.from_bytes(content[:2])
    number, at = int.from_bytes(content[at : at + 2]), at + 2
    size = shift = 0
    while True:
        byte, at = content[at], at + 1
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, content[at + size :]
