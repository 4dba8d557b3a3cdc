"""How the hub's own tasks run: what raised begins anew after a pause, and says so where people look. No part of the hub ends for good by one
error: what has no threads, descriptors or memory for a moment must judge, store and deliver again when the moment is over, with nobody there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from hub.bilingual import Text
from hub.defects import told
from hub.health import Health, Part

logger = logging.getLogger(__name__)

AGAIN_S = (5.0, 60.0)
"""Before a part that raised begins anew; longer each time where it raises at once, up to the second."""


class Tasks:
    """Those of one part of a hub, which end together."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._tasks: list[asyncio.Task[Any]] = []

    def keep(self, part: Part | str, work: Callable[[], Awaitable[None]], required: bool = False) -> None:
        """Run what can begin anew whenever it raised. `part`: its own, or the name of one."""
        known = part if isinstance(part, Part) else self._health.part(part, required, "up")
        self._tasks.append(asyncio.create_task(kept(work, known)))

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()


async def kept(work: Callable[[], Awaitable[None]], part: Part) -> None:
    """Do it for good. `work` is called once more after it raised, and must be able to go on from where it was. A part that says nothing of itself
    is up again once it has worked for some seconds."""
    clock = asyncio.get_running_loop()
    failures = 0
    while True:
        began = clock.time()
        well = clock.call_later(AGAIN_S[0], _well, part, part.why) if failures else None
        try:
            await work()
            return
        except asyncio.CancelledError:
            raise
        except Exception as error:
            failures = 1 if clock.time() - began > AGAIN_S[1] else failures + 1
            pause_s = min(AGAIN_S[1], AGAIN_S[0] * 2 ** (failures - 1))
            with suppress(Exception):  # without memory for the words it begins anew all the same
                _say_so(part, error, pause_s, first=failures == 1)
        finally:
            if well is not None:
                well.cancel()
        await asyncio.sleep(pause_s)


def _say_so(part: Part, error: Exception, pause_s: float, first: bool) -> None:
    part.report("down", told(error) + Text(f"; begins anew in {pause_s:.0f} s", f"；{pause_s:.0f} 秒后重新开始"))
    if first:  # and not every few seconds for ever
        logger.error("%s has failed and begins anew; report this", part.name, exc_info=error)


def _well(part: Part, said: Text) -> None:
    """Unless it has said something else since."""
    if (part.state, part.why) == ("down", said):
        part.report("up")
