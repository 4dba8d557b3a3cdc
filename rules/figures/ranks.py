"""Figures of samples in order of size: percentiles, a spread that outliers do not move, and the standard deviation."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import sqrt

NEAR = 1e-9
"""Numbers that differ by less are one number: sums of doubles leave such differences."""
SAME = 1e-6
"""Values that differ by less, of their size, are the same: conversions of units leave such differences."""
DIGITS = 9
"""Results are rounded to this many decimals, so that 0.9 m - 0.6 m is 0.3 m and not a bit less."""


def percentile(values: Sequence[float], share: float) -> float:
    """Linear between closest ranks (numpy's default)."""
    return of_ranked(sorted(values), share)


def of_ranked(ranked: Sequence[float], share: float) -> float:
    """`percentile` of samples in order of size."""
    rank = (len(ranked) - 1) * share / 100
    low = int(rank)
    high = min(low + 1, len(ranked) - 1)
    # Never -0.0: equal numbers lie in no order that a snapshot keeps.
    return round(ranked[low] + (ranked[high] - ranked[low]) * (rank - low), DIGITS) + 0.0


NORMAL = 1.4826
"""Times the median absolute deviation: the standard deviation, of normal numbers."""


def spread(ranked: Sequence[float]) -> float | None:
    """`Window.spread` of samples in order of size. O(log n): the deviations below and above the median are in order by
    themselves, and the middle one of both is found by halving."""
    count = len(ranked)
    if not count:
        return None
    middle = (count - 1) // 2
    centre = ranked[middle]
    below, above, wanted = middle + 1, count - middle - 1, middle + 1
    low, high = max(0, wanted - above), min(wanted, below)
    while low < high:
        taken = (low + high) // 2
        other = wanted - taken
        if taken < below and other > 0 and centre - ranked[middle - taken] < ranked[middle + other] - centre:
            low = taken + 1
        else:
            high = taken
    farthest = [centre - ranked[middle - low + 1]] if low else []
    if wanted - low:
        farthest.append(ranked[middle + wanted - low] - centre)
    same = max(SAME * abs(centre), NEAR)
    if (deviation := max(farthest)) > same:
        return round(NORMAL * deviation, DIGITS)
    first, last = bisect_left(ranked, centre - same), bisect_right(ranked, centre + same)
    beside = [centre - ranked[first - 1]] if first else []
    if last < count:
        beside.append(ranked[last] - centre)
    return round(min(beside), DIGITS) if beside else None


def deviation(values: Sequence[float]) -> float | None:
    """Standard deviation of a sample; None with fewer than two."""
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return round(sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1)), DIGITS)
