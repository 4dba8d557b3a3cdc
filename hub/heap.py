"""What the C library does with memory that is given back to it."""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD = -1
KEPT_BYTES = 128 << 10


def give_back_soon() -> None:
    """Let freed memory go back to the system once it is more than 128 kB at the end of the heap, and larger blocks at once.

    That is how glibc begins. After a large block is freed it keeps up to twice as much (64 MB at most), which suits who soon needs that again. A hub
    needs it seldom: for large groups of readings and for rollups. Other C libraries do as they do. Source: mallopt(3).
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
