"""Streams of numbered entries: group commit, reading from any offset, retention, and what happens when disks misbehave."""

from __future__ import annotations

import asyncio
import bisect
import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from hub.bilingual import Text
from hub.clock import now
from hub.error_words import of_system
from hub.log import segment
from hub.log.disk import DiskThread
from hub.log.linger import Linger
from hub.log.numbered import numbered
from hub.log.pending import Append, Group, Pending
from hub.log.segment import Damage
from hub.log.tail import Tail
from hub.model import AlertChange, Event, Fault, Reading
from hub.ports import FRAME_ENTRIES_MAX, NO_KEYS, Batch, Heard, Key, LogFull, LogPosition, Unwritable
from hub.whole_file import make_folder

TELL_AGAIN_S = 0.1
RETRY_AFTER_S = 1.0
"""How long a stream refuses at once after a failed write, before it tries the disk again."""
RESUME_MAX = 16
"""Places in files that are remembered for readers on their way through history."""
GROUP_BYTES_MAX = 8 << 20
"""A group commit takes no more bytes than this and no more entries than `FRAME_ENTRIES_MAX`, so that no batch grows without bound."""
SEGMENTS_MIN = 8
"""A stream is kept in at least so many segments, because room is made by dropping the oldest of them."""

DAMAGED = ".damaged"
"""The ending of a segment in which nothing can be read."""

ENTRY_TYPES: Mapping[str, Any] = {"events": Event, "derived": Reading, "alerts": AlertChange, "quarantine": Fault}


