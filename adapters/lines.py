"""A codec for files and consoles over a pure function of one payload: a line is a payload.

Brokers and CoAP hand over whole payloads and call the function itself; lines are for `cityhub decode` and `replay`.
"""

from __future__ import annotations

from collections.abc import Callable

from hub.model import Fault, FaultKind, Message, Verdict

LINE_LIMIT = 1_048_576  # bytes

Decode = Callable[[bytes, int | None], Message]


class LineCodec:
    """Splits at line feeds and hands each line that is not blank to `decode`. Keeps at most `limit` bytes."""

    def __init__(self, decode: Decode, limit: int = LINE_LIMIT) -> None:
        self._decode = decode
        self._limit = limit
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._oversize = False

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        *complete, rest = data.split(b"\n")
        messages = []
        for line in complete:
            self._hold(line)
            messages += self.end(received_at)
        self._hold(rest)
        return messages

    def end(self, received_at: int | None = None) -> list[Message]:
        line, oversize = b"".join(self._held), self._oversize
        self._held, self._held_bytes, self._oversize = [], 0, False
        if oversize:
            return [
                Message([], [Fault(FaultKind.OVERSIZE, f"the line is longer than {self._limit} bytes", line[:1024])])
            ]
        line = line.strip(b" \t\r")
        return [self._decode(line, received_at)] if line else []

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        return None

    def _hold(self, piece: bytes) -> None:
        room = self._limit - self._held_bytes
        if len(piece) > room:
            self._oversize = True
            piece = piece[:room]
        if piece:
            self._held.append(piece)
            self._held_bytes += len(piece)
            if len(self._held) > 1024:  # a line that comes byte by byte must not cost a list entry for each
                self._held = [b"".join(self._held)]
