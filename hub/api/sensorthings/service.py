"""Paths of the SensorThings API to answers: entity sets, entities, properties, and new observations."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hub.api.endpoint import CONTROLLED_BODY_MAX, body
from hub.api.pages import reply
from hub.api.problem import Problem
from hub.api.sensorthings import filtering
from hub.api.sensorthings.entities import (
    RELATIONS,
    SCAN_MAX,
    SET_OF,
    TIMES,
    Catalogue,
    Entity,
    Fresh,
    observed,
    unknown,
)
from hub.api.sensorthings.options import Options, read, split
from hub.api.sight import Sight
from hub.api.state import State
from hub.json_once import key_repeated
from hub.model import Message, Reading, Verdict
from hub.moment import from_text
from hub.ports import Row, SeriesQuery

ROOT = "/sensorthings/v1.1"
SPEC = "http://www.opengis.net/spec/iot_sensing/1.1/req"
CONFORMANCE = [f"{SPEC}/datamodel", f"{SPEC}/resource-path/resource-path-to-entities", f"{SPEC}/request-data"]
EXPANDED_MAX, QUESTIONS_MAX = 20_000, 300
"""Entities written for one answer, and questions to the store: a deep `$expand` over everything is refused, not served for minutes."""
PROPERTIES = {
    "Things": ("name", "description", "properties"),
    "Locations": ("name", "description", "encodingType", "location", "properties"),
    "HistoricalLocations": ("time",),
    "Datastreams": ("name", "description", "observationType", "unitOfMeasurement", "observedArea", "phenomenonTime", "resultTime", "properties"),
    "Sensors": ("name", "description", "encodingType", "metadata", "properties"),
    "ObservedProperties": ("name", "definition", "description", "properties"),
    "Observations": ("phenomenonTime", "result", "resultTime", "resultQuality", "validTime", "parameters"),
    "FeaturesOfInterest": ("name", "description", "encodingType", "feature", "properties"),
}  # fmt: skip
CONTROL = ("id", "@iot.id", "@iot.selfLink")


class NewObservation(msgspec.Struct):
    """What is posted; further fields of the standard are taken and not kept."""

    result: float | int | bool | str | list[str]
    phenomenonTime: str | None = None
    Datastream: dict[str, Any] | None = None


class SensorThings:
    def __init__(self, state: State) -> None:
        self.state = state
        self._fresh = Fresh()

    async def sensorthings(self, request: Request, _: Any) -> Response:
        """OGC SensorThings API 1.1: devices, metrics and history by the paths and query options of the standard."""
        path, root = request.path_params["path"].strip("/"), _root(request)
        if not path:
            sets = [{"name": name, "url": f"{root}/{name}"} for name in RELATIONS]
            return reply({"value": sets, "serverSettings": {"conformance": CONFORMANCE}})
        sight, loop = Sight(self.state, request.state.who), asyncio.get_running_loop()
        options = read(parse_qsl(request.url.query, keep_blank_values=True))

        def series(query: SeriesQuery) -> Sequence[Row]:
            return asyncio.run_coroutine_threadsafe(_awaited(self.state.series, query), loop).result()

        def answered() -> Response:
            asking = _Asking(Catalogue(self.state, sight, series, self._fresh), root)
            return asking.answer(path, options, request)

        try:
            return await asyncio.to_thread(answered)
        except RecursionError:
            raise Problem(400, "the question is nested too deeply") from None

    async def observe(self, request: Request, _: Any) -> Response:
        """A new Observation: a reading of its Datastream's device, through the front door. 201 only after the log has it."""
        path = request.path_params["path"].strip("/")
        inside = re.fullmatch(r"Datastreams\((\d+)\)/Observations", path)
        if path != "Observations" and inside is None:
            raise Problem(
                405, "only Observations are created here; devices stand in the city's registry", {"Allow": "GET"}
            )
        try:
            data = await body(request, CONTROLLED_BODY_MAX)
            given = msgspec.json.decode(data, type=NewObservation)
            if key := key_repeated(data):
                raise Problem(
                    400, f"the body names {key[:100]!r} twice in one object, and nobody can say which was meant"
                )
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise Problem(400, f"this is no Observation: {error}") from None
        stream = int(inside[1]) if inside else (given.Datastream or {}).get("@iot.id")
        who = request.state.who
        sight = Sight(self.state, who, "ingest")
        found = next((item for item in await asyncio.to_thread(self._streams, sight) if item.id == stream), None)
        if found is None:
            raise Problem(
                400 if inside is None else 404,
                f"no Datastream has the id {str(stream)[:50]}, or {who.name!r} may not speak for it",
            )
        at = self._time(given.phenomenonTime)
        reading = Reading(found.device, at, {found.metric: given.result})
        message = Message([reading], [])
        verdict = (await self.state.door.submit([message]))[0]
        if verdict is Verdict.BUSY:
            raise Problem(503, "the hub cannot take input now; send it again", {"Retry-After": "5"})
        if verdict is Verdict.REFUSED:
            raise Problem(400, message.reason or "it could not be used")
        value = (
            given.result
            if isinstance(given.result, int | float | bool | str)
            else msgspec.json.encode(given.result).decode()
        )
        row = Row(at, found.device, "", found.metric, value, 0, None, None, self.state.clock())
        self._fresh.add(row)
        shown = _Asking(None, _root(request)).shown(observed(row), Options())
        answer = reply(shown, 201)
        answer.headers["Location"] = shown["@iot.selfLink"]
        return answer

    def _streams(self, sight: Sight) -> list[Entity]:
        return Catalogue(self.state, sight, lambda query: ()).all("Datastreams")

    def _time(self, text: str | None) -> int:
        if text is None:
            return self.state.clock()
        try:
            return from_text(text)
        except ValueError as error:
            raise Problem(400, f"phenomenonTime: {error}; a moment was meant, such as 2026-11-29T08:00:00Z") from None


