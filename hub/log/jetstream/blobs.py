"""Blobs: the messages of a stream, each with the entries of one commit. Where an entry stands is its blob's number and its own in it.

position = number of the blob in the stream << 16 | number of the entry in the blob
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from hub.log.keyed import unpacked
from hub.ports import Batch, Key, LogPosition

BITS = 16
ENTRIES_MAX = (1 << BITS) - 1
"""Of one blob."""
CACHE_BYTES = 12 << 20
"""What is kept of blobs in memory, as they travel: readers that are caught up get the very objects."""
COUNTS_MAX = 200_000
"""Blobs of which it is remembered how many entries they have."""


def place(blob: int, entry: int = 0) -> LogPosition:
    return LogPosition(blob << BITS | entry)


def blob_of(position: LogPosition) -> int:
    return position >> BITS


def entry_of(position: LogPosition) -> int:
    return position & ENTRIES_MAX


class Blob:
    """One message of the stream as it was read. Its entries are decoded when somebody asks for them: a node that only takes in never does."""

    def __init__(
        self,
        number: int,
        count: int,
        size: int,
        read: Callable[[], Sequence[Any]],
        keys: bytes | None = None,
        identity: str = "",
        term: int = 0,
    ) -> None:
        """`count`: of its entries, which `read` gives. `keys`: as they are packed, None where the writer told none. `identity`: the message's
        id, by which its writer knows it again; empty for what this node has written itself. `term`: of the lease that its writer held; 0
        where it held none."""
        self.number, self.count, self.size = number, count, size
        self.identity, self.term = identity, term
        self._read, self._keys = read, keys

    @cached_property
    def entries(self) -> Sequence[Any]:
        found = self._read()
        self._read = tuple  # and the bytes may go
        return found

    @property
    def keys(self) -> Sequence[Key] | None:
        return None if self._keys is None else unpacked(self._keys)

    @property
    def batch(self) -> Batch:
        positions = [place(self.number, at) for at in range(len(self.entries))]
        return Batch(self.entries, [*positions, place(self.number + 1)])


class Blobs:
    """The blobs of one stream that are at hand, and what is known of the others."""

    def __init__(self) -> None:
        self._cache: OrderedDict[int, Blob] = OrderedDict()
        self._bytes = 0
        self._counts: OrderedDict[int, int] = OrderedDict()
        self._counted = 0

    def add(self, blob: Blob) -> None:
        if blob.number in self._cache:
            return
        self.count(blob.number, blob.count)
        self._cache[blob.number] = blob
        self._bytes += blob.size
        while len(self._cache) > 1 and self._bytes > CACHE_BYTES:
            self._bytes -= self._cache.popitem(last=False)[1].size

    def count(self, number: int, entries: int) -> None:
        """That blob has so many entries."""
        if number not in self._counts:
            self._counts[number] = entries
            self._counted += entries
            if len(self._counts) > COUNTS_MAX:
                self._counted -= self._counts.popitem(last=False)[1]

    def __contains__(self, number: int) -> bool:
        return number in self._cache

    def get(self, number: int) -> Blob | None:
        """That blob, None where it is not at hand."""
        return self._cache.get(number)

    def entries(self, number: int) -> int | None:
        """How many entries that blob has, None where that is not known."""
        return self._counts.get(number)

    def estimate(self, first: int, end: int) -> int:
        """How many entries the blobs from `first` to before `end` have: as many as is known, those of which nothing is known taken as
        the others are on the mean."""
        if end <= first:
            return 0
        if end - first > len(self._counts):
            counts = self._counts.copy()  # the servers' own thread counts on meanwhile
            known = {number: count for number, count in counts.items() if first <= number < end}
        else:
            known = {number: count for number in range(first, end) if (count := self._counts.get(number)) is not None}
        mean = self._counted / len(self._counts) if self._counts else 1.0
        return sum(known.values()) + round((end - first - len(known)) * max(1.0, mean))

    def gather(self, position: LogPosition, end: int, entries_max: int) -> Batch:
        """Entries from `position` on as far as they are at hand, before blob `end`."""
        number, at = blob_of(position), entry_of(position)
        entries: list[Any] = []
        positions: list[LogPosition] = []
        follows = position
        while number < end and len(entries) < entries_max and (blob := self._cache.get(number)) is not None:
            part = blob.entries[at : at + entries_max - len(entries)]
            entries += part
            positions += [place(number, at + more) for more in range(len(part))]
            at += len(part)
            follows = place(number, at)
            if at >= len(blob.entries):
                number, at = number + 1, 0
                follows = place(number)
        return Batch(entries, [*positions, follows])
