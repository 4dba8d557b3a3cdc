"""Whether a receiver agrees to be sent to, and how often: CloudEvents "HTTP 1.1 Web Hooks for Event Delivery" 1.0.2, clause 4.

Pure: the requests are the sink's, the time is an argument.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping

import msgspec

from hub.moment import SECOND

MINUTE = 60 * SECOND
HOLDS_NS = 24 * 3600 * SECOND
"""After so long the receiver is asked again (house default; the text names no time)."""
ASK_AGAIN_S = 300.0
"""Who has not agreed is not asked more often than this (house default)."""


class Consent(msgspec.Struct, frozen=True):
    """What the receiver said."""

    at: int
    per_minute: int | None
    """Requests; None: as many as there are."""


def asking(origin: str, per_minute: int) -> dict[str, str]:
    """Headers of the OPTIONS request (4.1.2, 4.1.4)."""
    wanted = {"WebHook-Request-Rate": str(per_minute)} if per_minute else {}
    return {"WebHook-Request-Origin": origin, **wanted}


def read(headers: Mapping[str, str], origin: str, now: int) -> Consent | str:
    """The consent in an answer's headers (names in lower case), or why there is none. Status codes say nothing (4.2)."""
    allowed = headers.get("webhook-allowed-origin", "").strip()
    if not allowed:
        return "the receiver has not agreed to be sent to: its answer to OPTIONS has no WebHook-Allowed-Origin"
    if allowed != "*" and allowed.lower() != origin.lower():
        return f"the receiver agrees to {allowed[:80]!r} only, not to {origin!r}"
    rate = headers.get("webhook-allowed-rate", "*").strip()
    if rate == "*":
        return Consent(now, None)
    if not re.fullmatch(r"[0-9]{1,9}", rate) or int(rate) == 0:
        return f"the receiver's WebHook-Allowed-Rate is {rate[:40]!r}; requests a minute or * were meant"
    return Consent(now, int(rate))


class Minute:
    """Requests of the last minute."""

    def __init__(self) -> None:
        self._at: deque[int] = deque()

    def wait_s(self, per_minute: int | None, now: int) -> float:
        """Seconds until one more may go, 0.0 for now; it is counted then."""
        while self._at and now - self._at[0] >= MINUTE:
            self._at.popleft()
        if per_minute is not None and len(self._at) >= per_minute:
            return (self._at[-per_minute] + MINUTE - now) / SECOND
        if per_minute is not None:
            self._at.append(now)
        return 0.0
