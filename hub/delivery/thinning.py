"""Which readings go to a destination, and how much of them: chosen by kind, metric and area, thinned in time. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hub.model import Position, Reading, Value
from hub.ports import Chosen

VALUES_MAX = 200_000
"""Values gathered for one hand-out; at the limit what is there goes out early."""
PLACE = ""
"""Among a device's metrics: where it is."""


class Chooser:
    """What of a reading a destination wants."""

    def __init__(self, chosen: Chosen, areas: Mapping[str, str]) -> None:
        """`areas`: of the devices that the registry knows."""
        self._kinds, self._metrics = frozenset(chosen.kinds), frozenset(chosen.metrics)
        self._wanted_areas, self._areas = frozenset(chosen.areas), areas

    def part(self, reading: Reading) -> Reading | None:
        """The reading with the metrics that are wanted; None where it is not."""
        if self._kinds and reading.kind not in self._kinds:
            return None
        if self._wanted_areas and self._areas.get(reading.device, "") not in self._wanted_areas:
            return None
        if not self._metrics or self._metrics.issuperset(reading.values):
            return reading if reading.values or not self._metrics else None
        values = {metric: value for metric, value in reading.values.items() if metric in self._metrics}
        if not values:
            return None
        marks = {metric: mark for metric, mark in reading.marks.items() if metric in values} if reading.marks else None
        return msgspec.structs.replace(reading, values=values, marks=marks or None)


class Thinner:
    """The newest value of each device and metric in every `every_ns` of observed time.

    What was gathered is handed out when the log's own time (receive times, ticks) enters the next `every_ns`. So the same log gives
    the same hand-outs, also after a restart from where the last one ended. A late reading is one more value of its own time.
    """

    def __init__(self, every_ns: int) -> None:
        self._every = every_ns
        self._window: int | None = None
        self._gathered: dict[tuple[str, int], dict[str, tuple[int, Value | Position, Reading]]] = {}
        self._values = 0

    def due(self, at: int) -> bool:
        """Whether at this time of the log all that was gathered is to be handed out."""
        window = at // self._every
        over = self._window is not None and window > self._window
        if self._window is None or over:
            self._window = window
        return over or self._values >= VALUES_MAX

    def take(self, reading: Reading) -> None:
        at = reading.observed_at if reading.observed_at is not None else reading.received_at
        newest = self._gathered.setdefault((reading.device, at // self._every), {})
        before = len(newest)
        for metric, value in reading.values.items():
            if metric not in newest or at >= newest[metric][0]:
                newest[metric] = (at, value, reading)
        if reading.position is not None and (PLACE not in newest or at >= newest[PLACE][0]):
            newest[PLACE] = (at, reading.position, reading)
        self._values += len(newest) - before

    def hand_out(self) -> list[Reading]:
        """Everything gathered, as few readings as say it, in the order in which devices were heard."""
        out: list[Reading] = []
        for newest in self._gathered.values():
            parts: dict[int, Reading] = {}
            for metric, (at, value, reading) in sorted(newest.items(), key=lambda item: item[1][0]):
                part = parts.get(at)
                if part is None:
                    part = parts[at] = msgspec.structs.replace(reading, values={}, position=None, marks=None)
                if isinstance(value, Position):
                    part.position = value
                    continue
                part.values[metric] = value
                if reading.marks and metric in reading.marks:
                    part.marks = {**(part.marks or {}), metric: reading.marks[metric]}
            out += parts.values()
        self._gathered, self._values = {}, 0
        return out
