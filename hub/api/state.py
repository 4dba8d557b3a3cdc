"""What the API may look at: the running parts of one hub, handed over by `hub.app`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hub.access.audit import Audit
from hub.access.people import People
from hub.access.roll import Roll
from hub.access.sessions import Sessions
from hub.alerts import Alerts
from hub.api.auth import Token
from hub.api.provider import Provider
from hub.bilingual import NOTHING, Text
from hub.cameras import Cameras
from hub.delivery import Courier, Journal, ReadingCourier
from hub.health import Health, Part
from hub.ingest import Door, Ingest
from hub.ledger import Ledger
from hub.live import Live
from hub.model import Fault, Maintenance, Message, OperatorAction, Refusal
from hub.notes import Notes
from hub.options import Config
from hub.ports import BEGINNING, Bucket, DeviceCommand, Log, LogPosition, Row, SeriesQuery
from hub.registry import Registry
from hub.stages import Stages
from hub.tracing import Traces


class ReaderState:
    """How far one reader of the log has come; how it is stands in its `part`."""

    def __init__(
        self,
        name: str,
        stream: str,
        required: bool,
        cursor: LogPosition = BEGINNING,
        part: Part | None = None,
        skipped: int = 0,
    ) -> None:
        self.name = name
        self.stream = stream
        self.required = required
        self.cursor = cursor
        self.skipped = skipped
        self.part = part or Part(name)

    @property
    def state(self) -> str:
        return self.part.state

    @property
    def detail(self) -> str:
        return self.part.reason

    def report(self, state: str, why: Text = NOTHING) -> None:
        self.part.report(state, why)


class Files(Protocol):
    """The city's own files, changed by people at the console; see `hub.app.city_files`. What cannot be written as it was meant raises
    ValueError, what the disk refuses OSError."""

    def device(self, device: str, row: Mapping[str, str]) -> Any:
        """A line more for devices.csv. Blocks."""

    def zone(
        self, zone: str, properties: Mapping[str, Any], ring: Sequence[Sequence[float]] | None, reshape: bool
    ) -> Any:
        """A zone more, or with another shape; without a ring that zone less. Blocks."""

    async def change(self, proposal: Any) -> Any:
        """Write what one of these proposed, and take the folder over."""

    async def refuse(self, refusals: Mapping[str, Refusal]) -> Any:
        """All refusals of unknown devices, written and taken over."""


@dataclass
class State:
    """The parts of a running hub."""

    config: Config
    registry: Registry
    log: Log
    ledger: Ledger
    """Of what comes to this machine."""
    books: Callable[[], Ledger]
    """What this machine knows of the city's books: the same, where it does not keep them."""
    city_books: Callable[[], Ledger | None]
    """Those of a city of several machines, as the one that stores said them last; None where this one is alone, or none is heard that stores."""
    ingest: Ingest
    live: Live
    alerts: Alerts
    cameras: Cameras
    clock: Callable[[], int]
    console: Path
    basemap: tuple[Path, ...]
    """Where the city's base map may be, the first that is there counts."""
    decode: Callable[[str, bytes, str], Message]
    """(content type, body, topic) → message: how a body posted to the API is read."""
    door: Door
    retry: Callable[[LogPosition, LogPosition], Awaitable[Any]]
    """Offer what entries of quarantine, from the first place to before the second, kept out again; what became of it."""
    decode_again: Callable[[Fault, bytes], dict[str, Any]]
    """What the codec says today of the bytes of an entry of quarantine; see `hub.app.decoded`. Raises `NotSupported`."""
    series: Callable[[SeriesQuery], Awaitable[Sequence[Row]]]
    buckets: Callable[[SeriesQuery, int], Awaitable[Sequence[Bucket]]]
    export: Callable[[SeriesQuery, str, Path], Awaitable[int]]
    operate: Callable[[OperatorAction], Awaitable[None]]
    rebuild: Callable[[int | None, int | None], Awaitable[int]]
    """Rollups between two times made anew; their number."""
    take_in: Callable[[Sequence[Path], Path | None, bool], Awaitable[Any]]
    """(files, map, admit unknown devices) → what became of the readings in them."""
    command: Callable[[str, DeviceCommand, str, float, Callable[[], Awaitable[None]]], Awaitable[Any]]
    """(device, command, who, seconds to wait, what notes it) → the device's answer as plain data, None where none came in time; see
    `hub.app.commanding`, `hub.app.relaying`."""
    stage: Callable[[Path | None], Awaitable[Path]]
    """(folder of backups) → everything but the log as it is now, in a folder there or beside the log; see `hub.app.staging`."""
    reload: Callable[[], Awaitable[Any]]
    """Take the city folder over as it is now; see `hub.app.reloading`."""
    trips: Callable[[str, int, int, bool], Awaitable[Any]]
    """(device, from, to, whether ignition counts) → trips and stops; see `hub.reports.fleet`. Raises ValueError for too long a range."""
    track: Callable[[str, int, int, float | None], Awaitable[Any]]
    """(device, from, to, zoom of the map) → its way as lines; see `hub.tracks`. Raises ValueError for too long a range."""
    air: Callable[[str | None, Callable[[str], bool]], Awaitable[Any]]
    """(day or month, which devices are seen) → a line an air station and day; see `hub.reports.air`. Raises ValueError for neither."""
    fleet: Callable[[str | None, str | None, Callable[[str], bool]], Awaitable[Any]]
    """(day, kind, which devices are seen) → a line a vehicle. Raises ValueError for what is no day."""
    roses: Callable[[str, str, str, Callable[[str], bool]], Awaitable[dict[str, Any]]]
    """(station, day or month, pollutant, which devices are seen) → wind rose and pollution rose; see `hub.reports.roses`. Raises ValueError."""
    rivers: Callable[[Callable[[str], bool]], Awaitable[list[dict[str, Any]]]]
    """(which devices are seen) → a line a river gauge; see `hub.reports.rivers`."""
    paper: Callable[[str, Mapping[str, Any], str, bool], bytes]
    """(air or fleet, what `air` or `fleet` gave, pdf or xlsx, in Chinese) → the report as a file; see `hub.reports.papers`. Raises ValueError."""
    files: Files
    """The city's own files, as the console changes them."""
    health: Health
    readers: Callable[[], Sequence[ReaderState]]
    couriers: Mapping[str, Courier | ReadingCourier]
    journal: Journal
    roll: Roll
    """The users, read again whenever their file changes."""
    sessions: Sessions
    audit: Audit
    notes: Notes
    people: People | None = None
    provider: Provider | None = None
    """Whom the identity provider's word lets in, and the provider; None where the city names none."""
    tokens: Mapping[str, Token] | None = None
    """None where the hub has no tokens file."""
    cameras_of: dict[tuple[str, ...], Cameras] = field(default_factory=dict)
    """The cameras that somebody sees who does not see all, by their ids."""
    rules: Callable[[], Mapping[str, Any]] = dict
    rulebook: Callable[[], Sequence[Mapping[str, Any]]] = tuple
    """Every rule for people: see `hub.app.rulebook`."""
    next_call: Callable[[str], int | None] = lambda alert: None
    """When the next contact of an open warning is called if nobody answers."""
    maintenance: Callable[[], Sequence[Maintenance]] = tuple
    """Windows planned and, for a day, those over."""
    nodes: Callable[[], Sequence[Mapping[str, Any]]] = tuple
    """The machines that work on this log, this one among them: `hub.app.roles.Node`."""
    follows: Callable[[], bool] = lambda: True
    """Whether this machine follows newest values and open warnings."""
    judged: Callable[[], bool] = lambda: True
    """Whether a machine judges, this one or one that is heard: only that one knows what work is planned."""
    ill_elsewhere: Callable[[], Sequence[Part]] = tuple
    """Parts of the other machines that are not up."""
    roles: Callable[[], Sequence[str]] = tuple
    stands_by: Callable[[], Sequence[str]] = tuple
    """What this one does; and what it would do were it not for others."""
    protocols: dict[str, str] = field(default_factory=dict)
    limited: dict[str, int] = field(default_factory=dict)
    """Requests refused as too many, by "principal" and "address"."""
    stages: Stages | None = None
    """How long the stages of the journey take, where the hub measures it."""
    traces: Traces | None = None
    """Traces of single readings, where a collector takes them."""
    started_at: int = 0
    version: str = ""
    set_aside: Sequence[str] = ()
    """Files of the data folder that could not be used, a sentence each."""

    @property
    def asks(self) -> bool:
        """Whether the hub asks who somebody is. One without users, tokens and provider trusts whoever is on the machine."""
        return self.tokens is not None or self.roll.asks or self.people is not None
