"""What is remembered of one series beside its samples."""

from __future__ import annotations

from typing import NamedTuple

from hub.model import Value


class Jump(NamedTuple):
    """A value that left the one before it."""

    at: int
    before: float
    value: float
    told: int
    """Its time as the device told it, where that is later than `at`."""


class Leap(NamedTuple):
    """The newest value of a metric, while no other bears it out."""

    at: int
    told: int
    """Its time as the device told it."""
    before: float | None
    """The value that it left; None of a first value."""
    base: tuple[int, int, float] | None
    """(at, told, value) of that value, where nothing bears it out either."""


RECENT_MAX = 24
"""Values of each input that a subject remembers: a day of hourly ones."""


Recent = dict[str, tuple[list[int], list[Value]]]
"""By input, its latest values and their times, oldest first."""
