"""What is remembered of one series beside its samples."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple

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


class Recent:
    """The latest values of one input of something derived, and their times, oldest first."""

    __slots__ = ("times", "values")

    def __init__(self) -> None:
        self.times = array("q")
        self.values: array[float] | list[Value] = array("d")
        """Floats as an array, which takes a quarter of a list of them; a list as soon as anything else comes, so that each value
        stays of its type."""

    def take(self, at: int, value: Value) -> bool:
        """Remember the value of that moment; False where it is known."""
        times = self.times
        if type(value) is not float and type(self.values) is array:
            self.values = list(self.values)
        values: Any = self.values
        if times and at <= times[-1]:
            place = bisect_left(times, at)
            if times[place] == at:
                known = values[place]
                values[place] = value
                return bool(known != value)
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
    def full(self) -> bool:
        """Whether earlier ones may have been forgotten."""
        return len(self.times) == RECENT_MAX

    def until(self, at: int) -> Recent:
        """Without what was observed later."""
        kept = Recent()
        for time, value in zip(self.times, self.values, strict=True):
            if time <= at:
                kept.take(time, value)
        return kept

    def freeze(self) -> list[Any]:
        return [list(self.times), list(self.values)]

    @classmethod
    def thaw(cls, frozen: Sequence[Any]) -> Recent:
        times, values = frozen
        recent = cls()
        for at, value in zip(times, values, strict=True):
            recent.take(at, value)
        return recent
