"""What the live stream tells, made once for all viewers who see the same.

Time goes in beats of a second. What a viewer is told in a beat depends on what they may see, their language, and up to where they have
been told: who agrees in these gets the very same bytes. A viewer who reads slowly is told less often, of each device only its newest:
nothing piles up for them here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from hub.access import Principal
from hub.api import views
from hub.api.encoded import Encoded
from hub.api.sight import Sight
from hub.api.state import State
from hub.ports import LogPosition
from hub.wire import change_to_json, in_language

PIECE_BYTES = 64_000
"""Of one event about devices: a viewer who reads slowly keeps a piece or two in memory, not all of a beat."""
KEPT_BYTES_MAX = 64 << 20
"""Of what is kept within a beat, for all who see differently or are behind."""


class Place(NamedTuple):
    """Up to where a viewer has been told: entries of the log of warnings, the present's turn, notes."""

    told: LogPosition
    turn: int
    noted: tuple[int, int]


class Frame(NamedTuple):
    """What is told in one go, as server-sent events, and the place after it."""

    pieces: tuple[bytes, ...]
    end: Place


class Frames:
    """The frames of one beat; those of another are made anew, as there is news by then."""

    def __init__(self, state: State, encoded: Encoded) -> None:
        self._state, self._encoded = state, encoded
        self._beat = -1
        self._end = self.now()
        self._kept: dict[tuple[Any, str, Place], asyncio.Task[Frame]] = {}
        self._bytes = 0

    def now(self) -> Place:
        """Where somebody begins who was told nothing before."""
        return Place(self._state.log.alerts.next, self._state.live.turn, self._state.notes.turn)

    async def first(self, start: Place, who: Principal, language: str) -> Frame:
        """What somebody hears at once who has just come, all that there is by now. Their frames are the others' from the next beat on."""
        return await self._made(start, self.now(), who, language)

    async def after(self, start: Place, who: Principal, language: str, beat: int) -> Frame:
        """What has come since `start`, for who may see it."""
        if beat != self._beat:
            # One end for all of a beat, so that their next frames are the same again.
            self._beat, self._end, self._bytes, self._kept = beat, self.now(), 0, {}
        key = (who.grants, language, start)
        making = self._kept.get(key)
        if making is None:
            if self._bytes > KEPT_BYTES_MAX:
                return await self._made(start, self._end, who, language)
            making = self._kept[key] = asyncio.create_task(self._kept_made(start, who, language))
        return await asyncio.shield(making)  # one viewer who leaves takes it from no other

    async def _kept_made(self, start: Place, who: Principal, language: str) -> Frame:
        frame = await self._made(start, self._end, who, language)
        self._bytes += sum(map(len, frame.pieces))
        return frame

    async def _made(self, start: Place, until: Place, who: Principal, language: str) -> Frame:
        state, sight = self._state, Sight(self._state, who)
        end = until._replace(told=max(start.told, until.told), turn=max(start.turn, until.turn))
        began, at = state.started_at, start
        # By turn, not by receive time: what was received before the last look may have reached the present after it.
        devices = [
            self._encoded.device(item, sight.registered(item.device))
            for item in sight.devices(state.live.heard_after(start.turn))
        ]
        *others, last = _in_pieces(devices)
        # Until the last of them has come, who comes again is told of all: their ids are of the turn before.
        pieces = [_event("devices", {"devices": some}, at, began) for some in others]
        at = at._replace(turn=end.turn)
        if last:
            pieces.append(_event("devices", {"devices": last}, at, began))
        batch = (await state.log.alerts.read(start.told, wait_s=0)).until(end.told)
        for change, told in batch.after_each():
            at = at._replace(told=told)
            if sight.change(change):
                shown = in_language(sight.of(change_to_json(sight.told(change))), language)
                pieces.append(_event("change", shown, at, began))
        end = end._replace(told=batch.next)
        if end.noted != start.noted:
            pieces.append(_event("notes", {}, end, began))
        pieces.append(_event("status", in_language(views.status(state, sight), language), end, began))
        return Frame(tuple(pieces), end)


def event_id(told: LogPosition, turn: int, began: int) -> str:
    """What a client says as `Last-Event-ID` who was told so much: the next entry of the log of warnings, and the turn of the present in the run of the hub that
    began then."""
    return f"{told}-{turn}-{began}"


def _in_pieces(devices: Iterable[msgspec.Raw]) -> list[list[msgspec.Raw]]:
    """In lists of so many that an event has about `PIECE_BYTES`; the last may be empty."""
    pieces: list[list[msgspec.Raw]] = [[]]
    size = 0
    for one in devices:
        if size >= PIECE_BYTES:
            pieces.append([])
            size = 0
        pieces[-1].append(one)
        size += len(one)
    return pieces


def _event(name: str, data: Any, at: Place, began: int) -> bytes:
    """One event with its id."""
    told = event_id(at.told, at.turn, began).encode()
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (told, name.encode(), msgspec.json.encode(data))
