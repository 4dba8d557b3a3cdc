"""The file format of the log: a segment is a header and frames; a frame is one batch of entries with a CRC.

    segment   b"CITYLOG1" | first offset u64
    frame     b"CHub" | payload length u32 | CRC-32 u32 | first offset u64 | count u32 | appended at i64 (ns) | payload

Little-endian. The CRC covers the rest of the frame's head and the payload, so neither a torn write nor a flipped bit
passes. A damaged frame costs its own batch only: the scan looks for the next frame that is whole. Its offsets stay
missing, so that every reader sees the gap.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hub.whole_file import sync_folder

MAGIC = b"CITYLOG1"
FRAME = b"CHub"
HEADER = struct.Struct("<8sQ")
HEAD = struct.Struct("<4sII")
KEY = struct.Struct("<QIq")
OVERHEAD = HEAD.size + KEY.size
SUFFIX = ".log"


class Frame(NamedTuple):
    """Where a batch lies in its segment, and which entries it holds."""

    position: int
    size: int
    first: int
    entries: int
    at: int

    @property
    def next(self) -> int:
        return self.first + self.entries


class Damage(NamedTuple):
    """Bytes of a segment that hold no whole frame."""

    segment: str
    position: int
    size: int

    def __str__(self) -> str:
        return f"{self.segment}: {self.size} damaged bytes at {self.position}"


def name(first: int) -> str:
    return f"{first:020d}{SUFFIX}"


def header(first: int) -> bytes:
    return HEADER.pack(MAGIC, first)


def frame(first: int, count: int, at: int, payload: bytes) -> bytes:
    """One batch as it stands in the file."""
    key = KEY.pack(first, count, at)
    return HEAD.pack(FRAME, len(payload), zlib.crc32(payload, zlib.crc32(key))) + key + payload


def whole_frame(view: memoryview, position: int) -> tuple[Frame, bytes] | None:
    """The whole frame at `position` of these bytes, or None where there is none."""
    if position + OVERHEAD > len(view):
        return None
    magic, length, crc = HEAD.unpack_from(view, position)
    end = position + OVERHEAD + length
    if magic != FRAME or end > len(view):
        return None
    body = bytes(view[position + OVERHEAD : end])
    if zlib.crc32(body, zlib.crc32(bytes(view[position + HEAD.size : position + OVERHEAD]))) != crc:
        return None
    first, count, at = KEY.unpack_from(view, position + HEAD.size)
    return Frame(position, end - position, first, count, at), body


def walk(path: Path, position: int = HEADER.size) -> Iterator[tuple[Frame, bytes] | Damage]:
    """Every whole frame of a segment with its payload, from `position` on, and every stretch of damage between them."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            return
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data, memoryview(data) as view:
            if size < HEADER.size or view[: len(MAGIC)] != MAGIC:
                position = 0
            while position < size:
                found = whole_frame(view, position)
                if found:
                    yield found
                    position += found[0].size
                    continue
                start = position
                position = data.find(FRAME, start + 1)
                while position != -1 and not whole_frame(view, position):
                    position = data.find(FRAME, position + 1)
                position = size if position == -1 else position
                yield Damage(path.name, start, position - start)


def create(path: Path, first: int) -> int:
    """A new segment on disk, its name made durable in the folder. Returns the open file descriptor."""
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640)
    try:
        write_all(fd, header(first), 0)
        os.fdatasync(fd)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            os.close(fd)
        with suppress(OSError):  # whoever tries again removes it
            path.unlink(missing_ok=True)
        raise
    return fd


def see_that_it_is_there(fd: int, path: Path) -> None:
    """Raises OSError where somebody has removed the file that this process still writes to: what it holds ends with the process."""
    if not os.fstat(fd).st_nlink and not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def sync(path: Path) -> None:
    """Make durable what the segment holds, and its name. Raises OSError: on a disk that cannot do that nothing may be relied upon."""
    try:
        fd = os.open(path, os.O_RDWR)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)
        sync_folder(path.parent)
    except OSError as error:
        why = f"the disk cannot sync what the log holds, so nothing in it may be relied upon ({error.strerror})"
        raise OSError(error.errno, why, str(path)) from None


def write_all(fd: int, data: bytes, position: int) -> None:
    """Write all of it at `position`. Raises OSError (ENOSPC …) with whatever was written left in place."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, position)
        view = view[written:]
        position += written
