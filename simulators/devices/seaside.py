"""A coast station: it hears the vessels and passes their sentences on, over UDP (best effort) or TCP."""

from __future__ import annotations

import asyncio
from collections import deque
from urllib.parse import urlsplit

from simulators.devices.faults import Faults

LINES_MAX = 20_000
"""Lines kept while a TCP hub is away; then the oldest are lost. AIS has no answer, so nothing is sent twice."""
DATAGRAM_MAX = 1_200
"""Bytes of one datagram."""


class Station:
    """`say` lines; `run` carries them."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._line = self.faults.line()
        self.sent = 0
        self._lines: deque[bytes] = deque(maxlen=LINES_MAX)
        self._news = asyncio.Event()

    def say(self, lines: list[str]) -> None:
        self._lines.extend(self._line.carry([line.encode() + b"\r\n" for line in lines]))
        self._news.set()

    async def run(self, address: str) -> None:
        """Until cancelled."""
        parts = urlsplit(address if "://" in address else f"udp://{address}")
        while True:
            try:
                if parts.scheme == "udp":
                    await self._datagrams(parts.hostname or "127.0.0.1", parts.port or 10110)
                else:
                    await self._stream(parts.hostname or "127.0.0.1", parts.port or 10110)
            except OSError:
                await asyncio.sleep(1.0)

    async def _datagrams(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(host, port))
        try:
            while True:
                await self._wait()
                packet = b""
                while self._lines:
                    if packet and len(packet) + len(self._lines[0]) > DATAGRAM_MAX:
                        transport.sendto(packet)
                        packet = b""
                        await asyncio.sleep(0)
                    packet += self._lines.popleft()
                    self.sent += 1
                transport.sendto(packet)
        finally:
            transport.close()

    async def _stream(self, host: str, port: int) -> None:
        _, writer = await asyncio.open_connection(host, port)
        try:
            while True:
                await self._wait()
                while self._lines:
                    writer.write(self._lines[0])
                    await writer.drain()
                    self._lines.popleft()
                    self.sent += 1
        finally:
            writer.close()

    async def _wait(self) -> None:
        while not self._lines:
            self._news.clear()
            await self._news.wait()
        if wait := self.faults.wait_s():
            await asyncio.sleep(wait)
