"""Which cameras might see a point: a grid of square cells, coarser ones for farther-seeing cameras.

A tree of polygons answers in 11 µs and takes seconds to build for 100,000 cameras; looking up one cell a level takes
1 µs, and the exact test that follows is arithmetic either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import numpy as np

from hub.cameras.sector import Sector
from hub.geo import DEGREE_M
from hub.model import Camera

FINEST = 1024
"""Cells to a degree at level 0 (about 109 m); each level doubles the cell."""
COARSEST_LEVEL = 13
"""Up to here (8 degrees) whole cells go round the Earth, so that nothing special happens at 180°."""
CELLS_ACROSS = 4
"""A camera's box is at most so many cells wide: fewer make a longer list a cell, more make a longer index."""
SLACK = 1.02
"""The boxes are of a sphere, the test behind them is of the ellipsoid."""


class Grid:
    """Built once from camera positions and their sectors."""

    def __init__(self, cameras: Sequence[Camera], sectors: Sequence[Sector]) -> None:
        self._levels: list[tuple[float, int, dict[int, list[int]]]] = []
        if not cameras:
            return
        west, south, east, north = _boxes(cameras, sectors)
        extent = np.maximum(east - west, north - south) * FINEST
        level = np.clip(np.ceil(np.log2(np.maximum(extent, 1e-9) / CELLS_ACROSS)), 0, COARSEST_LEVEL).astype(np.int64)
        for wanted in sorted(set(level.tolist())):  # np.unique would import numpy.ma: 20 ms of each start
            chosen = np.flatnonzero(level == wanted)
            per_degree, columns = FINEST / 2.0**wanted, round(360 * FINEST / 2.0**wanted)
            boxes = [box[chosen] * per_degree for box in (west, south, east, north)]
            cells = _cells(chosen, boxes, columns)
            self._levels.append((float(per_degree), columns, cells))

    def near(self, lon: float, lat: float) -> list[int]:
        """Indices of the cameras whose box lies in the point's cells."""
        found: list[int] = []
        for per_degree, columns, cells in self._levels:
            found += cells.get(floor(lat * per_degree) * columns + floor(lon * per_degree) % columns, ())
        return found


def _cells(chosen: np.ndarray, boxes: Sequence[np.ndarray], columns: int) -> dict[int, list[int]]:
    """Cell → cameras, for boxes (west, south, east, north) given in cells."""
    west, south, east, north = boxes
    x, y = np.floor(west).astype(np.int64), np.floor(south).astype(np.int64)
    wide, high = np.floor(east).astype(np.int64) - x + 1, np.floor(north).astype(np.int64) - y + 1
    count = wide * high
    who = np.repeat(np.arange(len(chosen)), count)
    nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    keys = (y[who] + nth // wide[who]) * columns + (x[who] + nth % wide[who]) % columns
    order = np.argsort(keys, kind="stable")
    keys, members = keys[order], chosen[who[order]].tolist()
    begins = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    ends = np.r_[begins[1:], len(keys)]
    return {
        key: members[begin:end]
        for key, begin, end in zip(keys[begins].tolist(), begins.tolist(), ends.tolist(), strict=True)
    }


def _boxes(cameras: Sequence[Camera], sectors: Sequence[Sector]) -> tuple[np.ndarray, ...]:
    """West, south, east, north of each sector in degrees."""
    lon = np.array([camera.position.lon for camera in cameras])
    lat = np.array([camera.position.lat for camera in cameras])
    far = np.array([ground.far_m for ground in sectors]) * SLACK + 1.0
    start = np.array([ground.azimuth_deg - ground.width_deg / 2 - 1 for ground in sectors]) % 360
    width = np.array([ground.width_deg + 2 for ground in sectors])

    def reach(direction: float) -> np.ndarray:
        """How far (0 to 1 of the range) the sector goes in one of the four winds."""
        inside = (direction - start) % 360 <= width
        edges = np.maximum(np.cos(np.radians(start - direction)), np.cos(np.radians(start + width - direction)))
        return np.where(inside, 1.0, np.maximum(edges, 0.0))

    up = far / DEGREE_M
    across = up / np.maximum(0.02, np.cos(np.radians(lat)))
    side = np.maximum(across * 1e-3, across / far)  # at least a metre round the camera itself
    margin = np.maximum(up * 1e-3, up / far)
    return (
        lon - across * reach(270) - side,
        lat - up * reach(180) - margin,
        lon + across * reach(90) + side,
        lat + up * reach(0) + margin,
    )
