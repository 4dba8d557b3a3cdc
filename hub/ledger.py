"""The ledger: per adapter, at every moment,

    received = logged + in flight + quarantined + duplicate        (readings; changes of warnings from other hubs count too)
    logged   = stored + refused by it + replaced + waiting         (per required reader, counted after it has answered)

`refused` of an adapter stands beside it: the hub was full, the device was told so and keeps its reading. Frames are counted apart
from readings. The counts survive a restart: they are saved with the log positions they belong to, and what the log
took after that is counted again from the log itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from hub import whole_file
from hub.model import Event, Fault, Forwarded, Reading
from hub.ports import BEGINNING, Batch, Log, LogPosition, Refusal, Stream
from hub.store.outcome import Outcome, Written


class Counts(msgspec.Struct):
    """One adapter's column."""

    frames: int = 0
    received: int = 0
    logged: int = 0
    in_flight: int = 0
    quarantined: int = 0
    duplicate: int = 0
    refused: int = 0
    unkept: int = 0
    """Faults that found no place in quarantine: it could not be written, or their kind has used up its share."""
    faults: dict[str, int] = msgspec.field(default_factory=dict)

    def count_fault(self, kind: str, count: int = 1) -> None:
        self.faults[kind] = self.faults.get(kind, 0) + count

    def add(self, more: Counts) -> None:
        """These too."""
        self.frames += more.frames
        self.received += more.received
        self.quarantined += more.quarantined
        self.duplicate += more.duplicate
        for kind, count in more.faults.items():
            self.faults[kind] = self.faults.get(kind, 0) + count

    def balances(self) -> bool:
        return self.received == self.logged + self.in_flight + self.quarantined + self.duplicate


class Books(msgspec.Struct):
    """What a ledger holds, for another node."""

    adapters: dict[str, Counts]
    stored: dict[str, dict[str, int]]
    refused: dict[str, dict[str, int]]
    replaced: dict[str, dict[str, int]]


class _Saved(msgspec.Struct):
    events_next: LogPosition
    quarantine_next: LogPosition
    adapters: dict[str, Counts]
    stored: dict[str, dict[str, int]]
    readers: dict[str, LogPosition]
    refused: dict[str, dict[str, int]] = {}
    replaced: dict[str, dict[str, int]] = {}
    refusals_next: LogPosition | None = None
    """Where in quarantine the store's refusals begin that the counts do not have; None: at `quarantine_next`."""


