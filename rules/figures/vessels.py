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


class Hull(NamedTuple):
    """How far the hull reaches from the antenna, m, and where its bow points, degrees from north."""

    to_bow: float
    to_stern: float
    to_port: float
    to_starboard: float
    heading_deg: float


METRES_PER_NM = 1852.0
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
    return closest_approach(*_relative(own, other))


def clearance_m(own: Fix, other: Fix, own_hull: Hull | None, other_hull: Hull | None) -> float:
    """The least distance of two hulls on straight courses, m; 0 where they meet. A vessel without a hull is a point.

    Seen along the relative course both hulls are spans across it, and the gap between the spans is what is left. Of vessels that do not move
    against each other the gap is taken along the line between them.
    """
    east, north, east_kn, north_kn = _relative(own, other)
    across = (-north_kn, east_kn) if hypot(east_kn, north_kn) >= STILL_KN else (east, north)
    length = hypot(*across)
    if length == 0:
        return 0.0
    east_share, north_share = across[0] / length, across[1] / length
    apart = (east * east_share + north * north_share) * METRES_PER_NM
    own_low, own_high = _span(own_hull, east_share, north_share)
    other_low, other_high = _span(other_hull, east_share, north_share)
    return max(0.0, apart + other_low - own_high, own_low - apart - other_high)


def _span(hull: Hull | None, east: float, north: float) -> tuple[float, float]:
    """How far a hull reaches from its antenna along a direction, backward (negative) and forward, m."""
    if hull is None:
        return 0.0, 0.0
    heading = radians(hull.heading_deg)
    ahead = sin(heading) * east + cos(heading) * north
    aside = cos(heading) * east - sin(heading) * north
    lengthwise = hull.to_bow * ahead, -hull.to_stern * ahead
    sideways = hull.to_starboard * aside, -hull.to_port * aside
    return min(lengthwise) + min(sideways), max(lengthwise) + max(sideways)


def _relative(own: Fix, other: Fix) -> tuple[float, float, float, float]:
    """Where the other is, nm east and north, and how it moves against the own vessel, kn east and north."""
    mean = radians((own.position.lat + other.position.lat) / 2)
    across = (other.position.lon - own.position.lon + 180) % 360 - 180
    own_east, own_north = _velocity(own)
    other_east, other_north = _velocity(other)
    return (
        across * 60 * cos(mean),
        (other.position.lat - own.position.lat) * 60,
        other_east - own_east,
        other_north - own_north,
    )


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
