"""Driving: harsh manoeuvres, time at the wheel, and what probe vehicles tell of a road, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf, radians
from statistics import harmonic_mean
from typing import NamedTuple

KMH_PER_MPS = 3.6
STANDS_KMH = 3.0
"""Below that a GNSS speed is taken as standing."""
REST_S = 20 * 60
"""The rest that ends continuous driving (Regulation on the Implementation of the Road Traffic Safety Law, Art. 62)."""
DAY_S = 24 * 3600


# ------------------------------------------------------------------------------------------------ harsh manoeuvres


def cornering(speed_kmh: float, turn_deg: float, seconds: float) -> float:
    """Sideways acceleration in m/s2 of a vehicle that turned by `turn_deg` within `seconds`: a = v w. A turn over north
    is taken the short way round. Nobody turns within no time: infinite there."""
    if not seconds:
        return inf
    turn = (turn_deg + 180) % 360 - 180
    return abs(speed_kmh / KMH_PER_MPS * radians(turn) / seconds)


def angle_between(course_deg: float, other_deg: float) -> float:
    """How far one course is off another, degrees from 0 to 180."""
    return abs((course_deg - other_deg + 180) % 360 - 180)


# ------------------------------------------------------------------------------------------------ time at the wheel


class Fix(NamedTuple):
    """A vehicle's speed at a moment (s)."""

    at: float
    speed_kmh: float


def continuous_driving_s(fixes: Sequence[Fix]) -> float:
    """Seconds at the wheel up to the last fix since the last rest of 20 minutes, shorter stops included.

    Fixes in order of time. Between two fixes a vehicle is taken to stand if both stand.
    """
    began: float | None = None
    stopped: float | None = None
    for fix in fixes:
        if fix.speed_kmh >= STANDS_KMH:
            began = fix.at if began is None else began
            stopped = None
        else:
            stopped = fix.at if stopped is None else stopped
            if fix.at - stopped >= REST_S:
                began = None
    return 0.0 if began is None else fixes[-1].at - began


def driven_s(fixes: Sequence[Fix], window_s: float = DAY_S) -> float:
    """Seconds during which the vehicle moved in the window that ends with the last fix."""
    if not fixes:
        return 0.0
    since = fixes[-1].at - window_s
    moved = 0.0
    for before, after in pairwise(fixes):
        if before.speed_kmh >= STANDS_KMH or after.speed_kmh >= STANDS_KMH:
            moved += max(0.0, after.at - max(before.at, since))
    return moved


# ------------------------------------------------------------------------------------------------ roads

PROBES_MIN = 3
"""Fewer vehicles within five minutes say nothing of a road (a common choice, to be confirmed)."""
GRADES = {"expressway": (65.0, 50.0, 35.0, 20.0), "arterial": (40.0, 30.0, 20.0, 15.0), "secondary": (35.0, 25.0, 15.0, 10.0)}  # fmt: skip
"""Speeds (km/h) down to which a road is free, basically free, lightly and moderately congested; below the last, severely.
By class of road, as municipal evaluations of congestion have them; read in a secondary copy, to be confirmed."""


def road_speed_kmh(speeds_kmh: Iterable[float]) -> float | None:
    """The space-mean speed of a road from one speed of each vehicle on it: their harmonic mean, which is length over mean
    travel time. Vehicles that stand count with 1 km/h. None below three vehicles."""
    speeds = [max(1.0, speed) for speed in speeds_kmh]
    return float(harmonic_mean(speeds)) if len(speeds) >= PROBES_MIN else None


def congestion_grade(speed_kmh: float, road: str) -> int:
    """1 free to 5 severely congested, for a road of the class `expressway`, `arterial` or `secondary`."""
    return 1 + sum(speed_kmh <= bound for bound in GRADES[road])
