"""Readers of the log: one task each, a durable cursor each, none able to hold up another."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from hub.api.state import ReaderState
from hub.app.keeping import Fence, free
from hub.bilingual import Text
from hub.error_words import words_of
from hub.faults import Faults
from hub.health import Part
from hub.ledger import Ledger
from hub.model import AlertChange, Fault, FaultKind, Reading
from hub.ports import FRAME_ENTRIES_MAX, Batch, LogFull, LogPosition, Refusal, Store, StoreUnavailable, Stream
from hub.stages import LOGGED_TO_STORED, Journey

logger = logging.getLogger(__name__)

STORE_BATCH_MAX = FRAME_ENTRIES_MAX
STORE_LINGER_S = 0.25
"""The store likes few large batches: how long one may gather entries before it is written."""
STORE_APART_S = 1.0
"""From one write of readings or warnings to the next, at least. A write costs the store some milliseconds however little it holds, and whoever
looks at what has just come looks at the present, which does not wait for the store."""
FOLD_ENTRIES = 2_000
"""Entries that a follower folds in one go, a few milliseconds, before others get their turn."""
FOLLOW_S = 0.1
"""The least time between two looks of a follower: people see no difference, and it is not woken by each commit."""
BACKOFF_S = (0.5, 30.0)
ASK_EVERY_S = 5.0
"""While nothing but ticks flows the store has nothing to write: so often it is asked all the same whether it is there."""
SILENT_S = 60.0
"""A store that has not answered a write for so long is said to be down. One batch takes seconds at most."""


class StoreReader:
    """Feeds one stream to the store. The store keeps the cursor beside its rows; what it refuses goes to quarantine."""

    def __init__(
        self,
        store: Store,
        stream: Stream,
        quarantine: Stream | None,
        ledger: Ledger,
        clock: Callable[[], int],
        journey: Journey | None = None,
        fence: Fence = free,
    ) -> None:
        """`quarantine`: None for a node's own copy, of which the city's books know nothing: what it refuses stands there already. `fence`: of
        the role by which this node writes."""
        self.state = ReaderState(f"store/{stream.name}", stream.name, required=True)
        self._store = store
        self.stream = self._stream = stream
        self._quarantine = quarantine
        self._ledger = ledger
        self._clock = clock
        self._fence = fence
        self.read_first: Callable[[Batch], None] = lambda batch: None
        """Told of each batch of "events" before it is stored."""
        self._journey = journey if stream.name == "events" else None

    def at(self) -> LogPosition:
        """How far the store has come."""
        return self.state.cursor

    def account(self, ledger: Ledger, quarantine: Stream, read_first: Callable[[Batch], None], fence: Fence) -> None:
        """What it stores is the city's from here on: these books count by it, as they have up to its cursor, and the log keeps what it has not
        taken."""
        self.stream.require(self.state.name, self.at)
        self._ledger, self._quarantine, self.read_first, self._fence = ledger, quarantine, read_first, fence

    async def open(self, known: LogPosition | None, shared: bool = False) -> None:
        """Ask the store where it stands. `known`: where the hub last saw it, for a store that cannot be asked now. `shared`: another hub may
        have written to it since this one did, so that it may be further than it says here."""
        try:
            await self._ask(self._stream.first)
            if shared:
                self.state.cursor = max(self.state.cursor, known or self._stream.first)
        except StoreUnavailable as error:
            if not self._told:
                self.state.cursor = known or self._stream.first
            self._down(words_of(error))

    _told = False
    """Whether the store has said where it stands."""

    def _cursor(self) -> LogPosition | None:
        cursor = self._store.cursor(self._stream.name)
        return None if cursor is None else LogPosition(cursor)

    async def _ask(self, otherwise: LogPosition) -> None:
        """Where the store stands by its own account, and whether it answers: only then it is up."""
        await self._find_place(otherwise)
        await asyncio.to_thread(self._store.reach)
        self.state.report("up")

    async def _find_place(self, otherwise: LogPosition) -> None:
        """Where the store stands: also after a write that failed, for what became of that nobody knows."""
        cursor = await asyncio.get_running_loop().run_in_executor(None, self._cursor)
        before, self.state.cursor = self.state.cursor, otherwise if cursor is None else cursor
        if self._stream.name == "events":
            if self.state.cursor < before:  # the store has lost what it had
                self._ledger.set_back("store", self._stream, self.state.cursor)
            elif self._told:  # or has what it has not answered for
                self._ledger.caught_up("store", self._stream, self.state.cursor)
        self._told = True

    async def run(self) -> None:
        asked = self.state.state != "down"
        unsure = False
        while True:
            try:
                if not asked:
                    await self._ask(self.state.cursor)
                    asked = True
                elif unsure:
                    await self._find_place(self.state.cursor)
                unsure = False
                await self._step()
            except StoreUnavailable as error:
                unsure = True
                self._down(words_of(error))
                await asyncio.sleep(self._backoff())

    async def _step(self) -> None:
        batch = await self._stream.read(self.state.cursor, STORE_BATCH_MAX)
        if len(batch.entries) < STORE_BATCH_MAX:
            since_s = asyncio.get_running_loop().time() - self._wrote_at
            await asyncio.sleep(max(STORE_LINGER_S, STORE_APART_S - since_s))
            batch = await self._stream.read(self.state.cursor, STORE_BATCH_MAX)
        await self.write(batch)

    async def reaches(self, position: LogPosition, within_s: float) -> bool:
        """Wait until the store has answered for everything before that place. False where time ran out first."""
        until = asyncio.get_running_loop().time() + within_s
        while self.state.cursor < position:
            if self.state.state == "down" or asyncio.get_running_loop().time() > until:
                return False
            await asyncio.sleep(0.05)
        return True

    async def write_past_the_log(self, stream: str, readings: Sequence[Reading]) -> list[Refusal]:
        """Store what the log has already behind it. Gives what the store refuses again; raises `StoreUnavailable`."""
        return await asyncio.to_thread(self._store.write, stream, readings, 0, 0)

    async def write(self, batch: Batch) -> None:
        """Store a batch, account for it, and set aside what was refused for good."""
        await self._see_that_it_answers(batch)
        await self._fence()
        refusals = await self._answered(
            asyncio.to_thread(self._store.write, self._stream.name, batch.entries, batch.first, batch.next)
        )
        await self._fence()
        if refusals and self._quarantine is not None:
            at = self._clock()
            try:
                await self._quarantine.append(_refused(refusals, at))
            except LogFull as error:  # what is good goes on; the refusal is counted all the same
                logger.error("what the store refused finds no place in quarantine: %s", error)
        self.state.cursor = batch.next
        if self._journey is not None:
            self._journey.read(LOGGED_TO_STORED, batch.next)
        self.state.report("up")
        self._failures = 0
        if self._stream.name == "events":
            self.read_first(batch)
            refused_before = None if self._quarantine is None else self._quarantine.next
            self._ledger.took("store", batch.entries, batch.next, refusals, refused_before)

    async def _answered(self, writing: Coroutine[Any, Any, list[Refusal]]) -> list[Refusal]:
        """The store's answer. One that says nothing, or a byte now and then, is down, though the write cannot be called off: it is waited for."""
        asked = asyncio.create_task(writing)
        try:
            answered, _ = await asyncio.wait({asked}, timeout=SILENT_S)
            if not answered:
                self._down(Text(f"a write has had no answer for {SILENT_S:g} s", f"写入 {SILENT_S:g} 秒未得到应答"))
            return await asked
        except asyncio.CancelledError:
            asked.cancel()
            raise

    async def _see_that_it_answers(self, batch: Batch) -> None:
        """A batch of ticks reaches no server, so that it goes through says nothing of the store. Raises `StoreUnavailable`."""
        now = asyncio.get_running_loop().time()
        writes = any(type(entry) is Reading or type(entry) is AlertChange for entry in batch.entries)
        if writes:
            self._wrote_at = now
        else:
            if self.state.state != "down" and now - self._answered_at < ASK_EVERY_S:
                return
            await asyncio.to_thread(self._store.reach)
        self._answered_at = now

    _answered_at = 0.0
    """When the store was last written to or asked, by the loop's clock."""
    _wrote_at = -math.inf
    """When the last write of readings or warnings began, by the loop's clock."""
    _failures = 0

    def _down(self, why: Text) -> None:
        self._failures += 1
        self.state.report("down", why)

    def _backoff(self) -> float:
        return random.uniform(0, min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** min(self._failures, 10)))


