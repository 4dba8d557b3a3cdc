"""The routes: which path, for whom, taking what. Everything that a request may do to the hub stands in `endpoints`."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from hub import defects
from hub.api import answers, document_page, questions
from hub.api.acting import NOTE_THEMSELVES, Acting
from hub.api.admitting import Admitting
from hub.api.auditing import Auditing, address_of
from hub.api.encoded import Encoded
from hub.api.endpoint import Endpoint
from hub.api.enrolling import Enrolling
from hub.api.gate import Authority, Gate, cookie_name
from hub.api.history import History
from hub.api.limits import Limits
from hub.api.looking import Looking
from hub.api.noting import Noting
from hub.api.oidc import Oidc
from hub.api.openapi import document
from hub.api.pages import followed, reply
from hub.api.problem import Problem, problem
from hub.api.sensorthings import ROOT, SensorThings
from hub.api.shelf import Shelf
from hub.api.state import State
from hub.api.streaming import Streaming
from hub.api.transfer import Transfer
from hub.api.visiting import Visiting
from hub.bilingual import Text, preferred
from hub.error_words import words_of
from hub.ports import LogFull, StoreUnavailable

logger = logging.getLogger(__name__)


def endpoints(state: State, authority: Authority, trusted: bool = False) -> list[Endpoint]:
    """All routes but files. A new one is taken into the tests of every route by standing here."""
    auditing = Auditing(state)
    encoded = Encoded(state)
    look, act = Looking(state, authority, encoded), Acting(state, trusted, auditing)
    live = Streaming(state, authority, encoded)
    enrol = Enrolling(state, auditing, trusted)
    visit, things, past = Visiting(state, authority, auditing), SensorThings(state), History(state)
    noting, admitting, oidc = Noting(state, auditing), Admitting(state, auditing), Oidc(state, auditing)
    get, post = "GET", "POST"
    on_the_hub = partial(Endpoint, post, role="operate", needs="engineer", whole=True)
    found = [
        Endpoint(get, "/", None, look.console, media="text/html", lenient=True),
        Endpoint(get, "/healthz", None, look.alive, gives=answers.Alive, probe=True),
        Endpoint(
            get, "/readyz", None, look.ready, questions.Readiness, gives=answers.Readiness, ill_alike=True, probe=True
        ),
        Endpoint(get, "/metrics", "view", look.metrics, media="text/plain", whole=True),
        Endpoint(get, "/api/v1/session", None, visit.session, gives=answers.Session),
        Endpoint(post, "/api/v1/login", None, visit.log_in, questions.LogIn, gives=answers.Session, act=False),
        Endpoint(post, "/api/v1/logout", None, visit.log_out, gives=answers.LoggedOut, act=False),
        Endpoint(get, "/oidc/login", None, oidc.oidc_login, media="text/html", also=(303,)),
        Endpoint(
            get, "/oidc/back", None, oidc.oidc_back, questions.OidcBack, media="text/html", also=(303,), lenient=True
        ),
        Endpoint(get, "/api/v1/users", "administer", enrol.users, questions.Page, gives=answers.Users, whole=True),
        Endpoint(
            post, "/api/v1/users", "administer", enrol.add_user, questions.NewUser, gives=answers.User, whole=True
        ),
        Endpoint(
            post,
            "/api/v1/users/{user}",
            "administer",
            enrol.change_user,
            questions.ChangedUser,
            gives=answers.User,
            whole=True,
        ),
        Endpoint(
            get, "/api/v1/audit", "administer", visit.audit, questions.Audit, gives=answers.AuditEntries, whole=True
        ),
        Endpoint(get, "/api/v1/health", None, look.health, gives=answers.Health, ill_alike=True, probe=True),
        Endpoint(post, "/api/v1/readings", "ingest", act.readings, gives=answers.Accepted, raw=True, act=False),
        Endpoint(get, "/api/v1/city", "view", look.city, questions.City, gives=answers.City),
        Endpoint(get, "/api/v1/status", "view", look.status, questions.Spoken, gives=answers.Status),
        Endpoint(get, "/api/v1/devices", "view", look.devices, questions.Devices, gives=answers.Devices, present=True),
        Endpoint(
            get, "/api/v1/positions", "view", look.positions, questions.Positions, gives=answers.Positions, present=True
        ),
        Endpoint(
            get,
            "/api/v1/devices/{device:path}",
            "view",
            look.device,
            questions.Spoken,
            gives=answers.Detail,
            present=True,
        ),
        Endpoint(
            post,
            "/api/v1/devices/{device:path}/command",
            "operate",
            act.command,
            questions.Command,
            gives=answers.Commanded,
            needs="command",
        ),
        Endpoint(get, "/api/v1/unknown", "view", look.unknown, questions.Page, gives=answers.Devices),
        on_the_hub("/api/v1/unknown/admit", handler=admitting.admit, takes=questions.Admission, gives=answers.Admitted),
        on_the_hub("/api/v1/zones", handler=admitting.fence, takes=questions.Fence, gives=answers.Admitted),
        on_the_hub("/api/v1/unknown/refuse", handler=admitting.refuse, takes=questions.Refused, gives=answers.Refusals),
        Endpoint(get, "/api/v1/alerts", "view", look.alerts, questions.Alerts, gives=answers.Alerts, present=True),
        Endpoint(
            post,
            "/api/v1/alerts/{alert:path}/note",
            "operate",
            noting.write,
            questions.Written,
            gives=answers.Noted,
            present=True,
        ),
        Endpoint(get, "/api/v1/notes", "view", noting.notes, questions.Notes, gives=answers.Notes),
        Endpoint(
            post, "/api/v1/handover", "operate", noting.hand_over, questions.HandOver, gives=answers.Noted, whole=True
        ),
        Endpoint(
            post,
            "/api/v1/handover/read",
            "operate",
            noting.take_over,
            questions.TakenOver,
            gives=answers.Done,
            whole=True,
        ),
        Endpoint(
            post,
            "/api/v1/alerts/{alert:path}/{action}",
            "operate",
            act.operate,
            questions.Answered,
            gives=answers.Done,
            present=True,
        ),
        Endpoint(get, "/api/v1/vocabulary", "view", look.vocabulary, questions.Words, gives=answers.Vocabulary),
        Endpoint(get, "/api/v1/rules", "view", look.rules, questions.SpokenPage, gives=answers.Rules),
        Endpoint(get, "/api/v1/maintenance", "view", look.maintenance, questions.Page, gives=answers.Windows),
        Endpoint(post, "/api/v1/maintenance", "operate", act.plan, questions.Plan, gives=answers.Planned),
        Endpoint(
            post, "/api/v1/maintenance/{id:path}/cancel", "operate", act.cancel, questions.Act, gives=answers.Done
        ),
        Endpoint(get, "/api/v1/quarantine", "view", look.quarantine, questions.Quarantine, gives=answers.Entries),
        Endpoint(
            get, "/api/v1/quarantine/decode", "view", look.decode, questions.Entry, gives=answers.Decoded, whole=True
        ),
        on_the_hub("/api/v1/quarantine/retry", handler=act.retry, takes=questions.Retry, gives=answers.Retried),
        on_the_hub("/api/v1/export", handler=act.export, takes=questions.Export, gives=answers.Rows, local=True),
        on_the_hub("/api/v1/store/rebuild", handler=act.rebuild, takes=questions.Rebuild, gives=answers.Rollups),
        on_the_hub("/api/v1/backup", handler=act.backup, takes=questions.Backup, gives=answers.Staged, local=True),
        on_the_hub("/api/v1/import", handler=act.take_in, takes=questions.Import, gives=answers.Imported, local=True),
        on_the_hub("/api/v1/reload", handler=act.reload, gives=answers.Reloaded),
        Endpoint(
            get, "/api/v1/geojson/{what}", "view", look.geojson, gives=answers.Features, media="application/geo+json"
        ),
        Endpoint(get, "/api/v1/delivery", "view", look.delivery, questions.SpokenPage, gives=answers.Deliveries),
        on_the_hub("/api/v1/delivery/test", handler=act.exercise, takes=questions.Exercise, gives=answers.Exercised),
        on_the_hub("/api/v1/delivery/{action}", handler=act.deliver, takes=questions.Letters, gives=answers.Letters),
        Endpoint(get, "/api/v1/cameras", "view", look.cameras, questions.Cameras, gives=answers.Cameras),
        Endpoint(get, "/api/v1/cameras/{camera:path}/picture", "view", look.picture, media="image/*", also=(502,)),
        Endpoint(get, "/api/v1/trips", "view", past.trips, questions.Trips, gives=answers.Trips),
        Endpoint(get, "/api/v1/tracks", "view", past.tracks, questions.Tracks, gives=answers.Tracks),
        Endpoint(get, "/api/v1/air", "view", past.air, questions.Air, gives=answers.Air),
        Endpoint(get, "/api/v1/roses", "view", past.roses, questions.Roses, gives=answers.Roses),
        Endpoint(get, "/api/v1/rivers", "view", past.rivers, questions.Page, gives=answers.Rivers),
        Endpoint(get, "/api/v1/report/{what}", "view", past.report, questions.Report, media="application/pdf"),
        Endpoint(get, "/api/v1/fleet", "view", past.fleet, questions.Fleet, gives=answers.Fleet),
        Endpoint(get, "/api/v1/series", "view", past.series, questions.Series, gives=answers.Series),
        Endpoint(get, "/tiles/basemap.pmtiles", None, look.basemap, media="application/vnd.pmtiles"),
        Endpoint(get, "/api/v1/stream", "view", live.stream, questions.Spoken, media="text/event-stream", present=True),
        Endpoint(
            get,
            f"{ROOT}/{{path:path}}",
            "view",
            things.sensorthings,
            present=True,
            gives=answers.SensorThings,
            also=(204, 501),
            lenient=True,  # its own options: hub.api.sensorthings.options
        ),
        Endpoint(
            post,
            f"{ROOT}/{{path:path}}",
            "ingest",
            things.observe,
            gives=answers.SensorThings,
            also=(201,),
            raw=True,
            act=False,
        ),
    ]

    async def openapi(_: Request, __: Any) -> Response:
        """This description of the API, OpenAPI 3.1."""
        return reply(document(found, state.version))

    async def docs(_: Request, __: Any) -> Response:
        """This description of the API as a page for people; it works without internet."""
        return Response(document_page.page(document(found, state.version)), media_type="text/html")

    found.append(Endpoint(get, "/api/v1/openapi.json", None, openapi))
    found.append(Endpoint(get, "/api/v1/docs", None, docs, media="text/html"))
    return found


def build(state: State, trusted: bool = False) -> Starlette:
    """The application. `trusted`: for the socket inside the data folder, whose file permissions are the authorisation."""
    authority, auditing, api = Authority(state, trusted), Auditing(state), state.config.api
    limits = None if trusted else Limits(api.principal_per_s, api.address_per_s, state.limited)
    routes: list[Route | Mount] = [
        _route(item, state, authority, auditing, limits) for item in endpoints(state, authority, trusted)
    ]
    tiles = state.config.folder / "tiles"
    if tiles.is_dir():
        # A basemap of the city's own, z/x/y.png: for maps without internet, Grafana's too. No secret, so no token.
        routes.append(Mount("/tiles", StaticFiles(directory=tiles)))
    if state.console.is_dir():
        routes.append(Mount("/static", routes=[Route("/{path:path}", Shelf(state.console).file, methods=["GET"])]))
    return Starlette(
        routes=routes,
        middleware=[Middleware(Gate, state=state, trusted=trusted), Middleware(Transfer)],
        exception_handlers={
            HTTPException: _problem,
            StoreUnavailable: _away,
            LogFull: _full,
            Exception: _defect,
        },
    )


def _route(item: Endpoint, state: State, authority: Authority, auditing: Auditing, limits: Limits | None) -> Route:
    async def guarded(request: Request) -> Response:
        action = item.handler.__name__
        # Whoever is on the machine of a hub that asks nobody is trusted, with this too. Readings of who may bring them are never held off: the log and
        # each device's own rate bound them.
        limited = limits if state.asks and not item.probe else None
        brings = item.right == "ingest"
        if limited is not None and not brings:
            limited.address(address_of(request))
        who = None
        try:
            if item.right is not None:
                who = authority.admit(request, item.right, item.whole)
        except Problem as problem:
            if limited is not None and brings:
                limited.address(address_of(request))
            if request.headers.get("authorization") or request.cookies.get(cookie_name(request)):
                await auditing.refused(request, action, problem.detail)
            raise
        if limited is not None and who is not None and not brings:
            limited.principal(who)
        if item.present:
            followed(state)
        if item.method != "POST" or not item.act:
            return await item.call(request)
        return await _act(item, request, auditing, action)

    async def answered(request: Request) -> Response:
        try:
            return await guarded(request)
        except asyncio.CancelledError:  # the server cancels what still waits when the hub stops, and would say 500
            return problem(
                503, "the hub stops, and nobody knows whether this was still done; ask again", {"Retry-After": "5"}
            )

    return Route(item.path, answered, methods=[item.method])


async def _act(item: Endpoint, request: Request, auditing: Auditing, action: str) -> Response:
    """An act: it stands in the audit before it is done. Its handler notes what it changes; one that does not is noted here, so that
    no act can be forgotten. What could not be done after all has a second entry."""
    given = await item.given(request)
    if action not in NOTE_THEMSELVES:
        await auditing.note(request, action, request.url.path[:300], after=msgspec.to_builtins(given))
    try:
        return await item.handler(request, given)
    except Exception as error:
        told = error.detail if isinstance(error, HTTPException) else defects.told(error).en
        if noted := getattr(request.state, "noted", None):
            noted_action, target = noted
            await auditing.note(request, noted_action, target, outcome="failed", detail=told)
        elif isinstance(error, HTTPException) and error.status_code == 403:
            await auditing.refused(request, action, told)
        raise


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405 and not isinstance(error, Problem):
        return _no_such_method(request)
    more = error.more if isinstance(error, Problem) else {}
    asked = request.query_params.get("lang") or request.headers.get("accept-language", "")
    detail = more.get("detail_zh") if preferred(asked) == "zh" else None
    return problem(error.status_code, detail or error.detail, dict(error.headers or {}), **more)


def _no_such_method(request: Request) -> Response:
    """405 with what the path does take, over all its routes, as RFC 9110 wants `Allow`."""
    there = [route for route in request.app.routes if isinstance(route, Route)]
    taken = sorted(
        {method for route in there if route.path_regex.match(request.url.path) for method in route.methods or ()}
    )
    told = f"{request.method} is not done here, only {', '.join(taken)}"
    if request.url.path.startswith(f"{ROOT}/") and request.method in ("PATCH", "PUT", "DELETE"):
        told += "; an Observation is never changed or removed, as it stands in a log that only grows, and things stand in the city's registry"
    return problem(405, told, {"Allow": ", ".join(taken)})


async def _away(request: Request, error: Exception) -> Response:
    """The store cannot answer now; everything that does not need it goes on."""
    why = Text("history cannot be had now: ", "暂时无法取得历史数据：") + words_of(error)
    return await _problem(request, Problem(503, why, {"Retry-After": "5"}))


async def _full(request: Request, error: Exception) -> Response:
    return await _problem(request, Problem(503, words_of(error), {"Retry-After": "5"}))


async def _defect(request: Request, error: Exception) -> Response:
    """What no handler foresaw. The server's log has the traceback; the caller gets a sentence."""
    return problem(500, f"the hub failed over this request: {type(error).__name__}; its log says more")
