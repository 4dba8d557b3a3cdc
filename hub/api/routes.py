"""The routes. Each handler is a few lines over `hub.api.views`; authorisation is one wrapper around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from hub.api import prometheus, views
from hub.api.auth import LOCAL, Token, who
from hub.api.state import State
from hub.log import LogFull
from hub.model import Message, OperatorAction, Reading, Verdict
from hub.moment import SECOND, from_text, to_text
from hub.ports import DeviceCommand, NotReached, NotSupported, SeriesQuery
from hub.recording import RecordingError
from hub.wire import change_to_json, detail_to_json

CLOSED_SHOWN = 100
QUARANTINE_SHOWN = 200
SERIES_ROWS_MAX = 50_000
STREAM_EVERY_S = 1.0
COMMAND_WAIT_MAX_S = 30.0
MAINTENANCE_MAX = 900
"""Windows planned at once; the rules keep a few more (`rules.state.maintenance.MAX_WINDOWS`)."""
STREAMS_MAX = 200
"""Server-sent event streams open at once."""

Handler = Callable[[Request], Awaitable[Response]]


def build(state: State, trusted: bool = False) -> Starlette:
    """The application. `trusted`: for the socket inside the data folder, whose file permissions are the authorisation."""
    api = _Api(state, trusted)
    routes: list[Route | Mount] = [
        Route("/", api.console),
        Route("/metrics", api.guard("view", api.metrics)),
        Route("/api/v1/health", api.health),
        Route("/api/v1/readings", api.guard("ingest", api.readings), methods=["POST"]),
        Route("/api/v1/city", api.guard("view", api.city)),
        Route("/api/v1/status", api.guard("view", api.status)),
        Route("/api/v1/devices", api.guard("view", api.devices)),
        Route("/api/v1/devices/{device:path}/command", api.guard("operate", api.command), methods=["POST"]),
        Route("/api/v1/unknown", api.guard("view", api.unknown)),
        Route("/api/v1/alerts", api.guard("view", api.alerts)),
        Route("/api/v1/alerts/{alert:path}/{action}", api.guard("operate", api.operate), methods=["POST"]),
        Route("/api/v1/maintenance", api.guard("view", api.maintenance)),
        Route("/api/v1/maintenance", api.guard("operate", api.plan), methods=["POST"]),
        Route("/api/v1/maintenance/{id:path}/cancel", api.guard("operate", api.cancel), methods=["POST"]),
        Route("/api/v1/quarantine", api.guard("view", api.quarantine)),
        Route("/api/v1/quarantine/retry", api.guard("operate", api.retry), methods=["POST"]),
        Route("/api/v1/export", api.guard("operate", api.export), methods=["POST"]),
        Route("/api/v1/store/rebuild", api.guard("operate", api.rebuild), methods=["POST"]),
        Route("/api/v1/import", api.guard("operate", api.take_in), methods=["POST"]),
        Route("/api/v1/geojson/{what}", api.guard("view", api.geojson)),
        Route("/api/v1/delivery", api.guard("view", api.delivery)),
        Route("/api/v1/delivery/{action}", api.guard("operate", api.deliver), methods=["POST"]),
        Route("/api/v1/cameras", api.guard("view", api.cameras)),
        Route("/api/v1/series", api.guard("view", api.series)),
        Route("/api/v1/stream", api.guard("view", api.stream)),
    ]
    tiles = state.config.folder / "tiles"
    if tiles.is_dir():
        # A basemap of the city's own, z/x/y.png: for maps without internet, Grafana's too. No secret, so no token.
        routes.append(Mount("/tiles", StaticFiles(directory=tiles)))
    if state.console.is_dir():
        routes.append(Mount("/static", StaticFiles(directory=state.console)))
    return Starlette(routes=routes, exception_handlers={HTTPException: _problem, Exception: _defect})


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return reply({"error": error.detail}, error.status_code, dict(error.headers or {}))


async def _defect(_: Request, error: Exception) -> Response:
    """What no handler foresaw. The server's log has the traceback; the caller gets a sentence."""
    return reply({"error": f"the hub failed over this request: {type(error).__name__}: {error}"}, 500)


