"""The nodes' board on the servers: a subject without a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from nats.errors import NoRespondersError

from hub.log.board import Nobody, Unanswered
from hub.log.jetstream.servers import CALL_S, TROUBLES, Servers


class ServersBoard:
    """See `hub.log.board.Board`."""

    def __init__(self, servers: Servers, space: str) -> None:
        self._servers, self._subject, self._questions = servers, f"{space}-nodes", f"{space}-questions"
        self._answering: set[asyncio.Task[None]] = set()

    async def say(self, said: bytes) -> None:
        with suppress(*TROUBLES):
            await self._servers.call(self._servers.client.publish(self._subject, said))

    def hear(self, told: Callable[[bytes], None]) -> None:
        async def pass_on(message: Any) -> None:
            told(message.data)

        self._servers.wait(self._servers.client.subscribe(self._subject, cb=pass_on), CALL_S)

    async def ask(self, question: bytes, within_s: float, place: str = "") -> bytes:
        asking = self._servers.client.request(place or self._questions, question, timeout=within_s)
        try:
            return bytes((await self._servers.call(asking)).data)
        except NoRespondersError:
            raise Nobody from None
        except TROUBLES as error:
            raise Unanswered(str(error) or type(error).__name__) from None

    def answer(self, by: Callable[[bytes], Awaitable[bytes | None]], alone: bool = False) -> str:
        loop, place = asyncio.get_running_loop(), self._servers.client.new_inbox() if alone else self._questions

        async def worked(question: bytes) -> bytes | None:
            return await by(question)

        async def reply(message: Any) -> None:
            answer = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(worked(message.data), loop))
            if answer is not None:
                with suppress(*TROUBLES):
                    await message.respond(answer)

        async def take(message: Any) -> None:
            task = asyncio.ensure_future(reply(message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

        self._servers.wait(self._servers.client.subscribe(place, cb=take), CALL_S)
        return place
