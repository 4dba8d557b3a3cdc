"""What is remembered of one series beside its samples."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple

from hub.model import Value
from rules.taking import RECENT_MAX


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


class Recent:
    """The latest texts or flags of one input of something derived, and their times, oldest first. Numbers are samples (`windows`)."""

    __slots__ = ("times", "values")

    def __init__(self) -> None:
        self.times = array("q")
        self.values: list[Value] = []

    def take(self, at: int, value: Value) -> bool:
        """Remember the value of that moment; False where it is known."""
        times, values = self.times, self.values
        if times and at <= times[-1]:
            place = bisect_left(times, at)
            if times[place] == at:
                known = values[place]
                values[place] = value
                return known != value
            times.insert(place, at)
            values.insert(place, value)
        else:
            times.append(at)
            values.append(value)
        if len(times) > RECENT_MAX:
            del times[0], values[0]
        return True

    def remove(self, at: int) -> None:
        """Forget the value of that moment, where there is one."""
        place = bisect_left(self.times, at)
        if place < len(self.times) and self.times[place] == at:
            del self.times[place], self.values[place]

    def before(self, at: int) -> tuple[int, Value] | None:
        """The newest of that moment or earlier, with its time; None where none is remembered so far back."""
        place = bisect_right(self.times, at) - 1
        return (self.times[place], self.values[place]) if place >= 0 else None

    @property
    def forgetful(self) -> bool:
        """Whether there may have been earlier ones than `before` knows."""
        return len(self.times) == RECENT_MAX

    def until(self, at: int) -> Recent:
        """Without what was observed later."""
        kept = Recent()
        for time, value in zip(self.times, self.values, strict=True):
            if time <= at:
                kept.take(time, value)
        return kept

    def freeze(self) -> list[Any]:
        return [list(self.times), self.values]

    @classmethod
    def thaw(cls, frozen: Sequence[Any]) -> Recent:
        times, values = frozen
        recent = cls()
        for at, value in zip(times, values, strict=True):
            recent.take(at, value)
        return recent
