"""How answers travel: packed by gzip for who takes it, and with an ETag, so that who has an answer already hears 304 instead of it again.

Handlers know nothing of it. The tag is a hash of the answer that this very asker would get, so it can tell nobody of what another sees.
Tags are weak (RFC 9110, 8.8.1): packed and not packed is the same answer. Streams, ranges and pictures pass as they are.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from collections.abc import Callable
from typing import TypeVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")
PACKED_FROM = 1_000
"""Bytes; less fits into one packet anyway."""
IN_A_THREAD_FROM = 64_000
"""Bytes; packing more, or making its tag, takes milliseconds, in which the hub would hear nobody."""
GZIP_LEVEL = 1
"""1.66 MB of JSON (10,000 made-up rows of devices): 7 times smaller in 9 ms; level 6 takes 22 ms for 9 times."""
HELD_MAX = 64 << 20
"""Bytes of an answer that are held to be packed; what is longer passes as it is."""
TEXTS = re.compile(r"text/(?!event-stream)|application/(?:[\w.-]+\+)?(?:json|javascript|xml)\b|image/svg\+xml")


class Transfer:
    """ASGI middleware, behind everything that may refuse a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        answer = _Answer(Headers(scope=scope), scope["method"] == "HEAD", send)
        await self._app(scope, receive, answer.take)


class _Answer:
    """One answer on its way: held until it is whole, then packed and tagged; or passed on as it comes."""

    def __init__(self, asked: Headers, bare: bool, send: Send) -> None:
        self._asked, self._bare, self._send = asked, bare, send
        self._start: Message | None = None
        """Of what is held; None where it passes."""
        self._body = bytearray()

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_held(message):
            self._start = message
        elif message["type"] == "http.response.body" and self._start is not None:
            piece, more = message.get("body", b""), message.get("more_body", False)
            if not more and not self._body:  # all at once, as most answers are: nothing is copied
                await self._leave(self._start, piece)
                return
            self._body += piece
            if not more:
                await self._leave(self._start, bytes(self._body))
            elif len(self._body) > HELD_MAX:
                start, self._start = self._start, None
                await self._send(start)
                await self._send({**message, "body": bytes(self._body)})
        else:
            await self._send(message)

    async def _leave(self, start: Message, body: bytes) -> None:
        headers = MutableHeaders(scope=start)
        headers.add_vary_header("Accept-Encoding")
        if "no-store" not in headers.get("cache-control", ""):
            tag = headers["etag"] if "etag" in headers else await _beside(len(body), _tag, body)
            headers["ETag"] = tag if tag.startswith("W/") else f"W/{tag}"
            if _has(self._asked.get("if-none-match", ""), headers["ETag"]):
                del headers["content-length"], headers["content-type"]
                await self._send({**start, "status": 304})
                await self._send({"type": "http.response.body", "body": b""})
                return
        if len(body) >= PACKED_FROM and takes_gzip(self._asked.get("accept-encoding", "")):
            body = await _beside(len(body), _packed, body)
            headers["Content-Encoding"] = "gzip"
            headers["Content-Length"] = str(len(body))
        await self._send(start)
        await self._send({"type": "http.response.body", "body": b"" if self._bare else body})


async def _beside(size: int, work: Callable[[bytes], T], body: bytes) -> T:
    """What the work on a body brings; on a long one it is done in a thread, so that the hub hears others meanwhile."""
    return await asyncio.to_thread(work, body) if size >= IN_A_THREAD_FROM else work(body)


def _tag(body: bytes) -> str:
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def _is_held(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    length = headers.get("content-length", "0")
    return (
        start["status"] == 200
        and "content-encoding" not in headers
        and TEXTS.match(headers.get("content-type", "")) is not None
        and int(length) <= HELD_MAX
    )


def _packed(body: bytes) -> bytes:
    return gzip.compress(body, GZIP_LEVEL, mtime=0)


def _has(asked: str, tag: str) -> bool:
    """Whether `If-None-Match` names the tag, by the weak comparison of RFC 9110, 8.8.3.2."""
    return asked.strip() == "*" or tag.removeprefix("W/") in re.findall(r'"[^"]*"', asked)


def takes_gzip(asked: str) -> bool:
    """Whether `Accept-Encoding` allows gzip (RFC 9110, 12.5.3): by its name, else by `*`; a weight of 0 refuses it."""
    weights: dict[str, float] = {}
    for part in asked.lower().split(","):
        name, _, parameters = part.partition(";")
        weight = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", parameters)
        weights[name.strip()] = float(weight[1]) if weight else 1.0
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0
