"""Entries for tests of the log, and all that a log holds."""

from __future__ import annotations

from hub.model import Position, Reading
from hub.ports import Log


def reading(number: int) -> Reading:
    return Reading(
        f"gauge-{number}",
        number,
        {"water_level": float(number)},
        Position(121.5, 31.2),
        received_at=number,
        adapter="test",
    )


def readings(count: int, start: int = 0) -> list[Reading]:
    return [reading(number) for number in range(start, start + count)]


def everything(log: Log, stream: str = "events") -> list[object]:
    source, found, offset = log.streams[stream], [], log.streams[stream].first
    while offset < source.next:
        batch = source.read_now(offset, 7)
        found.extend(batch.entries)
        offset = batch.next
    return found
