"""Routes that only look: each handler is a few lines over `hub.api.views`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from hub.api import prometheus, questions, views
from hub.api.gate import Authority
from hub.api.pages import marks, page
from hub.api.problem import Problem
from hub.api.sight import Sight
from hub.api.state import State
from hub.bilingual import preferred
from hub.metrics import vocabulary
from hub.model import Alert
from hub.moment import SECOND, from_text, to_text
from hub.ports import LogPosition, SeriesQuery
from hub.wire import in_language

QUARANTINE_SHOWN = 200
SERIES_ROWS_MAX = 50_000
BUCKETS_MAX = 50_000
AT_A_TIME = 200
DAY_NS = 86_400 * SECOND
T = TypeVar("T")


class Looking:
    def __init__(self, state: State, authority: Authority) -> None:
        self.state = state
        self._authority = authority

    # ---------------------------------------------------------------------------------------------- people and probes

    async def console(self, _: Request, __: Any) -> Response:
        """The operator's page."""
        found = self.state.console / "index.html"
        if not found.exists():
            raise Problem(404, "this installation has no console page; the API is under /api/v1/")
        return FileResponse(found, headers={"Cache-Control": "no-cache"})

    async def basemap(self, _: Request, __: Any) -> Response:
        """The city's base map, as `cityhub basemap` made it; the console reads parts of it (Range). As any map it is no secret."""
        found = next((path for path in self.state.basemap if path.is_file()), None)
        if found is None:
            raise Problem(404, "this city has no base map; cityhub basemap makes one")
        return FileResponse(found, media_type="application/vnd.pmtiles", headers={"Cache-Control": "no-cache"})

    async def alive(self, _: Request, __: Any) -> Response:
        """The process answers; what it can do stands in /readyz."""
        return reply({"ok": True, "version": self.state.version})

    async def ready(self, request: Request, asked: questions.Readiness) -> Response:
        """200 while every part works that the hub cannot do without, else 503. Why a part is ill is told to whoever may look."""
        who = self._authority.known(request)
        may_look = who is not None and who.everywhere("view")
        parts = [views.part(item, may_look) for item in self.state.health.parts()]
        ready = self.state.health.ready
        if asked.part is not None:
            parts = [item for item in parts if item["part"] == asked.part]
            if not parts:
                raise Problem(404, f"there is no part {asked.part[:100]!r}")
            ready = parts[0]["state"] == "up"
        return reply({"ready": ready, "parts": parts}, 200 if ready else 503)

    async def health(self, _: Request, __: Any) -> Response:
        """Whether input is taken; 503 with the reason where not."""
        refusing = self.state.log.events.refusing
        changes = {"X-Alert-Changes": str(self.state.log.alerts.next)}
        return reply(
            {"ok": refusing is None, "detail": refusing or "taking input"}, 200 if refusing is None else 503, changes
        )

    async def metrics(self, _: Request, __: Any) -> Response:
        """Everything that is counted, as Prometheus text."""
        return Response(prometheus.render(self.state), media_type="text/plain; version=0.0.4; charset=utf-8")

    # ---------------------------------------------------------------------------------------------- the present

    async def city(self, request: Request, _: Any) -> Response:
        """The registry, for maps."""
        return reply(
            await asyncio.to_thread(views.city, self.state, self._sight(request))
        )  # footprints take milliseconds each

    async def status(self, request: Request, _: Any) -> Response:
        """The hub itself: parts, adapters, readers, the log, the rules."""
        return reply(views.status(self.state, self._sight(request)))

    def _sight(self, request: Request) -> Sight:
        return Sight(self.state, request.state.who)

    async def devices(self, request: Request, asked: questions.Devices) -> Response:
        """Newest values and positions of devices."""
        since = moment(asked.since, "since") or 0
        seen = self._sight(request).devices(views.heard(self.state, asked.kind, since))
        found = sorted(seen, key=lambda item: item.device)
        shown, cut = page(found, asked.limit, asked.skip)
        registered = self.state.registry.devices
        return reply(
            {
                "devices": await _made(lambda item: views.device(item, registered.get(item.device)), shown),
                **marks(request, asked.limit, cut, skip=asked.skip + len(shown)),
            }
        )

    async def unknown(self, request: Request, asked: questions.Page) -> Response:
        """Who reported and was not known, the latest first."""
        sight = self._sight(request)
        knocked = [item for item in self.state.ingest.knocked.values() if sight.device(item.device, item.kind)]
        found = sorted(knocked, key=lambda item: item.last_at, reverse=True)
        shown, cut = page(found, asked.limit, asked.skip)
        return reply(
            {
                "devices": [views.knock(item) for item in shown],
                **marks(request, asked.limit, cut, skip=asked.skip + len(shown)),
            }
        )

    async def alerts(self, request: Request, asked: questions.Alerts) -> Response:
        """All open warnings, and the latest closed ones."""
        sight = self._sight(request)
        seen = filter(sight.alert, self.state.alerts.closed.values())
        closed = sorted(seen, key=lambda item: item.changed_at, reverse=True)
        shown, cut = page(closed, asked.closed, asked.skip)

        language = language_of(request, asked)

        def made(item: Alert) -> dict[str, Any]:
            told: dict[str, Any] = in_language(sight.of(views.alert(item)), language)
            return told

        return reply(
            {
                "open": await _made(made, [*filter(sight.alert, self.state.alerts.newest_first())]),
                "closed": await _made(made, shown),
                **marks(request, asked.closed, cut, closed=asked.closed or 100, skip=asked.skip + len(shown)),
            }
        )

    async def vocabulary(self, request: Request, asked: questions.Words) -> Response:
        """Every metric: its unit, its range, and its name in both languages."""
        found = [item for item in vocabulary().values() if asked.family is None or item.family == asked.family]
        shown, cut = page(found, asked.limit, asked.skip)
        return reply(
            {
                "metrics": [views.word(item) for item in shown],
                **marks(request, asked.limit, cut, skip=asked.skip + len(shown)),
            }
        )

    async def rules(self, request: Request, asked: questions.Page) -> Response:
        """The rules in force: conditions, the limits that they compare a metric with, their sources, and those that fail."""
        shown, cut = page(self.state.rulebook(), asked.limit, asked.skip)
        sight = self._sight(request)
        ill = {item["rule"]: sight.of(item) for item in self.state.rules().get("ill", [])}
        return reply(
            {
                "rules": [{**rule, "ill": ill.get(rule["rule"])} for rule in shown],
                **marks(request, asked.limit, cut, skip=asked.skip + len(shown)),
            }
        )

    async def maintenance(self, request: Request, asked: questions.Page) -> Response:
        """Planned work, and for a day what is over."""
        at = self.state.clock()
        sight = self._sight(request)
        windows = sorted(
            (item for item in self.state.maintenance() if sight.subject(item.target)), key=lambda item: item.since
        )
        shown, cut = page(windows, asked.limit, asked.skip)
        return reply(
            {
                "windows": [views.maintenance(item, at) for item in shown],
                **marks(request, asked.limit, cut, skip=asked.skip + len(shown)),
            }
        )

    async def quarantine(self, request: Request, asked: questions.Quarantine) -> Response:
        """The newest first."""
        limit = min(asked.limit, QUARANTINE_SHOWN)
        stream = self.state.log.quarantine
        sight = self._sight(request)
        end = stream.next if asked.before is None else min(LogPosition(asked.before), stream.next)
        first = stream.before(end, limit)
        batch = stream.read_now(first, limit).until(end)
        entries = [
            views.quarantined(stream, at, fault, sight.whole)
            for fault, at in zip(batch.entries, batch.positions, strict=False)
            if sight.whole or (fault.device and sight.device(fault.device))
        ]
        return reply({"entries": entries[::-1], **marks(request, limit, first > stream.first, before=first)})

    async def delivery(self, request: Request, asked: questions.Page) -> Response:
        """Destinations, what they refused for good, and the newest attempts."""
        sight = self._sight(request)
        found = await asyncio.to_thread(views.delivery, self.state.couriers, self.state.journal, sight)
        letters, cut = page(found["dead_letters"], asked.limit, asked.skip)
        return reply(
            {**found, "dead_letters": letters, **marks(request, asked.limit, cut, skip=asked.skip + len(letters))}
        )

    async def cameras(self, request: Request, asked: questions.Cameras) -> Response:
        """Cameras that see a point or a zone, or will see what moves."""
        given = {name: value for name in ("at", "zone", "need", "error", "course", "speed") if (value := getattr(asked, name)) is not None}  # fmt: skip
        try:
            answer = await asyncio.to_thread(views.who_sees, self.state, given, asked.limit, self._sight(request))
        except ValueError as error:
            raise Problem(400, str(error)) from None
        return reply(in_language(answer, language_of(request, asked)))

    async def geojson(self, request: Request, _: Any) -> Response:
        """Zones, cameras, their footprints or devices as GeoJSON (RFC 7946), for maps elsewhere."""
        try:
            found = await asyncio.to_thread(
                views.geojson, self.state, request.path_params["what"], self._sight(request)
            )
        except KeyError:
            raise Problem(404, "zones, cameras, footprints and devices are there as GeoJSON") from None
        return Response(msgspec.json.encode(found), 200, None, "application/geo+json")

    # ---------------------------------------------------------------------------------------------- history

    async def series(self, request: Request, asked: questions.Series) -> Response:
        """Rows out of the store, oldest first; where the limit cuts, the newest of them, and `next` leads to those before."""
        query = SeriesQuery(moment(asked.start, "from"), moment(asked.end, "to"), asked.device, asked.metric)
        sight = self._sight(request)
        if not sight.whole:  # of what is not seen there are no rows
            seen = sight.known() if asked.device is None else (asked.device,) if sight.device(asked.device) else ()
            query = msgspec.structs.replace(query, devices=seen)
        if asked.every is not None:
            return await self._buckets(query, asked.every)
        limit = min(asked.limit, SERIES_ROWS_MAX)
        rows = list(await self.state.series(msgspec.structs.replace(query, limit=limit + 1, newest=True)))
        cut = len(rows) > limit
        if cut:
            # A page ends between two moments, so that nothing of one moment falls between two pages.
            last, whole = rows[0].time, [row for row in rows if row.time > rows[0].time]
            if not whole:  # one moment alone is more than a page: all of it, or the rest of it could never be asked for
                query = msgspec.structs.replace(query, start=last, end=last + 1)
                whole = list(await self.state.series(query))
            rows = whole
        before = to_text(rows[0].time) if cut else ""
        return reply({"rows": rows, **marks(request, limit, cut, to=before)})

    async def trips(self, request: Request, asked: questions.Trips) -> Response:
        """Trips and stops of a vehicle."""
        end = moment(asked.end, "to") or self.state.clock()
        start = moment(asked.start, "from") or end - DAY_NS
        if not asked.device or start >= end:
            raise Problem(400, "device is needed, and a from that lies before to")
        if not self._sight(request).device(asked.device):
            return reply({"device": asked.device, "trips": [], "stops": []})  # of what is not seen there are no rows
        return reply(await self._driven(self.state.trips(asked.device, start, end, asked.ignition)))

    async def fleet(self, request: Request, asked: questions.Fleet) -> Response:
        """What every vehicle did in a day of the city."""
        return reply(await self._driven(self.state.fleet(asked.day, asked.kind, self._sight(request).device)))

    async def air(self, request: Request, asked: questions.Air) -> Response:
        """Air stations by day, of a month or one day: daily means, index, class, how much of the data is there."""
        return reply(await self._driven(self.state.air(asked.span, self._sight(request).device)))

    async def _driven(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except ValueError as error:
            raise Problem(400, str(error)) from None

    async def _buckets(self, query: SeriesQuery, every: float) -> Response:
        start, end = query.start, query.end if query.end is not None else self.state.clock()
        width = round(every * SECOND)
        if start is None:
            raise Problem(400, "every needs from: since when the buckets are wanted")
        if (end - start) // max(1, width) > BUCKETS_MAX:
            raise Problem(400, f"more than {BUCKETS_MAX} buckets; a longer every or a shorter range was meant")
        found = await self.state.buckets(msgspec.structs.replace(query, end=end, limit=BUCKETS_MAX + 1), width)
        cut = len(found) > BUCKETS_MAX
        return reply(
            {"buckets": found[:BUCKETS_MAX], "every": every, "limit": BUCKETS_MAX, "truncated": cut, "next": None}
        )


async def _made(make: Callable[[T], dict[str, Any]], items: Sequence[T]) -> list[dict[str, Any]]:
    """Long lists, a few at a time: what devices send is not kept waiting meanwhile."""
    made: list[dict[str, Any]] = []
    for at in range(0, len(items), AT_A_TIME):
        made += [make(item) for item in items[at : at + AT_A_TIME]]
        await asyncio.sleep(0)
    return made


def language_of(request: Request, asked: questions.Spoken) -> str:
    """In which language the caller reads."""
    return asked.lang or preferred(request.headers.get("accept-language", ""))


def reply(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(data), status, headers, "application/json")


def moment(text: str | None, name: str) -> int | None:
    """A time of a query. A "+" in it reaches the hub as a blank."""
    if text is None:
        return None
    try:
        return from_text(text.replace(" ", "+"))
    except ValueError as error:
        raise Problem(400, f"{name}: {error}") from None
