"""What was observed in a back-test, kept for judging its warnings and for drawing them: good numbers by device and metric."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable

from hub.geo import distance_m
from hub.metrics import vocabulary
from hub.model import USABLE_MARKS, Device, Position, Reading
from rules.book import RuleBook

TRACK_MAX = 4_000
"""Positions kept of one moving device; beyond, every second one is let go."""


class Series:
    """One metric of one device, in order of observed time (ns)."""

    __slots__ = ("_ordered", "times", "values")

    def __init__(self) -> None:
        self.times = array("q")
        self.values = array("d")
        self._ordered = True

    def add(self, at: int, value: float) -> None:
        if self.times and at <= self.times[-1]:
            self._ordered = False
        self.times.append(at)
        self.values.append(value)

    def order(self) -> Series:
        """Sort what came late, and let the last word on a moment stand."""
        if not self._ordered:
            pairs = sorted(dict(zip(self.times, self.values, strict=True)).items())
            self.times = array("q", [at for at, _ in pairs])
            self.values = array("d", [value for _, value in pairs])
            self._ordered = True
        return self

    def upto(self, at: int) -> int:
        """How many readings are not newer than `at`: the newest of them has the index before."""
        return bisect_right(self.order().times, at)

    def between(self, since: int, until: int) -> array[float]:
        """Values observed from `since` to `until`, both included."""
        times = self.order().times
        return self.values[bisect_left(times, since) : bisect_right(times, until)]


class Observed:
    """Every usable number that a back-test saw."""

    def __init__(self, metrics: Collection[str] | None = None) -> None:
        """`metrics`: keep only these (None: all numbers)."""
        self.series: dict[tuple[str, str], Series] = {}
        self.spans: dict[str, tuple[int, int]] = {}
        self.kinds: dict[str, str] = {}
        self.tracks: dict[str, list[Position]] = {}
        self._numbers = {name for name, metric in vocabulary().items() if metric.type == "number"}
        if metrics is not None:
            self._numbers &= set(metrics)

    def add(self, reading: Reading) -> None:
        """Take a reading that passed the checks."""
        device, at = reading.device, reading.observed_at or reading.received_at
        span = self.spans.get(device)
        if span is None:
            self.spans[device] = (at, at)
            self.kinds[device] = reading.kind
        elif at > span[1]:
            self.spans[device] = (span[0], at)
        elif at < span[0]:
            self.spans[device] = (at, span[1])
        if reading.position is not None:
            self._move(device, reading.position)
        marks = reading.marks
        for metric, value in reading.values.items():
            if metric not in self._numbers or (marks and marks.get(metric, "manual") not in USABLE_MARKS):
                continue
            series = self.series.get((device, metric))
            if series is None:
                series = self.series[(device, metric)] = Series()
            series.add(at, value)  # type: ignore[arg-type]  # the front door checked that it is a number

    def _move(self, device: str, position: Position) -> None:
        track = self.tracks.setdefault(device, [])
        if not track or track[-1] != position:
            track.append(position)
            if len(track) > TRACK_MAX:
                del track[1:-1:2]

    def without(self, values: Collection[tuple[str, str, int]]) -> Observed:
        """The same but for these values: (device, metric, observed time)."""
        other = Observed(())
        other.spans, other.kinds, other.tracks = self.spans, self.kinds, self.tracks
        gone: dict[tuple[str, str], set[int]] = {}
        for device, metric, at in values:
            gone.setdefault((device, metric), set()).add(at)
        for key, series in self.series.items():
            if key in gone:
                kept = Series()
                for at, value in zip(series.order().times, series.values, strict=True):
                    if at not in gone[key]:
                        kept.add(at, value)
                series = kept
            other.series[key] = series
        return other

    def neighbours(self, device: str, metric: str, places: dict[str, Position], within_m: float) -> list[Series]:
        """The same metric of other devices of the same kind that stand near."""
        here = places.get(device)
        if here is None:
            return []
        return [
            series
            for (other, name), series in self.series.items()
            if name == metric and other != device and self.kinds.get(other) == self.kinds.get(device)
            and (there := places.get(other)) is not None
            and distance_m(here.lon, here.lat, there.lon, there.lat) <= within_m
        ]  # fmt: skip


def metrics_of(book: RuleBook) -> set[str] | None:
    """The metrics that the rules read, or None (all) where there are no rules."""
    series = [rule.own_series() for rule in book.rules] + [spec.own_series() for spec in book.derivations]
    return {name.rstrip("~") for names in series for name in names} or None


def where(devices: Iterable[Device], observed: Observed) -> dict[str, Position]:
    """Where devices stand: by the registry, else where they were last heard of."""
    places = {device: track[-1] for device, track in observed.tracks.items()}
    return places | {device.device: device.position for device in devices if device.position is not None}
