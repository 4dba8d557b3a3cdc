"""A month or a day of air stations: daily means, the daily index with its class and primary pollutants, and how much of the data is there.

GB 3095-2026: the mean of a day needs 20 of its hours, one of 8 hours 6. HJ 663: ozone counts by its highest mean of 8 hours that end at 8:00
to 24:00, of which a day needs 14 unless the highest is above the limit anyhow (HJ 663-2013 as secondary sources have it; the report says so). Hourly means are of
good values only, so what was marked or missing lowers the capture rate. They are hours of UTC: where the city's own begin half an hour later, a day is half an hour off.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from math import fsum
from typing import Any

import msgspec

from hub.model import Device
from hub.moment import SECOND, to_zone_text
from hub.ports import Bucket, SeriesQuery
from hub.registry import Registry
from hub.reports.fleet import day_of
from rules.figures.aqi import CN_POLLUTANTS, cn_grade, cn_primary, iaqi_cn

HOUR_NS = 3600 * SECOND
DAY_NS = 24 * HOUR_NS
KIND = "air-station"
HOURS_MIN = 20
EIGHT_HOURS_MIN, EIGHTS_MIN = 6, 14
O3_LIMIT = 160.0
"""ug/m3 over 8 h, GB 3095 grade II: a day above it counts with whatever it has."""
Ask = Callable[[SeriesQuery, int], Awaitable[Sequence[Bucket]]]
COLUMNS = ("device", "name", "day", *CN_POLLUTANTS, "aqi", "class", "primary", "capture_pct")
"""What a report shows of a line."""


class Day(msgspec.Struct, frozen=True):
    """One station and day: the day's value of each pollutant (CO in mg/m3, else ug/m3; ozone over 8 h), its valid hours and its own index, the
    index of the day (None: not enough data), class in English and Chinese, primary pollutants, and the share of hours that are there, in per
    cent, over its pollutants."""

    values: Mapping[str, float | None]
    hours: Mapping[str, int]
    indices: Mapping[str, int]
    aqi: int | None
    grade: tuple[str, str] | None
    primary: tuple[str, ...]
    capture_pct: float


def daily(hours: Mapping[str, Mapping[int, float]], start: int, length: int = 24) -> Day:
    """The day that begins at `start` (ns) out of each pollutant's hourly means by the time at which the hour begins. `length`: its hours
    (23 or 25 where clocks are put on or back)."""
    begins = [start // HOUR_NS * HOUR_NS + hour * HOUR_NS for hour in range(length)]
    values: dict[str, float | None] = {}
    there: dict[str, int] = {}
    for pollutant, known in hours.items():
        found = [known.get(begin) for begin in begins]
        there[pollutant] = sum(value is not None for value in found)
        values[pollutant] = _ozone(found) if pollutant == "o3" else _mean(found, HOURS_MIN)
    indices = {
        pollutant: index
        for pollutant, value in values.items()
        if value is not None
        and (index := iaqi_cn(pollutant, "8h" if pollutant == "o3" else "24h", value, start)) is not None
    }
    highest = max(indices.values(), default=None)
    # As of one hour (HJ 633-2026, 5.3.1): with a pollutant missing the index is known only above 100.
    aqi = highest if highest is not None and (len(indices) == len(CN_POLLUTANTS) or highest > 100) else None
    grade = cn_grade(aqi) if aqi is not None else None
    capture = 100 * sum(there.values()) / (length * len(hours)) if hours else 0.0
    primary = tuple(cn_primary(indices)) if aqi is not None else ()
    return Day(values, there, indices, aqi, (grade.english, grade.name) if grade else None, primary, round(capture, 1))


def _mean(values: Sequence[float | None], at_least: int) -> float | None:
    known = [value for value in values if value is not None]
    # Without the last bits, which would round an index up.
    return round(fsum(known) / len(known), 9) if len(known) >= at_least else None


def _ozone(hours: Sequence[float | None]) -> float | None:
    """The highest mean of 8 hours."""
    eights = [mean for end in range(8, len(hours) + 1) if (mean := _mean(hours[end - 8 : end], EIGHT_HOURS_MIN)) is not None]  # fmt: skip
    highest = max(eights, default=None)
    return highest if highest is not None and (len(eights) >= EIGHTS_MIN or highest > O3_LIMIT) else None


class Air:
    """What the API asks about air stations. `ask` reads the store's buckets."""

    def __init__(self, ask: Ask, registry: Registry, zone: tzinfo, now: Callable[[], int]) -> None:
        self._ask, self._registry, self._zone, self._now = ask, registry, zone, now

    def use_registry(self, registry: Registry) -> None:
        """From now on these are the stations."""
        self._registry = registry

    async def days(self, span: str | None, seen: Callable[[str], bool]) -> dict[str, Any]:
        """A line a station and day of a month (`2026-11`) or one day (`2026-11-29`), yesterday without either; days that have not begun are left
        out. Raises ValueError, `StoreUnavailable`."""
        span = span or to_zone_text(self._now() - DAY_NS, self._zone)[:10]
        days = [day for day in days_of(span) if day_of(day, self._zone)[0] <= self._now()]
        stations = [item for item in self._registry.devices.values() if item.kind == KIND and seen(item.device)]
        hours = await self._hours(stations, days) if stations and days else {}
        lines = [self._line(station, day, hours.get(station.device, {})) for station in stations for day in days]
        return {"span": span, "days": lines}

    async def _hours(self, stations: Iterable[Device], days: Sequence[str]) -> dict[str, dict[str, dict[int, float]]]:
        """Hourly means by station, pollutant and the hour's begin."""
        start, end = day_of(days[0], self._zone)[0], day_of(days[-1], self._zone)[1]
        names = tuple(item.device for item in stations)
        found: dict[str, dict[str, dict[int, float]]] = {}
        for pollutant in CN_POLLUTANTS:
            for bucket in await self._ask(
                SeriesQuery(start // HOUR_NS * HOUR_NS, end, None, pollutant, devices=names), HOUR_NS
            ):
                if bucket.device in names:
                    found.setdefault(bucket.device, {}).setdefault(pollutant, {})[bucket.time] = bucket.mean
        return found

    def _line(self, station: Device, day: str, hours: Mapping[str, Mapping[int, float]]) -> dict[str, Any]:
        start, end = day_of(day, self._zone)
        made = daily({name: hours.get(name, {}) for name in CN_POLLUTANTS}, start, (end - start) // HOUR_NS)
        english, chinese = made.grade or (None, None)
        return {
            "device": station.device,
            "name": station.name,
            "day": day,
            **{name: _rounded(name, value) for name, value in made.values.items()},
            "aqi": made.aqi,
            "class": english,
            "class_zh": chinese,
            "primary": list(made.primary),
            "capture_pct": made.capture_pct,
            "hours": made.hours,
            "iaqi": made.indices,
        }


def days_of(span: str) -> list[str]:
    """The days of a month, or the one day. Raises ValueError."""
    try:
        if len(span) == 7:
            first = datetime.strptime(span, "%Y-%m").replace(tzinfo=UTC).date()
            return [
                first.replace(day=number + 1).isoformat() for number in range(monthrange(first.year, first.month)[1])
            ]
        return [date.fromisoformat(span).isoformat()]
    except ValueError:
        raise ValueError(f"{span!r}: a month such as 2026-11 or a day such as 2026-11-29 was meant") from None


def _rounded(pollutant: str, value: float | None) -> float | None:
    return None if value is None else round(value, 1 if pollutant == "co" else 0)
