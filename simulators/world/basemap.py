"""Harbour City as a base map: sea, river, reservoir, roads, blocks of houses, greens and places, all made from its geometry."""

from __future__ import annotations

from math import cos, radians, sin
from random import Random
from typing import Any

from simulators.world.geography import (
    COAST,
    ISLAND,
    RESERVOIR,
    RIVER,
    RIVER_WIDTH_M,
    ROAD_NODES,
    ROADS,
    SEA_BRIDGE,
    apart,
    heading,
    to_degrees,
)

SOUTH_M = -5200
HOUSES_PER_ROAD_M = 1 / 45
FAST_KMH = 60
"""Roads as fast as this are main roads."""


def features() -> dict[str, Any]:
    """A GeoJSON FeatureCollection (WGS-84), the same at every call."""
    made = [
        _area("water", [[*COAST, (COAST[-1][0], SOUTH_M), (COAST[0][0], SOUTH_M)], list(reversed(ISLAND))]),
        _area("water", [_banks()]),
        _area("water", [RESERVOIR]),
    ]
    made += [_road(a, b, speed) for a, b, speed in ROADS]
    made += [_feature("road", "LineString", _ring(SEA_BRIDGE), {"class": "major"})]
    chance = Random(29)
    for a, b, speed in ROADS:
        if speed < FAST_KMH:
            made += _houses(ROAD_NODES[a], ROAD_NODES[b], chance)
    made += [_park(ROAD_NODES[name], size) for name, size in (("hospital", 130), ("school", 150), ("hill-road", 620), ("north-end", 260))]  # fmt: skip
    made += [
        _feature("place", "Point", to_degrees(*at), {"name": name.replace("-", " ").capitalize(), "rank": rank})
        for name, at in ROAD_NODES.items()
        for rank in (2 if name in ("market", "island") else 4,)
    ]
    return {"type": "FeatureCollection", "features": made}


def _banks() -> list[tuple[float, float]]:
    """The river as an area: its middle line, as wide as it is there."""
    sides: list[list[tuple[float, float]]] = [[], []]
    for number, at in enumerate(RIVER):
        before, after = RIVER[max(0, number - 1)], RIVER[min(len(RIVER) - 1, number + 1)]
        across = radians(heading(before, after) + 90)
        for side, sign in zip(sides, (1, -1), strict=True):
            half = RIVER_WIDTH_M[number] / 2 * sign
            side.append((at[0] + half * sin(across), at[1] + half * cos(across)))
    return sides[0] + sides[1][::-1]


def _road(a: str, b: str, speed: int) -> dict[str, Any]:
    kind = "major" if speed >= FAST_KMH else "medium" if speed >= 40 else "minor"
    return _feature("road", "LineString", _ring([ROAD_NODES[a], ROAD_NODES[b]]), {"class": kind})


def _houses(a: tuple[float, float], b: tuple[float, float], chance: Random) -> list[dict[str, Any]]:
    """Rows of houses on both sides of a street, set back from it."""
    length, way = apart(a, b), radians(heading(a, b))
    along, across = (sin(way), cos(way)), (cos(way), -sin(way))
    made = []
    for number in range(1, int(length * HOUSES_PER_ROAD_M)):
        for side in (-1, 1):
            if chance.random() < 0.2:
                continue
            far, deep, wide = 26 + chance.random() * 40, 12 + chance.random() * 14, 12 + chance.random() * 16
            at = number / HOUSES_PER_ROAD_M
            corners = [(at - wide / 2, far), (at + wide / 2, far), (at + wide / 2, far + deep), (at - wide / 2, far + deep)]  # fmt: skip
            ring = [(a[0] + u * along[0] + side * v * across[0], a[1] + u * along[1] + side * v * across[1]) for u, v in corners]  # fmt: skip
            made.append(_area("building", [ring]))
    return made


def _park(at: tuple[float, float], size: float) -> dict[str, Any]:
    corners = [(at[0] + 90 + size * (1 + 0.25 * sin(3 * turn)) * cos(turn), at[1] + 90 + size * sin(turn)) for turn in (radians(15 * n) for n in range(24))]  # fmt: skip
    return _area("green", [corners])


def _area(layer: str, rings: list[Any]) -> dict[str, Any]:
    return _feature(layer, "Polygon", [[*_ring(ring), list(to_degrees(*ring[0]))] for ring in rings], {})


def _feature(layer: str, kind: str, coordinates: Any, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": {"layer": layer, **properties},
    }


def _ring(points: Any) -> list[list[float]]:
    return [list(to_degrees(*point)) for point in points]
