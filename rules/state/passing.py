"""What devices told while they were in a place: of a road segment the speeds of all that passed, not only of those that are still on it."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import fsum
from typing import Any

from rules.figures.ranks import DIGITS

MAX_TOLD = 20_000
"""Values of one place that are kept; the oldest give way."""


class Passing:
    """One series as told in one place, in order of observed time. A device's figures count as one, however often it reports: a bus that
    stands and reports every second is one vehicle."""

    __slots__ = ("names", "size", "times", "values")

    def __init__(self, size_ns: int) -> None:
        self.size = size_ns
        self.times = array("q")
        self.values = array("d")
        self.names: list[str] = []

    def add(self, at: int, name: str, value: float) -> None:
        """Take what a device told; told again for the same moment, it replaces what was."""
        times = self.times
        if times and at < times[-1] - self.size:
            return
        place = len(times) if not times or at > times[-1] else bisect_right(times, at)
        before = place - 1
        while before >= 0 and times[before] == at:
            if self.names[before] == name:
                self.values[before] = value
                return
            before -= 1
        times.insert(place, at)
        self.values.insert(place, value)
        self.names.insert(place, name)
        outlived = bisect_left(times, times[-1] - self.size)
        if outlived * 4 > len(times) or len(times) > MAX_TOLD:
            del times[: outlived or 1], self.values[: outlived or 1], self.names[: outlived or 1]

    def figure(self, function: str, now: int, size_ns: int, at_least: int) -> float | None:
        """The figure over [now - size, now), since what is observed at the end of a minute may come after its tick: `mean` of the devices' means, `count` of the devices, `min` and `max` of all values. None
        with fewer devices than `at_least`."""
        start, end = bisect_left(self.times, now - size_ns), bisect_left(self.times, now)
        told: dict[str, list[float]] = {}
        for name, value in zip(self.names[start:end], self.values[start:end], strict=True):
            told.setdefault(name, []).append(value)
        if len(told) < at_least:
            return 0.0 if function == "count" and at_least <= 1 else None
        if function == "count":
            return float(len(told))
        if function == "mean":
            return round(fsum(fsum(values) / len(values) for values in told.values()) / len(told), DIGITS)
        values = self.values[start:end]
        return min(values) if function == "min" else max(values)

    def freeze(self) -> list[Any]:
        return [self.size, list(self.times), list(self.values), list(self.names)]

    @classmethod
    def thaw(cls, frozen: Sequence[Any]) -> Passing:
        size_ns, times, values, names = frozen
        made = cls(size_ns)
        made.times, made.values, made.names = array("q", times), array("d", values), list(names)
        return made
