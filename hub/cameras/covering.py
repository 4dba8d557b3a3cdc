"""Cameras for an area: the few that together see the most of it. Pure.

Greedy choice of the camera that adds most: at least 63 % of the best possible (Nemhauser, Wolsey, Fisher 1978), on points
spread evenly over the area. A PTZ camera counts with the one direction in which it adds most.
"""

from __future__ import annotations

from math import cos, radians, sqrt

import msgspec
import numpy as np
import shapely

from hub.bilingual import Text
from hub.cameras.aiming import pose_at
from hub.cameras.ranking import Cameras
from hub.cameras.sector import PTZ_HFOV_DEG
from hub.geo import polar
from hub.model import Pose

POINTS = 400
PTZ_DIRECTIONS = 24


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """One camera's part in watching an area; shares are of the whole area, 0 to 1."""

    camera: str
    sees: float
    adds: float
    together: float
    """With those before it in the list."""
    reason: str
    name: str = ""
    pose: Pose | None = None
    reason_zh: str = ""


def cover(cameras: Cameras, area: shapely.Polygon, limit: int = 5, need: str = "") -> list[Part]:
    """At most `limit` cameras, the one that adds most first. Only what is seen finely enough for the need counts."""
    points = _spread(area)
    views = _views(cameras, points, need)
    covered = np.zeros(len(points), dtype=bool)
    parts: list[Part] = []
    taken: set[int] = set()
    while len(parts) < limit:
        best = max(
            ((camera, pose, mask) for camera, pose, mask in views if camera not in taken),
            key=lambda view: (int((view[2] & ~covered).sum()), -view[0]),
            default=None,
        )
        if best is None or not (best[2] & ~covered).any():
            break
        index, pose, mask = best
        adds = float((mask & ~covered).mean())
        covered |= mask
        taken.add(index)
        camera = cameras.cameras[index]
        share = float(mask.mean())
        reason = Text(f"sees {share:.0%} of the area, adds {adds:.0%}", f"可见该区域的{share:.0%}，新增{adds:.0%}")
        if pose:
            reason += Text(f" when turned to {pose.azimuth_deg:.0f}°", f"（转至{pose.azimuth_deg:.0f}°时）")
        together = float(covered.mean())
        parts.append(Part(camera.camera, share, adds, together, reason.en, camera.name, pose, reason.zh))
    return parts


def _spread(area: shapely.Polygon) -> np.ndarray:
    """Points (n, 2) inside the area, on a square lattice of about `POINTS`; never none."""
    west, south, east, north = area.bounds
    squeeze = max(0.02, cos(radians((south + north) / 2)))
    step = sqrt(area.area * squeeze / POINTS) or 1e-6
    lon, lat = np.meshgrid(
        np.arange(west + step / squeeze / 2, east, step / squeeze), np.arange(south + step / 2, north, step)
    )
    points = np.column_stack([lon.ravel(), lat.ravel()])
    points = points[shapely.contains_xy(area, points[:, 0], points[:, 1])]
    return points if len(points) else np.array(area.representative_point().coords)


def _views(cameras: Cameras, points: np.ndarray, need: str) -> list[tuple[int, Pose | None, np.ndarray]]:
    """What each camera could add: (camera, pose, points seen); several views for a PTZ camera."""
    needed = cameras.tasks[need] if need else 0.0
    seen: dict[int, list[int]] = {}
    for number, (lon, lat) in enumerate(points.tolist()):
        for sight in cameras.sights(lon, lat, need):
            if sight.pixels_per_m >= needed:
                seen.setdefault(sight.camera, []).append(number)
    views: list[tuple[int, Pose | None, np.ndarray]] = []
    for index, numbers in seen.items():
        camera = cameras.cameras[index]
        mask = np.zeros(len(points), dtype=bool)
        mask[numbers] = True
        if not camera.ptz:
            views.append((index, None, mask))
            continue
        wide = camera.hfov_deg or PTZ_HFOV_DEG
        sides = np.array([polar(camera.position.lon, camera.position.lat, *at) for at in points.tolist()])
        for turn in range(PTZ_DIRECTIONS):
            azimuth = turn * 360.0 / PTZ_DIRECTIONS
            shown = mask & (np.abs((sides[:, 1] - azimuth + 180) % 360 - 180) <= wide / 2)
            if shown.any():
                pose = pose_at(camera, float(sides[shown, 0].mean()), azimuth, view_m=1e6)  # as wide as it goes
                views.append((index, pose, shown))
    return views
