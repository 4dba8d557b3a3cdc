"""Streams of numbered entries: group commit, reading from any offset, retention, and what happens when disks misbehave."""

from __future__ import annotations

import asyncio
import bisect
import errno
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from hub.clock import now
from hub.log import segment
from hub.log.segment import Damage
from hub.model import AlertChange, Event, Fault, Reading
from hub.ports import Batch

TAIL_ENTRIES = 25_000
"""Entries kept in memory for readers that are caught up: they get the very objects, not decoded copies."""
TAIL_S = 10.0
"""And for how long: a reader that is caught up is some tenths of a second behind. At 200 readings/s the entries of two
minutes would take 20 MB that nobody asks for."""
RETRY_AFTER_S = 1.0
"""How long a stream refuses at once after a failed write, before it tries the disk again."""
RESUME_MAX = 16
"""Places in files that are remembered for readers on their way through history."""
BATCH_ENTRIES_MAX = 20_000
"""A group commit takes no more than this, so that no batch grows without bound."""

ENTRY_TYPES: Mapping[str, Any] = {"events": Event, "derived": Reading, "alerts": AlertChange, "quarantine": Fault}


class LogFull(Exception):
    """The log cannot take more now; the message says why in words fit for an operator."""


class Limits(msgspec.Struct, frozen=True):
    """What one stream may occupy."""

    bytes_max: int = 8 << 30
    age_max_s: float | None = None
    segment_bytes: int = 64 << 20
    pending_max: int = 100_000
    """Entries waiting for a commit; beyond it `append` refuses."""


class _Segment(msgspec.Struct, eq=False):
    path: Path
    first: int
    next: int
    size: int
    newest_at: int


class Log:
    """All streams of one hub in one folder: `folder/<stream>/<first offset>.log`."""

    def __init__(self, folder: Path, limits: Mapping[str, Limits] | None = None, sync: bool = True) -> None:
        """`sync=False` leaves it to the system when what was written reaches the disk: for a replay, which acknowledges
        nothing to anybody and can be played again."""
        limits = limits or {}
        self.folder = folder
        self.streams = {
            name: Stream(folder / name, kind, limits.get(name, Limits()), sync) for name, kind in ENTRY_TYPES.items()
        }
        self.events = self.streams["events"]
        self.derived = self.streams["derived"]
        self.alerts = self.streams["alerts"]
        self.quarantine = self.streams["quarantine"]

    def damage(self) -> list[Damage]:
        """What opening the log found broken, all streams together."""
        return [found for stream in self.streams.values() for found in stream.damage]

    async def close(self) -> None:
        """Commit what is pending and close the files."""
        await asyncio.gather(*(stream.close() for stream in self.streams.values()))


