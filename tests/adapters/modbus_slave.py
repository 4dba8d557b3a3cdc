"""A Modbus slave written from the specification, for tests: it answers as slaves in the field do, late, wrongly, or not at all.

MODBUS Application Protocol V1.1b3, clauses 6.1 to 6.4 and 7; MODBUS over Serial Line V1.02, 2.5 and appendix B (the CRC); MODBUS Messaging on
TCP/IP V1.0b, 3.1. A register holds its own address, so that an answer to another request is seen at once; a coil is on where its
address is odd.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from struct import pack, unpack


@dataclass
class Asked:
    """One request: `number` counts from 1."""

    number: int
    unit: int
    function: int
    address: int
    count: int
    transaction: int = 0


@dataclass
class Said:
    """How to answer: after so many seconds (None: never), and in whose name."""

    after_s: float | None = 0.0
    unit: int | None = None
    transaction: int | None = None
    count: int | None = None
    pdu: bytes | None = None


Manner = Callable[[Asked], Said]


def crc(frame: bytes) -> bytes:
    """Appendix B: polynomial A001, begun with FFFF, low byte first."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return pack("<H", value)


def answer_of(function: int, address: int, count: int) -> bytes:
    """The data unit of a read's answer."""
    if function in (1, 2):
        content = bytearray((count + 7) // 8)
        for at in range(count):
            if (address + at) % 2:
                content[at // 8] |= 1 << at % 8
        return bytes((function, len(content))) + bytes(content)
    content = bytearray(b"".join(pack(">H", address + at) for at in range(count)))
    return bytes((function, len(content))) + bytes(content)


class Slave:
    """Reads requests in turn and answers each after its own delay, one after the other, as a slave does."""

    def __init__(self, manner: Manner, *, rtu: bool) -> None:
        self.manner, self.rtu = manner, rtu
        self.asked: list[Asked] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, write: Callable[[bytes], object]) -> None:
        self.connections += 1
        queue: asyncio.Queue[Asked] = asyncio.Queue()
        answering = asyncio.create_task(self._answer(queue, write))
        try:
            while True:
                request = await (self._rtu(reader) if self.rtu else self._tcp(reader))
                if request is not None:
                    self.asked.append(request)
                    queue.put_nowait(request)
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            answering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await answering

    async def _tcp(self, reader: asyncio.StreamReader) -> Asked | None:
        transaction, protocol, length = unpack(">HHH", await reader.readexactly(6))
        body = await reader.readexactly(length)
        assert protocol == 0
        return Asked(len(self.asked) + 1, *unpack(">BBHH", body[:6]), transaction)

    async def _rtu(self, reader: asyncio.StreamReader) -> Asked | None:
        frame = await reader.readexactly(8)
        assert crc(frame[:6]) == frame[6:]
        return Asked(len(self.asked) + 1, *unpack(">BBHH", frame[:6]))

    async def _answer(self, queue: asyncio.Queue[Asked], write: Callable[[bytes], object]) -> None:
        while True:
            asked = await queue.get()
            said = self.manner(asked)
            if said.after_s is None:
                continue
            await asyncio.sleep(said.after_s)
            pdu = said.pdu or answer_of(asked.function, asked.address, said.count or asked.count)
            unit = asked.unit if said.unit is None else said.unit
            if self.rtu:
                frame = bytes((unit,)) + pdu
                write(frame + crc(frame))
            else:
                number = asked.transaction if said.transaction is None else said.transaction
                write(pack(">HHHB", number, 0, len(pdu) + 1, unit) + pdu)


@asynccontextmanager
async def on_tcp(manner: Manner, *, rtu: bool = False) -> AsyncIterator[tuple[Slave, str]]:
    """A slave behind a TCP port, with Modbus/TCP or RTU frames, and its address."""
    slave = Slave(manner, rtu=rtu)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await slave.serve(reader, writer.write)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield slave, f"{'rtu+tcp' if rtu else 'tcp'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.sleep(0.05)  # the master has closed its side: the readers end by themselves
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def on_serial(manner: Manner) -> AsyncIterator[tuple[Slave, str]]:
    """A slave on one end of a pseudo-terminal, and the address of its other end."""
    slave = Slave(manner, rtu=True)
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    path = os.ttyname(theirs)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(ours), "rb", buffering=0)
    )
    task = asyncio.create_task(slave.serve(reader, lambda data: os.write(ours, data)))
    try:
        yield slave, f"serial://{path}?baud=19200"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        transport.close()
        os.close(ours)
        os.close(theirs)
