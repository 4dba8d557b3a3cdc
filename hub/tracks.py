"""Where a moving thing went, as lines for a map: broken where nothing was heard of it, and drawn no finer than the map's scale shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import asinh, pi, radians, tan
from typing import NamedTuple

import shapely

from hub.trips import Fix, settled

GAP_S = 900.0
"""Nothing heard for so long: where it went meanwhile is not known, and no line says so. House default, five times the three minutes of a vessel at anchor."""
WORLD_PX = 512
"""The width of the world at zoom 0, as MapLibre counts zooms; with tiles of 256 pixels a zoom is one more."""
POLES_DEG = 85.0
"""Web Mercator shows nothing beyond."""


class Line(NamedTuple):
    """A way without a gap: moments (s since 1970, UTC) and the places then, as many of each, one at least."""

    at: list[float]
    points: list[tuple[float, float]]


def track(fixes: Iterable[Fix], zoom: float | None = None) -> list[Line]:
    """The lines of one thing's fixes in order of time; with a zoom only the points that move a line there by more than half a pixel (Douglas-Peucker)."""
    return [_drawn(stretch, zoom) for stretch in _stretches(settled(fixes))]


def _stretches(fixes: Sequence[Fix]) -> list[list[Fix]]:
    """Broken at gaps, and where a way crosses the 180th meridian, which a line on a map cannot."""
    found: list[list[Fix]] = []
    for fix in fixes:
        before = found[-1][-1] if found else None
        if before is None or fix.at - before.at > GAP_S or abs(fix.lon - before.lon) > 180:
            found.append([])
        found[-1].append(fix)
    return found


def _drawn(stretch: Sequence[Fix], zoom: float | None) -> Line:
    kept = stretch if zoom is None or len(stretch) < 3 else [stretch[number] for number in _needed(stretch, zoom)]
    return Line([fix.at for fix in kept], [(fix.lon, fix.lat) for fix in kept])


def _needed(stretch: Sequence[Fix], zoom: float) -> list[int]:
    """Numbers of the fixes that the line needs at that zoom."""
    line = shapely.LineString([(*_pixel(fix, zoom), number) for number, fix in enumerate(stretch)])
    return [int(number) for _, _, number in line.simplify(0.5, preserve_topology=False).coords]


def _pixel(fix: Fix, zoom: float) -> tuple[float, float]:
    world = WORLD_PX * 2**zoom
    lat = radians(max(-POLES_DEG, min(POLES_DEG, fix.lat)))
    return fix.lon / 360 * world, asinh(tan(lat)) / (2 * pi) * world
