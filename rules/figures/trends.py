"""Lines through samples, and samples of one hour of the day: pure functions of numbers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
AROUND = 30 * 60 * SECOND
"""How far from the hour of the day a sample may lie."""
FEWEST = 5
"""Samples that an hour of the day must have."""


def middle(ranked: Sequence[float], start: int, end: int) -> float:
    """The median of a stretch (at least one long) of numbers in order of size."""
    half = (start + end) // 2
    return ranked[half] if (end - start) % 2 else (ranked[half - 1] + ranked[half]) / 2


def least_squares_slope(times: Sequence[int], values: Sequence[float]) -> float | None:
    """Change per second of the straight line of least squares; None where all samples are of one moment."""
    seconds = [(at - times[0]) / SECOND for at in times]
    middle, mean = sum(seconds) / len(seconds), sum(values) / len(values)
    square = sum((at - middle) ** 2 for at in seconds)
    if not square:
        return None
    return sum((at - middle) * (value - mean) for at, value in zip(seconds, values, strict=True)) / square


def same_hour(times: Sequence[int], start: int, now: int) -> list[tuple[int, int]]:
    """Which samples from `start` on lie on earlier days from half an hour before to half an hour after this time of day: (place of the
    first, place behind the last) of each day, the newest day first. `times` in ns, rising."""
    found: list[tuple[int, int]] = []
    for ago in range(1, (now - times[start] + AROUND) // DAY + 1 if start < len(times) else 0):
        centre = now - ago * DAY
        found.append((bisect_left(times, centre - AROUND, start), bisect_right(times, centre + AROUND, start)))
    return found
