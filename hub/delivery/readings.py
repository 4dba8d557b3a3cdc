"""The second reader of a destination that takes readings: chosen ones out of the stream "events", in batches.

At least once: the cursor moves only behind what was taken, refused for good (on record; whoever refused them has the reasons)
or is not wanted. While they are thinned it stays where the last hand-out ended, so a restart gathers the same again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from hub import clock
from hub.delivery.journal import DeadLetter, Journal
from hub.delivery.line import Line, Pace, Status, quiet
from hub.delivery.thinning import Chooser, Thinner
from hub.model import Reading, Tick
from hub.ports import FRAME_ENTRIES_MAX, Batch, Cursors, Delivery, LogPosition, ReadingSink, Stream

LINGER_S = 0.5
"""Few large requests: how long a batch may gather entries."""
PER_REQUEST_MAX = 500
ENTRIES = "entries of readings"


class ReadingCourier:
    """Hands chosen readings to one destination. The hub runs `run` as a task and cancels it to stop."""

    def __init__(
        self,
        name: str,
        sink: ReadingSink,
        stream: Stream,
        cursors: Cursors,
        journal: Journal,
        areas: Mapping[str, str],
        pace: Pace | None = None,
        *,
        now: Callable[[], int] = clock.now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: random.Random | None = None,
        fence: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`areas`: of the devices that the registry knows."""
        assert sink.chosen is not None
        self.name = f"{name}/readings"
        self._line = Line(self.name, journal, pace, now=now, sleep=sleep, chance=chance, fence=fence)
        self._sink, self._stream, self._cursors = sink, stream, cursors
        self._choose = Chooser(sink.chosen, areas).part
        self._thinner = Thinner(sink.chosen.every_ns) if sink.chosen.every_ns else None
        self._reader = f"forward.{name}"
        self._begin_at: LogPosition | None = None
        self._end = stream.next

    @property
    def status(self) -> Status:
        return self._line.status

    async def retry(self, numbers: list[int] | None = None) -> list[tuple[DeadLetter, Delivery]]:
        """Wake a destination that waits or was disabled. Readings have no dead letters."""
        self._line.wake()
        return []

    async def leave(self, within_s: float) -> None:
        """As `Courier.leave`."""
        await self._line.leave(within_s)

    async def close(self) -> None:
        """The sink is the other courier's to close."""

    async def begin(self) -> None:
        """Decide where to begin, and make it durable, before the hub takes anything (`Courier.begin`). A destination never seen before
        starts at what was the end when the courier was made."""
        offset = await asyncio.to_thread(self._cursors.get, self._reader)
        if offset is None or offset > self._end:  # never seen before, or the log has begun anew
            served = offset is None and await asyncio.to_thread(self._line.journal.served, self.name)
            offset = self._stream.first if served else self._end  # a lost cursor: all once more, by the same keys
            await self._settle(offset)
        self._begin_at = offset
        await self._line.note(self._line.journal.serve, self.name)
        await self._line.recall()

    async def run(self) -> None:
        """Deliver until cancelled."""
        if self._begin_at is None:
            await self.begin()
        assert self._begin_at is not None
        offset = self._begin_at
        while True:
            self._line.tell(offset, self._stream.lag(offset))
            batch = await self._stream.read(offset, FRAME_ENTRIES_MAX)
            if len(batch.entries) < FRAME_ENTRIES_MAX:
                await asyncio.sleep(LINGER_S)
                batch = await self._stream.read(offset, FRAME_ENTRIES_MAX)
            if missing := self._stream.lag(offset, batch.first):
                await self._line.gap(missing, ENTRIES, "the log no longer holds them")
                offset = batch.first
            if self._thinner is None:
                wanted = [part for entry in batch.entries if type(entry) is Reading and (part := self._choose(entry))]
                await self._hand_over(wanted, offset)
                offset = batch.next
                await self._settle(offset)
            else:
                offset = await self._gather(self._thinner, batch)

    async def _gather(self, thinner: Thinner, batch: Batch) -> LogPosition:
        """Through these entries; whenever a hand-out is due it goes out, and the cursor moves to where it ended."""
        for entry, offset in zip(batch.entries, batch.positions, strict=False):
            at = entry.received_at if type(entry) is Reading else entry.at if type(entry) is Tick else None
            if at is not None and thinner.due(at):
                await self._hand_over(thinner.hand_out(), offset)
                await self._settle(offset)
            if type(entry) is Reading and (part := self._choose(entry)):
                thinner.take(part)
        return batch.next

    async def _hand_over(self, readings: list[Reading], offset: LogPosition) -> None:
        for at in range(0, len(readings), PER_REQUEST_MAX):
            some = readings[at : at + PER_REQUEST_MAX]
            key = f"{self.name} {offset}+{at}: {len(some)}"
            await self._line.hand_over(key, partial(self._deliver, some, key))

    async def _deliver(self, readings: list[Reading], key: str, at: int) -> Delivery:
        delivery = await self._sink.deliver_readings(readings, key, at)
        return quiet(delivery, readings) if delivery.detail else delivery

    async def _settle(self, offset: LogPosition) -> None:
        await self._line.settle(self._cursors, self._reader, offset)
        self._begin_at = offset
