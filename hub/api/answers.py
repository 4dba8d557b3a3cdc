"""What routes answer with, as types: the document at /api/v1/openapi.json is made from them, and a test holds real answers against them.

Fields may be added; none is renamed. Where a type says `dict`, docs/api.md describes what is in it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from hub.ports import Bucket, Row

Object = dict[str, Any]


class Problem(msgspec.Struct):
    """Problem details (RFC 9457). `error` is the same as `detail`."""

    type: str
    title: str
    status: int
    detail: str
    error: str


class Page(msgspec.Struct, kw_only=True):
    """What every list says of itself: how many at most, whether it was cut, and the address of what follows."""

    limit: int | None
    truncated: bool
    next: str | None


class Alive(msgspec.Struct):
    """The process answers."""

    ok: bool
    version: str


class PartState(msgspec.Struct):
    """One part of the hub: starting, up, degraded, down or failed; since when; why."""

    part: str
    state: str
    since: str
    reason: str
    reason_zh: str
    required: bool


class Readiness(msgspec.Struct):
    """Whether every required part works, and how all of them are."""

    ready: bool
    parts: list[PartState]
    roles: list[str]
    stands_by: list[str]
    """What this machine does; and what it would do were it not for others, who do it."""


class Session(msgspec.Struct):
    """Who asks (null: nobody known) and what they may. `csrf` and `until` are of a log-in; `asks`: the hub asks who somebody is,
    `password`: it has users who log in, `provider`: how the identity provider is called at which people log in."""

    user: str | None
    kind: str | None
    name: str
    grants: list[str]
    rights: list[str]
    limited: bool
    csrf: str | None
    until: str | None
    asks: bool
    password: bool
    provider: str | None = None


class LoggedOut(msgspec.Struct):
    """`provider`: where the log-in ends at the identity provider too; null where there is no more to end."""

    ok: bool
    provider: str | None = None


class Health(msgspec.Struct):
    """Whether input is taken."""

    ok: bool
    detail: str


class Fault(msgspec.Struct):
    """Something of what was sent that could not be used."""

    kind: str
    detail: str


class Accepted(msgspec.Struct):
    """How many readings were offered; they are on disk, but for what the faults name."""

    readings: int
    faults: list[Fault]


class City(msgspec.Struct):
    """The registry, for maps. Positions are [lon, lat]."""

    name: str
    timezone: str
    version: str
    basemap: bool
    """Whether /tiles/basemap.pmtiles is there."""
    bounds: list[float] | None
    cameras: list[Object]
    zones: list[Object]
    buildings: list[Any]
    devices: list[Object]


class Status(msgspec.Struct):
    """The hub itself: parts, adapters with their ledgers, readers with their lag, the log, the rules; and the machines of the city, and what each does
    (`roles`) and would do (`stands_by`). `parts` of other machines that are not up are there as PART@MACHINE. `devices` and `open_alerts` are null on a machine that does not follow them.
    `adapters` are this machine's, with what came to it; `city` has by adapter what all machines logged and what the store made of it, as the one that
    stores said last: empty where this machine is the only one, or none is heard that stores. `dead_letters` has by destination how many warnings it
    refused for good, and since when; `GET /api/v1/delivery` has them."""

    at: str
    started_at: str
    version: str
    ready: bool
    parts: list[PartState]
    adapters: list[Object]
    city: list[Object]
    readers: list[Object]
    log: dict[str, Object]
    damage: list[str]
    devices: int | None
    open_alerts: int | None
    balances: bool
    rules: Object
    maintenance: list[Object]
    nodes: list[Object]
    dead_letters: list[Object]


class Devices(Page):
    """Devices with their newest values and positions; or those that knocked and were not known."""

    devices: list[Object]


class Positions(Page):
    """Where devices are now."""

    positions: list[Object]


class Detail(msgspec.Struct):
    """A device: `now` as in the list of devices (null: not heard of yet), what the registry says (null: it does not list it), the
    newest stored values, and the newest input of it that could not be used. `without`: why there are no rows."""

    device: str
    now: Object | None
    registered: Object | None
    alerts: list[str]
    """Open warnings about it."""
    faults: list[Object]
    rows: list[Row] | UnsetType = UNSET
    without: str | UnsetType = UNSET


class Alerts(Page):
    """All open warnings, and the latest closed ones; `limit`, `truncated` and `next` are about the closed."""

    open: list[Object]
    closed: list[Object]


class Rules(Page):
    """Rules: what each is about, which names stand for metrics, its levels with their conditions and limits, and how it is."""

    rules: list[Object]


class Vocabulary(Page):
    """Metrics: unit, range, and name in both languages."""

    metrics: list[Object]


class Windows(Page):
    """Planned work."""

    windows: list[Object]


class Notes(Page):
    """What people wrote down, the newest first."""

    notes: list[Object]


class Noted(msgspec.Struct):
    """The note is kept under this number."""

    number: int


class Entries(Page):
    """Input that could not be used, the newest first."""

    entries: list[Object]


class User(msgspec.Struct):
    """A user with what they were granted, in words; `password`: whether there is one."""

    user: str
    name: str
    disabled: bool
    password: bool
    grants: list[str]


class Decoded(msgspec.Struct):
    """What the codec says today of bytes in quarantine: what would be read of them, what is wrong, and the frame's own fields."""

    offset: int
    protocol: str
    readings: list[Object]
    faults: list[Object]
    reply: str | None
    detail: Object
    device: str | UnsetType | None = UNSET


