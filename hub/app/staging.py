"""What a backup needs of a hub that runs: everything but the log, as it was at one moment, in a folder beside it.

The log is copied afterwards. So it holds at least all that these files say has been read of it, just as after a power failure: they are behind
the log, never ahead of it, and a hub that starts on them reads on from there.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Protocol, runtime_checkable

from hub.access.audit import RESERVE
from hub.app.files import SOCKET
from hub.delivery import JOURNAL
from hub.whole_file import make_folder

STAGING = "backup-staging"
LOG = "log"
NOT_COPIED = {LOG, "lock", SOCKET, STAGING, RESERVE}


@runtime_checkable
class Copyable(Protocol):
    """A store whose history lies in the data folder."""

    def copy_to(self, folder: Path) -> list[str]:
        """A consistent copy of its files into `folder`, while it is used; their names."""
        ...


def stage(data: Path, store: object) -> Path:
    """Copy into `data/backup-staging` and give that folder. Blocks; raises OSError, `StoreUnavailable`."""
    staging = data / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    make_folder(staging)
    own = set(store.copy_to(staging)) if isinstance(store, Copyable) else set()
    with closing(sqlite3.connect(data / JOURNAL)) as source, closing(sqlite3.connect(staging / JOURNAL)) as copy:
        source.backup(copy)
    for path in files_beside_the_log(data):
        name = path.relative_to(data)
        if name.parts[0] not in own and not name.name.startswith(JOURNAL):
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copy2(path, staging / name)
            except FileNotFoundError:  # replaced or forgotten meanwhile
                continue
    return staging


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
