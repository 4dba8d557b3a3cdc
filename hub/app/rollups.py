"""The reader that keeps rollups: sees in the log which minutes were touched, and has the store make those anew.

It follows the store, because rollups are made from its rows. Minutes are made once a minute, hours and days every ten;
the cursor moves with the latter, so after a crash a little is made twice. The log does not wait for it: what it missed,
`cityhub store DIR rebuild` makes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from hub.api.state import ReaderState
from hub.bilingual import NOTHING, Text
from hub.error_words import words_of
from hub.health import Part
from hub.model import Reading
from hub.moment import SECOND
from hub.ports import FRAME_ENTRIES_MAX, Cursors, LogPosition, SeriesQuery, StoreUnavailable, Stream
from hub.store.erasing import Eraser
from hub.store.rollups import (
    DAY,
    HOUR,
    WIDTHS,
    RollupStore,
    Window,
    apply_retention,
    denied,
    drop_denied,
    parts,
    remake,
    remake_touched,
    touched,
)

MINUTES_EVERY_S = 60.0
ALL_EVERY_S = 600.0
RETENTION_EVERY_S = 3600.0
STEP_S = 1800.0
"""The hub's clock has stepped where it is off so much from one look to the next."""
WORK_S = 20.0
MINUTES_MAX = 500_000
"""Minutes of devices remembered as touched; with more, all widths are made at once and forgotten. Ten minutes of 20,000 devices
are 200,000, a month of one 43,200."""
Result = TypeVar("Result")


class Rollups:
    """Over several streams (what devices said, what the hub derived), for one store."""

    def __init__(
        self,
        store: RollupStore,
        streams: Mapping[str, Stream],
        stored: Mapping[str, Callable[[], LogPosition]],
        cursors: Cursors,
        now: Callable[[], int],
        keep_days: Mapping[str, float],
        eraser: Eraser | None = None,
    ) -> None:
        """`stored`: how far the store has come in each stream. Blocks."""
        self._eraser = eraser
        self._store, self._streams, self._stored = store, streams, stored
        self._cursors, self._now, self._keep_days = cursors, now, keep_days
        self.states = {
            name: ReaderState(
                f"rollups/{name}",
                name,
                False,
                cursors.get(f"rollups_{name}") or stream.first,
                Part(f"rollups/{name}", "up"),
            )
            for name, stream in streams.items()
        }
        self._minutes: dict[str, set[int]] = {}
        """By device: minutes whose hours and days are still to be made."""
        self._new: dict[str, set[int]] = {}
        self._denied: dict[str, set[int]] = {}
        """Of those, minutes with a mark that denies a value."""
        self._working = asyncio.Lock()
        self._skew_s: float | None = None
        self._stepped_at_s: float | None = None

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        all_due, retention_due = clock() + ALL_EVERY_S, clock()
        while True:
            await asyncio.sleep(MINUTES_EVERY_S)
            try:
                await self.step(clock() >= all_due)
                if clock() >= all_due:
                    all_due = clock() + ALL_EVERY_S
                if clock() >= retention_due and self._clock_is_steady(clock()):
                    await self._in_thread(self.drop_what_is_due)
                    retention_due = clock() + RETENTION_EVERY_S
                self._say("up", NOTHING)
            except (StoreUnavailable, OSError) as error:  # the latter: how far it is cannot be written down
                self._say("down", words_of(error))

    def drop_what_is_due(self) -> None:
        """Retention. Blocking."""
        apply_retention(self._store, self._keep_days, self._now())
        if self._eraser is not None:
            self._eraser.step(self._now())

    def _clock_is_steady(self, at_s: float) -> bool:
        """Whether the hub's clock went as the machine's own did for a day, or ever since. After a step nothing is dropped for a
        day: with a clock that is a year ahead all of history would be too old."""
        skew_s = self._now() / SECOND - at_s
        if self._skew_s is not None and abs(skew_s - self._skew_s) > STEP_S:
            self._stepped_at_s = at_s
        self._skew_s = skew_s
        return self._stepped_at_s is None or at_s - self._stepped_at_s > DAY / SECOND

    async def step(self, everything: bool) -> int:
        """Look at what the store has taken since; make minutes, or with `everything` hours and days too."""
        for name, state in self.states.items():
            await self._look(name, state)
        everything = everything or _many(self._minutes)
        written = await self._make(self._new, ("1m",))
        if everything and not self._new:
            written += await self._make(self._minutes, ("1h", "1d"))
        if everything and not self._new and not self._minutes:
            self._denied.clear()
            for name, state in self.states.items():
                await asyncio.to_thread(self._cursors.set, f"rollups_{name}", state.cursor)
        return written

    async def _make(self, minutes: dict[str, set[int]], widths: tuple[str, ...]) -> int:
        """The newest first, for at most `WORK_S`: one device's back-filled months hold up nobody's present. What is left is made
        in the next step."""
        written = 0
        until = time.monotonic() + WORK_S
        for part in parts(minutes):
            if time.monotonic() > until:
                break
            for width in widths:
                written += await self._in_thread(partial(remake_touched, self._store, width, part, self._denied))
            for device, starts in part.items():
                minutes[device] -= starts
                if not minutes[device]:
                    del minutes[device]
        return written

    async def rebuild(self, start: int | None, end: int | None) -> int:
        """Make a range anew from the rows, all of history without one; gives how many rollups were written."""
        return await self._in_thread(lambda: rebuild(self._store, start, end, self._now()))

    async def _look(self, name: str, state: ReaderState) -> None:
        stream = self._streams[name]
        if state.cursor < stream.first:
            state.skipped += stream.lag(state.cursor, stream.first)
            state.cursor = stream.first
        while state.cursor < min(self._stored[name](), stream.next) and not _many(self._minutes):
            batch = await stream.read(state.cursor, FRAME_ENTRIES_MAX, 0)
            readings = [entry for entry in batch.entries if type(entry) is Reading]
            for device, starts in touched(readings).items():
                self._new.setdefault(device, set()).update(starts)
                self._minutes.setdefault(device, set()).update(starts)
            for device, starts in denied(readings).items():
                self._denied.setdefault(device, set()).update(starts)
            state.cursor = batch.next
            await asyncio.sleep(0)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        async with self._working:
            return await asyncio.to_thread(work)

    def _say(self, state: str, why: Text) -> None:
        for reader in self.states.values():
            reader.report(state, why)


def _many(minutes: Mapping[str, set[int]]) -> bool:
    return sum(map(len, minutes.values())) > MINUTES_MAX


def rebuild(
    store: RollupStore, start: int | None, end: int | None, now: int, progress: Callable[[int], None] = lambda _: None
) -> int:
    """All rollups between two times from the rows, day by day, days without rows skipped; `progress` hears days done."""
    end = now + HOUR if end is None else end
    written = days = 0
    at = start
    while oldest := store.series(SeriesQuery(at, end, limit=1)):
        day = oldest[0].time - oldest[0].time % DAY
        window = Window(max(day, start or day), min(end, day + DAY))
        for width in WIDTHS:  # one after the other: the coarser are made of the finer that are left
            written += remake(store, window, (width,))
            drop_denied(store, width, window)
        at = day + DAY
        days += 1
        progress(days)
        if at >= end:
            break
    return written
