"""What stands before every route: where a request may come from, and what a browser may do with the answer.

A hub on loopback without tokens trusts whoever is on the machine. A page of any other site, open in a browser on that machine, is
not whoever: its requests carry `Origin` or `Sec-Fetch-Site`, or another name in `Host` (DNS rebinding), and are refused by them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api.auth import LOCAL, Token, who
from hub.api.problem import Problem, problem
from hub.api.state import State
from hub.config import is_loopback, split_address

LOCAL_NAMES = frozenset({"localhost"})
FORMS = frozenset({"text/plain", "application/x-www-form-urlencoded", "multipart/form-data"})
"""What a page of another site can post without asking first."""
CSP_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
CSP_DATA = "default-src 'none'; frame-ancestors 'none'"


class Gate:
    """ASGI middleware. `trusted`: the socket inside the data folder, whose file permissions are the authorisation."""

    def __init__(self, app: ASGIApp, state: State, trusted: bool) -> None:
        self._app, self._state, self._trusted = app, state, trusted
        api = state.config.api
        host, _ = split_address(api.listen)
        self._hosts = LOCAL_NAMES | {host.lower()} | {name.lower() for name in api.hosts}
        self._origins = {origin.rstrip("/").lower() for origin in api.origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answering = _with_headers(send, scope["path"], self._allowed(headers))
        why = None if self._trusted else self._refused(scope, headers)
        if why is not None:
            await problem(*why)(scope, receive, answering)
            return
        await self._app(scope, receive, answering)

    def _refused(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        if scope["path"].startswith("/tiles/"):
            return None  # public pictures, for maps on other pages too
        if self._state.tokens is None:
            if not self._known_host(headers.get("host", "")):
                return 403, (
                    f"this hub has no tokens, so it answers only to names of this machine, not to Host {headers.get('host', '')[:100]!r}; "
                    "give it tokens, or list the name in [api] hosts"
                )
            if scope["method"] == "POST" and _media_type(headers) in FORMS:
                return 415, (
                    f"Content-Type {_media_type(headers)} is what a page of another site could send; say what the body is, such as "
                    "application/json (curl --json does)"
                )
        return self._foreign(scope, headers)

    def _foreign(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Whether a page of another origin asks. A person who follows a link to the console is welcome."""
        if self._allowed(headers):
            return None
        origin = headers.get("origin")
        if origin is not None and (origin == "null" or _netloc(origin) != headers.get("host", "").lower()):
            return 403, f"pages of {origin[:100]!r} may not ask this hub; [api] origins lists those that may"
        follows_link = (
            scope["method"] == "GET"
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
            and not scope["path"].startswith("/api/")
        )
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not follows_link:
            return 403, "a page of another site asks this hub; [api] origins lists those that may"
        return None

    def _known_host(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or is_loopback(name)

    def _allowed(self, headers: Headers) -> str:
        """The request's origin where the city lists it, else nothing."""
        origin = headers.get("origin", "")
        return origin if origin.lower() in self._origins else ""


class Authority:
    """Who asks, by the token shown."""

    def __init__(self, state: State, trusted: bool) -> None:
        self._state = state
        self._trusted = trusted

    def admit(self, authorization: str | None, role: str) -> Token:
        """The token that asks. Raises `Problem`: 401 without a known token, 403 without the role."""
        token = self.known(authorization)
        if token is None:
            raise Problem(401, "a known token is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})
        if role not in token.roles:
            raise Problem(403, f"the token {token.name!r} lacks the role {role!r}")
        return token

    def known(self, authorization: str | None) -> Token | None:
        if self._trusted or self._state.tokens is None:
            return LOCAL
        return who(authorization, self._state.tokens)


def _with_headers(send: Send, path: str, allowed: str) -> Callable[[Message], Awaitable[None]]:
    page = path == "/" or path.startswith("/static/")
    tiles = path.startswith("/tiles/")

    async def answering(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = CSP_PAGE if page else CSP_DATA
            headers["X-Content-Type-Options"] = "nosniff"
            headers["X-Frame-Options"] = "DENY"
            headers["Referrer-Policy"] = "no-referrer"
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            headers["Cross-Origin-Resource-Policy"] = "cross-origin" if tiles or allowed else "same-origin"
            if not page and not tiles:
                headers.setdefault("Cache-Control", "no-store")
            if allowed:
                headers["Access-Control-Allow-Origin"] = allowed
                headers["Vary"] = "Origin"
        await send(message)

    return answering


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
