"""Readers of the log: one task each, a durable cursor each, none able to hold up another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from hub.api import ReaderState
from hub.ledger import Ledger
from hub.log import LogFull, Stream
from hub.model import Fault, FaultKind
from hub.ports import Batch, Store, StoreUnavailable

STORE_BATCH_MAX = 20_000
STORE_LINGER_S = 0.25
"""The store likes few large batches: how long one may gather entries before it is written."""
LIVE_BATCH_MAX = 2_000
BACKOFF_S = (0.5, 30.0)


class StoreReader:
    """Feeds one stream to the store. The store keeps the cursor beside its rows; what it refuses goes to quarantine."""

    def __init__(
        self, store: Store, stream: Stream, quarantine: Stream, ledger: Ledger, clock: Callable[[], int]
    ) -> None:
        self.state = ReaderState(f"store/{stream.name}", stream.name, required=True)
        self._store = store
        self._stream = stream
        self._quarantine = quarantine
        self._ledger = ledger
        self._clock = clock
        stream.require(self.state.name, lambda: self.state.cursor)

    async def open(self, known: int | None) -> None:
        """Ask the store where it stands. `known`: where the hub last saw it, for a store that cannot be asked now."""
        try:
            self.state.cursor = await asyncio.to_thread(self._store.cursor, self._stream.name) or self._stream.first
        except StoreUnavailable as error:
            self.state.cursor = known or self._stream.first
            self._down(str(error))

    async def run(self) -> None:
        asked = self.state.state != "down"
        while True:
            try:
                if not asked:
                    self.state.cursor = (
                        await asyncio.to_thread(self._store.cursor, self._stream.name) or self.state.cursor
                    )
                    asked = True
                await self._step()
            except StoreUnavailable as error:
                self._down(str(error))
                await asyncio.sleep(self._backoff())

    async def _step(self) -> None:
        batch = await self._stream.read(self.state.cursor, STORE_BATCH_MAX)
        if len(batch.entries) < STORE_BATCH_MAX:
            await asyncio.sleep(STORE_LINGER_S)
            batch = await self._stream.read(self.state.cursor, STORE_BATCH_MAX)
        await self.write(batch)

    async def write(self, batch: Batch) -> None:
        """Store a batch, account for it, and set aside what was refused for good."""
        refusals = await asyncio.to_thread(self._store.write, self._stream.name, batch.entries, batch.first, batch.next)
        if refusals:
            at = self._clock()
            faults = [
                Fault(
                    FaultKind.VALUE,
                    f"the store refused it: {refusal.reason}",
                    b"",
                    refusal.reading.device,
                    at,
                    refusal.reading.adapter,
                    0,
                    refusal.reading,
                )
                for refusal in refusals
            ]
            while True:
                try:
                    await self._quarantine.append(faults)
                    break
                except LogFull:
                    await asyncio.sleep(1)
        self.state.cursor = batch.next
        self.state.state, self.state.detail = "up", ""
        self._failures = 0
        if self._stream.name == "events":
            self._ledger.took("store", batch.entries, batch.next)

    _failures = 0

    def _down(self, why: str) -> None:
        self._failures += 1
        self.state.state, self.state.detail = "down", why

    def _backoff(self) -> float:
        return random.uniform(0, min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** min(self._failures, 10)))


class Follower:
    """A reader that only folds entries into memory: it begins at the oldest entry worth having, and keeps no cursor."""

    def __init__(self, name: str, stream: Stream, take: Callable[[Sequence[object]], None], begin: int) -> None:
        self.state = ReaderState(name, stream.name, required=False, cursor=begin, state="up")
        self._stream = stream
        self._take = take

    async def run(self) -> None:
        while True:
            self.take(await self._stream.read(self.state.cursor, LIVE_BATCH_MAX))
            await asyncio.sleep(0)

    def take(self, batch: Batch) -> None:
        self._take(batch.entries)
        self.state.cursor = batch.next
