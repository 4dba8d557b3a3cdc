"""A stand-in for the hub's front door: remembers what came, and gives verdicts when the test says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from hub.bilingual import NOTHING, Text
from hub.model import Fault, Message, Reading, Verdict


class FakeIntake:
    """Answers at once with `verdict`, or holds every group until `release()`."""

    def __init__(self, hold: bool = False, verdict: Verdict = Verdict.STORED) -> None:
        self.hold = hold
        self.verdict = verdict
        self.messages: list[Message] = []
        self.groups: list[int] = []
        self.states: list[tuple[str, str]] = []
        self.rest = 0.0
        self.held: list[tuple[asyncio.Future[list[Verdict]], int]] = []
        self._changed = asyncio.Event()

    @property
    def readings(self) -> list[Reading]:
        return [reading for message in self.messages for reading in message.readings]

    @property
    def faults(self) -> list[Fault]:
        return [fault for message in self.messages for fault in message.faults]

    def submit(self, messages: Sequence[Message]) -> asyncio.Future[list[Verdict]]:
        future: asyncio.Future[list[Verdict]] = asyncio.get_running_loop().create_future()
        self.messages += messages
        self.groups.append(len(messages))
        if self.hold:
            self.held.append((future, len(messages)))
        else:
            future.set_result([self.verdict] * len(messages))
        self._changed.set()
        return future

    def release(self, verdict: Verdict | None = None) -> None:
        held, self.held = self.held, []
        for future, count in held:
            if not future.done():
                future.set_result([verdict or self.verdict] * count)

    def rest_s(self) -> float:
        return self.rest

    def report(self, state: str, why: Text | str = NOTHING) -> None:
        self.states.append((state, str(why)))
        self._changed.set()

    def now(self) -> int:
        return time.time_ns()

    def knows(self, device: str) -> bool:
        return True

    def attribute(self, device: str, name: str) -> float | str | None:
        return None

    async def until(self, what: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until `what()` holds; it is asked after every submit and report, and now and then."""
        async with asyncio.timeout(seconds):
            while not what():
                self._changed.clear()
                try:
                    await asyncio.wait_for(self._changed.wait(), 0.05)
                except TimeoutError:
                    pass
