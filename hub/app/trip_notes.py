"""What vehicles drove, noted as readings of their own: a trip or a stop is one point of the family `trip`, at the moment when it began, so that
dashboards and exports have them beside everything else. `hub.trips` says what a trip is.

The notes go to the stream "derived". They follow the store, because trips are made of its rows: a late or back-filled fix has its stretch made anew, from the
stop before it to the stop behind it. What is noted once is written over, never added to; a trip that is none any more is written over with zeros and
the motion "withdrawn". The trip or stop that still goes on is noted as far as it has come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from hub.model import Reading
from hub.moment import SECOND
from hub.ports import (
    FRAME_ENTRIES_MAX,
    Cursors,
    LogFull,
    LogPosition,
    Row,
    SeriesQuery,
    Store,
    StoreUnavailable,
    Stream,
)
from hub.reports.fleet import ROWS_MAX, VEHICLES, fixes
from hub.store.rollups import DAY, HOUR, MINUTE, windows
from hub.trips import Stop, Trip, trips

CURSOR = "trips"
EVERY_S = 120.0
WORK_S = 20.0
"""Of one round; the vehicles that are left come first in the next one."""
MINUTES_MAX = 500_000
"""Minutes of vehicles remembered as driven in."""
BACK_NS = 7 * DAY
"""How far a stop is looked for before and behind what came."""
PIECE_NS = 7 * DAY
"""Looked at in one go."""
CLOSE_NS = 2_000
"""Fixes tell their times as seconds in a double: what was noted at a fix may stand so far from it."""
MOTION = "motion"
DRIVING, STANDING, UNHEARD, WITHDRAWN = "driving", "standing", "unheard", "withdrawn"
METRICS = (
    MOTION, "trip_duration", "trip_distance", "trip_moving", "trip_idling", "trip_speed", "stop_duration", "stop_idling",
)  # fmt: skip
Values = dict[str, Any]


class TripNotes:
    """Reads "events" behind the store and notes on "derived" what was driven."""

    def __init__(
        self,
        store: Store,
        events: Stream,
        derived: Stream,
        stored: Callable[[], Awaitable[Mapping[str, LogPosition]]],
        cursors: Cursors,
        now: Callable[[], int],
    ) -> None:
        """`stored`: how far the store has come in each of the two streams; raises OSError. Blocks."""
        self._store, self._events, self._derived, self._stored = store, events, derived, stored
        self._cursors, self._now = cursors, now
        self._written = derived.next
        """The store must have come so far before it is asked what is noted."""
        self._cursor = cursors.get(CURSOR) or events.first
        self._minutes: dict[tuple[str, str], set[int]] = {}
        """By vehicle and its kind: minutes with fixes that are still to be looked at."""

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.step()
            except (StoreUnavailable, LogFull, OSError):
                continue  # what is still to be looked at is remembered

    async def step(self) -> int:
        """Look at what the store has taken since; gives how many notes were written."""
        stored = await self._stored()
        await self._look(stored["events"])
        if stored["derived"] < self._written:
            return 0
        until = time.monotonic() + WORK_S
        written = 0
        for vehicle, minutes in list(self._minutes.items()):
            if time.monotonic() > until:
                break
            noted = await asyncio.to_thread(notes, self._store, *vehicle, minutes, self._now())
            if noted:
                self._written = LogPosition(await self._derived.append(noted) + len(noted))
            del self._minutes[vehicle]
            written += len(noted)
        if not self._minutes:
            await asyncio.to_thread(self._cursors.set, CURSOR, self._cursor)
        return written

    async def _look(self, stored: LogPosition) -> None:
        self._cursor = max(self._cursor, self._events.first)
        while self._cursor < min(stored, self._events.next) and not self._many():
            batch = await self._events.read(self._cursor, FRAME_ENTRIES_MAX, 0)
            for vehicle, minutes in driven(entry for entry in batch.entries if type(entry) is Reading).items():
                self._minutes.setdefault(vehicle, set()).update(minutes)
            self._cursor = batch.next
            await asyncio.sleep(0)

    def _many(self) -> bool:
        return sum(map(len, self._minutes.values())) > MINUTES_MAX


def driven(readings: Iterable[Reading]) -> dict[tuple[str, str], set[int]]:
    """By vehicle and its kind: the minutes in which these readings say where it was."""
    found: dict[tuple[str, str], set[int]] = {}
    for reading in readings:
        at = reading.observed_at
        if reading.kind in VEHICLES and reading.position is not None and at is not None:
            found.setdefault((reading.device, reading.kind), set()).add(at - at % MINUTE)
    return found


def notes(store: Store, device: str, kind: str, minutes: Iterable[int], now: int) -> list[Reading]:
    """What is to be written, so that the notes on a vehicle agree with what the store holds of these minutes. Blocking; raises
    `StoreUnavailable`."""
    changed: dict[int, Values] = {}
    for window in windows({at - at % HOUR for at in minutes}, DAY):
        changed |= _of_stretch(store, device, window.start, window.end + HOUR, now)
    return [
        Reading(device, at, values, received_at=now, adapter="hub", kind=kind) for at, values in sorted(changed.items())
    ]


def _of_stretch(store: Store, device: str, first: int, last: int, now: int) -> dict[int, Values]:
    """Notes that change, by their times, from the stop before `first` to the stop behind `last`."""
    changed: dict[int, Values] = {}
    begin, end = _stop_before(store, device, first), _stop_behind(store, device, last)
    to, piece = now + HOUR if end is None else end, PIECE_NS
    while begin < to:
        until = min(begin + piece, to + CLOSE_NS)
        rows = store.series(SeriesQuery(begin - CLOSE_NS, until, device, limit=ROWS_MAX))
        too_many = len(rows) == ROWS_MAX
        found, stood_at = _found([row for row in rows if row.metric not in METRICS])
        if until >= to and not too_many:
            cut = to
        elif stood_at is not None and stood_at > begin:
            cut = stood_at  # the next piece begins with a stop, and so comes out as from the beginning of all
        elif too_many:
            cut = max(rows[-1].time, begin + 1)
        else:
            piece *= 2
            continue
        noted = _noted(row for row in rows if row.metric in METRICS)
        for at in {*found, *noted}:
            if begin <= at < cut and (values := found.get(at, _WITHDRAWN)) != noted.get(at, _WITHDRAWN):
                changed[at] = values
        begin, piece = cut, PIECE_NS
    return changed


def _stop_before(store: Store, device: str, first: int) -> int:
    """Where to begin, so that what comes out is the same as from the beginning of all: with the newest stop that is noted and was over by that
    time (one that still goes on may be none, once more is known), else with the newest trip, else a day before."""
    begin, driven = first - DAY, False
    for row in reversed(store.series(SeriesQuery(first - BACK_NS, first + 1, device, MOTION))):
        if row.value == DRIVING:
            begin, driven = begin if driven else row.time, True
        elif row.value in (STANDING, UNHEARD) and driven:
            return row.time
    return begin


def _stop_behind(store: Store, device: str, last: int) -> int | None:
    """When the first stop that is noted as begun behind that time ends; None where none does."""
    stood = False
    for row in store.series(SeriesQuery(last, last + BACK_NS, device, MOTION)):
        if stood and row.value == DRIVING:
            return row.time
        stood = stood or row.value in (STANDING, UNHEARD)
    return None


def _found(rows: Sequence[Row]) -> tuple[dict[int, Values], int | None]:
    """Trips and stops of these rows as notes, and when the last stop began that was over before the last trip."""
    driven, stood = trips(fixes(rows))
    found = {_at(stop.start.at): _of_stop(stop) for stop in stood}
    found |= {_at(trip.start.at): _of_trip(trip) for trip in driven}
    over = [stop.start.at for stop in stood if driven and stop.end.at <= driven[-1].start.at]
    return found, _at(over[-1]) if over else None


def _noted(rows: Iterable[Row]) -> Mapping[int, Values]:
    """Notes as they stand in the store."""
    found: dict[int, Values] = {}
    for row in rows:
        found.setdefault(row.time, {})[row.metric] = row.value
    return found


def _of_trip(trip: Trip) -> Values:
    return _WITHDRAWN | {
        MOTION: DRIVING,
        "trip_duration": round(trip.seconds, 1),
        "trip_distance": round(trip.distance_m / 1000, 3),
        "trip_moving": round(trip.moving_s, 1),
        "trip_idling": round(trip.idling_s, 1),
        "trip_speed": round(trip.fastest_kmh, 1),
    }


def _of_stop(stop: Stop) -> Values:
    return _WITHDRAWN | {
        MOTION: UNHEARD if stop.gap else STANDING,
        "stop_duration": round(stop.seconds, 1),
        "stop_idling": round(stop.idling_s, 1),
    }


_WITHDRAWN: Values = {MOTION: WITHDRAWN} | {metric: 0.0 for metric in METRICS if metric != MOTION}
"""Every note has every value, so that one written over another leaves nothing of it."""


def _at(seconds: float) -> int:
    """ns, to the microsecond."""
    return round(seconds * SECOND / 1000) * 1000
