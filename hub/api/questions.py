"""What requests bring: one type for each body and for each query with more than a word or two. Decoded in `hub.api.endpoint`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hub.model import Level

NUMBER_MAX = (1 << 53) - 1
"""Offsets and numbers beyond it are not exact in every client's JSON."""
PAGE_MAX = 100_000
YEARS_S = 10 * 366 * 86_400

Name = Annotated[str, Meta(max_length=100)]
Note = Annotated[str, Meta(max_length=1000)]
Number = Annotated[int, Meta(ge=0, le=NUMBER_MAX)]
Limit = Annotated[int, Meta(ge=1, le=PAGE_MAX)]


class Nothing(msgspec.Struct):
    """Neither a body nor a query."""


# ------------------------------------------------------------------------------------------------- queries


class Page(msgspec.Struct):
    """Of a list: so many of it, behind the first `skip`."""

    limit: Limit | None = None
    skip: Number = 0


class Spoken(msgspec.Struct):
    """`lang`: "en" or "zh", the language of what people read; without it what Accept-Language prefers, else English."""

    lang: Literal["en", "zh"] | None = None


class City(msgspec.Struct):
    """`devices`: "all" that are registered, or the "silent" ones of them: of those heard of /api/v1/devices tells all that stands here and more."""

    devices: Literal["all", "silent"] = "all"


class Devices(Page):
    kind: str | None = None
    since: str | None = None


class Words(Page):
    """Of a family, such as "water"; without it all."""

    family: str | None = None


class Alerts(Spoken, rename={"start": "from", "end": "to"}):
    """`closed`: how many of the latest closed ones, behind the first `skip`. The rest choose among open and closed ones alike: of these
    rules, levels, subjects or areas, and which stood at some time between `from` and `to`."""

    closed: Annotated[int, Meta(ge=0, le=PAGE_MAX)] = 100
    skip: Number = 0
    rule: list[str] | None = None
    level: list[Level] | None = None
    subject: list[str] | None = None
    area: list[str] | None = None
    start: str | None = None
    end: str | None = None


class Notes(Page):
    """Notes of these kinds (comment, false-alarm, no-false-alarm, handover); of this warning; of hand-overs only those that nobody has
    read; `standing`: only marks of false alarms that nobody took back."""

    kind: list[Literal["comment", "false-alarm", "no-false-alarm", "handover"]] | None = None
    alert: str | None = None
    unread: bool = False
    standing: bool = False


class Positions(Page):
    """Where devices are: in the box `bbox` (west,south,east,north in degrees; a west above the east crosses the 180th meridian), of a
    kind, heard of since."""

    bbox: str | None = None
    kind: str | None = None
    since: str | None = None


class SpokenPage(Spoken):
    """A page of what people read."""

    limit: Limit | None = None
    skip: Number = 0


class Quarantine(Spoken):
    """The newest `limit` entries older than `before`."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 50
    before: Number | None = None


class Entry(msgspec.Struct):
    """An entry of quarantine by its number."""

    offset: Number


class Series(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """Rows of devices and a metric between two times; with `every` (seconds) the buckets of that width."""

    device: list[str] | None = None
    metric: str | None = None
    start: str | None = None
    end: str | None = None
    limit: Annotated[int, Meta(ge=1, le=NUMBER_MAX)] | None = None
    every: Annotated[float, Meta(gt=0, le=YEARS_S)] | None = None


class Trips(Page, rename={"start": "from", "end": "to"}):
    """Of a vehicle between two times; the last day without them. `ignition`: whether switching off ends a trip at once. `limit` and `skip`
    hold for trips and stops alike."""

    device: str = ""
    start: str | None = None
    end: str | None = None
    ignition: bool = False


class Tracks(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """Where a device went between two times; the last day without them. `zoom`: of the map that it is drawn on, as MapLibre counts; every place without it."""

    device: str = ""
    start: str | None = None
    end: str | None = None
    zoom: Annotated[float, Meta(ge=0, le=24)] | None = None


class Air(Page):
    """A month of the city, such as 2026-11, or a day of it, such as 2026-11-29 (yesterday without it)."""

    span: str | None = None


class Roses(msgspec.Struct):
    """Of an air station, in a month or a day of the city."""

    device: Name
    span: str
    pollutant: str = "pm25"


class Fleet(Page):
    """A day of the city, such as 2026-11-29 (yesterday without it), and a kind of vehicles."""

    day: str | None = None
    kind: str | None = None


class Report(Spoken):
    """`span` as of `Air`, `day` and `kind` as of `Fleet`, and the file's format."""

    span: str | None = None
    day: str | None = None
    kind: str | None = None
    format: Literal["pdf", "xlsx"] = "pdf"


class Cameras(Spoken):
    """Who sees a point, a zone, or what moves; see docs/cameras.md."""

    at: str | None = None
    zone: str | None = None
    need: str | None = None
    error: str | None = None
    course: str | None = None
    speed: str | None = None
    limit: Annotated[int, Meta(ge=0, le=NUMBER_MAX)] = 5
    skip: Annotated[int, Meta(ge=0, le=1_000)] = 0


class Audit(msgspec.Struct):
    """The newest `limit` entries with a number below `before`."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 100
    before: Number | None = None


class OidcBack(msgspec.Struct):
    """What the identity provider sends the browser back with (RFC 6749, section 4.1.2; `iss`: RFC 9207)."""

    state: str = ""
    code: str | None = None
    iss: str | None = None
    error: str | None = None


class Readiness(Spoken):
    """`part`: ask for this part alone."""

    part: str | None = None


# ------------------------------------------------------------------------------------------------- bodies


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What a POST brings. A field that it has not is refused: done without it, something else would be done than was meant."""


