"""The laws of a destination that hands alerts over by HTTP: it says truly whether its peer took one, and never raises for what the peer does."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from cityhub.testing.stores import T, change
from hub.ports import Delivery, Sink


class SinkLaws(ABC):
    """A test class that derives from this and has `make` holds a destination to them."""

    @abstractmethod
    def make(self, url: str) -> Sink:
        """The sink, with its peer at `url` (http://127.0.0.1:PORT)."""

    def test_what_the_peer_took_is_taken(self) -> None:
        given, asked = self._deliver(200)
        assert given.taken
        assert asked, "nothing was sent"

    def test_a_busy_peer_is_asked_again(self) -> None:
        for status in (429, 500, 503):
            given, _ = self._deliver(status)
            assert not given.taken
            assert not given.final, f"HTTP {status} passes; it is no final refusal"
            assert given.detail

    def test_a_refusal_is_final(self) -> None:
        given, _ = self._deliver(400)
        assert not given.taken
        assert given.final
        assert given.detail

    def test_a_peer_that_is_not_there_is_asked_again(self) -> None:
        given = asyncio.run(_given(self.make("http://127.0.0.1:9")))
        assert not given.taken
        assert not given.final
        assert given.detail

    def test_garbage_is_no_yes(self) -> None:
        given, _ = self._deliver(200, b"\x00\xff no HTTP at all\r\n\r\n")
        assert not given.taken
        assert not given.final

    def _deliver(self, status: int, raw: bytes = b"") -> tuple[Delivery, bytes]:
        return asyncio.run(_with_peer(self.make, status, raw))


async def _given(sink: Sink) -> Delivery:
    try:
        return await sink.deliver(change(0), "key-1", T)
    finally:
        await sink.close()


async def _with_peer(make: Callable[[str], Sink], status: int, raw: bytes) -> tuple[Delivery, bytes]:
    """Deliver one alert to a peer that answers every request so; gives what it was asked, too."""
    asked = bytearray()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.extend(await reader.read(65_536))
        writer.write(raw or b"HTTP/1.1 %d X\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}" % status)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        waiting: Awaitable[Delivery] = _given(make(f"http://127.0.0.1:{port}"))
        return await asyncio.wait_for(waiting, 30), bytes(asked)
    finally:
        server.close()
