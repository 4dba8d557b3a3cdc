"""The hub's nouns: what devices said, what the rules made of it, and the registry.

Times are integers: nanoseconds since 1970-01-01T00:00:00Z. Text appears only at the edges (`hub.moment`).
Positions are WGS-84 degrees. Values are in the unit that the vocabulary (`hub/metrics.toml`) states for
their metric; adapters convert on the way in.

Everything here is plain data. Structs travel through the log as MessagePack arrays, so **append new fields at
the end, with a default**: old logs must stay readable.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

Value: TypeAlias = float | int | bool | str | list[str]
"""A number, a flag, a text or a list of texts."""


class Position(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """WGS-84: longitude and latitude in degrees, altitude in metres above the ellipsoid or sea as the device has it."""

    lon: float
    lat: float
    alt: float | None = None


class Reading(msgspec.Struct, array_like=True, tag="reading", gc=False):
    """What one device said of one moment.

    A tracker's fix, a weather station's minute and a plant's scan are each ONE reading with several values.
    A codec leaves `observed_at` at None where the wire carries no time ("now"); ingest then stamps the receive
    time. `received_at`, `adapter` and, for devices the registry does not know, `kind` are ingest's to fill. After
    ingest nobody changes a reading.
    """

    device: str
    observed_at: int | None
    values: dict[str, Value]
    position: Position | None = None
    marks: dict[str, str] | None = None
    """The device's own validity marks by metric, from `Mark`; absent means the device had nothing to say against it."""
    received_at: int = 0
    adapter: str = ""
    kind: str = ""
    """The kind the adapter states for what a moving feed brings by itself (`vessel`, `vehicle`); the registry's wins."""
    path: list[str] | None = None
    """The hubs it came through, the one that took it from its device first; None for what this hub's own devices said."""


class Mark(StrEnum):
    """Validity marks that devices put on their own values (HJ 212 data flags, AIS and SenML have some of them)."""

    STOPPED = "stopped"
    MAINTENANCE = "maintenance"
    MANUAL = "manual"
    FAULT = "fault"
    CALIBRATION = "calibration"
    OVER_RANGE = "over-range"
    COMMS = "comms"
    INVALID = "invalid"
    ESTIMATED = "estimated"


USABLE_MARKS = frozenset((Mark.MANUAL.value, Mark.ESTIMATED.value))
"""Marks that leave a value usable (HJ 212: N and S are valid); every other mark denies it."""


class FaultKind(StrEnum):
    """Why input could not be used. A closed set: it labels counters."""

    FRAME = "frame"  # no frame could be found in these bytes
    OVERSIZE = "oversize"  # longer than the limit
    TRUNCATED = "truncated"  # ends before its own length says
    CHECKSUM = "checksum"
    SYNTAX = "syntax"  # framed, but its content does not follow the protocol
    UNSUPPORTED = "unsupported"  # valid, but a type, version or edition we do not read
    ENCRYPTED = "encrypted"
    INCOMPLETE = "incomplete"  # a part of a multi-part message never came
    UNKNOWN_DEVICE = "unknown-device"
    UNAUTHORISED = "unauthorised"
    UNKNOWN_METRIC = "unknown-metric"
    VALUE = "value"  # NaN, text where a number belongs, outside the plausible range
    TIME = "time"  # missing, unreadable, or a clock that is years off
    POSITION = "position"
    RATE = "rate"  # over this device's or connection's limit
    LOOP = "loop"  # forwarded by another hub, and was here before or has passed too many hubs


class Fault(msgspec.Struct, array_like=True, tag="fault", gc=False):
    """Input that could not be used: kept in quarantine with a sentence that a field engineer understands."""

    kind: FaultKind
    detail: str
    raw: bytes = b""
    device: str | None = None
    received_at: int = 0
    adapter: str = ""
    readings: int = 0
    """How many readings (not frames) this fault kept out; 0 where it never came to a reading."""
    reading: Reading | None = None
    """The reading that was kept out, whole, where there is one: `cityhub quarantine retry` offers it again. From a codec, with `FaultKind.TIME` and
    without a time: what a device says whose clock shows none, which counts where its time is the hub's (`clock = "hub"`)."""
    back: int = 0
    """Where the message's raw bytes stand: with the fault so many entries before this one; 0: here."""
    count: int = 1
    """How many faults this entry stands for. Of one message only the first ones have an entry each."""
    rest: list[Reading] | None = None
    """Readings that the other faults it stands for kept out, to be offered again too."""
    by: str = ""
    """"store" where the hub took the reading and the store refused it; "share" where this only sums up what is counted already; "" where
    the front door refused it."""


