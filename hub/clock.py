"""The one place that asks the machine what time it is. Everything pure gets the time as an argument."""

from __future__ import annotations

import time


def now() -> int:
    """The machine's time, ns since 1970 UTC."""
    return time.time_ns()


class ToldClock:
    """A clock that moves only when told: of a recording that is replayed, of a simulated town that hurries."""

    def __init__(self, at: int = 0) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at
