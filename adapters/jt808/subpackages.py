"""Putting sub-packages together: per terminal and message, bounded in number, bytes and age.

JT/T 808 clause 4.4.3: sub-packages of one message carry consecutive serials, a total and a number from 1. A terminal
that repeats one after a time-out may give it a fresh serial; such a piece joins the one message that still lacks it.
"""

from __future__ import annotations

import msgspec

from adapters.jt808.wire import Header, Terminal

MAX_MESSAGES = 16
"""Messages under assembly on one connection."""
MAX_BYTES = 1 << 20
"""Bytes under assembly on one connection: a camera picture takes about 100 kB."""
MAX_PIECES = 4096
"""Sub-packages of one message; a header may claim 65535."""
MAX_AGE_NS = 120 * 1_000_000_000
"""After this long without a new piece a message is given up."""


class Assembly(msgspec.Struct, gc=False):
    """One message in pieces."""

    header: Header
    pieces: dict[int, bytes]
    serials: dict[int, int]
    touched_at: int
    size: int = 0

    @property
    def complete(self) -> bool:
        return len(self.pieces) == self.header.total

    @property
    def missing(self) -> tuple[int, ...]:
        return tuple(number for number in range(1, self.header.total + 1) if number not in self.pieces)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces[number] for number in range(1, self.header.total + 1))

    @property
    def all_serials(self) -> tuple[int, ...]:
        return tuple(self.serials[number] for number in sorted(self.serials))


_Key = tuple[Terminal, int, int, int]


class Subpackages:
    """The messages of one connection that are still in pieces."""

    def __init__(self) -> None:
        self._open: dict[_Key, Assembly] = {}
        self._bytes = 0
        self._now = 0

    def __bool__(self) -> bool:
        return bool(self._open)

    def expire(self, received_at: int) -> list[Assembly]:
        """Give up, and return, the messages that no piece has reached for `MAX_AGE_NS`."""
        self._now = max(self._now, received_at)
        old = [key for key, one in self._open.items() if one.touched_at and self._now - one.touched_at > MAX_AGE_NS]
        return [self._drop(key) for key in old]

    def add(self, header: Header, piece: bytes, received_at: int | None) -> tuple[Assembly, list[Assembly]]:
        """The message this piece belongs to, and those given up to keep the bounds."""
        self._now = max(self._now, received_at or 0)
        given_up: list[Assembly] = []
        key = self._key(header)
        assembly = self._open.get(key)
        if assembly is not None and assembly.pieces.get(header.number, piece) != piece:
            # A terminal that began anew: what is missing of this message would be taken from the one before.
            given_up.append(self._drop(key))
            assembly = None
        if assembly is None:
            assembly = self._open[key] = Assembly(header, {}, {}, self._now)
        before = len(assembly.pieces.get(header.number, b""))
        assembly.pieces[header.number] = piece
        assembly.serials[header.number] = header.serial
        assembly.touched_at = self._now
        assembly.size += len(piece) - before
        self._bytes += len(piece) - before
        if assembly.complete:
            self._drop(key)
        while self._open and (len(self._open) > MAX_MESSAGES or self._bytes > MAX_BYTES):
            given_up.append(self._drop(min(self._open, key=lambda one: self._open[one].touched_at)))
        return assembly, given_up

    def _key(self, header: Header) -> _Key:
        first = header.serial - (header.number - 1) & 0xFFFF
        key = (header.terminal, header.msg_id, header.total, first)
        if key in self._open:
            return key
        lacking = [
            other
            for other, assembly in self._open.items()
            if other[:3] == key[:3] and header.number not in assembly.pieces
        ]
        return lacking[0] if len(lacking) == 1 and header.number > 1 else key

    def _drop(self, key: _Key) -> Assembly:
        assembly = self._open.pop(key)
        self._bytes -= assembly.size
        return assembly