async def _awaited(ask: Any, query: SeriesQuery) -> Sequence[Row]:
    found: Sequence[Row] = await ask(query)
    return found


def _root(request: Request) -> str:
    return str(request.base_url).rstrip("/") + ROOT


class _Asking:
    """One question and what it may still cost. Blocking; in a thread of its own."""

    def __init__(self, catalogue: Catalogue | None, root: str) -> None:
        self._catalogue, self._root = catalogue, root
        self._written = self._asked = 0

    # ---------------------------------------------------------------------------------------------- paths

    def answer(self, path: str, options: Options, request: Request) -> Response:
        segments = split(path.replace(",", "\0"), "/")
        name, here, of = "", None, None
        """The set at hand, the entity in it or None for the whole set, and the entity that the set was reached from."""
        for at, segment in enumerate(segments):
            rest = segments[at + 1 :]
            found = re.fullmatch(r"(\$?\w+)(?:\((.*)\))?", segment)
            if found is None:
                raise unknown(f"{segment!r}")
            word, id = found[1], found[2]
            if at and here is None:
                if word == "$ref" and id is None and not rest:
                    return self._list(name, of, options, request, refs=True)
                raise unknown(f"{segment!r}")
            if here is not None and word in PROPERTIES[here.set] and id is None:
                return _property(here, word, rest)
            if here is not None and word == "$ref" and id is None and not rest:
                return reply({"@iot.selfLink": self._link(here)})
            if word not in (RELATIONS if here is None else RELATIONS[here.set]):
                raise unknown(f"{word!r}")
            of, name = here, SET_OF[word]
            if word != name:  # a relation to one
                if id is not None:
                    raise unknown(f"{segment!r}")
                here = self._single(of, word)
            else:
                here = None if id is None else self._one(name, of, word, id)
        if here is None:
            return self._list(name, of, options, request)
        self._check(here.set, options)
        return reply(self.shown(here, options))

    def _single(self, of: Entity | None, word: str) -> Entity:
        assert of is not None
        found = self._known.related(of, word)
        if not found:
            raise unknown(f"{word} of {of.set}({of.id})")
        return found[0]

    def _one(self, name: str, of: Entity | None, word: str, text: str) -> Entity:
        if re.fullmatch(r"'(?:[^']|'')*'", text):  # an id as others have them
            raise unknown(f"{name}({text})")
        if not re.fullmatch(r"-?\d{1,20}", text):
            raise Problem(400, f"{text[:100]!r} is no id: a number was meant")
        found = self._known.one(name, int(text))
        if found is None or (of is not None and not self._belongs(found, of, word)):
            raise unknown(f"{name}({text})")
        return found

    def _belongs(self, found: Entity, of: Entity, word: str) -> bool:
        if name_is_observations(word):
            return found.device == of.device and of.metric in ("", found.metric)
        return any(other.id == found.id for other in self._known.related(of, word))

    @property
    def _known(self) -> Catalogue:
        assert self._catalogue is not None
        return self._catalogue

    # ---------------------------------------------------------------------------------------------- lists

    def _list(self, name: str, of: Entity | None, options: Options, request: Request, refs: bool = False) -> Response:
        self._check(name, options)
        found, total, more = self._page(name, of, options)
        shown: dict[str, Any] = {"@iot.count": total} if options.count else {}
        if more:
            query = dict(parse_qsl(request.url.query, keep_blank_values=True))
            query |= {"$top": str(options.top), "$skip": str(options.skip + options.top)}
            shown["@iot.nextLink"] = f"{self._root}/{quote(request.path_params['path'].strip('/'), safe=_SAFE)}?{urlencode(query, safe='$')}"  # fmt: skip
        shown["value"] = [{"@iot.selfLink": self._link(item)} if refs else self.shown(item, options) for item in found]
        return reply(shown)

    def _page(self, name: str, of: Entity | None, options: Options) -> tuple[list[Entity], int | None, bool]:
        """The entities of this page, how many there are in all (where asked), and whether more follow."""
        if name == "Observations":
            return self._observed(of, options)
        found = self._known.all(name) if of is None else self._related(of, name)
        if options.filter is not None:
            found = [item for item in found if filtering.holds(options.filter, self._finder(item))]
        found = self._ordered(found, options)
        end = options.skip + options.top
        return found[options.skip : end], len(found), len(found) > end > options.skip

    def _related(self, of: Entity, name: str) -> list[Entity]:
        word = next(word for word in RELATIONS[of.set] if SET_OF[word] == name)
        return self._known.related(of, word)

    def _observed(self, of: Entity | None, options: Options) -> tuple[list[Entity], int | None, bool]:
        """Observations by time, the newest first where nothing else is asked for. In any other order all of them are looked at."""
        self._asked += 1
        if self._asked > QUESTIONS_MAX:
            raise Problem(
                400,
                f"this asks the history more than {QUESTIONS_MAX} times; a smaller $top or another $expand was meant",
            )
        start, end = filtering.bounds(options.filter)
        if start is not None and end is not None and start >= end:
            return [], 0, False
        newest, by_time = True, not options.orderby
        if len(options.orderby) == 1 and options.orderby[0][0] == ("path", "phenomenonTime"):
            newest, by_time = options.orderby[0][1], True
        whole = options.count or not by_time
        wanted = options.skip + options.top + 1
        limit = (
            SCAN_MAX + 1 if whole else min(wanted if options.filter is None else max(4 * wanted, 1000), SCAN_MAX + 1)
        )
        while True:
            found, ended = self._known.observations(of, start, end, limit, newest)
            if options.filter is not None:
                found = [item for item in found if filtering.holds(options.filter, self._finder(item))]
            if ended or (not whole and len(found) >= wanted):
                break
            if limit > SCAN_MAX:
                raise Problem(
                    400, f"more than {SCAN_MAX} observations would be looked at; bound phenomenonTime with $filter"
                )
            limit = min(limit * 4, SCAN_MAX + 1)
        if not by_time:
            found = self._ordered(found, options)
        last = options.skip + options.top
        return found[options.skip : last], len(found) if whole else None, len(found) > last > options.skip

    def _ordered(self, found: list[Entity], options: Options) -> list[Entity]:
        for node, down in reversed(options.orderby):
            found = sorted(found, key=lambda item: _rank(filtering.value(node, self._finder(item))), reverse=down)
        return found

    def _finder(self, entity: Entity) -> filtering.Find:
        return lambda steps: self._find(entity, steps)

    def _find(self, entity: Entity, steps: tuple[str, ...]) -> Any:
        """What stands under a path: of an own property, or over a relation of another entity; over a relation to many, all of theirs."""
        first, rest = steps[0], steps[1:]
        if first in ("id", "@iot.id"):
            return entity.id
        if first in RELATIONS[entity.set] and rest:
            if SET_OF[first] == "Observations":
                raise Problem(
                    400,
                    "a filter over Observations of others is not served; ask for Observations and filter by Datastream/…",
                )
            found = [self._find(other, rest) for other in self._known.related(entity, first)]
            if first != SET_OF[first]:
                return found[0] if found else None
            return filtering.Many(
                one for part in found for one in (part if isinstance(part, filtering.Many) else (part,))
            )
        if first not in PROPERTIES[entity.set]:
            raise Problem(400, f"{entity.set} have no {first[:100]!r}")
        held: Any = entity.properties.get(first)
        for step in rest:
            held = held.get(step) if isinstance(held, dict) else None
        return filtering.instant_of(held) if first in TIMES else held

    # ---------------------------------------------------------------------------------------------- one entity

    def _check(self, name: str, options: Options) -> None:
        """Names in `$select` and `$expand` that there are not. Raises `Problem` 400."""
        for word in options.select:
            if word not in (*CONTROL, *PROPERTIES[name], *RELATIONS[name]):
                raise Problem(400, f"$select: {name} have no {word[:100]!r}")
        for word, inner in options.expand:
            if word not in RELATIONS[name]:
                raise Problem(400, f"$expand: {name} have no relation {word[:100]!r}")
            self._check(SET_OF[word], inner)

    def shown(self, entity: Entity, options: Options) -> dict[str, Any]:
        """The entity as JSON, with what `$select` and `$expand` ask for."""
        self._written += 1
        if self._written > EXPANDED_MAX:
            raise Problem(400, f"this answer would have more than {EXPANDED_MAX} entities; a smaller $top was meant")
        link, chosen = self._link(entity), set(options.select)
        shown: dict[str, Any] = {}
        if not chosen or chosen & {"id", "@iot.id"}:
            shown["@iot.id"] = entity.id
        if not chosen or "@iot.selfLink" in chosen:
            shown["@iot.selfLink"] = link
        shown |= {name: value for name, value in entity.properties.items() if not chosen or name in chosen}
        expanded = dict(options.expand)
        for relation in RELATIONS[entity.set]:
            if relation in expanded:
                shown |= self._expanded(entity, relation, expanded[relation], link)
            elif not chosen or relation in chosen:
                shown[f"{relation}@iot.navigationLink"] = f"{link}/{relation}"
        return shown

    def _expanded(self, entity: Entity, relation: str, inner: Options, link: str) -> dict[str, Any]:
        if relation != SET_OF[relation]:
            found = self._known.related(entity, relation)
            return {relation: self.shown(found[0], inner)} if found else {}
        page, total, more = self._page(relation, entity, inner)
        shown: dict[str, Any] = {f"{relation}@iot.count": total} if inner.count else {}
        if more:
            shown[f"{relation}@iot.nextLink"] = f"{link}/{relation}?$top={inner.top}&$skip={inner.skip + inner.top}"
        return shown | {relation: [self.shown(other, inner) for other in page]}

    def _link(self, entity: Entity) -> str:
        return f"{self._root}/{entity.set}({entity.id})"


_SAFE = "/()'$-"


def name_is_observations(word: str) -> bool:
    return SET_OF[word] == "Observations"


def _property(entity: Entity, name: str, rest: list[str]) -> Response:
    """`/name` as an object of that one field, `/name/$value` bare. 204 where the entity has no value there."""
    value: Any = entity.properties.get(name)
    while rest and rest[0] != "$value":
        value, name = value.get(rest[0]) if isinstance(value, dict) else None, rest[0]
        rest = rest[1:]
    if len(rest) > 1:
        raise unknown(f"{rest[1]!r}")
    if value is None:
        return Response(status_code=204)
    if not rest:
        return reply({name: value})
    if isinstance(value, str):
        return Response(value, media_type="text/plain; charset=utf-8")
    return Response(
        msgspec.json.encode(value), media_type="application/json" if isinstance(value, dict | list) else "text/plain"
    )


def _rank(found: Any) -> tuple[int, Any]:
    """Values of different kinds have an order too: nothing, flags and numbers, times, texts, the rest."""
    match found:
        case None:
            return 0, 0
        case bool() | int() | float():
            return 1, found
        case filtering.Instant():
            return 2, found.ns
        case str():
            return 3, found
    return 4, str(found)
