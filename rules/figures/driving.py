"""Driving: harsh manoeuvres, courses and time at the wheel, as pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf, radians
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
