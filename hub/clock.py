"""The one place that asks the machine what time it is. Everything pure gets the time as an argument."""

from __future__ import annotations

import time


def now() -> int:
    """The machine's time, ns since 1970 UTC."""
    return time.time_ns()
