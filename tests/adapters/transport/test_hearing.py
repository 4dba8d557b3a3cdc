"""A connection alone is no news: what a client connection brought is what the adapter's state says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from adapters.transport import hearing
from tests.adapters.transport.peers import Hub, running, until


@asynccontextmanager
async def server(words: Callable[[], bytes], keep_s: float) -> AsyncIterator[int]:
    """A port that says something to each client and hangs up after a while."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            writer.write(words())
            with contextlib.suppress(TimeoutError, OSError):
                await asyncio.wait_for(reader.read(), keep_s)
        finally:
            writer.transport.abort()

    one = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield one.sockets[0].getsockname()[1]
    finally:
        one.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first connection is up with the time of the last word; the next ones are degraded until something is heard."""
    monkeypatch.setattr(hearing, "QUIET_S", 0.1)
    hub, speak = Hub(), False
    async with server(lambda: b"a 1\n" if speak else b"", 1.0) as port:
        what = f"connected to tcp://127.0.0.1:{port}"
        async with running(hub, connect=f"tcp://127.0.0.1:{port}", reconnect_min_s=0.01, reconnect_max_s=0.02):
            await until(
                lambda: any(s == "up" and d.startswith(f"{what}, nothing heard since 2") for s, d in hub.states)
            )
            await until(lambda: any(s == "degraded" and "nothing heard since 2" in d for s, d in hub.states))
            first = next(at for at, (state, _) in enumerate(hub.states) if state == "degraded")
            assert "up" not in [state for state, _ in hub.states[first:]]
            speak = True
            await until(lambda: ("up", what) in hub.states[first:])


async def test_a_server_that_speaks_something_else() -> None:
    hub = Hub()
    async with (
        server(lambda: b"bad\n", 0.5) as port,
        running(hub, connect=f"tcp://127.0.0.1:{port}", reconnect_min_s=0.01),
    ):
        await until(lambda: any(s == "degraded" and "nothing usable heard since" in d for s, d in hub.states))


async def test_a_datagram_peer_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "QUIET_S", 0.1)
    hub = Hub()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        async with running(hub, connect=f"udp://127.0.0.1:{peer.getsockname()[1]}"):
            await until(lambda: any("nothing heard since" in detail for _, detail in hub.states))
