"""Stretches of a series in order of size: moved on with each demand, instead of gathered and sorted anew."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import Protocol


class _Series(Protocol):
    first: int
    values: array[float]


class Stretches:
    """The values of some stretches of a series, all together in order of size. Samples are numbered from the beginning of their series,
    so that old ones may go. Costs O(log n) and one move of memory for each sample that comes or goes."""

    __slots__ = ("bounds", "ranked")

    def __init__(self) -> None:
        self.ranked: list[float] = []
        self.bounds: list[tuple[int, int]] = []
        """(number of the first sample, that behind the last one) of each stretch, the newest stretch first."""

    def move(self, samples: _Series, bounds: Sequence[tuple[int, int]]) -> list[float]:
        """The values of these stretches in order of size. Bounds only ever move forward with time; where they have moved by more
        than they hold, all is sorted anew."""
        before = self.bounds
        self.bounds = list(bounds)
        if before == self.bounds:
            return self.ranked
        old, new = set(before), set(bounds)
        gone, come = [pair for pair in before if pair not in new], [pair for pair in bounds if pair not in old]
        if len(gone) != len(come) or not all(_near(a, b) for a, b in zip(gone, come, strict=True)):
            first, values = samples.first, samples.values
            self.ranked = sorted(value for start, end in bounds for value in values[start - first : end - first])
            return self.ranked
        for (start, end), (to_start, to_end) in zip(gone, come, strict=True):
            self._take(samples, min(to_start, start), start)
            self._take(samples, end, max(end, to_end))
            self._drop(samples, start, max(start, to_start))
            self._drop(samples, min(end, to_end), end)
        return self.ranked

    def cut(self, samples: _Series, number: int) -> None:
        """Samples before that one are about to go from their series."""
        if all(start >= number for start, _ in self.bounds):
            return
        for start, end in self.bounds:
            self._drop(samples, start, min(end, number))
        self.bounds = [(max(start, number), max(end, number)) for start, end in self.bounds]

    def _take(self, samples: _Series, start: int, end: int) -> None:
        for value in _between(samples, start, end):
            insort(self.ranked, value)

    def _drop(self, samples: _Series, start: int, end: int) -> None:
        for value in _between(samples, start, end):
            del self.ranked[bisect_left(self.ranked, value)]


def _near(before: tuple[int, int], now: tuple[int, int]) -> bool:
    """Whether two stretches share most of what they hold."""
    (start, end), (to_start, to_end) = before, now
    return 2 * (abs(to_start - start) + abs(to_end - end)) <= max(end - start, to_end - to_start)


def _between(samples: _Series, start: int, end: int) -> Iterable[float]:
    return samples.values[start - samples.first : end - samples.first] if start < end else ()
