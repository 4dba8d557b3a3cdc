"""Who sees this place: a ranking with reasons, and how to turn the cameras that can be turned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import copysign, cos, hypot, log, pi, radians, sin, sqrt
from typing import Any, NamedTuple

import numpy as np
import shapely

from hub.bilingual import COMPASS_ZH, NOTHING, Text
from hub.cameras.aiming import pose_at, tightest_deg
from hub.cameras.buildings import Buildings, simplified
from hub.cameras.density import TASKS, TASKS_ZH, WIDTH_PX, pixels_per_m
from hub.cameras.grid import Grid
from hub.cameras.sector import HEIGHT_M, HFOV_DEG, Sector, footprint, sector
from hub.geo import angle_between, compass, destination, polar
from hub.model import Building, Camera, CameraView, Position

NEARBY_M = 1000.0
"""Cameras that do not see the place are still named up to here, last, so that somebody can turn or visit them."""
SPARE = 4
"""A plane puts the nearest cameras in nearly the right order; so many more are measured exactly."""
ERROR_SAID_DEG = 10.0
"""A direction that is less sure than this is said to be."""
MISPLACED_SAID_M = 10.0
FOOTPRINTS_KEPT = 20_000
SAMPLES = 24
"""Points that stand for an uncertain position."""


class Error(NamedTuple):
    """How uncertain a position is: the one-sigma ellipse (metres; its long axis in degrees from north), a circle if both are equal."""

    major_m: float
    minor_m: float
    orientation_deg: float = 0.0

    def samples(self, position: Position) -> list[tuple[float, float]]:
        """Places that are equally likely under a normal distribution of this ellipse."""
        points = []
        for step in range(SAMPLES):
            radius = sqrt(-2 * log(1 - (step + 0.5) / SAMPLES))  # quantiles of the Rayleigh distribution
            angle = step * pi * (3 - sqrt(5))  # the golden angle spreads them evenly
            along, across = radius * cos(angle) * self.major_m, radius * sin(angle) * self.minor_m
            turn = radians(self.orientation_deg)
            north, east = along * cos(turn) - across * sin(turn), along * sin(turn) + across * cos(turn)
            away, towards = hypot(north, east), 90.0 - np.degrees(np.arctan2(north, east))
            points.append(destination(position.lon, position.lat, float(towards), away))
        return points


class Sight(NamedTuple):
    """One camera (by its number) and one point: what a view is made of. `why_not` is empty where the camera sees it."""

    camera: int
    away_m: float
    towards_deg: float
    off_axis_deg: float
    why_not: Text
    pixels_per_m: float
    score: float


class Cameras:
    """The city's cameras, indexed by the ground they cover. Build once, ask often."""

    def __init__(
        self, cameras: Iterable[Camera], buildings: Sequence[Building] = (), tasks: Mapping[str, float] = TASKS
    ) -> None:
        self.cameras = list(cameras)
        self.sectors = [sector(camera) for camera in self.cameras]
        self.tasks = {**TASKS, **tasks}
        self._grid = Grid(self.cameras, self.sectors)
        self._focal_px = [_focal_px(camera, ground) for camera, ground in zip(self.cameras, self.sectors, strict=True)]
        self._known = [_known(camera, ground) for camera, ground in zip(self.cameras, self.sectors, strict=True)]
        self._rough = [_rough(camera, ground) for camera, ground in zip(self.cameras, self.sectors, strict=True)]
        self._places = np.array([(camera.position.lon, camera.position.lat) for camera in self.cameras]).reshape(-1, 2)
        self._tree = shapely.STRtree(shapely.points(self._places))
        self._buildings = Buildings(buildings) if buildings else None
        self.numbers = {camera.camera: number for number, camera in enumerate(self.cameras)}
        self._footprints: dict[int, shapely.Geometry] = {}

    def __len__(self) -> int:
        return len(self.cameras)

    def footprint(self, index: int) -> shapely.Geometry:
        """The ground that a camera (by its number) covers, in lon/lat, cut by what stands in the way: a Polygon or MultiPolygon, empty
        where it shows no ground. At most `buildings.VERTICES_MAX` corners; made when first asked for."""
        if index in self._footprints:
            return self._footprints[index]
        area = footprint(self.cameras[index], self.sectors[index])
        if self._buildings is None:
            return area  # made anew as fast as it is found again
        area = simplified(self._buildings.cut(self.cameras[index], area))
        if len(self._footprints) < FOOTPRINTS_KEPT:
            self._footprints[index] = area
        return area

    def geometry(self, index: int) -> dict[str, Any] | None:
        """The footprint as a GeoJSON geometry to six decimals (0.1 m), None where there is none."""
        area = self.footprint(index)
        if area.is_empty:
            return None
        polygons = [
            [[[round(lon, 6), round(lat, 6)] for lon, lat in ring.coords] for ring in (part.exterior, *part.interiors)]
            for part in shapely.get_parts(area)
        ]
        if len(polygons) == 1:
            return {"type": "Polygon", "coordinates": polygons[0]}
        return {"type": "MultiPolygon", "coordinates": polygons}

    def feature(self, index: int) -> dict[str, Any]:
        """The footprint as a GeoJSON Feature; its geometry is null where the camera shows no ground."""
        camera = self.cameras[index]
        properties = {"camera": camera.camera, "name": camera.name, "area": camera.area, "ptz": camera.ptz}
        return {"type": "Feature", "geometry": self.geometry(index), "properties": properties}

    def seeing(self, lon: float, lat: float, need: str = "") -> list[CameraView]:
        """The cameras whose ground covers the place, best first. `need` is a task such as "observe"."""
        return [self.view(sight, need) for sight in self.sights(lon, lat, need)]

    def rank(
        self,
        position: Position,
        limit: int = 3,
        within_m: float = NEARBY_M,
        need: str = "",
        error: Error | None = None,
    ) -> list[CameraView]:
        """The cameras that see the place, best first, then the nearest that do not; at most `limit`, none beyond `within_m`.

        Raises ValueError for a need that is no task.
        """
        if error and error.major_m > 0:
            views = self._likely(position, error, need, within_m)[:limit]
        else:
            sights = [sight for sight in self.sights(position.lon, position.lat, need) if sight.away_m <= within_m]
            views = [self.view(sight, need) for sight in sights[:limit]]
        if len(views) < limit:
            views += self._blind(position, within_m, {view.camera for view in views}, limit - len(views))
        return views

    def sights(self, lon: float, lat: float, need: str = "") -> list[Sight]:
        """Every camera that sees the place, best first: those that see it finely enough for the need before the others."""
        needed = self._needed(need)
        found = [self._sight(index, lon, lat, needed) for index in self._maybe(lon, lat)]
        if len(found) > 1:
            found.sort(key=lambda it: (it.pixels_per_m < needed, -it.score, it.away_m, self.cameras[it.camera].camera))
        return [sight for sight in found if not sight.why_not]

    # ---------------------------------------------------------------------------------------------- one camera, one point

    def _maybe(self, lon: float, lat: float) -> list[int]:
        """Cameras that may see the place, by a quick test on a plane that leaves some room."""
        rough, found = self._rough, []
        for index in self._grid.near(lon, lat):
            here_lon, here_lat, squeeze, far2, east, north, cosine = rough[index]
            dx, dy = lon - here_lon, lat - here_lat
            if dx > 180.0 or dx < -180.0:
                dx -= copysign(360.0, dx)
            dx *= squeeze
            away2 = dx * dx + dy * dy
            if away2 <= far2 and dx * east + dy * north >= cosine * sqrt(away2) - 1e-9:
                found.append(index)
        return found

    def _sight(self, index: int, lon: float, lat: float, needed: float) -> Sight:
        camera, ground = self.cameras[index], self.sectors[index]
        away, towards = polar(camera.position.lon, camera.position.lat, lon, lat)
        off_axis = 0.0 if ground.width_deg >= 360 else angle_between(towards, ground.azimuth_deg)
        why_not = _why_not(camera, ground, away, off_axis)
        if not why_not and self._buildings and (building := self._buildings.between(camera, lon, lat)):
            why_not = Text(f"hidden by building {building.building}", f"被建筑{building.building}遮挡")
        if why_not:
            return Sight(index, away, towards, off_axis, why_not, 0.0, 0.0)
        density = self._focal_px[index] / hypot(away, camera.height_m or HEIGHT_M)
        score = self._known[index] * (1.0 - 0.6 * away / ground.far_m) if ground.far_m else 0.0
        if ground.width_deg < 360 and not camera.ptz:
            score *= 1.0 - 0.6 * off_axis / ground.width_deg
        if density < needed:
            score *= 0.5 + 0.5 * density / needed
        return Sight(index, away, towards, off_axis, NOTHING, density, score)

    def view(self, sight: Sight, need: str = "", note: Text = NOTHING) -> CameraView:
        """The sight in words."""
        camera, ground = self.cameras[sight.camera], self.sectors[sight.camera]
        reason = Text(f"{sight.away_m:.0f} m away, ", f"相距{sight.away_m:.0f} m，")
        if sight.why_not:
            reason += sight.why_not
        else:
            towards = compass(sight.towards_deg)
            reason += Text(f"looking {towards}", f"朝{COMPASS_ZH[towards]}观察")
            if camera.ptz:
                reason += Text(", PTZ: turn it to the bearing", "，云台：请转向该方位")
            elif ground.width_deg < 360:
                off = f"{sight.off_axis_deg:.0f}°"
                reason += Text(f", {off} off the middle of its picture", f"，偏离画面中心{off}")
                if camera.azimuth_error_deg and camera.azimuth_error_deg >= ERROR_SAID_DEG:
                    error = f"± {camera.azimuth_error_deg:.0f}°"
                    reason += Text(f" if its direction is right ({error})", f"（若其朝向无误，{error}）")
            if camera.position_error_m and camera.position_error_m >= MISPLACED_SAID_M:
                error = f"± {camera.position_error_m:.0f} m"
                reason += Text(
                    f", if it stands where the registry has it ({error})", f"，若其位置与登记一致（{error}）"
                )
            density = f"{sight.pixels_per_m:.0f} px/m"
            if need and sight.pixels_per_m < self.tasks[need]:
                wanted = f"{self.tasks[need]:g}"
                reason += Text(
                    f", only {density} where {need} needs {wanted}",
                    f"，仅{density}，{TASKS_ZH.get(need, need)}需{wanted}",
                )
            elif need:
                reason += Text(f", {density}", f"，{density}")
        reason += note
        if ground.assumed:
            assumed, assumed_zh = (part.en for part in ground.assumed), (part.zh for part in ground.assumed)
            reason += Text(f" ({', '.join(assumed)})", f"（{'，'.join(assumed_zh)}）")
        return CameraView(
            camera=camera.camera,
            score=round(sight.score, 3),
            distance_m=round(sight.away_m, 1),
            bearing_deg=round(sight.towards_deg, 1),
            sees=not sight.why_not,
            reason=reason.en,
            reason_zh=reason.zh,
            name=camera.name,
            stream_url=camera.stream_url or None,
            gb28181_id=camera.gb28181_id,
            pixels_per_m=None if sight.why_not else round(min(sight.pixels_per_m, 99_999.0), 1),
            pose=pose_at(camera, sight.away_m, sight.towards_deg) if camera.ptz and not sight.why_not else None,
        )

    # ---------------------------------------------------------------------------------------------- further questions

    def _likely(self, position: Position, error: Error, need: str, within_m: float) -> list[CameraView]:
        """Cameras by the share of an uncertain position's likely places that they see, and how well."""
        needed = self._needed(need)
        places = error.samples(position)
        shares: dict[int, float] = {}
        scores: dict[int, float] = {}
        for lon, lat in places:
            for index in self._maybe(lon, lat):
                sight = self._sight(index, lon, lat, needed)
                if not sight.why_not:
                    shares[index] = shares.get(index, 0.0) + 1 / len(places)
                    scores[index] = scores.get(index, 0.0) + sight.score / len(places)
        views = []
        for index, share in shares.items():
            sight = self._sight(index, position.lon, position.lat, needed)
            if share < 0.5 or sight.away_m > within_m:
                continue
            density = self._focal_px[index] / hypot(sight.away_m, self.cameras[index].height_m or HEIGHT_M)
            sight = sight._replace(why_not=NOTHING, pixels_per_m=density, score=scores[index])
            views.append(
                self.view(sight, need, Text(f", sees {share:.0%} of where it may be", f"，可见其可能位置的{share:.0%}"))
            )
        return sorted(views, key=lambda view: (-view.score, view.distance_m, view.camera))

    def _blind(self, position: Position, within_m: float, seen: set[str], limit: int) -> list[CameraView]:
        """The nearest cameras that do not see the place."""
        lon, lat = position.lon, position.lat
        high = min(0.5, within_m / 110_000)
        wide = high / max(0.1, cos(radians(lat)))
        near = self._tree.query(shapely.box(lon - wide, lat - high, lon + wide, lat + high))
        offset = (self._places[near] - (lon, lat)) * (cos(radians(lat)), 1.0)
        nearest = near[np.argsort((offset**2).sum(axis=1), kind="stable")[: limit + len(seen) + SPARE]].tolist()
        sights = [self._sight(index, lon, lat, 0.0) for index in nearest if self.cameras[index].camera not in seen]
        sights = [sight for sight in sights if sight.why_not and sight.away_m <= within_m]
        sights.sort(key=lambda sight: (sight.away_m, self.cameras[sight.camera].camera))
        return [self.view(sight) for sight in sights[:limit]]

    def _needed(self, need: str) -> float:
        if not need:
            return 0.0
        if need not in self.tasks:
            raise ValueError(f"{need!r} is no task for a camera; known are {', '.join(self.tasks)}")
        return self.tasks[need]


