"""When a group commit begins: some milliseconds behind the one before, where company comes. A lone reading, or one device that sends reading
after reading and waits for each answer, waits for nothing but the disk.

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
        self._alone = ALONE
        """How many commits still go at once."""
        self._closed = False

    def begin(self, entries: int) -> None:
        """Have the next commit begin, of these entries and of what comes until then: once this turn of the loop is over, or later where
        waiting pays."""
        loop = asyncio.get_running_loop()
        wait_s = self._began_at + self._distance_s() - loop.time() if self._pays(entries) else 0.0
        self._waited = wait_s > 0
        self._timer = loop.call_later(wait_s, self._over) if self._waited else loop.call_soon(self._over)

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
