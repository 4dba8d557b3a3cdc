"""Entities and how they are related; made anew for each request out of what the asker may see."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hub.api.problem import Problem
from hub.api.sight import Sight
from hub.api.state import State
from hub.marks import mark_of
from hub.metrics import vocabulary
from hub.model import Device, Position
from hub.moment import SECOND, to_text
from hub.ports import Row, SeriesQuery

RELATIONS: Mapping[str, tuple[str, ...]] = {
    "Things": ("Locations", "HistoricalLocations", "Datastreams"),
    "Locations": ("Things", "HistoricalLocations"),
    "HistoricalLocations": ("Thing", "Locations"),
    "Datastreams": ("Thing", "Sensor", "ObservedProperty", "Observations"),
    "Sensors": ("Datastreams",),
    "ObservedProperties": ("Datastreams",),
    "Observations": ("Datastream", "FeatureOfInterest"),
    "FeaturesOfInterest": ("Observations",),
}
SET_OF = {
    "Thing": "Things", "Datastream": "Datastreams", "Sensor": "Sensors", "ObservedProperty": "ObservedProperties",
    "FeatureOfInterest": "FeaturesOfInterest", **{name: name for name in RELATIONS},
}  # fmt: skip
"""Which entity set a relation leads to; one that is no set itself leads to one entity."""
TIMES = frozenset({"phenomenonTime", "resultTime", "time", "validTime"})
GEOJSON = "application/geo+json"
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/"
TYPES = {"number": "OM_Measurement", "flag": "OM_TruthObservation", "text": "OM_Observation", "texts": "OM_Observation"}
HASH_BITS = 31
FRESH_MAX, FRESH_S = 1000, 60.0
SCAN_MAX = 50_000
"""Observations looked at for one answer."""


@dataclass(frozen=True)
class Entity:
    """One entity: its set, its id, its properties, and whose it is."""

    set: str
    id: int
    properties: dict[str, Any] = field(hash=False)
    device: str = ""
    metric: str = ""


def number(*parts: str) -> int:
    """The id of what has this name: 48 bits of its SHA-256, the same after every restart, exact in every client's JSON."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:6])


