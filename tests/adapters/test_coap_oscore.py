"""CoAP protected by OSCORE, with contexts agreed beforehand, between aiocoap's own client and the hub's server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiocoap
import pytest

from adapters.coap import CoapAdapter, CoapOptions
from hub.model import FaultKind
from tests.adapters.intake import FakeIntake

pytest.importorskip("lakers", reason="LOUD SKIP: cityhub[oscore] is not installed here")

SECRET = "00112233445566778899aabbccddeeff"


def context(folder: Path, sender: str, recipient: str, secret: str = SECRET) -> Path:
    folder.mkdir(parents=True)
    settings = {"sender-id_hex": sender, "recipient-id_hex": recipient, "secret_hex": secret}
    (folder / "settings.json").write_text(json.dumps(settings))
    return folder


@asynccontextmanager
async def server(folder: Path, intake: FakeIntake, **more: Any) -> AsyncIterator[int]:
    options = CoapOptions(listen="coap://127.0.0.1:0", oscore_dir=str(folder), **more)
    adapter = CoapAdapter("sensors", options)
    running = asyncio.create_task(adapter.run(intake))
    try:
        await intake.until(lambda: adapter.port is not None or running.done())
        assert adapter.port is not None, running.exception()
        yield adapter.port
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def post(port: int, keys: Path | None, *payloads: Any) -> list[Any]:
    """The codes of the answers."""
    client = await aiocoap.Context.create_client_context(transports=["oscore", "udp6"] if keys else ["udp6"])
    try:
        if keys:
            client.client_credentials.load_from_dict({f"coap://127.0.0.1:{port}/*": {"oscore": {"basedir": str(keys)}}})
        uri = f"coap://127.0.0.1:{port}/readings"
        codes = []
        for payload in payloads:
            data = json.dumps(payload).encode()
            request = aiocoap.Message(code=aiocoap.POST, uri=uri, payload=data, content_format=50)
            async with asyncio.timeout(20):
                codes.append((await client.request(request).response).code)
        return codes
    finally:
        await client.shutdown()


def reading(device: str = "gauge-7", level: float = 3.4) -> dict[str, Any]:
    return {"device": device, "time": "2026-11-22T08:00:00Z", "values": {"water_level": level}}


async def test_a_device_with_its_context_is_heard_and_speaks_for_itself_only(tmp_path: Path) -> None:
    context(tmp_path / "hub" / "gauge-7", "01", "02")
    keys = context(tmp_path / "device", "02", "01")
    intake = FakeIntake()
    async with server(tmp_path / "hub", intake, oscore_required=True) as port:
        assert await post(port, keys, reading(), reading("gauge-8")) == [aiocoap.CHANGED, aiocoap.CHANGED]
        assert [reading.device for reading in intake.readings] == ["gauge-7"]
        assert [fault.kind for fault in intake.faults] == [FaultKind.UNAUTHORISED]


@pytest.mark.parametrize("options", [{"oscore_required": True}, {"identity": "oscore"}])
async def test_without_or_with_a_wrong_key_nothing_comes_in(tmp_path: Path, options: dict[str, Any]) -> None:
    context(tmp_path / "hub" / "gauge-7", "01", "02")
    wrong = context(tmp_path / "device", "02", "01", "ff" * 16)
    intake = FakeIntake()
    async with server(tmp_path / "hub", intake, **options) as port:
        assert await post(port, None, reading()) == [aiocoap.UNAUTHORIZED]
        with pytest.raises(aiocoap.error.Error):
            await post(port, wrong, reading())
    assert not intake.messages


async def test_unprotected_requests_may_be_let_in_beside(tmp_path: Path) -> None:
    context(tmp_path / "hub" / "gauge-7", "01", "02")
    intake = FakeIntake()
    async with server(tmp_path / "hub", intake) as port:
        assert await post(port, None, reading("open-1")) == [aiocoap.CHANGED]


async def test_an_adapter_started_again_has_its_contexts(tmp_path: Path) -> None:
    context(tmp_path / "hub" / "gauge-7", "01", "02")
    keys = context(tmp_path / "device", "02", "01")
    for turn in range(2):
        intake = FakeIntake()
        async with server(tmp_path / "hub", intake) as port:
            if turn == 0:
                assert await post(port, keys, reading()) == [aiocoap.CHANGED]
    assert "next-to-send" in (tmp_path / "hub" / "gauge-7" / "sequence.json").read_text()


def test_contexts_that_cannot_be_used_are_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no folder of a context"):
        CoapAdapter("x", CoapOptions(listen="coap://127.0.0.1:0", oscore_dir=str(tmp_path)))
    (tmp_path / "gauge-7").mkdir()
    with pytest.raises(ValueError, match="neither settings"):
        CoapAdapter("x", CoapOptions(listen="coap://127.0.0.1:0", oscore_dir=str(tmp_path)))
    with pytest.raises(ValueError, match="needs oscore_dir"):
        CoapOptions(listen="coap://127.0.0.1:0", oscore_required=True)


@pytest.mark.parametrize(
    ("identity", "why"),
    [
        ("oscore", 'identity = "oscore" needs oscore_dir'),
        ("token", '"oscore" gives each device keys of its own'),
        ("path:2", '"oscore" was meant'),
    ],
)
def test_what_cannot_bind_a_door_is_refused(identity: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        CoapOptions(listen="coap://127.0.0.1:0", identity=identity)
