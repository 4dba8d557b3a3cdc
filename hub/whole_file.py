"""Small files of state: replaced as a whole or not at all, and read as what they may turn out to be.

A file beside the log (counts, positions, a snapshot, who is to be put back) may be missing, empty, cut or full of zeros after a
crash, a full disk or a careless hand. It costs what it holds and nothing more: `read` sets it aside under a name with the time,
says so on the log of the process, and gives what stands for "nothing known".
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from hub import clock
from hub.defects import told
from hub.moment import SECOND, to_text

logger = logging.getLogger(__name__)

DAMAGED = ".damaged-"
"""Stands between the file's name and the time at which it was set aside."""
Content = TypeVar("Content")


SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Of the machine, not of the file."""
WRITTEN_AT_ONCE = 1 << 18
"""Bytes that pieces are gathered to before they are written."""
Data = bytes | Iterable[bytes]
"""The content of a file, whole or in pieces: what is large is never in memory as a whole."""


def replace(path: Path, data: Data, mode: int = 0o666) -> None:
    """The file's content: written beside it, synced, renamed, and the name made durable. `mode`: who may read it, but for what the
    process leaves out (umask). Raises OSError, and what making a piece raises; the file is then as it was."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with open(temporary, "wb", WRITTEN_AT_ONCE, opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.writelines((data,) if isinstance(data, bytes) else data)
        file.flush()
        os.fdatasync(file.fileno())
    temporary.rename(path)
    sync_folder(path.parent)


def read(path: Path, decode: Callable[[bytes], Content], otherwise: Content) -> Content:
    """What the file says by `decode`; `otherwise` where there is none, or none that can be used: such a one is set aside.

    `decode` may raise whatever it likes: of a damaged file nothing is known, not even how it fails. Raises OSError or MemoryError where the machine is
    short of something: that says nothing of the file.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return otherwise
    except OSError as error:
        if error.errno in SHORTAGES:
            raise
        set_aside(path, str(error))
        return otherwise
    try:
        return decode(data)
    except MemoryError:
        raise
    except Exception as error:
        set_aside(path, told(error).en)
        return otherwise


def set_aside(path: Path, why: str, beside: Iterable[str] = ()) -> Path | None:
    """Rename a file that cannot be used, and those that belong to it (`beside`: endings such as "-wal"), and say so. Gives its
    new name, None where it cannot even be renamed."""
    at = clock.now()
    ending = DAMAGED + to_text(at - at % SECOND).replace("-", "").replace(":", "")
    aside, number = path.with_name(path.name + ending), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}{ending}-{number}")
    try:
        path.rename(aside)
        for more in beside:
            other = path.with_name(path.name + more)
            if other.exists():
                other.rename(aside.with_name(aside.name + more))
        sync_folder(path.parent)
    except OSError as error:
        logger.error("%s cannot be used (%s), and not be set aside either: %s", path, why, error)
        return None
    logger.error("%s cannot be used (%s): it is set aside as %s, and what it held is made anew", path, why, aside.name)
    return aside


def damaged(folder: Path) -> list[str]:
    """Files that were set aside in this folder and nobody has taken away since, a sentence each."""
    names = sorted(path.name for path in folder.glob(f"*{DAMAGED}*"))
    return [f"{name.partition(DAMAGED)[0]} could not be used and was set aside as {name}" for name in names]


def make_folder(folder: Path) -> None:
    """The folder and those above it, their names made durable. Raises OSError.

    Also the names of those that are there already: a process that was killed between making a folder and syncing the one above it
    has left a folder that the next power cut takes away with all that is in it.
    """
    missing = {path for path in (folder, *folder.parents) if not path.exists()}
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder, *folder.parents):
        try:
            sync_folder(path.parent)
        except OSError:  # one above that this process may not read, and did not make
            if path in missing:
                raise


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in the folder durable. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
