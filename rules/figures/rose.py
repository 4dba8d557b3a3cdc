"""Roses: how often the wind came from where, by strength or by how bad the air was. Pure.

Sixteen sectors, north in the middle of the first (WMO-No. 8, part I, chapter 5). Of an hour the direction is that of its unit vectors and the
speed the mean of its readings (EPA-454/R-99-005, 6.2). Classes of speed begin where Beaufort 2, 3, 4 and 5 do; below Beaufort 1 it is calm, and
a calm has no direction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from math import fsum
from typing import NamedTuple

from rules.figures.attribution import Wind, mean_wind

SECTORS = 16
CALM_BELOW = 0.3
"""m/s, where Beaufort 1 begins."""
SPEEDS = (1.6, 3.4, 5.5, 8.0)
"""m/s: the lower ends of all classes of speed but the first."""


class Told(NamedTuple):
    """One hour: its wind, the class that it is counted in, and what was measured."""

    wind: Wind
    place: int
    value: float


class Rose(NamedTuple):
    """Hours by sector and class, those of calm by class, and the mean of what was measured in each sector (None without an hour)."""

    sectors: tuple[tuple[int, ...], ...]
    calm: tuple[int, ...]
    means: tuple[float | None, ...]

    @property
    def hours(self) -> int:
        return sum(map(sum, self.sectors)) + sum(self.calm)


def sector(from_deg: float) -> int:
    """0 for north, 4 for east, 8 for south, 12 for west."""
    return int((from_deg % 360) * SECTORS / 360 + 0.5) % SECTORS


def speed_class(mps: float) -> int:
    """0 to 4."""
    return bisect_right(SPEEDS, mps)


def hourly(winds: Sequence[Wind]) -> Wind | None:
    """The wind of an hour out of its readings; None without any."""
    mean = mean_wind(winds)
    if mean is None:
        return None
    return Wind(fsum(wind.speed_mps for wind in winds) / len(winds), mean[0].from_deg)


def rose(hours: Iterable[Told], classes: int) -> Rose:
    """The hours counted."""
    counts = [[0] * classes for _ in range(SECTORS)]
    calm = [0] * classes
    values: list[list[float]] = [[] for _ in range(SECTORS)]
    for wind, place, value in hours:
        if wind.speed_mps < CALM_BELOW:
            calm[place] += 1
            continue
        at = sector(wind.from_deg)
        counts[at][place] += 1
        values[at].append(value)
    means = tuple(round(fsum(found) / len(found), 9) if found else None for found in values)
    return Rose(tuple(map(tuple, counts)), tuple(calm), means)


def wind_rose(winds: Iterable[Wind]) -> Rose:
    """By classes of speed; the means are of the speed."""
    return rose((Told(wind, speed_class(wind.speed_mps), wind.speed_mps) for wind in winds), len(SPEEDS) + 1)
