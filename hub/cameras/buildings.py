"""Buildings that stand in the way: what of a camera's ground lies in their shadow, seen from the camera.

A building is its footprint and one height, the ground is flat. A point is hidden where the straight line from the
camera to a target of `TARGET_M` there meets a building below its roof. With the camera at height h, the target at t and
the roof at H, the line is below the roof on its last part only, so the shadow is the footprint swept away from the camera
up to k = (h - t)/(h - H) times its distance; a roof at or above the camera hides everything behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, radians

import msgspec
import numpy as np
import shapely

from hub.cameras.sector import HEIGHT_M, Sector, footprint
from hub.geo import radii_m
from hub.model import Building, Camera

TARGET_M = 1.0
"""Height of what is looked at: a car, a person's body."""
OWN_WALL_M = 1.0
"""A building that the camera stands in, or nearer to than this, carries it and hides nothing."""


class Ground(msgspec.Struct, frozen=True):
    """What one camera sees of the ground, in lon/lat, prepared for questions; and how much buildings take away."""

    area: shapely.Geometry
    hidden_share: float


class Buildings:
    """The city's buildings, indexed."""

    def __init__(self, buildings: Iterable[Building]) -> None:
        kept = list(buildings)
        self._shapes = np.array(
            [shapely.make_valid(shapely.Polygon(item.rings[0], item.rings[1:])) for item in kept], dtype=object
        )
        self._heights = [item.height_m for item in kept]
        self._tree = shapely.STRtree(self._shapes)

    def __len__(self) -> int:
        return len(self._heights)

    def seen_from(self, camera: Camera, ground: Sector) -> Ground:
        """The camera's sector without the shadows of the buildings in it."""
        lon, lat = camera.position.lon, camera.position.lat
        whole = footprint(camera, ground)
        if whole.is_empty:
            return Ground(whole, 0.0)
        # Near the camera too: a wall inside the strip below the picture still hides what is behind it.
        hull = shapely.convex_hull(shapely.union(whole, shapely.Point(lon, lat)))
        near = self._tree.query(hull, predicate="intersects")
        scale = np.array(_metres_per_degree(lat))
        here = np.array([lon, lat])
        height = camera.height_m or HEIGHT_M
        shadows = []
        for index in near:
            local = shapely.transform(self._shapes[index], lambda at: (at - here) * scale)
            if shapely.distance(local, shapely.Point(0, 0)) > OWN_WALL_M:
                shadows += _shadow(local, height, self._heights[index], ground.far_m)
        if not shadows:
            shapely.prepare(whole)
            return Ground(whole, 0.0)
        dark = shapely.transform(shapely.union_all(shadows), lambda at: at / scale + here)
        left = shapely.difference(whole, dark)
        shapely.prepare(left)
        return Ground(left, 1.0 - left.area / whole.area)


def _shadow(local: shapely.Geometry, height: float, roof: float, far_m: float) -> list[shapely.Geometry]:
    """The swept footprint: itself and, for each wall, the ground between the wall and its image k times as far."""
    if roof <= TARGET_M:
        return []
    nearest = shapely.distance(local, shapely.Point(0, 0))
    stretch = 2.0 * far_m / nearest + 1.0  # the chord of the far image must lie beyond the range as well
    if roof < height and height > TARGET_M:
        stretch = min(stretch, (height - TARGET_M) / (height - roof))
    pieces = [local]
    for part in shapely.get_parts(local):
        for ring in (part.exterior, *part.interiors) if part.geom_type == "Polygon" else ():
            walls = shapely.get_coordinates(ring)
            begin, end = walls[:-1], walls[1:]
            quads = np.stack([begin, end, end * stretch, begin * stretch, begin], axis=1)
            pieces += [quad for quad in shapely.polygons(quads) if quad.area > 0]
    return [shapely.make_valid(piece) for piece in pieces]


def _metres_per_degree(lat: float) -> tuple[float, float]:
    meridian, vertical = radii_m(lat)
    return radians(vertical) * cos(radians(lat)), radians(meridian)
