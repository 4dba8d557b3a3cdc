"""The CoAP server against libcoap's coap-client."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from hub.model import Verdict
from tests.adapters.intake import FakeIntake
from tests.adapters.test_coap import serving

pytestmark = pytest.mark.acceptance


def coap_client() -> str:
    """The path of libcoap's client; skips loudly where it is absent, and fails where CI promises real peers."""
    for name in ("coap-client-notls", "coap-client-openssl", "coap-client-gnutls", "coap-client"):
        if found := shutil.which(name):
            return found
    reason = (
        "LOUD SKIP: no coap-client here (Debian: apt-get install libcoap3-bin); the CoAP server met no foreign peer"
    )
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


async def run(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        coap_client(),
        "-B",
        "10",
        "-v",
        "6",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return out.decode("utf-8", "replace")


async def test_con_and_non_and_discovery() -> None:
    coap_client()
    intake = FakeIntake()
    async with serving(intake) as url:
        out = await run("-m", "post", "-t", "110", "-e", '[{"n":"gauge-7/water_level","v":3.41}]', url + "/readings")
        assert "2.04" in out
        out = await run("-N", "-m", "put", "-t", "50", "-e", '{"device":"b","values":{"ph":7}}', url + "/readings")
        assert "2.04" in out
        assert "</readings>" in await run("-m", "get", url + "/.well-known/core")
        out = await run("-m", "post", "-t", "41", "-e", "<a/>", url + "/readings")
        assert "4.15" in out
        intake.verdict = Verdict.BUSY
        out = await run("-m", "post", "-t", "110", "-e", '[{"n":"gauge-7/water_level","v":3.41}]', url + "/readings")
        assert "5.03" in out
    assert [reading.device for reading in intake.readings[:2]] == ["gauge-7", "b"]


async def test_blockwise_from_a_file(tmp_path: Path) -> None:
    coap_client()
    intake = FakeIntake()
    pack = tmp_path / "pack.json"
    pack.write_text("[" + ",".join(f'{{"n":"gauge-{n}/water_level","v":1}}' for n in range(200)) + "]")
    async with serving(intake) as url:
        out = await run("-m", "post", "-t", "110", "-b", "256", "-f", str(pack), url + "/readings")
    assert "2.04" in out
    assert len(intake.readings) == 200
