"""What a connection that the hub made itself has brought: a connection says that somebody is there, a message that it is the right one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from hub.bilingual import NOTHING, Text
from hub.model import Message, Verdict
from hub.ports import Intake

QUIET_S = 15.0
"""After so long without a usable message the adapter says since when."""


class Hearing:
    """An intake that looks at what passes through it, and reports the adapter's state by that.

    A first connection is "up", soon with "nothing heard since …". One that follows a connection without a usable message is "degraded"
    until something usable comes; so is one that brings only what cannot be used.
    """

    def __init__(self, intake: Intake, what: Text) -> None:
        self._intake = intake
        self._what = what
        self._since = intake.now()
        self._at = 0.0
        self._connected = False
        self._garbage = 0
        self._vain = 0
        """Connections in a row that brought nothing usable."""

    def connected(self) -> None:
        self._connected, self._garbage = True, 0
        self._at = asyncio.get_running_loop().time()
        if self._vain:
            self._quiet()
        else:
            self._intake.report("up", self._what)

    def ended(self) -> None:
        self._connected = False
        self._vain += 1

    def submit(self, messages: Sequence[Message]) -> asyncio.Future[list[Verdict]]:
        if any(message.readings or message.changes or not message.faults for message in messages):
            self._vain = self._garbage = 0
            self._since = self._intake.now()
            self._at = asyncio.get_running_loop().time()
            self._intake.report("up", self._what)
        else:
            self._garbage += len(messages)
            if self._garbage == len(messages):
                self._quiet()
        return asyncio.ensure_future(self._intake.submit(messages))

    async def watch(self) -> None:
        """Until cancelled: say since when nothing usable was heard."""
        while True:
            await asyncio.sleep(1.0)
            if self._connected and asyncio.get_running_loop().time() - self._at >= QUIET_S:
                self._quiet()

    def _quiet(self) -> None:
        since = datetime.fromtimestamp(self._since // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        heard = Text("nothing usable", "可用") if self._garbage else Text("nothing", "任何")
        said = Text(f", {heard.en} heard since {since}", f"，自 {since} 起未收到{heard.zh}数据")
        self._intake.report("degraded" if self._vain or self._garbage else "up", self._what + said)

    # The rest of the front door as it is.

    def rest_s(self) -> float:
        return self._intake.rest_s()

    def report(self, state: str, why: Text | str = NOTHING) -> None:
        self._intake.report(state, why)

    def knows(self, device: str) -> bool:
        return self._intake.knows(device)

    def now(self) -> int:
        return self._intake.now()

    def attribute(self, device: str, name: str) -> float | str | None:
        return self._intake.attribute(device, name)
