"""Log-in at the city's identity provider: somebody is sent there, comes back with a code, and has a session as of a password."""

from __future__ import annotations

import secrets
from html import escape
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hub.access.people import NotAdmitted, person_of
from hub.access.sessions import same
from hub.api import questions
from hub.api.auditing import Auditing
from hub.api.gate import give_session
from hub.api.problem import Problem
from hub.api.provider import NotBelieved, Provider, ProviderAway
from hub.api.state import State
from hub.moment import SECOND

WITHIN_S = 600
"""From the hub to the provider and back: a person types a password and looks for a telephone."""
USED_MAX = 10_000
"""Remembered states of log-ins that came back; each is worthless after `WITHIN_S` anyhow."""


class _Begun(msgspec.Struct, frozen=True):
    """What the browser keeps of a log-in, sealed, until it comes back."""

    state: str
    nonce: str
    verifier: str


class Oidc:
    """`provider`: None where the city has none."""

    def __init__(self, state: State, auditing: Auditing) -> None:
        self.state, self._auditing = state, auditing
        self._seal = Fernet(Fernet.generate_key())
        """Of this process: a log-in that was under way at a restart is begun again."""
        self._used: dict[str, int] = {}
        """State of a log-in that came back → when (s); none comes back twice."""

    async def oidc_login(self, request: Request, _: Any) -> Response:
        """Log in at the identity provider: it sends the browser back, which then has a session."""
        begun = _Begun(*(secrets.token_urlsafe(32) for _ in range(3)))
        try:
            address = await self._provider().begin(begun.state, begun.nonce, begun.verifier)
        except ProviderAway as away:
            return _told(request, self._away(away))
        answer = RedirectResponse(address, 303, {"Cache-Control": "no-store"})
        sealed = self._seal.encrypt_at_time(msgspec.json.encode(begun), self._now_s()).decode()
        # Lax: the provider's page leads back here, and the cookie has to come along.
        answer.set_cookie(
            _cookie(request), sealed, WITHIN_S, path="/", httponly=True, samesite="lax", secure=request.url.scheme == "https"
        )  # fmt: skip
        return answer

    async def oidc_back(self, request: Request, given: questions.OidcBack) -> Response:
        """Where the identity provider sends the browser back to; leads on to the console."""
        provider = self._provider()
        try:
            answer = await self._arrived(request, provider, given)
        except Problem as problem:
            answer = _told(request, problem)
        answer.delete_cookie(
            _cookie(request), path="/", httponly=True, samesite="lax", secure=request.url.scheme == "https"
        )
        return answer

    async def _arrived(self, request: Request, provider: Provider, given: questions.OidcBack) -> Response:
        begun = self._begun(request, given.state)
        if given.error is not None or given.code is None:
            told = f"the identity provider let nobody in ({(given.error or 'no code')[:100]!r})"
            await self._auditing.refused(request, "log-in", told)
            raise Problem(403, told)
        name = ""
        assert self.state.people is not None
        try:
            claims, id_token = await provider.claims(given.code, given.iss, begun.nonce, begun.verifier)
            person = person_of(claims, self.state.config.oidc)
            name = person.name
            user = self.state.people.user(person)
            self.state.people.remember(person)
        except ProviderAway as away:
            raise self._away(away) from None
        except NotBelieved as error:
            await self._auditing.refused(request, "log-in", str(error))
            raise Problem(401, str(error), {"WWW-Authenticate": "Bearer"}) from None
        except NotAdmitted as error:
            await self._auditing.refused(request, "log-in", str(error), who=name)
            raise Problem(403, str(error)) from None
        except OSError as error:
            raise Problem(503, f"the data folder takes nothing: {error}", {"Retry-After": "5"}) from None
        told = f"by {self.state.config.oidc.issuer} as {person.subject}"
        await self._auditing.note(request, "log-in", outcome="done", detail=told, who=user.user)
        shown, _ = self.state.sessions.open(user.user, "", person, id_token)
        answer = RedirectResponse("/", 303, {"Cache-Control": "no-store"})
        give_session(request, answer, shown)
        return answer

    def _begun(self, request: Request, state: str) -> _Begun:
        """What this browser began, which nobody used before. Raises `Problem` 400."""
        now = self._now_s()
        try:
            sealed = request.cookies.get(_cookie(request), "").encode()
            begun = msgspec.json.decode(self._seal.decrypt_at_time(sealed, WITHIN_S, now), type=_Begun)
        except (InvalidToken, msgspec.MsgspecError, UnicodeError):
            raise Problem(400, "this browser began no log-in here within the last ten minutes; begin again") from None
        if not same(state, begun.state):
            raise Problem(400, "this is the answer to another log-in than this browser began; begin again")
        self._used = {one: at for one, at in self._used.items() if now - at <= WITHIN_S}
        if begun.state in self._used:
            raise Problem(400, "this log-in has been used already; begin again")
        while len(self._used) >= USED_MAX:
            del self._used[next(iter(self._used))]
        self._used[begun.state] = now
        return begun

    def _provider(self) -> Provider:
        if self.state.provider is None:
            raise Problem(404, "this hub has no identity provider; [oidc] in hub.toml names one")
        return self.state.provider

    def _away(self, away: ProviderAway) -> Problem:
        return Problem(503, f"the identity provider cannot be asked now: {away}", {"Retry-After": "5"})

    def _now_s(self) -> int:
        return self.state.clock() // SECOND


def _cookie(request: Request) -> str:
    return "__Host-cityhub-oidc" if request.url.scheme == "https" else "cityhub-oidc"


def _told(request: Request, problem: Problem) -> Response:
    """A refusal as a page for a browser, as ever for a program."""
    if "text/html" not in request.headers.get("accept", ""):
        raise problem
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>cityhub</title><p>{escape(problem.detail)}</p><p><a href="/">cityhub</a></p></html>'
    return HTMLResponse(page, problem.status_code, dict(problem.headers or {}))