class Users(Page):
    """Users with what they were granted; never their passwords."""

    users: list[User]


class AuditEntries(Page):
    """What was done and refused, the newest first."""

    entries: list[Object]


class Deliveries(Page):
    """Destinations, their dead letters (which the marks of the list are about), and the newest attempts. `here`: whether this machine delivers;
    where another does, nothing is known here of what destinations have had."""

    here: bool
    destinations: list[Object]
    dead_letters: list[Object]
    attempts: list[Object]


class Trips(Page):
    """Trips and stops of a vehicle, in the order of time."""

    device: str
    trips: list[Object]
    stops: list[Object]


class TrackLine(msgspec.Struct):
    """A way without a gap: places (lon, lat) and their moments, as many of each."""

    at: list[str]
    points: list[tuple[float, float]]


class Tracks(msgspec.Struct):
    """Where a device went, in the order of time. `fixes`: of how many places the lines were made."""

    device: str
    zoom: float | None
    fixes: int
    lines: list[TrackLine]


class Air(Page):
    """Air stations by day: values, index, class, primary pollutants, capture rate."""

    span: str
    days: list[Object]


class Roses(msgspec.Struct):
    """Hours of a station by where the wind came from: `wind` by its speed, `pollution` by the class of the pollutant's concentration."""

    device: str
    span: str
    pollutant: str
    wind_device: str | None
    wind_distance_m: float | None
    wind: Object
    pollution: Object


class Rivers(Page):
    """River gauges, those at the highest stage first: level, stages, trend, and when the next stage is expected."""

    rivers: list[Object]


class Fleet(Page):
    """What every vehicle did in a day of the city."""

    day: str
    vehicles: list[Object]


class Cameras(Page):
    """Cameras that see the place, best first; or who will see what moves, one after another."""

    cameras: list[Object] | UnsetType = UNSET
    handover: list[Object] | UnsetType = UNSET


class Series(Page):
    """Rows, oldest first; or, with `every`, buckets."""

    rows: list[Row] | UnsetType = UNSET
    buckets: list[Bucket] | UnsetType = UNSET
    every: float | UnsetType = UNSET


class Features(msgspec.Struct):
    """A GeoJSON FeatureCollection (RFC 7946)."""

    type: str
    features: list[Object]


class SensorThings(msgspec.Struct):
    """An entity, a list of entities or a property, as OGC 18-088 has them."""


class Done(msgspec.Struct):
    """It stands in the log."""

    ok: bool


class Planned(msgspec.Struct):
    """The id of the planned work."""

    id: str


class Commanded(msgspec.Struct):
    """The command was sent; `answer` is the device's, null where none came in time."""

    device: str
    sent: bool
    answer: Any


class Admitted(msgspec.Struct):
    """What comes into the city's file (or goes out of it), where, and, once it is written, what became of the reload; `written` false: it is only proposed."""

    file: str
    line: int
    added: str
    removed: str
    base: str
    written: bool
    reload: Object | None


class Refusals(msgspec.Struct):
    """Who is refused now, and what became of the reload."""

    refused: list[str]
    reload: Object


class Retried(msgspec.Struct):
    """What became of the readings that were offered again."""

    offered: int
    stored: int
    refused: int
    waiting: int
    """In the log; the store has not answered yet."""


class Exercised(msgspec.Struct):
    """Whether the destination took the exercise, and what it said."""

    destination: str
    taken: bool
    detail: str


class Letters(msgspec.Struct):
    """Of a retry: how many were offered and taken; of a drop: how many were dropped."""

    offered: int | UnsetType = UNSET
    taken: int | UnsetType = UNSET
    dropped: int | UnsetType = UNSET


class Rows(msgspec.Struct):
    """How many rows the file has."""

    rows: int


class Staged(msgspec.Struct):
    """Where what a backup needs has been prepared."""

    staged: str


class Reloaded(msgspec.Struct):
    """What became of a reload: mistakes (then nothing changed), what holds now, and what a restart is needed for."""

    mistakes: list[str]
    applied: list[str]
    restart: list[str]


class Rollups(msgspec.Struct):
    """How many rollups were made."""

    rollups: int


class Imported(msgspec.Struct):
    """What became of the readings in the files."""

    readings: int
    stored: int
    refused: int
    replaced: int
    rollups: int
    faults: dict[str, int]
    rejects: str
    """File with what was refused; empty where nothing was."""