class Message(msgspec.Struct, gc=False):
    """One frame decoded. `body` is the protocol's own view (a struct or dict), shown as `detail` by `cityhub decode`."""

    readings: list[Reading]
    faults: list[Fault]
    device: str | None = None
    body: Any = None
    raw: bytes = b""
    login: bool = False
    """This frame opens a session: the connection may speak for `device` once its verdict is STORED."""
    credential: str = ""
    """What the device offered to prove itself; ingest compares it with the city's secret in constant time."""
    changes: Sequence[AlertChange] = ()
    """Changes of warnings that another hub forwarded, checked by the codec; see `hub.forwarding`."""
    refused: Sequence[Fault] = ()
    """Ingest's to fill where the verdict is REFUSED: why, in the door's own words. They are in quarantine by then, so sending the
    message again brings nothing."""

    @property
    def held(self) -> list[Reading]:
        """Readings under a time that is none: they count where the hub's time does, and whoever may not send readings may not send these."""
        return [fault.reading for fault in self.faults if fault.kind is FaultKind.TIME and fault.reading is not None]

    def without_held(self, devices: Container[str] | None = None) -> list[Fault]:
        """Its faults, of which those of these devices, or all, hold no reading."""
        return [
            msgspec.structs.replace(fault, reading=None)
            if fault.reading is not None and (devices is None or fault.reading.device in devices)
            else fault
            for fault in self.faults
        ]

    @property
    def reason(self) -> str:
        """Why it was refused, in a sentence or two for whoever sent it."""
        return "; ".join(dict.fromkeys(fault.detail for fault in (self.refused or self.faults)[:3]))

    @property
    def spent(self) -> bool:
        """Whether the hub has kept it in quarantine for good and the sender is who it says: an answer may let it go on."""
        return bool(self.refused) and not any(fault.kind in _ANOTHER_TRY for fault in self.refused)


_ANOTHER_TRY = frozenset(
    (FaultKind.UNAUTHORISED, FaultKind.CHECKSUM, FaultKind.FRAME, FaultKind.TRUNCATED, FaultKind.INCOMPLETE)
)
"""What a damaged frame or a wrong code is: sent again it may be right."""


class Verdict(StrEnum):
    """What became of a message; each protocol tells its device in its own tongue."""

    STORED = "stored"  # on disk (or known already, or nothing in it that needed storing)
    REFUSED = "refused"  # nothing in it could be used; sending it again would not help
    BUSY = "busy"  # the hub cannot take it now: log full or queue at its limit; send it again later


class Tick(msgspec.Struct, array_like=True, tag="tick", frozen=True, gc=False):
    """Time passing, as an event: silence and `for 10 min` are then pure functions of the log."""

    at: int


class Deaf(msgspec.Struct, array_like=True, tag="deaf", frozen=True, gc=False):
    """The hub itself was not listening between these times; silence rules do not count them."""

    since: int
    until: int


class Edition(msgspec.Struct, array_like=True, tag="edition", frozen=True, gc=False):
    """A new edition of the rules or the registry took effect here in the stream."""

    at: int
    what: str  # "rules", "registry", or "parts": among how many machines share the rules
    engine: str  # version of the engine that was running
    text: str


class OperatorAction(msgspec.Struct, array_like=True, tag="operator", frozen=True, gc=False):
    """What a person did: acknowledge, shelve or unshelve an alert; plan (`maintenance`) or end (`cancel-maintenance`)
    work on devices; `command` a device."""

    at: int
    who: str
    action: str
    target: str  # an alert id; for maintenance a device, `area:NAME` or `zone:NAME`, to cancel it the window's id
    note: str = ""
    until: int | None = None
    since: int | None = None
    """When maintenance begins; `at` where it is left out."""
    every: int = 0
    """Maintenance comes again after so many ns; 0: only once."""


class Refusal(msgspec.Struct, frozen=True):
    """Who said, and when (ns), that a device that knocks does not belong to the city, and why."""

    at: int
    who: str = ""
    note: str = ""