class Fresh:
    """Observations just posted, by id, until the store surely has them: their link holds from the moment it is given."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[float, Row]] = {}

    def add(self, row: Row) -> None:
        self._made[observation_number(row)] = time.monotonic(), row
        if len(self._made) > FRESH_MAX:
            self._made.pop(next(iter(self._made)), None)

    def get(self, id: int) -> list[Row]:
        """That one, or none."""
        made_at, row = self._made.get(id, (0.0, None))
        return [row] if row is not None and time.monotonic() - made_at < FRESH_S else []


class Catalogue:
    """What one asker sees. Made and used in a thread of its own, as it names every device; copies of the hub's tables are taken whole."""

    def __init__(
        self, state: State, sight: Sight, series: Callable[[SeriesQuery], Sequence[Row]], fresh: Fresh | None = None
    ) -> None:
        self._series, self._sight, self._seen, self._fresh = series, sight, sight.known(), fresh or Fresh()
        self._sets: dict[str, dict[int, Entity]] = {name: {} for name in RELATIONS}
        self._told: set[tuple[str, str]] = set()
        """Device and metric of each Datastream."""
        names = self._seen if self._seen is not None else tuple({**state.registry.devices, **state.live.devices})
        for name in names:
            heard = sight.heard(name)
            known = sight.registered(name) or Device(name, kind=heard.kind if heard else "")
            position = (heard.position if heard else None) or known.position
            at = heard.position_at if heard and heard.position else state.started_at
            self._add_device(known, position, at)
            for metric, value in (dict(heard.values) if heard else {}).items():
                self._add_datastream(known, metric, value)

    def _add(self, entity: Entity) -> None:
        self._sets[entity.set].setdefault(entity.id, entity)

    def _add_device(self, known: Device, position: Position | None, at: int) -> None:
        device, id = known.device, number(known.device)
        named = {"name": known.name or device, "description": f"{known.kind or 'device'} {device}"}
        more = {"device": device, "kind": known.kind, "area": known.area, "operator": known.operator}
        self._add(Entity("Things", id, {**named, "properties": {key: value for key, value in more.items() if value}}, device))  # fmt: skip
        about = {"encodingType": "text/html", "metadata": f"cityhub:{known.kind or 'device'}"}
        self._add(Entity("Sensors", id, {**named, **about}, device))
        shape = {"type": "Point", "coordinates": [position.lon, position.lat]} if position else {"type": "GeometryCollection", "geometries": []}  # fmt: skip
        self._add(Entity("FeaturesOfInterest", id, {**named, "encodingType": GEOJSON, "feature": shape}, device))
        if position:
            self._add(Entity("Locations", id, {**named, "encodingType": GEOJSON, "location": shape}, device))
            self._add(Entity("HistoricalLocations", id, {"time": to_text(at)}, device))

    def _add_datastream(self, known: Device, metric: str, value: Any) -> None:
        word = vocabulary().get(metric)
        title = word.title if word else metric
        what = word.type if word else "number" if isinstance(value, int | float) else "text"
        unit = word.unit if word and word.unit else None
        self._told.add((known.device, metric))
        self._add(
            Entity(
                "Datastreams",
                number(known.device, metric),
                {
                    "name": f"{known.name or known.device}: {title}",
                    "description": f"{title} of {known.device}",
                    "observationType": MEASUREMENT + TYPES[what],
                    "unitOfMeasurement": {
                        "name": unit,
                        "symbol": unit,
                        "definition": f"http://unitsofmeasure.org/ucum.html#{unit}" if unit else None,
                    },
                    "properties": {"device": known.device, "metric": metric},
                },
                known.device,
                metric,
            )
        )
        definition = f"urn:cityhub:metric:{metric}"
        self._add(
            Entity(
                "ObservedProperties",
                number(metric),
                {"name": metric, "definition": definition, "description": title},
                metric=metric,
            )
        )

    # ---------------------------------------------------------------------------------------------- asking

    def all(self, name: str) -> list[Entity]:
        """A whole set but the observations, ordered by id."""
        return sorted(self._sets[name].values(), key=lambda entity: entity.id)

    def one(self, name: str, id: int) -> Entity | None:
        if name == "Observations":
            return self._observation(id)
        return self._sets[name].get(id)

    def related(self, entity: Entity, relation: str) -> list[Entity]:
        """The entities that a relation leads to, but observations."""
        name = SET_OF[relation]
        if name == "Datastreams":
            if entity.set == "Observations":
                keep = [self._sets[name].get(number(entity.device, entity.metric))]
                return [found for found in keep if found]
            if entity.set == "ObservedProperties":
                return [found for found in self.all(name) if found.metric == entity.metric]
            return [found for found in self.all(name) if found.device == entity.device]
        found = self._sets[name].get(number(entity.metric) if name == "ObservedProperties" else number(entity.device))
        return [found] if found else []

    def observations(
        self, of: Entity | None, start: int | None, end: int | None, limit: int, newest: bool
    ) -> tuple[list[Entity], bool]:
        """Of a Datastream, a FeatureOfInterest or everything seen, between two times; at most `limit`, of the newest or the oldest,
        in that order. And whether these are all. What belongs to no Datastream is none: the hub's own notes (`hub.app.telemetry`)."""
        query = SeriesQuery(start, end, limit=limit, newest=newest, devices=self._seen)
        if of is not None:
            query = msgspec.structs.replace(query, device=of.device, metric=of.metric or None)
        rows = self._series(query)
        made = [observed(row) for row in self._sight.rows(rows) if (row.device, row.metric) in self._told]
        return made[::-1] if newest else made, len(rows) < limit

    def _observation(self, id: int) -> Entity | None:
        """Looked for among what was observed in its second. Two with one id are told from each other by nothing: neither is given."""
        if not 0 <= id < 1 << 63:
            return None
        second = (id >> HASH_BITS) * SECOND
        found = [item for item in self.observations(None, second, second + SECOND, SCAN_MAX, True)[0] if item.id == id]
        if not found:
            made = [row for row in self._fresh.get(id) if self._seen is None or row.device in self._seen]
            found = [observed(row) for row in self._sight.rows(made)]
        return found[0] if len(found) == 1 else None


def observation_number(row: Row) -> int:
    """The id of an Observation: the second of its time (32 bits, from 1970 to 2106), and 31 bits of a hash of its Datastream and time.

    The standard lets an id be anything, but the conformance suite of OGC and many clients read it into 64 bits with a sign.
    A client whose numbers hold 53 bits (JavaScript) goes by the link of the entity, which is text.
    """
    hashed = hashlib.sha256("\0".join((row.device, row.metric, str(row.time))).encode()).digest()
    return (row.time // SECOND % (1 << 32)) << HASH_BITS | int.from_bytes(hashed[:4]) >> 1


def observed(row: Row) -> Entity:
    """A stored value as an Observation."""
    at = to_text(row.time)
    properties: dict[str, Any] = {"phenomenonTime": at, "result": row.value, "resultTime": to_text(row.received_at)}
    if row.quality != 0:
        properties["resultQuality"] = mark_of(row.quality)
    if row.lon is not None and row.lat is not None:
        properties["parameters"] = {"position": [row.lon, row.lat]}
    return Entity("Observations", observation_number(row), properties, row.device, row.metric)


def unknown(what: str) -> Problem:
    return Problem(404, f"{what[:200]} is not there")
