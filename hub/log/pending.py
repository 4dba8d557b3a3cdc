"""Entries on their way into a log: taken up one append at a time, handed on in groups."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from hub.bilingual import Text
from hub.defects import told
from hub.log.keyed import KEY_BYTES, packed
from hub.ports import NO_KEYS, Key, LogFull, LogPosition, Unwritable


class Append(NamedTuple):
    """Entries on their way, and the same in MessagePack, one after another."""

    entries: Sequence[Any]
    data: bytes
    future: asyncio.Future[LogPosition]
    keys: Mapping[Key, Any] = NO_KEYS

    @property
    def size(self) -> int:
        """Bytes, with the keys."""
        return len(self.data) + KEY_BYTES * len(self.keys)


class Group:
    """Appends that go together: one array of MessagePack, and their keys behind it."""

    def __init__(self, appends: Sequence[Append]) -> None:
        self.hold(appends)

    def hold(self, appends: Sequence[Append]) -> None:
        """These and no others."""
        self.appends = appends
        self.entries = [entry for append in appends for entry in append.entries]
        keys = [key for append in appends for key in append.keys]
        self.keys = len(keys)
        head = _array_head(len(self.entries))
        self.data = b"".join([head, *(append.data for append in appends), packed(keys)])

    def fail(self, error: Exception) -> None:
        fail(self.appends, error)


def not_now(error: Exception) -> LogFull:
    """What keeps entries from being kept is a reason to come again with them, whatever it is: only `Unwritable` is none."""
    return error if isinstance(error, LogFull) else LogFull(Text("the log failed: ", "日志出错：") + told(error))


def fail(appends: Sequence[Append], error: Exception) -> None:
    error = not_now(error)
    for append in appends:
        if not append.future.done():
            append.future.set_exception(error)


class Pending:
    """What waits, in order, with its size. Use it from one event loop."""

    def __init__(self, entries_max: int, bytes_max: int) -> None:
        """`entries_max`, `bytes_max`: of one group. One append is never split: where it is larger, it is a group by itself."""
        self._entries_max, self._bytes_max = entries_max, bytes_max
        self._encoder = msgspec.msgpack.Encoder()
        self._appends: deque[Append] = deque()
        self.entries = 0
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self._appends)

    def add(self, append: Append) -> None:
        self._appends.append(append)
        self.entries += len(append.entries)
        self.bytes += append.size

    def encoded(self, entries: Sequence[Any]) -> bytes:
        """The entries one after another. Raises `Unwritable`, or `LogFull` without memory for them."""
        try:
            return self._encoder.encode(entries)[len(_array_head(len(entries))) :]
        except MemoryError as error:
            raise not_now(error) from None
        except Exception as error:
            raise Unwritable(told(error).en) from error

    def take(self) -> Group:
        """The oldest that go together. Raises what making the group raises, and tells its appends."""
        appends = self._behind([])
        try:
            return Group(appends)
        except Exception as error:
            fail(appends, error)
            raise

    def add_to(self, group: Group) -> None:
        """What has come since it was taken goes with it, as far as there is room."""
        if self._appends:
            group.hold(self._behind(group.appends))

    def _behind(self, appends: Sequence[Append]) -> list[Append]:
        together = list(appends)
        entries = sum([len(append.entries) for append in together])
        size = sum([append.size for append in together])
        while self._appends:
            more, bytes_more = len(self._appends[0].entries), self._appends[0].size
            entries, size = entries + more, size + bytes_more
            if together and (entries > self._entries_max or size > self._bytes_max):
                break
            together.append(self._appends.popleft())
            self.entries -= more
            self.bytes -= bytes_more
        return together


def _array_head(count: int) -> bytes:
    """How an array of so many entries begins in MessagePack."""
    if count < 16:
        return bytes((0x90 | count,))
    return b"\xdc" + count.to_bytes(2) if count < 1 << 16 else b"\xdd" + count.to_bytes(4)
