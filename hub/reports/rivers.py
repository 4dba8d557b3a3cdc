"""Rivers against their stages, and when the next stage is expected: by the trend that the rules' `expects` goes by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from hub.marks import GOOD
from hub.model import Device
from hub.moment import SECOND, to_text
from hub.ports import Row, SeriesQuery
from hub.registry import Registry
from rules.state.learning import Expectation

KIND, METRIC = "river-gauge", "water_level"
STAGES = ("warning", "guaranteed", "record")
"""Lowest first; a gauge's own stand in its attributes as `warning_level_m` and so on."""
HOUR_NS = 3600 * SECOND
HORIZON_NS = HOUR_NS
"""As the pack `flood` asks for: a trend fades with an hour, so a stage more than two hours away is not told."""
LOOKS_BACK_NS = 12 * HOUR_NS
STALE_NS = 2 * HOUR_NS
"""After so long without a level nothing is expected of a gauge."""
ROWS_MAX = 200_000


class Rivers:
    """What the API asks. `series` reads the store."""

    def __init__(
        self,
        series: Callable[[SeriesQuery], Awaitable[Sequence[Row]]],
        registry: Callable[[], Registry],
        now: Callable[[], int],
    ) -> None:
        self._series, self._registry, self._now = series, registry, now

    async def standing(self, seen: Callable[[str], bool]) -> list[dict[str, Any]]:
        """A line a gauge of the registry, the highest stage first. Raises `StoreUnavailable`."""
        gauges = [item for item in self._registry().devices.values() if item.kind == KIND and seen(item.device)]
        at = self._now()
        names = tuple(gauge.device for gauge in gauges)
        query = SeriesQuery(at - LOOKS_BACK_NS, None, None, METRIC, ROWS_MAX, newest=True, devices=names)
        rows = await self._series(query) if gauges else []
        return await asyncio.to_thread(_lines, gauges, rows, at)


def _lines(gauges: Iterable[Device], rows: Iterable[Row], at: int) -> list[dict[str, Any]]:
    levels: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if row.quality in GOOD and not isinstance(row.value, bool | str):
            levels.setdefault(row.device, []).append((row.time, float(row.value)))
    lines = [line(gauge, levels.get(gauge.device, []), at) for gauge in gauges]
    return sorted(lines, key=lambda told: (-_height(told), told["device"]))


def _height(told: Mapping[str, Any]) -> int:
    return STAGES.index(told["stands"]) + 1 if told["stands"] else 0


def stages_of(gauge: Device) -> dict[str, float]:
    """Its stages in metres, lowest first, those that the registry has."""
    found = {stage: gauge.attributes.get(f"{stage}_level_m") for stage in STAGES}
    return {stage: float(level) for stage, level in found.items() if isinstance(level, int | float)}


def line(gauge: Device, levels: Sequence[tuple[int, float]], at: int) -> dict[str, Any]:
    """How a gauge stands: newest level and when it was measured, the highest stage it has reached, how fast it changes (m/h), and when the
    next stage is expected. `levels`: (ns, m), oldest first."""
    stages = stages_of(gauge)
    told: dict[str, Any] = {
        "device": gauge.device, "name": gauge.name, "area": gauge.area, "stages": stages, "level_m": None, "at": None, "stands": None, "change_m_per_h": None,
        "expected": None,
    }  # fmt: skip
    if not levels:
        return told
    measured, level = levels[-1]
    reached = [stage for stage, limit in stages.items() if level >= limit]
    told |= {"level_m": round(level, 3), "at": to_text(measured), "stands": reached[-1] if reached else None}
    if at - measured > STALE_NS:
        return told
    expects = Expectation(HORIZON_NS, 50)
    for time, value in levels:
        expects.push(time, value)
    if expects.slope is not None:
        told["change_m_per_h"] = round(expects.slope * 3600, 3)
    for stage, limit in stages.items():
        crossing = expects.crossing(limit) if level < limit and (expects.slope or 0) > 0 else None
        if crossing is not None:
            told["expected"] = {"stage": stage, "level_m": limit, "at": to_text(crossing.at), "give_or_take_s": round(crossing.give_or_take_s)}  # fmt: skip
            break
    return told
