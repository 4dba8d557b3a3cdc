"""Buildings that stand in the way of a line of sight.

A building is its footprint and one height, the ground is flat. A target is hidden where the straight line from the camera
to it passes through a footprint below the roof: high cameras see over low buildings.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import shapely

from hub.cameras.sector import HEIGHT_M
from hub.geo import DEGREE_M
from hub.model import Building, Camera

TARGET_M = 1.0
"""Height of what is looked at: a car, a person's body."""
OWN_WALL_M = 1.0
"""A building that the camera stands in, or nearer to than this, carries it and hides nothing."""


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


def _lowest(sight: shapely.LineString, shape: shapely.Geometry, height: float) -> float:
    """How low the line from the camera's height to the target's comes over a footprint, metres: it is straight, so that
    is where it enters or where it leaves."""
    inside = shapely.get_coordinates(shapely.intersection(sight, shape))
    shares = shapely.line_locate_point(sight, shapely.points(inside), normalized=True)
    share = float(shares.max() if height > TARGET_M else shares.min())
    return height + (TARGET_M - height) * share
