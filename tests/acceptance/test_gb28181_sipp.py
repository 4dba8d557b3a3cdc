"""GB/T 28181 against sipp (Debian's sip-tester), a SIP implementation that is not ours: registration, alarm, goodbye."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.gb28181 import ptz
from adapters.gb28181.manscdp import Channel
from adapters.gb28181.sink import Gb28181Options, Gb28181Sink
from hub.model import AlertChange, CameraView, Change, Pose
from tests.acceptance.ports import free_port

pytestmark = pytest.mark.acceptance

SCENARIO = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="platform">
  <recv request="MESSAGE" optional="true" next="message"/>
  <recv request="REGISTER"/>
  <send><![CDATA[
SIP/2.0 401 Unauthorized
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
WWW-Authenticate: Digest realm="3402000000",nonce="abc",qop="auth",algorithm=MD5
Content-Length: 0

]]></send>
  <recv request="REGISTER">
    <action>
      <verifyauth assign_to="good" username="34020000002050000001" password="s3cret"/>
      <ereg regexp="^X-GB-Ver: 2.0" search_in="hdr" header="X-GB-Ver:" assign_to="version"/>
    </action>
  </recv>
  <nop hide="true" test="good" next="welcome"/>
  <nop hide="true" next="refused"/>
  <label id="welcome"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Expires: 86400
Date: 2026-01-01T08:00:00.000
Content-Length: 0

]]></send>
  <recv request="REGISTER"/>
  <send next="end"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Expires: 0
Content-Length: 0

]]></send>
  <label id="refused"/>
  <send next="end"><![CDATA[
SIP/2.0 403 Forbidden
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
  <label id="message"/>
  <send next="end"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
  <label id="end"/>
  <Reference variables="version"/>
</scenario>
"""


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
async def test_sipp_registers_us_takes_an_alarm_and_passes_on_camera_orders(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, need_program: Callable[[str], str]
) -> None:
    sipp = need_program("sipp")
    monkeypatch.setenv("GB_PASSWORD", "s3cret")
    (tmp_path / "platform.xml").write_text(SCENARIO)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sipp, "-sf", "platform.xml", "-i", "127.0.0.1", "-p", str(port), "-t", "t1" if scheme == "tcp" else "u1",
        "-m", "4", "-nostdin", "-timeout", "30s", "-trace_msg", "-message_file", "messages.log",
        cwd=tmp_path, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        sink = Gb28181Sink(
            Gb28181Options(
                connect=f"{scheme}://127.0.0.1:{port}", server_id="34020000002000000001",
                device_id="34020000002050000001", channels=[Channel(id="34020000001340000001", name="管廊")],
                password_env="GB_PASSWORD", retry_s=0.5, turn_cameras=True,
            )
        )  # fmt: skip
        task = asyncio.create_task(sink.run())
        at = 1_767_225_600_000_000_000
        dome = CameraView(
            "dome", 0.9, 90, 90, True, "r", gb28181_id="34020000001320000007", pose=Pose(90, 5, preset=3, home=1)
        )
        change = AlertChange("a", 0, at, "city/gas", "s", Change.RAISED, "red", "管廊瓦斯超限", cameras=[dome])
        delivery = None
        for _ in range(10):  # sipp needs a moment to listen
            delivery = await sink.deliver(change, "k", at)
            if delivery.taken:
                break
        assert delivery is not None
        assert delivery.taken, delivery.detail
        assert "dome turned" in delivery.detail
        await sink.deliver(AlertChange("a", 1, at, "city/gas", "s", Change.CLEARED, "red"), "k1", at)
        await sink.close()
        assert task.done()
        _, errors = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, errors.decode(errors="replace")
        log = (tmp_path / "messages.log").read_bytes()
        assert "管廊瓦斯超限".encode("gb18030") in log
        assert b"MESSAGE sip:34020000001320000007@3402000000" in log
        assert ptz.preset(3).encode() in log
        assert ptz.preset(1).encode() in log  # home again
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
