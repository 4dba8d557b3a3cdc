"""Looks every second at the parts that do not speak for themselves: streams that refuse, readers that fall behind, destinations."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hub.api.state import ReaderState
from hub.bilingual import NOTHING, Text, quoted
from hub.health import Health
from hub.ports import Log, LogPosition, Stream

LOOK_EVERY_S = 1.0
BEHIND_DEGRADED_S = 30.0
"""A reader that is caught up is tenths of a second behind; the store gathers entries for one."""
BEHIND_DOWN_S = 300.0


class Watch:
    """`readers`: those that follow the log closely (rollups do not). `look`: further parts that want to be asked."""

    def __init__(
        self, health: Health, log: Log, readers: Sequence[ReaderState], look: Sequence[Callable[[], None]] = ()
    ) -> None:
        self._health, self._log, self._readers, self._look = health, log, readers, look
        self._ends: dict[str, deque[tuple[float, LogPosition]]] = {name: deque() for name in log.streams}
        self._late: dict[str, Text] = {}
        """What was said of each reader that is behind, while it says nothing else of itself."""

    async def run(self) -> None:
        while True:
            self.step(time.monotonic())
            await asyncio.sleep(LOOK_EVERY_S)

    def step(self, at: float) -> None:
        for name, stream in self._log.streams.items():
            why = _refusing(stream, self._log.events)
            self._health.part(f"log/{name}").report("down" if why else "up", why or NOTHING)
            self._ends[name].append((at, stream.next))
        for reader in self._readers:
            self._judge(reader, self.behind_s(reader, at))
        for name, ends in self._ends.items():
            slowest = min(
                (item.cursor for item in self._readers if item.stream == name), default=self._log.streams[name].next
            )
            while len(ends) > 1 and (ends[1][1] <= slowest or at - ends[1][0] > 2 * BEHIND_DOWN_S):
                ends.popleft()
        for look in self._look:
            look()
        self._health.settle()

    def behind_s(self, reader: ReaderState, at: float) -> float:
        """For how long the oldest entry that the reader has not taken has been in the log, to a second."""
        return next((at - seen for seen, end in self._ends[reader.stream] if end > reader.cursor), 0.0)

    def _judge(self, reader: ReaderState, behind_s: float) -> None:
        """Behind is a state of its own only for a reader that says nothing worse of itself."""
        lagging = self._late.get(reader.name) == reader.part.why != NOTHING
        if reader.state not in ("up", "degraded") and not lagging:
            return
        if behind_s > BEHIND_DEGRADED_S:
            waiting = self._log.streams[reader.stream].lag(reader.cursor)
            why = Text(
                f"{reader.name} is behind by {behind_s:.0f} s: {waiting} entries wait",
                f"{reader.name} 落后 {behind_s:.0f} 秒，{waiting} 条待处理",
            )
            reader.report("down" if behind_s > BEHIND_DOWN_S else "degraded", why)
            self._late[reader.name] = why
        elif lagging:
            reader.report("up")


class RuleParts:
    """A part for each rule that is ill, for as long as it is. `ill`: those that are, with `rule` and `error`."""

    def __init__(self, health: Health, ill: Callable[[], Iterable[Mapping[str, Any]]]) -> None:
        self._health, self._who = health, ill
        self._ill: set[str] = set()

    def look(self) -> None:
        ill = {f"rule/{item['rule']}": str(item.get("error", "")) for item in self._who()}
        for name, error in ill.items():
            left_out = Text("left out where it fails, all others go on: ", "该规则在出错处停用，其余规则照常运行：")
            self._health.part(name).report("failed", left_out + quoted(error))
        for name in self._ill - ill.keys():
            self._health.part(name).report("up")
            self._health.forget(name)
        self._ill = set(ill)


def _refusing(stream: Stream, events: Stream) -> Text | None:
    """Why the stream takes nothing now. A stream that is seldom written learns late that the disk has room again; the ticks in
    "events" show it every second."""
    if stream is not events and events.refusing is None and stream.size() < stream.bytes_max:
        return None
    return stream.refusing
