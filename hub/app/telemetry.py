"""What the hub notes of itself and of its devices, once a minute, as readings: so every store and dashboard has them.

They go to the stream "derived", where what the hub makes stands: neither the rules nor the present nor the ledger take
them for something that a device said. Devices in them: `hub-adapter:NAME`, `hub-reader:NAME`, `hub-stream:NAME`,
`hub-warnings:AREA` (family `hub`), and every device of the city under its own name (family `device`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import shapely

from hub.api.state import ReaderState, State
from hub.ledger import Ledger
from hub.live import DeviceState
from hub.model import LEVELS, Alert, Device, FaultKind, Position, Reading, Value, Zone
from hub.moment import SECOND
from hub.ports import LogFull

EVERY_S = 60.0
DEVICES_PER_S = 200
"""Reports on devices a second; a larger city is told of less often than once a minute rather than flooding its log."""
STALE_NS = 24 * 3600 * SECOND
"""ANSI/ISA-18.2-2016: an alarm that stays for more than 24 h is stale."""
NOWHERE = "-"
KMH_PER_KN = 1.852


class Reporter:
    """Looks at the running parts and appends what it sees to "derived"."""

    def __init__(
        self,
        state: State,
        books: Callable[[], Ledger],
        readers: Callable[[], Sequence[ReaderState]],
        up: Callable[[], Mapping[str, bool]],
    ) -> None:
        """`books`, `readers`, `up` (by door, whether it is): of the whole city, as far as they are known here."""
        self._state, self._books, self._readers, self._up = state, books, readers, up
        self._zones = Zones(())
        self._zones_of: Mapping[str, Zone] | None = None
        self._counted: dict[str, int] = {}

    async def run(self) -> None:
        devices_due = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self._state.log.derived.append(self.hub())
                if loop.time() >= devices_due:
                    noted = self.devices()
                    devices_due = loop.time() + len(noted) / DEVICES_PER_S
                    for at in range(0, len(noted), 1000):
                        await self._state.log.derived.append(noted[at : at + 1000])
                        await asyncio.sleep(0)
            except LogFull:
                continue  # readings go before remarks about them

    def hub(self) -> list[Reading]:
        """Adapters, readers, streams and open warnings as they are now."""
        state, at = self._state, self._state.clock()
        noted = [
            *_adapters(self._up(), self._books(), at),
            *(
                _reading("hub-reader", item.name, at, {
                    "reader_lag": state.log.streams[item.stream].lag(item.cursor),
                    "reader_skipped": item.skipped,
                    "up": item.state == "up",
                })
                for item in self._readers()
            ),
            *(_reading("hub-stream", name, at, {"log_bytes": log.size()}) for name, log in state.log.streams.items()),
        ]  # fmt: skip
        return noted + open_warnings(state.alerts.open.values(), state.registry.devices, at)

    def devices(self) -> list[Reading]:
        """Every device heard of, and those of the registry that never were: on the map they are there all the same."""
        state, at = self._state, self._state.clock()
        if state.registry.zones is not self._zones_of:  # another registry, since a reload
            self._zones, self._zones_of = Zones(state.registry.zones.values()), state.registry.zones
        levels = worst_levels(state.alerts.open.values())
        known = state.registry.devices
        noted = []
        for name, heard in state.live.devices.items():
            count = heard.readings - self._counted.get(name, 0)
            self._counted[name] = heard.readings
            noted.append(device_report(name, heard, known.get(name), count, levels.get(name, 0), self._zones, at))
        if len(self._counted) > 2 * len(state.live.devices):
            self._counted = {name: self._counted[name] for name in state.live.devices}
        noted += [
            device_report(name, None, device, 0, levels.get(name, 0), self._zones, at)
            for name, device in known.items()
            if name not in state.live.devices
        ]
        return noted


def device_report(
    name: str, heard: DeviceState | None, known: Device | None, count: int, level: int, zones: Zones, at: int
) -> Reading:
    """One device as it is now: how long silent, how far its clock is off, where, and what is warned of it."""
    values: dict[str, Value] = {"heard": count, "warning_level": level}
    position = heard.position if heard else None
    moving = position is not None
    position = position or (known.position if known else None)
    if heard is not None:
        values["silence"] = max(0.0, (at - heard.received_at) / SECOND)
        values["clock_skew"] = round(heard.skew_s, 3)
        stage = known.attributes.get("warning_level_m") if known else None
        water = heard.usable("water_level")
        if isinstance(stage, float | int) and isinstance(water, float | int):
            values["over_warning_stage"] = round(water - stage, 3)
    if known and known.name:
        values["label"] = known.name
    elif heard and "name" in heard.values:
        values["label"] = str(heard.values["name"])
    if moving and position and heard and (zone := zones.of(position)):
        values["zone"] = zone
        if (speed := _speed(heard)) is not None:
            values["zone_speed"] = speed
    kind = heard.kind if heard else (known.kind if known else "")
    return Reading(name, at, values, position, received_at=at, adapter="hub", kind=kind)


def _speed(heard: DeviceState) -> float | None:
    """km/h, of a vehicle or a vessel."""
    for metric, factor in (("speed", 1.0), ("sog", KMH_PER_KN)):
        speed = heard.usable(metric)
        if isinstance(speed, float | int):
            return round(float(speed) * factor, 2)
    return None


def open_warnings(alerts: Iterable[Alert], devices: Mapping[str, Device], at: int) -> list[Reading]:
    """How many warnings of each level are open in each area; every area of the registry is told of, with zeros too."""
    counts: dict[str, dict[str, Value]] = {}
    names = [*(f"open_{level}" for level in LEVELS), "open_stale"]

    def of(area: str) -> dict[str, Value]:
        return counts.setdefault(area or NOWHERE, dict.fromkeys(names, 0))

    for device in devices.values():
        of(device.area)
    of(NOWHERE)
    for alert in alerts:
        area = next((change.area for change in reversed(alert.changes) if change.area), "")
        here = of(area)
        here[f"open_{alert.level}"] = int(here.get(f"open_{alert.level}", 0)) + 1  # type: ignore[arg-type]
        if at - alert.raised_at > STALE_NS:
            here["open_stale"] = int(here["open_stale"]) + 1  # type: ignore[arg-type]
    return [_reading("hub-warnings", area, at, values) for area, values in sorted(counts.items())]


def worst_levels(alerts: Iterable[Alert]) -> dict[str, int]:
    """Device → 1 blue … 4 red, of the warnings open on it; a pair counts for both."""
    worst: dict[str, int] = {}
    for alert in alerts:
        level = LEVELS.index(alert.level) + 1 if alert.level in LEVELS else 0
        for device in {alert.subject, *alert.about}:
            worst[device] = max(level, worst.get(device, 0))
    return worst


class Zones:
    """Which zone a place lies in: the smallest one, where they overlap."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        found: Sequence[tuple[Any, str]] = [
            (shapely.Polygon(zone.rings[0], zone.rings[1:]), zone.zone) for zone in zones if zone.rings
        ]
        found = sorted(found, key=lambda item: item[0].area)
        self._names = [name for _, name in found]
        self._tree = shapely.STRtree([shape for shape, _ in found])

    def of(self, position: Position) -> str:
        hits = self._tree.query(shapely.Point(position.lon, position.lat), predicate="within")
        return self._names[min(hits)] if len(hits) else ""


