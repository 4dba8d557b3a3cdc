"""What tells a reading from every other, and the memory of what was taken lately: the same device, time and content again is a duplicate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import msgspec

from hub.model import Reading
from hub.ports import Key

DEVICES_MAX = 200_000
"""Devices whose number is remembered; the others' is worked out again."""
_64_BITS = (1 << 64) - 1
_encode = msgspec.msgpack.Encoder().encode


def key_here(reading: Reading) -> Key:
    """The reading's key for this process alone. Another, or this one after a restart, has other numbers for the same."""
    device, at = reading.device, reading.observed_at
    said = _encode((device, at, reading.values, reading.position, reading.marks or None))  # `_said`, a call less
    return hash((device, at)), hash(said)


def key_everywhere(reading: Reading) -> Key:
    """The reading's key on every machine and in every version; it costs more than `key_here`.

    What is compared is 128 bits of which the second half covers the device and the time as well: that two readings of 10^14 that lie within a
    memory of a million are taken for one has a chance of 10^-18.
    """
    place = (_number_of(reading.device) + (reading.observed_at or 0)) & _64_BITS
    return place, int.from_bytes(blake2b(_said(reading), digest_size=8).digest(), "little")


def _said(reading: Reading) -> bytes:
    """Its marks are a part of that: a value said again with a mark is denied, and a mark without a value is news."""
    return _encode((reading.device, reading.observed_at, reading.values, reading.position, reading.marks or None))


@lru_cache(DEVICES_MAX)
def _number_of(device: str) -> int:
    return int.from_bytes(blake2b(device.encode(), digest_size=8).digest(), "little")


class Recent:
    """Keys of what was taken lately, in two generations of at most half the limit each, so that it never grows and forgets the oldest first.

    Of each device and time it knows what was said last: who says something else, and then the first again, has taken the correction back.
    """

    def __init__(self, readings_max: int) -> None:
        self._half = max(1, readings_max // 2)
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def knows(self, key: Key) -> bool:
        """Whether this is a duplicate; remembers it if not."""
        place, content = key
        if self._young.get(place) == content or self._old.get(place) == content:
            return True
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[place] = content
        return False

    def learn(self, keys: Sequence[Key]) -> None:
        """Remember all of these, the later for the newer."""
        at = 0
        while at < len(keys):
            if len(self._young) >= self._half:
                self._old, self._young = self._young, {}
            room = self._half - len(self._young)
            self._young.update(keys[at : at + room])
            at += room

    def forget(self, key: Key) -> None:
        """It was not stored after all. What the device said later of the same moment stays known."""
        place, content = key
        for generation in (self._young, self._old):
            if generation.get(place) == content:
                del generation[place]

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
