"""A hub whose event loop hangs ends by itself. A service manager's watchdog does the same (`notifying`), but a container and a terminal have none,
and a hub that hangs takes in and judges nothing while it looks as if it ran."""

from __future__ import annotations

import asyncio
import faulthandler
import signal

HANGS_S = 60.0
"""The event loop has not turned for so long: as `WatchdogSec` of the unit. Turns take milliseconds; the longest, a start with a large city, some
seconds."""


async def end_when_it_hangs(limit_s: float = HANGS_S) -> None:
    """Until it is cancelled. The process ends by SIGALRM, and what each of its threads was doing stands on standard error. The kernel's timer and a
    handler in C need neither a thread nor memory nor Python's lock, of which a hub that hangs may have none. The timer rests while the machine
    sleeps (setitimer(2)), but not while the process is stopped (SIGSTOP, Ctrl-Z, `docker pause`): after a minute of that it ends as it goes on, and loses
    nothing by it. Main thread only."""
    faulthandler.register(signal.SIGALRM, file=2, all_threads=True, chain=True)
    try:
        while True:
            signal.setitimer(signal.ITIMER_REAL, limit_s)
            await rest(limit_s / 6)
    except asyncio.CancelledError:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.unregister(signal.SIGALRM)
        raise


async def rest(seconds: float) -> None:
    """Sleep so long; only for a turn of the loop where there is no memory for a timer: a loop that turns must not be taken for one that hangs by that."""
    try:
        await asyncio.sleep(seconds)
    except MemoryError:
        await asyncio.sleep(0)