class LogIn(Body):
    """Name and password of a user."""

    user: Name
    password: Annotated[str, Meta(max_length=200)]


Names = Annotated[list[Name], Meta(min_length=1, max_length=1000)]
"""Of a limit: an empty list would be none, which nobody means."""


class Granted(Body):
    """A role, and where it holds; without a limit everywhere. `personal`: also who drives, and where vehicles and phones are."""

    role: Name
    areas: Names | None = None
    kinds: Names | None = None
    fleets: Names | None = None
    devices: Names | None = None
    personal: bool = False


Grants = Annotated[list[Granted], Meta(max_length=100)]
Password = Annotated[str, Meta(max_length=200)]


class NewUser(Body):
    """A user: the name to log in with, the name for people, what they may."""

    user: Name
    name: Name = ""
    password: Password | None = None
    grants: Grants = msgspec.field(default_factory=list)


class ChangedUser(Body):
    """What is to be changed of a user. `grants` are all there are then; `grant` is one more, and `revoke` a role whose grants go."""

    name: Name | None = None
    password: Password | None = None
    grants: Grants | None = None
    disabled: bool | None = None
    grant: Granted | None = None
    revoke: Name | None = None


class Act(Body):
    """Something done to a warning or to planned work. Who does it is who asks; a `who` beside a token is kept in the note."""

    who: Name | None = None
    note: Note | None = None
    until: str | None = None


class Answered(Act):
    """What somebody did to an open warning. `level`: that at which it was seen."""

    level: Literal["blue", "yellow", "orange", "red"] | None = None


class Plan(Body, rename={"start": "from"}):
    """Planned work on a device, area:NAME or zone:NAME."""

    target: Annotated[str, Meta(max_length=300)] = ""
    start: str | None = None
    until: str | None = None
    every_s: Annotated[int, Meta(ge=0, le=YEARS_S)] | None = None
    who: Name | None = None
    note: Note | None = None


class Written(Body):
    """A note on a warning, open or closed. A comment needs words; the mark of a false alarm, and its taking back, may have some."""

    kind: Literal["comment", "false-alarm", "no-false-alarm"] = "comment"
    who: Name | None = None
    note: Note | None = None


class HandOver(Body):
    """What the next shift should know, in one line or several."""

    note: Annotated[str, Meta(max_length=4000)] = ""
    who: Name | None = None


class TakenOver(Body):
    """The number of a hand-over note that has been read."""

    number: Number
    who: Name | None = None


class Admission(Body):
    """An unknown device for the registry. `more`: further columns of devices.csv. `base`: of the proposal that was looked at; without it
    nothing is written, and the answer is the proposal."""

    device: Annotated[str, Meta(min_length=1, max_length=200)]
    name: Name = ""
    kind: Name = ""
    area: Name = ""
    operator: Name = ""
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    more: dict[str, Name] = {}
    base: str | None = None
    who: Name | None = None


class Fence(Body):
    """A zone as it was drawn: the corners of its outer ring, longitude and latitude each. `ring` null: the zone is taken away. `reshape`: a zone that
    is there gets this ring; its name, kind, limits and holes stay. `limits`: such as `speed_limit_kmh`. `base`: of the proposal that was looked at; without it nothing is written."""

    zone: Annotated[str, Meta(min_length=1, max_length=100)]
    ring: Annotated[list[tuple[float, float]], Meta(min_length=3, max_length=500)] | None = None
    kind: Name = ""
    name: Name = ""
    limits: dict[str, float | str] = {}
    reshape: bool = False
    base: str | None = None
    who: Name | None = None


class Refused(Body):
    """An unknown device that does not belong to the city; `refused` false takes it back."""

    device: Annotated[str, Meta(min_length=1, max_length=200)]
    refused: bool = True
    note: Note | None = None
    who: Name | None = None


class Retry(Body):
    """One entry of quarantine, or all."""

    offset: Number | None = None


class Exercise(Body):
    """A destination by its name, and who tries it."""

    name: Name
    who: Name | None = None


class Letters(Body):
    """Dead letters by number, or all."""

    numbers: Annotated[list[Number], Meta(max_length=PAGE_MAX)] | None = None


class Rebuild(Body, rename={"start": "from", "end": "to"}):
    """A range of history, or all of it."""

    start: str | None = None
    end: str | None = None


class Export(Body, rename={"start": "from", "end": "to"}):
    """Rows into a file on this machine."""

    format: Literal["csv", "parquet"]
    path: str
    start: str | None = None
    end: str | None = None
    device: str | None = None
    metric: str | None = None


class Backup(Body):
    """A copy of what a backup needs."""

    into: str | None = None
    """The folder of backups on this machine."""


class Import(Body):
    """Files on this machine into history."""

    files: list[str]
    map: str | None = None
    admit: bool = False


class Command(Body):
    """A command to a device: `hub.ports.DeviceCommand`, who sends it, and how long to wait for the answer."""

    command: Annotated[str, Meta(max_length=100)]
    seconds: int | None = None
    text: str = ""
    urgent: bool = False
    message: str = ""
    data: str = ""
    wait_s: float = 5.0
    who: Name | None = None
