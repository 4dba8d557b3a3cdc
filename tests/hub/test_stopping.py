"""What a device hears that waits for its answer when the hub stops."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.app import listening
from hub.app.connections import settings
from tests.acceptance.running import write_city
from tests.hub.running import running


async def test_who_still_waits_when_the_hub_stops_is_told_to_ask_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "settings", lambda proxies: {**settings(proxies), "timeout_graceful_shutdown": 0.1})
    waits = asyncio.Event()

    async def submit(_: Any) -> Any:
        waits.set()
        await asyncio.Event().wait()  # a disk that never answers

    async with running(write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\n')) as hub:
        monkeypatch.setattr(hub.state.door, "submit", submit)
        async with httpx.AsyncClient(base_url=hub.address, timeout=30) as device:
            sending = asyncio.create_task(
                device.post("/api/v1/readings", json=[{"device": "a", "values": {"level": 1}}])
            )
            await asyncio.wait_for(waits.wait(), 30)
            hub.listening.shut()
            answer = await asyncio.wait_for(sending, 30)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "ask again" in answer.json()["detail"]
