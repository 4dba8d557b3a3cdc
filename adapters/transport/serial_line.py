"""A serial line as a pair of asyncio streams: pyserial sets the line, the event loop reads its file descriptor."""

from __future__ import annotations

import asyncio
import os

import serial

from adapters.transport.options import Endpoint


async def open_serial(line: Endpoint, buffer_bytes: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open and set the line. Raises OSError (pyserial's own error is one) where it cannot be opened."""
    loop = asyncio.get_running_loop()
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
    try:
        writing = os.fdopen(os.dup(port.fileno()), "wb", buffering=0)
        reader = asyncio.StreamReader(limit=buffer_bytes, loop=loop)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader, loop=loop), port)
    except BaseException:
        port.close()
        raise
    idle = asyncio.StreamReader(loop=loop)
    transport, protocol = await loop.connect_write_pipe(lambda: asyncio.StreamReaderProtocol(idle, loop=loop), writing)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
