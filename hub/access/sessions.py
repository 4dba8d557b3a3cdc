"""Sessions of people who logged in. They live in memory: a restart of the hub ends them all.

The browser keeps a random secret in a cookie, the hub only its SHA-256. A session also has a word against forged requests (CSRF),
which pages send in a header and other sites cannot know.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

import msgspec

from hub.access.people import Person
from hub.moment import SECOND

SESSIONS_MAX = 10_000
"""At once, of all users; the oldest gives way."""
OF_ONE_USER_MAX = 20


class Session(msgspec.Struct, frozen=True):
    """Who, since when, until when (ns)."""

    user: str
    csrf: str
    since: int
    until: int
    digest: str
    kept: str
    """The hash of the password that was shown: another password, or a user who is disabled, ends it."""
    person: Person | None = None
    """Who it is for the identity provider, for a log-in there; such a one has no password here."""
    id_token: str = ""
    """What the provider said then; it wants it again at the log-out."""


class Sessions:
    """`hours`: how long one lasts, used or not."""

    def __init__(self, clock: Callable[[], int], hours: float) -> None:
        self._clock, self._life = clock, int(hours * 3600 * SECOND)
        self._found: dict[str, Session] = {}

    def open(self, user: str, kept: str, person: Person | None = None, id_token: str = "") -> tuple[str, Session]:
        """The secret for the cookie, and the session."""
        self._sweep()
        own = [digest for digest, session in self._found.items() if session.user == user]
        for digest in own[: max(0, len(own) - OF_ONE_USER_MAX + 1)]:
            del self._found[digest]
        while len(self._found) >= SESSIONS_MAX:
            del self._found[next(iter(self._found))]
        shown, at = secrets.token_urlsafe(32), self._clock()
        csrf = secrets.token_urlsafe(32)
        session = Session(user, csrf, at, at + self._life, _digest(shown), kept, person, id_token)
        self._found[session.digest] = session
        return shown, session

    def of(self, shown: str | None) -> Session | None:
        """The session behind a cookie; None where there is none any more."""
        session = self._found.get(_digest(shown)) if shown else None
        if session is None or not session.since - SECOND <= self._clock() < session.until:
            return None
        return session

    def close(self, session: Session) -> None:
        self._found.pop(session.digest, None)

    def _sweep(self) -> None:
        at = self._clock()
        for digest in [digest for digest, session in self._found.items() if session.until <= at]:
            del self._found[digest]


def same(one: str, other: str) -> bool:
    """Two secrets, compared in constant time."""
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))


def _digest(shown: str) -> str:
    return hashlib.sha256(shown.encode("utf-8", "surrogateescape")).hexdigest()
