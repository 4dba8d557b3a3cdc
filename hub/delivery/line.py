"""One destination's line: attempts one after another, at its rate, on record, with back-off and a breaker between them."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import takewhile

import msgspec

from hub import clock
from hub.bilingual import Text
from hub.defects import told
from hub.delivery.journal import Attempt, Journal
from hub.model import AlertChange, Reading
from hub.personal import without_echo
from hub.ports import BEGINNING, Cursors, Delivery, LogPosition

logger = logging.getLogger(__name__)

Offer = Callable[[int], Awaitable[Delivery]]
"""One call of the sink at a time (ns)."""


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
    cursor: LogPosition = BEGINNING
    behind: int = 0
    taken: int = 0
    refused: int = 0
    failed: int = 0
    skipped: int = 0
    """Entries that the log no longer had, or that were too far behind."""
    dead_letters_lost: int = 0
    failures_in_a_row: int = 0
    refused_in_a_row: int = 0
    """How many it has refused for good since it last took anything, those before a restart among them."""
    partly: bool = False
    """Whether it took the last not for everybody whom it should reach."""
    detail: str = ""
    detail_zh: str = ""


def quiet(delivery: Delivery, sent: AlertChange | Sequence[Reading]) -> Delivery:
    """The outcome without whom and where the destination was told of, in both languages."""
    words = {name: without_echo(getattr(delivery, name), sent) for name in ("detail", "detail_zh")}
    return msgspec.structs.replace(delivery, **words)


def _outcome(delivery: Delivery) -> str:
    """In the words of `Attempt`."""
    if delivery.taken:
        return "partly" if delivery.partly else "taken"
    return "refused" if delivery.final else "failed"


class Line:
    """What every courier shares, whatever it carries. `sleep` and `chance` are given, so that tests need no hours."""

    def __init__(
        self,
        name: str,
        journal: Journal,
        pace: Pace | None = None,
        *,
        now: Callable[[], int] = clock.now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: random.Random | None = None,
        fence: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`fence`: awaited before each attempt; it never returns once another hub may have begun to deliver."""
        self.name = name
        self._fence = fence
        self.status = Status(name)
        self.journal = journal
        self.pace = pace or Pace()
        self.now, self.sleep, self._chance = now, sleep, chance or random.Random()
        self._turn = asyncio.Lock()
        self._enabled = asyncio.Event()
        self._enabled.set()
        self._hurry = asyncio.Event()
        self._free_at = 0.0
        self._unsettled = False
        self._in_hand = False
        """Whether something is being handed over, or has been taken and is not settled yet."""

    async def hand_over(self, key: str, offer: Offer, settles: bool = True) -> tuple[Delivery, int]:
        """Until it is taken or refused for good: the outcome, and how many attempts it took. `settles`: whether `settle` comes after it."""
        failures = 0
        while True:
            if not self._enabled.is_set():  # what was taken before it in one batch is not settled by waiting
                self._in_hand &= not settles
                await self._enabled.wait()
            self._in_hand |= settles
            delivery = await self.attempt(key, offer)
            if delivery.taken:
                if settles or not delivery.partly:
                    self.succeeded(delivery)
                elif self.status.state != "retrying" and not self.status.refused_in_a_row:
                    self._still_partly(delivery)
                return delivery, failures + 1
            if delivery.final:
                self._refused(delivery)
                return delivery, failures + 1
            failures += 1
            self._in_hand &= not settles
            await self._wait_after_failure(delivery)

    async def leave(self, within_s: float) -> None:
        """Begin nothing more, so that this line can be cancelled. What is being handed over now may be taken and settled, for so long: else
        whoever goes on from the cursor would hand it over once more."""
        self._enabled.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._in_hand:
                    await asyncio.sleep(0.01)

    async def attempt(self, key: str, offer: Offer) -> Delivery:
        """One call of the sink, on record. One at a time, so that the destination hears one thing after another."""
        async with self._turn:
            await self._keep_rate()
            if self._fence is not None:
                await self._fence()
            at, begun = self.now(), time.monotonic()
            try:
                async with asyncio.timeout(self.pace.attempt_max_s):
                    delivery = await offer(at)
            except TimeoutError:
                limit = f"{self.pace.attempt_max_s:g}"
                delivery = Delivery(False, detail=f"no outcome within {limit} s", detail_zh=f"{limit} 秒内没有结果")
            except Exception as error:  # a fault of the sink's code must not end the courier
                logger.exception("sink of destination %s failed", self.name)
                said = Text("the sink failed: ", "投递程序出错：") + told(error)
                delivery = Delivery(False, detail=said.en, detail_zh=said.zh)
        outcome = _outcome(delivery)
        took_ms = round((time.monotonic() - begun) * 1000, 1)
        await self.note(self.journal.record, Attempt(self.name, key, at, took_ms, outcome, delivery.detail))
        if delivery.gone:
            self._enabled.clear()
            self.status.state = "disabled"
        return delivery

    def wake(self) -> None:
        """End the wait between two attempts, and the rest of a destination that said it was gone."""
        self._enabled.set()
        self._hurry.set()
        if self.status.state == "disabled":
            self.status.state = "delivering"

    async def gap(self, entries: int, what: str, why: str) -> None:
        """Entries that this destination will never get."""
        self.status.skipped += entries
        detail = f"{entries} {what} were skipped: {why}"
        logger.warning("destination %s: %s", self.name, detail)
        await self.note(self.journal.record, Attempt(self.name, "", self.now(), 0.0, "skipped", detail))

    def tell(self, position: LogPosition, behind: int) -> None:
        """Where the courier is in its stream, and how many entries are before it."""
        self.status.cursor = position
        self.status.behind = behind
        if not self.status.behind and self.status.state != "disabled":
            self.status.state = "idle"

    def succeeded(self, delivery: Delivery) -> None:
        self.status.taken += 1
        self.status.state = "delivering"
        self.is_well(delivery)

    def is_well(self, delivery: Delivery) -> None:
        """It takes what it is given, all of it unless the outcome says otherwise."""
        self.status.failures_in_a_row = self.status.refused_in_a_row = 0
        self.status.partly = delivery.partly
        self.status.detail, self.status.detail_zh = (
            (delivery.detail, delivery.detail_zh) if delivery.partly else ("", "")
        )

    def _still_partly(self, delivery: Delivery) -> None:
        """Some have not got what was said again to them: that tells nothing of what waits for all, and makes nothing well."""
        self.status.partly, self.status.detail, self.status.detail_zh = True, delivery.detail, delivery.detail_zh

    def _refused(self, delivery: Delivery) -> None:
        self.status.refused += 1
        self.status.failures_in_a_row = 0
        self.status.refused_in_a_row += 1
        self.status.detail, self.status.detail_zh = delivery.detail, delivery.detail_zh

    async def recall(self) -> None:
        """A restart makes a destination no better: what it refused last, with nothing taken since, still counts, and so does that the last did not
        reach everybody."""
        newest = await asyncio.to_thread(self.journal.attempts, self.name, self.pace.breaker_after)
        if newest and newest[0].outcome == "partly":
            self.status.partly, self.status.detail = True, newest[0].detail
        refused = [attempt.detail for attempt in takewhile(lambda attempt: attempt.outcome == "refused", newest)]
        if refused:
            self.status.refused_in_a_row, self.status.detail = len(refused), refused[0]

    async def note(self, remember: Callable[..., object], *what: object) -> bool:
        """Write to the journal. A full disk is no reason to keep warnings from people, nor is a shortage of threads or memory one to tell them twice:
        it is logged, and that is all."""
        try:
            await asyncio.to_thread(remember, *what)
        except Exception as error:
            logger.error("destination %s: its journal cannot be written: %s", self.name, told(error).en)
            return False
        return True

    async def settle(self, cursors: Cursors, reader: str, position: LogPosition) -> None:
        """Make it durable that the destination has come so far. A disk that fails is no reason to keep warnings from people: it is
        logged, and after a restart what was taken since is offered again, by the same keys."""
        try:
            await asyncio.to_thread(cursors.set, reader, position)
        except Exception as error:  # also no thread for it, or no memory: what was taken must not be told again by that
            if not self._unsettled:
                logger.error("destination %s: its position cannot be written: %s", self.name, told(error).en)
            self._unsettled = True
        else:
            self._unsettled = False
        self._in_hand = False

    async def _keep_rate(self) -> None:
        """At most `per_second_max` attempts in any second, at once if need be."""
        now = time.monotonic()
        if self._free_at > now:
            await self.sleep(self._free_at - now)
        self._free_at = max(self._free_at, now - 1.0) + 1.0 / self.pace.per_second_max

    async def _wait_after_failure(self, delivery: Delivery) -> None:
        self.status.failed += 1
        self.status.failures_in_a_row += 1
        self.status.detail, self.status.detail_zh = delivery.detail, delivery.detail_zh
        failures = self.status.failures_in_a_row
        self.status.state = "open" if failures >= self.pace.breaker_after else "retrying"
        self._hurry.clear()
        wait = asyncio.ensure_future(self.sleep(self.pace.wait_s(failures, delivery.retry_after_s, self._chance)))
        hurry = asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait((wait, hurry), return_when=asyncio.FIRST_COMPLETED)
        finally:
            wait.cancel()
            hurry.cancel()
