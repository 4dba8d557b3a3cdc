"""How the hub asks a camera for its picture over HTTP.

Only the registry's own addresses are asked, and no redirect is followed: a camera cannot have the hub ask somebody else. What comes must be a
picture by its first bytes, so nothing else of the camera's network gets out this way.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from hub.cameras.picture import NoPicture, Picture

BYTES_MAX = 4 << 20
MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}


async def fetch(url: str, within_s: float) -> Picture:
    """Ask that address. Raises `NoPicture`."""
    try:
        return await _asked(url, within_s)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise NoPicture(f"it cannot be reached ({type(error).__name__})") from None


async def _asked(url: str, within_s: float) -> Picture:
    """A login in the address is used by Digest (RFC 7616), and by Basic, which shows the
    password to whoever listens, only where the camera itself asks for that."""
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    asked: dict[str, Any] = {"method": "GET", "url": bare, "headers": {"accept": "image/*"}}
    async with httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=within_s) as client:
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
