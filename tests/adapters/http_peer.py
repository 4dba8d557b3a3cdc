"""A small HTTP/1.1 server for tests: keeps what it heard, answers from a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple


class Heard(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class HttpPeer:
    """`answer(heard)` gives (status, body)."""

    def __init__(self, answer: Callable[[Heard], tuple[int, bytes]] | None = None) -> None:
        self.answer = answer or (lambda heard: (200, b"{}"))
        self.heard: list[Heard] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            method, path, _ = lines[0].split(" ")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.heard.append(Heard(method, path, headers, body))
            status, said = self.answer(self.heard[-1])
            writer.write(
                f"HTTP/1.1 {status} X\r\nContent-Length: {len(said)}\r\nConnection: close\r\n\r\n".encode() + said
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def http_peer(answer: Callable[[Heard], tuple[int, bytes]] | None = None) -> AsyncIterator[HttpPeer]:
    peer = HttpPeer(answer)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield peer
