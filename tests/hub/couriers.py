"""What tests of couriers share: sinks that misbehave, and a log, cursors and a journal for them. Time is injected."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hub.delivery import Courier, Filters, Journal, Pace
from hub.log import Cursors, Log
from hub.model import AlertChange, Change
from hub.ports import Delivery

T = 1_770_000_000_000_000_000
TAKEN = Delivery(True)
DOWN = Delivery(False, detail="HTTP 503")
REFUSED = Delivery(False, final=True, detail="HTTP 422: no such camera")
GONE = Delivery(False, final=True, detail="HTTP 410", gone=True)


def change(alert: str = "a", ordinal: int = 0, what: Change = Change.RAISED, **more: Any) -> AlertChange:
    return AlertChange(
        alert, ordinal, T + ordinal, more.pop("rule", "flood/level"), "s", what, more.pop("level", "red"), **more
    )


class Sink:
    """Answers from a script; takes everything once it is played."""

    def __init__(self, *script: Delivery | Exception, took_s: float = 0.0) -> None:
        self.script = list(script)
        self.took_s = took_s
        self.heard: list[str] = []
        self.taken: list[str] = []

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        self.heard.append(key)
        if self.took_s:
            await asyncio.sleep(self.took_s)
        answer = self.script.pop(0) if self.script else TAKEN
        if isinstance(answer, Exception):
            raise answer
        if answer.taken:
            self.taken.append(key)
        return answer

    async def close(self) -> None: ...


class Hub:
    """A real log, real cursors and a real journal in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = Log(folder / "log")
        self.cursors = Cursors(folder / "cursors")
        self.journal = Journal(folder / "delivery.sqlite")
        self.slept: list[float] = []
        self.couriers: dict[str, Courier] = {}

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def courier(self, name: str, sink: Sink, filters: Filters | None = None, pace: Pace | None = None) -> Courier:
        pace = pace or Pace(per_second_max=1e6)
        made = Courier(
            name, sink, self.log.alerts, self.cursors, self.journal, filters, pace, now=lambda: T, sleep=self.sleep, chance=random.Random(1)
        )  # fmt: skip
        self.couriers[name] = made
        return made

    async def say(self, *changes: AlertChange) -> None:
        await self.log.alerts.append(changes)

    def at(self, name: str) -> int | None:
        return self.cursors.get(f"delivery.{name}")


@asynccontextmanager
async def hub_in(folder: Path) -> AsyncIterator[Hub]:
    """With a destination "video" that begins at the log's beginning."""
    hub = Hub(folder)
    hub.cursors.set("delivery.video", 0)
    yield hub
    hub.journal.close()
    await hub.log.close()


@asynccontextmanager
async def running(*couriers: Courier) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(courier.run()) for courier in couriers]
    try:
        yield
        for task in tasks:
            assert not task.done() or task.exception() is None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not come about"
        await asyncio.sleep(0.002)
