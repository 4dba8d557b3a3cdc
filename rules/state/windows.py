"""Windows over one series of one device, moved on as its samples come and go, and the figures they give.

A window of size S, asked at a moment, holds the samples observed after moment - S; a `closed` one, for differences, also
the sample that stands exactly there.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import fsum
from typing import Any, Protocol

from rules.figures.aqi import nowcast
from rules.figures.ranks import DIGITS, deviation, of_ranked, spread
from rules.figures.trends import FEWEST, middle, same_hour
from rules.language.ir import OF_NOW
from rules.state.stretches import Stretches

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
FEW_TO_SORT = 64
"""So many samples are sorted at each demand faster than they are kept in order."""
FEW = 8
"""So many samples are looked through for their least or greatest faster than extremes are kept up to date."""


class Series(Protocol):
    """What a window looks at (`rules.state.samples`)."""

    first: int
    """Number of the oldest sample that is still there: they are numbered from the beginning of the series."""
    times: array[int]
    values: array[float]


class Window:
    """The samples of the last so many ns: a running sum (compensated) and extremes from the first demand on, brought up to
    date when they are asked for."""

    __slots__ = (
        "_compensation",
        "_end",
        "_highs",
        "_lows",
        "_ordered",
        "_ranked",
        "_reach",
        "_spread",
        "_stretches",
        "_sum",
        "begins",
        "closed",
        "samples",
        "size",
    )

    def __init__(self, samples: Series, size_ns: int, closed: bool) -> None:
        self.samples = samples
        self.size = size_ns
        self.closed = closed
        self._reach = size_ns + 1 if closed else size_ns
        """Samples so old, or older, are outside. The same number as the size where it can be: another takes 32 bytes a window."""
        self.begins = samples.first
        """Number of the first sample inside."""
        self._end = samples.first
        """And of the one behind the last that is accounted for in sum and extremes."""
        self._sum: float | None = None
        self._compensation = 0.0
        self._lows: list[tuple[int, float]] | None = None
        self._highs: list[tuple[int, float]] | None = None
        self._ranked: list[float] | None = None
        """What is accounted for, in order of size; made anew from the samples after a snapshot."""
        self._stretches: dict[str, Stretches] | None = None
        """Parts of the window in order of size, by what they are; made anew from the samples after a snapshot or a late sample."""
        self._spread: tuple[int, int, float | None] | None = None
        """What `spread` said while the window began and ended there: several conditions ask it of one reading."""
        self._ordered = False
        """Whether extremes or ranks were ever asked for: only sums are slid on without them."""

    # ------------------------------------------------------------------------------------------ samples

    @property
    def times(self) -> array[int]:
        """Of what the window covers at the newest sample."""
        return self.samples.times[self._covered() :]

    @property
    def values(self) -> array[float]:
        return self.samples.values[self._covered() :]

    def _covered(self) -> int:
        times = self.samples.times
        return bisect_right(times, times[-1] - self._reach) if times else 0

    def trim(self, now: int) -> int:
        """Cover what lies within the window's size before `now`; how many samples that are."""
        samples = self.samples
        times, edge = samples.times, now - self._reach
        start, count = self.begins - samples.first, len(times)
        if start < count and times[start] <= edge:
            stop = start + 1
            if stop < count and times[stop] <= edge:
                stop = bisect_right(times, edge, stop)
            if self._sum is None and not self._lows and not self._highs and self._ranked is None:
                self.begins = samples.first + stop
            else:
                self.leave(stop)
            return count - stop
        if start and times[start - 1] > edge:
            return count - self._reach_back(start, edge)
        return count - start

    @property
    def sums(self) -> bool:
        """Whether it keeps a running sum, whose last bit hangs on the way that the window took."""
        return self._sum is not None

    def until(self) -> int:
        """When time alone lets the first sample leave that is inside; far ahead where none is."""
        times, start = self.samples.times, self.begins - self.samples.first
        return times[start] + self._reach if start < len(times) else 1 << 62

    def shift(self, count: int) -> None:
        """So many samples have come before the oldest; the window covers none of them."""
        self.begins += count
        self._end += count

    def leave(self, stop: int) -> None:
        """Samples before the one at place `stop` are outside."""
        samples = self.samples
        start, end = self.begins - samples.first, self._end - samples.first
        if self._stretches is not None:
            for stretch in self._stretches.values():
                stretch.cut(samples, samples.first + stop)
        if stop <= start:
            return
        if self._sum is not None:
            if stop >= end:  # nobody has asked for long; it is summed anew for who asks next
                self._sum = None
            else:
                for value in samples.values[start:stop]:
                    self._account(-value)
        if self._ranked is not None:
            for value in samples.values[start : min(stop, end)]:
                del self._ranked[bisect_left(self._ranked, value)]
        if self._lows or self._highs:
            edge = samples.times[stop - 1]
            for extremes in (self._lows or [], self._highs or []):
                del extremes[: next((n for n, (at, _) in enumerate(extremes) if at > edge), len(extremes))]
        self.begins = samples.first + stop
        if self._end < self.begins:
            self._end = self.begins

    def _reach_back(self, start: int, edge: int) -> int:
        """An earlier moment is asked for than the last one."""
        times, begin = self.samples.times, start
        while begin and times[begin - 1] > edge:
            begin -= 1
        if self._sum is not None:
            for value in self.samples.values[begin:start]:
                self._account(value)
        if self._ranked is not None:
            for value in self.samples.values[begin:start]:
                insort(self._ranked, value)
        self._lows = self._highs = None
        self.begins = self.samples.first + begin
        return begin

    def insert(self, number: int, at: int, value: float) -> None:
        """A late sample of that moment has become the one of that number."""
        self._stretches = self._spread = None
        if number <= self.begins:
            self.begins += 1
            self._end += 1
        elif number < self._end:
            self._end += 1
            self._account(value)
            if self._ranked is not None:
                insort(self._ranked, value)
            self._mend(at)

    def remove(self, number: int, at: int, value: float) -> None:
        """The sample of that number, moment and value is no more."""
        self._stretches = self._spread = None
        if number < self.begins:
            self.begins -= 1
            self._end -= 1
        elif number < self._end:
            self._end -= 1
            self._account(-value)
            if self._ranked is not None:
                del self._ranked[bisect_left(self._ranked, value)]
            self._mend(at)

    def replace(self, number: int, at: int, old: float, value: float) -> None:
        """The sample of that number and moment has another value now."""
        self._stretches = self._spread = None
        if self.begins <= number < self._end:
            self._account(-old)
            self._account(value)
            if self._ranked is not None:
                del self._ranked[bisect_left(self._ranked, old)]
                insort(self._ranked, value)
            self._mend(at)

    def _mend(self, at: int) -> None:
        """The sample of that moment came, went or has another value: extremes that are older stand, and what came behind the newest of them is
        pushed again."""
        samples = self.samples
        times, start, end = samples.times, self.begins - samples.first, self._end - samples.first
        for extremes, push in ((self._lows, _push_low), (self._highs, _push_high)):
            if extremes is None:
                continue
            while extremes and extremes[-1][0] >= at:
                extremes.pop()
            since = bisect_right(times, extremes[-1][0]) if extremes else start
            for number in range(since, end):
                push(extremes, times[number], samples.values[number])

    def _catch_up(self) -> None:
        """Account for the samples that came since the last demand."""
        samples = self.samples
        end = max(self.begins, self._end) - samples.first
        if end == len(samples.times):
            return
        if self._sum is not None:
            for value in samples.values[end:]:
                self._account(value)
        if self._ranked is not None:
            for value in samples.values[end:]:
                insort(self._ranked, value)
        for extremes, push in ((self._lows, _push_low), (self._highs, _push_high)):
            if extremes is not None:
                for at, value in zip(samples.times[end:], samples.values[end:], strict=True):
                    push(extremes, at, value)
        self._end = samples.first + len(samples.times)

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
        samples, before = self.samples, self._sum
        number = samples.first + len(samples.times)
        if before is None:
            self._catch_up()
            self._end = number
            self._sum, self._compensation = fsum(samples.values[self.begins - samples.first :]), 0.0
        elif number - self._end == 1 and self._lows is None and self._highs is None and self._ranked is None:
            # One more sample, as nearly always: `_catch_up` without its calls, which cost twice the rest.
            value = samples.values[-1]
            total = self._sum = before + value
            part = total - before
            self._compensation += (before - (total - part)) + (value - part)
            self._end = number
        elif number != self._end:
            self._catch_up()
        return self._sum + self._compensation  # type: ignore[operator]

    # ------------------------------------------------------------------------------------------ figures at `now`

    def figure(self, function: str, now: int, parameter: float, at_least: int) -> float | None:
        """The figure called `function`; None with fewer samples than `at_least` (or than it needs). Generated code, which
        knows the function, trims and calls it by itself."""
        if self.trim(now) < at_least:
            return 0.0 if function == "count" and at_least <= 1 else None
        if function in OF_NOW:
            of_now: float | None = getattr(self, function)(now)
            return of_now
        result: float | None = (
            getattr(self, function)(parameter) if function == "percentile" else getattr(self, function)()
        )
        return result

    def near_mean(self, now: int, at_least: int) -> float | None:
        """The mean before it is rounded, which costs more than all the rest: within `NEAR` of what `mean` gives."""
        total, inside = self.summed(now)
        return total / inside if inside >= at_least else None

    def summed(self, now: int) -> tuple[float, int]:
        """Sum, not rounded, and number of the samples that the window covers at `now`.

        Nearly always one sample came at most and as many left: that is done here in one go, `trim` and `total` without their calls,
        in the same order and with the same compensated sum (`_account`), so to the same last bit.
        """
        samples = self.samples
        times, edge, first = samples.times, now - self._reach, samples.first
        start, count, total = self.begins - first, len(times), self._sum
        came = first + count - self._end
        last = count - 1
        if total is None or self._ordered or came > 1 or start >= last or (start and times[start - 1] > edge):
            return self._summed_anew(now)
        if not came:
            return (total + self._compensation, count - start) if times[start] > edge else self._summed_anew(now)
        values, lost = samples.values, self._compensation
        while start < last and times[start] <= edge:
            gone = -values[start]
            before, total = total, total + gone
            part = total - before
            lost += (before - (total - part)) + (gone - part)
            start += 1
        if start == last:
            return self._summed_anew(now)
        value = values[last]
        before, total = total, total + value
        part = total - before
        lost += (before - (total - part)) + (value - part)
        self._sum, self._compensation = total, lost
        self.begins, self._end = first + start, first + count
        return total + lost, count - start

    def _summed_anew(self, now: int) -> tuple[float, int]:
        inside = self.trim(now)
        return (self.total() if inside else 0.0), inside

    def count(self) -> float:
        return float(len(self.samples.times) + self.samples.first - self.begins)

    def sum(self) -> float:
        return round(self.total(), DIGITS)

    def mean(self) -> float:
        return round(self.total() / self.count(), DIGITS)

    def last(self) -> float:
        return self.samples.values[-1]

    def std(self) -> float | None:
        return deviation(self.inside())

    def percentile(self, share: float) -> float:
        few = len(self.samples.times) + self.samples.first - self.begins <= FEW_TO_SORT
        return of_ranked(sorted(self.inside()) if few else self._ranks(), share)

    def _ranks(self) -> list[float]:
        """The samples inside in order of size, kept so from the first demand on."""
        self._catch_up()
        if self._ranked is None:
            self._ordered = True
            self._ranked = sorted(self.inside())
            self._end = self.samples.first + len(self.samples.times)
        return self._ranked

    def spread(self) -> float | None:
        """1.4826 times the median absolute deviation from the median, a robust standard deviation; the distance from the median to
        the nearest other value where half of the samples are the same, as the instrument's resolution. None where all are."""
        ranked, known = self._ranks(), self._spread
        if known is None or known[0] != self.begins or known[1] != self._end:
            known = self._spread = self.begins, self._end, spread(ranked)
        return known[2]

    def nowcast(self, now: int) -> float | None:
        """The PM NowCast of the hourly means before `now`: the hour that ends now is the newest."""
        hours: list[list[float]] = [[] for _ in range(12)]
        for at, value in zip(self.samples.times[self.begins - self.samples.first :], self.inside(), strict=True):
            age = (now - at) // HOUR
            if age < 12:
                hours[age].append(value)
        return nowcast([fsum(hour) / len(hour) if hour else None for hour in hours])

    def min(self) -> float:
        inside = len(self.samples.times) + self.samples.first - self.begins
        if inside <= FEW:
            return min(self.samples.values[-inside:])
        self._catch_up()
        if self._lows is None:
            self._ordered = True
            self._lows = self._extremes(_push_low)
        return self._lows[0][1]

    def max(self) -> float:
        inside = len(self.samples.times) + self.samples.first - self.begins
        if inside <= FEW:
            return max(self.samples.values[-inside:])
        self._catch_up()
        if self._highs is None:
            self._ordered = True
            self._highs = self._extremes(_push_high)
        return self._highs[0][1]

    def delta(self) -> float | None:
        """Newest minus oldest."""
        values, oldest = self.samples.values, self.begins - self.samples.first
        return round(values[-1] - values[oldest], DIGITS) if len(values) - oldest > 1 else None

    def rate(self) -> float | None:
        """Delta per second, once the samples span at least half the window: two neighbours in time would be noise."""
        times, values, oldest = self.samples.times, self.samples.values, self.begins - self.samples.first
        span = times[-1] - times[oldest]
        if span * 2 < self.size:
            return None
        return (values[-1] - values[oldest]) / (span / SECOND)

    def rise(self) -> float | None:
        """Newest minus lowest."""
        return round(self.samples.values[-1] - self.min(), DIGITS) if self.count() > 1 else None

    def fall(self) -> float | None:
        """Highest minus newest."""
        return round(self.max() - self.samples.values[-1], DIGITS) if self.count() > 1 else None

    def largest_step(self) -> float | None:
        """The largest change from one sample to the next, either way. O(n) at each demand: meant for windows of hours."""
        inside = self.inside()
        steps = [abs(after - before) for before, after in pairwise(inside)]
        return round(max(steps), DIGITS) if steps else None

    def trend(self) -> float | None:
        """Change per second of the resistant line (Tukey, Exploratory Data Analysis, 1977): between the medians of the first and the
        last third of the samples, so that a spike makes no trend; once the samples span at least half the window."""
        samples, times = self.samples, self.samples.times
        start, end = self.begins - samples.first, len(times)
        third = (end - start) // 3
        if not third or (times[-1] - times[start]) * 2 < self.size:
            return None
        span = middle(times, end - third, end) - middle(times, start, start + third)
        if span <= 0:
            return None
        first, newest = samples.first, samples.first + end
        older = self._stretch("first third").move(samples, [(first + start, first + start + third)])
        newer = self._stretch("last third").move(samples, [(newest - third, newest)])
        change = middle(newer, 0, third) - middle(older, 0, third)
        return change / (span / SECOND) + 0.0  # never -0.0, which a snapshot's order could make 0.0

    def hour_median(self, now: int) -> float | None:
        """The median of this hour of the day on earlier days; None with fewer than five samples."""
        ranked = self._of_the_hour(now)
        return of_ranked(ranked, 50) if len(ranked) >= FEWEST else None

    def hour_spread(self, now: int) -> float | None:
        """The spread of this hour of the day on earlier days."""
        ranked = self._of_the_hour(now)
        return spread(ranked) if len(ranked) >= FEWEST else None

    def _of_the_hour(self, now: int) -> list[float]:
        samples = self.samples
        first = samples.first
        places = same_hour(samples.times, self.begins - first, now)
        return self._stretch("this hour").move(samples, [(first + start, first + end) for start, end in places])

    def _stretch(self, name: str) -> Stretches:
        known = self._stretches
        if known is None:
            known = self._stretches = {}
        return known.get(name) or known.setdefault(name, Stretches())

    def inside(self) -> array[float]:
        return self.samples.values[self.begins - self.samples.first :]

    def _extremes(self, push: Callable[[list[tuple[int, float]], int, float], None]) -> list[tuple[int, float]]:
        found: list[tuple[int, float]] = []
        for at, value in zip(self.samples.times[self.begins - self.samples.first :], self.inside(), strict=True):
            push(found, at, value)
        return found

    # ------------------------------------------------------------------------------------------ snapshot

    def freeze(self) -> list[Any]:
        if not self.sums:  # all else is found anew, and so is where it begins
            return [self.size, self.closed, 0, 0, None, 0.0]
        first = self.samples.first
        return [self.size, self.closed, self.begins - first, self._end - first, self._sum, self._compensation]

    def thaw(self, frozen: Sequence[Any]) -> None:
        self.begins, self._end, self._sum, self._compensation = frozen


def _push_low(lows: list[tuple[int, float]], at: int, value: float) -> None:
    while lows and lows[-1][1] >= value:
        lows.pop()
    lows.append((at, value))


def _push_high(highs: list[tuple[int, float]], at: int, value: float) -> None:
    while highs and highs[-1][1] <= value:
        highs.pop()
    highs.append((at, value))
