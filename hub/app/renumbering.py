"""With the holder of `rules`: has the log say among how many parts the rules are judged, once all machines want it so.

Machines are restarted one after another with another number in their city folders. Until the last of them says the same, the number stays as it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from hub.app.parts_number import PARTS, agreed
from hub.app.roles import Nodes
from hub.app.warning import Warner
from hub.model import Edition
from hub.ports import Log, LogFull

LOOK_EVERY_S = 1.0
AGREED_S = 10.0
"""So long all that are heard must say the same: one that is being restarted is not heard."""


class Renumbering:
    def __init__(self, log: Log, warner: Warner, nodes: Nodes, now: Callable[[], int], version: str) -> None:
        self._log, self._warner, self._nodes, self._now, self._version = log, warner, nodes, now, version

    async def run(self) -> None:
        wanted, since = 0, time.monotonic()
        noted = (0, 0)
        """The number that was in force, and the one that the log was told: once is enough."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            at, before = time.monotonic(), wanted
            wanted = agreed(self._nodes.all())
            if wanted != before:
                since = at
            change = self._warner.parts, wanted
            if not wanted or wanted == self._warner.parts or at - since < AGREED_S or change == noted:
                continue
            with suppress(LogFull, OSError):
                await self._log.events.append([Edition(self._now(), PARTS, self._version, str(wanted))])
                noted = change
