"""The thread in which a stream writes: what is given to it is done in order, away from the event loop."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

Work = Callable[[], None]


class DiskThread:
    """Not `concurrent.futures`: its future for each piece of work, with locks of its own, costs half as much as a commit's write, and nobody
    asks for it. Use it from one event loop. What is given must not raise."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._given: SimpleQueue[Work | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        """Begun with the first piece of work. A daemon, so that a process whose log was never closed can end: what is not durable then has been
        acknowledged to nobody."""

    def do(self, work: Work) -> None:
        """Once everything given before is done. Raises OSError where the system has no thread for it."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # which says no more than that
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
            self._thread = thread
        self._given.put(work)

    def close(self) -> None:
        """Returns once everything is done."""
        if self._thread is not None:
            self._given.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (work := self._given.get()) is not None:
            work()
            del work  # or what it holds of a commit stays in memory until the next
