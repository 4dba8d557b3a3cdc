"""When a group commit begins: some milliseconds behind the one before, where company comes. A lone reading, or one device that sends reading
after reading and waits for each answer, waits for nothing but the disk.

Who reads a socket need not be woken by each piece of what comes either: until the next commit begins, none of it can be acknowledged. `rest_s`
says for how long it may lie there.

Company may come late: a broker that does not set TCP_NODELAY sends what has gathered in one piece, and only once it has the acknowledgement of
the piece before. So what tells whether waiting pays is how many entries a commit had, not how many appends came while it waited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

NEAR_S, FAR_S = 0.007, 0.025
"""From the beginning of one commit to that of the next, at least and at most: an fdatasync, a change of threads and the waking of every reader
cost the same for one entry as for ten. In between as long as `COMPANY` entries take to come."""
COMPANY = 8
LINGER_ENTRIES = 100
"""With so many waiting a commit pays without waiting for more."""
ALONE = 16
"""After a wait that gave one entry all the same, so many commits go at once before the next is tried."""
EARLY_S = 0.001
"""What rested is read so long before the commit that it goes with. A wait that would be shorter is none."""
REST_LEAST_S = 0.003
"""A shorter rest costs more, by waking at its end, than it saves."""
SMOOTHING = 0.2
"""Weight of one commit in what is known of the rate."""


class Linger:
    """Begins the commits of one stream. One at a time, in one event loop."""

    def __init__(self, commit: Callable[[], None]) -> None:
        self._commit = commit
        self._timer: asyncio.Handle | None = None
        """Of the commit that is to begin; None while none is."""
        self._began_at = 0.0
        """When the last one began, by the loop's clock."""
        self._spacing_s = 0.0
        """How long before that the one before had begun."""
        self._rate = 0.0
        """Entries a second, smoothed."""
        self._waited = False
        """Whether the commit that is to begin, or has begun, came later than it could have."""
        self._rests = False
        """Whether somebody rests, so that the next commit will have waited."""
        self._alone = ALONE
        """How many commits still go at once."""
        self._closed = False

    def begin(self, entries: int) -> None:
        """Have the next commit begin, of these entries and of what comes until then: once this turn of the loop is over, or later where
        waiting pays."""
        loop = asyncio.get_running_loop()
        wait_s = self._began_at + self._distance_s() - loop.time() if self._pays(entries) else 0.0
        waits = wait_s > EARLY_S
        self._waited, self._rests = waits or self._rests, False
        self._timer = loop.call_later(wait_s, self._over) if waits else loop.call_soon(self._over)

    def rest_s(self, entries: int) -> float:
        """For how long whoever has just given the stream something may leave unread what comes next, s: it could not be committed sooner.
        0 where nothing is gained. `entries`: that are there now."""
        if self._closed or self._alone or entries >= LINGER_ENTRIES:
            return 0.0
        at, distance_s = asyncio.get_running_loop().time(), self._distance_s()
        due = self._began_at + distance_s
        rest_s = (due if due - at > EARLY_S else at + distance_s) - at - EARLY_S
        if rest_s < REST_LEAST_S:
            return 0.0
        self._rests = True
        return rest_s

    def _pays(self, entries: int) -> bool:
        """Whether a commit of what is there now should wait for more."""
        if self._closed or entries >= LINGER_ENTRIES:
            return False
        if self._alone:
            self._alone -= 1
            return False
        return True

    def _distance_s(self) -> float:
        return max(NEAR_S, FAR_S if self._rate * FAR_S <= COMPANY else COMPANY / self._rate)

    def committed(self, entries: int, more: bool) -> None:
        """The commit had so many entries; `more` came meanwhile."""
        self._rate += SMOOTHING * (entries / max(self._spacing_s, NEAR_S) - self._rate)
        if entries > 1 or more:
            self._alone = 0
        elif self._waited:
            self._alone = ALONE

    def grown(self, entries: int) -> None:
        """So many entries are there now."""
        if entries >= LINGER_ENTRIES:
            self._cut_short()

    def close(self) -> None:
        """End a wait, and begin no other."""
        self._closed = True
        self._cut_short()

    def _cut_short(self) -> None:
        if self._timer is not None and self._waited:
            self._timer.cancel()
            self._over()

    def _over(self) -> None:
        at = asyncio.get_running_loop().time()
        self._timer, self._spacing_s, self._began_at = None, at - self._began_at, at
        self._commit()
