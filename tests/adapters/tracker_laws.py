"""The laws of codecs as checks that any binary tracker codec can be put through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from hub.model import Message
from hub.ports import Codec


def run(codec: Codec, pieces: Sequence[bytes]) -> list[Message]:
    """Everything a codec makes of these pieces, `end` included."""
    messages = [message for piece in pieces for message in codec.feed(piece, 1)]
    return messages + codec.end(1)


def split(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """`data` cut at these places (taken modulo its length)."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


def check_chunking(make: Callable[[], Codec], data: bytes, cuts: Sequence[int]) -> None:
    """Any chunking of the same bytes gives the same messages."""
    assert run(make(), split(data, cuts)) == run(make(), [data])


def check_bytewise(make: Callable[[], Codec], data: bytes) -> None:
    assert run(make(), [data[at : at + 1] for at in range(len(data))]) == run(make(), [data])


def check_flips(make: Callable[[], Codec], before: Sequence[bytes], frame: bytes, bits: Sequence[int]) -> None:
    """A frame with one bit flipped gives a fault or nothing, never a reading."""
    for bit in bits:
        place = bit % (len(frame) * 8)
        flipped = bytearray(frame)
        flipped[place >> 3] ^= 1 << (place & 7)
        codec = make()
        for piece in before:
            codec.feed(piece)
        readings = [reading for message in run(codec, [bytes(flipped)]) for reading in message.readings]
        assert not readings, f"bit {place} of {frame.hex()} flipped: {readings}"


def check_truncation(make: Callable[[], Codec], before: Sequence[bytes], frame: bytes) -> None:
    """A frame cut short gives no reading, and says so."""
    for size in range(1, len(frame)):
        codec = make()
        for piece in before:
            codec.feed(piece)
        messages = run(codec, [frame[:size]])
        assert not [reading for message in messages for reading in message.readings]
