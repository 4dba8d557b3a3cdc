"""One destination's courier: reads the stream "alerts" in order and hands each wanted change over until it is taken.

At least once, in order: the cursor moves only when a change has been taken, refused for good (a dead letter, on disk)
or is not wanted. A temporary failure holds the destination at that change, so a clear never overtakes its raise; other
destinations have couriers of their own and never notice.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from hub import clock
from hub.delivery.journal import DeadLetter, Journal
from hub.delivery.line import Line, Pace, Status, quiet
from hub.model import AlertChange, Change
from hub.moment import SECOND
from hub.ports import Cursors, Delivery, HistorySink, LogPosition, RenewingSink, Sink, Stream
from hub.stages import Journey

logger = logging.getLogger(__name__)

BATCH_ENTRIES = 256
ENTRIES = "alert changes"
RENEWALS_EVERY_S = 30.0
CATCH_UP_ENTRIES = 10_000
BEGINS = "begins.{name}"
"""The place of no reader: where a destination that nobody has delivered to yet begins, as whoever judges has noted before it judged."""
ENDING = frozenset({Change.CLEARED, Change.EXPIRED})


class Filters(msgspec.Struct, frozen=True):
    """What a destination wants; an empty filter wants all. An alert that passed once is followed to its end."""

    levels: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    """The part of a rule's name before its `/`."""
    areas: tuple[str, ...] = ()
    contact: int = 1
    """Only what rose to this contact because nobody answered."""

    def want(self, change: AlertChange) -> bool:
        return (
            change.contact >= self.contact
            and (not self.levels or change.level in self.levels)
            and (not self.packs or change.rule.partition("/")[0] in self.packs)
            and (not self.areas or change.area in self.areas)
        )


