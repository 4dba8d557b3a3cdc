"""The rules reader: events in, changes of warnings out, with the cameras that see the place.

Its cursor lies inside its snapshot. After a crash it takes up the snapshot, reads the tail of what it had already
appended to "alerts" since then, and repeats none of it: the same events give the same changes, so known ids are
dropped and everything else is new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hub.api import ReaderState
from hub.app.eyes import look
from hub.cameras import Cameras
from hub.log import Log, LogFull
from hub.model import AlertChange, Edition, Event
from hub.registry import Registry
from hub.whole_file import read, replace
from rules.book import RuleBook, from_text
from rules.edition import registry_from_text, registry_text
from rules.engine import Engine

BATCH_MAX = 1_000
"""Events evaluated in one go: a few milliseconds, so that other tasks get their turn."""
SNAPSHOT_EVERY_S = 10.0


class _Snapshot(msgspec.Struct):
    """The engine with the editions it was running: what comes in the log behind the cursor was judged by those, and
    a newer edition takes effect where the log says so."""

    rules: str
    registry: str
    cursor: int
    alerts_next: int
    engine: bytes


class Warner:
    """Runs the city's rules over the stream "events"."""

    def __init__(self, log: Log, book: RuleBook, registry: Registry, cameras: Cameras, path: Path, begin: int) -> None:
        self.state = ReaderState("rules", "events", required=True, cursor=begin)
        self._log = log
        self._cameras = cameras
        self._path = path
        self._told: set[str] = set()
        self._safe_cursor = begin
        self._registry_text = registry_text(registry.devices.values(), registry.zones.values())
        self._engine = self._restore() or Engine(book, registry.devices.values(), registry.zones.values())
        log.events.require("rules", lambda: self._safe_cursor)

    def _restore(self) -> Engine | None:
        """The engine as the snapshot has it; None where there is none that can be read."""
        restored = read(self._path, _restored, None)
        if (
            restored is None
        ):  # the first start, or one that ended before the first snapshot, or a damaged one: the log tells all again
            self._told = {change.id for change in _tail(self._log, self._log.alerts.first)}
            return None
        saved, engine = restored
        self._registry_text = saved.registry
        self.state.cursor = self._safe_cursor = saved.cursor
        self._told = {change.id for change in _tail(self._log, saved.alerts_next)}
        return engine

    @property
    def engine(self) -> Engine:
        return self._engine

    async def run(self) -> None:
        self.state.report("up", self.state.detail)
        saved_at = asyncio.get_running_loop().time()
        while True:
            batch = await self._log.events.read(self.state.cursor, BATCH_MAX)
            await self.take(batch.entries, batch.next)
            if asyncio.get_running_loop().time() - saved_at > SNAPSHOT_EVERY_S:
                self.save()
                saved_at = asyncio.get_running_loop().time()
            await asyncio.sleep(0)

    async def take(self, events: Sequence[Event], next_offset: int) -> list[AlertChange]:
        """Evaluate these events and append what they change. Returns the changes."""
        outcome = self._engine.feed(events)
        for event in events:
            if type(event) is Edition and event.what == "registry":
                self._registry_text = event.text
        changes = [change for change in outcome.changes if change.id not in self._told]
        for change in changes:
            look(change, self._cameras, self._engine.book)
        wanted = ((self._log.derived, outcome.derived), (self._log.alerts, changes))
        await asyncio.gather(*(self._append(stream.append, entries) for stream, entries in wanted if entries))
        self.state.cursor = next_offset
        return changes

    async def _append(self, append: Callable[[Sequence[Any]], Any], entries: Sequence[Any]) -> None:
        """A full disk delays warnings, it does not lose them."""
        while True:
            try:
                await append(entries)
                self.state.report("up")
                return
            except LogFull as error:
                self.state.report("down", str(error))
                await asyncio.sleep(1)

    def save(self) -> None:
        """Write the snapshot down, atomically. A full disk only means a longer way back after a crash."""
        snapshot = _Snapshot(
            self._engine.book.text,
            self._registry_text,
            self.state.cursor,
            self._log.alerts.next,
            self._engine.snapshot(),
        )
        try:
            replace(self._path, msgspec.msgpack.encode(snapshot))
        except OSError as error:
            self.state.report(self.state.state, f"its snapshot could not be written: {error.strerror}")
            return
        self._safe_cursor = snapshot.cursor
        self._told = set()


def _restored(data: bytes) -> tuple[_Snapshot, Engine]:
    """The snapshot in these bytes, and the engine it holds. Raises what decoding raises."""
    saved = msgspec.msgpack.decode(data, type=_Snapshot)
    book, registry = from_text(saved.rules), registry_from_text(saved.registry)
    if book is None or registry is None:
        raise ValueError("its rules are of a version that this one does not read")
    return saved, Engine.restore(saved.engine, book, *registry)


def _tail(log: Log, offset: int) -> list[AlertChange]:
    found: list[AlertChange] = []
    while offset < log.alerts.next:
        batch = log.alerts.read_now(offset)
        found.extend(batch.entries)
        offset = batch.next
    return found
