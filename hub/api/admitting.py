"""Unknown devices taken into the registry or refused, and zones drawn, by an engineer at the console. The change of the city's file is shown first."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hub.api import questions
from hub.api.actor import actor
from hub.api.auditing import Auditing
from hub.api.pages import reply
from hub.api.problem import Problem
from hub.api.state import State
from hub.bilingual import Text
from hub.error_words import words_of
from hub.knocks import NAME_MAX
from hub.model import Refusal
from hub.moment import SECOND


class Admitting:
    def __init__(self, state: State, auditing: Auditing) -> None:
        self.state, self._auditing = state, auditing
        self._one_at_a_time = asyncio.Lock()
        """Who writes a file has read it just before."""

    async def admit(self, request: Request, given: questions.Admission) -> Response:
        """An unknown device into devices.csv. Without `base` the line is only proposed; 409 where the file is another one by now."""
        device = self._known(given.device)
        actor(self.state, request, given.who, None)
        row = {"name": given.name, "kind": given.kind, "area": given.area, "operator": given.operator, **given.more}
        if (given.lon is None) != (given.lat is None):
            raise Problem(400, Text("lon and lat belong together", "经度和纬度须同时给出"))
        if given.lon is not None and given.lat is not None:
            row |= {"lon": repr(given.lon), "lat": repr(given.lat)}
        if wrong := [text for text in row.values() if text and (not text.isprintable() or text != text.strip())]:
            raise Problem(400, _one_line(wrong[0]))
        async with self._one_at_a_time:
            try:
                found = await asyncio.to_thread(self.state.files.device, device, row)
            except (ValueError, OSError) as error:
                raise Problem(400, words_of(error)) from None
            return await self._written(request, given.base, found, "admit-device", device)

    async def fence(self, request: Request, given: questions.Fence) -> Response:
        """A zone into zones.geojson, or out of it. Without `base` the change is only proposed; 409 where the file is another one by now."""
        actor(self.state, request, given.who, None)
        words = [given.zone, given.kind, given.name, *given.limits, *map(str, given.limits.values())]
        if wrong := [text for text in words if not text.isprintable() or text != text.strip()]:
            raise Problem(400, _one_line(wrong[0]))
        if reserved := {"zone", "kind", "name"} & given.limits.keys():
            name = sorted(reserved)[0]
            raise Problem(400, Text(f"{name!r} is no limit", f"{name!r} 不是限值"))
        properties = {"kind": given.kind, "name": given.name, **given.limits}
        async with self._one_at_a_time:
            try:
                found = await asyncio.to_thread(
                    self.state.files.zone, given.zone, properties, given.ring, given.reshape
                )
            except (ValueError, OSError) as error:
                raise Problem(400, words_of(error)) from None
            action = "remove-zone" if not given.ring else "reshape-zone" if given.reshape else "draw-zone"
            return await self._written(request, given.base, found, action, given.zone)

    async def _written(self, request: Request, base: str | None, found: Any, action: str, target: str) -> Response:
        """The change as a proposal; with the right `base` it is noted and done."""
        told = {
            "file": found.file,
            "line": found.line,
            "added": found.added,
            "removed": found.removed,
            "base": found.base,
        }
        if base is None:
            return reply({**told, "written": False, "reload": None})
        if base != found.base:
            raise Problem(
                409,
                Text(
                    f"{found.file} was changed since this was proposed; look at it again",
                    f"{found.file} 在提议后已被修改；请重新查看",
                ),
            )
        await self._auditing.note(request, action, target, found.before, told)
        return reply({**told, "written": True, "reload": await self._done(self.state.files.change(found))})

    async def refuse(self, request: Request, given: questions.Refused) -> Response:
        """An unknown device does not belong to the city: it is no longer shown among those that knock. Or that is taken back."""
        name, note = actor(self.state, request, given.who, given.note)
        async with self._one_at_a_time:
            before = self.state.registry.refused
            if given.refused:
                after = {
                    **before,
                    self._known(given.device): Refusal(self.state.clock() // SECOND * SECOND, name, note),
                }
            elif given.device in before:
                after = {device: said for device, said in before.items() if device != given.device}
            else:
                raise Problem(404, Text(f"{given.device!r} is not refused", f"{given.device!r} 并未被拒绝"))
            action = "refuse-device" if given.refused else "refuse-device-no-more"
            await self._auditing.note(request, action, given.device, None, {"note": note})
            return reply({"refused": list(after), "reload": await self._done(self.state.files.refuse(after))})

    def _known(self, device: str) -> str:
        """It knocked, and nobody has it yet."""
        if device in self.state.registry.devices:
            raise Problem(409, Text(f"{device!r} is in the registry already", f"{device!r} 已登记"))
        if device not in set(self.state.ingest.knocked):
            raise Problem(
                404,
                Text(
                    f"no unknown device {device!r} has knocked since the hub was started",
                    f"中枢启动以来没有未登记设备 {device!r} 上报",
                ),
            )
        if len(device) >= NAME_MAX:
            raise Problem(
                400,
                Text(
                    f"an id of {NAME_MAX} characters or more is not taken whole; add it by hand",
                    f"编号达到或超过 {NAME_MAX} 个字符，未完整记录；请手工添加",
                ),
            )
        return device

    async def _done(self, work: Any) -> Any:
        try:
            return await work
        except OSError as error:
            cannot = Text("the city's folder cannot be written: ", "城市目录无法写入：")
            by_hand = Text("; add the line by hand", "；请手工添加该行")
            raise Problem(503, cannot + words_of(error) + by_hand) from None
        except ValueError as error:
            raise Problem(400, words_of(error)) from None


def _one_line(text: str) -> Text:
    return Text(
        f"{text!r}: a text on one line was meant, without blanks about it", f"{text!r}：应为单行文字，首尾不留空格"
    )
