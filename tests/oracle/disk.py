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
        found = sorted(self.root.rglob("*"))
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

    def check(self, ignored: tuple[str, ...] = ("-shm", ".spill")) -> None:
        """That the model has what is really there; otherwise a call went past the shim, and nothing it says holds. Raises
        AssertionError. `ignored`: endings of files that are written through mapped memory and remade at every start."""
        real = {str(path): path for path in self.root.rglob("*") if path.is_dir() or path.is_file()}
        for path in real.keys() | self.now.keys():
            if path.endswith(ignored):
                continue
            assert (path in real) == (path in self.now), (
                f"{path}: the record and the folder differ on whether it is there"
            )
            file = self.now[path]
            if file is not None:
                assert real[path].read_bytes() == bytes(file.now), f"{path}: the record and the file differ"

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


def _rename(names: Names, change: _Renaming) -> None:
    if change.gone:
        names.pop(change.path, None)
    else:
        names[change.path] = change.to
