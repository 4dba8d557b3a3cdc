"""What the API notes in the audit: every act before it is done, every refusal, every log-in."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.requests import Request

from hub.access.audit import Act, AuditUnavailable
from hub.access.backoff import Buckets
from hub.api.problem import Problem
from hub.api.state import State

REFUSALS_PER_S, REFUSALS_BURST = 1.0, 100.0
"""Noted, of one address: whoever knocks without end must not fill the disk. How many were left out stands with the next one."""


class Auditing:
    def __init__(self, state: State) -> None:
        self._state = state
        self._refusals = Buckets(time.monotonic, REFUSALS_PER_S, REFUSALS_BURST)
        self._left_out = 0

    async def note(
        self, request: Request, action: str, target: str = "", before: Any = None, after: Any = None, outcome: str = "allowed", detail: str = "", who: str = ""
    ) -> None:  # fmt: skip
        """One entry under the name of who asks. Raises `Problem` 503 where it cannot be written; the act is then not done."""
        asking = getattr(request.state, "who", None)
        name, kind = (asking.name, asking.kind) if asking and not who else (who, "")
        act = Act(name, kind, address_of(request), action, target, outcome, before, after, detail)
        try:
            await asyncio.to_thread(self._state.audit.append, act, self._state.clock())
        except AuditUnavailable as error:
            raise Problem(503, f"{error}, so it is not done", {"Retry-After": "5"}) from None
        request.state.noted = (action, target)

    async def refused(self, request: Request, action: str, detail: str, who: str = "") -> None:
        """A refusal; not each of a flood of them."""
        if not self._refusals.take(address_of(request)):
            self._left_out += 1
            return
        left_out, self._left_out = self._left_out, 0
        more = f" ({left_out} further refusals were not noted)" if left_out else ""
        try:
            await self.note(request, action, request.url.path[:300], outcome="refused", detail=detail + more, who=who)
        except Problem:
            return  # it is refused all the same


def address_of(request: Request) -> str:
    """Where the request comes from; `hub.sock` for commands on this machine."""
    return request.client.host if request.client else "hub.sock"
