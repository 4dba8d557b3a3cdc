"""The seams: what an adapter, a codec, a sink, a store and a log reader are to the hub.

A plug-in folder under `adapters/` exports one `PLUGIN`. It may import `hub.model`, `hub.ports`, `hub.metrics` and
nothing else of the hub; the hub reaches it only through this module.
"""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NewType, Protocol, TypeAlias, runtime_checkable

import msgspec

from hub.model import AlertChange, Camera, Event, Message, Reading, Verdict

# ---------------------------------------------------------------------------------------------- taking data in


@runtime_checkable
class Codec(Protocol):
    """Bytes in, messages out, for one connection (or one datagram peer, or one file).

    Laws, tested for every codec alike (`tests/laws/test_codecs.py`):
    no socket, no clock (receive time is an argument), no exception whatever the bytes; any chunking of the same
    bytes gives the same messages; never buffers more than its limit; junk becomes faults, once, and decoding goes on
    behind it.
    """

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        """Messages completed by these bytes. `received_at` (ns) refines what the wire dates only in part."""
        ...

    def end(self, received_at: int | None = None) -> list[Message]:
        """The frame or stream ended here: what is left in the buffer becomes messages or faults. Session state stays."""
        ...

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        """What the device must hear about this message, or None where the protocol answers nothing."""
        ...


class Intake(Protocol):
    """The hub's front door, as an adapter sees it."""

    def submit(self, messages: Sequence[Message]) -> Awaitable[list[Verdict]]:
        """Check, stamp, de-duplicate and log. Resolves, one verdict a message, only after the disk has them (law 1).

        Await it, or add a done-callback: it is an asyncio future. Keep in flight only what you can bound, and answer
        the device by its verdict.
        """
        ...

    def report(self, state: str, detail: str = "") -> None:
        """Say how this adapter is: "up", "down" or "degraded", with a sentence; shown in console and metrics."""
        ...

    def knows(self, device: str) -> bool:
        """Whether the registry lists this device, or the adapter's policy admits unknown ones."""
        ...

    def now(self) -> int:
        """The hub's time, ns since 1970 UTC: when what is handed in now was received."""
        ...

    def attribute(self, device: str, name: str) -> float | str | None:
        """An attribute of a registered device (`auth_code`, `clock_zone` …), None where there is none."""
        ...


class Adapter(Protocol):
    """A running source. The hub starts `run` as a task, restarts it with back-off if it fails, cancels it to stop."""

    async def run(self, intake: Intake) -> None: ...


# ---------------------------------------------------------------------------------------------- commands down


class DeviceCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person asks of a device; each protocol says in its own tongue what it can, and names what it cannot."""

    command: str
    """ "locate" (say where you are), "interval" (report every `seconds`), "text" (show `text`), or "raw" (the protocol's own)."""
    seconds: int | None = None
    text: str = ""
    urgent: bool = False
    message: str = ""
    """With "raw", where the protocol numbers its messages: the number, such as "0x8104"."""
    data: str = ""
    """With "raw": the body in hex."""


class Order(msgspec.Struct, frozen=True):
    """A command in the protocol's own bytes, and how to know its answer among what the device sends next."""

    data: bytes
    answers: Callable[[Message], bool]


class NotSupported(Exception):
    """The protocol, or this session, has no such command; the text says which it has."""


class NotReached(Exception):
    """The device has no live session, or takes nothing now."""


@runtime_checkable
class Commandable(Protocol):
    """An adapter that can reach its devices."""

    def codec_of(self, device: str) -> Codec | None:
        """The codec of the device's live session, None where it has none."""
        ...

    async def ask(self, device: str, order: Order, wait_s: float) -> Message | None:
        """Send, and wait for the answer; None where none came in time. Raises `NotReached`."""
        ...


# ---------------------------------------------------------------------------------------------- handing alerts out


class Delivery(msgspec.Struct, frozen=True):
    """The outcome of one attempt. Exactly one of the three: taken, final refusal, or try again."""

    taken: bool
    final: bool = False
    detail: str = ""
    retry_after_s: float | None = None
    gone: bool = False
    """With `final`: the destination wants nothing more (HTTP 410); it rests until a person wakes it."""


class Sink(Protocol):
    """A destination for alert changes. `deliver` is called in order, one change at a time, until taken or finally refused."""

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        """Hand over one change. `key` is stable across retries; `now` is ns. Never raises for what the peer does."""
        ...

    async def close(self) -> None: ...


class Chosen(msgspec.Struct, frozen=True):
    """Which readings a destination wants; an empty list wants all."""

    kinds: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    """Of the registry."""
    every_ns: int = 0
    """Thinned to the newest value of each device and metric in so much observed time; 0 for all of them."""


@runtime_checkable
class ReadingSink(Protocol):
    """A sink that takes readings too, where `chosen` says which."""

    chosen: Chosen | None

    async def deliver_readings(self, readings: Sequence[Reading], key: str, now: int) -> Delivery:
        """As `Sink.deliver`, for a batch: taken where any of it was, with what was refused in `detail`."""
        ...


@runtime_checkable
class RenewingSink(Protocol):
    """A sink whose messages run out (CAP's `expires`): it says what has to be said again of warnings that still stand."""

    def due(self, now: int) -> Sequence[str]:
        """Keys of what has to be said again now (ns)."""
        ...

    async def renew(self, key: str, now: int) -> Delivery:
        """As `Sink.deliver`. What is no longer due is taken, with the reason in `detail`."""
        ...


@runtime_checkable
class HistorySink(Protocol):
    """A sink for which the past counts: when new it begins so far back, not at the end, as far as the log reaches."""

    catch_up_s: float


@runtime_checkable
class RunningSink(Protocol):
    """A sink that keeps a session of its own (registration, keepalive). The hub runs `run` while it delivers, cancels it to stop."""

    async def run(self) -> None: ...


@runtime_checkable
class SessionSink(Protocol):
    """A sink that knows between deliveries whether its peer answers (a registration, keepalives)."""

    def trouble(self) -> str:
        """Why nothing could be delivered now, in a sentence; empty while the peer answers."""
        ...


@runtime_checkable
class RememberingSink(Protocol):
    """A sink that began something at its peer and must end it, also after a restart. The hub gives it a file of its own before it
    delivers."""

    def remember_in(self, path: Path) -> None: ...


# ---------------------------------------------------------------------------------------------- the plug-in itself


class Plugin(msgspec.Struct, frozen=True):
    """What one folder under `adapters/` offers. Set only what it has."""

    protocol: str
    summary: str
    options: type[msgspec.Struct] | None = None
    """Keys of `[[adapters]]` beyond name and protocol, typed and with defaults; docstrings become the reference."""
    codec: Callable[[Mapping[str, Any]], Codec] | None = None
    """A codec from decoded options; used by `cityhub decode`, `replay`, and by `adapter` through a transport."""
    adapter: Callable[[str, Any], Adapter] | None = None
    """(name, options) → a source. Protocols that are a codec over a stream use `adapters.transport.stream_adapter`.

    Reads what the options name (maps, certificates) and raises ValueError or OSError for what cannot be used, but opens no socket
    before `run`: `cityhub check` builds every adapter to find mistakes. An error of a file named by `map` may carry `mistakes`, one
    sentence for each, "where: what is wrong".
    """
    sink_options: type[msgspec.Struct] | None = None
    sink: Callable[[str, Any], Sink] | None = None
    order: Callable[[Codec, str, DeviceCommand], Order] | None = None
    """(codec of the live session, device, command) → bytes down. Raises `NotSupported`, or ValueError where it is wrong."""
    binary: bool = False
    """`cityhub decode` reads hex lines for binary protocols, text otherwise."""
    kind: str = ""
    """Kind of devices this feed brings by itself (`vessel`, `vehicle`)."""
    proof: str = ""
    """How a device shows its secret of `[ingest] device_secrets_file`: "login" (when it logs in), "message" (in every
    message), "" not at all."""
    unknown_devices: str = "quarantine"
    """The policy where the city states none: "quarantine", or "admit" for open feeds such as AIS."""
    best_effort: str = ""
    """Why law 1 cannot hold here (a datagram without an answer), in a sentence; empty where it does."""


# ---------------------------------------------------------------------------------------------- reading the log


FRAME_ENTRIES_MAX = 20_000
"""Entries that the log writes into one frame at most. A reader that takes so many at a time has no frame decoded twice."""


LogPosition = NewType("LogPosition", int)
"""A place in a stream: of an entry, or of what comes after the newest. A later place is greater. Nothing else may be read from the
number, for a log may leave numbers out: whoever reads takes positions from a `Batch` or a `Stream`, keeps them, and hands them back."""


BEGINNING = LogPosition(0)
"""Before the first entry of any log."""


def behind(first: LogPosition, entries: int = 1) -> LogPosition:
    """The place behind an entry and before any other; or behind so many that were appended together, which stand next to each other."""
    return LogPosition(first + entries)


class Batch(msgspec.Struct, frozen=True):
    """Entries of a stream that follow one another. `positions` has one more than `entries`: where each stands, and the place behind the
    last, from which a reader goes on."""

    entries: Sequence[Any]
    positions: Sequence[LogPosition]

    @property
    def first(self) -> LogPosition:
        return self.positions[0]

    @property
    def next(self) -> LogPosition:
        return self.positions[-1]

    def after_each(self) -> Iterator[tuple[Any, LogPosition]]:
        """Every entry with the place behind it."""
        return zip(self.entries, self.positions[1:], strict=True)

    def parts(self, entries_max: int) -> Iterator[Batch]:
        """The same in pieces of so many entries, for a reader that gives others their turn in between. Itself where it is small."""
        if len(self.entries) <= entries_max:
            yield self
            return
        for at in range(0, len(self.entries), entries_max):
            yield Batch(self.entries[at : at + entries_max], self.positions[at : at + entries_max + 1])

    def until(self, end: LogPosition) -> Batch:
        """What of it stands before `end`. Itself where all does."""
        if self.next <= end:
            return self
        count = bisect.bisect_left(self.positions, end, hi=len(self.entries))
        return Batch(self.entries[:count], self.positions[: count + 1])


Heard: TypeAlias = Callable[[Batch], Sequence[Any]]
"""Is told what others have appended, and gives those of this node's own entries, still on their way, that stand there already."""


class LogFull(Exception):
    """The log cannot take more now; the message says why in words fit for an operator."""


class Stream(Protocol):
    """One sequence of entries that lasts. Every log is held to the same laws: `tests/laws/test_logs.py`."""

    name: str
    bytes_max: int
    """What the stream may occupy."""
    refusing: str | None
    """Why new entries are refused now, None while they are taken."""

    @property
    def damage(self) -> Sequence[object]:
        """What of it was found broken; each says itself in words."""
        ...

    @property
    def first(self) -> LogPosition:
        """The oldest entry still here; `next` where there is none."""
        ...

    @property
    def next(self) -> LogPosition:
        """Behind the newest entry."""
        ...

    @property
    def last_at(self) -> int | None:
        """When the newest entry was appended, ns; None in an empty stream."""
        ...

    def append(self, entries: Sequence[Any]) -> asyncio.Future[LogPosition]:
        """Keep these together, in this order. The future gives the place of the first of them once they are durable, and the others have
        the numbers behind it (`behind`).

        Raises through the future, and none of the entries is kept then: `LogFull` where the log cannot take them now, what the encoder
        raises where one of them cannot be written down.
        """
        ...

    async def read(self, position: LogPosition, entries_max: int = 10_000, wait_s: float | None = None) -> Batch:
        """Entries from `position` on, waiting for the first one (at most `wait_s`; then an empty batch).

        A batch that begins behind `position` shows a gap where `lag` says that entries lie between: they were dropped by retention or
        are damaged.
        """
        ...

    def read_now(self, position: LogPosition, entries_max: int = 10_000) -> Batch:
        """As `read`, but at once and blocking: empty at the end. For whoever has nobody beside him: a start, a command. On the hub's event
        loop everybody else would wait."""
        ...

    def lag(self, position: LogPosition, end: LogPosition | None = None) -> int:
        """How many entries lie from `position` to before `end`, which is `next` without one; 0 where none does."""
        ...

    def before(self, end: LogPosition, entries: int) -> LogPosition:
        """The place so many entries before `end`; `first` where there are fewer. Blocking where servers keep the log; raises OSError where they
        do not answer."""
        ...

    def hear(self, since: LogPosition, told: Heard) -> None:
        """Tell of what other nodes append from there on, once and in order, before anything of this node's own is put behind it. What
        `told` gives back is left out of the append that it belongs to, whose future then counts the others only."""
        ...

    def require(self, reader: str, cursor: Callable[[], LogPosition]) -> None:
        """Keep what this reader still needs: entries from `cursor()` on are never dropped."""
        ...

    def size(self) -> int:
        """Bytes that the stream occupies."""
        ...

    def begin_at(self, position: LogPosition) -> None:
        """Give no new entry a place before `position`: readers have been there, whatever became of the log's end."""
        ...

    def trim(self) -> None:
        """Drop what is over the limits and needed by no required reader."""
        ...


class Log(Protocol):
    """All streams of one hub."""

    @property
    def streams(self) -> Mapping[str, Stream]: ...

    @property
    def events(self) -> Stream: ...

    @property
    def derived(self) -> Stream: ...

    @property
    def alerts(self) -> Stream: ...

    @property
    def quarantine(self) -> Stream: ...

    def damage(self) -> Sequence[object]:
        """What opening the log found broken, all streams together; each says itself in words."""
        ...

    async def close(self) -> None:
        """Commit what is pending, and let go."""
        ...


class Cursors(Protocol):
    """How far each reader has come, durably."""

    def get(self, reader: str) -> LogPosition | None:
        """The next entry that this reader wants, None for a reader never seen."""
        ...

    def set(self, reader: str, position: LogPosition) -> None:
        """Make the reader's place durable. Blocks, and raises OSError where that cannot be done now."""
        ...

    def forget(self, reader: str) -> None:
        """Drop the place of a reader that is no more."""
        ...

    def all(self) -> dict[str, LogPosition]: ...


class StoreKind(msgspec.Struct, frozen=True):
    """A kind of store, as `[store] kind` names it (entry points `cityhub.stores`)."""

    summary: str
    open: Callable[[Mapping[str, Any], Path, Mapping[str, str]], Store]
    """(options, the hub's data folder, device → area) → a store that also keeps rollups (`cityhub.testing` holds it to all
    laws). Options are the keys of `[store]` with secrets resolved, and on top those of `[store.options]`. Raises `StoreUnavailable`
    where it cannot be opened now, ValueError for options that make no sense."""


class Listing(msgspec.Struct, frozen=True):
    """Cameras found elsewhere: the text of a `cameras.csv`, how many, and what a person should know of them."""

    text: str
    count: int
    remarks: tuple[str, ...] = ()
    said: str = ""
    """A sentence about the whole."""
    cameras: tuple[Camera, ...] = ()


class Inventory(msgspec.Struct, frozen=True):
    """A list of cameras from elsewhere (entry points `cityhub.inventories`), for `cityhub camera-list SOURCE --from NAME`."""

    summary: str
    read: Callable[[str, Mapping[str, str]], Listing]
    """(SOURCE, the `--option KEY=VALUE` given) → what was found. Raises ValueError or OSError with a sentence."""
    file: bool = False
    """SOURCE is a file: `read` gets its text. Otherwise SOURCE as given, an address say."""


class Store(Protocol):
    """History. A required reader of "events" (and of "alerts") that keeps its own cursor beside its rows.

    `write` may see a batch again after a crash: rows are keyed by device, metric and observed time.
    Blocking calls; the hub runs them off the event loop, one at a time per method family.
    """

    def cursor(self, stream: str) -> int | None:
        """The next place to write, None on a fresh store. Reading it may raise `StoreUnavailable`."""
        ...

    def reach(self) -> None:
        """Ask whether it answers now. Raises `StoreUnavailable` where it does not."""
        ...

    def write(
        self, stream: str, events: Sequence[Event] | Sequence[AlertChange], first: int, next: int
    ) -> list[Refusal]:
        """Store these and move the cursor to `next`, atomically where the server can.

        Returns what the store finally refused, for quarantine. Raises `StoreUnavailable` for what may pass (down, 5xx,
        401, garbage): the hub keeps the batch and comes again.
        """
        ...

    def latest(self, devices: Sequence[str] | None = None) -> list[Row]: ...

    def series(self, query: SeriesQuery) -> list[Row]: ...

    def buckets(self, query: SeriesQuery, every: int) -> list[Bucket]:
        """Numbers per `every` ns, device and metric: what charts over long ranges show."""
        ...

    def changes(self, start: int | None = None, end: int | None = None) -> list[AlertChange]:
        """Alert changes between two times (ns, from inclusive, to exclusive), oldest first, each once."""
        ...

    def export(self, query: SeriesQuery, form: str, path: Path) -> int:
        """Rows into a file, `form` being "csv" or "parquet"; gives their number."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class CountingStore(Protocol):
    """A store that can be asked from another thread how far an export has got."""

    def exported(self) -> tuple[int, int | None]:
        """Rows of the export that runs now that are done, and of how many; None where nobody knows."""
        ...


class Refusal(msgspec.Struct, frozen=True):
    """What a store would not take, and its reason in the server's words: a reading, or an alert change."""

    reading: Reading | None
    reason: str
    change: AlertChange | None = None


class Row(msgspec.Struct, frozen=True, gc=False):
    """One stored value: the columns of `cityhub export`."""

    time: int
    device: str
    kind: str
    metric: str
    value: float | bool | str
    quality: int
    lon: float | None
    lat: float | None
    received_at: int


class Bucket(msgspec.Struct, frozen=True, gc=False):
    """What one metric of one device did from `time` (ns, a multiple of the width) on, for one bucket's width."""

    time: int
    device: str
    metric: str
    count: int
    min: float
    mean: float
    max: float
    last: float
    kind: str = ""


class SeriesQuery(msgspec.Struct, frozen=True):
    """Rows between two times (ns, from inclusive, to exclusive), oldest first; None is "any". Where `limit` cuts, the oldest of
    them, or with `newest` the newest."""

    start: int | None = None
    end: int | None = None
    device: str | None = None
    metric: str | None = None
    limit: int | None = None
    newest: bool = False
    """Of more than `limit` rows the newest are wanted, oldest of them first, instead of the oldest."""
    devices: tuple[str, ...] | None = None
    """Only of these; none of them: no rows."""


class StoreUnavailable(Exception):
    """The store cannot take or give data now; what it says is fit to show to people."""
