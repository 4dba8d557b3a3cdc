"""The line to a bus or gateway: where it is, its connection, and each frame that comes with the moment it came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from adapters.modbus.framing import Answer, Framing, RtuFraming, TcpFraming
from adapters.transport.options import Endpoint
from adapters.transport.serial_line import open_serial
from hub.bilingual import Text
from hub.error_words import words_of

READ_BYTES = 4096
QUIET_S = 0.1
"""A line on which nothing came for so long is quiet: what is left of a frame will not be completed."""


class Down(Exception):
    """The bus or gateway itself cannot be reached."""


class Address(NamedTuple):
    """Where a bus is: `tcp`, `rtu+tcp` (RTU frames over TCP) or `serial`."""

    scheme: str
    host: str
    port: int
    baud: int = 19_200
    parity: str = "N"
    stopbits: int = 1
    bytesize: int = 8

    @property
    def silence_s(self) -> float:
        """The 3.5 characters of silence between two RTU frames (MODBUS over Serial Line V1.02, 2.5.1.1): 11 bits each,
        1.75 ms above 19,200 baud."""
        if self.scheme != "serial":
            return 0.0
        return 0.00175 if self.baud > 19_200 else 3.5 * 11 / self.baud


def parse_url(url: str) -> Address:
    """tcp://host:502, rtu+tcp://host:4001, serial:///dev/ttyUSB0?baud=9600&parity=E. Raises ValueError with a sentence."""
    parts = urlsplit(url)
    if parts.scheme in ("tcp", "rtu+tcp"):
        if not parts.hostname:
            raise ValueError(f"{url!r} names no host; {parts.scheme}://10.0.0.5:502 was meant")
        return Address(parts.scheme, parts.hostname, parts.port or 502)
    if parts.scheme != "serial":
        raise ValueError(
            f"{url!r}: a bus is tcp://host:502, rtu+tcp://host:port (RTU frames over TCP) or serial:///dev/ttyUSB0?baud=9600"
        )
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    unknown = set(query) - {"baud", "parity", "stopbits", "bytesize"}
    if not parts.path or unknown:
        raise ValueError(
            f"{url!r}: " + (f"unknown {', '.join(sorted(unknown))}" if unknown else "no serial device is named")
        )
    parity = query.get("parity", "N").upper()
    try:
        numbers = [
            int(query.get(key, default)) for key, default in (("baud", 19_200), ("stopbits", 1), ("bytesize", 8))
        ]
    except ValueError:
        raise ValueError(f"{url!r}: baud, stopbits and bytesize are whole numbers") from None
    if parity not in "NEO" or len(parity) != 1:
        raise ValueError(f"{url!r}: parity is N, E or O")
    return Address("serial", parts.path, 0, numbers[0], parity, numbers[1], numbers[2])


class Line:
    """One connection at a time. `heard` is told of every frame with the moment it came (the loop's clock, seconds), `junk` of bytes
    that are none, `ended` of the connection's end with the reason."""

    def __init__(
        self,
        address: Address,
        heard: Callable[[Answer, float], None],
        junk: Callable[[int], None],
        ended: Callable[[Text], None],
    ) -> None:
        self.framing: Framing = TcpFraming() if address.scheme == "tcp" else RtuFraming()
        self._address = address
        self._heard, self._junk, self._ended = heard, junk, ended
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._buffer = bytearray()
        self.last_byte_at = 0.0

    @property
    def connected(self) -> bool:
        return self._writer is not None

    async def open(self, timeout_s: float) -> None:
        """Connect. Raises `Down`."""
        address = self._address
        try:
            async with asyncio.timeout(timeout_s):
                if address.scheme == "serial":
                    port = Endpoint(
                        "serial", "", 0, address.host, address.baud, address.bytesize, address.parity, address.stopbits
                    )
                    reader, self._writer = await open_serial(port, READ_BYTES)
                else:
                    reader, self._writer = await asyncio.open_connection(address.host, address.port, limit=READ_BYTES)
        except TimeoutError:
            raise Down(Text("no connection in time", "未在限定时间内连上")) from None
        except (OSError, ValueError) as error:
            raise Down(words_of(error)) from error
        self._buffer.clear()
        self._reading = asyncio.create_task(self._read(reader))

    def send(self, data: bytes) -> None:
        if self._writer is not None:
            self._writer.write(data)

    def flush(self) -> None:
        """Forget the bytes of frames that are not complete."""
        if self._buffer:
            self._junk(len(self._buffer))
            self._buffer.clear()

    def close(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None and reading is not asyncio.current_task():
            reading.cancel()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        clock = asyncio.get_running_loop().time
        why = Text("the other side closed the connection", "对方关闭了连接")
        try:
            while True:
                try:
                    async with asyncio.timeout(QUIET_S if self._buffer else None):
                        data = await reader.read(READ_BYTES)
                except TimeoutError:
                    self._take(clock(), quiet=not self.framing.numbered)
                    if self.framing.numbered:  # TCP delivers the rest of a frame, however late
                        data = await reader.read(READ_BYTES)
                    else:
                        continue
                if not data:
                    break
                self.last_byte_at = clock()
                self._buffer += data
                self._take(self.last_byte_at)
        except OSError as error:
            why = words_of(error)
        self.close()
        self._ended(why)

    def _take(self, now: float, *, quiet: bool = False) -> None:
        answers, junk = self.framing.take(self._buffer, quiet=quiet)
        if junk:
            self._junk(junk)
        for answer in answers:
            self._heard(answer, now)
