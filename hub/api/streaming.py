"""The live stream: server-sent events for the console."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hub.api import questions
from hub.api.encoded import Encoded
from hub.api.frames import Frames, Place
from hub.api.gate import Authority
from hub.api.looking import language_of
from hub.api.problem import Problem
from hub.api.state import State
from hub.ports import LogPosition

STREAM_EVERY_S = 1.0
STREAMS_MAX = 2_000
"""Server-sent event streams open at once. One that is read slowly keeps up to 130 kB: a piece, and what its connection holds."""


class Streaming:
    def __init__(self, state: State, authority: Authority, encoded: Encoded) -> None:
        self.state = state
        self._authority = authority
        self._frames = Frames(state, encoded)
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
        self.streams += 1
        place = _after(request.headers.get("last-event-id"), self._frames.now(), self.state.started_at)
        clock, here = asyncio.get_running_loop().time, False
        try:
            while not await request.is_disconnected():
                who = self._authority.known(request)
                if who is None or not who.has("view"):
                    return  # logged out, disabled, or another password: what is open ends too
                beat = int(clock() / STREAM_EVERY_S)
                frame = await (
                    self._frames.after(place, who, language, beat) if here else self._frames.first(place, who, language)
                )
                here = True
                for piece in frame.pieces:
                    yield piece
                place = frame.end
                # All at the same moment, as what they are told is the same then; at once for who was still reading when it came.
                await asyncio.sleep(max(0.0, (beat + 1) * STREAM_EVERY_S - clock()))
        finally:
            self.streams -= 1


def _after(last: str | None, now: Place, began: int) -> Place:
    """Where the stream goes on for who saw the event of this id; from now on for anybody else. Turns are counted anew by each run of
    the hub: who comes from an earlier one is told of every device."""
    found = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})-([0-9]{1,19})", last or "")
    if found is None:
        return now
    turn = min(int(found[2]), now.turn) if int(found[3]) == began else 0
    return now._replace(told=min(LogPosition(int(found[1])), now.told), turn=turn)
