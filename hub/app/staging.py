"""What a backup needs of a hub that runs: everything but the log, as it was at one moment, in a folder beside it.

The log is copied afterwards. So it holds at least all that these files say has been read of it, just as after a power failure: they are behind
the log, never ahead of it, and a hub that starts on them reads on from there.

The folder lies on the disk of the backups where this process may write there: a second database on the disk of the log could be what keeps
the log from going on.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

from hub.access.audit import RESERVE
from hub.app.files import SOCKET
from hub.backup import PIECES
from hub.delivery import JOURNAL
from hub.whole_file import make_folder

STAGING = "backup-staging"
LOG = "log"
ROOM_BYTES = 64 << 20
"""Left free beside the log: a segment."""
NOT_COPIED = {LOG, "lock", SOCKET, STAGING, RESERVE}


@runtime_checkable
class Copyable(Protocol):
    """A store whose history lies in the data folder."""

    def copy_to(self, folder: Path) -> list[str]:
        """A consistent copy of its files into `folder`, while it is used; their names."""
        ...


def stage(data: Path, store: object, backups: Path | None = None) -> Path:
    """Copy into a folder in `backups`, or else into `data/backup-staging`, and give that folder. Blocks; raises OSError,
    `StoreUnavailable`, and leaves nothing behind then."""
    staging = _begun(data, backups)
    try:
        own = set(store.copy_to(staging)) if isinstance(store, Copyable) else set()
        _copy_journal(data / JOURNAL, staging / JOURNAL)
        for path in files_beside_the_log(data):
            name = path.relative_to(data)
            if name.parts[0] not in own and not name.name.startswith(JOURNAL):
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                try:
                    shutil.copy2(path, staging / name)
                except FileNotFoundError:  # replaced or forgotten meanwhile
                    continue
    except BaseException:  # a copy that filled the disk must not keep it full
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return staging


def _begun(data: Path, backups: Path | None) -> Path:
    """An empty folder for the copy. Raises OSError where there is no room for it."""
    if backups is not None:
        with suppress(OSError, ValueError):  # no such name, another user's, or kept from the hub by its service manager
            if (backups / PIECES).is_dir():
                return _emptied(backups / f"{STAGING}-{hashlib.sha256(bytes(data.absolute())).hexdigest()[:12]}")
    staging = _emptied(data / STAGING)
    needed, free = sum(path.stat().st_size for path in files_beside_the_log(data)), shutil.disk_usage(data).free
    if needed + ROOM_BYTES > free:
        staging.rmdir()
        raise OSError(
            errno.ENOSPC,
            f"it needs {needed:,} bytes beside the log, where {free:,} are free and {ROOM_BYTES:,} are left to the log; it is made in "
            "the folder of backups where the hub's user may write there, or with the hub stopped",
        )
    return staging


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    return folder


def _copy_journal(path: Path, to: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as copy:
            source.backup(copy)
    except sqlite3.Error as error:
        raise OSError(f"{path.name}: {error}") from None


def files_beside_the_log(data: Path) -> list[Path]:
    """What a data folder holds but for the log, locks, sockets, and what is being written."""
    return [
        path
        for path in sorted(data.rglob("*"))
        if path.relative_to(data).parts[0] not in NOT_COPIED
        and path.is_file()
        and not path.name.endswith((".new", ".tmp"))
        and ".spill" not in path.relative_to(data).parts[0]
    ]


def log_files(data: Path) -> list[Path]:
    """Segments, "events" last: what the other streams tell of, they have at least."""
    streams = ("quarantine", "alerts", "derived", "events")
    return [path for stream in streams for path in sorted((data / LOG / stream).glob("*")) if path.is_file()]
