"""Operators that learn from the values themselves: how long one has not moved, what is expected, what a coupled channel lets expect.

Each takes a value once, in the order of observation, and holds a few numbers: bounded, and the same after a snapshot.
"""

from __future__ import annotations

from math import exp, hypot, log, sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

from rules.figures.derived import LARGEST
from rules.figures.trends import least_squares_slope

SECOND = 1_000_000_000
NEVER = -(1 << 62)
DIGITS = 9
NORMAL_MEAN = 1.2533
"""Times the mean absolute deviation: the standard deviation, of normal numbers (the root of pi / 2)."""
SAME = 1e-6
"""Of a value's size: no spread is taken for less."""


def _usable(value: float | None) -> bool:
    return value is not None and -LARGEST <= value <= LARGEST


class Unchanged:
    """For how many seconds a value has been the same to the last digit; 0 while fewer readings than `at_least` say so."""

    def __init__(self, at_least: float) -> None:
        self.at_least = int(at_least)
        self.at: int | None = None
        self.since = 0
        self.count = 0
        self.last: float | None = None
        self.told = NEVER
        self.value: float | None = None

    def push(self, at: int, value: float | None) -> None:
        if not _usable(value) or (self.at is not None and at <= self.at):
            return
        if value != self.last:
            self.last, self.since, self.count = value, at, 0
        self.at = at
        self.count += 1
        self.value = (at - self.since) / SECOND if self.count >= self.at_least else 0.0

    def freeze(self) -> Any:
        return [self.at, self.since, self.count, self.last, self.value, self.told]

    def thaw(self, frozen: Any) -> None:
        self.at, self.since, self.count, self.last, self.value, self.told = frozen


class Crossing(NamedTuple):
    """When a limit is expected to be reached, ns, and how uncertain that is, seconds."""

    at: int
    give_or_take_s: float


class Expectation:
    """What a value is expected to be a horizon from now: the newest value, and a trend that fades (a damped trend: Gardner and McKenzie,
    1985), of which `share` in a hundred of outcomes lie below.

    The trend is the line of least squares over the last horizon (four samples at least, eight horizons at most); it fades with the
    horizon as its time constant, so 63 % of the straight line's change is expected. Its uncertainty is what earlier expectations missed by
    (a fading mean of absolute errors), and half of the change that is expected; the half is a house default that the recordings bear out
    (`tests.bench.reliability`).
    """

    PARTS = 12
    """The horizon is looked at in so many parts: one sample and one expectation in each."""
    FEWEST = 4
    FARTHEST = 8
    LEARNS = 1 / 24
    OF_THE_CHANGE = 0.5

    def __init__(self, horizon_ns: float, share: float) -> None:
        self.horizon = int(horizon_ns)
        self.deviations = NormalDist().inv_cdf(share / 100)
        self.times: list[int] = []
        self.values: list[float] = []
        self.waiting: list[tuple[int, float]] = []
        """Expectations that no value has answered yet: (when it is due, what was expected)."""
        self.error: float | None = None
        self.slope: float | None = None
        self.spread = 0.0
        self.told = NEVER
        self.value: float | None = None

    def push(self, at: int, value: float | None) -> None:
        if value is None or not _usable(value) or (self.times and at <= self.times[-1]):
            return
        self._learn(at, value)
        self._keep(at, value)
        times = self.times
        known = len(times) >= self.FEWEST and 2 * (times[-1] - times[0]) >= self.horizon
        self.slope = least_squares_slope(times, self.values) if known else None
        if self.slope is None:
            self.value = None
            return
        change = self.slope * self.horizon / SECOND * (1 - exp(-1))
        self.spread = hypot(NORMAL_MEAN * (self.error or 0.0), self.OF_THE_CHANGE * change)
        self.value = round(value + change + self.deviations * self.spread, DIGITS)
        if not self.waiting or at - (self.waiting[-1][0] - self.horizon) >= self.horizon // self.PARTS:
            self.waiting.append((at + self.horizon, value + change))

    def _learn(self, at: int, value: float) -> None:
        while self.waiting and self.waiting[0][0] <= at:
            due, expected = self.waiting.pop(0)
            if at - due <= self.horizon:
                missed = abs(value - expected)
                self.error = missed if self.error is None else self.error + self.LEARNS * (missed - self.error)

    def _keep(self, at: int, value: float) -> None:
        times, values = self.times, self.values
        if len(times) > 1 and at - times[-2] < self.horizon // self.PARTS:
            times[-1], values[-1] = at, value
        else:
            times.append(at)
            values.append(value)
        while times and (
            at - times[0] > self.FARTHEST * self.horizon or (len(times) > self.FEWEST and at - times[0] > self.horizon)
        ):
            del times[0], values[0]

    def crossing(self, limit: float) -> Crossing | None:
        """When the limit is reached on the expected path; None where it is not within the horizon's reach."""
        if not self.slope:
            return None
        fade = self.horizon / SECOND
        part = (limit - self.values[-1]) / (self.slope * fade)
        if not 0 <= part < 1 - exp(-2):
            return None
        seconds = -fade * log(1 - part)
        give = min(self.spread / abs(self.slope), 2 * fade)
        return Crossing(self.times[-1] + round(seconds * SECOND), give)

    def freeze(self) -> Any:
        waiting = [list(pair) for pair in self.waiting]
        return [
            list(self.times),
            list(self.values),
            waiting,
            self.error,
            self.slope,
            self.spread,
            self.value,
            self.told,
        ]

    def thaw(self, frozen: Any) -> None:
        times, values, waiting, self.error, self.slope, self.spread, self.value, self.told = frozen
        self.times, self.values = list(times), list(values)
        self.waiting = [(due, expected) for due, expected in waiting]


