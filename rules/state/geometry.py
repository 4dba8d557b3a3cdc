"""Distances and shapes on the earth, in metres and degrees."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import asin, cos, hypot, inf, radians, sin, sqrt

from hub.model import Position, Zone

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG)."""


METRES_PER_DEG = radians(1) * EARTH_RADIUS_M


def distance_m(a: Position, b: Position) -> float:
    """Great-circle distance in metres (haversine)."""
    lat_a, lat_b = radians(a.lat), radians(b.lat)
    h = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin(radians(b.lon - a.lon) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(h)))


def inside(zone: Zone, position: Position) -> bool:
    """Whether a position lies in a zone's rings (even-odd, so that holes are outside)."""
    lon, lat = position.lon, position.lat
    odd = False
    for ring in zone.rings:
        previous = ring[-1]
        for corner in ring:
            (x0, y0), (x1, y1) = previous, corner
            if (y0 > lat) != (y1 > lat) and lon < (x1 - x0) * (lat - y0) / (y1 - y0) + x0:
                odd = not odd
            previous = corner
    return odd


def edge_m(zone: Zone, position: Position) -> float:
    """How far a position is from a zone's edge, in metres: on a plane laid at the position, true to a per mille and
    better within some kilometres."""
    east = METRES_PER_DEG * cos(radians(position.lat))
    nearest = inf
    for ring in zone.rings:
        corners = [((lon - position.lon) * east, (lat - position.lat) * METRES_PER_DEG) for lon, lat in ring]
        for (x0, y0), (x1, y1) in pairwise([*corners, *corners[:1]]):
            dx, dy = x1 - x0, y1 - y0
            along = dx * dx + dy * dy
            share = min(1.0, max(0.0, -(x0 * dx + y0 * dy) / along)) if along else 0.0
            nearest = min(nearest, hypot(x0 + share * dx, y0 + share * dy))
    return nearest


def middle(rings: Iterable[Iterable[tuple[float, float]]]) -> Position | None:
    """The centroid of a polygon, holes (rings after the first) taken away; of its corners where it has no surface."""
    surface = east = north = 0.0
    corners: list[tuple[float, float]] = []
    for number, ring in enumerate(rings):
        points = list(ring)
        corners += points
        if not points:
            continue
        x0, y0 = points[0]
        a = x = y = 0.0
        for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True):
            cross = (ax - x0) * (by - y0) - (bx - x0) * (ay - y0)
            a += cross / 2
            x += (ax + bx - 2 * x0) * cross / 6
            y += (ay + by - 2 * y0) * cross / 6
        sign = (1 if number == 0 else -1) * (1 if a >= 0 else -1)
        surface += sign * a
        east += sign * (x + a * x0)
        north += sign * (y + a * y0)
    if not corners:
        return None
    if surface <= 0:
        return Position(
            round(sum(c[0] for c in corners) / len(corners), 7), round(sum(c[1] for c in corners) / len(corners), 7)
        )
    return Position(round(east / surface, 7), round(north / surface, 7))
