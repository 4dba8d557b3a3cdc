"""Devices that dial the hub over TCP: greet, send, wait for the answer, keep what was not answered, come again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from simulators.devices.faults import Faults
from simulators.devices.report import Outbox, Report

ANSWER_S = 8.0
"""A report without an answer for this long is sent again; each time in vain doubles it, so that a slow hub is not buried."""
ANSWER_MAX_S = 120.0
RECONNECT_MAX_S = 15.0


@dataclass(slots=True)
class Heard:
    """What the hub's bytes meant to the device."""

    acknowledged: list[object] = field(default_factory=list)
    """Keys of reports that are stored now."""
    send: bytes = b""
    """What must be answered at once."""
    ready: bool = False
    """The session is open: reports may follow."""


class Dialect(Protocol):
    """One protocol, as a terminal speaks it. Pure: bytes and reports in, bytes out."""

    window: int
    """Reports that may be under way at one time."""
    batch_max: int
    """Reports that one frame may carry."""
    answers: bool
    """Whether the hub answers reports; where it does not, sending is all a device can do."""

    def greet(self) -> bytes:
        """The first bytes of a connection; empty where the protocol has no login."""
        ...

    def frame(self, reports: Sequence[Report]) -> tuple[object, bytes]:
        """One report, or several up to `batch_max`, on the wire, and the key by which the answer will name them."""
        ...

    def hear(self, data: bytes) -> Heard: ...


class Terminal:
    """One device and its connection."""

    def __init__(
        self, device: str, dialect: Dialect, faults: Faults | None = None, dials_from: str | None = None
    ) -> None:
        """`dials_from`: the local address of its connections, where it is not to be the machine's choice."""
        self.device = device
        self._local = (dials_from, 0) if dials_from else None
        self.dialect = dialect
        self.faults = faults or Faults()
        self._line = self.faults.line()
        self.outbox = Outbox()
        self.connections = 0
        self._news = asyncio.Event()
        self._under_way: dict[object, tuple[list[Report], float]] = {}
        self._ready = False
        self._patience_s = ANSWER_S

    def send(self, report: Report) -> None:
        self.outbox.put(report)
        self._news.set()

    async def run(self, address: str) -> None:
        """Until cancelled."""
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        pause = 0.5
        while True:
            try:
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port, local_addr=self._local)
            except OSError:
                await asyncio.sleep(pause)
                pause = min(RECONNECT_MAX_S, pause * 2)
                continue
            pause = 0.5
            self.connections += 1
            try:
                await self._session(reader, writer)
            except (OSError, EOFError, TimeoutError):
                pass
            finally:
                writer.close()
                self._under_way.clear()
                self._ready = False
            await asyncio.sleep(self.faults.away_s or 0.2 + self.faults.random.random() * 0.6)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = self.dialect.greet()
        self._ready = not greeting
        if greeting:
            await self._write(writer, greeting)
        listening = asyncio.create_task(self._listen(reader, writer))
        breaks_in = self._until_break()
        loop = asyncio.get_running_loop()
        opened = loop.time()
        try:
            while not listening.done():
                if self._ready:
                    await self._send_waiting(writer, loop.time())
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await self._news.wait()
                if breaks_in and loop.time() - opened > breaks_in:
                    return
                if not self._ready and loop.time() - opened > 2 * ANSWER_S:
                    return
            listening.result()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            heard = self.dialect.hear(data)
            if heard.send:
                await self._write(writer, heard.send)
            self._ready = self._ready or heard.ready
            if heard.acknowledged:
                self._patience_s = ANSWER_S
            for key in heard.acknowledged:
                found = self._under_way.pop(key, None)
                for report in found[0] if found else ():
                    self.outbox.take_back(report)
            self._news.set()
        self._news.set()

    async def _send_waiting(self, writer: asyncio.StreamWriter, now: float) -> None:
        overdue = [key for key, (_, since) in self._under_way.items() if now - since > self._patience_s]
        for key in overdue:
            del self._under_way[key]
        if overdue:
            self._patience_s = min(ANSWER_MAX_S, 2 * self._patience_s)
        out = {id(report) for reports, _ in self._under_way.values() for report in reports}
        waiting = [report for report in self.outbox if id(report) not in out]
        size = self.dialect.batch_max
        for at in range(0, len(waiting), size):
            if len(self._under_way) >= self.dialect.window:
                return
            reports = waiting[at : at + size]
            key, frame = self.dialect.frame(reports)
            if self.dialect.answers:
                self._under_way[key] = (reports, now)
            else:
                for report in reports:
                    self.outbox.take_back(report)
            for sent in self._line.carry([frame]):
                await self._write(writer, sent)

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if wait := self.faults.wait_s():
            await asyncio.sleep(wait)
        if self.faults.slow_bytes_s:
            for at in range(len(data)):
                writer.write(data[at : at + 1])
                await writer.drain()
                await asyncio.sleep(1 / self.faults.slow_bytes_s)
            return
        writer.write(data)
        await writer.drain()

    def _until_break(self) -> float:
        every = self.faults.reconnect_every_s
        return self.faults.random.uniform(0.5, 1.5) * every if every else 0.0
