"""Stations of the environment, water and fire protocols over real sockets: what came, and what they heard back."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from adapters.gb26875 import PLUGIN as GB26875
from adapters.hj212 import PLUGIN as HJ212
from adapters.hj212 import Hj212Options
from adapters.sl651 import PLUGIN as SL651
from adapters.sl651 import Sl651Options
from adapters.transport import StreamAdapter
from hub.model import Verdict
from hub.ports import Plugin
from tests.adapters.intake import FakeIntake

HOURLY = b"##0118QN=20240501130000123;ST=22;CN=2061;PW=123456;MN=S1;Flag=5;CP=&&DataTime=20240501120000;a34004-Avg=35.5,a34004-Flag=N&&8801\r\n"
TIMED = bytes.fromhex(
    "7e7e011000000006000032002b022f7c221202133716f1f1100000000648f0f02212021335201900000026190031963923000289603812131203367c"
)
FIRE = bytes.fromhex(
    "404001000101203a091a090c790300000000385b0100000030000202010101280a000200020020202020202020202020202020202020202020202020202020202020202000023a091a090c462323"
)


@pytest.mark.parametrize(
    ("plugin", "frame", "metric", "answer"),
    [
        (HJ212, HOURLY, "pm25", b"CN=9014"),
        (SL651, TIMED, "water_level", bytes.fromhex("7e7e1000000006010000328008022f7c")),
        (GB26875, FIRE, "fire_alarm", b"@@\x01\x00\x01\x01"),
    ],
    ids=["hj212", "sl651", "gb26875"],
)
async def test_the_answer_leaves_only_after_the_verdict(
    plugin: Plugin, frame: bytes, metric: str, answer: bytes
) -> None:
    assert plugin.options is not None
    assert plugin.adapter is not None
    adapter = plugin.adapter("stations", plugin.options(listen="tcp://127.0.0.1:0"))
    assert isinstance(adapter, StreamAdapter)
    intake = FakeIntake(hold=True)
    task = asyncio.create_task(adapter.run(intake))
    cleanup = contextlib.ExitStack()
    try:
        await intake.until(lambda: bool(adapter.bound))
        reader, writer = await asyncio.open_connection("127.0.0.1", int(adapter.bound.rpartition(":")[2]))
        cleanup.callback(writer.close)
        writer.write(frame[:20])
        await asyncio.sleep(0.01)
        writer.write(frame[20:])
        await intake.until(lambda: bool(intake.held))
        assert metric in intake.readings[0].values
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        intake.release(Verdict.STORED)
        assert answer in await asyncio.wait_for(reader.read(1000), 60)
    finally:
        cleanup.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_wrong_options_have_sentences() -> None:
    with pytest.raises(ValueError, match="M1"):
        Sl651Options(listen="tcp://127.0.0.1:0", mode="M9")
    with pytest.raises(ValueError, match="no metric is known for the factor 'xyz'"):
        Hj212Options(listen="tcp://127.0.0.1:0", units={"xyz": "hPa"})
    with pytest.raises(ValueError, match="pressure"):
        Hj212Options(listen="tcp://127.0.0.1:0", units={"a01006": "mg/L"})
    with pytest.raises(ValueError, match="time zone"):
        Sl651Options(listen="tcp://127.0.0.1:0", zone="Asia/Nowhere")
