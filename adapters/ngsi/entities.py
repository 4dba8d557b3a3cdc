"""Readings and warnings as NGSI-LD entities in normalized form (ETSI GS CIM 009, clauses 4.5 and 5.2). Pure: what the hub knows in, plain data out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from adapters.ngsi.models import CATEGORY, DEVICE, MODELS, OTHER, SEVERITY, SHARE, SHARES, UNITS, attribute, measured
from hub.metrics import vocabulary
from hub.model import USABLE_MARKS, AlertChange, Change, Device, Position, Reading, Value
from hub.moment import to_text

Entity = dict[str, Any]
OBSERVED = "dateObserved"
_OVER = frozenset({Change.CLEARED, Change.EXPIRED})
FORBIDDEN = str.maketrans("", "", "<>\"'=;()")
"""Characters that brokers of FIWARE refuse in texts, as those may become queries (Orion, "forbidden characters")."""


def urn(model: str, hub: str, name: str) -> str:
    """The id of an entity: a URN of the namespace that ETSI registered, unique among hubs. Further letters than those of a URN are percent-encoded."""
    return f"urn:ngsi-ld:{model}:{quote(hub, safe='')}:{quote(name, safe='')}"


Times = dict[str, dict[str, int]]
"""Entity → attribute → when it was observed (ns)."""


class Newest:
    """The newest time told of each attribute. A broker keeps what it is told last, so a late reading would take the place of a newer one there."""

    def __init__(self) -> None:
        self._at: Times = {}

    def of(self, entity: str) -> dict[str, int]:
        """What was told of an entity."""
        return self._at.get(entity, {})

    def told(self, times: Times) -> None:
        """These were taken."""
        for entity, at in times.items():
            self._at.setdefault(entity, {}).update(at)


def of_readings(
    readings: Iterable[Reading], hub: str, known: Callable[[str], Device | None], newest: Newest, personal: bool
) -> tuple[list[Entity], Times]:
    """One entity a device, with the newest of each attribute, and the times of these for `Newest.told`. Left out are values that the device itself denies,
    what is older than what was told, and, unless `personal`, metrics that name somebody."""
    entities: dict[str, Entity] = {}
    times: Times = {}
    for reading in readings:
        device = known(reading.device) or Device(reading.device, kind=reading.kind)
        model, at = MODELS.get(device.kind, DEVICE), _at(reading)
        id = urn(model, hub, reading.device)
        before = {**newest.of(id), **times.get(id, {})}
        told = dict(_attributes(reading, model, personal))
        if reading.position is not None:
            told["location"] = _place(reading.position)
        fresh = {name: one for name, one in told.items() if at >= before.get(name, at)}
        if not fresh:
            continue
        entity = entities.setdefault(id, _head(id, model, device, hub))
        entity.update(fresh)
        if at >= before.get(OBSERVED, at):
            fresh[OBSERVED] = entity[OBSERVED] = _time(at)
        times.setdefault(id, {}).update(dict.fromkeys(fresh, at))
        if model == DEVICE:
            entity["controlledProperty"] = _property(sorted((before.keys() | fresh.keys()) - {OBSERVED, "location"}))
    return list(entities.values()), times


def of_warning(change: AlertChange, hub: str, hidden: bool = False) -> Entity:
    """The warning as it stands with this change: the same entity from its first change to its last. `hidden`: without words and places that tell of a
    person."""
    pack = change.rule.partition("/")[0]
    category, sub_category = CATEGORY.get(pack, OTHER)
    over = change.change in _OVER
    words = (
        change.rule
        if hidden
        else f"{(change.title_now if over else '') or change.title} {change.reason}".strip() or change.rule
    )
    entity: Entity = {
        "id": urn("Alert", hub, change.alert),
        "type": "Alert",
        "category": _property(category),
        "severity": _property("informational" if over else SEVERITY.get(change.level, "medium")),
        "description": _property(words.translate(FORBIDDEN)),
        "alertSource": _property(urn(DEVICE, hub, change.subject)),
        "dateIssued": _time(change.at),
        "data": _property(
            {"rule": change.rule, "subject": change.subject, "level": change.level, "change": change.change.value, "area": change.area}
        ),
    }  # fmt: skip
    if sub_category is not None:
        entity["subCategory"] = _property(sub_category)
    if change.change is Change.RAISED:
        entity["validFrom"] = _time(change.at)
    if over:
        entity["validTo"] = _time(change.at)
    if change.position is not None and not hidden:
        entity["location"] = _place(change.position)
    return entity


def _head(id: str, model: str, device: Device, hub: str) -> Entity:
    entity: Entity = {"id": id, "type": model}
    if device.name:
        entity["name"] = _property(device.name.translate(FORBIDDEN))
    if device.area:
        entity["areaServed"] = _property(device.area.translate(FORBIDDEN))
    if device.position is not None:
        entity["location"] = _place(device.position)
    if model == DEVICE:
        entity["category"] = _property(["sensor"])
        if device.kind:
            entity["deviceType"] = _property(device.kind.translate(FORBIDDEN))
    else:
        entity["refDevice"] = {"type": "Relationship", "object": urn(DEVICE, hub, device.device)}
    return entity


def _attributes(reading: Reading, model: str, personal: bool) -> Iterable[tuple[str, Entity]]:
    at, marks, words = to_text(_at(reading)), reading.marks or {}, vocabulary()
    for metric, value in reading.values.items():
        word = words.get(metric)
        if (metric in marks and marks[metric] not in USABLE_MARKS) or (
            word and word.personal == "person" and not personal
        ):
            continue
        name = attribute(model, metric, value)
        shown = measured(name, value)
        told = _property(_harmless(shown))
        if word is not None and word.type == "number" and word.unit in UNITS:
            told["unitCode"] = SHARE if name in SHARES else UNITS[word.unit]
        told["observedAt"] = at
        yield name, told


def _harmless(value: Value) -> Value:
    if isinstance(value, list):
        return [text.translate(FORBIDDEN) for text in value]
    return value.translate(FORBIDDEN) if isinstance(value, str) else value


def _at(reading: Reading) -> int:
    return reading.observed_at if reading.observed_at is not None else reading.received_at


def _property(value: Any) -> Entity:
    return {"type": "Property", "value": value}


def _time(at: int) -> Entity:
    return _property({"@type": "DateTime", "@value": to_text(at)})


def _place(position: Position) -> Entity:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [position.lon, position.lat]}}