def _adapters(up: Mapping[str, bool], books: Ledger, at: int) -> Iterable[Reading]:
    reader = next(iter(books.stored), None)
    for name, counts in list(books.adapters.items()):
        waiting = books.waiting(reader, name) if reader else counts.logged
        values: dict[str, Value] = {
            "up": up.get(name, False),
            "frames_received": counts.frames,
            "readings_received": counts.received,
            "readings_logged": counts.logged,
            "readings_stored": counts.logged - waiting,
            "readings_waiting": waiting,
            "readings_quarantined": counts.quarantined,
            "readings_duplicate": counts.duplicate,
            "readings_refused": counts.refused,
        }
        values |= {f"faults_{kind.replace('-', '_')}": counts.faults.get(kind, 0) for kind in FaultKind}
        yield _reading("hub-adapter", name, at, values)


def noted_by_the_hub(reading: Reading) -> bool:
    """Whether it is one of those that this module or `hub.app.trip_notes` makes, and not what the rules derived."""
    return reading.adapter == "hub" and (
        reading.kind.startswith("hub-") or "heard" in reading.values or "motion" in reading.values
    )


def _reading(kind: str, name: str, at: int, values: dict[str, Value]) -> Reading:
    return Reading(f"{kind}:{name}", at, values, received_at=at, adapter="hub", kind=kind)


__all__ = ["Reporter", "Zones", "device_report", "noted_by_the_hub", "open_warnings", "worst_levels"]
