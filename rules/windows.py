"""Windows over one series of one device: keyed by observed time, incremental, bounded.

A window of size S holds the samples with observed times in (newest - S, newest]; a `closed` one, for differences, also
the sample that stands exactly at newest - S. A sample with a time already there replaces it, so a reading seen twice
adds nothing; a late one goes where its time belongs, as long as the window still covers it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from math import fsum, sqrt
from typing import Any, NamedTuple

from rules.aqi import nowcast

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
MAX_SAMPLES = 20_000
"""Samples that one window keeps; the oldest give way, and `overflow` counts them."""
DIGITS = 9
"""Results are rounded to this many decimals, so that 0.9 m - 0.6 m is 0.3 m and not a bit less."""
NEAR = 1e-9
FEW = 8
"""So many samples are looked through for their least or greatest faster than extremes are kept up to date."""


class WindowKey(NamedTuple):
    series: str
    size_ns: int
    closed: bool


class Window:
    """Samples of one series in order of observed time; a running sum (compensated) and extremes from the first demand on.

    Arrays: 16 bytes a sample, where lists take 40 and as much time; most windows hold a few dozen samples, for which a
    deque's first block of 600 bytes would be too much. Dropping the oldest of 20,000 costs 5 µs.
    """

    __slots__ = ("_compensation", "_highs", "_lows", "_sum", "closed", "overflow", "size", "times", "values")

    def __init__(self, size_ns: int, closed: bool) -> None:
        self.size = size_ns
        self.closed = closed
        self.times = array("q")
        self.values = array("d")
        self.overflow = 0
        self._sum: float | None = None
        self._compensation = 0.0
        self._lows: list[tuple[int, float]] | None = None
        self._highs: list[tuple[int, float]] | None = None

    # ------------------------------------------------------------------------------------------ samples

    def add(self, at: int, value: float) -> bool:
        """Take a sample; False where it changes nothing (seen already, too old, or no finite number)."""
        if value - value != 0:
            return False
        times, values = self.times, self.values
        if times and at <= times[-1]:
            return self._add_late(at, value)
        times.append(at)
        values.append(value)
        if (before := self._sum) is not None:  # as `_account`, without the call
            total = self._sum = before + value
            part = total - before
            self._compensation += (before - (total - part)) + (value - part)
        if self._lows is not None:
            _push_low(self._lows, at, value)
        if self._highs is not None:
            _push_high(self._highs, at, value)
        if times[0] <= at - self.size:
            self._drop(at - self.size)
        elif len(times) > MAX_SAMPLES:
            self._drop_first()
            self.overflow += 1
        return True

    def _add_late(self, at: int, value: float) -> bool:
        edge = self.times[-1] - self.size
        if at < edge or (at == edge and not self.closed):
            return False
        index = bisect_left(self.times, at)
        if self.times[index] == at:
            old = self.values[index]
            if old == value:
                return False
            self.values[index] = value
            self._account(-old)
        else:
            if len(self.times) >= MAX_SAMPLES:
                self.overflow += 1
                return False
            self.times.insert(index, at)
            self.values.insert(index, value)
        self._account(value)
        self._lows = self._highs = None
        return True

    def trim(self, now: int) -> int:
        """Forget what the window no longer covers at `now`; how many samples it holds then."""
        times, edge = self.times, now - self.size
        if times and times[0] <= edge:
            self._drop(edge)
        return len(times)

    def _drop(self, edge: int) -> None:
        """Forget samples at `edge` and before; a closed window keeps one exactly at it."""
        if self.closed:
            edge -= 1
        times = self.times
        while times and times[0] <= edge:
            self._drop_first()
        if not times and self._sum is not None:
            self._sum = self._compensation = 0.0

    def _drop_first(self) -> None:
        at, value = self.times.pop(0), self.values.pop(0)
        if (before := self._sum) is not None:  # as `_account`, without the call
            total = self._sum = before - value
            part = total - before
            self._compensation += (before - (total - part)) - (value + part)
        if self._lows and self._lows[0][0] == at:
            self._lows.pop(0)
        if self._highs and self._highs[0][0] == at:
            self._highs.pop(0)

    def _account(self, value: float) -> None:
        """Add exactly (Knuth's two-sum; what the sum loses goes to the compensation): adding and taking away for years
        leaves no drift."""
        before = self._sum
        if before is None:
            return
        total = self._sum = before + value
        part = total - before
        self._compensation += (before - (total - part)) + (value - part)

    def total(self) -> float:
        """The sum, not rounded."""
        if self._sum is None:
            self._sum = fsum(self.values)
        return self._sum + self._compensation

    # ------------------------------------------------------------------------------------------ figures at `now`

    def figure(self, function: str, now: int, parameter: float, at_least: int) -> float | None:
        """The figure called `function`; None with fewer samples than `at_least` (or than it needs). Generated code, which
        knows the function, trims and calls it by itself."""
        if self.trim(now) < at_least:
            return 0.0 if function == "count" and at_least <= 1 else None
        if function == "nowcast":
            return self.nowcast(now)
        result: float | None = (
            getattr(self, function)(parameter) if function == "percentile" else getattr(self, function)()
        )
        return result

    def near_mean(self, now: int, at_least: int) -> float | None:
        """The mean before it is rounded, which costs more than all the rest: within `NEAR` of what `mean` gives."""
        count = self.trim(now)
        return self.total() / count if count >= at_least else None

    def count(self) -> float:
        return float(len(self.times))

    def sum(self) -> float:
        return round(self.total(), DIGITS)

    def mean(self) -> float:
        return round(self.total() / len(self.times), DIGITS)

    def last(self) -> float:
        return self.values[-1]

    def std(self) -> float | None:
        return deviation(self.values)

    def percentile(self, share: float) -> float:
        return percentile(self.values, share)

    def nowcast(self, now: int) -> float | None:
        """The PM NowCast of the hourly means before `now`: the hour that ends now is the newest."""
        hours: list[list[float]] = [[] for _ in range(12)]
        for at, value in zip(self.times, self.values, strict=True):
            age = (now - at) // HOUR
            if age < 12:
                hours[age].append(value)
        return nowcast([fsum(hour) / len(hour) if hour else None for hour in hours])

    def min(self) -> float:
        if len(self.values) <= FEW:
            return min(self.values)
        if self._lows is None:
            self._lows = []
            for at, value in zip(self.times, self.values, strict=True):
                _push_low(self._lows, at, value)
        return self._lows[0][1]

    def max(self) -> float:
        if len(self.values) <= FEW:
            return max(self.values)
        if self._highs is None:
            self._highs = []
            for at, value in zip(self.times, self.values, strict=True):
                _push_high(self._highs, at, value)
        return self._highs[0][1]

    def delta(self) -> float | None:
        """Newest minus oldest."""
        return round(self.values[-1] - self.values[0], DIGITS) if len(self.times) > 1 else None

    def rate(self) -> float | None:
        """Delta per second, once the samples span at least half the window: two neighbours in time would be noise."""
        span = self.times[-1] - self.times[0]
        if span * 2 < self.size:
            return None
        return (self.values[-1] - self.values[0]) / (span / SECOND)

    def rise(self) -> float | None:
        """Newest minus lowest."""
        return round(self.values[-1] - self.min(), DIGITS) if len(self.times) > 1 else None

    def fall(self) -> float | None:
        """Highest minus newest."""
        return round(self.max() - self.values[-1], DIGITS) if len(self.times) > 1 else None

    # ------------------------------------------------------------------------------------------ snapshot

    def freeze(self) -> list[Any]:
        return [list(self.times), list(self.values), self._sum, self._compensation, self.overflow]

    def thaw(self, frozen: Sequence[Any]) -> None:
        times, values, self._sum, self._compensation, self.overflow = frozen
        self.times, self.values = array("q", times), array("d", values)


def _push_low(lows: list[tuple[int, float]], at: int, value: float) -> None:
    while lows and lows[-1][1] >= value:
        lows.pop()
    lows.append((at, value))


def _push_high(highs: list[tuple[int, float]], at: int, value: float) -> None:
    while highs and highs[-1][1] <= value:
        highs.pop()
    highs.append((at, value))


def percentile(values: Sequence[float], share: float) -> float:
    """Linear between closest ranks (numpy's default)."""
    ranked = sorted(values)
    rank = (len(ranked) - 1) * share / 100
    low = int(rank)
    high = min(low + 1, len(ranked) - 1)
    return round(ranked[low] + (ranked[high] - ranked[low]) * (rank - low), DIGITS)


def deviation(values: Sequence[float]) -> float | None:
    """Standard deviation of a sample; None with fewer than two."""
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return round(sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1)), DIGITS)


def pooled(function: str, windows: Sequence[Window], now: int, parameter: float, at_least: int) -> float | None:
    """The figure over several devices' windows; `at_least` counts devices that have samples.

    Samples are pooled for count, sum, mean, min, max, std and percentile; `last` is the mean of the newest values;
    rate, delta, rise and fall are the largest of any device.
    """
    filled = [window for window in windows if window.trim(now)]
    if len(filled) < at_least:
        return 0.0 if function == "count" and at_least <= 1 else None
    if function in ("rate", "delta", "rise", "fall"):
        figures = [figure for window in filled if (figure := getattr(window, function)()) is not None]
        return max(figures) if figures else None
    if function in ("percentile", "std"):
        values = [value for window in filled for value in window.values]
        return percentile(values, parameter) if function == "percentile" else deviation(values)
    if function in ("min", "max"):
        if function == "min":
            return min(window.min() for window in filled)
        return max(window.max() for window in filled)
    if function == "last":
        return round(sum(window.values[-1] for window in filled) / len(filled), DIGITS)
    number = sum([len(window.times) for window in filled])
    if function == "count":
        return float(number)
    total = sum([window.total() for window in filled])
    return round(total if function == "sum" else total / number, DIGITS)
