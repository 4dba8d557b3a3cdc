"""Sensors behind MQTT: cityhub's own JSON to `city/<area>/readings`, QoS 1, kept until the broker has it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from contextlib import suppress
from urllib.parse import urlsplit

import aiomqtt

from hub.moment import to_text
from simulators.devices.faults import Faults
from simulators.devices.report import Outbox, Report

UNDER_WAY_MAX = 20
"""Publishes at one time of one gateway: as many as the client lets out unacknowledged."""
ANSWER_S = 60.0
"""A publish without a PUBACK for this long breaks the connection; all that is under way then goes out again."""


def payload(device: str, report: Report) -> bytes:
    """The native JSON of one reading."""
    reading: dict[str, object] = {"device": device, "time": to_text(report.at), "values": report.values}
    if report.lon is not None and report.lat is not None:
        reading |= {"lon": round(report.lon, 6), "lat": round(report.lat, 6)}
    return json.dumps(reading, ensure_ascii=False, separators=(",", ":")).encode()


class Gateway:
    """One MQTT client that carries many sensors, as a LoRaWAN or NB-IoT gateway does."""

    def __init__(self, name: str, faults: Faults | None = None) -> None:
        self.name = name
        self.faults = faults or Faults()
        self._line = self.faults.line()
        self.outbox = Outbox(50_000)
        self.connections = 0
        self._topics: dict[int, tuple[str, str]] = {}
        self._claimed: set[int] = set()
        """Reports under way."""
        self._news = asyncio.Event()

    def send(self, device: str, area: str, report: Report) -> None:
        self._topics[id(report)] = (device, f"city/{area.replace(' ', '-') or 'town'}/readings")
        if gone := self.outbox.put(report):
            self._topics.pop(id(gone), None)
        self._news.set()

    async def run(self, address: str) -> None:
        """Until cancelled; comes again when the broker goes away."""
        parts = urlsplit(address if "://" in address else f"mqtt://{address}")
        quiet = logging.getLogger(f"simulators.mqtt.{self.name}")
        quiet.setLevel(logging.CRITICAL)
        pause = 0.5
        while True:
            try:
                async with aiomqtt.Client(
                    parts.hostname or "127.0.0.1",
                    parts.port or 1883,
                    identifier=f"simulator-{self.name}-{os.getpid()}-{id(self):x}",
                    protocol=aiomqtt.ProtocolVersion.V311,
                    clean_session=True,
                    logger=quiet,
                    timeout=ANSWER_S,
                ) as client:
                    self.connections += 1
                    pause = 0.5
                    await self._pump(client)
            except* (aiomqtt.MqttError, OSError, TimeoutError):
                await asyncio.sleep(pause)
                pause = min(10.0, pause * 2)

    async def _pump(self, client: aiomqtt.Client) -> None:
        """Keep up to `UNDER_WAY_MAX` publishes under way, until the connection breaks."""
        every = self.faults.reconnect_every_s
        self._claimed.clear()
        free = asyncio.Semaphore(UNDER_WAY_MAX)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.faults.random.uniform(0.5, 1.5) * every if every else None):
                async with asyncio.TaskGroup() as under_way:
                    while True:
                        await free.acquire()
                        report = await self._next()
                        carried = under_way.create_task(self._publish(client, report))
                        carried.add_done_callback(lambda _: free.release())

    async def _next(self) -> Report:
        """The oldest report that is not under way."""
        while True:
            for report in self.outbox:
                if id(report) not in self._claimed:
                    self._claimed.add(id(report))
                    return report
            self._news.clear()
            await self._news.wait()

    async def _publish(self, client: aiomqtt.Client, report: Report) -> None:
        known = self._topics.get(id(report))
        if known is None:
            self._claimed.discard(id(report))
            return  # it had to go for a newer one in the meantime
        device, topic = known
        if wait := self.faults.wait_s():
            await asyncio.sleep(wait)
        for sent in self._line.carry([payload(device, report)]):
            await client.publish(topic, sent, qos=1)
        self.outbox.take_back(report)
        self._topics.pop(id(report), None)
        self._claimed.discard(id(report))
