"""A platform's catalog as cameras of the registry. Pure.

Catalogs are often wrong: every value keeps where it came from, and a DirectionType is one of eight winds.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapters.gb28181.manscdp import Item
from adapters.gcj02 import to_wgs84
from hub.model import Camera, Position

CAMERA_TYPES = ("131", "132")
"""Digits 11 to 13 of a camera's id (Annex E): camera, IP camera."""
TURNING = frozenset({1, 5})
"""PTZType of what turns: dome, remote half-dome. A remote bullet (4) usually does too, but not everywhere."""
PANORAMA = 6
WIND_ERROR_DEG = 22.5


def cameras(items: Iterable[Item], gcj02: bool = False) -> tuple[list[Camera], list[str]]:
    """The cameras among a catalog's items, and what could not be used. `gcj02`: its positions are shifted ones."""
    found: list[Camera] = []
    remarks: list[str] = []
    for item in items:
        if item.id[10:13] not in CAMERA_TYPES:
            continue
        name = f"{item.id} {item.name}".strip()
        if item.lon is None or item.lat is None or (item.lon, item.lat) == (0.0, 0.0):
            remarks.append(f"{name}: no position")
            continue
        if not (-180 <= item.lon <= 180 and -90 <= item.lat <= 90):
            swapped = (
                "; were longitude and latitude swapped?" if -90 <= item.lon <= 90 and -180 <= item.lat <= 180 else ""
            )
            remarks.append(f"{name}: {item.lon}, {item.lat} is no place on Earth{swapped}")
            continue
        place = to_wgs84(item.lon, item.lat) if gcj02 else (item.lon, item.lat)
        origin = {"position": "gb28181 catalog" + (", from GCJ-02" if gcj02 else "")}
        if item.azimuth_deg is not None:
            origin["azimuth_deg"] = "gb28181 DirectionType"
        found.append(
            Camera(
                item.id,
                Position(round(place[0], 7), round(place[1], 7)),
                name=item.name,
                azimuth_deg=item.azimuth_deg,
                hfov_deg=_within(item.hfov_deg, 360),
                vfov_deg=_within(item.vfov_deg, 180),
                range_m=_within(item.range_m, 50_000),
                ptz=item.ptz_type in TURNING,
                panoramic=item.ptz_type == PANORAMA,
                azimuth_error_deg=WIND_ERROR_DEG if item.azimuth_deg is not None else None,
                gb28181_id=item.id,
                origin=origin,
            )
        )
    return found, remarks


def _within(value: float | None, most: float) -> float | None:
    """The value if it can be one; 0 in a catalog means that nobody filled it in."""
    return value if value is not None and 0 < value <= most else None
