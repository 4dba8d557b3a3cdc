"""A byte stream cut into frames that begin with a mark and state their own length, and the junk between them.

Whatever the chunks, the cuts are the same: junk is handed out once it surely ends, a frame once it is whole. A frame
whose checksum does not fit may lie about its length too, so the codec gives it back and the next start inside counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable


class DeclaredFrames:
    """The framing of one connection.

    `start` finds where a frame may begin; `plausible(buffer, at)` says whether a header stands there (None while more
    bytes must come to tell); `size(buffer, at)` is that frame's length in bytes; `limit` bounds frames and junk.
    """

    def __init__(
        self,
        start: re.Pattern[bytes],
        plausible: Callable[[bytes | bytearray, int], bool | None],
        size: Callable[[bytearray, int], int],
        limit: int,
    ) -> None:
        self._start, self._plausible, self._size, self._limit = start, plausible, size, limit
        self._buffer = bytearray()
        self._at = 0

    def add(self, data: bytes) -> None:
        self._buffer += data

    def take(self) -> tuple[bool, bytes] | None:
        """The next stretch, and whether it is a frame (True) or junk; None when more bytes are needed."""
        stop, frame = self._extent()
        if stop == self._at:
            del self._buffer[: self._at]
            self._at = 0
            return None
        raw = bytes(self._buffer[self._at : stop])
        self._at = stop
        return frame, raw

    def give_back(self, raw: bytes) -> bytes:
        """The stretch of a damaged frame that is surely lost; from the next possible start on it is read again."""
        cut = self._next_start(raw, 1)
        self._at -= len(raw) - cut
        return raw[:cut]

    def end(self) -> bytes:
        """What is left when the connection ends."""
        rest = bytes(self._buffer[self._at :])
        self._buffer.clear()
        self._at = 0
        return rest

    def _extent(self) -> tuple[int, bool]:
        """Where the next stretch ends, and whether it is a frame; where it begins when more bytes are needed."""
        buffer, at = self._buffer, self._at
        if at >= len(buffer):
            return at, False
        start = self._next_start(buffer, at)
        if start > at:
            end = min(start, at + self._limit)
            unsure = start == len(buffer) or not self._plausible(buffer, start)
            return (at if unsure and end - at < self._limit else end), False
        if not self._plausible(buffer, at):
            return at, False
        end = at + self._size(buffer, at)
        return (end if end <= len(buffer) else at), True

    def _next_start(self, buffer: bytes | bytearray, at: int) -> int:
        """Where the next possible frame begins, the buffer's length if nowhere. Looks no further than one frame."""
        limit = at + self._limit
        while at < limit:
            found = self._start.search(buffer, at)
            if found is None:
                half = at < len(buffer) and self._plausible(buffer, len(buffer) - 1) is not False
                return len(buffer) - 1 if half else len(buffer)
            if self._plausible(buffer, found.start()) is not False:
                return found.start()
            at = found.start() + 1
        return limit