class Ledger:
    """Counts of every adapter, and what each required reader has stored of them."""

    def __init__(self) -> None:
        self.adapters: dict[str, Counts] = {}
        self.stored: dict[str, Counter[str]] = {}
        self.refused: dict[str, Counter[str]] = {}
        """Readings of which the reader has taken nothing, for good."""
        self.replaced: dict[str, Counter[str]] = {}
        """Readings that took the place of an earlier one with the same device, metric and time."""
        self._readers: dict[str, LogPosition] = {}
        self._written: dict[str, Written] = {}
        self._counted = _Positions()
        self._unwritten: dict[str, Counts] = {}
        """Faults that are in the counts, and on their way to quarantine."""

    def of(self, adapter: str) -> Counts:
        return self.adapters.setdefault(adapter, Counts())

    # ---------------------------------------------------------------------------------------------- where the counts hold

    def logged(self, adapter: str, count: int, behind: LogPosition) -> None:
        """So many readings of an adapter are on disk, before that place in "events". Called in the order of the log."""
        self.of(adapter).logged += count
        self._counted.events = behind

    def read_in_log(self, batch: Batch) -> None:
        """Books that are kept by reading: these stand in "events", whoever put them there. What was counted before is not counted again."""
        for entry in batch.entries[bisect_left(batch.positions, self._counted.events) :]:
            if type(entry) is Reading or type(entry) is Forwarded:
                counts = self.of(entry.adapter)
                counts.received += 1
                counts.logged += 1
        self._counted.events = max(self._counted.events, batch.next)

    def read_in_quarantine(self, batch: Batch) -> None:
        """And these in quarantine."""
        for fault in batch.entries[bisect_left(batch.positions, self._counted.quarantine) :]:
            _count(self.of(fault.adapter), [fault], 1)
        self._counted.quarantine = max(self._counted.quarantine, batch.next)

    def beside(self, door: Ledger) -> Ledger:
        """These books, kept by reading, with what no log has and one node's own ledger knows: frames, duplicates, what is on its way."""
        shown = Ledger()
        shown.stored, shown.refused, shown.replaced = self.stored, self.refused, self.replaced
        for name in {**self.adapters, **door.adapters}:
            city, own = self.adapters.get(name, Counts()), door.adapters.get(name, Counts())
            shown.adapters[name] = msgspec.structs.replace(
                city,
                received=city.received + own.in_flight + own.duplicate,
                frames=own.frames,
                in_flight=own.in_flight,
                duplicate=own.duplicate,
                refused=own.refused,
                unkept=own.unkept,
            )
        return shown

    def told(self) -> Books:
        """For other nodes."""
        counts = (self.stored, self.refused, self.replaced)
        return Books(self.adapters, *({name: dict(one) for name, one in kind.items()} for kind in counts))

    @classmethod
    def of_books(cls, books: Books) -> Ledger:
        """As another node told them."""
        found = cls()
        found.adapters = books.adapters
        for mine, told in ((found.stored, books.stored), (found.refused, books.refused), (found.replaced, books.replaced)):  # fmt: skip
            mine.update({name: Counter(counts) for name, counts in told.items()})
        return found

    def faults_on_their_way(self, adapter: str, faults: Sequence[Fault]) -> None:
        """These are counted, and quarantine does not have them yet."""
        _count(self._unwritten.setdefault(adapter, Counts()), faults, 1)

    def faults_written(self, adapter: str, faults: Sequence[Fault], behind: LogPosition | None) -> None:
        """Quarantine has them, before that place; None where it could not take them."""
        _count(self._unwritten[adapter], faults, -1)
        if behind is not None:
            self._counted.quarantine = behind

    # ---------------------------------------------------------------------------------------------- readers

    def took(
        self,
        reader: str,
        entries: Iterable[Event | Fault],
        cursor: LogPosition,
        refusals: Sequence[Refusal] = (),
        quarantine_next: LogPosition | None = None,
    ) -> Outcome:
        """A required reader has answered for these entries and stands at `cursor` of "events"; what it refused of them stands in
        quarantine before `quarantine_next`."""
        if quarantine_next is not None:
            self._counted.refusals = quarantine_next
        outcome = self._written.setdefault(reader, Written()).outcome(entries, refusals)
        for counts, more in zip((self.stored, self.refused, self.replaced), outcome, strict=True):
            counts.setdefault(reader, Counter()).update(more)
        self._readers[reader] = cursor
        return outcome

    def set_back(self, reader: str, events: Stream, cursor: LogPosition) -> None:
        """The reader has lost what it had from `cursor` on, and takes it again as far as the log has it: that is waiting."""
        again = Counter(
            entry.adapter
            for entry in _from(events, cursor, self._readers.get(reader, cursor))
            if type(entry) is Reading or type(entry) is Forwarded
        )
        for counts in (self.stored, self.replaced, self.refused):
            for adapter, number in again.items():
                taken = min(number, counts.setdefault(reader, Counter())[adapter])
                counts[reader][adapter] -= taken
                again[adapter] -= taken
        self._readers[reader] = cursor

    def caught_up(self, reader: str, events: Stream, cursor: LogPosition) -> None:
        """The reader stands further than it had answered for: it has taken what is between."""
        since = self._readers.get(reader, cursor)
        if since < cursor:
            self.took(reader, _from(events, since, cursor), cursor)

    def took_after_all(self, reader: str, readings: Iterable[Reading]) -> None:
        """The reader has stored what it had refused before."""
        for reading in readings:
            if (
                self.refused.get(reader, Counter())[reading.adapter] > 0
            ):  # a part of it may have been stored, and counted, before
                self.refused[reader][reading.adapter] -= 1
                self.stored[reader][reading.adapter] += 1

    def waiting(self, reader: str, adapter: str) -> int:
        answered = (self.stored, self.refused, self.replaced)
        return self.of(adapter).logged - sum(counts.get(reader, Counter())[adapter] for counts in answered)

    # ---------------------------------------------------------------------------------------------- restarts

    def encoded(self) -> bytes:
        """The counts with the log positions they hold for. Taken in one go, so they balance; what is in flight is not in: the log may
        have it already, behind these positions, and then it is counted from there."""
        settled = {name: self._settled(name, counts) for name, counts in self.adapters.items()}
        stored, refused, replaced = (
            {name: dict(counts) for name, counts in kind.items()} for kind in (self.stored, self.refused, self.replaced)
        )
        at = self._counted
        return msgspec.json.encode(
            _Saved(at.events, at.quarantine, settled, stored, self._readers, refused, replaced, at.refusals)
        )

    def _settled(self, adapter: str, counts: Counts) -> Counts:
        """The counts without what is in flight, to the log or to quarantine."""
        unwritten = self._unwritten.get(adapter, Counts())
        faults = {kind: count - unwritten.faults.get(kind, 0) for kind, count in counts.faults.items()}
        return msgspec.structs.replace(
            counts,
            received=counts.received - counts.in_flight - unwritten.received,
            in_flight=0,
            quarantined=counts.quarantined - unwritten.quarantined,
            faults=faults,
        )

    def take_up(self, path: Path) -> None:
        """The counts of a node that only takes in, as it wrote them down: the log is the city's, and does not say who took what."""
        nothing = _Saved(BEGINNING, BEGINNING, {}, {}, {})
        self.adapters = whole_file.read(path, lambda data: msgspec.json.decode(data, type=_Saved), nothing).adapters

    @property
    def counted(self) -> tuple[LogPosition, LogPosition]:
        """Places in "events" and in quarantine before which everything is in the counts."""
        return self._counted.events, self._counted.quarantine

    def recover(self, path: Path, log: Log, cursors: dict[str, LogPosition]) -> None:
        """Take up the saved counts, and on top what stands in the log behind them.

        `cursors`: where each required reader is now.
        """
        from_log = _Saved(log.events.first, log.quarantine.first, {}, {}, {})
        saved = whole_file.read(path, lambda data: msgspec.json.decode(data, type=_Saved), from_log)
        self.adapters = saved.adapters
        ends = _Positions(log.events.next, log.quarantine.next, log.quarantine.next)
        for entry in _entries(log, "events", saved.events_next, ends.events):
            if type(entry) is Reading or type(entry) is Forwarded:
                counts = self.of(entry.adapter)
                counts.received += 1
                counts.logged += 1
        for entry in _entries(log, "quarantine", saved.quarantine_next, ends.quarantine):
            if type(entry) is Fault:
                _count(self.of(entry.adapter), [entry], 1)
        refused_from = saved.quarantine_next if saved.refusals_next is None else saved.refusals_next
        refusals = [
            Refusal(reading, entry.detail)
            for entry in _entries(log, "quarantine", refused_from, ends.refusals)
            if type(entry) is Fault and entry.by == "store"
            for reading in (entry.reading, *(entry.rest or ()))
            if reading
        ]
        self._counted = ends
        for reader, cursor in cursors.items():
            self.stored[reader] = Counter(saved.stored.get(reader, {}))
            self.refused[reader] = Counter(saved.refused.get(reader, {}))
            self.replaced[reader] = Counter(saved.replaced.get(reader, {}))
            since = self._readers[reader] = saved.readers.get(reader, log.events.first)
            if cursor < since:
                self.set_back(reader, log.events, cursor)
            self.took(reader, _entries(log, "events", since, cursor), cursor, refusals)


class _Positions(msgspec.Struct):
    """Places in "events" and "quarantine" before which everything is in the counts."""

    events: LogPosition = BEGINNING
    quarantine: LogPosition = BEGINNING
    refusals: LogPosition = BEGINNING
    """In quarantine too, of what the store refused."""


def _count(counts: Counts, faults: Iterable[Fault], sign: int) -> None:
    for fault in faults:
        if fault.by:  # counted elsewhere: by the store's answer, or when what it sums up came
            continue
        counts.received += sign * fault.readings
        counts.quarantined += sign * fault.readings
        counts.faults[fault.kind] = counts.faults.get(fault.kind, 0) + sign * fault.count


def _entries(log: Log, stream: str, start: LogPosition, end: LogPosition | None = None) -> Iterable[Event | Fault]:
    source = log.streams[stream]
    yield from _from(source, start, source.next if end is None else end)


def _from(source: Stream, start: LogPosition, end: LogPosition) -> Iterable[Event | Fault]:
    while start < end:
        batch = source.read_now(start)
        yield from batch.until(end).entries
        start = batch.next
