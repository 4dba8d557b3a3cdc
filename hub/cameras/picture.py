"""A still picture of a camera, fetched by the hub, so that no browser has to reach cameras and no login leaves the hub."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from hub.model import Camera

WITHIN_S = 6.0
"""For the whole picture."""
FRESH_S = 2.0
"""So long a picture is shown to everybody who asks, so that many consoles are one question to a camera."""
KEPT_MAX = 32
AT_ONCE = 8


class NoPicture(Exception):
    """Why there is none, in a sentence without the address, which may hold a login."""


class Picture(NamedTuple):
    data: bytes
    media: str


class Pictures:
    """Fetches pictures; of one camera once at a time."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Picture]] = {}
        self._fetching: dict[str, asyncio.Task[Picture]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    async def of(self, camera: Camera) -> Picture:
        """Its picture as it is now, at most `FRESH_S` old. Raises `NoPicture`."""
        url = camera.snapshot_url
        if not url:
            raise NoPicture("the registry has no snapshot_url of it")
        kept = self._kept.get(url)
        if kept is not None and time.monotonic() - kept[0] < FRESH_S:
            return kept[1]
        task = self._fetching.get(url)
        if task is None:
            task = self._fetching[url] = asyncio.create_task(self._fetch(url))
            task.add_done_callback(lambda done: self._done(url, done))
        return await asyncio.shield(task)

    def _done(self, url: str, task: asyncio.Task[Picture]) -> None:
        del self._fetching[url]
        if task.cancelled() or task.exception() is not None:
            return
        self._kept.pop(url, None)
        self._kept[url] = (time.monotonic(), task.result())
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]

    async def _fetch(self, url: str) -> Picture:
        from hub.cameras.fetching import (
            fetch,  # an HTTP client is a tenth of what a hub imports, and most fetch no pictures
        )

        try:
            async with asyncio.timeout(WITHIN_S), self._places:
                return await fetch(url, WITHIN_S)
        except TimeoutError:
            raise NoPicture(f"it did not answer within {WITHIN_S:.0f} s") from None
