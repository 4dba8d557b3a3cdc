"""The real gpsd as a source: its port says nothing of use until a client has asked (`hello`). Its receiver is a pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import shutil
import sys
import tty
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.nmea0183 import PLUGIN
from tests.acceptance.ports import free_port
from tests.adapters.intake import FakeIntake

GPSD = shutil.which("gpsd") or shutil.which("gpsd", path="/usr/sbin:/usr/local/sbin")


def require_gpsd() -> str:
    """The daemon's path; skips loudly where it is absent, and fails where CI promises real servers."""
    if GPSD is not None:
        return GPSD
    reason = "LOUD SKIP: gpsd is not installed (Debian: apt-get install gpsd); NMEA met no real gpsd"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def sentence(body: str) -> str:
    check = 0
    for character in body:
        check ^= ord(character)
    return f"${body}*{check:02X}\r\n"


async def receive(into: int) -> None:
    """What a receiver tells, over and over: a fix a second of its own time, five times as fast."""
    while True:
        for second in range(60):
            told = sentence(f"GPRMC,0800{second:02d}.00,A,3114.0000,N,12129.0000,E,10.0,90.0,221126,,,A")
            told += sentence(f"GPGGA,0800{second:02d}.00,3114.0000,N,12129.0000,E,1,08,1.0,5.0,M,0.0,M,,")
            with suppress(BlockingIOError):  # while nobody reads it
                os.write(into, told.encode())
            await asyncio.sleep(0.2)


async def test_positions_come_out_of_gpsd(tmp_path: Path) -> None:
    program, port = require_gpsd(), free_port()
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    gpsd = await asyncio.create_subprocess_exec(
        program, "-N", "-n", "-b", "-S", str(port), os.ttyname(theirs), cwd=tmp_path, stdout=sys.stderr, stderr=sys.stderr
    )  # fmt: skip
    assert PLUGIN.options
    intake = FakeIntake()
    adapter = PLUGIN.source(
        "receiver",
        PLUGIN.options(
            connect=f"tcp://127.0.0.1:{port}",
            hello='?WATCH={"enable":true,"nmea":true}',
            reconnect_min_s=0.2,
            reconnect_max_s=0.5,
        ),
    )
    tasks = [asyncio.create_task(adapter.run(intake)), asyncio.create_task(receive(ours))]
    try:
        await intake.until(lambda: len(intake.readings) >= 3, 60)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if gpsd.returncode is None:
            gpsd.terminate()
        await gpsd.wait()
        os.close(ours)
        os.close(theirs)
    position = intake.readings[1].position
    assert position is not None
    assert (round(position.lon, 4), round(position.lat, 4)) == (121.4833, 31.2333)
    assert not intake.faults
