"""What a run at scale comes to, in words: how many reports are made and taken, how many wait, and what they wait for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

EVERY_S = 10.0
LATE_S = 1.0
"""The town is behind the clock by more than this: the simulators themselves are too slow."""
WAITING_PER_DEVICE = 1.0
"""Reports that wait, a device: beyond, whoever answers its protocol is too slow. One is under way at any time."""


class Box(Protocol):
    """What the meter reads of a device's memory."""

    acknowledged: int
    lost: int

    def __len__(self) -> int: ...


@dataclass
class Meter:
    """`boxes`: protocol → the memories of its devices, and how many devices report through them."""

    boxes: Mapping[str, tuple[list[Box], int]]
    made: int = 0
    _made: int = 0
    _taken: int = 0
    _told_s: float = field(default=0.0)

    def taken(self) -> int:
        return sum(box.acknowledged for boxes, _ in self.boxes.values() for box in boxes)

    def waiting(self) -> dict[str, int]:
        """Reports that wait, by protocol; only those where some do."""
        counted = {protocol: sum(map(len, boxes)) for protocol, (boxes, _) in self.boxes.items()}
        return {protocol: count for protocol, count in counted.items() if count}

    def tell(self, now_s: float, late_s: float) -> str | None:
        """A sentence every ten seconds. `late_s`: how far the town is behind the clock."""
        passed = now_s - self._told_s
        if passed < EVERY_S:
            return None
        taken, waiting = self.taken(), self.waiting()
        said = (
            f"{(self.made - self._made) / passed:,.0f} reports/s made, {(taken - self._taken) / passed:,.0f} taken, "
            f"{sum(waiting.values()):,} wait; {self.limit(waiting, late_s)}"
        )
        self._told_s, self._made, self._taken = now_s, self.made, taken
        return said

    def limit(self, waiting: Mapping[str, int], late_s: float) -> str:
        """What holds the run back."""
        late = late_s > LATE_S
        slow = {
            protocol: count
            for protocol, count in waiting.items()
            if count > self.boxes[protocol][1] * WAITING_PER_DEVICE
        }
        if not slow:
            if late:
                return f"the simulators limit it: they are {late_s:.1f} s late (start several, with fewer devices each)"
            return "nothing limits it"
        worst = max(slow, key=lambda protocol: slow[protocol])
        whose = "the broker, or the hub behind it," if worst == "mqtt" else "the hub"
        also = f"; the simulators are {late_s:.1f} s late too, so the machine may be too small for both" if late else ""
        return f"{whose} limits it: {slow[worst]:,} wait for the answers of {worst}{also}"