class Residual:
    """How many spreads a channel stands off what a coupled one lets expect, with a sign: a line of y over x, learnt as values come and
    forgotten with a time constant (least squares with exponential forgetting).

    What stands off by more than three spreads is learnt as if by three, so a fault does not become usual at once, and a new
    normal does in time. The newest pair is learnt when the next moment comes.
    """

    FEWEST = 30
    CLIP = 3.0

    def __init__(self, forget_ns: float) -> None:
        self.forget = float(forget_ns)
        self.at: int | None = None
        self.pair: tuple[float, float] | None = None
        self.learnt_at: int | None = None
        self.count = 0
        self.weight = self.mean_x = self.mean_y = self.square = self.product = self.missed = 0.0
        self.told = NEVER
        self.value: float | None = None

    def push(self, at: int, y: float | None, x: float | None) -> None:
        if y is None or x is None or not (_usable(y) and _usable(x)) or (self.at is not None and at < self.at):
            return
        if self.pair is not None and self.at is not None and at > self.at:
            self._learn(self.at, *self.pair)
        self.at, self.pair = at, (float(y), float(x))
        if self.count < self.FEWEST:
            self.value = None
            return
        spread = max(NORMAL_MEAN * self.missed, SAME * abs(y), 1e-9)
        self.value = round((y - self.expected(x)) / spread, DIGITS)

    def expected(self, x: float) -> float:
        """What the line says of y."""
        return self.mean_y + (self.product / self.square if self.square > 1e-12 else 0.0) * (x - self.mean_x)

    def _learn(self, at: int, y: float, x: float) -> None:
        missed = y - self.expected(x) if self.count else 0.0
        far = self._stretch(x)
        if self.count >= self.FEWEST and self.missed > 0:
            most = self.CLIP * NORMAL_MEAN * self.missed
            kept = max(-most, min(most, missed))
            y, missed = y - missed + kept, kept
        fade = exp(-(at - self.learnt_at) / self.forget) if self.learnt_at is not None else 0.0
        self.weight = self.weight * fade + 1.0
        part = 1.0 / self.weight
        off_x, off_y = x - self.mean_x, y - self.mean_y
        self.mean_x += part * off_x
        self.mean_y += part * off_y
        self.square = self.square * fade + off_x * (x - self.mean_x)
        self.product = self.product * fade + off_x * (y - self.mean_y)
        if self.count > 1:  # two points are on any line
            self.missed += max(part, 1.0 / (self.count - 1)) * (abs(missed) / far - self.missed)
        self.learnt_at = at
        self.count += 1

    def _stretch(self, x: float) -> float:
        """How much further than its spread a value may miss a line of few points, or one far from them: what the miss is divided by before it
        counts as spread (recursive residuals: Brown, Durbin and Evans, J. R. Stat. Soc. B 37 (1975), equation 3)."""
        if self.count < 2 or self.square <= 1e-12:
            return 1.0
        return sqrt(1.0 + 1.0 / self.weight + (x - self.mean_x) ** 2 / self.square)

    def freeze(self) -> Any:
        pair = list(self.pair) if self.pair else None
        sums = [self.weight, self.mean_x, self.mean_y, self.square, self.product, self.missed]
        return [self.at, pair, self.learnt_at, self.count, sums, self.value, self.told]

    def thaw(self, frozen: Any) -> None:
        self.at, pair, self.learnt_at, self.count, sums, self.value, self.told = frozen
        self.pair = (pair[0], pair[1]) if pair else None
        self.weight, self.mean_x, self.mean_y, self.square, self.product, self.missed = sums
