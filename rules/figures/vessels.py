"""Vessels in pairs: where and when they come closest, as a pure function."""

from __future__ import annotations

from itertools import combinations
from math import cos, hypot, radians, sin
from typing import NamedTuple

from hub.model import Position


class Closest(NamedTuple):
    """The closest point of approach: distance in nautical miles, time to it in minutes (negative: it has passed)."""

    cpa_nm: float
    tcpa_min: float


class Fix(NamedTuple):
    """Where a vessel is and where it goes: knots, degrees from north."""

    vessel: str
    position: Position
    sog_kn: float
    cog_deg: float


STILL_KN = 0.01
"""Relative speeds below are none: the distance stays, and the closest point is now."""


def closest_approach(east_nm: float, north_nm: float, east_kn: float, north_kn: float) -> Closest:
    """Of two vessels on straight courses: where the other is from here and how it moves relative to this one.

    t = -r·v / v·v, d = |r + v t|.
    """
    square = east_kn**2 + north_kn**2
    hours = 0.0 if square < STILL_KN**2 else -(east_nm * east_kn + north_nm * north_kn) / square
    return Closest(hypot(east_nm + east_kn * hours, north_nm + north_kn * hours), hours * 60)


def approach(own: Fix, other: Fix) -> Closest:
    """The closest approach of two fixes of the same moment, on a plane: good to some 20 nm and below 80 degrees of latitude."""
    mean = radians((own.position.lat + other.position.lat) / 2)
    across = (other.position.lon - own.position.lon + 180) % 360 - 180
    east, north = across * 60 * cos(mean), (other.position.lat - own.position.lat) * 60
    own_east, own_north = _velocity(own)
    other_east, other_north = _velocity(other)
    return closest_approach(east, north, other_east - own_east, other_north - own_north)


def ahead(fix: Fix, seconds: float) -> Fix:
    """The fix on its straight course, `seconds` later."""
    if seconds == 0 or fix.sog_kn == 0:
        return fix
    east_kn, north_kn = _velocity(fix)
    lat = fix.position.lat + north_kn * seconds / 3600 / 60
    lon = fix.position.lon + east_kn * seconds / 3600 / 60 / max(0.01, cos(radians(fix.position.lat)))
    return fix._replace(position=Position(lon, lat))


def _velocity(fix: Fix) -> tuple[float, float]:
    return fix.sog_kn * sin(radians(fix.cog_deg)), fix.sog_kn * cos(radians(fix.cog_deg))


def risky_pairs(fixes: list[Fix], cpa_nm: float, tcpa_min: float) -> list[tuple[str, Closest]]:
    """Pairs `a+b` (names sorted) that will come closer than `cpa_nm` within `tcpa_min`, the soonest first. Looks at every
    pair: for the vessels of one neighbourhood, not for an ocean."""
    found = []
    for a, b in combinations(sorted(fixes), 2):
        closest = approach(a, b)
        if closest.cpa_nm < cpa_nm and 0 <= closest.tcpa_min <= tcpa_min:
            found.append((f"{a.vessel}+{b.vessel}", closest))
    return sorted(found, key=lambda pair: (pair[1].tcpa_min, pair[0]))
