"""Waiting for company before a group commit, where there is any: while entries come faster than the disk syncs, commits keep a short
distance. A lone append, or one client that waits for each answer, waits for nothing but the disk."""

from __future__ import annotations

import asyncio
import time

LINGER_S = 0.003
"""From the end of a commit to the beginning of the next, in busy times: at 1,000 entries a second four or five go together instead of
one or two, which spares syncs (the wear of flash), system calls and the waking of every reader."""
LINGER_ENTRIES = 200
"""With so many waiting a commit pays without waiting for more."""


class Linger:
    """The distance between the commits of one stream. One wait at a time, in one event loop."""

    def __init__(self) -> None:
        self._over: asyncio.Future[None] | None = None
        self._company = False
        """Whether the last commit was of several appends, or had others come in meanwhile."""
        self._ended = 0.0
        self._closed = False

    def committed(self, appends: int, waiting: int) -> None:
        """A commit of so many appends has ended, and so many entries wait."""
        self._company = appends > 1 or waiting > 0
        self._ended = time.monotonic()

    def rest_s(self, waiting: int) -> float:
        """How long a commit of so many entries should still wait for more; 0 or less: not at all."""
        if not self._company or waiting >= LINGER_ENTRIES or self._closed:
            return 0.0
        return self._ended + LINGER_S - time.monotonic()

    async def wait(self, seconds: float) -> None:
        """Until then, or until it is cut short."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        timer = loop.call_later(seconds, self._cut_short)
        try:
            await self._over
        finally:
            timer.cancel()
            self._over = None

    def grown(self, waiting: int) -> None:
        """So many entries wait now."""
        if waiting >= LINGER_ENTRIES:
            self._cut_short()

    def close(self) -> None:
        """End a wait, and begin no other."""
        self._closed = True
        self._cut_short()

    def _cut_short(self) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
