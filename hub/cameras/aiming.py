"""How to turn a PTZ camera to a place: azimuth, tilt, zoom, the nearest preset, and how long the turn takes. Pure."""

from __future__ import annotations

from math import atan, atan2, degrees, hypot, radians, tan

from hub.cameras.buildings import TARGET_M
from hub.cameras.sector import HEIGHT_M, PTZ_HFOV_DEG
from hub.geo import angle_between
from hub.model import Camera, Pose, Preset

VIEW_M = 20.0
"""How wide a strip the picture should show around the target: enough for a lorry and what happens beside it."""
SLEW_DEG_S = 40.0
"""Assumed speed of turning where the registry does not say; domes do 20 to 400."""
SETTLE_S = 1.5
"""Focus and exposure after a turn."""


def pose_at(camera: Camera, away_m: float, towards_deg: float, view_m: float = VIEW_M) -> Pose:
    """The pose that puts a place on flat ground, so far away in that direction, into the middle of a picture `view_m` wide."""
    height = camera.height_m or HEIGHT_M
    tilt = degrees(atan2(height - TARGET_M, max(away_m, 0.1)))
    if camera.tilt_max_deg is not None:
        tilt = min(tilt, camera.tilt_max_deg)
    wide = camera.hfov_deg or PTZ_HFOV_DEG
    wanted = degrees(2 * atan(view_m / 2 / max(away_m, 0.1)))
    # What azimuth and place may be off by must stay in the picture on both sides.
    misplaced = degrees(atan2(camera.position_error_m or 0.0, max(away_m, 0.1)))
    wanted = max(wanted, 4 * hypot(camera.azimuth_error_deg or 0.0, misplaced))
    preset = nearest_preset(camera, towards_deg)
    shown = min(wide, max(tightest_deg(camera), wanted))
    return Pose(
        azimuth_deg=round(towards_deg, 2) % 360,
        tilt_deg=round(tilt, 2),
        hfov_deg=round(shown, 2),
        pan_deg=round((towards_deg - camera.pan_offset_deg) % 360, 2) if camera.pan_offset_deg is not None else None,
        preset=preset.number if preset else None,
        home=camera.home,
        zoom=round(tan(radians(min(wide, 170.0)) / 2) / tan(radians(min(shown, 170.0)) / 2), 2),
    )


def tightest_deg(camera: Camera) -> float:
    """The field of view at full zoom; without a word about it, the one there is."""
    return camera.hfov_min_deg or camera.hfov_deg or PTZ_HFOV_DEG


def nearest_preset(camera: Camera, towards_deg: float) -> Preset | None:
    """The preset in whose picture, at its widest, the direction lies nearest to the middle; None where none shows it."""
    if not camera.presets:
        return None
    half = (camera.hfov_deg or PTZ_HFOV_DEG) / 2
    shown = [preset for preset in camera.presets if angle_between(preset.azimuth_deg, towards_deg) <= half]
    return min(shown, key=lambda preset: angle_between(preset.azimuth_deg, towards_deg), default=None)


def turn_s(camera: Camera, from_deg: float | None, to_deg: float) -> float:
    """Seconds until the camera shows that direction; from an unknown one, half a turn is allowed for."""
    turn = 180.0 if from_deg is None else angle_between(from_deg, to_deg)
    return turn / (camera.slew_deg_s or SLEW_DEG_S) + SETTLE_S