class Maintenance(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Planned work on a device, `area:NAME` or `zone:NAME`, from `since` to before `until`, and again every so many ns."""

    id: str
    target: str
    since: int
    until: int
    every: int = 0
    who: str = ""
    note: str = ""

    def covers(self, at: int) -> bool:
        """Whether that moment lies in it."""
        if at < self.since or not self.every:
            return self.since <= at < self.until
        return (at - self.since) % self.every < self.until - self.since

    def next_turn(self, at: int) -> int | None:
        """When it next begins or ends after that moment; None where it never does."""
        begin = self.since
        if self.every and at >= self.since:
            begin += (at - self.since) // self.every * self.every
        turns = (begin, begin + self.until - self.since, begin + self.every)
        return next((turn for turn in turns if turn > at), None)


class Level(StrEnum):
    """The four Chinese warning levels, lowest first."""

    BLUE = "blue"
    YELLOW = "yellow"
    ORANGE = "orange"
    RED = "red"


LEVELS: tuple[str, ...] = tuple(level.value for level in Level)


class Change(StrEnum):
    """What happened to an alert."""

    RAISED = "raised"
    ESCALATED = "escalated"
    LOWERED = "lowered"
    CLEARED = "cleared"
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    EXPIRED = "expired"
    CALLED = "called"
    """Nobody answered in time: the next contact is told."""


class Pose(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Where a PTZ camera should look. `azimuth_deg` from true north, `tilt_deg` positive downwards."""

    azimuth_deg: float
    tilt_deg: float
    hfov_deg: float | None = None
    """How wide the picture should be: the zoom."""
    pan_deg: float | None = None
    """The same direction on the camera's own scale, where its offset from north is known."""
    preset: int | None = None
    """The stored preset that looks nearest there, for cameras that take no angles."""
    home: int | None = None
    """The preset to return to afterwards."""
    zoom: float | None = None
    """The same width as a factor of the camera's widest picture."""


class CameraView(msgspec.Struct, gc=False):
    """A camera's claim on a place: how well it sees it, and why."""

    camera: str
    score: float
    distance_m: float
    bearing_deg: float
    sees: bool
    reason: str
    name: str = ""
    stream_url: str | None = None
    gb28181_id: str = ""
    pixels_per_m: float | None = None
    """Picture elements on a metre of the target; None where the camera cannot say."""
    pose: Pose | None = None
    """How to turn it, for PTZ cameras that can see the place."""
    reason_zh: str = ""
    """The reason in Chinese; empty in what hubs of before wrote."""


class Motion(msgspec.Struct, frozen=True, gc=False):
    """How the subject of a warning moves: its course from true north and its speed."""

    course_deg: float
    speed_ms: float


class Watch(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One stretch of a moving target's way and the camera that has it; `camera` is "" where nobody sees the target."""

    camera: str
    from_s: float
    until_s: float
    name: str = ""
    score: float = 0.0
    """The best of this stretch."""
    pose: Pose | None = None
    """Where a PTZ must look when the target comes into its sight."""
    turn_by_s: float | None = None
    """When it must begin to turn for that; never before 0."""
    reason: str = ""
    """How it sees the target then."""
    position: Position | None = None
    """Where the target will be then."""
    stream_url: str = ""
    gb28181_id: str = ""
    reason_zh: str = ""


class Origin(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Where a change of another hub's warning comes from. Names of the warning, its subject, area and cameras begin with `hub`."""

    hub: str
    """Whose warning it is."""
    ordinal: int
    """Of the change at the hub that made it. Here it is numbered anew, so that what people do here has its own numbers."""
    path: tuple[str, ...] = ()
    """The hubs it passed, the one that made the change first; empty where it was made here (an acknowledgement, say)."""


class AlertChange(msgspec.Struct, tag="change", gc=False, omit_defaults=True):
    """One step in the life of one warning: the object on the stream "alerts" and in every webhook body.

    `alert` is rule + subject + observed time of what raised it; the change itself is that plus `ordinal`, which
    makes the idempotency key `id`.
    """

    alert: str
    ordinal: int
    at: int
    rule: str
    subject: str
    change: Change
    level: str
    title: str = ""
    values: dict[str, Value] = msgspec.field(default_factory=dict)
    position: Position | None = None
    cameras: list[CameraView] = msgspec.field(default_factory=list)
    evidence: list[dict[str, Any]] = msgspec.field(default_factory=list)
    reason: str = ""
    late: bool = False
    source: dict[str, str] = msgspec.field(default_factory=dict)
    cap: dict[str, Any] = msgspec.field(default_factory=dict)
    area: str = ""
    who: str = ""
    note: str = ""
    group: str = ""
    """The alert that began the group this one belongs to (twenty sensors, one flood); its own id where it stands alone."""
    contact: int = 1
    """Who has been told of the alert so far: contact 2 and higher are called when nobody answers."""
    until: int | None = None
    """When its shelving ends."""
    origin: Origin | None = None
    """Of another hub's warning; None for this hub's own."""
    motion: Motion | None = None
    """How the subject moves; None for what stands still or does not say."""
    handover: list[Watch] = msgspec.field(default_factory=list)
    """Who will see a moving subject when, in seconds from `at`."""
    title_now: str = ""
    """Of a warning that has ended: its title with the values of the end. `title` stays that of its worst moment, `values` are
    those of the end. Empty where both titles are the same."""
    title_zh: str = ""
    title_now_zh: str = ""
    reason_zh: str = ""
    """The same three in Chinese; empty where the English stands in (a rule without `title_zh`, a hub of before)."""
    pair: tuple[str, str] | None = None
    """The two that `subject` joins, by whoever judged; None for what is about one, also for a device that is called as a pair would be (`A+B`)."""

    @property
    def id(self) -> str:
        return f"{self.alert}#{self.ordinal}"

    @property
    def about(self) -> tuple[str, ...]:
        """Whom it is about: both of a pair, else its subject."""
        return self.pair or (self.subject,)


class Forwarded(msgspec.Struct, array_like=True, tag="forwarded", frozen=True, gc=False):
    """A change of another hub's warning, as it came in. The rules reader passes it on in its place; nobody judges it again."""

    at: int
    """When it was received."""
    adapter: str
    change: AlertChange


Event: TypeAlias = Reading | Tick | Deaf | Edition | OperatorAction | Forwarded
"""Everything that rules may know, in the one order of the stream "events"."""


class Alert(msgspec.Struct, gc=False):
    """One warning as it stands now: folded from its changes by `hub.alerts`."""

    alert: str
    rule: str
    subject: str
    level: str
    raised_at: int
    changed_at: int
    open: bool
    acknowledged_by: str | None
    shelved_until: int | None
    changes: list[AlertChange]
    contact: int = 1

    @property
    def about(self) -> tuple[str, ...]:
        """Whom it is about: both of a pair, else its subject. Not every change says that: a person's, of another hub's warning, does not."""
        return next((change.pair for change in self.changes if change.pair), (self.subject,))


class Device(msgspec.Struct, frozen=True):
    """A row of devices.csv. Further columns become `attributes`, numbers where they read as numbers."""

    device: str
    name: str = ""
    kind: str = ""
    position: Position | None = None
    elevation_m: float | None = None
    area: str = ""
    operator: str = ""
    attributes: Mapping[str, float | str] = msgspec.field(default_factory=dict)

    @property
    def upstream(self) -> tuple[str, ...]:
        """The gauges next above this one: the ids under `upstream`, parted by blanks, commas or semicolons."""
        above = self.attributes.get("upstream", "")
        text = f"{above:g}" if isinstance(above, int | float) else above
        return tuple(dict.fromkeys(name for name in re.split(r"[,;\s]+", text) if name and name != self.device))


class Preset(msgspec.Struct, frozen=True):
    """A stored view of a PTZ camera: its number and where it looks (degrees; tilt positive downwards)."""

    number: int
    azimuth_deg: float
    tilt_deg: float | None = None


class Camera(msgspec.Struct, frozen=True):
    """A camera: where it stands, where it looks, how far. Degrees from true north; `None` means not known."""

    camera: str
    position: Position
    name: str = ""
    height_m: float | None = None
    azimuth_deg: float | None = None
    tilt_deg: float | None = None
    hfov_deg: float | None = None
    range_m: float | None = None
    ptz: bool = False
    area: str = ""
    gb28181_id: str = ""
    stream_url: str = ""
    vfov_deg: float | None = None
    width_px: int | None = None
    """Picture elements across the picture."""
    panoramic: bool = False
    """Sees all round at once, without turning."""
    pan_from_deg: float | None = None
    """PTZ reach: clockwise from here to `pan_to_deg`, from true north; unknown is all round."""
    pan_to_deg: float | None = None
    tilt_max_deg: float | None = None
    """PTZ: how far down the middle of its picture can look."""
    hfov_min_deg: float | None = None
    """PTZ: the field of view at full zoom; `hfov_deg` is that at its widest."""
    slew_deg_s: float | None = None
    pan_offset_deg: float | None = None
    """PTZ: true azimuth when its own pan scale says 0; found by calibration, unknown by default."""
    presets: tuple[Preset, ...] = ()
    home: int | None = None
    """The preset it returns to."""
    azimuth_error_deg: float | None = None
    """How far off the stated azimuth may be (one sigma)."""
    origin: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Where a field's value came from, by field name: "survey", "osm camera:direction=NE", "assumed" …"""
    position_error_m: float | None = None
    """How far off its place may be (one sigma)."""
    snapshot_url: str = ""
    """Where the hub gets a still picture of it, http or https; may hold a login, so it is never shown."""


class Building(msgspec.Struct, frozen=True):
    """What stands in the way of a camera: a footprint (outer ring and holes, lon/lat) and its height above ground."""

    building: str
    rings: tuple[tuple[tuple[float, float], ...], ...]
    height_m: float


class Zone(msgspec.Struct, frozen=True):
    """A named polygon (outer ring and holes, lon/lat) with limits such as `speed_limit_kmh`."""

    zone: str
    kind: str
    name: str
    rings: tuple[tuple[tuple[float, float], ...], ...]
    limits: Mapping[str, float | str] = msgspec.field(default_factory=dict)