def _rough(camera: Camera, ground: Sector) -> tuple[float, ...]:
    """What the quick test needs, in degrees of latitude: place, squeeze of longitude, range², axis, cosine of half the width.

    2 % and 2° of room cover what a plane makes of an ellipsoid at the ranges cameras have.
    """
    lon, lat = camera.position.lon, camera.position.lat
    axis, half = radians(ground.azimuth_deg), ground.width_deg / 2 + 2.0
    far = (ground.far_m * 1.02 + 1.0) / 110_500
    cosine = cos(radians(half)) if half < 180 else -2.0
    return lon, lat, cos(radians(lat)), far * far, sin(axis), cos(axis), cosine


def _why_not(camera: Camera, ground: Sector, away: float, off_axis: float) -> Text:
    if away > ground.far_m:
        return Text(f"beyond its range of {ground.far_m:.0f} m", f"超出其{ground.far_m:.0f} m的可视距离")
    if away < ground.near_m:
        near = f"{ground.near_m:.0f} m"
        return Text(f"below its picture, which begins at {near}", f"在其画面下方的盲区内，画面自{near}起")
    if ground.width_deg < 360 and off_axis > ground.width_deg / 2:
        off, wide = f"{off_axis:.0f}°", f"{ground.width_deg:.0f}°"
        if camera.ptz:
            return Text(f"{off} off the middle of its reach of {wide}", f"偏离其{wide}转动范围中心{off}")
        return Text(f"{off} off its axis, outside its field of view of {wide}", f"偏离光轴{off}，在其{wide}视场之外")
    return NOTHING


def _focal_px(camera: Camera, ground: Sector) -> float:
    """Pixels per metre at 1 m: at full zoom for a PTZ camera, at its one field of view for the others."""
    if camera.ptz:
        hfov = tightest_deg(camera)
    else:
        hfov = camera.hfov_deg or (ground.width_deg if camera.panoramic else HFOV_DEG)
    return pixels_per_m(camera.width_px or WIDTH_PX, hfov, 1.0)


def _known(camera: Camera, ground: Sector) -> float:
    """The part of the score that is the camera's own, 0 to 1 (house weights, as the other parts: nearness, centrality, fineness)."""
    score = 0.97 ** len(ground.assumed)
    if camera.position_error_m and ground.far_m:  # it may see another place than the registry has it see
        score *= 1.0 - 0.5 * min(1.0, camera.position_error_m / ground.far_m)
    if camera.ptz:
        return score * 0.95  # it has to turn first
    if ground.width_deg < 360 and camera.azimuth_error_deg:  # the picture may end sooner than the registry says
        return score * (1.0 - 0.5 * min(1.0, 2 * camera.azimuth_error_deg / ground.width_deg))
    if camera.azimuth_deg is None and not camera.panoramic:
        return score * 0.5
    return score