class Courier:
    """Delivers to one destination. The hub runs `run` as a task and cancels it to stop."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        stream: Stream,
        cursors: Cursors,
        journal: Journal,
        filters: Filters | None = None,
        pace: Pace | None = None,
        *,
        now: Callable[[], int] = clock.now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: random.Random | None = None,
        journey: Journey | None = None,
        fence: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self._journey = journey
        self._line = Line(name, journal, pace, now=now, sleep=sleep, chance=chance, fence=fence)
        self._sink, self._stream, self._cursors, self._journal = sink, stream, cursors, journal
        self._filters = filters or Filters()
        self._reader = f"delivery.{name}"
        self._end = stream.next
        """What the log holds from here on was said to this courier too, however late `run` comes to its turn."""
        self._followed: set[str] = set()
        self._settled: set[str] = set()
        """Changes that need not be offered again after the cursor was lost."""
        self._begin_at: LogPosition | None = None
        """Where `run` begins, and begins anew after it raised: behind what has been settled."""

    @property
    def status(self) -> Status:
        return self._line.status

    async def begin(self) -> None:
        """Decide where to begin, and make it durable. A destination never seen before begins at what was the end when the courier
        was made, or as far back as it wants to know. The hub calls this before it takes or judges anything, so that one killed in
        its first moments has no warning that such a destination misses."""
        self._followed = await asyncio.to_thread(self._journal.followed, self.name)
        offset = await asyncio.to_thread(self._cursors.get, self._reader)
        if offset is None and await asyncio.to_thread(self._journal.served, self.name):
            offset = await self._again()
        elif offset is None or offset > self._end:  # never seen before, or the log has begun anew
            offset = await self._beginning()
        elif self._journal.begun_anew:
            await self._follow_by_log(offset)
        self._begin_at = offset
        await self._line.settle(self._cursors, self._reader, offset)
        await self._line.note(self._journal.serve, self.name)
        await self._line.recall()

    async def run(self) -> None:
        """Deliver until cancelled."""
        if self._begin_at is None:
            await self.begin()
        assert self._begin_at is not None
        await self._offer_again(await asyncio.to_thread(self._journal.dead_letters, self.name, True))
        renewing = asyncio.create_task(self._keep_renewed())
        try:
            await self._deliver_from(self._begin_at)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _again(self) -> LogPosition:
        """Its cursor is lost: everything that the log still has is offered once more, but for what is on record as taken. What is
        offered twice all the same has the key it had."""
        self._settled = await asyncio.to_thread(self._journal.settled, self.name)
        logger.warning("destination %s: its cursor is lost; what the log still has is delivered again", self.name)
        return self._stream.first

    async def _follow_by_log(self, until: LogPosition) -> None:
        """Which alerts it follows, by the log: the journal that knew it is lost."""
        offset = self._stream.first
        while offset < until:
            batch = await self._stream.read(offset, CATCH_UP_ENTRIES)
            for change in batch.until(until).entries:
                if await self._wants(change):
                    await self._ended(change)
            offset = batch.next

    async def _beginning(self) -> LogPosition:
        """Where a new destination starts: for a `HistorySink` at the first change of the time it wants to know of."""
        back_s = self._sink.catch_up_s if isinstance(self._sink, HistorySink) else 0.0
        noted = await asyncio.to_thread(self._cursors.get, BEGINS.format(name=self.name))
        end = self._end if noted is None else min(self._end, noted)
        since, offset = self._line.now() - round(back_s * SECOND), self._stream.first
        while back_s and offset < end:
            batch = await self._stream.read(offset, CATCH_UP_ENTRIES)
            for change, at in zip(batch.entries, batch.positions, strict=False):
                if change.at >= since:
                    return at
            offset = batch.next
        return end

    async def _deliver_from(self, offset: LogPosition) -> None:
        while True:
            offset = await self._skip_if_far_behind(offset)
            self._line.tell(offset, self._stream.lag(offset))
            batch = await self._stream.read(offset, BATCH_ENTRIES)
            if missing := self._stream.lag(offset, batch.first):
                await self._line.gap(missing, ENTRIES, "the log no longer holds them")
                offset = batch.first
            for change, after in batch.after_each():
                self._line.tell(offset, self._stream.lag(offset))
                wanted = await self._wants(change)
                if wanted:
                    if change.id in self._settled:
                        self._settled.discard(change.id)
                    else:
                        await self._hand_over(change)
                    await self._ended(change)
                offset = after
                if wanted or offset == batch.next:
                    await self._line.settle(self._cursors, self._reader, offset)
                    self._begin_at = offset

    async def _keep_renewed(self) -> None:
        """Say again what runs out, where the sink's messages do."""
        while isinstance(self._sink, RenewingSink):
            for key in self._sink.due(self._line.now()):
                await self._line.hand_over(key, partial(self._sink.renew, key), settles=False)
            await asyncio.sleep(RENEWALS_EVERY_S)

    async def retry(self, numbers: list[int] | None = None) -> list[tuple[DeadLetter, Delivery]]:
        """Offer dead letters once more, each once and at once, and wake a destination that waits or was disabled."""
        found = await asyncio.to_thread(self._journal.dead_letters, self.name)
        chosen = [letter for letter in found if numbers is None or letter.number in numbers]
        self._line.wake()
        return await self._offer_again(chosen)

    async def exercise(self, changes: Sequence[AlertChange]) -> Delivery:
        """Hand over an exercise, each change once and past every filter: the first outcome that is not "taken", else the last. No letter is
        kept of it, and what waits in the log keeps its place."""
        delivery = Delivery(True)
        for change in changes:
            delivery = await self._line.attempt(change.id, partial(self._deliver, change))
            if not delivery.taken:
                return delivery
        self._line.is_well(delivery)
        return delivery

    async def leave(self, within_s: float) -> None:
        """Before it is cancelled for another that goes on in its place (`Line.leave`)."""
        await self._line.leave(within_s)

    async def close(self) -> None:
        await self._sink.close()

    # ---------------------------------------------------------------------------------------------- one change

    async def _wants(self, change: AlertChange) -> bool:
        if change.alert in self._followed:
            return True
        if not self._filters.want(change):
            return False
        if change.change not in ENDING:
            self._followed.add(change.alert)
            await self._line.note(self._journal.follow, self.name, change.alert)
        return True

    async def _ended(self, change: AlertChange) -> None:
        if change.change in ENDING and change.alert in self._followed:
            self._followed.discard(change.alert)
            await self._line.note(self._journal.unfollow, self.name, change.alert)

    async def _hand_over(self, change: AlertChange) -> None:
        """Until it is taken, or among the dead letters: only when it is on disk there may the cursor leave it behind."""
        delivery, attempts = await self._line.hand_over(change.id, partial(self._deliver, change))
        if delivery.taken and self._journey is not None:
            self._journey.delivered(change.id, self.name, attempts)
        while not delivery.taken and not await self._line.note(self._bury, change, delivery.detail, attempts):
            await self._line.sleep(self._line.pace.longest_s)

    async def _deliver(self, change: AlertChange, at: int) -> Delivery:
        return quiet(await self._sink.deliver(change, change.id, at), change)

    def _bury(self, change: AlertChange, reason: str, attempts: int) -> None:
        self.status.dead_letters_lost += self._journal.bury(self.name, change, reason, attempts, self._line.now())

    async def _offer_again(self, letters: list[DeadLetter]) -> list[tuple[DeadLetter, Delivery]]:
        outcomes = []
        for letter in letters:
            key = letter.change.id
            delivery = await self._line.attempt(key, partial(self._deliver, letter.change))
            if delivery.taken:
                self._line.succeeded(delivery)
                await self._line.note(self._journal.drop, [letter.number])
            else:
                await self._line.note(self._bury, letter.change, delivery.detail, 1)
            outcomes.append((letter, delivery))
        return outcomes

    # ---------------------------------------------------------------------------------------------- gaps

    async def _skip_if_far_behind(self, offset: LogPosition) -> LogPosition:
        behind = self._stream.lag(offset)
        if behind <= self._line.pace.behind_max:
            return offset
        try:
            target = await asyncio.to_thread(self._stream.before, self._stream.next, self._line.pace.behind_max)
        except OSError:  # the servers of the log do not answer, so there is nothing to be read either
            return offset
        await self._line.gap(self._stream.lag(offset, target), ENTRIES, f"the destination was {behind} entries behind")
        return target
