"""The shim between the hub and its disk: built with the machine's C compiler, read back, and told what to do (`shim.c`)."""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("shim.c")
_ORDERS = struct.Struct("=iiqqi64s")
_HEAD = struct.Struct("=4I3Q")


class What(IntEnum):
    """One recorded step; the numbers are those of `shim.c`."""

    OPENED = 1
    CREATED = 2
    WRITTEN = 3
    CUT = 4
    SYNCED = 5
    FOLDER_SYNCED = 6
    RENAMED = 7
    REMOVED = 8
    FOLDER_MADE = 9


class State(IntEnum):
    """How the disk is."""

    WELL = 0
    FULL = 1
    FAILING = 2
    READ_ONLY = 3
    SLOW = 4
    LYING = 5
    """It says "synced" of what is not: the canary for an acknowledgement before the disk."""


class Step(NamedTuple):
    what: What
    path: str
    to: str
    inode: int
    offset: int
    data: bytes


def built() -> Path:
    """The shared library, compiled once for this source. Raises CalledProcessError with the compiler's words."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    made = Path(tempfile.gettempdir()) / f"cityhub-oracle-{os.getuid()}-{digest}.so"
    if not made.exists():
        beside = made.with_suffix(f".{os.getpid()}")
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", beside, SOURCE, "-lpthread"], check=True
        )
        beside.rename(made)
    return made


def steps(record: Path, position: int) -> Iterator[tuple[Step, int]]:
    """The whole steps recorded behind that position of the file, each with the position after it. The process has ended; killed while it
    noted a step it leaves half a note, which is cut off, for the next process would write behind it."""
    data = record.read_bytes() if record.exists() else b""
    while position + _HEAD.size <= len(data):
        what, path_size, to_size, _, inode, offset, size = _HEAD.unpack_from(data, position)
        start = position + _HEAD.size
        written = size if what == What.WRITTEN else 0
        end = start + path_size + to_size + written
        if end > len(data):
            break
        path = data[start : start + path_size].decode()
        to = data[start + path_size : start + path_size + to_size].decode()
        yield Step(What(what), path, to, inode, offset, data[end - written : end]), end
        position = end
    if position < len(data):
        os.truncate(record, position)


class Orders:
    """The page that the shim looks at before each step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(4096))
        self._file = path.open("r+b")
        self._page = mmap.mmap(self._file.fileno(), 4096)

    def begin(self, end_at: int = 0, torn: bool = False) -> None:
        """A new process, which counts its steps from 0."""
        _ORDERS.pack_into(self._page, 0, State.WELL, 0, 0, end_at, torn, b"")

    def heal(self) -> None:
        """The disk works again; what was ordered about the end stands."""
        struct.pack_into("=ii", self._page, 0, State.WELL, 0)

    def ail(self, disk: State, only: str = "", slow_us: int = 0) -> None:
        """The disk is ill from now on; what was ordered about the end stands."""
        struct.pack_into("64s", self._page, 28, only.encode())
        struct.pack_into("=ii", self._page, 0, disk, slow_us)

    def set_clock(self, ahead_s: int) -> None:
        """The process's clock is so many seconds off from now on; a new life keeps that."""
        struct.pack_into("=i", self._page, _ORDERS.size, ahead_s)

    @property
    def steps(self) -> int:
        """Steps of the process so far."""
        return int(_ORDERS.unpack_from(self._page, 0)[2])

    def close(self) -> None:
        self._page.close()
        self._file.close()
