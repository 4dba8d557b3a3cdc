"""What a service manager hears: ready, stopping, reloading, alive (sd_notify(3)). Without NOTIFY_SOCKET nothing is said."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress


def notify(*said: str) -> None:
    """One datagram of assignments such as "READY=1". Nobody listening is no error."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
        way.sendto("\n".join(said).encode(), address)


def reloading() -> None:
    """With the moment, by which `Type=notify-reload` tells this reload from an earlier one."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


async def keep_alive() -> None:
    """Say that the event loop turns, twice in each span that the manager waits (WATCHDOG_USEC); a hub that hangs is restarted by it."""
    try:
        span_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6
    except ValueError:
        return
    if span_s <= 0 or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(span_s / 2)
