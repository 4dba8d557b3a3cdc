"""The socket in the data folder."""

from __future__ import annotations

import os
from pathlib import Path

SOCKET = "hub.sock"
SOCKET_PATH_MAX = 100
"""Bytes; the kernel allows 107."""


def socket_path(folder: Path) -> str:
    """The hub's socket as connect and bind take it, however long the folder's path is.

    A path too long for a socket address goes by way of the open folder; its descriptor stays with the process.
    """
    path = str((folder / SOCKET).absolute())
    if len(path.encode()) <= SOCKET_PATH_MAX:
        return path
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    return f"/proc/self/fd/{descriptor}/{SOCKET}"
