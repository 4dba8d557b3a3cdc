"""The ground a camera covers, as a sector: from where its picture begins below it to its range, across its field of view.

All round for PTZ cameras (within their reach), panoramas, and cameras whose direction nobody wrote down, which costs
them rank and is said. The ground is taken to be flat; heights are above it.
"""

from __future__ import annotations

from math import atan, cos, degrees, radians, tan

import msgspec
import shapely

from hub.bilingual import Text
from hub.geo import destination
from hub.model import Camera

# House defaults for what the registry does not say; each use of one is said in the reason.
RANGE_M = 150.0
PTZ_RANGE_M = 300.0
HFOV_DEG = 60.0
PTZ_HFOV_DEG = 60.0
HEIGHT_M = 6.0
ASPECT = 9 / 16  # of a common sensor

ARC_STEP_DEG = 10.0


class Sector(msgspec.Struct, frozen=True, gc=False):
    """A camera's ground: distances in metres, directions in degrees from true north."""

    near_m: float
    far_m: float
    azimuth_deg: float
    width_deg: float  # 360: all round
    assumed: tuple[Text, ...]


def vertical_deg(camera: Camera, hfov_deg: float) -> float:
    """The vertical field of view: as stated, else that of a 16:9 picture of this width."""
    if camera.vfov_deg is not None:
        return camera.vfov_deg
    return degrees(2 * atan(tan(radians(min(hfov_deg, 140.0)) / 2) * ASPECT))


def sector(camera: Camera) -> Sector:
    """The camera's ground by its height, tilt (positive = down), field of view and range; defaults where unknown."""
    assumed: list[Text] = []
    far = camera.range_m
    if far is None:
        far = PTZ_RANGE_M if camera.ptz else RANGE_M
        assumed.append(Text(f"range not known, {far:.0f} m assumed", f"可视距离未知，按{far:.0f} m计"))
    if camera.ptz:
        return _within_reach(camera, far, assumed)
    hfov = 360.0 if camera.panoramic and camera.hfov_deg is None else camera.hfov_deg
    if hfov is None:
        hfov = HFOV_DEG
        if camera.azimuth_deg is not None:
            assumed.append(Text(f"field of view not known, {hfov:.0f}° assumed", f"视场角未知，按{hfov:.0f}°计"))
    near, far = _depth(camera, hfov, far)
    if hfov >= 360:
        return Sector(near, far, 0.0, 360.0, tuple(assumed))
    if camera.azimuth_deg is None:
        return Sector(
            near, far, 0.0, 360.0, (Text("direction not known, all round assumed", "朝向未知，按全向计"), *assumed)
        )
    return Sector(near, far, camera.azimuth_deg, hfov, tuple(assumed))


def _depth(camera: Camera, hfov: float, far: float) -> tuple[float, float]:
    """Where on the ground the picture begins and ends: h / tan(tilt + V/2) and h / tan(tilt - V/2), within the range."""
    if not camera.height_m or camera.tilt_deg is None or hfov >= 180:
        return 0.0, far
    half = vertical_deg(camera, hfov) / 2
    lowest, highest = camera.tilt_deg + half, camera.tilt_deg - half
    near = 0.0 if lowest >= 90 else camera.height_m / tan(radians(lowest)) if lowest > 0 else far
    if highest >= 90:
        return 0.0, 0.0
    if highest > 0:
        far = min(far, camera.height_m / tan(radians(highest)))
    return min(near, far), far


def _within_reach(camera: Camera, far: float, assumed: list[Text]) -> Sector:
    wide = camera.hfov_deg if camera.hfov_deg is not None else PTZ_HFOV_DEG
    near = 0.0
    if camera.tilt_max_deg is not None and camera.height_m:
        lowest = camera.tilt_max_deg + vertical_deg(camera, wide) / 2
        near = 0.0 if lowest >= 90 else min(far, camera.height_m / tan(radians(lowest))) if lowest > 0 else far
    if camera.pan_from_deg is None or camera.pan_to_deg is None:
        return Sector(near, far, 0.0, 360.0, tuple(assumed))
    reach = (camera.pan_to_deg - camera.pan_from_deg) % 360 or 360.0
    middle = (camera.pan_from_deg + reach / 2) % 360
    return Sector(near, far, middle, min(360.0, reach + wide), tuple(assumed))


def footprint(camera: Camera, ground: Sector) -> shapely.Polygon:
    """The sector as a polygon in lon/lat, for maps. The strip below the picture is left out."""
    lon, lat = camera.position.lon, camera.position.lat
    if ground.far_m <= 0:
        return shapely.Polygon()
    outer, inner = _arc(lon, lat, ground, ground.far_m), []
    if ground.near_m > 0:
        inner = _arc(lon, lat, ground, ground.near_m)
    if ground.width_deg >= 360:
        return shapely.Polygon(outer, [inner] if inner and ground.near_m < ground.far_m else None)
    if ground.near_m >= ground.far_m:
        return shapely.Polygon()
    return shapely.Polygon([*(reversed(inner) if inner else [(lon, lat)]), *outer])


def _arc(lon: float, lat: float, ground: Sector, radius: float) -> list[tuple[float, float]]:
    width = ground.width_deg
    steps = max(2, round(width / ARC_STEP_DEG))
    start = ground.azimuth_deg - width / 2
    stretch = 1 / cos(radians(width / steps / 2))  # the chord lies inside the arc; push it out
    return [destination(lon, lat, start + width * step / steps, radius * stretch) for step in range(steps + 1)]
