"""From true azimuths to a camera's own pan scale, by landmarks: the sign and the width of the scale vary by vendor. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan2, cos, degrees, radians, sin

import msgspec

RESIDUAL_MAX_DEG = 3.0
"""A fit that misses a landmark by more is no calibration."""


class Scale(msgspec.Struct, frozen=True):
    """raw = (azimuth - zero) / degrees_per_unit, within the half turn on either side of `zero_deg`."""

    zero_deg: float
    degrees_per_unit: float

    def raw(self, azimuth_deg: float) -> float:
        return ((azimuth_deg - self.zero_deg + 180) % 360 - 180) / self.degrees_per_unit


def fit(landmarks: Sequence[tuple[float, float]], candidates: Sequence[float] = (180.0, -180.0, 1.0, -1.0)) -> Scale:
    """The scale that agrees best with landmarks (true azimuth, the camera's own pan there).

    `candidates` are the scales cameras have: -1 to 1 over a full turn, or degrees, either way round. Raises ValueError for
    fewer than two landmarks, and where none fits within `RESIDUAL_MAX_DEG`.
    """
    if len(landmarks) < 2:
        raise ValueError("a calibration takes two landmarks at least: [true azimuth, the camera's pan]")
    best: tuple[float, Scale] | None = None
    for width in candidates:
        zeros = [radians(azimuth - raw * width) for azimuth, raw in landmarks]
        zero = degrees(atan2(sum(map(sin, zeros)), sum(map(cos, zeros)))) % 360
        worst = max(abs((degrees(one) - zero + 180) % 360 - 180) for one in zeros)
        if best is None or worst < best[0]:
            best = (worst, Scale(zero, width))
    assert best
    if best[0] > RESIDUAL_MAX_DEG:
        raise ValueError(f"the landmarks contradict each other by {best[0]:.1f}°; measure them again")
    return best[1]