class Limits(msgspec.Struct, frozen=True):
    """What one stream may occupy."""

    bytes_max: int = 8 << 30
    age_max_s: float | None = None
    segment_bytes: int = 64 << 20
    pending_max: int = 100_000
    pending_bytes_max: int = 64 << 20
    """Entries and bytes waiting for a commit; while so much waits `append` refuses. What waits is over them by one append at
    most, so that an append larger than all of it finds its way too."""


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
        self.streams: Mapping[str, Stream] = {
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

    shared = False

    def __init__(self, folder: Path, entry_type: Any, limits: Limits, sync: bool = True) -> None:
        self.name = folder.name
        self.limits = limits
        self.bytes_max = limits.bytes_max
        self._sync = sync
        self.damage: list[Damage] = []
        self.refusing: Text | None = None
        """Why new entries are refused now, None while they are taken."""
        self._folder = folder
        self._decoder = msgspec.msgpack.Decoder(list[entry_type])
        self._segments: list[_Segment] = []
        self._resume: dict[int, tuple[_Segment, int]] = {}
        self._required: dict[str, Callable[[], LogPosition]] = {}
        self._refused_at = 0.0
        self._pending = Pending(FRAME_ENTRIES_MAX, GROUP_BYTES_MAX)
        self._idle = asyncio.Event()
        """Set while no commit is due or under way."""
        self._idle.set()
        self._linger = Linger(self._commit)
        self._disk = DiskThread(f"log-{self.name}")
        self._tail = Tail()
        self._waiting: dict[asyncio.Future[None], None] = {}
        """Readers at the end, in the order in which they came there."""
        self._fd: int | None = None
        self._position = 0
        self._segment_bytes = min(limits.segment_bytes, limits.bytes_max // SEGMENTS_MIN)
        self._roll = False
        self._stray: tuple[Path, int] | None = None
        self.next = LogPosition(0)
        """The number that the next entry gets."""
        self._open()

    # ---------------------------------------------------------------------------------------------- appending

    def append(self, entries: Sequence[Any], keys: Mapping[Key, Any] = NO_KEYS) -> asyncio.Future[LogPosition]:
        """Commit these together, in this order. The future gives the first offset once they are on disk.

        Raises through the future, and none of the entries is kept then: `LogFull` where the log cannot take them now,
        `Unwritable` where one of them cannot be written down.
        """
        future: asyncio.Future[LogPosition] = asyncio.get_running_loop().create_future()
        reason = self._reason_to_refuse()
        if reason:
            future.set_exception(LogFull(reason))
            return future
        try:
            data = self._pending.encoded(entries)
        except (Unwritable, LogFull) as error:  # one caller's unwritable entry costs the others nothing
            future.set_exception(error)
            return future
        self._pending.add(Append(entries, data, future))
        if self._idle.is_set():
            self._idle.clear()
            self._linger.begin(self._pending.entries)
        else:
            self._linger.grown(self._pending.entries)
        return future

    def rest_s(self) -> float:
        """See `hub.ports.Stream`."""
        return self._linger.rest_s(self._pending.entries)

    def _reason_to_refuse(self) -> Text | None:
        limits = self.limits
        if self._pending.entries >= limits.pending_max or self._pending.bytes >= limits.pending_bytes_max:
            entries, size = self._pending.entries, f"{self._pending.bytes >> 10} KiB"
            return Text(
                f"the log's queue is full: {entries} entries, {size} wait for the disk",
                f"日志写入队列已满：{entries} 条、{size} 等待写盘",
            )
        if self.refusing and time.monotonic() - self._refused_at < RETRY_AFTER_S:
            return self.refusing
        return None

    def _commit(self) -> None:
        """Give the oldest that waits to the disk. `_ended` follows."""
        try:
            group = self._pending.take()
        except Exception:  # no memory for it: its appends have been told
            self._go_on()
            raise
        try:
            if not self._make_room(len(group.data)):
                raise LogFull(self.refusing or Text("the log is full", "日志已满"))
            self._disk.do(partial(self._write_and_tell, asyncio.get_running_loop(), self.next, group))
        except Exception as error:
            self._ended(group, error)

    def _write_and_tell(self, loop: asyncio.AbstractEventLoop, first: LogPosition, group: Group) -> None:
        """In the disk thread."""
        failed: Exception | None = None
        try:
            self._write(first, len(group.entries), group.data)
        except Exception as error:
            failed = error
        while True:
            try:
                loop.call_soon_threadsafe(self._ended, group, failed)
                return
            except MemoryError:  # whoever waits has to be told, and what is on disk to be counted
                time.sleep(TELL_AGAIN_S)
            except RuntimeError:  # the loop has ended, and nobody waits any more
                return

    def _ended(self, group: Group, failed: Exception | None) -> None:
        """A commit is over: its entries are on disk, or none of them is. The next follows where something waits."""
        try:
            if failed is None:
                self._committed(group)
            else:
                self._fail(group, failed)
        except Exception as error:
            group.fail(error)
            raise
        finally:
            self._go_on()

    def _go_on(self) -> None:
        """With what waits for the disk."""
        if self._pending:
            self._linger.begin(self._pending.entries)
        else:
            self._idle.set()

    def _committed(self, group: Group) -> None:
        self.refusing = None
        offset = self.next
        self.next = LogPosition(offset + len(group.entries))  # first of all: these numbers are taken on the disk
        self._publish(offset, group)
        self._linger.committed(len(group.entries), bool(self._pending))
        for append in group.appends:
            if not append.future.done():
                append.future.set_result(offset)
            offset = LogPosition(offset + len(append.entries))
        with suppress(OSError):  # an old segment that cannot be removed now is tried again with the next commit
            self._drop(0)

    def _fail(self, group: Group, error: Exception) -> None:
        if isinstance(error, OSError):
            self.refusing = _why_refused(self._folder, error)
            self._refused_at = time.monotonic()
            error = LogFull(self.refusing)
        group.fail(error)

    def _write(self, first: int, count: int, data: bytes) -> None:
        """In the disk thread: one frame, durable when this returns. On failure the segment ends before it."""
        at = now()
        blob = segment.frame(first, count, at, data)
        full = self._roll or self._position + len(blob) > self._segment_bytes
        if self._fd is None or (full and self._position > segment.HEADER.size):
            self._rotate(first)
        assert self._fd is not None
        try:
            segment.write_all(self._fd, blob, self._position)
            if self._sync:
                os.fdatasync(self._fd)
            segment.see_that_it_is_there(self._fd, self._segments[-1].path)
        except Exception:
            self._abandon()
            raise
        newest = self._segments[-1]
        self._position += len(blob)
        newest.size, newest.next, newest.newest_at = self._position, first + count, at

    def _rotate(self, first: int) -> None:
        self._cut_off()
        self._let_go()
        path = self._folder / segment.name(first)
        if self._segments and self._segments[-1].path == path:
            self._segments.pop()
        path.unlink(missing_ok=True)  # what a try left that failed: nothing was ever committed to it
        self._fd = segment.create(path, first)
        self._position = segment.HEADER.size
        self._segments.append(_Segment(path, first, first, self._position, now()))
        self._roll = False

    def _abandon(self) -> None:
        """After a failed write or sync nothing is known of the file's end: cut it off and begin a new segment."""
        self._let_go()
        newest = self._segments[-1]
        if newest.next == newest.first:  # a segment without a batch: its name is wanted again
            self._segments.pop()
            with suppress(OSError):  # tried again before anything else is written
                newest.path.unlink(missing_ok=True)
            return
        self._stray = newest.path, self._position
        with suppress(OSError):  # tried again before anything else is written
            self._cut_off()

    def _let_go(self) -> None:
        """Close the newest segment. Whatever the system says then, its descriptor is gone, and the number may be another file's."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with suppress(OSError):  # what was acknowledged has been synced
                os.close(fd)

    def _cut_off(self) -> None:
        """Take away what a failed write left behind the last good frame: it was refused, so it must not come back. Its
        offsets go to what is written next. Raises OSError; until it succeeds nothing is written."""
        if self._stray is None:
            return
        path, size = self._stray
        with suppress(FileNotFoundError):  # somebody has removed it
            fd = os.open(path, os.O_RDWR)
            try:
                os.ftruncate(fd, size)
                os.fdatasync(fd)
            finally:
                os.close(fd)
        self._stray = None

    def _publish(self, first: LogPosition, group: Group) -> None:
        """Have readers find it."""
        try:
            self._tail.add(numbered(first, group.entries), len(group.data))
        except MemoryError:  # a tail with a gap would hide entries; the disk has them
            self._tail = Tail()
        waiting, self._waiting = self._waiting, {}
        for reader in waiting:
            if not reader.done():
                reader.set_result(None)

    # ---------------------------------------------------------------------------------------------- reading

    @property
    def first(self) -> LogPosition:
        """The oldest offset still here."""
        return LogPosition(self._segments[0].first) if self._segments else self.next

    @property
    def last_at(self) -> int | None:
        """When the newest entry was appended, ns; None in an empty stream."""
        return self._segments[-1].newest_at if self._segments else None

    async def read(self, position: LogPosition, entries_max: int = 10_000, wait_s: float | None = None) -> Batch:
        """Entries from `position` on, waiting for the first one (at most `wait_s`; then an empty batch).

        A batch that begins behind `position` shows a gap: those entries were dropped by retention or are damaged.
        """
        offset = position
        while offset >= self.next:
            more = asyncio.get_running_loop().create_future()
            self._waiting[more] = None
            try:
                await (more if wait_s is None else asyncio.wait_for(more, wait_s))
            except TimeoutError:
                return numbered(offset, [])
            finally:
                self._waiting.pop(more, None)
        if self._tail.holds(offset):
            return self._tail.read(offset, entries_max)
        return await asyncio.get_running_loop().run_in_executor(None, self._from_disk, offset, entries_max)

    def read_now(self, position: LogPosition, entries_max: int = 10_000) -> Batch:
        """As `read`, but at once and blocking: empty at the end."""
        offset = position
        if offset >= self.next:
            return numbered(offset, [])
        if self._tail.holds(offset):
            return self._tail.read(offset, entries_max)
        return self._from_disk(offset, entries_max)

    def _from_disk(self, offset: int, entries_max: int) -> Batch:
        """The next entries at or behind `offset` that are whole on disk, from one segment."""
        for part, position in self._places(offset):
            taken: list[Any] = []
            first, last = offset, position
            for found in self._walk(part, position):
                if isinstance(found, Damage):
                    self._note(found)
                    continue
                frame, payload = found
                if frame.next <= offset or frame.next > part.next:  # the latter was never acknowledged
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
                return numbered(first, taken)
        # Nothing whole between here and what is in memory.
        return self._tail.read_oldest(entries_max) or numbered(self.next, [])

    def _walk(self, part: _Segment, position: int) -> Iterator[tuple[segment.Frame, bytes] | Damage]:
        """As `segment.walk`; a segment that somebody has removed is damaged from its beginning to its end."""
        try:
            yield from segment.walk(part.path, position)
        except FileNotFoundError:
            yield Damage(part.path.name, 0, part.size)

    def lag(self, position: LogPosition, end: LogPosition | None = None) -> int:
        """How many entries lie from `position` to before `end`, which is `next` without one; 0 where none does."""
        return max(0, (self.next if end is None else end) - position)

    def before(self, end: LogPosition, entries: int) -> LogPosition:
        """The place so many entries before `end`; `first` where there are fewer."""
        return LogPosition(max(self.first, end - entries))

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

    def hear(self, since: LogPosition, told: Heard) -> None:
        """Nobody: a data folder is one hub's."""

    def require(self, reader: str, cursor: Callable[[], LogPosition]) -> None:
        """Keep what this reader still needs: entries from `cursor()` on are never dropped."""
        self._required[reader] = cursor

    def size(self) -> int:
        """Bytes on disk."""
        return sum([part.size for part in self._segments])

    def begin_at(self, position: LogPosition) -> None:
        """Never number a new entry below `position`: readers have been there, though damage may have eaten the end."""
        self.next = max(self.next, position)

    def trim(self) -> None:
        """Drop whole old segments that lie over the size or age limit and below every required cursor. What cannot be removed now is tried
        again the next time."""
        keep_from = self._kept_from()
        while len(self._segments) > 1 and self._segments[1].first <= keep_from:
            if self.size() <= self.limits.bytes_max and not self._aged():
                return
            try:
                self._drop_oldest()
            except OSError:
                return

    def _aged(self) -> bool:
        """Whether the oldest segment is too old. It is no younger than any behind it, whatever the clock said then."""
        if self.limits.age_max_s is None:
            return False
        return now() - min(part.newest_at for part in self._segments) > self.limits.age_max_s * 1e9

    def _kept_from(self) -> int:
        """The oldest offset that a required reader still needs."""
        return min([self.next, *(cursor() for cursor in self._required.values())])

    def _make_room(self, size: int) -> bool:
        """Whether `size` more bytes may be written. Without a reader that needs the old there is always room: a commit
        that is larger than the quota is itself what the next one drops."""
        if self.size() + size <= self.limits.bytes_max:
            return True
        keep_from = self._kept_from()
        needed = sum(part.size for part in self._segments if part.next > keep_from)
        if not needed or needed + size <= self.limits.bytes_max:
            self._drop(size)
            return True
        behind = min(self._required, key=lambda reader: self._required[reader](), default="")
        self.refusing = Text(
            f"the log {self.name!r} holds {needed >> 20} MiB that {behind or 'its readers'} has not taken yet; input is refused until it catches up",
            f"日志 {self.name!r} 中有 {needed >> 20} MiB 尚未被{f' {behind} ' if behind else '读者'}取走；赶上前拒收数据",
        )
        self._refused_at = time.monotonic()
        return False

    def _drop(self, size: int) -> None:
        """Drop the oldest until `size` more bytes fit into the quota. The newest segment gives the next entry its number, so it
        goes only after the next commit has begun another."""
        if self.size() + size <= self.limits.bytes_max:
            return
        keep_from = self._kept_from()
        while self._segments and self._segments[0].next <= keep_from and self.size() + size > self.limits.bytes_max:
            if len(self._segments) == 1:
                self._roll = True
                return
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._segments[0].path.unlink(missing_ok=True)
        self._segments.pop(0)

    # ---------------------------------------------------------------------------------------------- opening and closing

    def _open(self) -> None:
        """Find the segments. Only the newest is read: it is where a crash leaves its mark; others are checked when read. It is synced
        first: a process that was killed between a write and its sync leaves a frame that can be read, and that would be gone after a
        power cut, when readers have gone by it and its readings have been acknowledged as duplicates."""
        make_folder(self._folder)
        paths = sorted(path for path in self._folder.glob(f"*{segment.SUFFIX}") if path.stem.isdecimal())
        for number, path in enumerate(paths, 1):
            first = int(path.stem)
            self.next = LogPosition(max(self.next, first))
            status = path.stat()
            part = _Segment(path, first, first, status.st_size, status.st_mtime_ns)
            if number == len(paths):
                if self._sync:
                    segment.sync(path)
                for found in segment.walk(path):
                    if isinstance(found, Damage):
                        self._note(found)
                    else:
                        part.next, part.newest_at = found[0].next, found[0].at
            else:
                part.next = int(paths[number].stem)
            if (
                part.next > first or status.st_size <= segment.HEADER.size
            ):  # one without a batch keeps the number it begins at
                self._segments.append(part)
                self.next = LogPosition(max(self.next, part.next))
            else:
                path.rename(path.with_suffix(DAMAGED))
        for path in self._folder.glob(f"*{DAMAGED}"):
            if path.stem.isdecimal():
                self.next = LogPosition(max(self.next, int(path.stem)))

    async def close(self) -> None:
        """Commit what waits, at once, and close the file."""
        self._linger.close()
        await self._idle.wait()
        self._disk.close()
        self._let_go()


def _why_refused(folder: Path, error: OSError) -> Text:
    """What keeps the log from being written, so that whoever reads it looks in the right place."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Text(
            f"the disk under {folder} is full; input is refused until there is room",
            f"{folder} 所在磁盘已满；腾出空间前拒收数据",
        )
    if error.errno in (errno.EAGAIN, errno.ENOMEM):
        return Text(
            f"the system has no thread or no memory to write to {folder} with; input is refused until it has",
            f"系统没有可用的线程或内存写入 {folder}；恢复前拒收数据",
        )
    return Text(
        f"the disk under {folder} fails ({error.strerror}); input is refused until it works again",
        f"{folder} 所在磁盘出错（{of_system(error).zh}）；恢复前拒收数据",
    )
