"""A still picture of a camera, fetched by the hub, so that no browser has to reach cameras and no login leaves the hub.

Only the registry's own addresses are asked, and no redirect is followed: a camera cannot have the hub ask somebody else. What comes must be a
picture by its first bytes, so nothing else of the camera's network gets out this way.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from hub.model import Camera

WITHIN_S = 6.0
"""For the whole picture."""
BYTES_MAX = 4 << 20
FRESH_S = 2.0
"""So long a picture is shown to everybody who asks, so that many consoles are one question to a camera."""
KEPT_MAX = 32
AT_ONCE = 8
MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}


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
        try:
            async with asyncio.timeout(WITHIN_S), self._places:
                return await fetch(url)
        except TimeoutError:
            raise NoPicture(f"it did not answer within {WITHIN_S:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NoPicture(f"it cannot be reached ({type(error).__name__})") from None


async def fetch(url: str) -> Picture:
    """Ask that address. Raises `NoPicture`, `httpx.HTTPError`. A login in it is used by Digest (RFC 7616), and by Basic, which shows the
    password to whoever listens, only where the camera itself asks for that."""
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    asked: dict[str, Any] = {"method": "GET", "url": bare, "headers": {"accept": "image/*"}}
    async with httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=WITHIN_S) as client:
        async with client.stream(**asked, auth=httpx.DigestAuth(user, password) if user else None) as answer:
            wants_basic = "basic" in answer.headers.get("www-authenticate", "").lower()
            if not (user and answer.status_code == 401 and wants_basic):
                return await _taken(answer)
        async with client.stream(**asked, auth=httpx.BasicAuth(user, password)) as answer:
            return await _taken(answer)


async def _taken(answer: httpx.Response) -> Picture:
    if answer.is_redirect:
        raise NoPicture("it points elsewhere, and redirects are not followed")
    if answer.status_code != 200:
        raise NoPicture(f"it answered {answer.status_code}")
    data = bytearray()
    async for piece in answer.aiter_bytes():
        data += piece
        if len(data) > BYTES_MAX:
            raise NoPicture(f"its picture is larger than {BYTES_MAX >> 20} MiB")
    media = _media(bytes(data[:12]))
    if media is None:
        raise NoPicture("what it sent is no picture (JPEG, PNG, GIF or WebP)")
    return Picture(bytes(data), media)


def _media(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return "image/webp"
    return next((media for magic, media in MAGIC.items() if head.startswith(magic)), None)