def reply(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(data), status, headers, "application/json")


class _Api:
    def __init__(self, state: State, trusted: bool) -> None:
        self.state = state
        self.trusted = trusted
        self.streams = 0

    def guard(self, role: str, handler: Handler) -> Handler:
        """Let in whoever's token carries the role; 401 without a known token, 403 without the role."""

        async def guarded(request: Request) -> Response:
            token = LOCAL if self.trusted else who(request.headers.get("authorization"), self.state.tokens)
            if token is None:
                raise HTTPException(
                    401, "a known token is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"}
                )
            if role not in token.roles:
                raise HTTPException(403, f"the token {token.name!r} lacks the role {role!r}")
            request.state.token = token
            return await handler(request)

        return guarded

    # ---------------------------------------------------------------------------------------------- people and probes

    async def console(self, _: Request) -> Response:
        page = self.state.console / "index.html"
        if not page.exists():
            raise HTTPException(404, "this installation has no console page; the API is under /api/v1/")
        return FileResponse(page)

    async def health(self, _: Request) -> Response:
        refusing = self.state.log.events.refusing
        changes = {"X-Alert-Changes": str(self.state.log.alerts.next)}
        return reply(
            {"ok": refusing is None, "detail": refusing or "taking input"}, 200 if refusing is None else 503, changes
        )

    async def metrics(self, _: Request) -> Response:
        return Response(prometheus.render(self.state), media_type="text/plain; version=0.0.4; charset=utf-8")

    # ---------------------------------------------------------------------------------------------- readings in

    async def readings(self, request: Request) -> Response:
        """Native JSON or SenML. 200 only after the log has it; 400 where nothing could be used; 503 to come again."""
        body = await self._body(request)
        message = self.state.decode(request.headers.get("content-type", ""), body, "")
        offered = len(message.readings)
        faults = [{"kind": fault.kind, "detail": fault.detail} for fault in message.faults]
        before = dict(self.state.ledger.of(self.state.door.adapter).faults)
        verdict = (await self.state.door.submit([message]))[0]
        if verdict is Verdict.BUSY:
            raise HTTPException(
                503,
                self.state.log.events.refusing or "the hub cannot take input now; send it again",
                {"Retry-After": "5"},
            )
        after = self.state.ledger.of(self.state.door.adapter).faults
        counted = {kind: count - before.get(kind, 0) for kind, count in after.items() if count > before.get(kind, 0)}
        if verdict is Verdict.REFUSED:
            newest = self.state.log.quarantine.read_now(self.state.log.quarantine.next - 1).entries
            detail = newest[-1].detail if newest else "nothing in it could be used"
            return reply(
                {"error": detail, "faults": faults or [{"kind": kind, "detail": detail} for kind in counted]}, 400
            )
        return reply({"readings": offered, "faults": faults})

    async def _body(self, request: Request) -> bytes:
        limit = self.state.config.api.body_bytes_max
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise HTTPException(
                        413, f"the body is longer than the limit of {limit} bytes; send fewer readings at a time"
                    )
        except ClientDisconnect:
            raise HTTPException(400, "the connection ended in the middle of the body") from None
        return bytes(body)

    # ---------------------------------------------------------------------------------------------- looking

    async def city(self, _: Request) -> Response:
        return reply(await asyncio.to_thread(views.city, self.state))  # footprints take milliseconds each

    async def status(self, _: Request) -> Response:
        return reply(views.status(self.state))

    async def devices(self, request: Request) -> Response:
        since = _moment(request, "since") or 0
        return reply({"devices": list(views.devices(self.state, request.query_params.get("kind"), since))})

    async def unknown(self, _: Request) -> Response:
        return reply({"devices": [views.knock(item) for item in self.state.ingest.knocked.values()]})

    async def alerts(self, request: Request) -> Response:
        open_now = self.state.alerts.newest_first()
        closed = sorted(self.state.alerts.closed.values(), key=lambda item: item.changed_at, reverse=True)
        closed = closed[: _integer(request, "closed", CLOSED_SHOWN)]
        return reply(
            {"open": [views.alert(item) for item in open_now], "closed": [views.alert(item) for item in closed]}
        )

    async def quarantine(self, request: Request) -> Response:
        limit = min(_integer(request, "limit", 50), QUARANTINE_SHOWN)
        stream = self.state.log.quarantine
        first = max(stream.first, stream.next - limit)
        batch = stream.read_now(first, limit)
        entries = [views.quarantined(batch.first + at, fault) for at, fault in enumerate(batch.entries)]
        return reply({"entries": entries[::-1]})

    async def cameras(self, request: Request) -> Response:
        try:
            answer = views.who_sees(self.state, request.query_params, _integer(request, "limit", 5))
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        return reply(answer)

    async def series(self, request: Request) -> Response:
        query = SeriesQuery(
            start=_moment(request, "from"),
            end=_moment(request, "to"),
            device=request.query_params.get("device"),
            metric=request.query_params.get("metric"),
            limit=min(_integer(request, "limit", 2000), SERIES_ROWS_MAX),
        )
        rows = await self.state.series(query)
        return reply({"rows": rows})

    # ---------------------------------------------------------------------------------------------- acting

    async def operate(self, request: Request) -> Response:
        action = request.path_params["action"]
        if action not in ("acknowledge", "shelve", "unshelve"):
            raise HTTPException(404, f"{action!r} is no action; acknowledge, shelve or unshelve is")
        alert = request.path_params["alert"]
        if alert not in self.state.alerts.open:
            raise HTTPException(404, f"no open warning has the id {alert!r}")
        given = await self._given(request)
        until = self._time(given, "until")
        name, note = self._actor(request, given), str(given.get("note", ""))[:1000]
        await self._note(OperatorAction(self.state.clock(), name, action, alert, note, until))
        return reply({"ok": True})

    async def maintenance(self, _: Request) -> Response:
        """Planned work, and for a day what is over."""
        at = self.state.clock()
        windows = sorted(self.state.maintenance(), key=lambda item: item.since)
        return reply({"windows": [views.maintenance(item, at) for item in windows]})

    async def plan(self, request: Request) -> Response:
        """Plan work: `{"target", "from", "until", "every_s", "who", "note"}`. 404 where the city knows no such target."""
        given = await self._given(request)
        at = self.state.clock()
        target = self._target(str(given.get("target", "")))
        since, until = self._time(given, "from") or at, self._time(given, "until")
        every_s = given.get("every_s") or 0
        if until is None or until <= since or (until <= at and not every_s):
            raise HTTPException(400, "until is missing, over already, or not after from")
        if not isinstance(every_s, int) or (every_s and every_s * SECOND < until - since):
            raise HTTPException(400, "every_s is in whole seconds, and not shorter than the window itself")
        if sum(item.every > 0 or item.until > at for item in self.state.maintenance()) >= MAINTENANCE_MAX:
            raise HTTPException(409, f"{MAINTENANCE_MAX} windows are planned already; cancel some")
        name, note = self._actor(request, given), str(given.get("note", ""))[:1000]
        action = OperatorAction(at, name, "maintenance", target, note, until, since, every_s * SECOND)
        await self._note(action)
        return reply({"id": f"{target}@{to_text(since)}"})

    async def cancel(self, request: Request) -> Response:
        """End planned work, now or before it begins."""
        window = request.path_params["id"]
        if window not in {item.id for item in self.state.maintenance()}:
            raise HTTPException(404, f"no maintenance has the id {window!r}")
        given = await self._given(request)
        name, note = self._actor(request, given), str(given.get("note", ""))[:1000]
        await self._note(OperatorAction(self.state.clock(), name, "cancel-maintenance", window, note))
        return reply({"ok": True})

    def _target(self, target: str) -> str:
        """What work can be planned on: a device, area:NAME or zone:NAME that the city knows."""
        registry = self.state.registry
        what, _, name = target.partition(":")
        known = {
            "area": {device.area for device in registry.devices.values()} - {""},
            "zone": {word for zone in registry.zones.values() for word in (zone.zone, zone.kind)} - {""},
        }.get(what)
        if known is not None and name in known:
            return target
        if target in registry.devices or target in self.state.live.devices:
            return target
        names = [*registry.devices, *(f"{what}:{name}" for name in known or ())]
        near = get_close_matches(target, names, n=1)
        hint = f"; was {near[0]!r} meant?" if near else "; a device, area:NAME or zone:NAME was meant"
        raise HTTPException(404, f"the city knows no {target!r}{hint}")

    async def _given(self, request: Request) -> dict[str, Any]:
        try:
            return msgspec.json.decode(await self._body(request) or b"{}", type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise HTTPException(400, str(error)) from None

    def _time(self, given: dict[str, Any], key: str) -> int | None:
        try:
            return from_text(str(given[key]), self.state.config.zone) if given.get(key) else None
        except ValueError as error:
            raise HTTPException(400, f"{key}: {error}") from None

    def _actor(self, request: Request, given: dict[str, Any]) -> str:
        """Under whose name this is done. Approvals of public warnings go by it."""
        token: Token = request.state.token
        name = str(given.get("who") or token.name)[:100]
        if name != token.name and token is not LOCAL and name in self.state.tokens:
            raise HTTPException(403, f"{name!r} is the name of another token; only its holder acts under it")
        return name

    async def _note(self, action: OperatorAction) -> None:
        try:
            await self.state.operate(action)
        except LogFull as error:
            raise HTTPException(503, f"it cannot be noted in the log, so it is not done: {error}") from None

    async def command(self, request: Request) -> Response:
        """A command to a device, noted in the log before it is sent. 404 not connected, 409 not supported, 400 wrong.

        `wait_s` (5, at most 30): how long to wait for the answer; `answer` is null where none came.
        """
        device = request.path_params["device"]
        try:
            given = msgspec.json.decode(await self._body(request), type=dict[str, Any])
            wait_s = min(max(float(given.pop("wait_s", 5.0)), 0.0), COMMAND_WAIT_MAX_S)
            who = str(given.pop("who", "") or request.state.token.name)[:100]
            wanted = msgspec.convert(given, DeviceCommand)
            answer = await self.state.command(device, wanted, who, wait_s)
        except NotReached as error:
            raise HTTPException(404, str(error)) from None
        except NotSupported as error:
            raise HTTPException(409, str(error)) from None
        except LogFull as error:
            raise HTTPException(503, f"the command cannot be noted in the log, so it is not sent: {error}") from None
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            raise HTTPException(400, str(error)) from None
        return reply({"device": device, "sent": True, "answer": None if answer is None else detail_to_json(answer)})

    async def retry(self, request: Request) -> Response:
        """Offer quarantined readings again, one entry or all: the registry may know their device by now."""
        given = msgspec.json.decode(await self._body(request) or b"{}", type=dict[str, Any])
        stream = self.state.log.quarantine
        offset = given.get("offset")
        if offset is not None and not (isinstance(offset, int) and stream.first <= offset < stream.next):
            raise HTTPException(404, f"no entry {offset} in quarantine")
        start, end = (stream.first, stream.next) if offset is None else (offset, offset + 1)
        verdicts: list[Verdict] = []
        while start < end:
            batch = stream.read_now(start, min(500, end - start))
            start = batch.next
            for fault in batch.entries:
                door = self.state.ingest.doors.get(fault.adapter, self.state.door)
                if fault.reading is not None:
                    reading = msgspec.msgpack.decode(msgspec.msgpack.encode(fault.reading), type=Reading)
                    verdicts += await door.submit([Message([reading], [], reading.device, raw=fault.raw)])
        stored = sum(verdict is Verdict.STORED for verdict in verdicts)
        return reply({"offered": len(verdicts), "stored": stored, "refused": len(verdicts) - stored})

    async def delivery(self, _: Request) -> Response:
        """Destinations, what they refused for good, and the newest attempts."""
        return reply(await asyncio.to_thread(views.delivery, self.state.couriers, self.state.journal))

    async def deliver(self, request: Request) -> Response:
        """Retry or drop dead letters: those numbered, or all."""
        given = msgspec.json.decode(await self._body(request) or b"{}", type=dict[str, list[int] | None])
        numbers = given.get("numbers")
        match request.path_params["action"]:
            case "retry":
                offered = [found for courier in self.state.couriers.values() for found in await courier.retry(numbers)]
                return reply({"offered": len(offered), "taken": sum(delivery.taken for _, delivery in offered)})
            case "drop":
                return reply({"dropped": await asyncio.to_thread(self.state.journal.drop, numbers)})
        raise HTTPException(404, f"{request.path_params['action']!r} is no action; retry or drop is")

    async def export(self, request: Request) -> Response:
        """Write rows into a file on this machine, for `cityhub export` while the hub owns the store."""
        if not self.trusted:
            raise HTTPException(403, "files are written for commands on this machine only; ask /api/v1/series")
        given = msgspec.json.decode(await self._body(request), type=dict[str, str])
        zone = self.state.config.zone
        start, end = (from_text(given[key], zone) if given.get(key) else None for key in ("from", "to"))
        query = SeriesQuery(start, end, given.get("device"), given.get("metric"))
        rows = await self.state.export(query, given["format"], Path(given["path"]))
        return reply({"rows": rows})

    async def rebuild(self, request: Request) -> Response:
        """Make rollups anew, of a range or of all history."""
        given = msgspec.json.decode(await self._body(request) or b"{}", type=dict[str, str | None])
        zone = self.state.config.zone
        start, end = (from_text(text, zone) if (text := given.get(key)) else None for key in ("from", "to"))
        return reply({"rollups": await self.state.rebuild(start, end)})

    async def take_in(self, request: Request) -> Response:
        """History out of files on this machine, for `cityhub import` while the hub owns the store."""
        if not self.trusted:
            raise HTTPException(
                403, "files are read for commands on this machine only; post readings to /api/v1/readings"
            )
        given = msgspec.json.decode(await self._body(request), type=dict[str, Any])
        map_file = Path(given["map"]) if given.get("map") else None
        try:
            done = await self.state.take_in([Path(path) for path in given["files"]], map_file, bool(given.get("admit")))
        except RecordingError as error:
            raise HTTPException(400, str(error)) from None
        return reply(done)

    async def geojson(self, request: Request) -> Response:
        """Zones, cameras, their footprints or devices as GeoJSON (RFC 7946), for maps elsewhere."""
        try:
            found = await asyncio.to_thread(views.geojson, self.state, request.path_params["what"])
        except KeyError:
            raise HTTPException(404, "zones, cameras, footprints and devices are there as GeoJSON") from None
        # Read-only and guarded like all else: a browser on Grafana's address may read it.
        return Response(msgspec.json.encode(found), 200, {"Access-Control-Allow-Origin": "*"}, "application/geo+json")

    # ---------------------------------------------------------------------------------------------- live

    async def stream(self, request: Request) -> Response:
        if self.streams >= STREAMS_MAX:
            raise HTTPException(503, f"{STREAMS_MAX} live streams are open already")
        return StreamingResponse(
            self._events(request), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def _events(self, request: Request) -> AsyncIterator[bytes]:
        """Once a second: devices heard since, changes of warnings, the status."""
        state = self.state
        self.streams += 1
        told = state.log.alerts.next
        since = state.clock()
        try:
            while not await request.is_disconnected():
                until = state.clock()
                changed = list(views.devices(state, since=since))
                since = until
                if changed:
                    yield _sse("devices", {"devices": changed})
                batch = state.log.alerts.read_now(told)
                told = batch.next
                for change in batch.entries:
                    yield _sse("change", change_to_json(change))
                yield _sse("status", views.status(state))
                await asyncio.sleep(STREAM_EVERY_S)
        finally:
            self.streams -= 1


def _sse(event: str, data: Any) -> bytes:
    return b"event: " + event.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


def _integer(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isdigit() or len(text) > 9:
        raise HTTPException(400, f"{name} is {text!r}; a whole number was meant")
    return int(text)


def _moment(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return from_text(text.replace(" ", "+"))
    except ValueError as error:
        raise HTTPException(400, f"{name}: {error}") from None
