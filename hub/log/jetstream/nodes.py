"""The nodes' board on the servers: a subject without a stream."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hub.log.jetstream.servers import CALL_S, TROUBLES, Servers


class ServersBoard:
    """See `hub.log.board.Board`."""

    def __init__(self, servers: Servers, space: str) -> None:
        self._servers, self._subject = servers, f"{space}-nodes"

    async def say(self, said: bytes) -> None:
        with suppress(*TROUBLES):
            await self._servers.call(self._servers.client.publish(self._subject, said))

    def hear(self, told: Callable[[bytes], None]) -> None:
        async def pass_on(message: Any) -> None:
            told(message.data)

        self._servers.wait(self._servers.client.subscribe(self._subject, cb=pass_on), CALL_S)