class Stream:
    """One sequence of entries. One process writes it; use it from one event loop."""

    def __init__(self, folder: Path, entry_type: Any, limits: Limits, sync: bool = True) -> None:
        self.name = folder.name
        self.limits = limits
        self._sync = sync
        self.damage: list[Damage] = []
        self.refusing: str | None = None
        """Why new entries are refused now, None while they are taken."""
        self._folder = folder
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(list[entry_type])
        self._segments: list[_Segment] = []
        self._resume: dict[int, tuple[_Segment, int]] = {}
        self._required: dict[str, Callable[[], int]] = {}
        self._refused_at = 0
        self._pending: list[tuple[Sequence[Any], asyncio.Future[int]]] = []
        self._pending_entries = 0
        self._committing: asyncio.Task[None] | None = None
        self._disk = ThreadPoolExecutor(1, thread_name_prefix=f"log-{self.name}")
        self._tail: deque[Batch] = deque()
        self._tail_at: deque[float] = deque()
        self._tail_entries = 0
        self._grown = asyncio.Event()
        self._fd: int | None = None
        self._position = 0
        self.next = 0
        self._open()

    # ---------------------------------------------------------------------------------------------- appending

    def append(self, entries: Sequence[Any]) -> asyncio.Future[int]:
        """Commit these together, in this order. The future gives the first offset once they are on disk.

        Raises `LogFull` (at once or through the future) where the log cannot take them; none of them is kept then.
        """
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        reason = self._reason_to_refuse(len(entries))
        if reason:
            future.set_exception(LogFull(reason))
            return future
        self._pending.append((entries, future))
        self._pending_entries += len(entries)
        if self._committing is None:
            self._committing = asyncio.get_running_loop().create_task(self._commit())
        return future

    def settled(self) -> asyncio.Future[int] | None:
        """The future of the last append still under way, None if all that was appended is on disk."""
        return self._pending[-1][1] if self._pending else self._under_way

    _under_way: asyncio.Future[int] | None = None

    def _reason_to_refuse(self, count: int) -> str | None:
        if self._pending_entries + count > max(self.limits.pending_max, count):
            return f"the log's queue is full: {self._pending_entries} entries wait for the disk"
        if self.refusing and now() - self._refused_at < RETRY_AFTER_S * 1e9:
            return self.refusing
        return None

    async def _commit(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._pending:
                group, count = self._take_group()
                self._under_way = group[-1][1]
                entries = [entry for some, _ in group for entry in some]
                try:
                    data = self._encoder.encode(entries)
                except Exception:  # one caller's unwritable entry must not cost the others theirs
                    self._pending[:0] = self._set_apart(group)
                    continue
                try:
                    if not self._make_room():
                        raise LogFull(self.refusing or "the log is full")
                    await loop.run_in_executor(self._disk, self._write, self.next, count, data)
                except Exception as error:
                    self._fail(group, error)
                    continue
                self.refusing = None
                self._publish(Batch(self.next, entries))
                offset = self.next - count
                for some, future in group:
                    if not future.done():
                        future.set_result(offset)
                    offset += len(some)
        finally:
            self._under_way = None
            self._committing = None

    def _take_group(self) -> tuple[list[tuple[Sequence[Any], asyncio.Future[int]]], int]:
        count = taken = 0
        for entries, _ in self._pending:
            if taken and count + len(entries) > BATCH_ENTRIES_MAX:
                break
            count += len(entries)
            taken += 1
        group, self._pending = self._pending[:taken], self._pending[taken:]
        self._pending_entries -= count
        return group, count

    def _set_apart(
        self, group: list[tuple[Sequence[Any], asyncio.Future[int]]]
    ) -> list[tuple[Sequence[Any], asyncio.Future[int]]]:
        """Fail the appends whose entries cannot be written down; the others come back, to be tried again."""
        good = []
        for entries, future in group:
            try:
                self._encoder.encode(entries)
            except Exception as error:
                if not future.done():
                    future.set_exception(error)
                continue
            good.append((entries, future))
            self._pending_entries += len(entries)
        return good

    def _fail(self, group: list[tuple[Sequence[Any], asyncio.Future[int]]], error: Exception) -> None:
        if isinstance(error, OSError):
            self.refusing = (
                f"the disk under {self._folder} is full; input is refused until there is room"
                if error.errno in (errno.ENOSPC, errno.EDQUOT)
                else f"the disk under {self._folder} fails ({error.strerror}); input is refused until it works again"
            )
            self._refused_at = now()
            error = LogFull(self.refusing)
        for _, future in group:
            if not future.done():
                future.set_exception(error)

    def _write(self, first: int, count: int, data: bytes) -> None:
        """In the disk thread: one frame, durable when this returns. On failure the segment ends before it."""
        if self._fd is None or self._position >= self.limits.segment_bytes:
            self._rotate(first)
        assert self._fd is not None
        at = now()
        blob = segment.frame(first, count, at, data)
        try:
            segment.write_all(self._fd, blob, self._position)
            if self._sync:
                os.fdatasync(self._fd)
        except OSError:
            self._abandon()
            raise
        newest = self._segments[-1]
        self._position += len(blob)
        newest.size, newest.next, newest.newest_at = self._position, first + count, at

    def _rotate(self, first: int) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        path = self._folder / segment.name(first)
        self._fd = segment.create(path, first)
        self._position = segment.HEADER.size
        self._segments.append(_Segment(path, first, first, self._position, now()))

    def _abandon(self) -> None:
        """After a failed write or sync nothing is known of the file's end: cut it off and begin a new segment."""
        assert self._fd is not None
        try:
            os.ftruncate(self._fd, self._position)
        except OSError:
            pass
        os.close(self._fd)
        self._fd = None
        newest = self._segments[-1]
        if newest.next == newest.first:  # a segment without a batch: its name is wanted again
            newest.path.unlink(missing_ok=True)
            self._segments.pop()

    def _publish(self, batch: Batch) -> None:
        self.next = batch.next
        at = time.monotonic()
        self._tail.append(batch)
        self._tail_at.append(at)
        self._tail_entries += len(batch.entries)
        while len(self._tail) > 1 and (self._tail_entries > TAIL_ENTRIES or at - self._tail_at[0] > TAIL_S):
            self._tail_entries -= len(self._tail.popleft().entries)
            self._tail_at.popleft()
        self._grown.set()
        self._grown = asyncio.Event()

    # ---------------------------------------------------------------------------------------------- reading

    @property
    def first(self) -> int:
        """The oldest offset still here."""
        return self._segments[0].first if self._segments else self.next

    @property
    def last_at(self) -> int | None:
        """When the newest entry was appended, ns; None in an empty stream."""
        return self._segments[-1].newest_at if self._segments else None

    async def read(self, offset: int, entries_max: int = 10_000, wait_s: float | None = None) -> Batch:
        """Entries from `offset` on, waiting for the first one (at most `wait_s`; then an empty batch).

        A batch that begins behind `offset` shows a gap: those entries were dropped by retention or are damaged.
        """
        while offset >= self.next:
            grown = self._grown
            try:
                await asyncio.wait_for(grown.wait(), wait_s)
            except TimeoutError:
                return Batch(offset, [])
        if self._tail and offset >= self._tail[0].first:
            return self._from_tail(offset, entries_max)
        return await asyncio.get_running_loop().run_in_executor(None, self._from_disk, offset, entries_max)

    def read_now(self, offset: int, entries_max: int = 10_000) -> Batch:
        """As `read`, but at once and blocking: empty at the end."""
        if offset >= self.next:
            return Batch(offset, [])
        if self._tail and offset >= self._tail[0].first:
            return self._from_tail(offset, entries_max)
        return self._from_disk(offset, entries_max)

    def _from_tail(self, offset: int, entries_max: int) -> Batch:
        at = bisect.bisect_right(self._tail, offset, key=lambda batch: batch.first) - 1
        batch = self._tail[at]
        if offset == batch.first and (len(batch.entries) >= entries_max or batch.next == self.next):
            if len(batch.entries) <= entries_max:
                return batch
            return Batch(offset, batch.entries[:entries_max])
        taken: list[Any] = []
        while at < len(self._tail) and len(taken) < entries_max:
            batch = self._tail[at]
            taken.extend(batch.entries[max(0, offset - batch.first) :])
            at += 1
        return Batch(offset, taken[:entries_max])

    def _from_disk(self, offset: int, entries_max: int) -> Batch:
        """The next entries at or behind `offset` that are whole on disk, from one segment."""
        for part, position in self._places(offset):
            taken: list[Any] = []
            first, last = offset, position
            for found in segment.walk(part.path, position):
                if isinstance(found, Damage):
                    self._note(found)
                    continue
                frame, payload = found
                if frame.next <= offset:
                    continue
                if taken and (frame.first != first + len(taken) or len(taken) + frame.entries > entries_max):
                    break
                skip = max(0, offset - frame.first)
                first = first if taken else frame.first + skip
                try:
                    taken.extend(self._decoder.decode(payload)[skip : skip + entries_max])
                except msgspec.MsgspecError:  # a whole frame that holds what this version cannot read
                    self._note(Damage(part.path.name, frame.position, frame.size))
                    continue
                last = frame.position
            if taken:
                self._remember(first + len(taken), part, last)
                return Batch(first, taken)
        if self._tail:  # nothing whole between here and what is in memory
            return self._from_tail(self._tail[0].first, entries_max)
        return Batch(self.next, [])

    def _places(self, offset: int) -> list[tuple[_Segment, int]]:
        """Segments that may hold `offset` or what follows it, each with the position to begin at."""
        if offset in self._resume:
            part, position = self._resume.pop(offset)
            if part in self._segments:
                later = self._segments[self._segments.index(part) + 1 :]
                return [(part, position), *((other, segment.HEADER.size) for other in later)]
        at = max(0, bisect.bisect_right(self._segments, offset, key=lambda part: part.first) - 1)
        return [(part, segment.HEADER.size) for part in self._segments[at:]]

    def _remember(self, offset: int, part: _Segment, position: int) -> None:
        self._resume[offset] = (part, position)
        while len(self._resume) > RESUME_MAX:
            self._resume.pop(next(iter(self._resume)))

    def _note(self, damage: Damage) -> None:
        if damage not in self.damage:
            self.damage.append(damage)

    # ---------------------------------------------------------------------------------------------- keeping and dropping

    def require(self, reader: str, cursor: Callable[[], int]) -> None:
        """Keep what this reader still needs: entries from `cursor()` on are never dropped."""
        self._required[reader] = cursor

    def size(self) -> int:
        """Bytes on disk."""
        return sum(part.size for part in self._segments)

    def begin_at(self, offset: int) -> None:
        """Never number a new entry below `offset`: readers have been there, though damage may have eaten the end."""
        self.next = max(self.next, offset)

    def trim(self, until: int) -> None:
        """Drop whole old segments that lie over the size or age limit and below `until` and every required cursor."""
        keep_from = min([until, *(cursor() for cursor in self._required.values())])
        while len(self._segments) > 1 and self._segments[1].first <= keep_from:
            oldest = self._segments[0]
            aged = self.limits.age_max_s is not None and now() - oldest.newest_at > self.limits.age_max_s * 1e9
            if self.size() <= self.limits.bytes_max and not aged:
                return
            self._segments.pop(0)
            oldest.path.unlink(missing_ok=True)

    def _make_room(self) -> bool:
        if self.size() < self.limits.bytes_max:
            return True
        self.trim(self.next)
        if self.size() < self.limits.bytes_max + self.limits.segment_bytes:  # the newest segment is never dropped
            return True
        behind = min(self._required, key=lambda reader: self._required[reader](), default="")
        self.refusing = f"the log {self.name!r} holds {self.size() >> 20} MiB that {behind or 'its readers'} has not taken yet; input is refused until it catches up"
        self._refused_at = now()
        return False

    # ---------------------------------------------------------------------------------------------- opening and closing

    def _open(self) -> None:
        """Find the segments. Only the newest is read: it is where a crash leaves its mark; others are checked when read."""
        self._folder.mkdir(parents=True, exist_ok=True)
        paths = sorted(self._folder.glob(f"*{segment.SUFFIX}"))
        for number, path in enumerate(paths, 1):
            first = int(path.stem)
            status = path.stat()
            part = _Segment(path, first, first, status.st_size, status.st_mtime_ns)
            if number == len(paths):
                for found in segment.walk(path):
                    if isinstance(found, Damage):
                        self._note(found)
                    else:
                        part.next, part.newest_at = found[0].next, found[0].at
            else:
                part.next = int(paths[number].stem)
            if part.next > first:
                self._segments.append(part)
            elif status.st_size > segment.HEADER.size:
                path.rename(path.with_suffix(".damaged"))
            else:  # created, but nothing was committed
                path.unlink()
        self.next = self._segments[-1].next if self._segments else 0

    async def close(self) -> None:
        while self._committing is not None:
            await asyncio.wait([self._committing])
        self._disk.shutdown()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
