"""The rules reader where the number of parts of the rules changes: whenever it is killed on the way, it says all that one engine says, once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hub.app.gathering import Letters
from hub.app.part_worker import Begin, PartWorker
from hub.app.parts_number import PARTS
from hub.app.reuniting import has_ended, next_of
from hub.app.rules_snapshot import SNAPSHOT
from hub.app.telemetry import noted_by_the_hub
from hub.app.warning import Warner
from hub.cameras import Cameras
from hub.log import Log
from hub.model import Edition, Event
from hub.registry import Registry
from rules.engine import Engine
from rules.together import Together
from tests.hub.test_warner import DEVICES, T, book, depth
from tests.waiting import PATIENCE_S


class Killed(RuntimeError):
    pass


class Parts:
    """Judge what the log has as soon as it is asked what they say: nothing of the stream has one wait for another. What they write, and where they
    begin, outlives whoever brings together."""

    wanted = 1

    def __init__(self, log: Log) -> None:
        self._log = log
        self._begun: Begin | None = None
        self._saved: dict[tuple[int, int], bytes] = {}
        self._messages: list[tuple[int, bytes]] = []
        self._lock = threading.RLock()
        self.dies = ""
        """`before` or `behind` the next generation is kept, whoever keeps it is killed."""
        self.over = False

    def letters(self) -> Letters:
        return self

    def begin(self) -> Begin | None:
        return self._begun

    def keep(self, begin: Begin) -> None:
        dies, self.dies = self.dies, ""
        if dies == "before":
            raise Killed
        self._begun = begin
        if dies == "behind":
            raise Killed

    async def next_of(self, begin: Begin, parts: int, together: Together) -> Begin:
        with self._lock:
            self._judge(begin)
        saved = [self._saved[begin.generation, part] for part in range(begin.parts)]
        assert all(has_ended(one, begin.generation) for one in saved)
        assert not has_ended(saved[0], begin.generation + 1)
        return next_of(begin, parts, saved, together)

    def read(self, after: int, wait: bool) -> list[tuple[int, int, bytes]]:
        while not self.over:
            with self._lock:
                if wait and self._begun is not None and self._begun.parts > 1:
                    self._judge(self._begun)
                found = [
                    (number, part, data) for number, (part, data) in enumerate(self._messages, 1) if number > after
                ]
            if found or not wait:
                return found
            time.sleep(0.01)
        return []

    def close(self) -> None:
        pass

    def _judge(self, begin: Begin) -> None:
        for part in range(begin.parts):
            worker = PartWorker(part, self, begin, {}, self._saved.get((begin.generation, part)))
            batch = self._log.events.read_now(worker.cursor)
            if batch.entries and not worker.ended:
                assert worker.judge(batch.entries, batch.positions) == []
            self._saved[begin.generation, part] = worker.saved()

    # --- as the posts of each part

    def last(self, part: int) -> bytes | None:
        return next((data for by, data in reversed(self._messages) if by == part), None)

    def send(self, part: int, message: bytes) -> None:
        self._messages.append((part, message))


@pytest.fixture
async def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path / "log")
    yield made
    await made.close()


def judge(log: Log, folder: Path, parts: Parts) -> Warner:
    return Warner(log, book(), Registry(devices=DEVICES), Cameras([]), folder / SNAPSHOT, 0, gather=parts)


async def live(reader: Warner, log: Log) -> None:
    """Until it has judged all that is there, or is killed."""
    running = asyncio.create_task(reader.run())
    async with asyncio.timeout(PATIENCE_S):
        while not running.done() and (reader.state.cursor < log.events.next or reader.next_parts):
            await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError, Killed):
        await running


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("dies", ["", "before", "behind"])
async def test_a_change_of_the_number_of_parts_loses_nothing_and_repeats_nothing(
    log: Log, tmp_path: Path, dies: str, saved: bool
) -> None:
    """`saved`: whether the snapshot is written down each time, as when a hub is told to end."""
    parts, seen = Parts(log), list[Event]()
    numbers = []
    for turn, number in enumerate([3, 2, 1, 2]):
        some = [depth((10 * turn + n) * 10**9, 0.9 if n % 2 else 0.01) for n in range(5)]
        seen += [*some, Edition(T + (10 * turn + 4) * 10**9, PARTS, "t", str(number)), some[-1]]
        await log.events.append(seen[-7:])
        parts.dies = dies
        for _ in range(3):  # killed, begun anew, and begun anew once more with nothing to do
            reader = judge(log, tmp_path, parts)
            await live(reader, log)
            if saved:
                await reader.save()
        numbers.append(reader.parts)
    parts.over = True
    assert numbers == [3, 2, 1, 2]
    one = Engine(book(), DEVICES.values())
    expected = one.feed(seen)
    told = log.alerts.read_now(0).entries
    assert len(told) > 4
    assert [change.id for change in told] == [change.id for change in expected.changes]
    assert told == expected.changes
    derived = [reading for reading in log.derived.read_now(0).entries if not noted_by_the_hub(reading)]
    assert derived == list(expected.derived)
