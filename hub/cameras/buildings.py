"""Buildings that stand in the way: of one line of sight, and of the ground that a camera covers.

A building is its footprint and one height, the ground is flat. A target is hidden where the straight line from the camera
to it passes through a footprint below the roof: high cameras see over low buildings.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import inf

import numpy as np
import shapely

from hub.cameras.sector import HEIGHT_M
from hub.geo import DEGREE_M
from hub.model import Building, Camera

TARGET_M = 1.0
"""Height of what is looked at: a car, a person's body."""
OWN_WALL_M = 1.0
"""A building that the camera stands in, or nearer to than this, carries it and hides nothing."""
VERTICES_MAX = 200
COARSER_M = (0.3, 1.0, 3.0, 10.0, 30.0)
"""How coarsely the ground of a camera may be drawn to stay below `VERTICES_MAX`, finest first."""


class Buildings:
    """The city's buildings, indexed."""

    def __init__(self, buildings: Iterable[Building]) -> None:
        self._buildings = list(buildings)
        self._shapes = np.array(
            [shapely.make_valid(shapely.Polygon(item.rings[0], item.rings[1:])) for item in self._buildings],
            dtype=object,
        )
        self._roofs = np.array([item.height_m for item in self._buildings])
        self._tree = shapely.STRtree(self._shapes)

    def __len__(self) -> int:
        return len(self._buildings)

    def between(self, camera: Camera, lon: float, lat: float) -> Building | None:
        """A building that hides a target at this place from the camera; None where the sight is free."""
        eye = shapely.Point(camera.position.lon, camera.position.lat)
        sight = shapely.LineString([(camera.position.lon, camera.position.lat), (lon, lat)])
        height = camera.height_m or HEIGHT_M
        crossed = self._tree.query(sight, predicate="intersects")
        # The tallest first: what stands above both ends hides without a further look.
        for index in crossed[np.argsort(-self._roofs[crossed])].tolist():
            roof, shape = self._roofs[index], self._shapes[index]
            if roof <= min(height, TARGET_M):
                return None
            if shapely.distance(shape, eye) * DEGREE_M > OWN_WALL_M and (
                roof >= max(height, TARGET_M) or roof > _lowest(sight, shape, height)
            ):
                return self._buildings[int(index)]
        return None

    def cut(self, camera: Camera, ground: shapely.Polygon) -> shapely.Geometry:
        """The part of the ground where a target is not hidden: what `between` says of each point, as an area."""
        eye = shapely.Point(camera.position.lon, camera.position.lat)
        height = camera.height_m or HEIGHT_M
        near = self._tree.query(ground, predicate="intersects")
        near = near[shapely.distance(self._shapes[near], eye) * DEGREE_M > OWN_WALL_M]
        reach = 2 * shapely.hausdorff_distance(eye, ground)
        shadows = [
            _shadow(self._shapes[index], eye, *_shares(height, float(self._roofs[index])), reach)
            for index in near.tolist()
            if self._roofs[index] > min(height, TARGET_M)
        ]
        return shapely.difference(ground, shapely.union_all(shadows)) if shadows else ground


def _shares(height: float, roof: float) -> tuple[float, float]:
    """From where to where a target is hidden behind a building, as multiples of the distance from the camera to the wall: to its
    near wall (1: right there) and to its far one."""
    if roof >= max(height, TARGET_M):
        return 1.0, inf
    if height > TARGET_M:
        return 1.0, (height - TARGET_M) / (height - roof)
    return (TARGET_M - height) / (roof - height), inf


def _shadow(shape: shapely.Geometry, eye: shapely.Point, begins: float, ends: float, reach: float) -> shapely.Geometry:
    """Where on the ground a building hides targets: its footprint drawn out from the camera, `reach` (degrees) far at most."""
    ends = min(ends, max(begins, reach / shapely.distance(shape, eye)))
    near, far = _drawn_out(shape, eye, begins), _drawn_out(shape, eye, ends)
    hull = shapely.convex_hull(shape)
    if hull.area - shape.area <= 1e-9 * hull.area:
        return shapely.convex_hull(shapely.union_all([near, far]))
    sides = [
        shapely.convex_hull(shapely.MultiPoint([*a, *b]))
        for inner, outer in zip(_rings(near), _rings(far), strict=True)
        for a, b in zip(pairwise(inner), pairwise(outer), strict=True)
    ]
    return shapely.union_all([near, far, *(side for side in sides if side.geom_type == "Polygon")])


def _drawn_out(shape: shapely.Geometry, eye: shapely.Point, factor: float) -> shapely.Geometry:
    here = np.array([eye.x, eye.y])
    return shapely.transform(shape, lambda at: here + (at - here) * factor)


def _rings(shape: shapely.Geometry) -> list[list[tuple[float, ...]]]:
    polygons = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    return [list(ring.coords) for part in polygons for ring in (part.exterior, *part.interiors)]


def simplified(area: shapely.Geometry) -> shapely.Geometry:
    """The area with at most `VERTICES_MAX` corners, for maps: drawn more coarsely, then without its smallest parts."""
    for metres in COARSER_M:
        if shapely.get_num_coordinates(area) <= VERTICES_MAX:
            return area
        area = shapely.simplify(area, metres / DEGREE_M)
    kept: list[shapely.Geometry] = []
    left = VERTICES_MAX
    for part in sorted(shapely.get_parts(area), key=lambda part: -part.area):
        if (corners := int(shapely.get_num_coordinates(part))) <= left:
            kept.append(part)
            left -= corners
    return shapely.union_all(kept) if kept else shapely.convex_hull(area)


def _lowest(sight: shapely.LineString, shape: shapely.Geometry, height: float) -> float:
    """How low the line from the camera's height to the target's comes over a footprint, metres: it is straight, so that
    is where it enters or where it leaves."""
    inside = shapely.get_coordinates(shapely.intersection(sight, shape))
    shares = shapely.line_locate_point(sight, shapely.points(inside), normalized=True)
    share = float(shares.max() if height > TARGET_M else shares.min())
    return height + (TARGET_M - height) * share
