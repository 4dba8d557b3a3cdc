"""Routes that only look: each handler is a few lines over `hub.api.views`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from hub.api import device_views, prometheus, questions, views
from hub.api.encoded import Encoded
from hub.api.frames import event_id
from hub.api.gate import Authority
from hub.api.pages import between, followed, known_to_a_judge, marks, moment, page, reply
from hub.api.problem import Problem
from hub.api.sight import Sight
from hub.api.state import State
from hub.api.stretch import WITHIN_S, newest
from hub.bilingual import Text, preferred
from hub.cameras.picture import NoPicture, Pictures
from hub.error_words import words_of
from hub.live import DeviceState
from hub.metrics import vocabulary
from hub.model import Alert, Device, Fault
from hub.moment import SECOND
from hub.personal import UNTOLD
from hub.ports import LogPosition, NotSupported, SeriesQuery, StoreUnavailable, Stream
from hub.wire import in_language

QUARANTINE_SHOWN = 200
AT_A_TIME = 200
DETAIL_ROWS, DETAIL_DAYS = 50, 7
"""Of one device: the newest stored values, of the last days only, so that a long history costs nothing."""
DAY_NS = 86_400 * SECOND
T = TypeVar("T")
Made = TypeVar("Made")


class Looking:
    def __init__(self, state: State, authority: Authority, encoded: Encoded) -> None:
        self.state, self._encoded = state, encoded
        self._authority = authority
        self._pictures = Pictures()

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
        shown = {"ready": ready, "parts": parts, "roles": self.state.roles(), "stands_by": self.state.stands_by()}
        return reply(in_language(shown, language_of(request, asked)), 200 if ready else 503)

    async def health(self, _: Request, __: Any) -> Response:
        """Whether input is taken; 503 with the reason where not."""
        refusing = self.state.log.events.refusing
        changes = {"X-Alert-Changes": str(self.state.log.alerts.next)}
        return reply(
            {"ok": refusing is None, "detail": str(refusing or "taking input")},
            200 if refusing is None else 503,
            changes,
        )

    async def metrics(self, _: Request, __: Any) -> Response:
        """Everything that is counted, as Prometheus text."""
        return Response(prometheus.render(self.state), media_type="text/plain; version=0.0.4; charset=utf-8")

    # ---------------------------------------------------------------------------------------------- the present

    async def city(self, request: Request, asked: questions.City) -> Response:
        """The registry, for maps."""
        return reply(
            await asyncio.to_thread(views.city, self.state, self._sight(request), asked.devices == "silent")
        )  # footprints take milliseconds each

    async def status(self, request: Request, asked: questions.Spoken) -> Response:
        """The hub itself: parts, adapters, readers, the log, the rules."""
        return reply(in_language(views.status(self.state, self._sight(request)), language_of(request, asked)))

    def _sight(self, request: Request) -> Sight:
        return Sight(self.state, request.state.who)

    async def devices(self, request: Request, asked: questions.Devices) -> Response:
        """Newest values and positions of devices."""
        since = moment(asked.since, "since") or 0
        sight = self._sight(request)
        # Before the list is made: what changes meanwhile the stream tells once more.
        behind = event_id(self.state.log.alerts.next, self.state.live.turn, self.state.started_at)
        found = sorted(sight.devices(views.heard(self.state, asked.kind, since)), key=lambda item: item.device)
        shown, cut = page(found, asked.limit, asked.skip)
        return reply(
            {
                "devices": await self._told(shown, sight.registry),
                **marks(request, asked.limit, cut, skip=asked.skip + len(shown)),
            },
            headers={"Last-Event-ID": behind},
        )

    async def _told(self, shown: Sequence[DeviceState], known: Callable[[str], Device | None]) -> list[msgspec.Raw]:
        """As `_made`, in as few steps a device as there are: ten thousand are told to everybody who opens the map."""
        made: list[msgspec.Raw] = []
        encoded = self._encoded.device
        for at in range(0, len(shown), AT_A_TIME):
            made += [encoded(item, known(item.device)) for item in shown[at : at + AT_A_TIME]]
            await asyncio.sleep(0)
        return made

    async def positions(self, request: Request, asked: questions.Positions) -> Response:
        """Where devices are now, in a box of the map."""
        since = moment(asked.since, "since") or 0
        box = device_views.box(asked.bbox) if asked.bbox is not None else None
        found = device_views.positions(self.state, self._sight(request), asked.kind, since, box)
        shown, cut = page(found, asked.limit, asked.skip)
        return reply({"positions": shown, **marks(request, asked.limit, cut, skip=asked.skip + len(shown))})

    async def device(self, request: Request, asked: questions.Spoken) -> Response:
        """One device: newest values, what the registry says, its latest stored values and what of it could not be used."""
        name, sight = request.path_params["device"], self._sight(request)
        if not sight.there(name):
            raise Problem(404, f"there is no device {name[:100]!r}")
        shown = device_views.detail(self.state, sight, name)
        end = self.state.clock() + DAY_NS
        query = SeriesQuery(end - DETAIL_DAYS * DAY_NS, end, name, limit=DETAIL_ROWS, newest=True)
        try:
            shown["rows"] = sight.rows(await self.state.series(query))[::-1]
        except StoreUnavailable as error:  # the present goes on without history
            why = Text("history cannot be had now: ", "暂时无法取得历史数据：") + words_of(error)
            shown |= {"without": why.en, "without_zh": why.zh}
        shown["faults"] = await device_views.faults(self.state, name, sight)
        return reply(in_language(shown, language_of(request, asked)))

    async def unknown(self, request: Request, asked: questions.Page) -> Response:
        """Who reported and was not known, the latest first; those that somebody refused are marked."""
        sight, known = self._sight(request), self.state.registry.devices
        knocked = [
            item
            for item in self.state.ingest.knocked.values()
            if item.device not in known and sight.device(item.device, item.kind)
        ]
        found = sorted(knocked, key=lambda item: item.last_at, reverse=True)
        shown, cut = page(found, asked.limit, asked.skip)
        return reply(
            {
                "devices": [views.knock(item, self.state.registry.refused.get(item.device)) for item in shown],
                **marks(request, asked.limit, cut, skip=asked.skip + len(shown)),
            }
        )

    async def alerts(self, request: Request, asked: questions.Alerts) -> Response:
        """All open warnings, and the latest closed ones."""
        sight = self._sight(request)
        wanted = _chosen(asked)
        seen = [item for item in self.state.alerts.closed.values() if sight.alert(item) and wanted(item)]
        closed = sorted(seen, key=lambda item: item.changed_at, reverse=True)
        shown, cut = page(closed, asked.closed, asked.skip)

        language = language_of(request, asked)

        def made(item: Alert) -> dict[str, Any]:
            notes = [sight.note(note) for note in self.state.notes.about(item.alert)]
            shown = views.alert(sight.told_alert(item), notes, self.state.next_call(item.alert) if item.open else None)
            told: dict[str, Any] = in_language(sight.of(shown), language)
            return told

        still_open = [item for item in self.state.alerts.newest_first() if sight.alert(item) and wanted(item)]
        return reply(
            {
                "open": await _made(made, still_open),
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

    async def rules(self, request: Request, asked: questions.SpokenPage) -> Response:
        """The rules in force: conditions, the limits that they compare a metric with, their sources, and those that fail."""
        shown, cut = page(self.state.rulebook(), asked.limit, asked.skip)
        sight = self._sight(request)
        ill = {item["rule"]: sight.of(item) for item in self.state.rules().get("ill", [])}
        found = {
            "rules": [{**rule, "ill": ill.get(rule["rule"])} for rule in shown],
            **marks(request, asked.limit, cut, skip=asked.skip + len(shown)),
        }
        return reply(in_language(found, language_of(request, asked)))

    async def maintenance(self, request: Request, asked: questions.Page) -> Response:
        """Planned work, and for a day what is over."""
        known_to_a_judge(self.state)
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
        batch = await newest(stream, limit, None if asked.before is None else LogPosition(asked.before))
        entries = [
            views.quarantined(stream, at, sight.fault(fault))
            for fault, at in zip(batch.entries, batch.positions, strict=False)
            if sight.whole or (fault.device and sight.device(fault.device))
        ]
        found = {"entries": entries[::-1], **marks(request, limit, batch.first > stream.first, before=batch.first)}
        return reply(in_language(found, language_of(request, asked)))

    async def decode(self, request: Request, asked: questions.Entry) -> Response:
        """What the codec says today of the bytes of an entry. 404 where there is no such entry, 409 where nothing can be said of it."""
        stream = self.state.log.quarantine
        if not stream.first <= asked.offset < stream.next:
            gone = Text(f"no entry {asked.offset} in quarantine", f"隔离区中没有条目 {asked.offset}")
            raise Problem(404, gone)
        fault = await self._kept_out(stream, LogPosition(asked.offset))
        raw = fault.raw
        if fault.back:
            holder = await asyncio.to_thread(stream.before, LogPosition(asked.offset), fault.back)
            raw = (await self._kept_out(stream, holder)).raw if holder >= stream.first else raw
        if raw and not self._sight(request).fault(msgspec.structs.replace(fault, raw=raw)).raw:
            raise Problem(403, UNTOLD)
        try:
            found = await asyncio.to_thread(self.state.decode_again, fault, raw)
        except NotSupported as error:
            cannot = Text(f"entry {asked.offset} cannot be decoded: ", f"条目 {asked.offset} 无法解码：")
            raise Problem(409, cannot + words_of(error)) from None
        return reply({"offset": asked.offset, **found})

    async def _kept_out(self, stream: Stream, place: LogPosition) -> Fault:
        """The entry of quarantine that stands there. Raises `Problem`."""
        batch = await stream.read(place, 1, WITHIN_S)
        if not batch.entries or batch.first != place:
            raise Problem(
                503, Text(f"entry {place} of quarantine cannot be read now", f"隔离区条目 {place} 暂时无法读取")
            )
        found: Fault = batch.entries[0]
        return found

    async def delivery(self, request: Request, asked: questions.SpokenPage) -> Response:
        """Destinations, what they refused for good, and the newest attempts."""
        sight = self._sight(request)
        found = await asyncio.to_thread(views.delivery, self.state.couriers, self.state.journal, sight)
        letters, cut = page(found["dead_letters"], asked.limit, asked.skip)
        found |= {
            "here": "delivery" in self.state.roles(),
            "dead_letters": letters,
            **marks(request, asked.limit, cut, skip=asked.skip + len(letters)),
        }
        return reply(in_language(found, language_of(request, asked)))

    async def cameras(self, request: Request, asked: questions.Cameras) -> Response:
        """Cameras that see a point or a zone, or will see what moves."""
        given = {name: value for name in ("at", "zone", "need", "error", "course", "speed") if (value := getattr(asked, name)) is not None}  # fmt: skip
        try:
            answer = await asyncio.to_thread(
                views.who_sees, self.state, given, asked.limit, self._sight(request), asked.skip
            )
        except ValueError as error:
            raise Problem(400, str(error)) from None
        language = language_of(request, asked)
        if "cameras" not in answer:  # the stretches of a way are as many as they are
            return reply(in_language({**answer, **marks(request, None, False)}, language))
        shown, cut = page(answer["cameras"], asked.limit)
        told = {"cameras": shown, **marks(request, asked.limit, cut, skip=asked.skip + len(shown))}
        return reply(in_language(told, language))

    async def picture(self, request: Request, _: Any) -> Response:
        """A camera's still picture as it is now. The hub fetches it; 404 where there is no such camera, 502 where it gives none."""
        name = request.path_params["camera"]
        camera = self.state.registry.cameras.get(name)
        if camera is None or not self._sight(request).camera(camera):
            raise Problem(404, Text(f"there is no camera {name[:100]!r}", f"没有摄像机 {name[:100]!r}"))
        if not camera.snapshot_url:
            raise Problem(
                404,
                Text(
                    f"the registry has no snapshot_url of {name[:100]!r}", f"登记信息中没有 {name[:100]!r} 的画面地址"
                ),
            )
        try:
            found = await self._pictures.of(camera)
        except NoPicture as error:
            failed = Text(f"no picture of {name[:100]!r}: ", f"取不到 {name[:100]!r} 的画面：")
            raise Problem(502, failed + words_of(error)) from None
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return Response(found.data, 200, headers, found.media)

    async def geojson(self, request: Request, _: Any) -> Response:
        """Zones, cameras, their footprints or devices as GeoJSON (RFC 7946), for maps elsewhere."""
        if request.path_params["what"] == "devices":
            followed(self.state)
        try:
            found = await asyncio.to_thread(
                views.geojson, self.state, request.path_params["what"], self._sight(request)
            )
        except KeyError:
            raise Problem(404, "zones, cameras, footprints and devices are there as GeoJSON") from None
        return Response(msgspec.json.encode(found), 200, None, "application/geo+json")


def _chosen(asked: questions.Alerts) -> Callable[[Alert], bool]:
    """Whether a warning is among those asked for."""
    start, end = between(asked.start, asked.end)

    def wanted(item: Alert) -> bool:
        return (
            (asked.rule is None or item.rule in asked.rule)
            and (asked.level is None or item.level in asked.level)
            and (asked.subject is None or item.subject in asked.subject)
            and (asked.area is None or item.changes[-1].area in asked.area)
            and (end is None or item.raised_at < end)
            and (start is None or item.open or item.changed_at >= start)
        )

    return wanted


async def _made(make: Callable[[T], Made], items: Sequence[T]) -> list[Made]:
    """Long lists, a few at a time: what devices send is not kept waiting meanwhile."""
    made: list[Made] = []
    for at in range(0, len(items), AT_A_TIME):
        made += [make(item) for item in items[at : at + AT_A_TIME]]
        await asyncio.sleep(0)
    return made


def language_of(request: Request, asked: questions.Spoken) -> str:
    """In which language the caller reads."""
    return asked.lang or preferred(request.headers.get("accept-language", ""))
