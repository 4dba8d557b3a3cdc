"""Keys of entries as bytes: 16 each, two numbers of 64 bits, the lower byte first."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain

from hub.ports import Key

KEY_BYTES = 16


def packed(keys: Sequence[Key]) -> bytes:
    if not keys:
        return b""
    return struct.pack(f"<{2 * len(keys)}Q", *chain.from_iterable(keys))


def unpacked(data: bytes) -> list[Key]:
    """Raises struct.error where something was cut off."""
    return list(struct.iter_unpack("<QQ", data))
