"""Routes that do something: readings in, acts of people, work on history. What cannot be noted in the log is not done."""

from __future__ import annotations

import asyncio
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hub.access import Principal
from hub.api import questions
from hub.api.actor import actor
from hub.api.auditing import Auditing
from hub.api.endpoint import body
from hub.api.pages import known_to_a_judge, reply
from hub.api.problem import Problem
from hub.api.sight import Sight
from hub.api.state import State
from hub.bilingual import LEVELS_ZH, Text
from hub.decoding import decoded
from hub.delivery import Courier
from hub.delivery.exercise import exercise
from hub.error_words import words_of
from hub.identity import only
from hub.model import LEVELS, OperatorAction, Verdict
from hub.moment import SECOND, from_text, in_order, to_text
from hub.personal import UNTOLD
from hub.ports import DeviceCommand, LogFull, LogPosition, NotKnown, NotReached, NotSupported, SeriesQuery, behind
from hub.recording import RecordingError

COMMAND_WAIT_MAX_S = 30.0
MAINTENANCE_MAX = 900
"""Windows planned at once; the rules keep a few more (`rules.state.maintenance.MAX_WINDOWS`)."""

NOTE_THEMSELVES = frozenset(
    {
        "operate",
        "plan",
        "cancel",
        "command",
        "add_user",
        "change_user",
        "write",
        "hand_over",
        "take_over",
        "admit",
        "refuse",
        "fence",
    }
)
"""Handlers that note in the audit what was before and what comes after; all others are noted by their route."""


