"""A byte stream cut into frames that begin with a mark and state their own length, and the junk between them.

Whatever the chunks, the cuts are the same: junk is handed out once it surely ends, a frame once it is whole. A frame
whose checksum does not fit may lie about its length too, so the codec gives it back and the next start inside counts;
so does a frame that the end of the stream cuts off, and one whose end has not come for long while a whole one has.

No byte is searched twice for a start, and nothing is looked at again before enough bytes are there to tell more. A
stranger can make a codec check one frame's length of bytes for each header that he sends, and no more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

from hub.moment import SECOND

PATIENCE_NS = 60 * SECOND
"""A frame whose end has not come in this time may lie about its length: it gives way to a whole one behind it. Else those behind it would wait,
unanswered, until as many bytes as it states have come."""
LOOK_AGAIN_NS = SECOND
"""And so often is looked for one then: what stands behind it is gone through each time."""


class Stretch(Enum):
    """What a stretch of the stream is."""

    JUNK = "junk"
    FRAME = "frame"
    CUT = "cut"
    """A frame that the end of the stream cuts off, or whose end has not come for long, up to where a whole one stands behind it."""


class DeclaredFrames:
    """The framing of one connection.

    `start` finds where a frame may begin; `plausible(buffer, at)` says whether a header stands there (None while more
    bytes must come to tell); `size(buffer, at)` is that frame's length in bytes; `limit` bounds frames and junk.
    """

    def __init__(
        self,
        start: re.Pattern[bytes],
        plausible: Callable[[bytes | bytearray, int], bool | None],
        size: Callable[[bytes | bytearray, int], int],
        limit: int,
    ) -> None:
        self._start, self._plausible, self._size, self._limit = start, plausible, size, limit
        self._buffer = bytearray()
        self._at = 0
        self._searched = 0
        """No frame begins between `_at` and here."""
        self._needed = 0
        """Bytes behind `_at` without which the next stretch cannot be told."""
        self._now: int | None = None
        self._waits_until: int | None = None
        """When the frame at `_at`, which is not whole yet, may be in the way of others; None where there is none."""
        self._ended = False

    def add(self, data: bytes, at: int | None = None) -> None:
        """`at`: when they came, ns; without it no frame is waited for too long."""
        self._buffer += data
        self._now = at

    def take(self) -> tuple[Stretch, bytes] | None:
        """The next stretch; None when more bytes are needed, or, behind `end`, when nothing is left."""
        stop, kind = self._extent()
        if stop == self._at:
            del self._buffer[: self._at]
            self._searched = max(0, self._searched - self._at)
            self._at = 0
            if self._ended:
                self._buffer.clear()
                self._searched, self._ended = 0, False
            return None
        raw = bytes(self._buffer[self._at : stop])
        self._move(stop)
        return kind, raw

    def give_back(self, raw: bytes) -> bytes:
        """The stretch of a damaged frame that is surely lost; from the next possible start on it is read again."""
        begin = self._at - len(raw)
        cut = self._next_start(raw, 1, len(raw))
        self._move(begin + cut)
        return raw[:cut]

    def end(self) -> None:
        """The stream ends here: `take` now gives all that is left."""
        self._ended = True
        self._needed = 0

    def _move(self, at: int) -> None:
        self._at = self._searched = at
        self._needed = 0
        self._waits_until = None

    def _extent(self) -> tuple[int, Stretch]:
        """Where the next stretch ends, and what it is; where it begins when more bytes are needed."""
        buffer, at = self._buffer, self._at
        have = len(buffer) - at
        if have == 0 or (have < self._needed and not self._waits_long()):
            return at, Stretch.JUNK
        start = self._next_start(buffer, max(self._searched, at), at + self._limit)
        self._searched = start
        if start > at:
            sure = self._ended or start - at >= self._limit or (start < len(buffer) and self._plausible(buffer, start))
            return (start if sure else at), Stretch.JUNK
        if not self._plausible(buffer, at):
            return (self._behind_the_cut(at) if self._ended else at), Stretch.CUT
        size = self._size(buffer, at)
        if size <= have:
            return at + size, Stretch.FRAME
        self._needed = size
        return (self._behind_the_cut(at) if self._ended else self._overtaken(at)), Stretch.CUT

    def _waits_long(self) -> bool:
        """Also where the clock was set back meanwhile."""
        now, until = self._now, self._waits_until
        return now is not None and until is not None and not until - PATIENCE_NS <= now < until

    def _overtaken(self, at: int) -> int:
        """Where a whole frame begins behind the one at `at`, whose end has not come for long; `at` where there is none, or it may still come."""
        begin = at
        if self._now is not None and self._waits_until is None:
            self._waits_until = self._now + PATIENCE_NS
        elif self._now is not None and self._waits_long():
            self._waits_until = self._now + LOOK_AGAIN_NS
            begin = self._behind_the_cut(at)
        return begin if begin < len(self._buffer) else at

    def _behind_the_cut(self, at: int) -> int:
        """Where, behind the header at `at` whose frame the end cuts off, a frame begins that is whole."""
        buffer, begin = self._buffer, at + 1
        while (begin := self._next_start(buffer, begin, len(buffer))) < len(buffer):
            if self._plausible(buffer, begin) and begin + self._size(buffer, begin) <= len(buffer):
                break
            begin += 1
        return begin

    def _next_start(self, buffer: bytes | bytearray, at: int, limit: int) -> int:
        """Where the next possible frame begins, before `limit`; else `limit` or the buffer's end, whichever comes first."""
        limit = min(limit, len(buffer))
        while at < limit:
            found = self._start.search(buffer, at, min(limit + 1, len(buffer)))
            if found is None or found.start() >= limit:
                half = limit == len(buffer) and self._plausible(buffer, limit - 1) is not False
                return limit - 1 if half else limit
            if self._plausible(buffer, found.start()) is not False:
                return found.start()
            at = found.start() + 1
        return limit


class Waiting:
    """Bytes that wait for more of their kind: joined, and looked at again, once there are as many as are needed.

    For codecs that read from one piece of bytes. A frame that comes byte by byte is copied once, not once a byte.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._needed = 0

    def __len__(self) -> int:
        return self._size

    def add(self, data: bytes) -> bytes | None:
        """All that waits with these bytes, None while that is less than what is needed."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size < self._needed:
            if len(self._pieces) > _PIECES_MAX:
                self._pieces = [b"".join(self._pieces)]
            return None
        return self.all()

    def all(self) -> bytes:
        """All that waits; nothing waits any more."""
        whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._size, self._needed = [], 0, 0
        return whole

    def keep(self, rest: bytes, needed: int = 0) -> None:
        """Let `rest` wait until there are `needed` bytes."""
        self._pieces, self._size, self._needed = ([rest] if rest else []), len(rest), needed


_PIECES_MAX = 1024
"""Pieces kept apart: a piece of one byte costs forty as an entry of the list."""


class _Detailed(Protocol):
    def detail(self) -> dict[str, Any]: ...


class Unchecked:
    """What a frame whose check failed would have said, for the engineer who asks; nothing else comes of it, and it costs
    nothing until then."""

    __slots__ = ("_make", "_more")

    def __init__(self, make: Callable[[], _Detailed], more: dict[str, Any] | None = None) -> None:
        self._make, self._more = make, more or {}

    def detail(self) -> dict[str, Any]:
        return self._make().detail() | self._more
