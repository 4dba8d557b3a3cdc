"""Figures over the windows of several devices: what rules ask of those around, upstream and inside."""

from __future__ import annotations

from collections.abc import Sequence

from rules.figures.ranks import DIGITS, deviation, percentile, spread
from rules.state.windows import Window


def pooled(function: str, windows: Sequence[Window], now: int, parameter: float, at_least: int) -> float | None:
    """The figure over several devices' windows; `at_least` counts devices that have samples.

    Samples are pooled for count, sum, mean, min, max, std and percentile; `last` is the mean of the newest values;
    rate, delta, rise, fall, largest_step and trend are the largest of any device.
    """
    if function in ("mean", "sum"):
        sums = [(total, inside) for total, inside in [window.summed(now) for window in windows] if inside]
        if len(sums) < at_least:
            return None
        total = sum([total for total, _ in sums])
        return round(total if function == "sum" else total / sum([inside for _, inside in sums]), DIGITS)
    filled = [window for window in windows if window.trim(now)]
    if len(filled) < at_least:
        return 0.0 if function == "count" and at_least <= 1 else None
    if function in ("rate", "delta", "rise", "fall", "largest_step", "trend"):
        figures = [figure for window in filled if (figure := getattr(window, function)()) is not None]
        return max(figures) if figures else None
    if function in ("percentile", "std", "spread"):
        values = [value for window in filled for value in window.inside()]
        if function == "spread":
            return spread(sorted(values))
        return percentile(values, parameter) if function == "percentile" else deviation(values)
    if function in ("min", "max"):
        if function == "min":
            return min(window.min() for window in filled)
        return max(window.max() for window in filled)
    if function == "last":
        return round(sum(window.last() for window in filled) / len(filled), DIGITS)
    return sum([window.count() for window in filled])
