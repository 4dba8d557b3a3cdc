"""What a device hears that waits for its answer when the hub stops."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.app import listening
from hub.app.connections import settings
from hub.model import Reading
from tests.acceptance.running import write_city
from tests.hub.logs import everything
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


async def test_a_hub_that_is_told_to_end_does_not_wait_for_what_others_go_on_to_append(tmp_path: Path) -> None:
    """It takes what was there when it was told, and all that the rules make of it."""
    async with running(write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\n')) as hub:
        at = hub.now()
        taken = 0

        async def appends() -> None:
            nonlocal taken
            while True:
                await hub.log.events.append([Reading("gauge-7", at + taken, {"water_level": 1.0}, received_at=at)])
                taken += 1

        others = [asyncio.create_task(appends()) for _ in range(3)]
        while taken < 20:
            await asyncio.sleep(0.01)
        await hub.log.events.append([Reading("underpass-1", at, {"water_depth": 0.5}, received_at=at)])
        assert await hub.drain(10)
        for other in others:
            other.cancel()
        assert [change.level for change in everything(hub.log, "alerts")] == ["red"]  # type: ignore[attr-defined]
