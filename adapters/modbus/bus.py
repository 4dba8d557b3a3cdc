"""One client on one bus or gateway: one request at a time, a pause between them, and three ways to fail told apart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException

from adapters.modbus.pdu import EXCEPTIONS

# The poller says by itself what is down and silent; without a handler Python would print pymodbus's words as well.
logging.getLogger("pymodbus").addHandler(logging.NullHandler())


class Down(Exception):
    """The bus or gateway itself cannot be reached."""


class Silent(Exception):
    """The unit did not answer, or with garbage; the bus may be well."""


class Refused(Exception):
    """The unit (or the gateway for it) answered with an exception."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{EXCEPTIONS.get(code, 'unknown exception')} ({code})")
        self.code = code


class Line(NamedTuple):
    """Where a bus is: `tcp`, `rtu+tcp` (RTU frames over TCP) or `serial`."""

    scheme: str
    host: str
    port: int
    baud: int = 19_200
    parity: str = "N"
    stopbits: int = 1
    bytesize: int = 8


def parse_url(url: str) -> Line:
    """tcp://host:502, rtu+tcp://host:4001, serial:///dev/ttyUSB0?baud=9600&parity=E. Raises ValueError with a sentence."""
    parts = urlsplit(url)
    if parts.scheme in ("tcp", "rtu+tcp"):
        if not parts.hostname:
            raise ValueError(f"{url!r} names no host; {parts.scheme}://10.0.0.5:502 was meant")
        return Line(parts.scheme, parts.hostname, parts.port or 502)
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
    return Line("serial", parts.path, 0, numbers[0], parity, numbers[1], numbers[2])


class Bus:
    """Requests to the units of one line. Concurrent callers wait for each other."""

    def __init__(
        self, url: str, *, timeout_s: float = 1.0, retries: int = 0, pause_s: float = 0.0, connect_pause_s: float = 0.0
    ) -> None:
        self._line = parse_url(url)
        self._timeout_s, self._retries = timeout_s, retries
        self._pause_s, self._connect_pause_s = pause_s, connect_pause_s
        self._lock = asyncio.Lock()

    @cached_property
    def _client(self) -> Any:
        """Made at first use: pymodbus wants the running loop. The poller decides when to connect again, so pymodbus's own
        reconnecting stays off."""
        line = self._line
        if line.scheme == "serial":
            return AsyncModbusSerialClient(
                line.host,
                framer=FramerType.RTU,
                baudrate=line.baud,
                parity=line.parity,
                stopbits=line.stopbits,
                bytesize=line.bytesize,
                timeout=self._timeout_s,
                retries=self._retries,
                reconnect_delay=0,
            )
        return AsyncModbusTcpClient(
            line.host,
            port=line.port,
            framer=FramerType.SOCKET if line.scheme == "tcp" else FramerType.RTU,
            timeout=self._timeout_s,
            retries=self._retries,
            reconnect_delay=0,
        )

    async def connect(self) -> None:
        """Be connected. Raises `Down`."""
        async with self._lock:
            await self._connect()

    async def _connect(self) -> None:
        if self._client.connected:
            return
        try:
            connected = await self._client.connect()
        except (OSError, ModbusException, ValueError) as error:
            raise Down(str(error)) from error
        if not connected:
            raise Down("no connection")
        await asyncio.sleep(self._connect_pause_s)

    def close(self) -> None:
        self._client.close()

    async def read(self, unit: int, table: str, address: int, count: int) -> list[int]:
        """`count` words (or bits, as 0 and 1) of a table. Raises `Down`, `Silent` or `Refused`."""
        calls = {
            "coil": self._client.read_coils,
            "discrete": self._client.read_discrete_inputs,
            "holding": self._client.read_holding_registers,
            "input": self._client.read_input_registers,
        }
        answer = await self._ask(lambda: calls[table](address, count=count, device_id=unit))
        words = [int(bit) for bit in answer.bits[:count]] if table in ("coil", "discrete") else list(answer.registers)
        if len(words) != count:
            raise Silent(f"{count} values were asked for, {len(words)} came")
        return words

    async def write(self, unit: int, table: str, address: int, words: list[int]) -> None:
        """Write a coil or registers. Raises `Down`, `Silent` or `Refused`."""
        if table == "coil":
            await self._ask(lambda: self._client.write_coil(address, bool(words[0]), device_id=unit))
        elif len(words) == 1:
            await self._ask(lambda: self._client.write_register(address, words[0], device_id=unit))
        else:
            await self._ask(lambda: self._client.write_registers(address, words, device_id=unit))

    async def _ask(self, request: Callable[[], Awaitable[Any]]) -> Any:
        async with self._lock:
            try:
                await self._connect()
                answer = await request()
            except ConnectionException as error:
                raise Down(str(error)) from error
            except ModbusException as error:
                if not self._client.connected:
                    raise Down(str(error)) from error
                raise Silent(str(error)) from error
            await asyncio.sleep(self._pause_s)
        if answer.isError():
            raise Refused(answer.exception_code)
        return answer
