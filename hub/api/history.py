"""Routes that look back: rows and buckets out of the store, ways and days of vehicles."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hub.api import questions
from hub.api.looking import language_of
from hub.api.pages import between, marks, moment, page, reply
from hub.api.problem import Problem
from hub.api.sight import Sight
from hub.api.state import State
from hub.moment import SECOND, to_text
from hub.ports import Bucket, Row, SeriesQuery

SERIES_ROWS, SERIES_ROWS_MAX = 2_000, 50_000
BUCKETS_MAX = 50_000
DAY_NS = 86_400 * SECOND
FILES = {
    "pdf": "application/pdf", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip
"""Format of a report → its media type."""
T = TypeVar("T")
Timed = TypeVar("Timed", Row, Bucket)


class History:
    def __init__(self, state: State) -> None:
        self.state = state

    async def series(self, request: Request, asked: questions.Series) -> Response:
        """Rows out of the store, oldest first; where the limit cuts, the newest of them, and `next` leads to those before."""
        query = SeriesQuery(*between(asked.start, asked.end), metric=asked.metric)
        sight = Sight(self.state, request.state.who)
        devices = self._devices(sight, asked.device)
        alone = devices[0] if devices and len(devices) == 1 else None  # one name is what stores find fastest
        query = msgspec.structs.replace(query, device=alone, devices=None if alone else devices)
        if asked.every is not None:
            return await self._buckets(request, sight, query, asked.every, asked.limit)
        limit = min(asked.limit or SERIES_ROWS, SERIES_ROWS_MAX)
        rows = list(await self.state.series(msgspec.structs.replace(query, limit=limit + 1, newest=True)))
        cut = len(rows) > limit
        if cut:
            rows, last = _whole_moments(rows)
            if not rows:  # one moment alone is more than a page: all of it, or the rest of it could never be asked for
                query = msgspec.structs.replace(query, start=last, end=last + 1)
                rows = list(await self.state.series(query))
        before = to_text(rows[0].time) if cut else ""
        return reply({"rows": sight.rows(rows), **marks(request, limit, cut, to=before)})

    def _devices(self, sight: Sight, asked: list[str] | None) -> tuple[str, ...] | None:
        """The devices asked for that are seen; of what is not seen there are no rows. None: of all, as nothing is hidden."""
        if asked is None:
            return sight.known()
        return tuple(dict.fromkeys(name for said in asked for name in self._named(said) if sight.device(name)))

    def _named(self, said: str) -> list[str]:
        """`a,b` are two devices, unless there is one of that very name."""
        there = said in self.state.registry.devices or said in self.state.live.devices
        return [said] if there else said.split(",")

    async def _buckets(
        self, request: Request, sight: Sight, query: SeriesQuery, every: float, asked: int | None
    ) -> Response:
        start, end = query.start, query.end if query.end is not None else self.state.clock()
        width, limit = round(every * SECOND), min(asked or BUCKETS_MAX, BUCKETS_MAX)
        if start is None:
            raise Problem(400, "every needs from: since when the buckets are wanted")
        if (end - start) // max(1, width) > BUCKETS_MAX:
            raise Problem(400, f"more than {BUCKETS_MAX} buckets; a longer every or a shorter range was meant")
        query = msgspec.structs.replace(query, end=end, limit=limit + 1, newest=True)
        found = list(await self.state.buckets(query, width))
        cut = len(found) > limit
        if cut:
            found, last = _whole_moments(found)
            if not found:  # more devices and metrics than a page has room for
                whole = msgspec.structs.replace(query, start=max(last, start), end=min(last + width, end), limit=None)
                found = list(await self.state.buckets(whole, width))
        before = to_text(found[0].time) if cut else ""
        return reply({"buckets": sight.buckets(found), "every": every, **marks(request, limit, cut, to=before)})

    async def trips(self, request: Request, asked: questions.Trips) -> Response:
        """Trips and stops of a vehicle."""
        start, end = self._range(asked, "trips")
        found: dict[str, Any] = {"device": asked.device, "trips": [], "stops": []}
        sight = Sight(self.state, request.state.who)
        if sight.device(asked.device):  # of what is not seen there is nothing
            driven = await self._driven(self.state.trips(asked.device, start, end, asked.ignition))
            found = sight.ways(asked.device, driven)
        trips, more_trips = page(found["trips"], asked.limit, asked.skip)
        stops, more_stops = page(found["stops"], asked.limit, asked.skip)
        further = {"from": to_text(start), "to": to_text(end), "skip": asked.skip + (asked.limit or 0)}
        told = marks(request, asked.limit, more_trips or more_stops, **further)
        return reply({**found, "trips": trips, "stops": stops, **told})

    async def tracks(self, request: Request, asked: questions.Tracks) -> Response:
        """Where a device went, as lines for a map."""
        start, end = self._range(asked, "way")
        found: dict[str, Any] = {"device": asked.device, "zoom": asked.zoom, "fixes": 0, "lines": []}
        sight = Sight(self.state, request.state.who)
        if sight.device(asked.device) and not sight.masks(asked.device):
            found = await self._driven(self.state.track(asked.device, start, end, asked.zoom))
        return reply(found)

    def _range(self, asked: questions.Trips | questions.Tracks, what: str) -> tuple[int, int]:
        """From when to when, ns; the last day where nothing is said. Raises `Problem` 400."""
        end = moment(asked.end, "to") or self.state.clock()
        start = moment(asked.start, "from") or end - DAY_NS
        if not asked.device:
            raise Problem(400, f"device is missing: whose {what}?")
        if start >= end:
            raise Problem(400, f"from ({to_text(start)}) does not lie before to ({to_text(end)})")
        return start, end

    async def fleet(self, request: Request, asked: questions.Fleet) -> Response:
        """What every vehicle did in a day of the city."""
        sight = Sight(self.state, request.state.who)
        found = await self._driven(self.state.fleet(asked.day, asked.kind, sight.device))
        shown, cut = page(found["vehicles"], asked.limit, asked.skip)
        told = marks(request, asked.limit, cut, day=found["day"], skip=asked.skip + len(shown))
        return reply({**found, "vehicles": shown, **told})

    async def air(self, request: Request, asked: questions.Air) -> Response:
        """Air stations by day, of a month or one day: daily means, index, class, how much of the data is there."""
        found = await self._driven(self.state.air(asked.span, Sight(self.state, request.state.who).device))
        shown, cut = page(found["days"], asked.limit, asked.skip)
        told = marks(request, asked.limit, cut, span=found["span"], skip=asked.skip + len(shown))
        return reply({**found, "days": shown, **told})

    async def roses(self, request: Request, asked: questions.Roses) -> Response:
        """Wind rose and pollution rose of an air station."""
        seen = Sight(self.state, request.state.who).device
        if asked.device not in self.state.registry.devices or not seen(asked.device):
            raise Problem(404, f"the registry has no station {asked.device!r}")
        return reply(await self._driven(self.state.roses(asked.device, asked.span, asked.pollutant, seen)))

    async def rivers(self, request: Request, asked: questions.Page) -> Response:
        """River gauges against their stages, and when the next one is expected."""
        found = await self.state.rivers(Sight(self.state, request.state.who).device)
        shown, cut = page(found, asked.limit, asked.skip)
        return reply({"rivers": shown, **marks(request, asked.limit, cut, skip=asked.skip + len(shown))})

    async def report(self, request: Request, asked: questions.Report) -> Response:
        """A report to hand in, as a file: `air` of a month or day, `fleet` of a day."""
        what, sight = request.path_params["what"], Sight(self.state, request.state.who)
        if what == "air":
            found = await self._driven(self.state.air(asked.span, sight.device))
        elif what == "fleet":
            found = await self._driven(self.state.fleet(asked.day, asked.kind, sight.device))
        else:
            raise Problem(404, f"there is no report {what[:100]!r}; air and fleet are there")
        chinese = language_of(request, asked) == "zh"
        made = await self._driven(asyncio.to_thread(self.state.paper, what, found, asked.format, chinese))
        name = f"{what}-{found['span' if what == 'air' else 'day']}.{asked.format}"
        return Response(made, 200, {"Content-Disposition": f'attachment; filename="{name}"'}, FILES[asked.format])

    async def _driven(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except ValueError as error:
            raise Problem(400, str(error)) from None


def _whole_moments(found: Sequence[Timed]) -> tuple[list[Timed], int]:
    """What is newer than the oldest moment, and that moment. A page ends between two moments, so that nothing of one falls between
    two pages."""
    return [item for item in found if item.time > found[0].time], found[0].time
