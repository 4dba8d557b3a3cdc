"""The official limits of the packs' standards, metric by metric: what a plain threshold would watch, and what bears a raise out.

Kept apart from the packs on purpose: a pack that changes its rules does not change what it is measured against. Where no
standard gives a figure, the least that practice asks for stands here, and `source` says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple


class Official(NamedTuple):
    """`metric` of devices of these kinds, `upward` or not; a limit is a number in the metric's unit, or the device's attribute of
    that name; None: there is none. `rise_s`: the limit is of the rise within so many seconds."""

    kinds: Collection[str]
    metric: str
    orange: float | str | None
    red: float | str | None
    upward: bool = True
    rise_s: int = 0
    source: str = ""


AIR = ("air-station",)
RIVER = ("river-gauge",)
DRINKING = ("water-plant", "water-network")
SURFACE = ("outfall", "surface-water")
MACHINE = ("pump", "machine")
FOOT = 0.3048
HJ = "HJ 633, hourly classes: heavy and severe"
EPA = "EPA-454/B-24-002, Table 6: very unhealthy and hazardous, held against the hour itself"

BY_PACK: Mapping[str, Sequence[Official]] = {
    "air-cn": (
        Official(AIR, "pm25", 150.0, 250.0, source=HJ),
        Official(AIR, "pm10", 350.0, 420.0, source=HJ),
        Official(AIR, "o3", 400.0, 800.0, source=HJ),
        Official(AIR, "no2", 1200.0, 2340.0, source=HJ),
        Official(AIR, "so2", 800.0, None, source=HJ),
        Official(AIR, "co", 60.0, 90.0, source=HJ),
    ),
    "air-us": (
        Official(AIR, "pm25", 125.4, 225.4, source=EPA),
        Official(AIR, "pm10", 354.0, 424.0, source=EPA),
    ),
    "flood": (
        Official(RIVER, "water_level", "guaranteed_level_m", "record_level_m", source="MWR flood warning signals"),
        Official(RIVER, "water_flow", "guaranteed_flow_m3s", "record_flow_m3s", source="MWR flood warning signals"),
        Official(RIVER, "water_level", 3 * FOOT, 10 * FOOT, rise_s=3600, source="practice at US flash-flood gauges, no standard"),
    ),
    "underpass": (Official(("underpass-gauge",), "water_depth", 0.25, 0.4, source="practice of Chinese cities"),),
    "water-quality": (
        Official(DRINKING, "free_chlorine", 3.0, None, source="drinking-water practice"),
        Official(DRINKING, "free_chlorine", 0.03, None, upward=False, source="drinking-water practice"),
        Official(DRINKING, "turbidity", 3.0, None, source="drinking-water practice"),
        Official(DRINKING, "ph", 8.5, None, source="drinking-water practice"),
        Official(DRINKING, "ph", 6.5, None, upward=False, source="drinking-water practice"),
        Official(SURFACE, "ammonia_nitrogen", 2.0, None, source="GB 3838-2002, class V"),
        Official(SURFACE, "dissolved_oxygen", 2.0, None, upward=False, source="GB 3838-2002, class V"),
        Official(SURFACE, "total_phosphorus", 0.4, None, source="GB 3838-2002, class V"),
    ),
    "plant": (
        Official(MACHINE, "vibration", 11.0, None, source="ISO 20816, zone D of medium machines"),
        Official(MACHINE, "temperature", "temperature_limit_cel", None, source="the machine's"),
    ),
    "gas-safety": (Official(("gas-detector",), "methane_lel", 20.0, 50.0, source="practice of combustible gas alarms"),),
}  # fmt: skip

ANOMALY_KINDS: Mapping[str, Sequence[str]] = {"water-quality": DRINKING, "plant": MACHINE}
"""Packs that look for what is unusual, and the kinds on which a check of 24 hours stands beside them."""
CROSSING_PACKS = frozenset({"maritime"})
"""Packs that judge two vessels: beside them CPA below 0.1 nm with TCPA below 6 min, without anything else."""


def of_packs(packs: Collection[str]) -> list[Official]:
    """The limits that belong to these packs."""
    return [official for pack in sorted(packs) for official in BY_PACK.get(pack, ())]


def beyond(official: Sequence[Official], kind: str, metric: str, level: str, value: float) -> bool:
    """Whether a value is beyond the limit of that level (of the one below where there is none for red)."""
    for entry in official:
        if entry.metric != metric or kind not in entry.kinds or entry.rise_s:
            continue
        limit = entry.red if level == "red" and entry.red is not None else entry.orange
        if isinstance(limit, float) and (value > limit if entry.upward else value < limit):
            return True
    return False
