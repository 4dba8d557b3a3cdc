"""How finely a camera draws what it sees: picture elements on a metre of the target, and what people can do with that."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, radians, tan
from types import MappingProxyType

TASKS: Mapping[str, float] = MappingProxyType(
    {"monitor": 12.5, "detect": 25.0, "observe": 62.5, "recognise": 125.0, "identify": 250.0}
)
"""Picture elements per metre that each task needs, EN 62676-4:2015, Annex B. `[cameras] tasks` in hub.toml overrides them:
IEC 62676-4:2025 names other tasks with other values."""

TASKS_ZH = {"monitor": "监控", "detect": "发现", "observe": "观察", "recognise": "辨认", "identify": "识别"}

WIDTH_PX = 1920
"""Assumed where the registry does not say: full HD."""
FLAT_MAX_DEG = 150.0
"""Up to here a lens draws straight lines straight; wider ones (fisheye, panorama) spread their pixels over the angle."""


def pixels_per_m(width_px: float, hfov_deg: float, distance_m: float) -> float:
    """Picture elements on one metre at a distance, across the line of sight: N / (2 d tan(HFOV/2))."""
    if distance_m <= 0:
        return inf
    if hfov_deg > FLAT_MAX_DEG:
        return width_px / (radians(hfov_deg) * distance_m)
    return width_px / (2 * distance_m * tan(radians(hfov_deg) / 2))


def task(density: float, tasks: Mapping[str, float] = TASKS) -> str:
    """The most demanding task that this density allows, "" below all of them."""
    best, best_needs = "", 0.0
    for name, needs in tasks.items():
        if best_needs < needs <= density:
            best, best_needs = name, needs
    return best
