"""JT/T 808 frames to test with, and what comes of one."""

from __future__ import annotations

from typing import Any

from adapters.jt808 import Jt808CodecOptions, codec
from adapters.jt808.wire import Terminal, encode
from hub.model import Message, Reading
from hub.moment import from_text
from hub.ports import Codec
from tests.adapters.messages import decoded

OLD = Terminal(bytes.fromhex("014450376202"))
NEW = Terminal(bytes.fromhex("00000000017299841738"), 1)
DEVICE = "jt808:014450376202"
NOW = from_text("2026-11-22T08:00:00Z")

UNESCAPED_MARK_INSIDE = {11, 24, 32, 44, 51}
"""Lines of the vectors whose source lost the escaping of a 7E: refused here, nothing is asserted of them."""


def location(
    alarm: int = 0,
    status: int = 3,
    lat: int = 31_230_416,
    lon: int = 121_473_701,
    alt: int = 12,
    speed: int = 456,
    course: int = 90,
    time: str = "261122160000",
    items: bytes = b"",
) -> bytes:
    fixed = b"".join(n.to_bytes(4, "big") for n in (alarm, status, lat & 0xFFFFFFFF, lon & 0xFFFFFFFF))
    return fixed + b"".join(n.to_bytes(2, "big") for n in (alt & 0xFFFF, speed, course)) + bytes.fromhex(time) + items


def item(ident: int, value: bytes) -> bytes:
    return bytes([ident, len(value)]) + value


def one(raw: bytes, using: Codec | None = None) -> Message:
    messages = decoded(using or codec(Jt808CodecOptions()), [raw])
    assert len(messages) == 1, messages
    return messages[0]


def reading_of(body: bytes, terminal: Terminal = OLD, **options: Any) -> Reading:
    message = one(encode(terminal, 0x0200, 7, body), codec(Jt808CodecOptions(**options)))
    assert not message.faults
    (reading,) = message.readings
    return reading


def kinds(messages: list[Message]) -> list[str]:
    return [fault.kind.value for message in messages for fault in message.faults]
