"""Trips, stops and a day's figures of vehicles, out of the store: `hub.trips` over the rows of a range."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

import msgspec

from hub.live import Live
from hub.model import Device
from hub.moment import SECOND, from_datetime, to_text, to_zone_text
from hub.ports import Row, SeriesQuery
from hub.registry import Registry
from hub.tracks import track
from hub.trips import DEFAULTS, Fix, Settings, Stop, Trip, trips

ROWS_MAX = 400_000
"""Of one vehicle and range: more than a month at a fix every ten seconds with one value each."""
DAY_NS = 86_400 * SECOND
VEHICLES = frozenset({"vehicle", "bus", "hazmat-truck", "phone"})
Ask = Callable[[SeriesQuery], Awaitable[Sequence[Row]]]
COLUMNS = (
    "device", "name", "trips", "distance_km", "moving_h", "idling_h", "standing_h", "fastest_kmh", "first_start", "last_end", "fuel_l",
)  # fmt: skip


class TooMuch(ValueError):
    """A range with more rows than are read at once; its text says what to do."""


class Driven(msgspec.Struct):
    """What a vehicle did in a range."""

    trips: list[Trip]
    stops: list[Stop]


class Fleet:
    """What the API asks about vehicles. `ask` reads the store."""

    def __init__(self, ask: Ask, registry: Registry, live: Live, zone: tzinfo, now: Callable[[], int]) -> None:
        self._ask, self._registry, self._live, self._zone, self._now = ask, registry, live, zone, now

    def use_registry(self, registry: Registry) -> None:
        """From now on these are the vehicles."""
        self._registry = registry

    async def trips(self, device: str, start: int, end: int, ignition: bool) -> dict[str, Any]:
        """Trips and stops of a device between two times (ns). Raises TooMuch, `StoreUnavailable`."""
        found = await self._driven(device, start, end, Settings(use_ignition=ignition))
        return {
            "device": device,
            "trips": [trip_to_json(trip) for trip in found.trips],
            "stops": [stop_to_json(stop) for stop in found.stops],
        }

    async def track(self, device: str, start: int, end: int, zoom: float | None) -> dict[str, Any]:
        """Where a device went between two times (ns), as lines for a map of that zoom, each with its moments; `fixes`: of how many places they were made. Raises
        TooMuch, `StoreUnavailable`."""
        rows = await self._rows(device, start, end)
        found = await asyncio.to_thread(fixes, rows)
        lines = await asyncio.to_thread(track, found, zoom)
        told = [{"at": list(map(_text, line.at)), "points": line.points} for line in lines]
        return {"device": device, "zoom": zoom, "fixes": len(found), "lines": told}

    async def day(self, day: str | None, kind: str | None, seen: Callable[[str], bool]) -> dict[str, Any]:
        """One line a vehicle (`COLUMNS`), of yesterday where no day is given; those that told nothing have zeros. Raises ValueError, TooMuch,
        `StoreUnavailable`."""
        day = day or to_zone_text(self._now() - DAY_NS, self._zone)[:10]
        start, end = day_of(day, self._zone)
        lines = [
            _line(item, await self._driven(item.device, start, end))
            for item in self._vehicles(kind)
            if seen(item.device)
        ]
        return {"day": day, "vehicles": lines}

    def _vehicles(self, kind: str | None) -> list[Device]:
        """Those of the registry, and those that came by themselves."""
        known = self._registry.devices
        others = (Device(item.device, kind=item.kind) for item in self._live.devices.values() if item.device not in known)  # fmt: skip
        wanted = VEHICLES if kind is None else {kind}
        return sorted(
            (item for item in (*known.values(), *others) if item.kind in wanted), key=lambda item: item.device
        )

    async def _driven(self, device: str, start: int, end: int, settings: Settings = DEFAULTS) -> Driven:
        rows = await self._rows(device, start, end)
        return await asyncio.to_thread(lambda: Driven(*trips(fixes(rows), settings)))

    async def _rows(self, device: str, start: int, end: int) -> Sequence[Row]:
        rows = await self._ask(SeriesQuery(start, end, device, None, ROWS_MAX + 1))
        if len(rows) > ROWS_MAX:
            raise TooMuch(f"{device!r} told more than {ROWS_MAX:,} values in that range; a shorter one was meant")
        return rows


def fixes(rows: Iterable[Row]) -> list[Fix]:
    """The rows of one device as fixes: those of one moment are one fix; a moment without a place is none."""
    moments: dict[int, dict[str, Any]] = {}
    for row in rows:
        told = moments.setdefault(row.time, {})
        told[row.metric] = row.value
        if row.lon is not None and row.lat is not None:
            told["at"] = (row.lon, row.lat)
    return [_fix(time, told) for time, told in moments.items() if "at" in told]


def _fix(time: int, told: dict[str, Any]) -> Fix:
    lon, lat = told["at"]
    odometer, fuel = _number(told.get("odometer")), _number(told.get("fuel_volume"))
    return Fix(time / SECOND, lon, lat, _number(told.get("speed")), _flag(told.get("ignition")), odometer, fuel)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _flag(value: Any) -> bool | None:
    return bool(value) if isinstance(value, bool | int | float) else None


def trip_to_json(trip: Trip) -> dict[str, Any]:
    return {
        "from": _text(trip.start.at), "until": _text(trip.end.at), "start": [trip.start.lon, trip.start.lat], "end": [trip.end.lon, trip.end.lat],
        "distance_m": round(trip.distance_m, 1), "by_odometer": trip.by_odometer, "moving_s": round(trip.moving_s, 1), "idling_s": round(trip.idling_s, 1),
        "fastest_kmh": round(trip.fastest_kmh, 1), "mean_kmh": round(trip.distance_m / trip.seconds * 3.6, 1) if trip.seconds else None,
        "fuel_l": trip.fuel_l, "open": trip.open, "fixes": trip.fixes,
    }  # fmt: skip


def stop_to_json(stop: Stop) -> dict[str, Any]:
    return {
        "from": _text(stop.start.at), "until": _text(stop.end.at), "at": [stop.start.lon, stop.start.lat], "seconds": round(stop.seconds, 1),
        "idling_s": round(stop.idling_s, 1), "gap": stop.gap,
    }  # fmt: skip


def day_of(text: str, zone: tzinfo) -> tuple[int, int]:
    """Begin and end (ns) of a day of the city, as `2026-11-29`. Raises ValueError, also for a day that 64 bits of ns do not hold."""
    try:
        day = date.fromisoformat(text)
        midnights = [datetime(each.year, each.month, each.day, tzinfo=zone) for each in (day, day + timedelta(days=1))]
        begin, end = (from_datetime(midnight) for midnight in midnights)
    except (ValueError, OverflowError):  # no day; none of those that time is counted in; the calendar's last one
        raise ValueError(f"{text!r}: a day such as 2026-11-29 was meant") from None
    return begin, end


def _line(device: Device, done: Driven) -> dict[str, Any]:
    """Kilometres, hours and litres: units stand in the names."""
    fuel = [trip.fuel_l for trip in done.trips if trip.fuel_l is not None]
    idling_s = sum(trip.idling_s for trip in done.trips) + sum(stop.idling_s for stop in done.stops)
    return {
        "device": device.device,
        "name": device.name,
        "trips": len(done.trips),
        "distance_km": round(sum(trip.distance_m for trip in done.trips) / 1000, 2),
        "moving_h": round(sum(trip.moving_s for trip in done.trips) / 3600, 2),
        "idling_h": round(idling_s / 3600, 2),
        "standing_h": round(sum(stop.seconds for stop in done.stops) / 3600, 2),
        "fastest_kmh": round(max((trip.fastest_kmh for trip in done.trips), default=0.0), 1),
        "first_start": _text(done.trips[0].start.at) if done.trips else None,
        "last_end": _text(done.trips[-1].end.at) if done.trips else None,
        "fuel_l": round(sum(fuel), 1) if fuel else None,
    }


def _text(at: float) -> str:
    return to_text(round(at * SECOND))
