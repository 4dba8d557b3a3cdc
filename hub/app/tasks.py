"""How the hub's own tasks run: watched, so that a defect is said where people look, and started again where they can begin anew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hub.bilingual import Text
from hub.defects import told
from hub.health import Part

logger = logging.getLogger(__name__)

AGAIN_S = 5.0
"""Before a part of the hub that raised is started again."""


async def watched(work: Awaitable[None], part: Part | None) -> None:
    """A part that fails is a defect: say so where people look, with the traceback in the log of the process."""
    try:
        await work
    except asyncio.CancelledError:
        raise
    except Exception as error:
        if part is not None:
            part.report("failed", told(error) + Text("; restart the hub, and report this", "；请重启中枢并上报此缺陷"))
        logger.exception("%s has failed; restart the hub, and report this", part.name if part else "a part of the hub")


async def kept(loop: Callable[[], Awaitable[None]], part: Part) -> None:
    """A loop that raised is started again after a pause; a defect in it must not end it for good."""
    failures = 0
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await loop()
            return
        except asyncio.CancelledError:
            raise
        except Exception as error:
            part.report(
                "down", told(error) + Text(f"; started again every {AGAIN_S:.0f} s", f"；每 {AGAIN_S:.0f} 秒重新启动")
            )
            failures = 1 if asyncio.get_running_loop().time() - began > AGAIN_S else failures + 1
            if failures == 1:  # and not every five seconds for ever
                logger.exception("%s has failed and is started again; report this", part.name)
        await asyncio.sleep(AGAIN_S)
        part.report("up")
