"""Landslides: rain intensity against duration, antecedent rain, and the soil-water index, as pure functions."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import NamedTuple

INCH_MM = 25.4


class IntensityDuration(NamedTuple):
    """A threshold I = a * D^-b, I in mm/h and D in h, over the durations that its data covered."""

    a: float
    b: float

    def intensity_mmh(self, hours: float) -> float:
        """The mean intensity above which slopes have failed."""
        return float(self.a * hours**-self.b)

    def rain_mm(self, hours: float) -> float:
        """The same as a sum of rain over the duration."""
        return self.intensity_mmh(hours) * hours


CAINE_1980 = IntensityDuration(14.82, 0.39)
"""Caine (1980), shallow slides and debris flows, world-wide, 10 min to 10 d; read in secondary copies."""
GUZZETTI_2008 = IntensityDuration(2.20, 0.44)
"""Guzzetti et al. (2008), world-wide lower envelope: 13 mm in a day, so a gate and never an alarm. To be confirmed."""
SEATTLE = IntensityDuration(82.73, 1.13)
"""USGS, Seattle area, operational (3.257 in/h at one hour; repository landslides-thresholds)."""

DURATIONS_H = (1.0, 3.0, 6.0, 12.0, 24.0, 48.0, 72.0)
"""Durations that `exceedance` looks at."""


def exceedance(threshold: IntensityDuration) -> Callable[..., float]:
    """A function of the rain sums (mm) over `DURATIONS_H` that tells how many times the threshold they reach."""

    def ratio(*sums_mm: float) -> float:
        return round(max(s / threshold.rain_mm(h) for s, h in zip(sums_mm, DURATIONS_H, strict=True)), 9)

    return ratio


def antecedent_excess_mm(rain_3d_mm: float, rain_18d_mm: float) -> float:
    """How far three days' rain lies above P3 = 3.5 in - 0.67 * P15, P15 being the 15 days before them (USGS, Seattle)."""
    return rain_3d_mm - (3.5 * INCH_MM - 0.67 * (rain_18d_mm - rain_3d_mm))


class Tanks(NamedTuple):
    """Water in the three tanks of the soil-water index, mm. Their sum is the index."""

    surface: float = 0.0
    soil: float = 0.0
    ground: float = 0.0

    @property
    def index_mm(self) -> float:
        return self.surface + self.soil + self.ground


STEP_H = 1 / 6
RAIN_SPREAD_H = 1.0
FORGOTTEN_H = 30 * 24.0
"""After that long without a reading the tanks are taken as empty; the slowest of them has drained 99.9 %."""


def soil_water_step(tanks: Tanks, rain_mm: float, hours: float) -> Tanks:
    """The tanks `hours` later, with `rain_mm` fallen in the last hour of them (or in all, where they are fewer).

    Three tanks in series after Ishihara & Kobatake (1979), with the parameters that the Japan Meteorological Agency uses
    nation-wide (Okada et al. 2001; read in secondary copies, to be confirmed), in steps of at most ten minutes.
    """
    if hours > FORGOTTEN_H:
        tanks, hours = Tanks(), RAIN_SPREAD_H
    steps = max(1, ceil(hours / STEP_H - 1e-9))
    dt = hours / steps
    wet = min(steps, max(1, round(RAIN_SPREAD_H / dt))) if dt > 0 else 1
    s1, s2, s3 = tanks
    for step in range(steps):
        rain = rain_mm / wet if step >= steps - wet else 0.0
        q1 = 0.1 * max(0.0, s1 - 15) + 0.15 * max(0.0, s1 - 60)
        q2 = 0.05 * max(0.0, s2 - 15)
        q3 = 0.01 * max(0.0, s3 - 15)
        s1, s2, s3 = (
            s1 - (0.12 * s1 + q1) * dt + rain,
            s2 - (0.05 * s2 + q2) * dt + 0.12 * s1 * dt,
            s3 - (0.01 * s3 + q3) * dt + 0.05 * s2 * dt,
        )
    return Tanks(s1, s2, s3)
