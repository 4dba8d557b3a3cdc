"""`cityhub`, with its fdatasyncs counted: `python -m tests.bench.counted_hub COUNT_FILE run CITY`.

Those of the hub's own code (log, cursors, snapshots); DuckDB syncs its file in C, once for each batch that the store takes.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from hub.cli import main

_COUNT = struct.Struct("=Q")


def empty(path: Path) -> None:
    path.write_bytes(bytes(_COUNT.size))


def read(path: Path) -> int:
    count: int = _COUNT.unpack(path.read_bytes())[0]
    return count


def _count_into(path: Path) -> None:
    """Put a counter in front of both system calls; the file is memory that the bench reads."""
    with path.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), _COUNT.size)
    lock = threading.Lock()
    total = 0

    def counted(sync: Callable[[int], None]) -> Callable[[int], None]:
        def count_and_sync(fd: int) -> None:
            nonlocal total
            with lock:
                total += 1
                _COUNT.pack_into(memory, 0, total)
            sync(fd)

        return count_and_sync

    os.fdatasync, os.fsync = counted(os.fdatasync), counted(os.fsync)  # type: ignore[assignment]


if __name__ == "__main__":
    _count_into(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
