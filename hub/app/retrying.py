"""`cityhub quarantine retry`: what was kept out is offered again, and counted by what the log and the store answer.

What the front door refused goes through its door once more, if it would be taken now; what would not stays where it stands, so one
refusal stands once. What the store refused is in the log already, so it goes straight to the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hub.app.readers import StoreReader
from hub.ingest import Door, Ingest
from hub.ledger import Ledger
from hub.model import Fault, Message, Reading, Verdict
from hub.ports import LogPosition, Refusal, StoreUnavailable, Stream
from hub.store.rows import observed

BATCH = 500
STORE_WAIT_S = 30.0
STREAM = "retry"
"""The store's cursor of what is written past the log; nothing reads it."""


class Retried(msgspec.Struct):
    """offered = stored + refused + waiting."""

    offered: int = 0
    stored: int = 0
    refused: int = 0
    waiting: int = 0
    """In the log, but the store has not answered in time, or cannot be asked now."""


class Retrier:
    """For one hub. `otherwise`: the door for what came by an adapter that is no more."""

    def __init__(self, quarantine: Stream, ingest: Ingest, otherwise: Door, store: StoreReader, ledger: Ledger) -> None:
        self._quarantine, self._ingest, self._otherwise = quarantine, ingest, otherwise
        self._store, self._ledger = store, ledger

    async def retry(self, start: LogPosition, end: LogPosition) -> Retried:
        """Offer the readings of these entries again."""
        done = Retried()
        offered: set[tuple[str, int]] = set()
        news = self._quarantine.next
        while start < end:
            batch = await self._quarantine.read(start, BATCH)
            start, batch = batch.next, batch.until(end)
            for fault in batch.entries:
                readings = [_copy(reading) for reading in (fault.reading, *(fault.rest or ())) if reading is not None]
                done.offered += len(readings)
                if fault.by == "store":
                    await self._to_store(fault, readings, done)
                else:
                    await self._to_door(fault, readings, done, offered)
        await self._hear_store(done, news, offered)
        return done

    async def _to_door(
        self, fault: Fault, readings: Sequence[Reading], done: Retried, offered: set[tuple[str, int]]
    ) -> None:
        door = self._ingest.doors.get(fault.adapter, self._otherwise)
        usable = [reading for reading in readings if door.takes(_copy(reading))]
        done.refused += len(readings) - len(usable)
        verdicts = await door.submit([Message([reading], [], reading.device) for reading in usable])
        for reading, verdict in zip(usable, verdicts, strict=True):
            if verdict is Verdict.STORED:
                done.waiting += 1
                offered.add((reading.device, observed(reading)))
            else:
                done.refused += 1

    async def _to_store(self, fault: Fault, readings: Sequence[Reading], done: Retried) -> None:
        if not readings:
            return
        try:
            refusals = await self._store.write_past_the_log(STREAM, readings)
        except StoreUnavailable:
            done.waiting += len(readings)
            return
        refused = len(readings) - len(_without(readings, refusals))
        done.refused += refused
        done.stored += len(readings) - refused
        self._ledger.took_after_all("store", _without(readings, refusals))

    async def _hear_store(self, done: Retried, news: LogPosition, offered: set[tuple[str, int]]) -> None:
        """Wait for the store to answer for what the log has taken; what it refused stands in quarantine from `news` on."""
        if not await self._store.reaches(self._store.stream.next, STORE_WAIT_S):
            return
        refused = 0
        while news < self._quarantine.next:
            batch = await self._quarantine.read(news, BATCH)
            news = batch.next
            for fault in batch.entries:
                if fault.by == "store":
                    found = [reading for reading in (fault.reading, *(fault.rest or ())) if reading is not None]
                    refused += sum((reading.device, observed(reading)) in offered for reading in found)
        refused = min(refused, done.waiting)
        done.refused += refused
        done.stored += done.waiting - refused
        done.waiting = 0


def _without(readings: Iterable[Reading], refusals: Sequence[Refusal]) -> list[Reading]:
    """Those of which the store has taken something."""
    refused: dict[tuple[str, int], set[str]] = {}
    for refusal in refusals:
        if (reading := refusal.reading) is not None:
            refused.setdefault((reading.device, observed(reading)), set()).update(reading.values)
    return [
        reading
        for reading in readings
        if (key := (reading.device, observed(reading))) not in refused or not set(reading.values) <= refused[key]
    ]


def _copy(reading: Reading) -> Reading:
    """Another object: the front door changes what it is given, and this one may be another reader's too."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(reading), type=Reading)
