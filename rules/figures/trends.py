"""Lines through samples, and samples of one hour of the day: pure functions of numbers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from statistics import median

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
AROUND = 30 * 60 * SECOND
"""How far from the hour of the day a sample may lie."""
FEWEST = 5
"""Samples that an hour of the day must have."""


def resistant_slope(times: Sequence[int], values: Sequence[float]) -> float | None:
    """Change per second of the resistant line (Tukey, Exploratory Data Analysis, 1977): between the medians of the first and the
    last third of the samples, so that a spike makes no trend. `times` in ns, rising. None with fewer than three samples."""
    third = len(times) // 3
    if not third:
        return None
    span = median(times[-third:]) - median(times[:third])
    return (median(values[-third:]) - median(values[:third])) / (span / SECOND) if span > 0 else None


def least_squares_slope(times: Sequence[int], values: Sequence[float]) -> float | None:
    """Change per second of the straight line of least squares; None where all samples are of one moment."""
    seconds = [(at - times[0]) / SECOND for at in times]
    middle, mean = sum(seconds) / len(seconds), sum(values) / len(values)
    square = sum((at - middle) ** 2 for at in seconds)
    if not square:
        return None
    return sum((at - middle) * (value - mean) for at, value in zip(seconds, values, strict=True)) / square


def same_hour(times: Sequence[int], values: Sequence[float], now: int) -> list[float]:
    """The values of earlier days from half an hour before to half an hour after this time of day."""
    found: list[float] = []
    for ago in range(1, (now - times[0] + AROUND) // DAY + 1 if times else 0):
        centre = now - ago * DAY
        found += values[bisect_left(times, centre - AROUND) : bisect_right(times, centre + AROUND)]
    return found
