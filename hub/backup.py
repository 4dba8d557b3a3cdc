"""A folder of backups: files cut into pieces that are kept once by their hash, and for each backup a list of files and their pieces.

So a second backup writes only what changed (a log grows at its end, a database changes in places), every piece proves itself by its name, and
any backup restores by itself. Format 1: `pieces/ab/abcd…` (SHA-256 of the content, in hex), `TIME-HASH.json` (HASH: of the list itself).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hub.whole_file import make_folder, replace

FORMAT = 1
PIECES = "pieces"
PIECE_BYTES = 4 << 20
LIST = "[0-9]*T*Z-*.json"


class BackupError(Exception):
    """A backup that cannot be made or used; the text says why."""


class File(msgspec.Struct):
    """One file: its size, its permissions, and the pieces that make it."""

    size: int
    mode: int
    pieces: list[str]


class Backup(msgspec.Struct):
    """What one backup holds. Paths are relative to the city folder (`city`) and the data folder (`data`)."""

    format: int
    version: str
    """Of cityhub."""
    at: str
    """ISO 8601, UTC."""
    running: bool
    """Whether the hub ran meanwhile."""
    data_folder: str
    """As hub.toml names it."""
    city: dict[str, File] = {}
    data: dict[str, File] = {}
    notes: list[str] = []


class Written(msgspec.Struct):
    """What a backup took."""

    name: str = ""
    files: int = 0
    bytes: int = 0
    new_bytes: int = 0


class Repository:
    """Backups in one folder. Raises OSError where the disk fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written = Written()

    def open(self) -> None:
        """Ready to write into. Raises `BackupError` where the folder holds something else."""
        if self.folder.exists() and any(self.folder.iterdir()) and not (self.folder / PIECES).is_dir():
            raise BackupError(f"{self.folder} holds other things; name a folder for backups alone")
        make_folder(self.folder / PIECES)
        self.folder.chmod(0o700)  # a city folder may hold tokens and keys

    # ---------------------------------------------------------------------------------------------- writing

    def keep(self, path: Path) -> File:
        """Take a file's content as it is now. What is appended meanwhile is left for the next backup."""
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            left, pieces = state.st_size, []
            while left > 0 and (data := file.read(min(PIECE_BYTES, left))):
                left -= len(data)
                pieces.append(self._piece(data))
        size = state.st_size - left
        self.written.files += 1
        self.written.bytes += size
        return File(size, state.st_mode & 0o777, pieces)

    def _piece(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        path = self._path(name)
        if not path.exists() or path.stat().st_size != len(data):
            make_folder(path.parent)
            replace(path, data)
            if hashlib.sha256(path.read_bytes()).hexdigest() != name:
                raise BackupError(f"{path} does not read as it was written; the disk is faulty")
            self.written.new_bytes += len(data)
        return name

    def finish(self, backup: Backup) -> Written:
        """Write the list, last: a backup without it is none."""
        data = msgspec.json.format(msgspec.json.encode(backup), indent=1)
        self.written.name = f"{backup.at.replace('-', '').replace(':', '')}-{hashlib.sha256(data).hexdigest()[:12]}"
        replace(self.folder / f"{self.written.name}.json", data)
        return self.written

    def prune(self, keep: int) -> int:
        """Drop all but the newest `keep` backups, and pieces that none of those needs; gives how many backups went."""
        names = self.names()
        gone = names[: max(0, len(names) - keep)]
        for name in gone:
            (self.folder / f"{name}.json").unlink()
        needed = {piece for name in self.names() for _, file in _files(self.read(name)) for piece in file.pieces}
        for path in (self.folder / PIECES).glob("*/*"):
            if path.name not in needed:
                path.unlink()
        return len(gone)

    # ---------------------------------------------------------------------------------------------- reading

    def names(self) -> list[str]:
        """Of all backups, oldest first."""
        return sorted(path.stem for path in self.folder.glob(LIST))

    def read(self, name: str) -> Backup:
        """Raises `BackupError` where there is none of that name, or its list is damaged."""
        path = self.folder / f"{name}.json"
        if path.exists() and not path.is_file():
            raise BackupError(f"{path} is no file")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BackupError(f"{path} cannot be read: {error.strerror}") from None
        if not name.endswith(hashlib.sha256(data).hexdigest()[:12]):
            raise BackupError(f"{path} is damaged: its content is not what its name says")
        try:
            backup = msgspec.json.decode(data, type=Backup)
        except msgspec.DecodeError as error:
            raise BackupError(f"{path} is no list of a backup: {error}") from None
        if backup.format > FORMAT:
            raise BackupError(
                f"{path} has format {backup.format}; this cityhub reads {FORMAT}: use cityhub {backup.version} or newer"
            )
        return backup

    def verify(self, backup: Backup) -> list[str]:
        """Everything wrong with a backup: pieces that are missing or damaged, by the file that needs them, and files that are not as long
        as their pieces."""
        wrong, sizes = [], dict[str, int]()
        for path, file in _files(backup):
            troubles = []
            for piece in file.pieces:
                if piece not in sizes:
                    troubles += [f"{path}: {said}"] if (said := self._trouble(piece)) else []
                    sizes[piece] = 0 if said else self._path(piece).stat().st_size
            size = sum(sizes[piece] for piece in file.pieces)
            if not troubles and size != file.size:
                troubles.append(f"{path}: its pieces have {size} bytes instead of {file.size}")
            wrong += troubles
        return wrong

    def _trouble(self, piece: str) -> str:
        path = self._path(piece)
        if path.exists() and not path.is_file():  # reading a pipe or a device may never end
            return f"{path} is no file"
        try:
            with path.open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest() == piece
        except OSError as error:
            return f"{path} cannot be read ({error.strerror})"
        return "" if whole else f"{path} is damaged"

    def write_out(self, file: File, path: Path) -> None:
        """The file, whole and on disk. Raises `BackupError` where a piece is not what it was."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            os.fchmod(out.fileno(), file.mode & 0o777)
            for piece in file.pieces:
                if said := self._trouble(piece):
                    raise BackupError(f"{path.name}: {said}")
                out.write(self._path(piece).read_bytes())
            out.flush()
            os.fsync(out.fileno())
            if out.tell() != file.size:
                raise BackupError(f"{path.name}: {out.tell()} bytes instead of {file.size}")

    def _path(self, piece: str) -> Path:
        return self.folder / PIECES / piece[:2] / piece


def _files(backup: Backup) -> Iterator[tuple[str, File]]:
    yield from backup.city.items()
    yield from backup.data.items()
