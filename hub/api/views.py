"""The JSON that the API and the command line show: plain functions from the hub's parts to plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

import msgspec
import shapely

from hub.api.sight import Sight
from hub.api.state import State
from hub.cameras import Cameras, question
from hub.cameras.covering import cover
from hub.cameras.following import ahead, follow
from hub.delivery import Courier, Journal, ReadingCourier
from hub.fault_words import MEANING
from hub.health import Part
from hub.knocks import Knock
from hub.ledger import Ledger
from hub.live import DeviceState
from hub.metrics import Metric
from hub.model import LEVELS, Alert, Camera, Change, Device, Fault, Maintenance, Motion, Position, Refusal, Zone
from hub.moment import SECOND, to_text
from hub.notes import Note, standing_mark
from hub.ports import LogPosition, Stream
from hub.wire import camera_to_json, change_to_json, watch_to_json

CAMERAS_SHOWN = 1_000
CAMERAS_OF_MAX = 16
"""Different parts of the city whose cameras are kept ready to be ranked."""
BUILDINGS_SHOWN = 5_000
"""On the map; all of them cut footprints."""
JUDGED = frozenset({Change.RAISED, Change.ESCALATED, Change.LOWERED})
"""Changes that the rule makes while the warning stands: why it stands is the reason of the last of them, whatever people did since."""
DRIVING_KMH = 50.0
"""Of what moves without a speed."""

MAINTENANCE_SHOWN = 100
"""Windows in the status, which goes out every second; the route of their own shows all."""


def city(state: State, sight: Sight, silent: bool = False) -> dict[str, Any]:
    """The registry, for maps. `silent`: of its devices only those that nothing was heard of."""
    registry, heard_of = state.registry, state.live.devices if silent else ()
    devices = [item for name in registry.devices if sight.device(name) and (item := sight.registered(name))]
    numbers = [number for number in range(len(state.cameras)) if sight.camera(state.cameras.cameras[number])]
    seen = [state.cameras.cameras[number] for number in numbers]
    return {
        "name": state.config.hub.name,
        "timezone": state.config.hub.timezone,
        "version": state.version,
        "basemap": any(path.is_file() for path in state.basemap),
        "bounds": bounds(seen, devices),
        "cameras": [camera(state.cameras, number) for number in numbers],
        "zones": [zone(item) for item in registry.zones.values() if sight.zone(item)],
        "buildings": [item.rings for item in registry.buildings[:BUILDINGS_SHOWN]],
        "devices": [in_registry(item) for item in devices if item.device not in heard_of],
    }


def in_registry(item: Device) -> dict[str, Any]:
    """A device as the registry has it."""
    return {
        "device": item.device,
        "name": item.name,
        "kind": item.kind,
        "position": place(item.position),
        "area": item.area,
    }


def bounds(cameras: Iterable[Camera], devices: Iterable[Device]) -> list[float] | None:
    """[west, south, east, north] of everything that has a place."""
    places = [item.position for item in cameras] + [item.position for item in devices if item.position]
    if not places:
        return None
    lons, lats = [at.lon for at in places], [at.lat for at in places]
    return [min(lons), min(lats), max(lons), max(lats)]


def camera(cameras: Cameras, number: int) -> dict[str, Any]:
    item, ground = cameras.cameras[number], cameras.sectors[number]
    return {
        "camera": item.camera,
        "name": item.name,
        "position": place(item.position),
        "ptz": item.ptz,
        "azimuth_deg": item.azimuth_deg,
        "hfov_deg": ground.width_deg,
        "range_m": ground.far_m,
        "stream_url": item.stream_url or None,
        "picture": bool(item.snapshot_url),
        "footprint": cameras.geometry(number),
    }


def word(metric: Metric) -> dict[str, Any]:
    """A metric as people read it; `low` and `high` (null: no such end) are what an instrument can say."""
    return {
        "metric": metric.name,
        "family": metric.family,
        "type": metric.type,
        "unit": metric.unit,
        "title": metric.title,
        "title_zh": metric.title_zh,
        "low": metric.low if isfinite(metric.low) else None,
        "high": metric.high if isfinite(metric.high) else None,
        "personal": metric.personal or None,
    }


def zone(item: Zone) -> dict[str, Any]:
    return {"zone": item.zone, "kind": item.kind, "name": item.name, "rings": item.rings, "limits": dict(item.limits)}


def device(state: DeviceState, registered: Device | None) -> dict[str, Any]:
    """One device as it is now."""
    position = state.position or (registered.position if registered else None)
    return {
        "device": state.device,
        "name": registered.name if registered else str(state.values.get("name", "")),
        "kind": state.kind,
        "adapter": state.adapter,
        "area": registered.area if registered else "",
        "position": place(position),
        "observed_at": to_text(state.observed_at),
        "received_at": to_text(state.received_at),
        "readings": state.readings,
        "skew_s": round(state.skew_s, 1),
        "registered": registered is not None,
        "values": {metric: _newest(state, metric) for metric in list(state.values)},
    }


def _newest(state: DeviceState, metric: str) -> dict[str, Any]:
    """The newest value of a metric, and the `mark` that is held against it, if any; `marked_at` where that was said of a later moment, at which
    no value came."""
    value, at = state.values[metric], state.told_at(metric)
    shown = {"value": value, "at": to_text(at)}
    if mark := state.mark(metric):
        shown["mark"] = mark
        if state.marks[metric][1] > at:
            shown["marked_at"] = to_text(state.marks[metric][1])
    return shown


def alert(item: Alert, notes: Sequence[Note] = (), next_call: int | None = None) -> dict[str, Any]:
    """One warning, its history and what people wrote about it. Cameras and position are those of its newest change that has them."""
    false_alarm = standing_mark(notes)
    newest = item.changes[-1]
    placed = next((change for change in reversed(item.changes) if change.position), newest)
    seen = next((change for change in reversed(item.changes) if change.cameras), newest)
    judged = [change for change in item.changes if change.change in JUDGED] or [newest]
    worst = max(judged, key=lambda change: LEVELS.index(change.level))
    titled = next((change for change in reversed(item.changes) if change.title), newest)
    return {
        "alert": item.alert,
        "rule": item.rule,
        "subject": item.subject,
        "level": item.level,
        "title": titled.title,
        "title_now": newest.title_now,
        "title_zh": titled.title_zh,
        "title_now_zh": newest.title_now_zh,
        "raised_at": to_text(item.raised_at),
        "changed_at": to_text(item.changed_at),
        "open": item.open,
        "acknowledged_by": item.acknowledged_by,
        "shelved_until": to_text(item.shelved_until) if item.shelved_until else None,
        "contact": item.contact,
        "next_call_at": to_text(next_call) if next_call is not None else None,
        "false_alarm": note(false_alarm) if false_alarm else None,
        "notes": [note(one) for one in notes],
        "position": place(placed.position),
        "cameras": [camera_to_json(view) for view in seen.cameras],
        "handover": [watch_to_json(watch, seen.at) for watch in seen.handover],
        "evidence": newest.evidence,
        "reason": newest.reason,
        "cause": judged[-1].reason,
        "reason_zh": newest.reason_zh,
        "cause_zh": judged[-1].reason_zh,
        "values": newest.values,
        "worst": {"level": worst.level, "at": to_text(worst.at), "values": worst.values},
        "origin": item.changes[0].origin.hub if item.changes[0].origin else None,
        "changes": [change_to_json(change) for change in item.changes],
    }


def note(item: Note) -> dict[str, Any]:
    """What somebody wrote down, with the warning it is about. `note` may be empty for a mark."""
    return {
        "number": item.number,
        "at": to_text(item.at),
        "who": item.who,
        "kind": item.kind,
        "note": item.text,
        "alert": item.alert or None,
        "rule": item.rule or None,
        "subject": item.subject or None,
        "level": item.level or None,
        "raised_at": to_text(item.raised_at) if item.alert else None,
        "read_by": item.read_by or None,
        "read_at": to_text(item.read_at) if item.read_by else None,
    }


def who_sees(state: State, asked: Mapping[str, str], limit: int, sight: Sight, skip: int = 0) -> dict[str, Any]:
    """Cameras for a point (`at`, uncertain with `error`), for a `zone`, or for what moves from `at` on (`course`, `speed`): those behind
    the first `skip`, and one more than `limit` where there is one.

    Raises ValueError for what is no question.
    """
    cameras, need = _cameras_seen(state, sight), asked.get("need", "")
    if not 1 <= limit <= CAMERAS_SHOWN:
        raise ValueError(f"limit={limit}: 1 to {CAMERAS_SHOWN} was meant")
    if need and need not in cameras.tasks:
        raise ValueError(f"{need!r} is no task for a camera; known are {', '.join(cameras.tasks)}")
    if name := asked.get("zone"):
        if name not in state.registry.zones or not sight.zone(state.registry.zones[name]):
            raise ValueError(f"there is no zone {name!r}")
        rings = state.registry.zones[name].rings
        parts = cover(cameras, shapely.Polygon(rings[0], rings[1:]), skip + limit + 1, need)
        return {"cameras": [msgspec.to_builtins(part) for part in parts[skip:]]}
    if "at" not in asked:
        raise ValueError("at=LON,LAT is needed, such as ?at=121.49,31.24, or zone=NAME")
    position = question.place(asked["at"])
    if "course" in asked:
        motion = Motion(
            question.course(_number(asked, "course")), question.speed_ms(_number(asked, "speed", DRIVING_KMH))
        )
        return {"handover": [watch_to_json(watch) for watch in follow(cameras, ahead(position, motion), need)]}
    error = question.error(asked["error"]) if "error" in asked else None
    ranked = cameras.rank(position, skip + limit + 1, need=need, error=error)
    return {"cameras": [camera_to_json(view) for view in ranked[skip:]]}


def _cameras_seen(state: State, sight: Sight) -> Cameras:
    """The cameras to rank: all of them, or those that are seen, so that a limit counts only these."""
    if sight.whole:
        return state.cameras
    seen = tuple(item.camera for item in state.cameras.cameras if sight.camera(item))
    if seen not in state.cameras_of:
        while len(state.cameras_of) >= CAMERAS_OF_MAX:
            state.cameras_of.pop(next(iter(state.cameras_of)))
        registry = state.registry
        state.cameras_of[seen] = Cameras(
            [registry.cameras[name] for name in seen], registry.buildings, state.config.cameras.tasks
        )
    return state.cameras_of[seen]


def _number(asked: Mapping[str, str], name: str, otherwise: float = 0.0) -> float:
    try:
        return float(asked.get(name, otherwise))
    except ValueError:
        raise ValueError(f"{name}={asked[name]!r}: a number was meant") from None


def maintenance(item: Maintenance, at: int) -> dict[str, Any]:
    """One window of planned work; `state` is planned, active or over, `next` when that changes."""
    active = item.covers(at)
    turn = item.next_turn(at)
    return {
        "id": item.id,
        "target": item.target,
        "from": to_text(item.since),
        "until": to_text(item.until),
        "every_s": item.every // SECOND or None,
        "state": "active" if active else "over" if turn is None else "planned",
        "next": to_text(turn) if turn is not None else None,
        "who": item.who,
        "note": item.note,
    }


def quarantined(stream: Stream, place: LogPosition, fault: Fault) -> dict[str, Any]:
    """One entry of that stream. The raw bytes of a message stand with the first of its faults: `raw_entry`."""
    try:
        text: str | None = fault.raw.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    return {
        "offset": place,
        "at": to_text(fault.received_at),
        "adapter": fault.adapter,
        "device": fault.device,
        "kind": fault.kind,
        "meaning": MEANING[fault.kind].en,
        "meaning_zh": MEANING[fault.kind].zh,
        "detail": fault.detail,
        "count": fault.count,
        "readings": fault.readings,
        "raw_entry": stream.before(place, fault.back),
        "raw_hex": fault.raw.hex(),
        "raw_text": text if text is not None and (text.isprintable() or "\n" in text) else None,
    }


def knock(item: Knock, refused: Refusal | None = None) -> dict[str, Any]:
    return {
        "device": item.device,
        "adapter": item.adapter,
        "kind": item.kind,
        "count": item.count,
        "first_at": to_text(item.first_at),
        "last_at": to_text(item.last_at),
        "refused": None if refused is None else {"at": to_text(refused.at), "who": refused.who, "note": refused.note},
    }


def delivery(
    couriers: Mapping[str, Courier | ReadingCourier], journal: Journal, sight: Sight | None = None
) -> dict[str, Any]:
    """Destinations, their dead letters and newest attempts; who sees a part of the city sees its dead letters only. Blocking: the
    journal is a file."""
    whole = sight is None or sight.whole
    return {
        "destinations": [msgspec.to_builtins(courier.status) for courier in couriers.values() if whole],
        "dead_letters": [
            {
                "number": letter.number,
                "destination": letter.destination,
                "at": to_text(letter.at),
                "reason": letter.reason,
                "attempts": letter.attempts,
                "change": change_to_json(letter.change)
                if sight is None
                else sight.of(change_to_json(sight.told(letter.change))),
            }
            for letter in journal.dead_letters()
            if sight is None or sight.change(letter.change)
        ],
        "attempts": [
            {**msgspec.to_builtins(attempt), "at": to_text(attempt.at)}
            for attempt in (journal.attempts(limit=100) if whole else ())
        ],
    }


def status(state: State, sight: Sight) -> dict[str, Any]:
    """The hub itself: adapters with their ledgers, readers with their lag, the log. Who sees a part of the city sees which parts of the
    hub are well and the counts of what is theirs; the ledgers are about everything."""
    whole = _whole_status(state)
    if sight.whole:
        return whole
    at = state.clock()
    return {
        **whole,
        "parts": [part(item, may_look=False) for item in _parts(state)],
        "adapters": [],
        "city": [],
        "readers": [],
        "log": {},
        "damage": [],
        "devices": sum(1 for _ in sight.devices(state.live.devices.values())) if state.follows() else None,
        "open_alerts": sum(map(sight.alert, state.alerts.open.values())) if state.follows() else None,
        "rules": {},
        "nodes": [],
        "dead_letters": [],
        "maintenance": [
            maintenance(item, at)
            for item in sorted(state.maintenance(), key=lambda item: item.since)
            if sight.subject(item.target) and (item.covers(at) or item.next_turn(at) is not None)
        ][:MAINTENANCE_SHOWN],
    }


def _whole_status(state: State) -> dict[str, Any]:
    adapters, books = [], state.books()
    for name, door in state.ingest.doors.items():
        counts = books.of(name)
        adapters.append(
            {
                "name": name,
                "protocol": state.protocols.get(name, "api"),
                "state": door.status.state,
                "detail": door.status.why.en,
                "detail_zh": door.status.why.zh,
                "since": to_text(door.status.since) if door.status.since else None,
                "frames": counts.frames,
                "received": counts.received,
                "logged": counts.logged,
                "in_flight": counts.in_flight,
                "quarantined": counts.quarantined,
                "duplicate": counts.duplicate,
                "refused": counts.refused,
                "unkept": counts.unkept,
                **_answers(books, name),
                "faults": dict(counts.faults),
            }
        )
    readers = [
        {
            "reader": reader.name,
            "stream": reader.stream,
            "required": reader.required,
            "cursor": reader.cursor,
            "behind": state.log.streams[reader.stream].lag(reader.cursor),
            "skipped": reader.skipped,
            "state": reader.state,
            "detail": reader.part.why.en,
            "detail_zh": reader.part.why.zh,
        }
        for reader in state.readers()
    ]
    at = state.clock()
    return {
        "at": to_text(at),
        "started_at": to_text(state.started_at),
        "version": state.version,
        "ready": state.health.ready,
        "parts": [part(item) for item in _parts(state)],
        "adapters": adapters,
        "city": _city(state.city_books()),
        "readers": readers,
        "log": {
            name: {
                "first": stream.first,
                "next": stream.next,
                "entries": stream.lag(stream.first),
                "bytes": stream.size(),
                "refusing": stream.refusing.en if stream.refusing else None,
                "refusing_zh": stream.refusing.zh if stream.refusing else None,
            }
            for name, stream in state.log.streams.items()
        },
        "damage": [*(str(found) for found in state.log.damage()), *state.set_aside],
        "devices": len(state.live.devices) if state.follows() else None,
        "open_alerts": len(state.alerts.open) if state.follows() else None,
        "balances": all(counts.balances() for counts in books.adapters.values()),
        "rules": dict(state.rules()),
        "nodes": list(state.nodes()),
        "dead_letters": [
            {"destination": name, "count": refused.count, "since": to_text(refused.since)}
            for name, refused in sorted(state.journal.refusals.items())
        ],
        "maintenance": [
            maintenance(item, at)
            for item in sorted(state.maintenance(), key=lambda item: item.since)
            if item.covers(at) or item.next_turn(at) is not None
        ][:MAINTENANCE_SHOWN],
    }


def _parts(state: State) -> list[Part]:
    """Those of this machine, and what of the others is not up: without it a machine that shows would look well while a door hears nothing."""
    return [*state.health.parts(), *state.ill_elsewhere()]


def _city(books: Ledger | None) -> list[dict[str, Any]]:
    """By adapter, what the log of all machines holds and what became of it."""
    if books is None:
        return []
    return [
        {
            "name": name,
            "logged": counts.logged,
            "quarantined": counts.quarantined,
            **_answers(books, name),
            "faults": dict(counts.faults),
        }
        for name, counts in sorted(books.adapters.items())
    ]


def _answers(books: Ledger, name: str) -> dict[str, int]:
    """What the store made of an adapter's readings."""
    return {
        "stored": _answered(books.stored, name),
        "store_refused": _answered(books.refused, name),
        "replaced": _answered(books.replaced, name),
        "waiting": max((books.waiting(reader, name) for reader in books.stored), default=0),
    }


