"""What goes to quarantine of a group of messages: bounded by the messages, not by how much is wrong with them.

A message's raw bytes stand once, with its first fault; the others say how many entries before them. The first faults have an
entry each; the rest of a message are one entry a kind, with their number and the readings that they kept out. And no flood of
one kind, at one door, pushes everything else out of quarantine: each has its share (`Shares`).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hub.model import Fault, FaultKind, Reading, Value
from hub.moment import SECOND
from hub.validation import unicode, writable

RAW_MAX = 64 << 10
"""Bytes kept of one message; what is longer is cut."""
FAULTS_MAX = 50
"""Faults of one message that have an entry each."""
REST_BYTES_MIN = 256 << 10
REST_PER_RAW_BYTE = 2
"""Readings that the rest of a message's faults kept out are kept, as far as they take so many bytes, or so many for each byte of
the message where that is more."""
ENTRY_BYTES = 60
"""About what an entry, a reading or a value takes beside its texts."""

DOOR_SHARE = 1 / 8
KIND_SHARE = 1 / 16
"""Of the quota of quarantine: what one door, and one kind of fault at one door, may write at once, and again within a day."""
DAY = 86_400 * SECOND
SUMMED_UP = "share"
"""`Fault.by` of an entry that sums up: its faults were counted when they came, also where the ledger was saved before it was written."""
SUMMARY_EVERY = 60 * SECOND
"""How often what found no place is summed up in an entry."""


class Faults:
    """The entries of one group. `begin` each message, `add` its faults, `close` it; then `entries` go to the log."""

    def __init__(self, at: int, adapter: str) -> None:
        self.entries: list[Fault] = []
        self._at, self._adapter = at, adapter
        self._raws: dict[bytes, int] = {}
        self.begin(b"")

    def begin(self, raw: bytes) -> None:
        """What is added from here on belongs to a message with these bytes."""
        self._raw = raw
        self._message: _Message | None = None
        self.brief = False
        """Whether further faults of this message only count, so that nobody need find words for them."""

    def add(
        self,
        kind: FaultKind,
        detail: str,
        device: str | None,
        readings: int = 0,
        reading: Reading | None = None,
        raw: bytes = b"",
        count: int = 1,
    ) -> None:
        """One fault, or `count` that are told as one. `readings`: how many it kept out, `reading` the one; `raw`: its own bytes, where not the
        message's."""
        message = self._message
        if message is None:
            message = self._message = _Message(self._raw, len(self.entries))
        if self.brief:
            self._sum_up(message, kind, detail, device, readings, reading, count)
            return
        message.own += 1
        self.brief = message.own >= FAULTS_MAX
        kept, back = self._placed(message, raw[:RAW_MAX] or message.raw)
        fault = Fault(kind, unicode(detail), kept, unicode(device or "") or None, self._at, self._adapter, readings)
        fault.back, fault.count = back, count
        fault.reading = writable(reading) if reading is not None else None
        self.entries.append(fault)

    def close(self) -> None:
        """The message is done: say what its rest comes to."""
        if self._message is None:
            return
        for fault, kept in self._message.rest.values():
            lost = fault.readings - kept
            unkept = f"; {lost} readings of them were not kept" if lost > 0 else ""
            if fault.count > 1:
                fault.detail = unicode(
                    f"{fault.count} more of this kind in one message, the first: {fault.detail}{unkept}"
                )
            self.entries.append(fault)
        self._message.rest = {}

    def _placed(self, message: _Message, raw: bytes) -> tuple[bytes, int]:
        """(the bytes to keep with the next entry, how many entries before it they stand already)."""
        here = len(self.entries)
        stands = self._raws.get(raw)
        if stands is not None:
            return b"", here - stands
        raw_kept = raw[: message.raw_left]
        message.raw_left -= len(raw_kept)
        if raw_kept:
            self._raws[raw] = here
        return raw_kept, 0

    def _sum_up(
        self,
        message: _Message,
        kind: FaultKind,
        detail: str,
        device: str | None,
        readings: int,
        reading: Reading | None,
        count: int,
    ) -> None:
        if kind not in message.rest:
            back = len(self.entries) + len(message.rest) - message.first + self.entries[message.first].back
            said = unicode(detail[:200])
            fault = Fault(kind, said, b"", unicode(device or "") or None, self._at, self._adapter, 0, None, back, 0)
            message.rest[kind] = fault, 0
        fault, kept = message.rest[kind]
        fault.count += count
        fault.readings += readings
        if reading is None or message.rest_left <= 0:
            return
        message.rest_left -= size_of(reading)
        if message.rest_left > 0:
            fault.rest = fault.rest if fault.rest is not None else []
            fault.rest.append(writable(reading))
            message.rest[kind] = fault, kept + 1


