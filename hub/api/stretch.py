"""A stretch of the log for whoever looks. What is not in memory is asked of the disk or of servers beside the event loop, so nobody else waits."""

from __future__ import annotations

import asyncio
from typing import Any

from hub.api.problem import Problem
from hub.ports import Batch, LogPosition, Stream

WITHIN_S = 5.0
"""How long the servers of the log may keep whoever looks waiting."""


async def newest(stream: Stream, entries: int, end: LogPosition | None = None) -> Batch:
    """So many entries before `end`, which is the stream's own without one; fewer where there are fewer. Raises `Problem` 503."""
    end = stream.next if end is None else min(end, stream.next)
    try:
        first = await asyncio.to_thread(stream.before, end, entries)
    except OSError as error:
        raise Problem(503, f"the log {stream.name!r} cannot be read now: {error}") from None
    return await between(stream, first, end)


async def between(stream: Stream, first: LogPosition, end: LogPosition) -> Batch:
    """All entries from `first` to before `end` that are still there. Raises `Problem` 503 where the servers of the log do not answer."""
    found: list[Any] = []
    positions = [first]
    while positions[-1] < end:
        batch = (await stream.read(positions[-1], wait_s=WITHIN_S)).until(end)
        if not batch.entries:
            if batch.next >= end:
                break
            raise Problem(503, f"the log {stream.name!r} cannot be read now: its servers do not answer")
        found += batch.entries
        positions[-1:] = batch.positions
    return Batch(found, positions)
