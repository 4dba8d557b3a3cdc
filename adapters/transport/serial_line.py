"""A serial line as a pair of asyncio streams: pyserial sets the line, the event loop reads its file descriptor."""

from __future__ import annotations

import asyncio
import os

import serial

from adapters.transport.options import Endpoint

CLOSING_TURNS = 3
"""Turns of the event loop until both ends of a line that this process closed a moment ago have let it go."""


class _Writing(asyncio.StreamReaderProtocol):
    """The writing end. When it ends the reading end does: both hold the line's lock, and neither would let the line be opened again."""

    def __init__(self, reading: asyncio.ReadTransport) -> None:
        super().__init__(asyncio.StreamReader())
        self._reading = reading

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._reading.close()


async def open_serial(line: Endpoint, buffer_bytes: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open and set the line; closing the writer lets it go. Raises OSError (pyserial's own error is one) where it cannot be opened."""
    loop = asyncio.get_running_loop()
    for _ in range(CLOSING_TURNS):
        await asyncio.sleep(0)
    port = await asyncio.to_thread(
        serial.Serial,
        line.path,
        baudrate=line.baud,
        bytesize=line.bytesize,
        parity=line.parity,
        stopbits=line.stopbits,
        timeout=0,
        exclusive=True,
    )
    writing = os.fdopen(os.dup(port.fileno()), "wb", buffering=0)
    reader = asyncio.StreamReader(limit=buffer_bytes, loop=loop)
    try:
        reading, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader, loop=loop), port)
        transport, protocol = await loop.connect_write_pipe(lambda: _Writing(reading), writing)
    except BaseException:
        writing.close()
        port.close()
        raise
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
