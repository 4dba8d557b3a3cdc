"""What a service manager hears: ready, stopping, reloading, alive (sd_notify(3)). Without NOTIFY_SOCKET nothing is said."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress

from hub.app.hanging import rest

PATIENCE_S = 5.0
"""How long a manager that is too busy to take a word is waited for. Its socket holds ten words (net.unix.max_dgram_qlen)."""


async def notify(*said: str) -> None:
    """One datagram of assignments such as "READY=1". Nobody listening is no error. The event loop goes on while the manager is busy."""
    until = time.monotonic() + PATIENCE_S
    while not _said(*said) and time.monotonic() < until:
        await asyncio.sleep(0.05)


async def reloading() -> None:
    """With the moment, by which `Type=notify-reload` tells this reload from an earlier one."""
    await notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


async def keep_alive() -> None:
    """Say that the event loop turns, twice in each span that the manager waits (WATCHDOG_USEC); a hub that hangs is restarted by it."""
    try:
        span_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6
    except ValueError:
        return
    if span_s <= 0 or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return
    while True:
        with suppress(MemoryError):
            _said("WATCHDOG=1")  # one that finds no room is not missed: the manager has ten before it
        await rest(span_s / 2)


def _said(*said: str) -> bool:
    """Whether the manager has it, or there is none. Never waits, for the event loop would wait too."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return True
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
            way.setblocking(False)
            way.sendto("\n".join(said).encode(), address)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
