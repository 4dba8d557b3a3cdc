"""A hub in the test's own process and event loop, on a city folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from hub.app.city import load_city
from hub.app.hub import Hub
from hub.app.plugins import Plugins
from tests.waiting import PATIENCE_S


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Hub]:
    """The hub from its start to its end; a city with mistakes fails the test."""
    city, mistakes = load_city(folder, Plugins())
    assert city is not None, mistakes
    hub = Hub(city)
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()


async def shown(client: httpx.AsyncClient) -> None:
    """Lists and the stream have all of the log: a warning may be open before they have the reading that raised it."""
    async with asyncio.timeout(PATIENCE_S):
        while any(
            one["behind"] for one in (await client.get("/api/v1/status")).json()["readers"] if one["reader"] == "live"
        ):
            await asyncio.sleep(0.02)
