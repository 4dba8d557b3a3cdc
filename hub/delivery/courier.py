"""One destination's courier: reads the stream "alerts" in order and hands each wanted change over until it is taken.

At least once, in order: the cursor moves only when a change has been taken, refused for good (a dead letter, on disk)
or is not wanted. A temporary failure holds the destination at that change, so a clear never overtakes its raise; other
destinations have couriers of their own and never notice.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from hub import clock
from hub.delivery.journal import Attempt, DeadLetter, Journal
from hub.model import AlertChange, Change
from hub.ports import Batch, Delivery, Sink

logger = logging.getLogger(__name__)

BATCH_ENTRIES = 256
ENDING = frozenset({Change.CLEARED, Change.EXPIRED})


class Stream(Protocol):
    """What a courier needs of the log's stream "alerts" (`hub.log.Stream`)."""

    next: int

    @property
    def first(self) -> int: ...

    async def read(self, offset: int, entries_max: int = ...) -> Batch: ...


class Cursors(Protocol):
    """Durable positions of readers (`hub.log.Cursors`)."""

    def get(self, reader: str) -> int | None: ...

    def set(self, reader: str, offset: int) -> None: ...


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


class Pace(msgspec.Struct, frozen=True):
    """How hard a courier tries. Seconds, because these are warnings; a webhook's usual hours suit invoices."""

    first_s: float = 0.5
    """The wait after failure n is drawn from 0 to `first_s` * 2^n ("full jitter", so that couriers do not march in step)."""
    longest_s: float = 30.0
    breaker_after: int = 5
    """So many failures in a row open the breaker: then no attempt sooner than `breaker_s` after the last."""
    breaker_s: float = 10.0
    retry_after_max_s: float = 600.0
    """A destination may ask for more patience (Retry-After), but not for more than this."""
    attempt_max_s: float = 60.0
    """An attempt that takes longer has failed, whatever the sink's own limits are."""
    per_second_max: float = 20.0
    behind_max: int = 100_000
    """Entries; a destination further behind than this is taken forward, and what it misses is counted."""

    def wait_s(self, failures: int, asked_s: float | None, chance: random.Random) -> float:
        """Seconds until the next attempt after `failures` failures in a row."""
        wait = chance.uniform(0.0, min(self.longest_s, self.first_s * 2.0 ** min(failures, 30)))
        if failures >= self.breaker_after:
            wait = max(wait, self.breaker_s)
        return wait if asked_s is None else max(wait, min(asked_s, self.retry_after_max_s))


