"""The newest entries of a stream in memory: readers that are caught up get the very objects, not decoded copies."""

from __future__ import annotations

import bisect
import time
from collections import deque
from typing import Any, NamedTuple

from hub.log.numbered import numbered
from hub.ports import Batch

TAIL_BYTES = 12 << 20
"""How much is kept, measured as it stands on disk: five full frames of ordinary readings, so that a reader which takes one is not
outrun by the next."""
TAIL_S = 10.0
"""And for how long: a reader that is caught up is some tenths of a second behind. At 200 readings/s the entries of two
minutes would take 20 MB that nobody asks for."""


class _Kept(NamedTuple):
    size: int
    at: float


class Tail:
    """Consecutive batches, the newest last. The newest is always there once one was added."""

    def __init__(self) -> None:
        self.batches: deque[Batch] = deque()
        self._kept: deque[_Kept] = deque()
        self._bytes = 0

    def add(self, batch: Batch, size: int) -> None:
        """`size`: of the batch on disk, in bytes."""
        at = time.monotonic()
        self.batches.append(batch)
        self._kept.append(_Kept(size, at))
        self._bytes += size
        while len(self.batches) > 1 and (self._bytes > TAIL_BYTES or at - self._kept[0].at > TAIL_S):
            self.batches.popleft()
            self._bytes -= self._kept.popleft().size

    def holds(self, offset: int) -> bool:
        """Whether nothing from `offset` on is missing here."""
        return bool(self.batches) and offset >= self.batches[0].first

    def read(self, offset: int, entries_max: int) -> Batch:
        """Entries from `offset` on, which is held."""
        newest = self.batches[-1]
        if offset == newest.first and len(newest.entries) <= entries_max:  # whoever is woken by each commit
            return newest
        at = bisect.bisect_right(self.batches, offset, key=lambda batch: batch.first) - 1
        batch = self.batches[at]
        if offset == batch.first and len(batch.entries) >= entries_max:
            return batch if len(batch.entries) == entries_max else numbered(offset, batch.entries[:entries_max])
        taken: list[Any] = []
        while at < len(self.batches) and len(taken) < entries_max:
            batch = self.batches[at]
            taken.extend(batch.entries[max(0, offset - batch.first) :])
            at += 1
        return numbered(offset, taken[:entries_max])

    def read_oldest(self, entries_max: int) -> Batch | None:
        """What is here from its beginning on; None where nothing was added yet."""
        return self.read(self.batches[0].first, entries_max) if self.batches else None
