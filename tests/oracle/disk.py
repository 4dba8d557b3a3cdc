"""What a power cut leaves of a folder: a model of its files and names, fed with the recorded steps of the process that wrote them.

A file keeps what was written before its last sync; of what was written after it any part may be there, torn at sectors. A name
(a new file, a rename, a removal, a new folder) is there for sure only when its folder has been synced. Two models of the rest:

strict     nothing that was not synced is there: what POSIX promises and no more;
journal    names change in the order in which they were changed, up to some point (ext4, XFS); of contents some part is there.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.oracle.shim import Step, What

SECTOR = 512


class _Write(NamedTuple):
    offset: int
    data: bytes | None
    """None: the file was cut off, or lengthened, at `offset`."""


class File:
    """One file's content: as programs see it, as it is on disk for sure, and what lies between."""

    def __init__(self, content: bytes = b"") -> None:
        self.now = bytearray(content)
        self.synced = bytes(content)
        self.since: list[_Write] = []

    def write(self, offset: int, data: bytes | None) -> None:
        self.since.append(_Write(offset, data))
        _apply(self.now, offset, data)

    def sync(self) -> None:
        self.synced, self.since = bytes(self.now), []

    def after_a_cut(self, chance: random.Random, strict: bool) -> bytes:
        """What may be there: the synced content, and in some models some of what was written since."""
        content = bytearray(self.synced)
        kind = "none" if strict else chance.choice(("none", "all", "some"))
        for offset, data in self.since if kind != "none" else ():
            if kind == "some" and data is not None:
                for at in range(0, len(data), SECTOR):
                    if chance.random() < 0.5:
                        _apply(content, offset + at, data[at : at + SECTOR])
            elif kind == "all" or chance.random() < 0.5:
                _apply(content, offset, data)
        return bytes(content)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


Names = dict[str, File | None]
"""Path → its file, None for a folder."""


class _Renaming(NamedTuple):
    """A change of names below `folder` that is not on disk for sure."""

    folder: str
    path: str
    to: File | None
    gone: bool


class Disk:
    """The folder `root`, which is on disk itself."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._take_stock()

    def _take_stock(self) -> None:
        """What is there now is there for sure."""
        found = sorted(path for path in self.root.rglob("*") if path.is_dir() or path.is_file())
        self.now: Names = {str(path): None if path.is_dir() else File(path.read_bytes()) for path in found}
        self.synced: Names = dict(self.now)
        self.since: list[_Renaming] = []
        self._by_inode: dict[int, File] = {}

    def take(self, steps: Iterable[Step]) -> None:
        """More of what the process did."""
        for step in steps:
            self._take(step)

    def _take(self, step: Step) -> None:
        path = step.path
        if step.what is What.CREATED:
            file = File()
            self._by_inode[step.inode] = file
            self._name(path, file)
        elif step.what is What.OPENED:
            found = self.now.get(path)
            if found is not None:
                self._by_inode[step.inode] = found
        elif step.what in (What.WRITTEN, What.CUT):
            self._by_inode[step.inode].write(step.offset, step.data if step.what is What.WRITTEN else None)
        elif step.what is What.SYNCED:
            self._by_inode[step.inode].sync()
        elif step.what is What.FOLDER_SYNCED:
            self._sync_folder(path)
        elif step.what is What.RENAMED:
            file = self.now[path]
            self._name(path, None, gone=True)
            self._name(step.to, file)
        elif step.what is What.REMOVED:
            self._name(path, None, gone=True)
        else:
            self._name(path, None)

    def _name(self, path: str, file: File | None, gone: bool = False) -> None:
        if gone:
            self.now.pop(path, None)
        else:
            self.now[path] = file
        self.since.append(_Renaming(str(Path(path).parent), path, file, gone))

    def _sync_folder(self, folder: str) -> None:
        left = []
        for change in self.since:
            if change.folder == folder:
                _rename(self.synced, change)
            else:
                left.append(change)
        self.since = left

    def check(self) -> None:
        """That the model has what is really there; otherwise a call went past the shim, and nothing it says holds. Raises
        AssertionError."""
        for path, kept, real in self._differing():
            whether = " on whether it is there" if (kept is None) != (real is None) else ""
            raise AssertionError(f"{path}: the record and the folder differ{whether}")

    def take_the_last_step(self) -> None:
        """A process killed from outside may have done one step and not recorded it: that is done, and not on disk for sure. Raises
        AssertionError for more than one."""
        differing = self._differing()
        assert len(differing) <= 2, (
            f"the record and the folder differ in more than a step: {[path for path, *_ in differing]}"
        )
        for path, kept, real in sorted(differing, key=lambda found: found[2] is None):  # a rename: the new name first
            if real is None:
                self._name(path, None, gone=True)
            elif kept is None:
                moved = next((self.now[other] for other, was, now in differing if now is None and was == real), None)
                file = moved or File()
                if moved is None and Path(path).is_file():
                    file.write(0, real)
                self._name(path, file if Path(path).is_file() else None)
            else:
                file = self.now[path]
                assert file is not None
                file.write(0, real)
                file.write(len(real), None)

    def _differing(self) -> list[tuple[str, bytes | None, bytes | None]]:
        """Paths on which model and folder differ, each with what the model has and what is there; None where there is nothing, and
        nothing in it for a folder. Without what is written through mapped memory, and remade at every start."""
        real = {str(path): _content(path) for path in self.root.rglob("*") if path.is_dir() or path.is_file()}
        kept = {path: b"" if file is None else bytes(file.now) for path, file in self.now.items()}
        paths = sorted(path for path in real.keys() | kept.keys() if not path.endswith(("-shm", ".spill")))
        return [(path, kept.get(path), real.get(path)) for path in paths if kept.get(path) != real.get(path)]

    def rot(self, path: Path, content: bytes | None) -> None:
        """The file holds something else from now on, for sure; None: it is gone."""
        self.since = [change for change in self.since if change.path != str(path)]
        if content is None:
            path.unlink()
            self.now.pop(str(path), None)
            self.synced.pop(str(path), None)
        else:
            path.write_bytes(content)
            self.now[str(path)] = self.synced[str(path)] = File(content)

    def cut_power(self, chance: random.Random, strict: bool) -> None:
        """Put into the folder what a power cut may have left there. The process is dead already."""
        names = dict(self.synced)
        for change in self.since[: 0 if strict else chance.randint(0, len(self.since))]:
            _rename(names, change)
        kept = {path: None if file is None else file.after_a_cut(chance, strict) for path, file in names.items()}
        for path in self.root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, content in sorted(kept.items()):
            path = Path(name)
            if not path.parent.is_dir():  # the folder above it is gone, and all in it
                continue
            if content is None:
                path.mkdir()
            else:
                path.write_bytes(content)
        self._take_stock()


def _content(path: Path) -> bytes:
    return b"" if path.is_dir() else path.read_bytes()


def _rename(names: Names, change: _Renaming) -> None:
    if change.gone:
        names.pop(change.path, None)
    else:
        names[change.path] = change.to
