"""History: what a store keeps, refuses and gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from hub.model import AlertChange, Event, Reading


class Store(Protocol):
    """History. A required reader of "events" (and of "alerts") that keeps its own cursor beside its rows.

    `write` may see a batch again after a crash: rows are keyed by device, metric and observed time.
    Blocking calls; the hub runs them off the event loop, one at a time per method family.
    """

    def cursor(self, stream: str) -> int | None:
        """The next place to write, None on a fresh store. Reading it may raise `StoreUnavailable`."""
        ...

    def reach(self) -> None:
        """Ask whether it answers now. Raises `StoreUnavailable` where it does not."""
        ...

    def write(
        self, stream: str, events: Sequence[Event] | Sequence[AlertChange], first: int, next: int
    ) -> list[Refusal]:
        """Store these and move the cursor to `next`, atomically where the server can.

        Returns what the store finally refused, for quarantine. Raises `StoreUnavailable` for what may pass (down, 5xx,
        401, garbage): the hub keeps the batch and comes again.
        """
        ...

    def latest(self, devices: Sequence[str] | None = None) -> list[Row]: ...

    def series(self, query: SeriesQuery) -> list[Row]: ...

    def buckets(self, query: SeriesQuery, every: int) -> list[Bucket]:
        """Numbers per `every` ns, device and metric: what charts over long ranges show."""
        ...

    def changes(self, start: int | None = None, end: int | None = None) -> list[AlertChange]:
        """Alert changes between two times (ns, from inclusive, to exclusive), oldest first, each once."""
        ...

    def export(self, query: SeriesQuery, form: str, path: Path) -> int:
        """Rows into a file, `form` being "csv" or "parquet"; gives their number."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class CountingStore(Protocol):
    """A store that can be asked from another thread how far an export has got."""

    def exported(self) -> tuple[int, int | None]:
        """Rows of the export that runs now that are done, and of how many; None where nobody knows."""
        ...


class Refusal(msgspec.Struct, frozen=True):
    """What a store would not take, and its reason in the server's words: a reading, or an alert change."""

    reading: Reading | None
    reason: str
    change: AlertChange | None = None


class Row(msgspec.Struct, frozen=True, gc=False):
    """One stored value: the columns of `cityhub export`."""

    time: int
    device: str
    kind: str
    metric: str
    value: float | bool | str
    quality: int
    lon: float | None
    lat: float | None
    received_at: int


class Bucket(msgspec.Struct, frozen=True, gc=False):
    """What one metric of one device did from `time` (ns, a multiple of the width) on, for one bucket's width."""

    time: int
    device: str
    metric: str
    count: int
    min: float
    mean: float
    max: float
    last: float
    kind: str = ""


class SeriesQuery(msgspec.Struct, frozen=True):
    """Rows between two times (ns, from inclusive, to exclusive), oldest first; None is "any". Where `limit` cuts, the oldest of
    them, or with `newest` the newest."""

    start: int | None = None
    end: int | None = None
    device: str | None = None
    metric: str | None = None
    limit: int | None = None
    newest: bool = False
    """Of more than `limit` rows the newest are wanted, oldest of them first, instead of the oldest."""
    devices: tuple[str, ...] | None = None
    """Only of these; none of them: no rows."""


class StoreUnavailable(Exception):
    """The store cannot take or give data now; raised with a `Text` that is fit to show to people."""
