"""The log, and how far its readers have come."""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NewType, Protocol, TypeAlias

import msgspec

from hub.bilingual import Text

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


Key: TypeAlias = tuple[int, int]
"""By what a duplicate of an entry is told, on every machine: two numbers of 64 bits, of what says something once (a device at a time), and of what
it says."""


class Elsewhere(Protocol):
    """What another node has appended together. Nothing of it is decoded before somebody asks."""

    @property
    def keys(self) -> Sequence[Key] | None:
        """Of those entries that have one, in order; None where the node that appended them told none, so that `batch` is to be asked."""
        ...

    @property
    def batch(self) -> Batch: ...


Heard: TypeAlias = Callable[[Elsewhere], Sequence[Any]]
"""Is told what others have appended, and gives those of this node's own entries, still on their way, that stand there already."""


class LogFull(Exception):
    """The log cannot take more now; raised with a `Text` that says why, in words fit for an operator."""


class Unwritable(Exception):
    """An entry that no log can ever take: it cannot be written down as bytes. Nobody should come again with it."""


STOPPING = Text("the hub is stopping", "中枢正在停止")
"""Why a log takes nothing more from a hub that ends."""


NO_KEYS: Mapping[Key, Any] = MappingProxyType({})


class Stream(Protocol):
    """One sequence of entries that lasts. Every log is held to the same laws: `tests/laws/test_logs.py`."""

    name: str
    bytes_max: int
    """What the stream may occupy."""
    shared: bool
    """Whether other nodes append to it too, and want to be told keys."""
    refusing: Text | None
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

    def append(self, entries: Sequence[Any], keys: Mapping[Key, Any] = NO_KEYS) -> asyncio.Future[LogPosition]:
        """Keep these together, in this order. The future gives the place of the first of them once they are durable, and the others have
        the numbers behind it (`behind`). `keys`: with the entry of each, for other nodes that append to the same stream.

        Raises through the future, and none of the entries is kept then: `LogFull` where the log cannot take them now, for whatever
        reason, `Unwritable` where one of them cannot be written down.
        """
        ...

    def rest_s(self) -> float:
        """For how long whoever has just appended may leave unread what comes next, s, because it would only wait for the next commit; 0 where
        that begins as soon as something is there."""
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
