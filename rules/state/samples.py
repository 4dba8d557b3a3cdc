"""What one series of one device has brought: kept in order of observed time, and bounded.

A sample with a time already there replaces it, so a reading seen twice adds nothing; a late one goes where its time belongs, as long as a
window still covers it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import inf
from typing import Any

from rules.figures.derived import LARGEST
from rules.state.windows import Window
from rules.taking import MAX_SAMPLES, SPARE

MANY_GO = 8
"""Bounds are found anew when at least one in so many samples goes: what that costs is spread over those that came."""


class Samples:
    """What one series of one device has brought, in order of observed time: one store for windows of all sizes over it.

    Arrays: 16 bytes a sample, where lists take 40 and as much time. What no window covers any more goes when it is a
    quarter of all, so that what stays is seldom moved. Of what something is derived of, the newest stay however old they are
    (`least`): the values at an earlier moment, for a reading that comes late (`rules.judging.deriving`).
    """

    __slots__ = ("first", "high", "least", "low", "overflow", "size", "times", "values", "windows")

    def __init__(self, size_ns: int, least: int = 0) -> None:
        self.times = array("q")
        self.values = array("d")
        self.first = 0
        """Number of the oldest sample that is kept: windows count samples from the beginning."""
        self.size = size_ns
        """Of the largest window that may be asked for, ns."""
        self.least = least
        """So many of the newest stay, whatever their age."""
        self.low, self.high = inf, -inf
        """No sample lies outside these, so no mean of any window does. Where samples have gone they may be wider than need be."""
        self.overflow = 0
        self.windows: tuple[Window, ...] = ()
        """A tuple, as nearly every series has one or none: a list of one takes twice as much."""

    def window(self, size_ns: int, closed: bool) -> Window:
        """A new window over the samples, made when somebody asks for it."""
        window = Window(self, size_ns, closed)
        self.windows = (*self.windows, window)
        return window

    def let_go(self, window: Window) -> None:
        """Nobody asks for this window any more."""
        self.windows = tuple(other for other in self.windows if other is not window)

    def add(self, at: int, value: float) -> bool:
        """Take a sample; False where it changes no window (seen already, too old, or beyond any number)."""
        if not -LARGEST <= value <= LARGEST:  # sums and squares of more end in infinity, which would stay for good
            return False
        times = self.times
        if times and at <= times[-1]:
            return self._add_late(at, value)
        self._widen(value)
        times.append(at)
        self.values.append(value)
        count = len(times)
        edge = at - self.size
        if (count > self.least + SPARE and times[count >> 2] < edge) or count > MAX_SAMPLES:
            outlived = min(bisect_left(times, edge), count - self.least)
            if not outlived:
                self.overflow += 1
            self._drop(outlived or 1)
        return True

    def _add_late(self, at: int, value: float) -> bool:
        times, values = self.times, self.values
        covered = at >= times[-1] - self.size
        index = bisect_left(times, at)
        if not covered and len(times) - index >= self.least:
            return False
        if times[index] == at:
            old = values[index]
            if old == value:
                return False
            self._widen(value)
            values[index] = value
            for window in self.windows:
                window.replace(self.first + index, at, old, value)
            return covered
        if len(times) >= MAX_SAMPLES:
            self.overflow += 1
            return False
        self._widen(value)
        times.insert(index, at)
        values.insert(index, value)
        for window in self.windows:
            window.insert(self.first + index, at, value)
        return covered

    def _widen(self, value: float) -> None:
        if value < self.low:
            self.low = float(value)
        if value > self.high:
            self.high = float(value)

    def before(self, at: int) -> tuple[int, float] | None:
        """Of the `least` newest, the newest of that moment or earlier, with its time; None where none is."""
        place = bisect_right(self.times, at) - 1
        return (self.times[place], self.values[place]) if place >= max(0, len(self.times) - self.least) else None

    @property
    def forgetful(self) -> bool:
        """Whether there may have been earlier ones than `before` knows."""
        return len(self.times) >= self.least

    def knows(self, at: int, value: object) -> bool:
        """Whether there is a sample of that moment with that value."""
        index = bisect_left(self.times, at)
        return index < len(self.times) and self.times[index] == at and self.values[index] == value

    def __contains__(self, at: int) -> bool:
        """Whether there is a sample of that moment."""
        index = bisect_left(self.times, at)
        return index < len(self.times) and self.times[index] == at

    def remove(self, at: int) -> None:
        """Forget the sample of that moment, where there is one."""
        times = self.times
        index = bisect_left(times, at)
        if index == len(times) or times[index] != at:
            return
        value = self.values[index]
        del times[index], self.values[index]
        for window in self.windows:
            window.remove(self.first + index, at, value)

    def stands_alone(self, at: int, value: float, by: float) -> bool:
        """Whether the samples before and after that moment both lie `by` or more to the same side of the value."""
        times, values = self.times, self.values
        after = bisect_right(times, at)
        before = bisect_left(times, at) - 1
        if before < 0 or after == len(times):
            return False
        off, other = value - values[after], value - values[before]
        return abs(off) >= by and abs(other) >= by and (off > 0) == (other > 0)

    def _drop(self, count: int) -> None:
        for window in self.windows:
            window.leave(count)
        del self.times[:count]
        del self.values[:count]
        self.first += count
        if count * MANY_GO > len(self.values):
            self._narrow()

    def _narrow(self) -> None:
        values = self.values
        self.low, self.high = (min(values), max(values)) if values else (inf, -inf)

    def recall(self, times: Sequence[int], values: Sequence[float]) -> None:
        """Put in what an earlier snapshot kept elsewhere, as far as it is older than what is here."""
        count = bisect_left(times, self.times[0]) if self.times else len(times)
        self.times[:0], self.values[:0] = array("q", times[:count]), array("d", values[:count])
        for window in self.windows:
            window.shift(count)
        self._narrow()

    def freeze(self) -> list[Any]:
        windows = [window.freeze() for window in self.windows]
        return [self.size, list(self.times), list(self.values), self.overflow, windows, self.low, self.high]

    @classmethod
    def thaw(cls, frozen: Sequence[Any]) -> Samples:
        size_ns, times, values, overflow, windows, *bounds = frozen
        samples = cls(size_ns)
        samples.overflow = overflow
        samples.times, samples.values = array("q", times), array("d", values)
        if bounds:
            samples.low, samples.high = bounds
        else:  # of an engine that knew none
            samples._narrow()
        for size_ns, closed, *state in windows:
            samples.window(size_ns, closed).thaw(state)
        return samples
