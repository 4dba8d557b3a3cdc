"""A recording played through the whole hub on its own clock: log, store, rules and console, nothing delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from hub.app.hub import Hub
from hub.log import LogFull
from hub.model import Message, Tick, Verdict
from hub.moment import SECOND
from hub.recording import Recorded

GROUP_MAX = 500
TICK_S = 60


class RecordingClock:
    """The time of the recording: moves only when told."""

    def __init__(self) -> None:
        self.at = 0

    def __call__(self) -> int:
        return self.at


async def replay(
    hub: Hub,
    clock: RecordingClock,
    recorded: Iterable[Recorded],
    kind: str,
    speed: float | None,
    progress: Callable[[int], None],
) -> None:
    """Feed the recording through the door "replay" until its end. `speed`: times real time, None as fast as it goes."""
    door = hub.ingest.door("replay", kind, "admit")
    door.report("up", "a recording")
    loop = asyncio.get_running_loop()
    began = loop.time()
    first: int | None = None
    group: list[Message] = []
    fed = 0

    async def flush() -> None:
        nonlocal group, fed
        if not group:
            return
        while Verdict.BUSY in await door.submit(group):
            await asyncio.sleep(0.05)
        fed += len(group)
        group = []
        progress(fed)

    for at, message in recorded:
        if at // (TICK_S * SECOND) > clock.at // (TICK_S * SECOND) or len(group) >= GROUP_MAX or speed is not None:
            await flush()
        first = at if first is None else first
        if speed is not None and (ahead := (at - first) / SECOND / speed - (loop.time() - began)) > 0:
            await asyncio.sleep(ahead)
        if at > clock.at:
            await _pass_time(hub, clock, at)
        group.append(message)
    await flush()
    await _keep_pace(hub, 0)


async def _pass_time(hub: Hub, clock: RecordingClock, until: int) -> None:
    """Ticks up to the next moment of the recording; readers are given time to keep up."""
    step = TICK_S * SECOND
    if clock.at:
        step *= max(1, (until - clock.at) // (step * 50_000))
        ticks = [Tick(at) for at in range((clock.at // step + 1) * step, until + 1, step)]
        if ticks:
            try:
                await hub.log.events.append(ticks)
            except LogFull:
                await asyncio.sleep(1)
    clock.at = until
    await _keep_pace(hub, 50_000)


async def _keep_pace(hub: Hub, behind_max: int) -> None:
    while hub.log.events.next - hub.warner.state.cursor > behind_max:
        await asyncio.sleep(0.01)
