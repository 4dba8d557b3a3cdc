"""The wind rose and the pollution rose of an air station, out of the store: hours of a month or a day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from hub.geo import distance_m
from hub.marks import GOOD
from hub.model import Device
from hub.ports import Bucket, Row, SeriesQuery
from hub.registry import Registry
from hub.reports.air import HOUR_NS, KIND, days_of
from hub.reports.fleet import day_of
from rules.figures.aqi import CN_GRADES, CN_POLLUTANTS, cn_grade, iaqi_cn
from rules.figures.attribution import Wind
from rules.figures.rose import SPEEDS, Rose, Told, hourly, rose, wind_rose

ROWS_MAX = 400_000
"""Of one station and metric: more than a month at a value every ten seconds."""
WINDS = frozenset({KIND, "weather-station"})
NEAR_M = 20_000.0
"""A wind farther away says little about the air here. A house default."""
TRIED = 3
"""Stations nearby that are asked for their wind, the nearest first."""


class Roses:
    """What the API asks. `series` and `buckets` read the store."""

    def __init__(
        self,
        series: Callable[[SeriesQuery], Awaitable[Sequence[Row]]],
        buckets: Callable[[SeriesQuery, int], Awaitable[Sequence[Bucket]]],
        registry: Callable[[], Registry],
        zone: tzinfo,
    ) -> None:
        self._series, self._buckets, self._registry, self._zone = series, buckets, registry, zone

    async def of(self, device: str, span: str, pollutant: str, seen: Callable[[str], bool]) -> dict[str, Any]:
        """Both roses of a station, of a month (`2026-11`) or a day. The wind is its own, else of the nearest station that has any. Raises
        KeyError, ValueError, `StoreUnavailable`."""
        if pollutant not in CN_POLLUTANTS:
            raise ValueError(f"{pollutant[:100]!r}: one of {', '.join(CN_POLLUTANTS)} was meant")
        station = self._registry().devices[device]
        days = days_of(span)
        start, end = day_of(days[0], self._zone)[0], day_of(days[-1], self._zone)[1]
        told: dict[str, Any] = {"device": device, "span": span, "pollutant": pollutant, "wind_device": None, "wind_distance_m": None}  # fmt: skip
        winds: dict[int, Wind] = {}
        for distance, other in self._near(station, seen):
            winds = await self._winds(other.device, start, end)
            if winds:
                told |= {"wind_device": other.device, "wind_distance_m": round(distance)}
                break
        query = SeriesQuery(start // HOUR_NS * HOUR_NS, end, device, pollutant)
        means = {bucket.time: bucket.mean for bucket in await self._buckets(query, HOUR_NS)}
        polluted = pollution_rose(winds, means, pollutant)
        return {**told, "wind": as_json(wind_rose(winds.values()), SPEEDS), "pollution": as_json(polluted, ())}

    def _near(self, station: Device, seen: Callable[[str], bool]) -> list[tuple[float, Device]]:
        """The station itself, and those nearby that may know the wind."""
        found = []
        for other in self._registry().devices.values():
            if other.kind in WINDS and other.device != station.device and seen(other.device):
                here, there = station.position, other.position
                if here is not None and there is not None:
                    away = distance_m(here.lon, here.lat, there.lon, there.lat)
                    if away <= NEAR_M:
                        found.append((away, other))
        found.sort(key=lambda item: (item[0], item[1].device))
        return [(0.0, station), *found[:TRIED]]

    async def _winds(self, device: str, start: int, end: int) -> dict[int, Wind]:
        """The wind of each hour, by the time at which it begins."""
        speeds, directions = [
            await self._series(SeriesQuery(start, end, device, metric, ROWS_MAX + 1))
            for metric in ("wind_speed", "wind_direction")
        ]
        if max(len(speeds), len(directions)) > ROWS_MAX:
            raise ValueError(f"{device!r} told more than {ROWS_MAX:,} winds in that range; a day was meant")
        return await asyncio.to_thread(winds_by_hour, speeds, directions)


def winds_by_hour(speeds: Iterable[Row], directions: Iterable[Row]) -> dict[int, Wind]:
    """Readings that hold and have both, as the wind of each hour."""
    known = {row.time: number for row in speeds if (number := _good(row)) is not None}
    hours: dict[int, list[Wind]] = {}
    for row in directions:
        degrees, speed = _good(row), known.get(row.time)
        if degrees is not None and speed is not None:
            hours.setdefault(row.time // HOUR_NS * HOUR_NS, []).append(Wind(speed, degrees))
    return {begin: wind for begin, given in hours.items() if (wind := hourly(given)) is not None}


def _good(row: Row) -> float | None:
    if row.quality not in GOOD or isinstance(row.value, bool | str):
        return None
    return float(row.value)


def pollution_rose(winds: Mapping[int, Wind], means: Mapping[int, float], pollutant: str) -> Rose:
    """Hours with a wind and a mean, by the class (HJ 633) of the hour's concentration; the sectors' means are of the concentration."""
    hours = [
        Told(wind, class_of(pollutant, means[begin], begin), means[begin])
        for begin, wind in winds.items()
        if begin in means
    ]
    return rose(hours, len(CN_GRADES))


def class_of(pollutant: str, value: float, at: int) -> int:
    """The class of an hour's mean, 0 to 5. Where an edition gives an hour no index as it is too high, it counts as that of 2026 has it, 200; a number below
    zero, as monitors near their detection limit give, is in the first."""
    if value < 0:
        return 0
    index = iaqi_cn(pollutant, "1h", value, at)
    return CN_GRADES.index(cn_grade(200 if index is None else index))


def as_json(found: Rose, bounds: Sequence[float]) -> dict[str, Any]:
    return {"hours": found.hours, "bounds": list(bounds), "sectors": found.sectors, "calm": found.calm, "means": found.means}  # fmt: skip
