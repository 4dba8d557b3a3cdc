"""How far long work is: a bar on a terminal, a plain line now and then in a pipe, always on standard error."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from hub.cli.output import note

LINE_EVERY_S = 10.0
"""Between two lines in a pipe: short work says nothing, and an hour's fits on some screens."""

LOOK_EVERY_S = 0.2

Told: TypeAlias = Callable[[int, int | None], None]
"""How much is done, and of how much; None where nobody knows."""


@contextmanager
def progress(what: str, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> Iterator[Told]:
    """`what` is counted, such as "readings". `quiet`: say nothing."""
    if quiet:
        yield lambda done, of: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress, TimeElapsedColumn

        columns = (*Progress.get_default_columns(), TimeElapsedColumn())
        above = sys.stdout.isatty()  # else rich would take what goes into a file or a pipe, and print it above the bar
        with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=above) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, of: bar.update(
                task, completed=done, total=of, description=f"{done:,} {what}" if of is None else what
            )
    else:
        yield _lines(what, clock)


@contextmanager
def meanwhile(look: Callable[[], None]) -> Iterator[None]:
    """Look now and five times a second while the work is done that cannot say itself how far it is. The work stays in this thread, so that Ctrl-C
    ends it."""
    over = threading.Event()

    def looking() -> None:
        look()
        while not over.wait(LOOK_EVERY_S):
            look()

    watcher = threading.Thread(target=looking, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _lines(what: str, clock: Callable[[], float]) -> Told:
    said_at = clock()

    def told(done: int, of: int | None) -> None:
        nonlocal said_at
        if clock() - said_at >= LINE_EVERY_S:
            said_at = clock()
            note(f"{done:,} {what} so far" if of is None else f"{done:,} of {of:,} {what}")

    return told
