"""The process's open files, shared by all adapters: however many devices connect, the log can still open its own."""

from __future__ import annotations

import contextlib
import resource

KEPT_FREE = 200
"""File descriptors left to the log, the store and the console."""


class OpenFiles:
    """Counts the connections of all adapters against the limit of open files."""

    def __init__(self, kept_free: int = KEPT_FREE) -> None:
        self._kept_free = kept_free
        self._wanted = 0
        self._taken = 0

    def want(self, connections: int) -> int:
        """Ask for room; raises the soft limit where it may. Returns how many connections of all adapters there is room for."""
        self._wanted += connections
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = self._wanted + self._kept_free
        if soft != resource.RLIM_INFINITY and soft < needed:
            most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return self.room()

    def give_up(self, connections: int) -> None:
        self._wanted -= connections

    def room(self) -> int:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return self._wanted if soft == resource.RLIM_INFINITY else max(1, soft - self._kept_free)

    def take(self) -> bool:
        """Room for one more connection, if there is."""
        if self._taken >= self.room():
            return False
        self._taken += 1
        return True

    def give_back(self) -> None:
        self._taken -= 1


FILES = OpenFiles()
