"""The one place that asks the machine what time it is. Everything pure gets the time as an argument."""

from __future__ import annotations

import time
from collections.abc import Callable


def now() -> int:
    """The machine's time, ns since 1970 UTC."""
    return time.time_ns()


def hurried(speed: float) -> Callable[[], int]:
    """A clock that starts at the machine's time and runs so many times as fast, for a hub that only hears simulated
    devices which keep the same time."""
    start, began = time.time_ns(), time.monotonic_ns()
    return lambda: start + round((time.monotonic_ns() - began) * speed)
