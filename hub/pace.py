"""How much each device may send."""

from __future__ import annotations

import time
from collections.abc import Callable

from hub.moment import SECOND

WINDOW_NS = 60 * SECOND
DEVICES_MAX = 200_000
"""Devices counted in one window; beyond it the window starts anew."""


class Pace:
    """What each device sent in this minute: a flood from one costs its neighbours nothing.

    The minute is the machine's own, which no setting of the clock makes shorter or longer; in a replay it is the recording's, since a
    year of minutes that is played in one is no flood.
    """

    def __init__(self, readings_s_max: float, monotonic: Callable[[], int] = time.monotonic_ns) -> None:
        self._most = max(1, round(readings_s_max * WINDOW_NS / SECOND))
        self._counts: dict[str, int] = {}
        self._monotonic = monotonic
        self._until = 0

    def look(self) -> None:
        """At the clock: before each group of readings."""
        at = self._monotonic()
        if at >= self._until or len(self._counts) > DEVICES_MAX:
            self._counts.clear()
            self._until = at + WINDOW_NS

    def allows(self, device: str) -> bool:
        """Whether the device may send one more in this minute."""
        count = self._counts[device] = self._counts.get(device, 0) + 1
        return count <= self._most