def _answered(counts: Mapping[str, Mapping[str, int]], adapter: str) -> int:
    """Of the required reader "store"."""
    return counts["store"][adapter] if "store" in counts else 0


def place(position: Position | None) -> list[float] | None:
    return [position.lon, position.lat] if position else None


def heard(state: State, kind: str | None = None, since: int = 0) -> Iterable[DeviceState]:
    """Devices heard of since then, of that kind."""
    return (
        item
        for item in state.live.devices.values()
        if item.received_at >= since and (kind is None or item.kind == kind)
    )


def part(item: Part, may_look: bool = True) -> dict[str, Any]:
    """One part of the hub and how it is. `may_look`: reasons name files, addresses and peers, so not everybody is told."""
    return {
        "part": item.name,
        "state": item.state,
        "since": to_text(item.since),
        "reason": item.why.en if may_look else "",
        "reason_zh": item.why.zh if may_look else "",
        "required": item.required,
    }


def geojson(state: State, what: str, sight: Sight) -> dict[str, Any]:
    """A GeoJSON FeatureCollection (RFC 7946) of "zones", "cameras", "footprints" or "devices". Raises KeyError for anything else."""
    registry = state.registry
    features: list[tuple[str, Any, dict[str, Any]]]
    if what == "zones":
        features = [("Polygon", item.rings, {"zone": item.zone, "kind": item.kind, "name": item.name, **item.limits}) for item in registry.zones.values() if sight.zone(item)]  # fmt: skip
    elif what == "cameras":
        features = [("Point", _lon_lat(item.position), {"camera": item.camera, "name": item.name, "area": item.area}) for item in registry.cameras.values() if sight.camera(item)]  # fmt: skip
    elif what == "footprints":
        return {
            "type": "FeatureCollection",
            "features": [
                state.cameras.feature(n) for n in range(len(state.cameras)) if sight.camera(state.cameras.cameras[n])
            ],
        }
    elif what == "devices":
        features = [("Point", _lon_lat(item.position), {"device": item.device, "name": item.name, "kind": item.kind, "area": item.area}) for name in registry.devices if sight.device(name) and (item := sight.registered(name)) and item.position]  # fmt: skip
    else:
        raise KeyError(what)
    return {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "geometry": {"type": kind, "coordinates": at}, "properties": properties}
            for kind, at, properties in features
        ],
    }


def _lon_lat(position: Position) -> list[float]:
    return [position.lon, position.lat]
