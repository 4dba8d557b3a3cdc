"""The rules' clock: receive time and ticks, listening time, and what time will complete."""

from __future__ import annotations

from heapq import heappop, heappush

NEVER = -(1 << 62)


class Clock:
    """One clock of one world. It asks nobody for the time."""

    __slots__ = ("deaf", "deaf_until", "lag", "now", "started", "timers")

    def __init__(self, lag: int = 0) -> None:
        self.lag = lag
        """How far it is behind the hub's, ns: that of a lane (`rules.lateness`)."""
        self.now = NEVER
        """Newest receive time or tick seen."""
        self.deaf = 0
        """How much of it the hub was deaf."""
        self.deaf_until = NEVER
        self.started = NEVER
        self.timers: list[tuple[int, str, str]] = []
        """Heap of (listening time, subject, rule or metric)."""

    @property
    def listening(self) -> int:
        """Time during which the hub listened, ns on a scale of its own: the clock less all deaf spans."""
        return self.now - self.deaf

    def schedule(self, due: int, subject: str, name: str) -> None:
        """Have this subject and rule (or metric) looked at once listening time reaches `due`."""
        heappush(self.timers, (due, subject, name))

    def due(self) -> list[tuple[str, str]]:
        """(subject, rule or metric) that listening time has reached, each once and in order of their names."""
        timers, listening = self.timers, self.now - self.deaf
        if not timers or timers[0][0] > listening:
            return []
        due: set[tuple[str, str]] = set()
        while timers and timers[0][0] <= listening:
            _, subject, name = heappop(timers)
            due.add((subject, name))
        return sorted(due)

    def next_due(self) -> int | None:
        """By the clock, when the first of them comes; None where there is none."""
        return self.timers[0][0] + self.deaf if self.timers else None
