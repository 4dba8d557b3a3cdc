"""From true azimuths and magnifications to a camera's own scales. The sign and the width of pan scales vary by vendor. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan2, cos, degrees, radians, sin

import msgspec
import numpy as np

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


def check_zoom(points: Sequence[tuple[float, float]]) -> None:
    """Raises ValueError for points (magnification, the camera's own zoom) that are no scale."""
    factors = [factor for factor, _ in points]
    if len(points) < 2 or factors != sorted(set(factors)) or factors[0] < 1:
        raise ValueError(
            "zoom: two points at least, such as [[1, 0.0], [30, 1.0]], magnifications from 1 on and rising"
        )
    if not all(0 <= raw <= 1 for _, raw in points):
        raise ValueError("zoom: the camera's own zoom is from 0 to 1 in the generic space")


def zoom_at(points: Sequence[tuple[float, float]], factor: float) -> float:
    """The camera's own zoom for a magnification: between its points on straight lines, at their ends beyond."""
    return float(np.interp(factor, [point[0] for point in points], [point[1] for point in points]))
