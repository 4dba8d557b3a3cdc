"""A hub in the test's own process and event loop, on a city folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hub.app.city import load_city
from hub.app.hub import Hub
from hub.app.plugins import Plugins


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
