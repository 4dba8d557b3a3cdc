"""Which readings were taken back: momentary ones that the device's own next readings, or its neighbours, deny. Pure.

After the spike and neighbour tests of QARTOD, free of any unit, up and down alike, and with knowledge of what came next,
which no rule has. House definitions:

- A run of one or two readings that stands off both sides by `STEPS` median steps of its surroundings, and of which the next
  reading takes back two thirds at least.
- At stations of air and weather, which have neighbours that feel the same: a run of up to six that stands twice as high as what
  is beside it, while two neighbours or more were heard and none of them moved with it.
- What half of the neighbours show as well is not one device's alone, and stays.
- Some things are momentary by nature (`MOMENTARY`): rain, gas, smoke, shaking, motion. Nothing is taken back of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from hub.backtest.observed import Observed, Series
from hub.model import Position
from hub.pairs import PAIR

Numbers = np.ndarray[Any, np.dtype[np.float64]]

STEPS = 5.0
AROUND = 12
"""Readings on each side that tell the median step."""
OWN_NEXT = 2
"""How long a run may be for the device's own next reading to deny it."""
LONE = 6
"""… and for its neighbours."""
BACK = 1 / 3
"""What may be left of the height after the run."""
NEIGHBOURS_MIN = 2
WITHIN_M = 40_000.0
INTERVALS = 2_000
"""So many of them tell the usual one."""
GAP = 3.0
"""The readings beside a run must have come within so many usual intervals."""
NEIGHBOURLY = frozenset({"air-station", "weather-station"})
MOMENTARY = frozenset(
    [
        "rainfall",
        "rain_intensity",
        "smoke",
        "methane_lel",
        "h2s",
        "co_gas",
        "oxygen",
        "vibration",
        "acceleration",
        "acceleration_x",
        "acceleration_y",
        "acceleration_z",
        "velocity",
        "pga",
        "pgv",
        "speed",
        "course",
        "cog",
        "heading",
        "rot",
        "cpa",
        "tcpa",
        "running",
        "flow",
        "current",
        "active_power",
        "voltage",
        "frequency",
    ]
)


def interval_of(series: Series) -> int:
    """The usual time between two readings, ns; 0 where there are not two."""
    times = series.order().times
    return int(np.median(np.diff(np.array(times[:INTERVALS])))) if len(times) > 1 else 0


def taken_back(observed: Observed, places: Mapping[str, Position]) -> set[tuple[str, str, int]]:
    """(device, metric, observed time) of each such reading."""
    found: set[tuple[str, str, int]] = set()
    for (device, metric), series in observed.series.items():
        if metric in MOMENTARY or observed.kinds.get(device) == PAIR:
            continue
        around = None
        longest = LONE if observed.kinds.get(device) in NEIGHBOURLY else OWN_NEXT
        for start, length, sign, height in momentary(series, longest):
            if around is None:
                around = observed.neighbours(device, metric, dict(places), WITHIN_M)
            if _denied(series, start, length, sign * height, around):
                found.update((device, metric, at) for at in series.times[start : start + length])
    return found


def momentary(series: Series, longest: int) -> list[tuple[int, int, float, float]]:
    """Runs of up to `longest` readings that stand off what is before and after: (first, length, +1 or -1, height)."""
    values, times = np.array(series.order().values), np.array(series.times)
    usual = interval_of(series)
    found: list[tuple[int, int, float, float]] = []
    for length in range(1, longest + 1):
        n = len(values) - length - 1
        if n < 1:
            break
        left, right = values[:n], values[length + 1 : length + 1 + n]
        run = np.lib.stride_tricks.sliding_window_view(values[1 : 1 + n + length - 1], length)
        close = times[length + 1 : length + 1 + n] - times[:n] <= GAP * usual * (length + 1)
        for sign in (1.0, -1.0):
            top, low = (run * sign).max(axis=1), (run * sign).min(axis=1)
            near, far = np.maximum(left * sign, right * sign), np.minimum(left * sign, right * sign)
            height = top - near
            stands = (height > 0) & (low > near + height / 4) & (near - far <= BACK * (top - far)) & close
            found += [
                (int(i) + 1, length, sign, float(height[i]))
                for i in np.flatnonzero(stands)
                if height[i] >= STEPS * _step(values, int(i) + 1, length)
            ]
    return found


def _step(values: Numbers, start: int, length: int) -> float:
    """The median step of the surroundings, the run itself left out; the least step where most do not move at all, as the
    instrument's resolution."""
    before, after = values[max(0, start - AROUND) : start], values[start + length : start + length + AROUND]
    steps = sorted(abs(b - a) for part in (before.tolist(), after.tolist()) for a, b in pairwise(part))
    if not steps:
        return float("inf")
    return steps[len(steps) // 2] or next((step for step in steps if step), 0.0)


def _denied(series: Series, start: int, length: int, height: float, around: list[Series]) -> bool:
    """Whether a run is one device's alone, and short enough or contradicted. A neighbour bears it out by moving half as far or
    by standing as high."""
    since, until = series.times[start - 1], series.times[start + length]
    edges = (series.values[start - 1], series.values[start + length])
    near = max(edges) if height > 0 else min(edges)
    heard = [values for other in around if len(values := other.between(since, until))]
    with_it = sum(
        any((value - values[0]) / height >= 0.5 or (value - near) / height >= 0.5 for value in values)
        for values in heard
    )
    if heard and 2 * with_it >= len(heard):
        return False
    return length <= OWN_NEXT or (abs(height) >= abs(near) and len(heard) >= NEIGHBOURS_MIN and not with_it)
