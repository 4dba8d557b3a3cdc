"""Waiting for company before a group commit, where company comes. A lone reading, or one device that sends reading after reading and waits for
each answer, waits for nothing but the disk.

Company may come late: a broker that does not set TCP_NODELAY sends what has gathered in one piece, and only once it has the acknowledgement of
the piece before. So what tells whether waiting pays is how many entries a commit had, not how many appends came while it waited.
"""

from __future__ import annotations

import asyncio

LINGER_S = 0.006
"""How long a commit waits for more: an fdatasync, a change of threads and the waking of every reader cost the same for one entry as for
ten. At 1,000 readings a second six or seven go together."""
LINGER_ENTRIES = 100
"""With so many waiting a commit pays without waiting for more."""
ALONE = 16
"""After a wait that gave one entry all the same, so many commits go at once before the next is tried."""


class Linger:
    """When the commits of one stream wait. One wait at a time, in one event loop."""

    def __init__(self) -> None:
        self._over: asyncio.Future[None] | None = None
        self._alone = ALONE
        """How many commits still go at once."""
        self._closed = False

    def pays(self, entries: int) -> bool:
        """Whether a commit of what is there now should wait for more."""
        if self._closed or entries >= LINGER_ENTRIES:
            return False
        if self._alone:
            self._alone -= 1
            return False
        return True

    async def wait(self) -> None:
        """For `LINGER_S`, or until it is cut short."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        timer = loop.call_later(LINGER_S, self._cut_short)
        try:
            await self._over
        finally:
            timer.cancel()
            self._over = None

    def committed(self, entries: int, waited: bool, more: bool) -> None:
        """A commit had so many entries, after a wait or without one; `more` came meanwhile."""
        if entries > 1 or more:
            self._alone = 0
        elif waited:
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
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
