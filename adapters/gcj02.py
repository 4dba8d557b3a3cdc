"""GCJ-02 → WGS-84: taking the offset out of positions that a Chinese map or "security plug-in" has shifted.

Inside mainland China the law (GB 20263-2006 names the plug-in) has map products shift WGS-84 positions by 100 to 700 m
with a smooth, secret function. Its widely published reconstruction is used here; it has no closed inverse, so the
inverse is found by fixed-point iteration, which the smoothness of the shift makes converge to well below a millimetre.
The reconstruction itself agrees with real maps to about a metre.
"""

from __future__ import annotations

from math import cos, pi, sin, sqrt

_A = 6378245.0
"""Semi-major axis of the Krassowsky 1940 ellipsoid, metres."""
_EE = 0.00669342162296594323
"""Its first eccentricity squared."""
_CLOSE_DEG = 1e-9
"""Stop iterating when a step is smaller than this (0.1 mm)."""
_MAX_STEPS = 20


def outside_china(lon: float, lat: float) -> bool:
    """Whether the shift does not apply here: the published function has this rectangle as its domain, not the border."""
    return not (72.004 <= lon <= 137.8347 and 0.8293 <= lat <= 55.8271)


def _shift(lon: float, lat: float) -> tuple[float, float]:
    """(Δlon, Δlat) in degrees that GCJ-02 adds at this WGS-84 position."""
    x, y = lon - 105.0, lat - 35.0
    wave = (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x)) + wave
    north += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    north += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x)) + wave
    east += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    east += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    phi = lat / 180.0 * pi
    magic = 1.0 - _EE * sin(phi) ** 2
    d_lat = north * 180.0 / (_A * (1.0 - _EE) / (magic * sqrt(magic)) * pi)
    d_lon = east * 180.0 / (_A / sqrt(magic) * cos(phi) * pi)
    return d_lon, d_lat


def from_wgs84(lon: float, lat: float) -> tuple[float, float]:
    """(lon, lat) in GCJ-02 degrees of a WGS-84 position; unchanged outside China."""
    if outside_china(lon, lat):
        return lon, lat
    d_lon, d_lat = _shift(lon, lat)
    return lon + d_lon, lat + d_lat


def to_wgs84(lon: float, lat: float) -> tuple[float, float]:
    """(lon, lat) in WGS-84 degrees of a GCJ-02 position; unchanged outside China. Inverts `from_wgs84` to < 1 mm."""
    if outside_china(lon, lat):
        return lon, lat
    x, y = lon, lat
    for _ in range(_MAX_STEPS):
        d_lon, d_lat = _shift(x, y)
        next_x, next_y = lon - d_lon, lat - d_lat
        done = abs(next_x - x) < _CLOSE_DEG and abs(next_y - y) < _CLOSE_DEG
        x, y = next_x, next_y
        if done:
            break
    return x, y
