"""How far each reader has come, durably.

A cursor file holds two slots that are written in turn, in place: a crash in the middle of one leaves the other, and
moving a cursor needs no new disk space, so readers go on while the disk is full.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path

from hub.ports import LogPosition
from hub.whole_file import make_folder, read, sync_folder

_SLOT = struct.Struct("<QQI")  # sequence, offset, CRC-32 of both
_STRIDE = 512  # a disk sector each, so that a torn write cannot touch both


class Cursors:
    """The cursors of one hub: one file a reader in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)
        with suppress(OSError):  # names that a killed process left unsynced
            sync_folder(folder)
        self._sequence: dict[str, int] = {}
        self._known: dict[str, LogPosition] = {}
        for path in folder.glob("*.cursor"):
            newest = read(path, _newest, None)
            if newest is not None:
                self._sequence[path.stem], self._known[path.stem] = newest[0], LogPosition(newest[1])

    def get(self, reader: str) -> LogPosition | None:
        """The next entry that this reader wants, None for a reader never seen."""
        return self._known.get(_file_name(reader))

    def set(self, reader: str, position: LogPosition) -> None:
        """Make the reader's position durable."""
        stem = _file_name(reader)
        if self._known.get(stem) == position:
            return
        sequence = self._sequence.get(stem, 0) + 1
        path = self._folder / f"{stem}.cursor"
        fresh = not path.exists()
        fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o640)
        try:
            if fresh:
                os.pwrite(fd, bytes(2 * _STRIDE), 0)
            slot = struct.pack("<QQ", sequence, position)
            os.pwrite(fd, slot + struct.pack("<I", zlib.crc32(slot)), sequence % 2 * _STRIDE)
            os.fdatasync(fd)
        finally:
            os.close(fd)
        if fresh:
            sync_folder(self._folder)
        self._sequence[stem], self._known[stem] = sequence, position

    def forget(self, reader: str) -> None:
        """Drop the cursor of a reader that is no more, so that it holds back no retention."""
        stem = _file_name(reader)
        self._known.pop(stem, None)
        self._sequence.pop(stem, None)
        (self._folder / f"{stem}.cursor").unlink(missing_ok=True)

    def all(self) -> dict[str, LogPosition]:
        return dict(self._known)


def _file_name(reader: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", reader)


def _newest(data: bytes) -> tuple[int, int] | None:
    """The newest sequence and offset that a cursor file holds. Raises ValueError where neither slot can be used."""
    found = _slots(data)
    if not found:
        raise ValueError("neither of its two positions can be read")
    return max(found)


def _slots(data: bytes) -> list[tuple[int, int]]:
    found = []
    for position in (0, _STRIDE):
        if position + _SLOT.size <= len(data):
            sequence, offset, crc = _SLOT.unpack_from(data, position)
            if sequence and crc == zlib.crc32(data[position : position + 16]):
                found.append((sequence, offset))
    return found
