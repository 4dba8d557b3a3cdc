"""The laws every stream codec meets, as functions for the tests of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from hub.model import Message
from hub.ports import Codec


def seen(messages: Sequence[Message]) -> list[Any]:
    """Messages as plain, comparable data."""
    return [
        (
            msgspec.to_builtins(message.readings),
            [(fault.kind, fault.detail, fault.raw) for fault in message.faults],
            message.device,
            detail(message),
            message.raw,
            message.login,
            message.credential,
        )
        for message in messages
    ]


def detail(message: Message) -> Any:
    body = message.body
    return body.detail() if hasattr(body, "detail") else msgspec.to_builtins(body)


def decoded(codec: Codec, chunks: Sequence[bytes]) -> list[Message]:
    messages = [message for chunk in chunks for message in codec.feed(chunk)]
    return messages + codec.end()


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def chunking_is_invisible(make: Callable[[], Codec], data: bytes, places: Sequence[int]) -> None:
    assert seen(decoded(make(), cut(data, places))) == seen(decoded(make(), [data]))


def every_byte_is_kept(make: Callable[[], Codec], data: bytes) -> None:
    """Raw bytes of the messages, in order, are the stream: nothing vanishes, nothing is taken twice."""
    assert b"".join(message.raw for message in decoded(make(), [data])) == data


def buffer_is_bounded(make: Callable[[], Codec], chunk: bytes, limit: int) -> None:
    """However long a stream of useless bytes is, what waits inside stays under `limit` bytes."""
    codec = make()
    fed = given = 0
    while fed < 3 * limit:
        given += sum(len(message.raw) for message in codec.feed(chunk))
        fed += len(chunk)
        assert fed - given <= limit + len(chunk)


def flips_give_no_reading(make: Callable[[], Codec], before: bytes, frame: bytes) -> None:
    """Whichever single bit of a checked frame is flipped, it gives a fault or nothing, never a reading."""
    for bit in range(len(frame) * 8):
        flipped = bytearray(frame)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        readings = [reading for message in decoded(make(), [before, bytes(flipped)]) for reading in message.readings]
        assert not readings, f"bit {bit} of {frame.hex()} flipped: {readings}"


def truncation_gives_no_reading(make: Callable[[], Codec], before: bytes, frame: bytes) -> None:
    """A frame cut short anywhere gives no reading."""
    for size in range(1, len(frame)):
        messages = decoded(make(), [before, frame[:size]])
        assert not [reading for message in messages for reading in message.readings]
