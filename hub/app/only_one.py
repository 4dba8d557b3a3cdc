"""One process to a data folder: two would write over each other's places."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class AlreadyRunning(Exception):
    """Another process has this data folder."""


class OnlyOne:
    """The data folder for this process alone, until `close` or its end. Raises `AlreadyRunning`."""

    def __init__(self, data: Path) -> None:
        self._file = os.open(data / "lock", os.O_CREAT | os.O_RDWR, 0o640)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise AlreadyRunning(f"a hub is running on {data} already") from None

    def close(self) -> None:
        os.close(self._file)
