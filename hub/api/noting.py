"""Routes for what people write down: comments and marks on warnings, and what one shift leaves to the next."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from hub.api import questions, views
from hub.api.actor import actor
from hub.api.auditing import Auditing
from hub.api.pages import marks, page, reply
from hub.api.problem import Problem
from hub.api.sight import Sight
from hub.api.state import State
from hub.notes import Kind, Note

NOT_KEPT = {"Retry-After": "5"}


class Noting:
    def __init__(self, state: State, auditing: Auditing) -> None:
        self.state = state
        self._auditing = auditing

    async def notes(self, request: Request, asked: questions.Notes) -> Response:
        """Comments, marks of false alarms and hand-over notes, the newest first. Hand-overs are for who sees the whole city."""
        sight = Sight(self.state, request.state.who)

        def wanted(note: Note) -> bool:
            seen = sight.whole if note.kind is Kind.HANDOVER else sight.subject(note.subject, note.area)
            return (
                seen
                and (asked.kind is None or note.kind in asked.kind)
                and (asked.alert is None or note.alert == asked.alert)
                and (not asked.standing or self.state.notes.stands(note))
                and not (asked.unread and (note.kind is not Kind.HANDOVER or note.read_by))
            )

        shown, cut = page([note for note in reversed(self.state.notes.all) if wanted(note)], asked.limit, asked.skip)
        following = marks(request, asked.limit, cut, skip=asked.skip + len(shown))
        return reply({"notes": [views.note(sight.note(note)) for note in shown], **following})

    async def write(self, request: Request, given: questions.Written) -> Response:
        """Comment on a warning, open or closed; mark it as a false alarm, or take the mark back."""
        name, note = actor(self.state, request, given.who, given.note)
        alert, kind = request.path_params["alert"], Kind(given.kind)
        found = self.state.alerts.open.get(alert) or self.state.alerts.closed.get(alert)
        if found is None or not Sight(self.state, request.state.who).alert(found):
            raise Problem(404, f"no warning has the id {alert[:300]!r}")
        if not Sight(self.state, request.state.who, "operate").alert(found):
            raise Problem(403, f"{request.state.who.name!r} may see this warning, and not act on it")
        if kind is Kind.COMMENT and not (given.note or "").strip():
            raise Problem(400, "note: a comment needs words")
        marked = self.state.notes.false_alarm(alert) is not None
        if marked is (kind is Kind.FALSE_ALARM) and kind is not Kind.COMMENT:
            raise Problem(
                409, "it is marked as a false alarm already" if marked else "it is not marked as a false alarm"
            )
        newest = found.changes[-1]
        about = Note(0, self.state.clock(), name, kind, note, alert, found.rule, found.subject, newest.area, found.level, found.raised_at)  # fmt: skip
        await self._auditing.note(request, kind, alert, {"false_alarm": marked}, {"note": note})
        return await self._kept(about)

    async def hand_over(self, request: Request, given: questions.HandOver) -> Response:
        """Leave a note for the next shift; it is shown until somebody has read it."""
        name, note = actor(self.state, request, given.who, given.note, lines=True)
        if not given.note.strip():
            raise Problem(400, "note: a hand-over needs words")
        await self._auditing.note(request, "handover", "", None, {"note": note})
        return await self._kept(Note(0, self.state.clock(), name, Kind.HANDOVER, note))

    async def take_over(self, request: Request, given: questions.TakenOver) -> Response:
        """A hand-over note has been read. Who read it first stays."""
        name, _ = actor(self.state, request, given.who, None)
        if not any(note.number == given.number and note.kind is Kind.HANDOVER for note in self.state.notes.all):
            raise Problem(404, f"there is no hand-over note {given.number}")
        await self._auditing.note(request, "handover-read", str(given.number), None, {"read_by": name})
        try:
            await asyncio.to_thread(self.state.notes.take_over, given.number, name, self.state.clock())
        except OSError as error:
            raise _not_kept(error) from None
        return reply({"ok": True})

    async def _kept(self, note: Note) -> Response:
        try:
            kept = await asyncio.to_thread(self.state.notes.add, note)
        except OSError as error:
            raise _not_kept(error) from None
        return reply({"number": kept.number})


def _not_kept(error: OSError) -> Problem:
    return Problem(503, f"the note cannot be kept: {error.strerror or error}", NOT_KEPT)