class Status(msgspec.Struct):
    """How a destination is, for console, metrics and `cityhub delivery list`. Counts are since the hub started."""

    name: str
    state: str = "idle"
    """"idle" (all taken), "delivering", "retrying", "open" (the breaker), or "disabled" (the destination said it is gone)."""
    cursor: int = 0
    behind: int = 0
    taken: int = 0
    refused: int = 0
    failed: int = 0
    skipped: int = 0
    """Entries that the log no longer had, or that were too far behind."""
    dead_letters_lost: int = 0
    failures_in_a_row: int = 0
    detail: str = ""


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
    ) -> None:
        self.name = name
        self.status = Status(name)
        self._sink, self._stream, self._cursors, self._journal = sink, stream, cursors, journal
        self._filters, self._pace = filters or Filters(), pace or Pace()
        self._now, self._sleep, self._chance = now, sleep, chance or random.Random()
        self._reader = f"delivery.{name}"
        self._followed: set[str] = set()
        self._turn = asyncio.Lock()
        self._enabled = asyncio.Event()
        self._enabled.set()
        self._hurry = asyncio.Event()
        self._free_at = 0.0

    async def run(self) -> None:
        """Deliver until cancelled. A destination never seen before starts at the end of the stream."""
        self._followed = await asyncio.to_thread(self._journal.followed, self.name)
        offset = self._cursors.get(self._reader)
        if offset is None or offset > self._stream.next:  # never seen before, or the log has begun anew
            offset = self._stream.next
            await asyncio.to_thread(self._cursors.set, self._reader, offset)
        await self._offer_again(await asyncio.to_thread(self._journal.dead_letters, self.name, True))
        while True:
            offset = await self._skip_if_far_behind(offset)
            self._tell(offset)
            batch = await self._stream.read(offset, BATCH_ENTRIES)
            if batch.first > offset:
                await self._gap(batch.first - offset, "the log no longer holds them")
                offset = batch.first
            for change in batch.entries:
                self._tell(offset)
                wanted = await self._wants(change)
                if wanted:
                    await self._hand_over(change)
                    await self._ended(change)
                offset += 1
                if wanted or offset == batch.next:
                    await asyncio.to_thread(self._cursors.set, self._reader, offset)

    async def retry(self, numbers: list[int] | None = None) -> list[tuple[DeadLetter, Delivery]]:
        """Offer dead letters once more, each once and at once, and wake a destination that waits or was disabled."""
        found = await asyncio.to_thread(self._journal.dead_letters, self.name)
        chosen = [letter for letter in found if numbers is None or letter.number in numbers]
        self._enabled.set()
        self._hurry.set()
        if self.status.state == "disabled":
            self.status.state = "delivering"
        return await self._offer_again(chosen)

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
            await self._note(self._journal.follow, self.name, change.alert)
        return True

    async def _ended(self, change: AlertChange) -> None:
        if change.change in ENDING and change.alert in self._followed:
            self._followed.discard(change.alert)
            await self._note(self._journal.unfollow, self.name, change.alert)

    async def _hand_over(self, change: AlertChange) -> None:
        """Until it is taken or refused for good."""
        failures = 0
        while True:
            await self._enabled.wait()
            delivery = await self._attempt(change)
            if delivery.taken:
                self._succeeded()
                return
            if delivery.final:
                await self._refused(change, delivery, failures + 1)
                return
            failures += 1
            await self._wait_after_failure(delivery)

    async def _attempt(self, change: AlertChange) -> Delivery:
        """One call of the sink, on record. One at a time, so that the destination hears one thing after another."""
        async with self._turn:
            await self._keep_rate()
            at, begun = self._now(), time.monotonic()
            try:
                async with asyncio.timeout(self._pace.attempt_max_s):
                    delivery = await self._sink.deliver(change, change.id, at)
            except TimeoutError:
                delivery = Delivery(False, detail=f"no outcome within {self._pace.attempt_max_s:g} s")
            except Exception as error:  # a fault of the sink's code must not end the courier
                logger.exception("sink of destination %s failed", self.name)
                delivery = Delivery(False, detail=f"the sink failed: {error!r}")
        outcome = "taken" if delivery.taken else "refused" if delivery.final else "failed"
        took_ms = round((time.monotonic() - begun) * 1000, 1)
        await self._note(self._journal.record, Attempt(self.name, change.id, at, took_ms, outcome, delivery.detail))
        if delivery.gone:
            self._enabled.clear()
            self.status.state = "disabled"
        return delivery

    async def _keep_rate(self) -> None:
        """At most `per_second_max` attempts in any second, at once if need be."""
        now = time.monotonic()
        if self._free_at > now:
            await self._sleep(self._free_at - now)
        self._free_at = max(self._free_at, now - 1.0) + 1.0 / self._pace.per_second_max

    async def _note(self, remember: Callable[..., object], *what: object) -> bool:
        """Write to the journal. A full disk is no reason to keep warnings from people: it is logged, and that is all."""
        try:
            await asyncio.to_thread(remember, *what)
        except sqlite3.Error as error:
            logger.error("destination %s: its journal cannot be written: %s", self.name, error)
            return False
        return True

    def _succeeded(self) -> None:
        self.status.taken += 1
        self.status.failures_in_a_row = 0
        self.status.state, self.status.detail = "delivering", ""

    async def _refused(self, change: AlertChange, delivery: Delivery, attempts: int) -> None:
        """Into the dead letters; only when it is on disk there may the cursor leave it behind."""
        self.status.refused += 1
        self.status.failures_in_a_row = 0
        self.status.detail = delivery.detail
        while not await self._note(self._bury, change, delivery.detail, attempts):
            await self._sleep(self._pace.longest_s)

    def _bury(self, change: AlertChange, reason: str, attempts: int) -> None:
        self.status.dead_letters_lost += self._journal.bury(self.name, change, reason, attempts, self._now())

    async def _wait_after_failure(self, delivery: Delivery) -> None:
        self.status.failed += 1
        self.status.failures_in_a_row += 1
        self.status.detail = delivery.detail
        failures = self.status.failures_in_a_row
        self.status.state = "open" if failures >= self._pace.breaker_after else "retrying"
        self._hurry.clear()
        wait = asyncio.ensure_future(self._sleep(self._pace.wait_s(failures, delivery.retry_after_s, self._chance)))
        hurry = asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait((wait, hurry), return_when=asyncio.FIRST_COMPLETED)
        finally:
            wait.cancel()
            hurry.cancel()

    async def _offer_again(self, letters: list[DeadLetter]) -> list[tuple[DeadLetter, Delivery]]:
        outcomes = []
        for letter in letters:
            delivery = await self._attempt(letter.change)
            if delivery.taken:
                self._succeeded()
                await self._note(self._journal.drop, [letter.number])
            else:
                await self._note(self._bury, letter.change, delivery.detail, 1)
            outcomes.append((letter, delivery))
        return outcomes

    # ---------------------------------------------------------------------------------------------- gaps

    async def _skip_if_far_behind(self, offset: int) -> int:
        behind = self._stream.next - offset
        if behind <= self._pace.behind_max:
            return offset
        target = self._stream.next - self._pace.behind_max
        await self._gap(target - offset, f"the destination was {behind} entries behind")
        return target

    async def _gap(self, entries: int, why: str) -> None:
        self.status.skipped += entries
        detail = f"{entries} alert changes were skipped: {why}"
        logger.warning("destination %s: %s", self.name, detail)
        await self._note(self._journal.record, Attempt(self.name, "", self._now(), 0.0, "skipped", detail))

    def _tell(self, offset: int) -> None:
        self.status.cursor = offset
        self.status.behind = max(0, self._stream.next - offset)
        if not self.status.behind and self.status.state != "disabled":
            self.status.state = "idle"
