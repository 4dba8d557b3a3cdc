"""People come and go: log-in, log-out, who am I; and for administrators, what was done."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hub.access import Principal, audit, passwords
from hub.access.backoff import Backoff
from hub.access.sessions import Session
from hub.api import questions
from hub.api.auditing import Auditing, address_of
from hub.api.gate import Authority, cookie_name, give_session
from hub.api.pages import marks, reply
from hub.api.problem import Problem
from hub.api.state import State
from hub.moment import to_text
from hub.personal import HIDDEN

FREE_OF_NAME, FREE_OF_ADDRESS = 5, 20
"""Failed log-ins that cost nothing, of one name and of one address; each further one doubles the wait, up to 15 minutes."""
AT_ONCE, WAITING_MAX = 2, 16
"""Passwords verified at once (each takes 64 MiB for some hundredths of a second), and log-ins that wait for their turn."""
AUDIT_SHOWN = 1000


class Visiting:
    def __init__(self, state: State, authority: Authority, auditing: Auditing) -> None:
        self.state, self._authority, self._auditing = state, authority, auditing
        self._names = Backoff(time.monotonic, FREE_OF_NAME)
        self._addresses = Backoff(time.monotonic, FREE_OF_ADDRESS)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def log_in(self, request: Request, given: questions.LogIn) -> Response:
        """Log in with name and password; the session is a cookie, and `csrf` goes into the header X-CSRF-Token of every act."""
        address = address_of(request)
        wait_s = max(self._names.wait_s(given.user), self._addresses.wait_s(address))
        if wait_s:
            raise Problem(
                429, f"too many failed log-ins; try again in {wait_s:.0f} s", {"Retry-After": f"{wait_s + 1:.0f}"}
            )
        if self._waiting >= WAITING_MAX:
            raise Problem(503, "too many people log in at this moment", {"Retry-After": "2"})
        kept = self.state.roll.kept(given.user)
        self._waiting += 1
        try:
            async with self._turns:
                fine = await asyncio.to_thread(passwords.right, kept, given.password)
        finally:
            self._waiting -= 1
        if not fine or kept is None:
            self._names.failed(given.user)
            self._addresses.failed(address)
            await self._auditing.refused(request, "log-in", "wrong name or password", who=given.user[:100])
            raise Problem(401, "no user has this name and password", {"WWW-Authenticate": "Bearer"})
        await self._auditing.note(request, "log-in", outcome="done", who=given.user)
        self._names.worked(given.user)
        shown, session = self.state.sessions.open(given.user, kept)
        answer = reply(self._described(self.state.roll.users[given.user].principal, session))
        give_session(request, answer, shown)
        return answer

    async def log_out(self, request: Request, _: Any) -> Response:
        """End the session of the cookie. `provider`: where to end it at the identity provider too, for who logged in there."""
        session = self._authority.session(request)
        further = None
        if session is not None:
            self._authority.known(request)  # only with the CSRF word: no other page may end it
            self.state.sessions.close(session)
            await self._auditing.note(request, "log-out", outcome="done", who=session.user)
            if session.id_token and self.state.provider is not None:
                further = await self.state.provider.end(session.id_token)
        answer = reply({"ok": True, "provider": further})
        answer.delete_cookie(cookie_name(request), path="/", httponly=True, samesite="strict")
        return answer

    async def session(self, request: Request, _: Any) -> Response:
        """Who asks, what they were granted, and whether the hub asks at all."""
        found = self._authority.known(request)
        session = self._authority.session(request) if found is not None and found.kind == "user" else None
        # It tells the CSRF word of the log-in, so no cache keeps it.
        return reply(self._described(found, session), headers={"Cache-Control": "no-store"})

    def _described(self, who: Principal | None, session: Session | None) -> dict[str, Any]:
        user = self.state.roll.users.get(who.name) if who is not None and who.kind == "user" else None
        user = self._authority.user_of(session) if session is not None else user
        return {
            "user": who.name if who else None,
            "kind": who.kind if who else None,
            "name": user.name if user else "",
            "grants": [grant.words for grant in user.grants] if user else [],
            "rights": sorted({right for grant in who.grants for right in grant.rights}) if who else [],
            "limited": who is not None and not who.everywhere("view"),
            "csrf": session.csrf if session else None,
            "until": to_text(session.until) if session else None,
            "asks": self.state.asks,
            "password": self.state.roll.asks,
            "provider": self.state.config.oidc.title if self.state.provider is not None else None,
        }

    async def audit(self, request: Request, asked: questions.Audit) -> Response:
        """What was done and refused, the newest first."""
        limit = min(asked.limit, AUDIT_SHOWN)

        def read() -> list[dict[str, Any]]:
            before = asked.before
            kept = (one for one in audit.entries(self.state.config.data) if before is None or one["number"] < before)
            return list(deque(kept, maxlen=limit + 1))

        found = await asyncio.to_thread(read)
        cut = len(found) > limit
        shown = found[-limit:][::-1]
        if not request.state.who.everywhere("personal"):
            shown = [{**one, **{part: _unwritten(one[part]) for part in ("before", "after")}} for one in shown]
        return reply({"entries": shown, **marks(request, limit, cut, before=shown[-1]["number"] if shown else 0)})


def _unwritten(told: Any) -> Any:
    """What an entry holds, without what somebody wrote freely, which may name anybody."""
    if not isinstance(told, dict):
        return told
    return {key: HIDDEN if key in ("note", "text") and value else value for key, value in told.items()}
