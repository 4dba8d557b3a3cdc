"""Routes that do something: readings in, acts of people, work on history. What cannot be noted in the log is not done."""

from __future__ import annotations

import asyncio
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hub.api import questions
from hub.api.auth import LOCAL, Token
from hub.api.endpoint import body
from hub.api.looking import reply
from hub.api.problem import Problem
from hub.api.state import State
from hub.decoding import decoded
from hub.delivery import Courier
from hub.delivery.exercise import exercise
from hub.identity import listed, only
from hub.log import LogFull
from hub.model import OperatorAction, Verdict
from hub.moment import SECOND, from_text, to_text
from hub.ports import DeviceCommand, NotReached, NotSupported, SeriesQuery
from hub.recording import RecordingError
from hub.wire import detail_to_json

COMMAND_WAIT_MAX_S = 30.0
MAINTENANCE_MAX = 900
"""Windows planned at once; the rules keep a few more (`rules.state.maintenance.MAX_WINDOWS`)."""


class Acting:
    def __init__(self, state: State, trusted: bool) -> None:
        self.state = state
        self._trusted = trusted

    # ---------------------------------------------------------------------------------------------- readings in

    async def readings(self, request: Request, _: Any) -> Response:
        """Native JSON or SenML. 200 only after the log has it; 400 where nothing could be used; 503 to come again."""
        data = await body(request, self.state.config.api.body_bytes_max)
        content_type = request.headers.get("content-type", "")
        message = await decoded(len(data), self.state.decode, content_type, data, "")
        token: Token = request.state.token
        if token.devices:
            message = only(message, lambda device: listed(device, token.devices), f"the token {token.name!r}")
        offered = len(message.readings)
        faults = [{"kind": fault.kind, "detail": fault.detail} for fault in message.faults]
        before = dict(self.state.ledger.of(self.state.door.adapter).faults)
        verdict = (await self.state.door.submit([message]))[0]
        if verdict is Verdict.BUSY:
            raise Problem(
                503,
                self.state.log.events.refusing or "the hub cannot take input now; send it again",
                {"Retry-After": "5"},
            )
        after = self.state.ledger.of(self.state.door.adapter).faults
        counted = {kind: count - before.get(kind, 0) for kind, count in after.items() if count > before.get(kind, 0)}
        if verdict is Verdict.REFUSED:
            detail = message.reason or "nothing in it could be used"
            raise Problem(400, detail, faults=faults or [{"kind": kind, "detail": detail} for kind in counted])
        return reply({"readings": offered, "faults": faults})

    # ---------------------------------------------------------------------------------------------- acts of people

    async def operate(self, request: Request, given: questions.Act) -> Response:
        """Acknowledge, shelve or unshelve an open warning."""
        action = request.path_params["action"]
        if action not in ("acknowledge", "shelve", "unshelve"):
            raise Problem(404, f"{action[:100]!r} is no action; acknowledge, shelve or unshelve is")
        alert = request.path_params["alert"]
        if alert not in self.state.alerts.open:
            raise Problem(404, f"no open warning has the id {alert[:300]!r}")
        until = self._time(given.until, "until")
        name, note = self._actor(request, given.who, given.note)
        await self._note(OperatorAction(self.state.clock(), name, action, alert, note, until))
        return reply({"ok": True})

    async def plan(self, request: Request, given: questions.Plan) -> Response:
        """Plan work. 404 where the city knows no such target."""
        at = self.state.clock()
        target = self._target(given.target)
        since, until = self._time(given.start, "from") or at, self._time(given.until, "until")
        every_s = given.every_s or 0
        if until is None or until <= since or (until <= at and not every_s):
            raise Problem(400, "until is missing, over already, or not after from")
        if every_s and every_s * SECOND < until - since:
            raise Problem(400, "every_s is in whole seconds, and not shorter than the window itself")
        if sum(item.every > 0 or item.until > at for item in self.state.maintenance()) >= MAINTENANCE_MAX:
            raise Problem(409, f"{MAINTENANCE_MAX} windows are planned already; cancel some")
        name, note = self._actor(request, given.who, given.note)
        await self._note(OperatorAction(at, name, "maintenance", target, note, until, since, every_s * SECOND))
        return reply({"id": f"{target}@{to_text(since)}"})

    async def cancel(self, request: Request, given: questions.Act) -> Response:
        """End planned work, now or before it begins."""
        window = request.path_params["id"]
        if window not in {item.id for item in self.state.maintenance()}:
            raise Problem(404, f"no maintenance has the id {window[:300]!r}")
        name, note = self._actor(request, given.who, given.note)
        await self._note(OperatorAction(self.state.clock(), name, "cancel-maintenance", window, note))
        return reply({"ok": True})

    def _target(self, target: str) -> str:
        """What work can be planned on: a device, area:NAME or zone:NAME that the city knows."""
        registry = self.state.registry
        what, _, name = target.partition(":")
        known = {
            "area": {device.area for device in registry.devices.values()} - {""},
            "zone": {word for zone in registry.zones.values() for word in (zone.zone, zone.kind)} - {""},
        }.get(what)
        if known is not None and name in known:
            return target
        if target in registry.devices or target in self.state.live.devices:
            return target
        names = [*registry.devices, *(f"{what}:{name}" for name in known or ())]
        near = get_close_matches(target, names, n=1)
        hint = f"; was {near[0]!r} meant?" if near else "; a device, area:NAME or zone:NAME was meant"
        raise Problem(404, f"the city knows no {target!r}{hint}")

    def _time(self, text: str | None, key: str) -> int | None:
        try:
            return from_text(text, self.state.config.zone) if text else None
        except ValueError as error:
            raise Problem(400, f"{key}: {error}") from None

    def _actor(self, request: Request, claimed: str | None, note: str | None) -> tuple[str, str]:
        """Under whose name this is done, and the note. Approvals of public warnings go by the name.

        A token acts under its own name, whatever the body says; another name given beside it is kept in the note. Where the hub asks
        for no tokens, the name given is all there is; it may not be that of a token.
        """
        token: Token = request.state.token
        for name, text in (("who", claimed), ("note", note)):
            if text and not text.isprintable():
                raise Problem(400, f"{name}: a text on one line was meant, without control characters")
        said = (note or "").strip()
        claimed = (claimed or "").strip()
        if claimed != token.name and claimed in (self.state.tokens or ()):
            raise Problem(403, f"{claimed!r} is the name of another token; only its holder acts under it")
        if token is LOCAL:
            return claimed or token.name, said
        return token.name, f"{said} [{claimed}]".strip() if claimed and claimed != token.name else said

    async def _note(self, action: OperatorAction) -> None:
        try:
            await self.state.operate(action)
        except LogFull as error:
            raise Problem(503, f"it cannot be noted in the log, so it is not done: {error}") from None

    async def command(self, request: Request, given: questions.Command) -> Response:
        """A command to a device, noted in the log before it is sent. 404 not connected, 409 not supported, 400 wrong.

        `wait_s` (5, at most 30): how long to wait for the answer; `answer` is null where none came.
        """
        device = request.path_params["device"]
        wait_s = min(max(given.wait_s, 0.0), COMMAND_WAIT_MAX_S)
        wanted = DeviceCommand(given.command, given.seconds, given.text, given.urgent, given.message, given.data)
        name, _ = self._actor(request, given.who, None)
        try:
            answer = await self.state.command(device, wanted, name, wait_s)
        except NotReached as error:
            raise Problem(404, str(error)) from None
        except NotSupported as error:
            raise Problem(409, str(error)) from None
        except LogFull as error:
            raise Problem(503, f"the command cannot be noted in the log, so it is not sent: {error}") from None
        except (msgspec.MsgspecError, ValueError) as error:
            raise Problem(400, str(error)) from None
        return reply({"device": device, "sent": True, "answer": None if answer is None else detail_to_json(answer)})

    # ---------------------------------------------------------------------------------------------- once more

    async def retry(self, _: Request, given: questions.Retry) -> Response:
        """Offer quarantined readings again, one entry or all: the registry may know their device by now.

        Answers after the store has; what it has not answered within 30 s is `waiting`.
        """
        stream = self.state.log.quarantine
        offset = given.offset
        if offset is not None and not stream.first <= offset < stream.next:
            raise Problem(404, f"no entry {offset} in quarantine")
        start, end = (stream.first, stream.next) if offset is None else (offset, offset + 1)
        return reply(await self.state.retry(start, end))

    async def deliver(self, request: Request, given: questions.Letters) -> Response:
        """Retry or drop dead letters: those numbered, or all."""
        match request.path_params["action"]:
            case "retry":
                couriers = self.state.couriers.values()
                offered = [found for courier in couriers for found in await courier.retry(given.numbers)]
                return reply({"offered": len(offered), "taken": sum(delivery.taken for _, delivery in offered)})
            case "drop":
                return reply({"dropped": await asyncio.to_thread(self.state.journal.drop, given.numbers)})
        raise Problem(404, f"{request.path_params['action'][:100]!r} is no action; retry or drop is")

    async def exercise(self, request: Request, given: questions.Exercise) -> Response:
        """Send a destination an exercise, end to end: a warning that says it is none, raised and cleared."""
        courier = self.state.couriers.get(given.name)
        if courier is None:
            near = get_close_matches(given.name, self.state.couriers, n=1)
            raise Problem(
                404, f"there is no destination {given.name!r}" + (f"; was {near[0]!r} meant?" if near else "")
            )
        if not isinstance(courier, Courier):
            raise Problem(
                409, f"{given.name!r} takes readings, not warnings; its own readings show whether it takes them"
            )
        name, _ = self._actor(request, given.who, None)
        delivery = await courier.exercise(exercise(self.state.clock(), name))
        return reply({"destination": given.name, "taken": delivery.taken, "detail": delivery.detail})

    # ---------------------------------------------------------------------------------------------- history

    async def export(self, _: Request, given: questions.Export) -> Response:
        """Write rows into a file on this machine, for `cityhub export` while the hub owns the store."""
        if not self._trusted:
            raise Problem(403, "files are written for commands on this machine only; ask /api/v1/series")
        query = SeriesQuery(*self._range(given), given.device, given.metric)
        try:
            rows = await self.state.export(query, given.format, Path(given.path))
        except (OSError, ValueError) as error:
            raise Problem(400, f"{given.path!r} cannot be written: {error}") from None
        return reply({"rows": rows})

    async def rebuild(self, _: Request, given: questions.Rebuild) -> Response:
        """Make rollups anew, of a range or of all history."""
        return reply({"rollups": await self.state.rebuild(*self._range(given))})

    def _range(self, given: questions.Rebuild | questions.Export) -> tuple[int | None, int | None]:
        return self._time(given.start, "from"), self._time(given.end, "to")

    async def take_in(self, _: Request, given: questions.Import) -> Response:
        """History out of files on this machine, for `cityhub import` while the hub owns the store."""
        if not self._trusted:
            raise Problem(403, "files are read for commands on this machine only; post readings to /api/v1/readings")
        map_file = Path(given.map) if given.map else None
        try:
            done = await self.state.take_in([Path(path) for path in given.files], map_file, given.admit)
        except (RecordingError, OSError, ValueError) as error:
            raise Problem(400, str(error)) from None
        return reply(done)
