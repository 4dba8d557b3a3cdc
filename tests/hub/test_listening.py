"""The API's server, as the hub runs it: it rests while nobody asks, and ends when it is told."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import uvicorn

from hub.app.connections import settings
from hub.app.listening import DATE_EVERY_S, _Server


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


class Ticked(_Server):
    ticks = 0

    async def on_tick(self, counter: int) -> bool:
        self.ticks += 1
        return bool(await super().on_tick(counter))


async def test_a_server_rests_while_nobody_asks_keeps_its_date_and_ends_at_once_when_told() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    server = Ticked(uvicorn.Config(nothing, **settings([])))
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        await asyncio.sleep(0.01)
    dates = server.server_state.default_headers
    began = time.monotonic()
    await asyncio.sleep(2 * DATE_EVERY_S + 0.1)
    passed = time.monotonic() - began
    assert 2 <= server.ticks <= passed / DATE_EVERY_S + 2
    assert server.server_state.default_headers != dates
    ticks = server.ticks
    server.end()
    await asyncio.wait_for(serving, 60)
    assert server.ticks == ticks + 1  # it did not wait for the next one
