"""What a device has to say, before any protocol gives it its form."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from simulators.world.observing import Values

BEIJING = timezone(timedelta(hours=8))
OUTBOX_MAX = 5_000
"""Reports that a device keeps while nobody acknowledges; then the oldest is lost, and counted."""


@dataclass(slots=True)
class Report:
    """One reading at its source. `at` is ns since 1970 by the device's own clock; lon and lat in degrees."""

    at: int
    values: Values
    lon: float | None = None
    lat: float | None = None
    alt: float = 0.0
    extra: dict[str, int] = field(default_factory=dict)

    @property
    def utc(self) -> datetime:
        return datetime.fromtimestamp(self.at / 1e9, UTC)

    @property
    def beijing(self) -> datetime:
        return self.utc.astimezone(BEIJING)

    def number(self, metric: str, default: float = 0.0) -> float:
        value = self.values.get(metric, default)
        return float(value) if isinstance(value, int | float) else default


class Outbox:
    """A device's memory: what it has not been told "stored" about stays here and is sent again."""

    def __init__(self, limit: int = OUTBOX_MAX) -> None:
        self._waiting: deque[Report] = deque()
        self._limit = limit
        self.lost = 0
        self.acknowledged = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Report]:
        return iter(self._waiting)

    def put(self, report: Report) -> Report | None:
        """Keep it; returns the report that had to go for it, if one had."""
        gone = None
        if len(self._waiting) >= self._limit:
            gone = self._waiting.popleft()
            self.lost += 1
        self._waiting.append(report)
        return gone

    def take_back(self, report: Report) -> None:
        """The hub has it: forget it."""
        try:
            self._waiting.remove(report)
        except ValueError:
            return
        self.acknowledged += 1