class Acting:
    def __init__(self, state: State, trusted: bool, auditing: Auditing) -> None:
        self.state = state
        self._trusted = trusted
        self._auditing = auditing

    # ---------------------------------------------------------------------------------------------- readings in

    async def readings(self, request: Request, _: Any) -> Response:
        """Native JSON or SenML. 200 only after the log has it; 400 where nothing could be used; 503 to come again."""
        data = await body(request, self.state.config.api.body_bytes_max)
        content_type = request.headers.get("content-type", "")
        message = await decoded(len(data), self.state.decode, content_type, data, "")
        who: Principal = request.state.who
        sight = Sight(self.state, who, "ingest")
        if not sight.whole:
            kinds = {reading.device: reading.kind for reading in message.readings}
            message = only(
                message, lambda device: sight.device(device, kinds.get(device, "")), f"the {who.kind} {who.name!r}"
            )
        offered = len(message.readings)
        faults = [{"kind": fault.kind, "detail": fault.detail} for fault in message.faults]
        before = dict(self.state.ledger.of(self.state.door.adapter).faults)
        verdict = (await self.state.door.submit([message]))[0]
        if verdict is Verdict.BUSY:
            raise Problem(
                503,
                self.state.log.events.refusing
                or Text("the hub cannot take input now; send it again", "中枢暂时无法接收数据；请重新发送"),
                {"Retry-After": "5"},
            )
        after = self.state.ledger.of(self.state.door.adapter).faults
        counted = {kind: count - before.get(kind, 0) for kind, count in after.items() if count > before.get(kind, 0)}
        if verdict is Verdict.REFUSED:
            detail = message.reason or "nothing in it could be used"
            raise Problem(400, detail, faults=faults or [{"kind": kind, "detail": detail} for kind in counted])
        return reply({"readings": offered, "faults": faults})

    # ---------------------------------------------------------------------------------------------- acts of people

    async def operate(self, request: Request, given: questions.Answered) -> Response:
        """Acknowledge, shelve or unshelve an open warning. 409 where it has risen above the level at which it was seen: nobody may answer for a
        red one who saw a yellow one."""
        action = request.path_params["action"]
        if action not in ("acknowledge", "shelve", "unshelve"):
            raise Problem(404, f"{action[:100]!r} is no action; acknowledge, shelve or unshelve is")
        alert = request.path_params["alert"]
        found = self.state.alerts.open.get(alert)
        sight = Sight(self.state, request.state.who)
        if found is None or not sight.alert(found):
            raise Problem(
                404, Text(f"no open warning has the id {alert[:300]!r}", f"没有编号为 {alert[:300]!r} 的未解除预警")
            )
        if not Sight(self.state, request.state.who, "operate").alert(found):
            name = request.state.who.name
            raise Problem(
                403, Text(f"{name!r} may see this warning, and not act on it", f"{name!r} 可查看此预警，但无权处置")
            )
        if given.level is not None and LEVELS.index(found.level) > LEVELS.index(given.level):
            raise Problem(
                409,
                Text(
                    f"it is {found.level} by now, not {given.level}: look at it again",
                    f"现已升为{LEVELS_ZH[found.level]}，而非{LEVELS_ZH[given.level]}：请重新查看",
                ),
            )
        until = self._time(given.until, "until")
        name, note = actor(self.state, request, given.who, given.note)
        before = {
            "acknowledged_by": found.acknowledged_by,
            "shelved_until": to_text(found.shelved_until) if found.shelved_until else None,
        }
        after = {"action": action, "note": note, "until": to_text(until) if until is not None else None}
        await self._auditing.note(request, action, alert, before, after)
        await self._note(OperatorAction(self.state.clock(), name, action, alert, note, until))
        return reply({"ok": True})

    async def plan(self, request: Request, given: questions.Plan) -> Response:
        """Plan work. 404 where the city knows no such target."""
        at = self.state.clock()
        target = self._target(given.target, request.state.who)
        since, until = self._time(given.start, "from") or at, self._time(given.until, "until")
        every_s = given.every_s or 0
        if until is None or until <= since or (until <= at and not every_s):
            raise Problem(
                400,
                Text("until is missing, over already, or not after from", "缺少结束时间，或已过去，或不晚于开始时间"),
            )
        if every_s and every_s * SECOND < until - since:
            raise Problem(400, "every_s is in whole seconds, and not shorter than the window itself")
        if sum(item.every > 0 or item.until > at for item in self.state.maintenance()) >= MAINTENANCE_MAX:
            raise Problem(
                409,
                Text(
                    f"{MAINTENANCE_MAX} windows are planned already; cancel some",
                    f"已计划 {MAINTENANCE_MAX} 个维护时段；请先取消一些",
                ),
            )
        name, note = actor(self.state, request, given.who, given.note)
        after = {"from": to_text(since), "until": to_text(until), "every_s": every_s, "note": note}
        await self._auditing.note(request, "maintenance", target, None, after)
        await self._note(OperatorAction(at, name, "maintenance", target, note, until, since, every_s * SECOND))
        return reply({"id": f"{target}@{to_text(since)}"})

    async def cancel(self, request: Request, given: questions.Act) -> Response:
        """End planned work, now or before it begins."""
        known_to_a_judge(self.state)
        window = request.path_params["id"]
        sight = Sight(self.state, request.state.who, "operate")
        found = next(
            (item for item in self.state.maintenance() if item.id == window and sight.subject(item.target)), None
        )
        if found is None:
            raise Problem(404, f"no maintenance has the id {window[:300]!r}")
        name, note = actor(self.state, request, given.who, given.note)
        before = {"until": to_text(found.until), "who": found.who, "note": found.note}
        await self._auditing.note(request, "cancel-maintenance", window, before, {"note": note})
        await self._note(OperatorAction(self.state.clock(), name, "cancel-maintenance", window, note))
        return reply({"ok": True})

    def _target(self, target: str, who: Principal) -> str:
        """What work can be planned on: a device, area:NAME or zone:NAME that the city knows and they may act on."""
        sight = Sight(self.state, who, "operate")
        registry = self.state.registry
        what, _, name = target.partition(":")
        known = {
            "area": {device.area for device in registry.devices.values()} - {""},
            "zone": {word for zone in registry.zones.values() for word in (zone.zone, zone.kind)} - {""},
        }.get(what)
        there = known is not None and name in known
        there = there or target in registry.devices or target in self.state.live.devices
        if there and sight.subject(target):
            return target
        names = [
            name for name in (*registry.devices, *(f"{what}:{name}" for name in known or ())) if sight.subject(name)
        ]
        near = get_close_matches(target, names, n=1)
        hint = f"; was {near[0]!r} meant?" if near else "; a device, area:NAME or zone:NAME was meant"
        raise Problem(404, f"the city knows no {target!r}{hint}")

    def _time(self, text: str | None, key: str) -> int | None:
        try:
            return from_text(text, self.state.config.zone) if text else None
        except ValueError as error:
            raise Problem(400, f"{key}: {error}") from None

    async def _note(self, action: OperatorAction) -> None:
        try:
            await self.state.operate(action)
        except LogFull as error:
            undone = Text("it cannot be noted in the log, so it is not done: ", "无法记入日志，因此未执行：")
            raise Problem(503, undone + words_of(error)) from None

    async def command(self, request: Request, given: questions.Command) -> Response:
        """A command to a device, noted in the log before it is sent. 404 not connected, 409 not supported, 400 wrong, 504 not known
        whether it was sent.

        `wait_s` (5, at most 30): how long to wait for the answer; `answer` is null where none came.
        """
        device = request.path_params["device"]
        if not Sight(self.state, request.state.who, "command").device(device):
            raise Problem(404, f"{device[:300]!r} is not connected, or not granted to {request.state.who.name!r}")
        wait_s = min(max(given.wait_s, 0.0), COMMAND_WAIT_MAX_S)
        wanted = DeviceCommand(given.command, given.seconds, given.text, given.urgent, given.message, given.data)
        name, _ = actor(self.state, request, given.who, None)

        async def allowed() -> None:
            await self._auditing.note(request, "command", device, None, msgspec.to_builtins(wanted))

        try:
            told = await self.state.command(device, wanted, name, wait_s, allowed)
        except NotReached as error:
            raise Problem(404, str(error)) from None
        except NotSupported as error:
            raise Problem(409, str(error)) from None
        except NotKnown as error:
            raise Problem(504, str(error)) from None
        except LogFull as error:
            raise Problem(503, f"the command cannot be noted in the log, so it is not sent: {error}") from None
        except (msgspec.MsgspecError, ValueError) as error:
            raise Problem(400, str(error)) from None
        if told is not None and Sight(self.state, request.state.who).masks(device):
            told = {"hidden": UNTOLD}
        return reply({"device": device, "sent": True, "answer": told})

    # ---------------------------------------------------------------------------------------------- once more

    async def retry(self, _: Request, given: questions.Retry) -> Response:
        """Offer quarantined readings again, one entry or all: the registry may know their device by now.

        Answers after the store has; what it has not answered within 30 s is `waiting`.
        """
        stream = self.state.log.quarantine
        offset = None if given.offset is None else LogPosition(given.offset)
        if offset is not None and not stream.first <= offset < stream.next:
            raise Problem(404, Text(f"no entry {offset} in quarantine", f"隔离区中没有条目 {offset}"))
        start, end = (stream.first, stream.next) if offset is None else (offset, behind(offset))
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
                409,
                Text(
                    f"{given.name!r} takes readings, not warnings; its own readings show whether it takes them",
                    f"{given.name!r} 接收读数而非预警；其自身读数可显示是否接收",
                ),
            )
        name, _ = actor(self.state, request, given.who, None)
        delivery = await courier.exercise(exercise(self.state.clock(), name))
        told = {"detail": delivery.detail, "detail_zh": delivery.detail_zh}
        return reply({"destination": given.name, "taken": delivery.taken, **told})

    # ---------------------------------------------------------------------------------------------- history

    async def export(self, _: Request, given: questions.Export) -> Response:
        """Write rows into a file on this machine, for `cityhub export` while the hub owns the store."""
        if not self._trusted:
            raise Problem(403, "files are written for commands on this machine only; ask /api/v1/series")
        query = SeriesQuery(*self._range(given), given.device, given.metric)
        try:
            rows = await self.state.export(query, given.format, Path(given.path))
        except (OSError, ValueError) as error:
            raise Problem(
                400, f"{given.path!r} cannot be written: {getattr(error, 'strerror', None) or error}"
            ) from None
        return reply({"rows": rows})

    async def backup(self, _: Request, given: questions.Backup) -> Response:
        """Prepare a backup, for `cityhub backup` on this machine; it fetches what is prepared, and takes it away."""
        if not self._trusted:
            raise Problem(403, "backups are made by `cityhub backup` on this machine only")
        try:
            staged = await self.state.stage(Path(given.into) if given.into else None)
        except OSError as error:
            raise Problem(507, f"the copy for the backup cannot be written: {error.strerror or error}") from None
        return reply({"staged": str(staged)})

    async def reload(self, _: Request, __: Any) -> Response:
        """Take the city folder over as it is now: rules, registry, words, tokens, adapters. With a mistake in it nothing changes."""
        return reply(await self.state.reload())

    async def rebuild(self, _: Request, given: questions.Rebuild) -> Response:
        """Make rollups anew, of a range or of all history."""
        return reply({"rollups": await self.state.rebuild(*self._range(given))})

    def _range(self, given: questions.Rebuild | questions.Export) -> tuple[int | None, int | None]:
        try:
            return in_order(self._time(given.start, "from"), self._time(given.end, "to"))
        except ValueError as error:
            raise Problem(400, str(error)) from None

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
