"""What one hub sends another: a JSON object a request, its warnings' changes and its readings in lists. Pure.

    {"version": 1, "hub": "district-a",
     "changes":  [an AlertChange as `hub.model` has it: times in ns since 1970 UTC, `origin` with hub, ordinal, path],
     "readings": [{"device": "district-a/gauge-1", "at": 1795334400000000000, "values": {"water_level": 3.41},
                   "path": ["district-a"], "lon": 121.49, "lat": 31.24, "kind": "river-gauge"}]}

Times are nanoseconds because a reading is keyed by its time, in every store on its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from hub.forwarding import change_outward, reading_outward
from hub.model import AlertChange, Position, Reading, Value

Item = TypeVar("Item", AlertChange, Reading)
VERSION = 1
ITEMS_MAX = 5_000
"""Changes and readings of one request."""
CONTENT_TYPE = "application/json"


class Sent(msgspec.Struct):
    """A request's body; its items are read one by one, so that one that is wrong costs the others nothing."""

    version: int
    hub: str
    changes: list[msgspec.Raw] = msgspec.field(default_factory=list)
    readings: list[msgspec.Raw] = msgspec.field(default_factory=list)


class SentReading(msgspec.Struct, omit_defaults=True):
    """One reading."""

    device: str
    at: int
    values: dict[str, Value]
    path: list[str]
    lon: float | None = None
    lat: float | None = None
    alt: float | None = None
    marks: dict[str, str] | None = None
    kind: str = ""

    def reading(self) -> Reading:
        position = Position(self.lon, self.lat, self.alt) if self.lon is not None and self.lat is not None else None
        return Reading(self.device, self.at, self.values, position, self.marks, kind=self.kind, path=self.path)


_encode = msgspec.json.Encoder().encode
_packed = msgspec.msgpack.Encoder().encode
_sent = msgspec.json.Decoder(Sent)
_change = msgspec.json.Decoder(AlertChange)
_reading = msgspec.json.Decoder(SentReading)


def change_item(change: AlertChange, here: str) -> bytes:
    """A change as the hub `here` sends it on."""
    return _encode(change_outward(change, here))


def reading_item(reading: Reading, here: str) -> bytes:
    """A reading as the hub `here` sends it on."""
    out, place = reading_outward(reading, here), reading.position
    at = out.observed_at if out.observed_at is not None else out.received_at
    return _encode(
        SentReading(
            out.device, at, out.values, out.path or [], place.lon if place else None, place.lat if place else None,
            place.alt if place else None, out.marks, out.kind,
        )
    )  # fmt: skip


def body(here: str, changes: Sequence[bytes] = (), readings: Sequence[bytes] = ()) -> bytes:
    """A request's body of encoded items."""
    return _encode(
        Sent(VERSION, here, [msgspec.Raw(item) for item in changes], [msgspec.Raw(item) for item in readings])
    )


def read(data: bytes) -> Sent:
    """Raises ValueError with a sentence."""
    try:
        sent = _sent.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the body is not what a hub sends: {error}") from None
    if sent.version != VERSION:
        raise ValueError(f"version {sent.version} of what hubs send each other; this hub reads version {VERSION}")
    return sent


def read_change(item: msgspec.Raw) -> AlertChange:
    """Raises ValueError with a sentence."""
    try:
        return _writable(_change.decode(item))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise ValueError(f"a change that cannot be read: {error}") from None


def read_reading(item: msgspec.Raw) -> Reading:
    """Raises ValueError with a sentence."""
    try:
        return _writable(_reading.decode(item).reading())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise ValueError(f"a reading that cannot be read: {error}") from None


def _writable(item: Item) -> Item:
    """The item, where the log can hold it. JSON has whole numbers of any length, the log those of 64 bits. Raises OverflowError."""
    _packed(item)
    return item
