"""Unknown devices: taken into the registry, or refused, by an engineer at the console. The change of the city's file is shown first."""

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
            raise Problem(400, "lon and lat belong together")
        if given.lon is not None and given.lat is not None:
            row |= {"lon": repr(given.lon), "lat": repr(given.lat)}
        if wrong := [text for text in row.values() if text and (not text.isprintable() or text != text.strip())]:
            raise Problem(400, f"{wrong[0]!r}: a text on one line was meant, without blanks about it")
        async with self._one_at_a_time:
            try:
                found = await asyncio.to_thread(self.state.propose, device, row)
            except (ValueError, OSError) as error:
                raise Problem(400, str(error)) from None
            told = {"file": found.file, "line": found.line, "added": found.added, "base": found.base}
            if given.base is None:
                return reply({**told, "written": False, "reload": None})
            if given.base != found.base:
                raise Problem(409, f"{found.file} was changed since the line was proposed; look at it again")
            await self._auditing.note(request, "admit-device", device, None, told)
            return reply({**told, "written": True, "reload": await self._done(self.state.admit(found))})

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
                raise Problem(404, f"{given.device!r} is not refused")
            action = "refuse-device" if given.refused else "refuse-device-no-more"
            await self._auditing.note(request, action, given.device, None, {"note": note})
            return reply({"refused": list(after), "reload": await self._done(self.state.refuse(after))})

    def _known(self, device: str) -> str:
        """It knocked, and nobody has it yet."""
        if device in self.state.registry.devices:
            raise Problem(409, f"{device!r} is in the registry already")
        if device not in set(self.state.ingest.knocked):
            raise Problem(404, f"no unknown device {device!r} has knocked since the hub was started")
        if len(device) >= NAME_MAX:
            raise Problem(400, f"an id of {NAME_MAX} characters or more is not taken whole; add it by hand")
        return device

    async def _done(self, work: Any) -> Any:
        try:
            return await work
        except OSError as error:
            raise Problem(503, f"the city's folder cannot be written: {error}; add the line by hand") from None
        except ValueError as error:
            raise Problem(400, str(error)) from None