class _Message:
    """What is wrong with one message so far. Made with its first fault: nearly all have none."""

    __slots__ = ("first", "own", "raw", "raw_left", "rest", "rest_left")

    def __init__(self, raw: bytes, first: int) -> None:
        self.raw = raw[:RAW_MAX]
        self.raw_left = RAW_MAX
        self.first = first
        """Where its entries begin."""
        self.own = 0
        """Faults that have an entry each."""
        self.rest: dict[str, tuple[Fault, int]] = {}
        """Of each kind the entry for the others, and how many of their readings it keeps."""
        self.rest_left = max(REST_BYTES_MIN, REST_PER_RAW_BYTE * len(raw))


class Shares:
    """Who may still write to quarantine. Faults over a share are counted, and summed up in an entry once a minute."""

    def __init__(self, quota: int) -> None:
        """`quota`: bytes that quarantine may take on disk."""
        self._doors = _Buckets(quota * DOOR_SHARE)
        self._kinds = _Buckets(quota * KIND_SHARE)
        self._left_out: dict[tuple[str, str], Fault] = {}
        self._said_at: dict[tuple[str, str], int] = {}

    def admit(self, faults: list[Fault], at: int) -> tuple[list[Fault], int]:
        """Those of a group that may be written, and the number of faults that only count. `at`: ns on a clock that never
        goes back. What was left out before is summed up among the former when its time has come."""
        kept: list[Fault] = []
        raw_at: dict[int, int] = {}
        left_out = 0
        for here, fault in enumerate(faults):
            key = (fault.adapter, str(fault.kind))
            size = _size_of_fault(fault)
            if self._kinds.allows(key, size, at) and self._doors.allows(fault.adapter, size, at):
                self._kinds.take(key, size)
                self._doors.take(fault.adapter, size)
                stands = raw_at.get(here - fault.back) if fault.back else None
                if fault.back:  # its raw bytes moved together with what was left out, or went with it
                    fault.back = len(kept) - stands if stands is not None else 0
                raw_at[here] = len(kept)
                kept.append(fault)
            else:
                left_out += fault.count
                self._leave_out(key, fault)
            if key in self._left_out and at - self._said_at.get(key, at - SUMMARY_EVERY) >= SUMMARY_EVERY:
                self._said_at[key] = at
                kept.append(self._left_out.pop(key))
        return kept, left_out

    def _leave_out(self, key: tuple[str, str], fault: Fault) -> None:
        left = self._left_out.get(key)
        if left is None:
            left = self._left_out[key] = msgspec.structs.replace(
                fault, raw=b"", reading=None, rest=None, back=0, count=0, readings=0, by=SUMMED_UP
            )
        left.count += fault.count
        left.readings += fault.readings
        left.received_at = fault.received_at
        left.detail = (
            f"{left.count} faults of this kind at this door were counted and not kept: it has used up its share of quarantine. "
            f"The newest: {fault.detail[:200]}"
        )


class _Buckets:
    """Bytes that each key may still write: `most` at once, and as much again in a day."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._left: dict[object, tuple[float, int]] = {}

    def allows(self, key: object, size: int, at: int) -> bool:
        left, since = self._left.get(key, (self._most, at))
        left = min(self._most, left + self._most * max(0, at - since) / DAY)
        self._left[key] = left, at
        return left >= size or left >= self._most  # what is larger than the share passes where nothing came before it

    def take(self, key: object, size: int) -> None:
        left, since = self._left[key]
        self._left[key] = left - size, since


def size_of(reading: Reading) -> int:
    """About how many bytes the reading takes in the log."""
    size = ENTRY_BYTES + len(reading.device)
    for name, value in reading.values.items():
        size += len(name) + _size_of_value(value)
    marks: Mapping[str, str] = reading.marks or {}
    return size + sum(len(name) + len(mark) for name, mark in marks.items())


def _size_of_value(value: Value) -> int:
    if isinstance(value, str):
        return 4 * len(value)
    return sum(4 * len(text) for text in value) if isinstance(value, list) else 9


def _size_of_fault(fault: Fault) -> int:
    size = ENTRY_BYTES + len(fault.raw) + len(fault.detail) + sum(map(size_of, fault.rest or ()))
    return size + (size_of(fault.reading) if fault.reading is not None else 0)
