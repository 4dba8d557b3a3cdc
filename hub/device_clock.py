"""Whose time a reading has: its device's, or, for devices whose clock is useless or has rolled over, the hub's. Pure."""

from __future__ import annotations

from hub.moment import SECOND

CLOCKS = ("device", "hub", "gps-week")
ROLLOVER_NS = 1024 * 7 * 86_400 * SECOND
"""The week number of GPS has 10 bits (IS-GPS-200, 20.3.3.3.1.1): an old receiver is 1,024 weeks behind, or twice that."""
LATE_MAX_NS = 30 * 86_400 * SECOND
AHEAD_MAX_NS = 600 * SECOND


def without_rollover(observed: int, received: int) -> int:
    """The observed time moved on by whole rollovers where that, and nothing else, brings it to at most 30 days before its reception."""
    turns = (received - observed + AHEAD_MAX_NS) // ROLLOVER_NS
    moved = observed + turns * ROLLOVER_NS
    return moved if turns > 0 and received - moved <= LATE_MAX_NS else observed
