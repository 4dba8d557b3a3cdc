"""How long each stage of a reading's journey takes, as histograms: kept only where `[metrics] stages` asks for it.

| stage | from | until |
|---|---|---|
| `received_to_logged` | a door is given the message | its readings are durably in the log |
| `logged_to_stored` | there | the store has answered for them |
| `logged_to_judged` | there | the rules have judged them, and what they raised is durably in the log |
| `raised_to_delivered` | the rules raise, change or clear a warning | one destination has taken it |

Times are those of a clock that nobody sets. Readings logged together are one mark with their number, so that a reading costs nothing by itself.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from hub.model import AlertChange, Forwarded, Reading
from hub.ports import LogPosition

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
RECEIVED_TO_LOGGED, RAISED_TO_DELIVERED = "received_to_logged", "raised_to_delivered"
LOGGED_TO_STORED, LOGGED_TO_JUDGED = "logged_to_stored", "logged_to_judged"
MARKS_MAX = 50_000
"""Groups of readings that may wait for one reader, and warnings for destinations; of more the oldest are not measured."""


class Journey(Protocol):
    """Who wants to know how far what came in has got: these histograms, or `hub.tracing`. None where nobody does, so that it costs nothing."""

    clock: Callable[[], float]
    """Seconds, by a clock that nobody sets."""

    def logged(self, door: str, received_at: float, entries: Sequence[Reading | Forwarded], after: LogPosition) -> None:
        """What was handed to a door together is in the log before the place `after`."""

    def raised(self, change: AlertChange) -> None:
        """The rules have made a change of a warning; it is in the log once `read` tells of the place at which they were."""

    def read(self, stage: str, until: LogPosition) -> None:
        """The reader of that stage is done with everything before a place of "events"."""

    def delivered(self, change: str, destination: str, attempts: int) -> None:
        """One destination has taken a change, by its id. Changes raised before this start are not known here."""


class Histogram:
    """Counts by upper bound (s), their sum and number, as Prometheus has them."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        """Of each bucket alone; the last is for what is longer than every bound."""
        self.sum_s = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        self.counts[bisect_left(BOUNDS_S, seconds)] += times
        self.sum_s += seconds * times


class _Following:
    """A reader of the stream "events": how far it is, and what was logged behind that."""

    def __init__(self) -> None:
        self.until: LogPosition | None = None
        self.marks: deque[tuple[LogPosition, float, int]] = deque(maxlen=MARKS_MAX)
        """Place behind a group, when it was logged, how many readings it has."""


class Stages:
    """The histograms, and what is still on its way. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        names = (RECEIVED_TO_LOGGED, LOGGED_TO_STORED, LOGGED_TO_JUDGED, RAISED_TO_DELIVERED)
        self.histograms = {name: Histogram() for name in names}
        self._following = {name: _Following() for name in (LOGGED_TO_STORED, LOGGED_TO_JUDGED)}
        self._raised: dict[str, float] = {}

    def logged(self, door: str, received_at: float, entries: Sequence[Reading | Forwarded], after: LogPosition) -> None:
        """See `Journey`."""
        at, readings = self.clock(), len(entries)
        self.histograms[RECEIVED_TO_LOGGED].observe(at - received_at, readings)
        for name, following in self._following.items():
            if following.until is not None and after <= following.until:  # a reader was told of it first
                self.histograms[name].observe(0.0, readings)
            else:
                following.marks.append((after, at, readings))

    def read(self, stage: str, until: LogPosition) -> None:
        """See `Journey`."""
        at, following = self.clock(), self._following[stage]
        following.until = until
        while following.marks and following.marks[0][0] <= until:
            _, logged_at, readings = following.marks.popleft()
            self.histograms[stage].observe(at - logged_at, readings)

    def raised(self, change: AlertChange) -> None:
        """See `Journey`."""
        if len(self._raised) >= MARKS_MAX:
            del self._raised[next(iter(self._raised))]
        self._raised[change.id] = self.clock()

    def delivered(self, change: str, destination: str, attempts: int) -> None:
        """See `Journey`."""
        if (at := self._raised.get(change)) is not None:
            self.histograms[RAISED_TO_DELIVERED].observe(self.clock() - at)


class Both:
    """Two who want to know, as one `Journey`."""

    def __init__(self, first: Journey, second: Journey) -> None:
        self._two = (first, second)
        self.clock = first.clock

    def logged(self, door: str, received_at: float, entries: Sequence[Reading | Forwarded], after: LogPosition) -> None:
        for one in self._two:
            one.logged(door, received_at, entries, after)

    def raised(self, change: AlertChange) -> None:
        for one in self._two:
            one.raised(change)

    def read(self, stage: str, until: LogPosition) -> None:
        for one in self._two:
            one.read(stage, until)

    def delivered(self, change: str, destination: str, attempts: int) -> None:
        for one in self._two:
            one.delivered(change, destination, attempts)
