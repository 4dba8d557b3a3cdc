"""The live stream: server-sent events for the console."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hub.api import questions, views
from hub.api.gate import Authority
from hub.api.looking import language_of
from hub.api.problem import Problem
from hub.api.sight import Sight
from hub.api.state import State
from hub.ports import LogPosition
from hub.wire import change_to_json, in_language

STREAM_EVERY_S = 1.0
STREAMS_MAX = 200
"""Server-sent event streams open at once."""


class Streaming:
    def __init__(self, state: State, authority: Authority) -> None:
        self.state = state
        self._authority = authority
        self.streams = 0

    async def stream(self, request: Request, asked: questions.Spoken) -> Response:
        """Server-sent events: devices, changes of warnings, the status, once a second."""
        if self.streams >= STREAMS_MAX:
            raise Problem(503, f"{STREAMS_MAX} live streams are open already", {"Retry-After": "5"})
        if request.method == "HEAD":  # whoever only wants to see whether it is there must not hold one open
            return Response(media_type="text/event-stream")
        return StreamingResponse(
            self._events(request, language_of(request, asked)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    async def _events(self, request: Request, language: str) -> AsyncIterator[bytes]:
        """Once a second: devices heard since, changes of warnings, the status. Each event's id says what comes after it, so that a client
        that comes again with `Last-Event-ID` misses no change of a warning that the log still has, and no device."""
        state = self.state
        began = state.started_at
        self.streams += 1
        noted = state.notes.turn
        told, turn = _after(request.headers.get("last-event-id"), state.log.alerts.next, state.live.turn, began)
        try:
            while not await request.is_disconnected():
                who = self._authority.known(request)
                if who is None or not who.has("view"):
                    return  # logged out, disabled, or another password: what is open ends too
                sight = Sight(state, who)
                # By turn, not by receive time: what was received before the last look may have reached the present after it.
                changed, turn = views.news(state, sight, turn), state.live.turn
                if changed:
                    yield _sse("devices", {"devices": changed}, told, turn, began)
                batch = await state.log.alerts.read(told, wait_s=0)
                told = batch.next
                for change, at in batch.after_each():
                    if sight.change(change):
                        told_of = in_language(sight.of(change_to_json(sight.told(change))), language)
                        yield _sse("change", told_of, at, turn, began)
                if noted != state.notes.turn:
                    noted = state.notes.turn
                    yield _sse("notes", {}, told, turn, began)
                yield _sse("status", views.status(state, sight), told, turn, began)
                await asyncio.sleep(STREAM_EVERY_S)
        finally:
            self.streams -= 1


def _sse(event: str, data: Any, told: LogPosition, turn: int, began: int) -> bytes:
    """One event; its id: the next entry of the log of warnings, and the turn of the present in the run of the hub that began then."""
    return b"id: %d-%d-%d\nevent: %s\ndata: %s\n\n" % (told, turn, began, event.encode(), msgspec.json.encode(data))


def _after(last: str | None, told: LogPosition, turn: int, began: int) -> tuple[LogPosition, int]:
    """Where the stream goes on for who saw the event of this id; from now on for anybody else. Turns are counted anew by each run of
    the hub: who comes from an earlier one is told of every device."""
    found = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})-([0-9]{1,19})", last or "")
    if found is None:
        return told, turn
    return min(LogPosition(int(found[1])), told), min(int(found[2]), turn) if int(found[3]) == began else 0
