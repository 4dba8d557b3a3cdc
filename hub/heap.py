"""What the C library does with memory that is given back to it."""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE_BYTES = 1 << 20
"""Blocks from this size on come from the system one by one, and go back to it at once. Far above the 256 kB that asyncio asks for at each look at a
socket: to get those from the system each time cost 17 us a message."""
KEPT_BYTES = 2 << 20


def give_back_soon() -> None:
    """Let freed memory go back to the system once it is more than 2 MB at the end of the heap, and large blocks at once.

    glibc begins so, with 128 kB for both. After a large block is freed it keeps up to twice as much (64 MB at most), which suits who soon needs that
    again. A hub needs it seldom: for large groups of readings and for rollups. Other C libraries do as they do. Source: mallopt(3).
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
