"""Who sees this place: the ground each camera covers, and a ranking with reasons.

A camera's ground is a sector: from where its picture begins below it to its range, across its field of view; all
round for PTZ cameras and for those whose direction nobody wrote down (which costs them rank, and is said).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import radians, tan

import msgspec
import numpy as np
import shapely

from hub.geo import angle_between, bearing_deg, compass, destination, distance_m
from hub.model import Camera, CameraView, Position

# House defaults for what the registry does not say; each use of one is said in the reason.
RANGE_M = 150.0
PTZ_RANGE_M = 300.0
HFOV_DEG = 60.0
ASPECT = 9 / 16  # of a common sensor: vertical over horizontal field of view

NEARBY_M = 1000.0
"""Cameras that do not see the place are still named up to here, last, so that somebody can turn or visit them."""
ARC_STEP_DEG = 10.0


class Sector(msgspec.Struct, frozen=True, gc=False):
    """A camera's ground: distances in metres, directions in degrees from true north."""

    near_m: float
    far_m: float
    azimuth_deg: float
    width_deg: float  # 360: all round
    assumed: tuple[str, ...]


class Cameras:
    """The city's cameras, indexed by the ground they cover. Build once, ask often."""

    def __init__(self, cameras: Iterable[Camera]) -> None:
        self._cameras = list(cameras)
        self._sectors = [sector(camera) for camera in self._cameras]
        self._ground = shapely.STRtree(
            [footprint(camera, ground) for camera, ground in zip(self._cameras, self._sectors, strict=True)]
        )
        self._places = shapely.STRtree(
            shapely.points([(camera.position.lon, camera.position.lat) for camera in self._cameras] or np.empty((0, 2)))
        )
        self._reach_deg = 0.02  # about 2 km: the box in which neighbours are looked for

    def __len__(self) -> int:
        return len(self._cameras)

    def seeing(self, lon: float, lat: float) -> list[CameraView]:
        """The cameras whose ground covers the place, best first."""
        hits = self._ground.query(shapely.Point(lon, lat))
        views = [self._view(index, lon, lat) for index in hits]
        return sorted((view for view in views if view.sees), key=_rank)

    def rank(self, position: Position, limit: int = 3, within_m: float = NEARBY_M) -> list[CameraView]:
        """The cameras that see the place, best first, then the nearest that do not; at most `limit`, none beyond `within_m`."""
        lon, lat = position.lon, position.lat
        views = [view for view in self.seeing(lon, lat) if view.distance_m <= within_m][:limit]
        if len(views) < limit:
            reach = min(0.5, within_m / 80_000)
            seen = {view.camera for view in views}
            near = self._places.query(
                shapely.box(
                    lon - reach / max(0.1, np.cos(radians(lat))),
                    lat - reach,
                    lon + reach / max(0.1, np.cos(radians(lat))),
                    lat + reach,
                )
            )
            others = [
                view
                for view in (self._view(index, lon, lat) for index in near)
                if view.camera not in seen and view.distance_m <= within_m
            ]
            views += sorted(others, key=lambda view: (view.distance_m, view.camera))[: limit - len(views)]
        return views

    def _view(self, index: int, lon: float, lat: float) -> CameraView:
        camera, ground = self._cameras[index], self._sectors[index]
        away = distance_m(camera.position.lon, camera.position.lat, lon, lat)
        towards = bearing_deg(camera.position.lon, camera.position.lat, lon, lat)
        off_axis = 0.0 if ground.width_deg >= 360 else angle_between(towards, ground.azimuth_deg)
        why_not = _why_not(ground, away, off_axis)
        score = 0.0 if why_not else _score(camera, ground, away, off_axis)
        reason = f"{away:.0f} m away, looking {compass(towards)}"
        if why_not:
            reason = f"{away:.0f} m away, {why_not}"
        elif camera.ptz:
            reason += ", PTZ: turn it to the bearing"
        elif ground.width_deg < 360:
            reason += f", {off_axis:.0f}° off the middle of its picture"
        if ground.assumed:
            reason += f" ({', '.join(ground.assumed)})"
        return CameraView(
            camera=camera.camera,
            score=round(score, 3),
            distance_m=round(away, 1),
            bearing_deg=round(towards, 1),
            sees=not why_not,
            reason=reason,
            name=camera.name,
            stream_url=camera.stream_url or None,
        )


def sector(camera: Camera) -> Sector:
    """The camera's ground by its height, tilt (positive = down), field of view and range; defaults where unknown."""
    assumed: list[str] = []
    far = camera.range_m
    if far is None:
        far = PTZ_RANGE_M if camera.ptz else RANGE_M
        assumed.append(f"range not known, {far:.0f} m assumed")
    hfov = camera.hfov_deg
    if hfov is None and not camera.ptz and camera.azimuth_deg is not None:
        hfov = HFOV_DEG
        assumed.append(f"field of view not known, {hfov:.0f}° assumed")
    near = 0.0
    if not camera.ptz and camera.height_m and camera.tilt_deg is not None and hfov is not None and hfov < 180:
        half = min(hfov, 120.0) * ASPECT / 2
        lowest, highest = camera.tilt_deg + half, camera.tilt_deg - half
        near = 0.0 if lowest >= 90 else camera.height_m / tan(radians(lowest)) if lowest > 0 else far
        if highest > 0:
            far = min(far, camera.height_m / tan(radians(highest)))
    if camera.ptz:
        return Sector(0.0, far, 0.0, 360.0, tuple(assumed))
    if camera.azimuth_deg is None:
        return Sector(min(near, far), far, 0.0, 360.0, ("direction not known, all round assumed", *assumed))
    return Sector(min(near, far), far, camera.azimuth_deg, min(hfov or HFOV_DEG, 360.0), tuple(assumed))


def footprint(camera: Camera, ground: Sector) -> shapely.Polygon:
    """The sector as a polygon in lon/lat, for the index and for maps."""
    lon, lat = camera.position.lon, camera.position.lat
    width = ground.width_deg
    steps = max(2, round(width / ARC_STEP_DEG))
    start = ground.azimuth_deg - width / 2
    stretch = 1 / np.cos(radians(min(ARC_STEP_DEG, width / steps) / 2))  # the chord lies inside the arc; push it out
    arc = [destination(lon, lat, start + width * step / steps, ground.far_m * stretch) for step in range(steps + 1)]
    return shapely.Polygon(arc if width >= 360 else [(lon, lat), *arc])


def _why_not(ground: Sector, away: float, off_axis: float) -> str:
    if away > ground.far_m:
        return f"beyond its range of {ground.far_m:.0f} m"
    if away < ground.near_m:
        return f"below its picture, which begins at {ground.near_m:.0f} m"
    if ground.width_deg < 360 and off_axis > ground.width_deg / 2:
        return f"{off_axis:.0f}° off its axis, outside its field of view of {ground.width_deg:.0f}°"
    return ""


def _score(camera: Camera, ground: Sector, away: float, off_axis: float) -> float:
    """0 to 1: nearer, more central and better known is better (house weights)."""
    score = 1.0 - 0.6 * away / max(ground.far_m, 1.0)
    if ground.width_deg < 360:
        score *= 1.0 - 0.3 * off_axis / (ground.width_deg / 2)
    if camera.ptz:
        score *= 0.95  # it has to turn first
    elif camera.azimuth_deg is None:
        score *= 0.5
    return score * 0.97 ** len(ground.assumed)


def _rank(view: CameraView) -> tuple[float, float, str]:
    return (-view.score, view.distance_m, view.camera)
