"""A recording played through the whole hub on its own clock: log, store, rules and console, nothing delivered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from hub.app.hub import Hub
from hub.bilingual import Text
from hub.clock import ToldClock
from hub.model import Message, Tick, Verdict
from hub.moment import SECOND
from hub.ports import LogFull
from hub.recording import Recorded

TICK_NS = 60 * SECOND
TICKS_PER_GAP_MAX = 50_000
"""Over a gap of years the ticks are made longer rather than more."""
GROUP_MAX = 500
IN_FLIGHT_MAX = 20_000
"""Entries handed to the log that the disk need not have yet: it commits them together, where waiting for each minute
of a recording would cost a disk write a minute. Far below what the log's queue takes."""
BEHIND_MAX = 50_000
"""Entries that the rules may be behind before the recording waits for them."""


async def replay(
    hub: Hub,
    clock: ToldClock,
    recorded: Iterable[Recorded],
    kind: str,
    speed: float | None,
    progress: Callable[[int], None],
) -> None:
    """Feed the recording through the door "replay" until its end. `speed`: times real time, None as fast as it goes.

    Raises `LogFull` where the disk cannot take it.
    """
    player = _Player(hub, clock, kind)
    loop = asyncio.get_running_loop()
    began = loop.time()
    first: int | None = None
    for at, message in recorded:
        first = at if first is None else first
        if at > clock.at:
            player.send_group()
            if speed is not None and (ahead := (at - first) / SECOND / speed - (loop.time() - began)) > 0:
                await asyncio.sleep(ahead)
            player.pass_time(at)
        player.take(message)
        if player.in_flight > IN_FLIGHT_MAX:
            await player.settle(IN_FLIGHT_MAX // 2)
            progress(player.fed)
    player.send_group()
    await player.settle(0)
    progress(player.fed)
    await _keep_pace(hub, 0)


class _Player:
    """Hands groups and ticks to the log in the order of the recording."""

    def __init__(self, hub: Hub, clock: ToldClock, kind: str) -> None:
        self.fed = 0
        self.in_flight = 0
        self._hub = hub
        self._clock = clock
        self._door = hub.ingest.door("replay", kind, "admit")
        self._door.report("up", Text("a recording", "回放记录"))
        self._group: list[Message] = []
        self._sent: deque[tuple[int, asyncio.Future[Any]]] = deque()

    def take(self, message: Message) -> None:
        self._group.append(message)
        if len(self._group) >= GROUP_MAX:
            self.send_group()

    def send_group(self) -> None:
        """Everything that arrived at this moment."""
        if self._group:
            self.fed += len(self._group)
            self._note(sum(len(message.readings) for message in self._group), self._door.submit(self._group))
            self._group = []

    def pass_time(self, until: int) -> None:
        """Ticks up to the next moment of the recording."""
        if self._clock.at:
            step = TICK_NS * max(1, (until - self._clock.at) // (TICK_NS * TICKS_PER_GAP_MAX))
            ticks = [Tick(at) for at in range((self._clock.at // step + 1) * step, until + 1, step)]
            if ticks:
                self._note(len(ticks), self._hub.log.events.append(ticks))
        self._clock.at = until

    async def settle(self, in_flight_max: int) -> None:
        """Wait until the disk has all but so many entries, and the rules are not far behind."""
        while self._sent and self.in_flight > in_flight_max:
            count, sent = self._sent.popleft()
            answer = await sent
            self.in_flight -= count
            if isinstance(answer, list) and Verdict.BUSY in answer:
                raise LogFull(self._hub.log.events.refusing or "the log takes no more")
        await _keep_pace(self._hub, BEHIND_MAX)

    def _note(self, count: int, sent: asyncio.Future[Any]) -> None:
        self.in_flight += max(1, count)
        self._sent.append((max(1, count), sent))


async def _keep_pace(hub: Hub, behind_max: int) -> None:
    while hub.log.events.lag(hub.judging.warner.state.cursor) > behind_max:
        await asyncio.sleep(0.01)
