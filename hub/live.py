"""The newest value and position of every device, for people (console, `cityhub devices`). Rules never ask here.

"Newest" is by observed time, but nothing is newer than the moment it was received in: a clock ahead, the device's or the hub's own,
must not hide what comes after (docs/decisions/wrong-clocks.md). A late report fills in what is still unknown, and never replaces
what is newer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from hub.model import USABLE_MARKS, Event, Position, Reading, Value
from hub.moment import ON_THE_WAY_NS

DEVICES_MAX = 200_000
"""Devices kept; the one unheard for longest gives way."""
EARLY_MAX = 1_000
"""Devices of which marks are kept that came before their first report, which is on its way by another stream."""
SKEW_WEIGHT = 0.1
ALL_AT_ONCE: Mapping[str, int] = MappingProxyType({})
"""Of a device whose values are all of one moment."""


class DeviceState(msgspec.Struct):
    """What is known of one device now."""

    device: str
    kind: str
    adapter: str
    first_at: int
    received_at: int
    observed_at: int
    readings: int = 0
    skew_s: float = 0.0
    """Receive time minus observed time, smoothed: how late its reports come or how wrong its clock is."""
    position: Position | None = None
    position_at: int = 0
    values: dict[str, Value] = msgspec.field(default_factory=dict)
    """The newest of each metric."""
    earlier: Mapping[str, int] = ALL_AT_ONCE
    """Metric → the observed time of its value, where that is not `observed_at`: a device mostly tells all it measures in one reading."""
    marks: dict[str, tuple[str, int]] = msgspec.field(default_factory=dict)
    """Metric → the newest mark against it and the observed time of what it was said of: the value's, or later."""
    turn: int = 0
    """Of `Live` when it was last heard of: what is told step by step goes by it, as receive times may reach here out of order."""

    def told_at(self, metric: str) -> int:
        """The observed time of the newest value of this metric."""
        return self.earlier.get(metric, self.observed_at)

    def take(self, told: Mapping[str, Value], observed: int) -> None:
        """Values of one moment: those that are the newest of their metric. Other threads read this meanwhile: none sees a value with a later time
        than its own, for which no mark would hold, and nothing that it goes through changes its size."""
        values, newest = self.values, max(observed, self.observed_at)
        if observed == newest and told.keys() == values.keys():  # nearly always: news of all that it measures
            values.update(told)
            self.earlier, self.observed_at = ALL_AT_ONCE, newest
            return
        if observed < newest:
            told = {metric: told[metric] for metric in told if metric not in values or observed >= self.told_at(metric)}
        times = {metric: self.told_at(metric) for metric in values if metric not in told}
        if observed < newest:
            times |= dict.fromkeys(told, observed)
            self.earlier = {**self.earlier, **{metric: observed for metric in told if metric not in values}}
        if told.keys() <= values.keys():
            values.update(told)
        else:
            self.values = {**values, **told}
        self.earlier = {metric: at for metric, at in times.items() if at != newest} or ALL_AT_ONCE
        self.observed_at = newest

    def mark(self, metric: str) -> str | None:
        """What is said against the newest value of this metric: a mark outlasts a value of its moment that comes without one."""
        said, at = self.marks.get(metric, ("", 0))
        return said if said and at >= self.told_at(metric) else None

    def usable(self, metric: str) -> Value | None:
        """The newest value, if there is one and nothing denies it."""
        return self.values[metric] if metric in self.values and self.mark(metric) in (None, *USABLE_MARKS) else None

    def say(self, metric: str, mark: str, at: int) -> None:
        if at >= self.marks.get(metric, ("", at))[1]:
            self.marks[metric] = (mark, at)


class Live:
    """Folds readings into the present."""

    def __init__(self) -> None:
        self.devices: dict[str, DeviceState] = {}
        self.turn = 0
        """Reports taken so far."""
        self._early: dict[str, dict[str, tuple[str, int]]] = {}
        """Device → its marks, as in its state: what was found out before its first report reached here."""

    def feed(self, events: Iterable[Event]) -> None:
        for event in events:
            if type(event) is Reading:
                self._take(event)

    def feed_found(self, events: Iterable[Event]) -> None:
        """Take the marks of what the rules derived: what tests of quality, or people at work, hold against values."""
        for event in events:
            if type(event) is Reading and event.marks:
                at = min(event.observed_at or event.received_at, event.received_at)
                state = self.devices.get(event.device)
                if state is None:
                    if len(self._early) >= EARLY_MAX:
                        del self._early[next(iter(self._early))]
                    self._early.setdefault(event.device, {}).update(
                        {metric: (mark, at) for metric, mark in event.marks.items()}
                    )
                    continue
                for metric, mark in event.marks.items():
                    state.say(metric, mark, at)
                state.turn = self.turn = self.turn + 1

    def heard_after(self, turn: int) -> list[DeviceState]:
        """Devices heard of since `self.turn` was that."""
        return [state for state in self.devices.values() if state.turn > turn]

    def _take(self, reading: Reading) -> None:
        received = reading.received_at
        said = reading.observed_at or received
        early = said > received
        observed = received - ON_THE_WAY_NS if early else said
        state = self.devices.get(reading.device)
        late_s = (received - said) / 1e9
        if state is None:
            if len(self.devices) >= DEVICES_MAX:
                del self.devices[min(self.devices.values(), key=lambda known: known.received_at).device]
            state = DeviceState(
                reading.device,
                reading.kind,
                reading.adapter,
                received,
                received,
                observed,
                skew_s=late_s,
            )
            self.devices[reading.device] = state
            state.marks = self._early.pop(reading.device, {})
        elif state.observed_at > received:  # the hub's clock was ahead, and has been set back
            _set_back(state, received)
        state.turn = self.turn = self.turn + 1
        state.readings += 1
        state.received_at = received
        state.kind = reading.kind
        state.adapter = reading.adapter
        state.skew_s += SKEW_WEIGHT * (late_s - state.skew_s)
        if early:  # what is dated right may have been on its way meanwhile; it is newer
            observed = max(observed, min(state.observed_at, received))
        state.take(reading.values, observed)
        if reading.marks:
            for metric, mark in reading.marks.items():
                state.say(metric, mark, observed)
        position = reading.position
        if position is not None and observed >= state.position_at:
            state.position = position
            state.position_at = observed


def _set_back(state: DeviceState, at: int) -> None:
    """Nothing that is known was observed later than now."""
    state.observed_at = min(state.observed_at, at)
    state.position_at = min(state.position_at, at)
    state.earlier = {metric: min(observed, at) for metric, observed in state.earlier.items()} or ALL_AT_ONCE
    state.marks = {metric: (mark, min(said, at)) for metric, (mark, said) in state.marks.items()}
