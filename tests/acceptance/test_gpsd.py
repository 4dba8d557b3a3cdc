"""The real gpsd as a source: its port says nothing of use until a client has asked (`hello`). gpsfake plays a receiver to it."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from adapters.nmea0183 import PLUGIN
from tests.acceptance.ports import free_port
from tests.adapters.intake import FakeIntake

GPSFAKE = shutil.which("gpsfake")


def sentence(body: str) -> str:
    check = 0
    for character in body:
        check ^= ord(character)
    return f"${body}*{check:02X}\r\n"


@pytest.mark.skipif(
    GPSFAKE is None or shutil.which("gpsd") is None,
    reason="gpsd and gpsfake are not installed (Debian: gpsd, gpsd-tools)",
)
async def test_positions_come_out_of_gpsd(tmp_path: Path) -> None:
    log = tmp_path / "receiver.log"
    log.write_text(
        "".join(
            sentence(f"GPRMC,0800{second:02d}.00,A,3114.0000,N,12129.0000,E,10.0,90.0,221126,,,A")
            + sentence(f"GPGGA,0800{second:02d}.00,3114.0000,N,12129.0000,E,1,08,1.0,5.0,M,0.0,M,,")
            for second in range(60)
        )
    )
    port = free_port()
    assert GPSFAKE
    assert PLUGIN.options
    gpsfake = await asyncio.create_subprocess_exec(
        GPSFAKE, "-q", "-c", "0.2", "-P", str(port), str(log), cwd=tmp_path, stdout=sys.stderr, stderr=sys.stderr
    )
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
    task = asyncio.create_task(adapter.run(intake))
    try:
        await intake.until(lambda: len(intake.readings) >= 3, 60)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if gpsfake.returncode is None:
            gpsfake.terminate()
        await gpsfake.wait()
    position = intake.readings[1].position
    assert position is not None
    assert (round(position.lon, 4), round(position.lat, 4)) == (121.4833, 31.2333)
    assert not intake.faults
