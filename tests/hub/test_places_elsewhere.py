"""Readers' places may lie on servers that answer nothing for seconds: nobody asks for them, or sets them, in the event loop."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from hub.app.rollups import Rollups
from hub.app.trip_notes import TripNotes
from hub.delivery import Courier, Journal, ReadingCourier
from hub.log import Cursors, Log
from hub.log.log import Stream
from hub.ports import LogPosition
from hub.store import open_store
from tests.acceptance.running import write_city
from tests.hub.couriers import Sink
from tests.hub.logs import readings
from tests.hub.running import running


class Watched(Cursors):
    """Places that know in which threads they are asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.in_loop: list[str] = []
        self.asked = 0

    def get(self, reader: str) -> LogPosition | None:
        self._look(f"get {reader}")
        return super().get(reader)

    def set(self, reader: str, position: LogPosition) -> None:
        self._look(f"set {reader}")
        super().set(reader, position)

    def _look(self, what: str) -> None:
        self.asked += 1
        if threading.current_thread() is threading.main_thread():
            self.in_loop.append(what)


Work = Callable[[Path, Log, Watched], Awaitable[None]]


async def rollups(folder: Path, log: Log, cursors: Watched) -> None:
    store = open_store("duckdb", {}, folder)
    made = Rollups(store, {"events": log.events}, {"events": lambda: log.events.next}, cursors, lambda: 0, {})
    cursors.in_loop.clear()  # whoever makes one does so in a thread
    await made.step(everything=True)
    store.close()


async def trip_notes(folder: Path, log: Log, cursors: Watched) -> None:
    async def stored() -> dict[str, LogPosition]:
        return {"events": log.events.next, "derived": log.derived.next}

    made = TripNotes(cast(Any, None), log.events, log.derived, stored, cursors, lambda: 0)
    cursors.in_loop.clear()
    await made.step()


async def courier(folder: Path, log: Log, cursors: Watched) -> None:
    journal = Journal(folder / "delivery.db")
    await Courier("desk", Sink(), log.alerts, cursors, journal).begin()
    journal.close()


async def reading_courier(folder: Path, log: Log, cursors: Watched) -> None:
    journal = Journal(folder / "delivery.db")
    sink: Any = Sink()
    sink.chosen = type("Chosen", (), {"every_ns": 0})
    made = ReadingCourier.__new__(ReadingCourier)
    made._line = Courier("desk/readings", sink, log.alerts, cursors, journal)._line
    made._cursors, made._stream, made._reader, made._end = cursors, log.events, "forward.desk", log.events.next
    made.name = "desk/readings"
    await made.begin()
    journal.close()


@pytest.mark.parametrize("work", [rollups, trip_notes, courier, reading_courier])
async def test_no_place_is_asked_for_or_set_in_the_event_loop(tmp_path: Path, work: Work) -> None:
    log, cursors = Log(tmp_path / "log"), Watched(tmp_path / "cursors")
    await log.events.append(readings(3))
    await work(tmp_path, log, cursors)
    assert cursors.asked
    assert cursors.in_loop == []
    await log.close()


async def test_how_far_back_the_present_begins_is_not_looked_for_in_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On servers it walks through thousands of messages."""
    threads: list[threading.Thread] = []
    before = Stream.before

    def watched(stream: Stream, end: LogPosition, entries: int) -> LogPosition:
        threads.append(threading.current_thread())
        return before(stream, end, entries)

    monkeypatch.setattr(Stream, "before", watched)
    async with running(write_city(tmp_path)):
        assert len(threads) >= 2
        assert threading.main_thread() not in threads