def _refused(refusals: Sequence[Refusal], at: int) -> list[Fault]:
    """Entries for quarantine: the first of each adapter one by one, the rest summed up with their readings."""
    by_adapter: dict[str, Faults] = {}
    for refusal in refusals:
        reading = refusal.reading
        faults = by_adapter.setdefault("store" if reading is None else reading.adapter, Faults(at, "store"))
        detail = f"the store refused it: {refusal.reason}"
        faults.add(FaultKind.VALUE, detail, reading.device if reading else None, 0, reading)
    entries: list[Fault] = []
    for adapter, faults in by_adapter.items():
        faults.close()
        for fault in faults.entries:
            fault.adapter, fault.by = adapter, "store"
        entries += faults.entries
    return entries


class Follower:
    """A reader that only folds entries into memory: it begins at the oldest entry worth having, and keeps no cursor."""

    def __init__(self, name: str, stream: Stream, take: Callable[[Sequence[Any]], None], begin: LogPosition) -> None:
        self.state = ReaderState(name, stream.name, False, begin, Part(f"reader/{name}", "up"))
        self._stream = stream
        self._take = take

    async def run(self) -> None:
        self._say()
        while True:
            batch = await self._stream.read(self.state.cursor, FRAME_ENTRIES_MAX)
            for part in batch.parts(FOLD_ENTRIES):
                self.take(part)
                if self.state.cursor < self._stream.next:
                    await asyncio.sleep(0)
            if len(batch.entries) < FOLD_ENTRIES:
                await asyncio.sleep(FOLLOW_S)

    def take(self, batch: Batch) -> None:
        try:
            self._take(batch.entries)
        except MemoryError:  # no matter of an entry: all are taken once there is some
            raise
        except Exception:
            self._take_each(batch.entries)
        self.state.cursor = batch.next

    def _take_each(self, entries: Sequence[Any]) -> None:
        """One by one, without those that cannot be taken: one entry must not keep people from seeing all that follow."""
        for entry in entries:
            try:
                self._take([entry])
            except MemoryError:
                raise
            except Exception:
                self.state.skipped += 1
                self._say()
                if self.state.skipped == 1:
                    logger.exception("%s skipped an entry; report this", self.state.part.name)

    def _say(self) -> None:
        """What people see lacks what was skipped, until the next start."""
        if skipped := self.state.skipped:
            why = Text(f"{skipped} entries skipped, which could not be shown", f"{skipped} 个条目无法显示，已跳过")
            self.state.report("degraded", why)
        else:
            self.state.report("up")
