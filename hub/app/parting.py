"""Judging shared by machines: each part of the rules by the machine that has its lease, in a thread of its own.

A machine that has parts already waits before it asks for a further one, so that one that has none gets it first; and one that has more than its
share gives one back (`hub.app.shares`). How many parts there are may change (`hub.app.parts_number`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from typing import TYPE_CHECKING

from hub.api.state import ReaderState
from hub.app.generations import Number, begin_of, number_of
from hub.app.ground import Ground
from hub.app.keeping import NEEDS, PART, OnServers
from hub.app.own_number import OwnNumber
from hub.app.part_worker import Begin, PartWorker, stage_of
from hub.app.roles import Nodes
from hub.app.shares import Shares
from hub.defects import told
from hub.ports import Batch, Cursors, LogPosition
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


class Parting:
    """The parts of this machine."""

    def __init__(self, ground: Ground, keeping: OnServers, say: Callable[[str], None], nodes: Nodes) -> None:
        self._ground, self._keeping, self._say = ground, keeping, say
        self._parts: dict[int, OnePart] = {}
        self._free_since: dict[int, float] = {}
        self._shares = Shares(nodes)
        self.own_number = OwnNumber(ground.data)

    async def run(self) -> None:
        """Take what is free, and give back what others should have, for good."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with suppress(OSError):  # the servers do not answer: it is looked again
                number = await asyncio.to_thread(number_of, self._keeping)
                holds, generation = (1, 0) if number is None else (number.parts, number.generation)
                self.own_number.look(self._ground.city.config.rules.partitions, holds, generation)
                if number is not None:
                    await self._look(number)

    async def _look(self, number: Number) -> None:
        for part, one in list(self._parts.items()):
            if one.generation < number.generation:  # it has ended, or the next could not have begun
                await self._end(part)
                await self._begin(part, one.places)
        for part in range(number.parts) if number.parts > 1 else ():
            if part not in self._parts and await self._may_take(part):
                await self._take(part)
        if self._shares.one_too_many(number.parts) and all(one.well for one in self._parts.values()):
            await self._give_back(max(self._parts))

    async def _may_take(self, part: int) -> bool:
        if not self._parts:
            return True
        if await self._keeping.is_held(PART.format(part=part)):
            self._free_since.pop(part, None)
            return False
        now = time.monotonic()
        return now - self._free_since.setdefault(part, now) >= PATIENCE_S * len(self._parts)

    async def _take(self, part: int) -> None:
        role = PART.format(part=part)
        places = await self._keeping.granted_if_free(role)
        if places is not None and await self._begin(part, places):
            self._say(f"{role}: this machine does it now")

    async def _begin(self, part: int, places: Cursors) -> bool:
        """Judge a part of the newest generation under its lease. Where that has no such part, the lease is given back. Raises OSError."""
        role, one = PART.format(part=part), None
        try:
            number = await asyncio.to_thread(number_of, self._keeping)
            if number is not None and part < number.parts > 1:
                lease, posts = self._keeping.lease(role), await asyncio.to_thread(self._keeping.posts)
                writer = posts.writer(part, lease)
                one = self._parts[part] = OnePart(part, number.generation, self._ground, self._keeping, writer, places)
                one.start()
        finally:
            if one is None:
                await self._keeping.give_back(role)
        return one is not None

    async def _end(self, part: int) -> None:
        """Have it write its snapshot down and end."""
        one = self._parts[part]
        one.ending = True
        await asyncio.to_thread(one.join)
        one.forget()
        del self._parts[part]

    async def _give_back(self, part: int) -> None:
        """Another machine has fewer, and takes it: it waits less for a free one than this does."""
        role = PART.format(part=part)
        await self._end(part)
        await self._keeping.give_back(role)
        self._say(f"{role}: given back, for another machine has fewer parts")

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
        self, part: int, generation: int, ground: Ground, keeping: OnServers, writer: Writer, places: Cursors
    ) -> None:
        name = PART.format(part=part)
        super().__init__(name=name, daemon=True)
        self._part, self.generation, self._ground, self._keeping = part, generation, ground, keeping
        self._writer, self.places = writer, places
        self._path = ground.data / f"{name}.snapshot"
        self._before: tuple[int, int] | None = None
        """Of the last snapshot: the newest message of others that was read, and the next event."""
        self._loop = asyncio.get_running_loop()
        self.ending = self._unsaved = False
        self.state = ReaderState(name, "events", required=True, cursor=ground.log.events.first)
        ground.health.add(self.state.part, required=True)
        ground.closely.append(self.state)

    @property
    def well(self) -> bool:
        """Whether it has judged nearly all that is there, so that whoever takes it has little to judge again."""
        return self.state.state == "up" and self._ground.log.events.lag(self.state.cursor) < BATCH_MAX

    def forget(self) -> None:
        """It has ended, and is no part of this machine any more."""
        self._ground.health.forget(self.name)
        self._ground.closely.remove(self.state)

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

    def _worker(self, posts: _Posts) -> PartWorker | None:
        """As its snapshot has it, or as its generation begins; None where that is over."""
        number, known = number_of(self._keeping), self._ground.city.registry.devices
        if number is None or number.generation != self.generation:
            return None
        here = Begin(number.parts, "", "", 0, b"", number.generation)  # with the state of all parts it is large

        def again(saved: bytes) -> PartWorker | bool:
            """False where it is of an earlier generation."""
            return stage_of(saved).generation == self.generation and PartWorker(self._part, posts, here, known, saved)

        found = self._keeping.read(self._path, again, None)
        if isinstance(found, PartWorker):
            return found
        begin = begin_of(self._keeping)
        if begin is None or begin.generation != self.generation:
            return None
        return PartWorker(self._part, posts, begin, known)

    def _judge(self, posts: _Posts) -> None:
        worker = self._worker(posts)
        while worker is None and not self.ending:  # whoever looks at the number of parts has this one end
            time.sleep(LOOK_EVERY_S)
        if worker is None:
            return
        self._before = None
        self.state.cursor = LogPosition(worker.cursor)
        self._report("up")
        save_at, figures_at = time.monotonic() + SAVE_EVERY_S, 0.0
        while not self.ending and not worker.ended:
            batch = self._next(worker.cursor)
            if time.monotonic() >= figures_at:
                worker.tell_figures()
                figures_at = time.monotonic() + FIGURES_EVERY_S
            for few in batch.parts(BATCH_MAX):
                if few.entries and not worker.ended:
                    for error in worker.judge(few.entries, few.positions):
                        logger.error("the rules skipped an event; report this", exc_info=error)
                    self.state.cursor = LogPosition(worker.cursor)
            if time.monotonic() >= save_at:
                save_at = time.monotonic() + max(SAVE_EVERY_S, self._save(worker) / SAVE_SHARE)
        self._save(worker)
        self._stay_where_it_ended(worker)

    def _stay_where_it_ended(self, worker: PartWorker) -> None:
        """Another generation begins with what was written down. Until then it is written again and again, should it have been damaged."""
        save_at = time.monotonic() + SAVE_EVERY_S
        while worker.ended and not self.ending:
            time.sleep(LOOK_EVERY_S)
            if self._unsaved or time.monotonic() >= save_at:
                save_at = time.monotonic() + max(SAVE_EVERY_S, self._save(worker) / SAVE_SHARE)

    def _next(self, cursor: int) -> Batch:
        """What is there, or comes within a while; nothing where the part is to end."""
        reading = self._ground.log.events.read(LogPosition(cursor), BATCH_MAX, READ_S)
        future = asyncio.run_coroutine_threadsafe(reading, self._loop)
        while not self.ending:
            try:
                return future.result(READ_S)
            except NotYet:
                if future.done():
                    raise
        future.cancel()
        return Batch((), (LogPosition(cursor),))

    def _save(self, worker: PartWorker) -> float:
        """Write the snapshot down. The seconds that making it took. What the one before needs stays until the next: this one may turn out damaged."""
        began = time.thread_time()
        data, needs = worker.saved(), (worker.read_until, worker.cursor)
        took = time.thread_time() - began
        try:
            self._keeping.replace(self._path, data)
            if self._before is not None:
                self.places.set(self.name, LogPosition(self._before[0]))
                self.places.set(NEEDS.format(part=self._part), LogPosition(self._before[1]))
            self._before = needs
            self._unsaved = False
        except OSError as error:
            self._unsaved = True
            logger.warning("%s: its snapshot could not be written (%s)", self.name, error)
        return took


class _Posts:
    """`hub.app.part_worker.Posts` on the servers."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        """Raises OSError where the servers do not answer."""
        self._writer, self._reader = writer, reader
        self._last = writer.last()

    def last(self, part: int) -> bytes | None:
        return self._last

    def send(self, part: int, message: bytes) -> None:
        if not self._writer.send(message):
            raise Ended

    def read(self, after: int, wait: bool) -> list[tuple[int, int, bytes]]:
        found = self._reader.read(after, wait)
        if wait and not found:
            raise Ended
        return found
