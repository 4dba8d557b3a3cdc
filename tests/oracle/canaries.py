"""Faults put into the hub on purpose: the oracle must catch each of them, or it proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _acknowledges_before_the_disk() -> None:
    """The log says "stored" as soon as the operating system has it."""
    from hub.log.log import Stream

    begin = Stream.__init__

    def without_sync(self: Stream, folder: Any, entry_type: Any, limits: Any, sync: bool = True) -> None:
        begin(self, folder, entry_type, limits, sync=False)

    Stream.__init__ = without_sync  # type: ignore[method-assign]


def _moves_a_cursor_too_far() -> None:
    """A destination's cursor is written two entries ahead of what it has taken."""
    from hub.log.cursors import Cursors

    put = Cursors.set

    def ahead(self: Cursors, reader: str, offset: int) -> None:
        put(self, reader, offset + 2 if reader.startswith("delivery.") and offset else offset)

    Cursors.set = ahead  # type: ignore[method-assign]


def _says_a_warning_again() -> None:
    """After a restart the rules repeat what they had told already, under another key."""
    from hub.app.warning import Warner

    begin = Warner.__init__

    def forgetful(self: Warner, *arguments: Any) -> None:
        begin(self, *arguments)
        self._told = set()

    Warner.__init__ = forgetful  # type: ignore[method-assign]


def _stores_twice() -> None:
    """Rows whose time is off by a nanosecond: each reading of a batch twice."""
    from hub.store.duckdb import DuckDBStore

    write = DuckDBStore.write

    def twice(self: DuckDBStore, stream: str, events: Any, first: int, next: int) -> Any:
        import msgspec

        from hub.model import Reading

        more = [
            msgspec.structs.replace(event, observed_at=event.observed_at + 1)
            for event in events
            if type(event) is Reading and event.observed_at is not None
        ]
        return write(self, stream, [*events, *more[:1]], first, next)

    DuckDBStore.write = twice  # type: ignore[method-assign]


CANARIES: dict[str, Callable[[], None]] = {
    "acknowledges before the disk": _acknowledges_before_the_disk,
    "moves a cursor too far": _moves_a_cursor_too_far,
    "says a warning again": _says_a_warning_again,
    "stores twice": _stores_twice,
}


def let_in(name: str) -> None:
    CANARIES[name]()
