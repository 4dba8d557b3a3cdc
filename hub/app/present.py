"""The present, folded from the log: newest values and open warnings, where somebody on this node asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hub.alerts import Alerts
from hub.api.state import ReaderState
from hub.app.ground import Ground
from hub.app.readers import Follower
from hub.app.tasks import Tasks
from hub.live import Live

LIVE_ENTRIES = 200_000
"""How far back it is folded from when it begins."""


class Present:
    """A node that only takes in, stores or delivers begins none, and decodes nobody's readings for it."""

    def __init__(self, ground: Ground) -> None:
        self.live, self.alerts = Live(), Alerts()
        self.readers: list[ReaderState] = []
        self._ground, self._tasks = ground, Tasks(ground.health)
        self._beginning = asyncio.Lock()

    async def begin(self, remember: Callable[[Sequence[Any]], None] = lambda events: None) -> None:
        """Fold the recent past, then follow; nothing where it follows already. `remember` is told of every event of the recent past."""
        async with self._beginning:
            if self.readers:
                return
            log = self._ground.log
            events, derived, alerts = log.events, log.derived, log.alerts
            since = [await asyncio.to_thread(stream.before, stream.next, LIVE_ENTRIES) for stream in (events, derived)]
            followers = [
                Follower("live", events, self.live.feed, since[0]),
                Follower("live_derived", derived, self.live.feed_found, since[1]),
                Follower("alerts", alerts, self.alerts.feed, alerts.first),
            ]
            for follower in followers:
                stream = log.streams[follower.state.stream]
                while follower.state.cursor < stream.next:
                    batch = await stream.read(follower.state.cursor, wait_s=0)
                    follower.take(batch)
                    if stream is events:
                        remember(batch.entries)
                    await asyncio.sleep(0)
            for follower in followers:
                self._ground.health.add(follower.state.part, required=True)
                self._ground.closely.append(follower.state)
                self._tasks.keep(follower.state.part, follower.run)
            self.readers = [follower.state for follower in followers]

    async def end(self) -> None:
        await self._tasks.end()
