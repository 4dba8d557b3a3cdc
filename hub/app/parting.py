"""Judging shared by machines: each part of the rules by the machine that has its lease, in a thread of its own.

A machine that has parts already waits before it asks for a further one, so that one that has none gets it first.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hub.api.state import ReaderState
from hub.app.gathering import Letters
from hub.app.ground import Ground
from hub.app.keeping import BEGIN, PART, OnServers
from hub.app.part_worker import Begin, PartWorker
from hub.defects import told
from hub.ports import Batch, Cursors, LogPosition
from hub.whole_file import read
from rules.desk import Ended

if TYPE_CHECKING:
    from hub.log.jetstream.posts import Reader, Writer

logger = logging.getLogger(__name__)

BATCH_MAX = 1_000
READ_S = 0.5
"""So long it is waited for events before it is looked whether the part is to end."""
LOOK_EVERY_S = 0.5
PATIENCE_S = 1.5
"""So much longer, for each part that a machine has, it leaves a free one to others."""
SAVE_EVERY_S, SAVE_SHARE = 10.0, 0.02
FIGURES_EVERY_S = 5.0
AGAIN_S = 5.0


class GatherOnServers:
    """For whoever brings together (`hub.app.warning`): with the lease `rules`."""

    def __init__(self, keeping: OnServers, data: Path) -> None:
        """Raises OSError where the servers do not answer."""
        self._keeping, self._path = keeping, data / BEGIN
        self.parts = keeping.parts
        self.letters: Letters = keeping.posts().reader(lambda: False)

    def begin(self) -> Begin | None:
        """Raises ValueError where the rules are shared among another number of parts."""
        return begin_of(self._keeping)

    def keep(self, begin: Begin) -> None:
        self._keeping.replace(self._path, msgspec.msgpack.encode(begin))


def begin_of(keeping: OnServers) -> Begin | None:
    """Where the parts began; None where they have not yet. Raises ValueError with a sentence where they are not as many as they were, OSError."""
    data = keeping.shown(BEGIN)
    if data is None:
        return None
    begin = msgspec.msgpack.decode(data, type=Begin)
    if begin.parts != keeping.parts:
        raise ValueError(
            f"[rules] partitions = {keeping.parts}: this log is judged in {begin.parts} parts, and their number cannot be changed yet (docs/scale.md)"
        )
    return begin


class Parting:
    """The parts of this machine."""

    def __init__(self, ground: Ground, keeping: OnServers, say: Callable[[str], None]) -> None:
        self._ground, self._keeping, self._say = ground, keeping, say
        self._parts: dict[int, OnePart] = {}

    async def run(self) -> None:
        """Take what is free, for good. Raises ValueError where the parts are not those of this city folder."""
        begin = None
        while begin is None:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                begin = await asyncio.to_thread(begin_of, self._keeping)
            except OSError:
                continue
        free_since: dict[int, float] = {}
        while True:
            for part in range(begin.parts):
                if part not in self._parts and await self._may_take(part, free_since):
                    await self._take(part, begin)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _may_take(self, part: int, free_since: dict[int, float]) -> bool:
        if not self._parts:
            return True
        if await self._keeping.is_held(PART.format(part=part)):
            free_since.pop(part, None)
            return False
        now = time.monotonic()
        return now - free_since.setdefault(part, now) >= PATIENCE_S * len(self._parts)

    async def _take(self, part: int, begin: Begin) -> None:
        role = PART.format(part=part)
        places = await self._keeping.granted_if_free(role)
        if places is None:
            return
        writer = await asyncio.to_thread(lambda: self._keeping.posts().writer(part, self._keeping.lease(role)))
        one = self._parts[part] = OnePart(part, begin, self._ground, self._keeping, writer, places)
        one.start()
        self._say(f"{role}: this machine does it now")

    def roles(self) -> list[str]:
        return [PART.format(part=part) for part in sorted(self._parts)]

    def states(self) -> list[ReaderState]:
        return [self._parts[part].state for part in sorted(self._parts)]

    async def end(self) -> None:
        for one in self._parts.values():
            one.ending = True
        for one in self._parts.values():
            await asyncio.to_thread(one.join, 30.0)


class OnePart(threading.Thread):
    """One part at work. It begins anew from its snapshot after whatever it raised."""

    def __init__(
        self, part: int, begin: Begin, ground: Ground, keeping: OnServers, writer: Writer, places: Cursors
    ) -> None:
        name = PART.format(part=part)
        super().__init__(name=name, daemon=True)
        self._part, self._begin, self._ground, self._keeping = part, begin, ground, keeping
        self._writer, self._places = writer, places
        self._path = ground.data / f"{name}.snapshot"
        self._loop = asyncio.get_running_loop()
        self.ending = False
        self.state = ReaderState(name, "events", required=True, cursor=LogPosition(begin.cursor))
        self._safe = LogPosition(begin.cursor)
        ground.health.add(self.state.part, required=True)
        ground.closely.append(self.state)
        ground.log.events.require(name, lambda: self._safe)

    def run(self) -> None:
        while not self.ending:
            try:
                self._live()
            except Ended:
                return
            except Exception as error:
                with suppress(Exception):  # without memory for the words it begins anew all the same
                    logger.error("%s has failed and begins anew; report this", self.name, exc_info=error)
                    self._report("down", error)
                time.sleep(AGAIN_S)

    def _report(self, state: str, error: Exception | None = None) -> None:
        args = (state,) if error is None else (state, told(error))
        self._loop.call_soon_threadsafe(self.state.report, *args)

    def _live(self) -> None:
        reader = self._keeping.posts().reader(lambda: self.ending or not self._keeping.lease(self.name).held)
        try:
            self._judge(_Posts(self._writer, reader))
        finally:
            reader.close()

    def _judge(self, posts: _Posts) -> None:
        known = self._ground.city.registry.devices
        make = lambda data: PartWorker(self._part, posts, self._begin, known, data)  # noqa: E731
        worker = read(self._path, make, None) or PartWorker(self._part, posts, self._begin, known)
        self.state.cursor = self._safe = LogPosition(worker.cursor)
        self._report("up")
        save_at, figures_at = time.monotonic() + SAVE_EVERY_S, 0.0
        while not self.ending:
            batch = self._next(worker.cursor)
            if time.monotonic() >= figures_at:
                worker.tell_figures()
                figures_at = time.monotonic() + FIGURES_EVERY_S
            for few in batch.parts(BATCH_MAX):
                if few.entries:
                    for error in worker.judge(few.entries, few.positions):
                        logger.error("the rules skipped an event; report this", exc_info=error)
                    self.state.cursor = LogPosition(worker.cursor)
            if time.monotonic() >= save_at:
                save_at = time.monotonic() + max(SAVE_EVERY_S, self._save(worker) / SAVE_SHARE)
        self._save(worker)

    def _next(self, cursor: int) -> Batch:
        reading = self._ground.log.events.read(LogPosition(cursor), BATCH_MAX, READ_S)
        future = asyncio.run_coroutine_threadsafe(reading, self._loop)
        while not self.ending:
            try:
                return future.result(READ_S)
            except NotYet:
                if future.done():
                    raise
        future.cancel()
        raise Ended

    def _save(self, worker: PartWorker) -> float:
        """Write the snapshot down. The seconds that making it took."""
        began = time.thread_time()
        data, safe, read_until = worker.saved(), worker.cursor, worker.read_until
        took = time.thread_time() - began
        try:
            self._keeping.replace(self._path, data)
            self._places.set(self.name, LogPosition(read_until))
            self._safe = LogPosition(safe)
        except OSError as error:
            logger.warning("%s: its snapshot could not be written (%s)", self.name, error)
        return took


class _Posts:
    """`hub.app.part_worker.Posts` on the servers."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer, self._reader = writer, reader

    def last(self, part: int) -> bytes | None:
        return self._writer.last()

    def send(self, part: int, message: bytes) -> None:
        if not self._writer.send(message):
            raise Ended

    def read(self, after: int, wait: bool) -> list[tuple[int, int, bytes]]:
        found = self._reader.read(after, wait)
        if wait and not found:
            raise Ended
        return found
