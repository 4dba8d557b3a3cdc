"""What stands before every route: where a request may come from, and what a browser may do with the answer.

A hub on loopback without tokens trusts whoever is on the machine. A page of any other site, open in a browser on that machine, is
not whoever: its requests carry `Origin` or `Sec-Fetch-Site`, or another name in `Host` (DNS rebinding), and are refused by them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.access import Principal
from hub.access.people import NotAdmitted
from hub.access.sessions import Session, same
from hub.access.users import User
from hub.api.auth import LOCAL, who
from hub.api.problem import Problem, problem
from hub.api.state import State
from hub.config import is_loopback, split_address

CSRF_HEADER = "X-CSRF-Token"
LOCAL_NAMES = frozenset({"localhost"})
FORMS = frozenset({"text/plain", "application/x-www-form-urlencoded", "multipart/form-data"})
"""What a page of another site can post without asking first."""
CSP_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
TWO_ENDS = "Transfer-Encoding and Content-Length say twice, and differently, where the body ends; one of them was meant"
PAGES = frozenset({"/", "/api/v1/docs"})
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
        answering = _with_headers(send, scope["path"], scope["scheme"], self._allowed(headers), bool(self._origins))
        if "transfer-encoding" in headers and "content-length" in headers:
            # Whoever stands in front may have read where it ends otherwise, and passed on a request of somebody else inside it (RFC 9112, 6.1).
            two = problem(400, TWO_ENDS, {"Connection": "close"})
            await two(scope, receive, answering)
            return
        why = None if self._trusted else self._refused(scope, headers)
        if why is not None:
            await problem(*why)(scope, receive, answering)
            return
        await self._app(scope, receive, answering)

    def _refused(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        if scope["path"].startswith("/tiles/"):
            return None  # public pictures, for maps on other pages too
        if not self._state.asks:
            if not self._known_host(headers.get("host", "")):
                return 403, (
                    f"this hub has neither users nor tokens, so it answers only to names of this machine, not to Host {headers.get('host', '')[:100]!r}; "
                    "give it users or tokens, or list the name in [api] hosts"
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
    """Who asks: by the token shown, by the session of the cookie, or whoever is on the machine where nobody is asked."""

    def __init__(self, state: State, trusted: bool) -> None:
        self._state = state
        self._trusted = trusted

    def admit(self, request: Request, right: str, whole: bool = False) -> Principal:
        """Who asks. Raises `Problem`: 401 for who is not known, 403 without the right, or, where `whole`, with it for a part only."""
        who = self.known(request)
        if who is None:
            raise Problem(
                401,
                "a known token is needed (Authorization: Bearer …), or a log-in (POST /api/v1/login)",
                {"WWW-Authenticate": "Bearer"},
            )
        request.state.who = who
        if not who.has(right):
            raise Problem(403, f"the {who.kind} {who.name!r} lacks the right {right!r}")
        if whole and not who.everywhere(right):
            raise Problem(403, f"this is about the whole hub, and the {who.kind} {who.name!r} is granted a part of it")
        return who

    def known(self, request: Request) -> Principal | None:
        """Who asks, None for nobody known. Raises `Problem` 403 for a session's act without its CSRF word."""
        if self._trusted or not self._state.asks:
            return LOCAL
        authorization = request.headers.get("authorization")
        if authorization is not None:
            token = who(authorization, self._state.tokens or {})
            return token.principal if token else None
        session = self.session(request)
        if session is None:
            return self._certified(request)
        if request.method not in ("GET", "HEAD") and not same(request.headers.get(CSRF_HEADER, ""), session.csrf):
            raise Problem(
                403, f"the header {CSRF_HEADER} is missing or not that of this log-in; GET /api/v1/session tells it"
            )
        user = self.user_of(session)
        return user.principal if user else None

    def _certified(self, request: Request) -> Principal | None:
        """Whose verified client certificate this is: that of the user, else the token, of one of its names."""
        for name in getattr(request.state, "certificate", ()):
            user = self._state.roll.users.get(name)
            if user is not None:
                return None if user.disabled else user.principal
            if name in (self._state.tokens or {}):
                return (self._state.tokens or {})[name].principal
        return None

    def session(self, request: Request) -> Session | None:
        """The log-in behind the cookie, as long as the user may come in."""
        session = self._state.sessions.of(request.cookies.get(cookie_name(request)))
        return session if session is not None and self.user_of(session) is not None else None

    def user_of(self, session: Session) -> User | None:
        """Whose log-in it is: the user with the password of then, or whom the identity provider sent; None for who may not come in now."""
        state = self._state
        if session.person is None:
            return state.roll.users.get(session.user) if session.kept == state.roll.kept(session.user) else None
        try:
            found = state.people.user(session.person) if state.people else None
        except NotAdmitted:
            return None
        return found if found is not None and found.user == session.user else None


def cookie_name(request: Request) -> str:
    """`__Host-` binds the cookie to this very host and to TLS; browsers take it over TLS alone."""
    return "__Host-cityhub" if request.url.scheme == "https" else "cityhub"


def give_session(request: Request, answer: Response, shown: str) -> None:
    """The cookie of a session that was opened just now."""
    secure = request.url.scheme == "https"
    answer.set_cookie(cookie_name(request), shown, path="/", httponly=True, samesite="strict", secure=secure)


def _with_headers(
    send: Send, path: str, scheme: str, allowed: str, varies: bool
) -> Callable[[Message], Awaitable[None]]:
    """`varies`: the answer's headers depend on the origin that asks, so that a cache must not give one's to another."""
    page = path in PAGES or path.startswith("/static/")
    tiles = path.startswith("/tiles/")

    async def answering(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = CSP_PAGE if page else CSP_DATA
            headers["X-Content-Type-Options"] = "nosniff"
            headers["X-Frame-Options"] = "DENY"
            headers["Referrer-Policy"] = "no-referrer"
            if scheme == "https":
                headers["Strict-Transport-Security"] = "max-age=31536000"
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            headers["Cross-Origin-Resource-Policy"] = "cross-origin" if tiles or allowed else "same-origin"
            if not page and not tiles:
                # What has a tag may be kept by who asked for it, and is asked for again each time: a log-out, too, is heard.
                headers.setdefault("Cache-Control", "private, no-cache" if "etag" in headers else "no-store")
            if varies:
                headers.add_vary_header("Origin")
            if allowed:
                headers["Access-Control-Allow-Origin"] = allowed
        await send(message)

    return answering


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
