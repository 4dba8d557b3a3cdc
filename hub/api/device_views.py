"""What is told of devices beside the list of them: where they are, in a box; and one of them with all that is known."""

from __future__ import annotations

from typing import Any, NamedTuple

from hub.api import views
from hub.api.problem import Problem
from hub.api.sight import Sight
from hub.api.state import State
from hub.api.stretch import newest
from hub.model import Fault, Position
from hub.moment import to_text
from hub.pairs import members
from hub.ports import LogPosition

FAULTS_SHOWN, FAULTS_LOOKED_AT = 20, 5_000
"""Of one device; and entries of quarantine that are looked through for them, the newest."""


class Box(NamedTuple):
    """A part of the map in degrees. A west above the east crosses the 180th meridian, as in GeoJSON (RFC 7946, 5.2)."""

    west: float
    south: float
    east: float
    north: float

    def holds(self, at: Position) -> bool:
        if not self.south <= at.lat <= self.north:
            return False
        if self.west <= self.east:
            return self.west <= at.lon <= self.east
        return at.lon >= self.west or at.lon <= self.east


def box(text: str) -> Box:
    """Of `west,south,east,north`. Raises `Problem` 400."""
    try:
        found = Box(*map(float, text.split(",")))
    except (ValueError, TypeError):
        found = None
    if found is None or not (
        all(-180 <= lon <= 180 for lon in (found.west, found.east)) and -90 <= found.south <= found.north <= 90
    ):
        raise Problem(400, f"bbox is {text[:100]!r}; west,south,east,north in degrees was meant, such as 121.4,31.2,121.6,31.3")  # fmt: skip
    return found


def positions(state: State, sight: Sight, kind: str | None, since: int, within: Box | None) -> list[dict[str, Any]]:
    """Devices that have a place now, by their ids: one of their own that moves, or that of the registry."""
    found = []
    for name in sorted({**state.registry.devices, **state.live.devices}):
        known, heard = sight.registered(name), sight.heard(name)
        at = (heard.position if heard else None) or (known.position if known else None)
        what = heard.kind if heard else known.kind if known else ""
        told = heard.received_at if heard else 0
        if at is None or told < since or (kind is not None and what != kind) or (within and not within.holds(at)):
            continue
        if sight.device(name):
            found.append(
                {
                    "device": name,
                    "name": known.name if known else "",
                    "kind": what,
                    "position": views.place(at),
                    "at": to_text(heard.position_at) if heard and heard.position else None,
                }
            )
    return found


def detail(state: State, sight: Sight, name: str) -> dict[str, Any]:
    """What is known of one device without asking the store. Of the registry only what is no secret: attributes may be codes."""
    known, heard = sight.registered(name), sight.heard(name)
    return {
        "device": name,
        "now": views.device(heard, known) if heard else None,
        "registered": {
            "name": known.name,
            "kind": known.kind,
            "area": known.area,
            "operator": known.operator,
            "position": views.place(known.position),
            "elevation_m": known.elevation_m,
        }
        if known
        else None,
        "alerts": [
            item.alert
            for item in state.alerts.newest_first()
            if name in members(item.subject, lambda one: one in state.registry.devices or one in state.live.devices)
            and sight.alert(item)
        ],
    }


async def faults(state: State, name: str, sight: Sight) -> list[dict[str, Any]]:
    """The newest entries of quarantine about it, the newest first. Raises `Problem` 503 where the log cannot be read."""
    stream = state.log.quarantine
    batch = await newest(stream, FAULTS_LOOKED_AT)
    found: list[tuple[LogPosition, Fault]] = [
        (position, fault)
        for position, fault in zip(batch.positions, batch.entries, strict=False)
        if fault.device == name
    ]
    return [
        views.quarantined(stream, position, sight.fault(fault)) for position, fault in found[: -FAULTS_SHOWN - 1 : -1]
    ]
