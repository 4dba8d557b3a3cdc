"""Recordings read as files, and serial lines."""

from __future__ import annotations

import asyncio
import gzip
import os
import pty
from pathlib import Path

import pytest

from adapters.transport import StreamAdapter, StreamOptions
from adapters.transport.options import Endpoint
from adapters.transport.serial_line import open_serial
from hub.model import FaultKind
from tests.adapters.transport.peers import Hub, LineCodec, running, soon, until


async def test_a_recording_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    recording = tmp_path / "day.txt.gz"
    whole = gzip.compress(b"".join(b"a %d\n" % number for number in range(50_000)))
    recording.write_bytes(whole[: len(whole) // 2])
    hub = Hub()
    async with running(hub, file=str(recording)):
        await until(lambda: any(state == "degraded" for state, _ in hub.states), 20)
    assert "in part" in hub.states[-2][1]
    missing = StreamAdapter("toy", StreamOptions(file=str(tmp_path / "missing")), LineCodec)
    with pytest.raises(FileNotFoundError):
        await asyncio.wait_for(missing.run(hub := Hub()), 20)
    assert hub.states[-1][0] == "down"


async def test_a_file_is_read_once_to_its_end_and_held_while_the_hub_is_busy(tmp_path: Path) -> None:
    recording = tmp_path / "day.txt.gz"
    recording.write_bytes(gzip.compress(b"".join(b"a %d\n" % number for number in range(50_000)) + b"a half"))
    hub = Hub()
    hub.busy = 1
    async with running(hub, file=str(recording)):
        await until(lambda: any("to its end" in detail for _, detail in hub.states), 30)
    assert hub.values == list(range(50_000))
    assert len(hub.faults(FaultKind.TRUNCATED)) == 1


async def test_a_serial_line_that_was_closed_is_opened_again() -> None:
    """By the same process, at once: reading and writing hold the line's lock together, and let it go together."""
    master, slave = pty.openpty()
    line = Endpoint("serial", path=os.ttyname(slave), baud=9600)
    try:
        for number in range(3):
            reader, writer = await open_serial(line, 100)
            os.write(master, b"%d\n" % number)
            assert await soon(reader.readline()) == b"%d\n" % number
            writer.close() if number else writer.transport.abort()
    finally:
        os.close(master)
        os.close(slave)


async def test_a_serial_line_is_read_and_answered() -> None:
    hub = Hub()
    master, slave = pty.openpty()
    try:
        async with running(hub, connect=f"serial://{os.ttyname(slave)}?baud=9600", reconnect_min_s=0.01):
            await until(lambda: ("up", f"connected to serial://{os.ttyname(slave)}?baud=9600") in hub.states)
            os.write(master, b"a 1\na 2\n")
            await until(lambda: hub.values == [1, 2])
            answer = await soon(asyncio.to_thread(os.read, master, 100))
            assert answer.startswith(b"stored a 1")
    finally:
        os.close(master)
        os.close(slave)
