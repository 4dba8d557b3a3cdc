"""The city's rules over a recording, on event time, touching nothing: same checks, same engine, same cameras as live."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

import msgspec

from hub.app.city import City
from hub.app.eyes import look
from hub.backtest.observed import Observed
from hub.cameras import Cameras
from hub.duplicates import Recent, key_here
from hub.model import LEVELS, AlertChange, Change, Event, Reading, Tick
from hub.moment import SECOND
from hub.options import IngestOptions
from hub.recording import Recorded, RowCount
from hub.validation import Validator, no_device_id
from rules.partition import engine_of

TICK_S = 60
"""Time passes in the recording by ticks of this length between its rows."""
BATCH_MAX = 5_000
TICKS_PER_GAP_MAX = 50_000
"""Over a gap of years the ticks are made longer rather than more."""


class Tally(msgspec.Struct):
    """What became of a recording: readings = used + duplicates + quarantined."""

    rows: RowCount = msgspec.field(default_factory=RowCount)
    readings: int = 0
    used: int = 0
    quarantined: int = 0
    duplicates: int = 0
    faults: dict[str, int] = msgspec.field(default_factory=dict)
    examples: dict[str, str] = msgspec.field(default_factory=dict)
    changes: dict[str, int] = msgspec.field(default_factory=dict)
    levels: dict[str, int] = msgspec.field(default_factory=dict)
    devices: int = 0
    told: dict[str, set[str]] = msgspec.field(default_factory=dict)
    """By kind of device, the metrics that its readings had."""
    first_at: int | None = None
    last_at: int | None = None
    wall_s: float = 0.0


class Backtest:
    """One run. Iterate `changes`; `tally` is complete when it ends."""

    def __init__(
        self,
        city: City,
        recorded: Iterable[Recorded],
        kind: str = "",
        rows: RowCount | None = None,
        observed: Observed | None = None,
        without: Collection[tuple[str, str, int]] = (),
    ) -> None:
        """`kind`: of devices that neither the registry nor the recording names one for; `rows`: what the recording
        counts by itself; `observed`: takes every reading that is used; `without`: (device, metric, observed time) of values
        that are left out."""
        self.tally = Tally(rows or RowCount())
        self._observed = observed
        self._without = without
        self._recorded = recorded
        self._kind = kind
        self._devices = city.registry.devices
        self._engine = engine_of(
            city.book,
            city.registry.devices.values(),
            city.registry.zones.values(),
            city.config.rules.partitions,
        )
        self._cameras = Cameras(city.registry.cameras.values(), city.registry.buildings, city.config.cameras.tasks)
        # A recording brings its own clock: what counts as "years off" is measured against its own time.
        self._validator = Validator(
            IngestOptions(future_max_s=city.config.ingest.future_max_s, past_max_days=city.config.ingest.past_max_days)
        )
        self._recent = Recent(city.config.ingest.duplicates_max)

    def changes(self) -> Iterator[AlertChange]:
        """Every change of a warning, in the order in which a live hub would have told them."""
        began = time.perf_counter()
        tally, heard = self.tally, set[str]()
        clock: int | None = None
        batch: list[Event] = []
        for at, message in self._recorded:
            for fault in message.faults:
                tally.readings += fault.readings
                self._set_aside(fault.kind, fault.detail, fault.readings)
            if not message.readings:
                continue
            if (clock is not None and at > clock) or len(batch) >= BATCH_MAX:
                yield from self._judge(batch)
                batch = []
            if clock is not None and at > clock:
                yield from self._pass_time(clock, at)
            clock = at if clock is None else max(clock, at)
            for reading in message.readings:
                tally.readings += 1
                if self._usable(reading, clock):
                    if self._without:
                        self._leave_out(reading)
                    tally.used += 1
                    heard.add(reading.device)
                    tally.told.setdefault(reading.kind, set()).update(reading.values)
                    if self._observed is not None:
                        self._observed.add(reading)
                    batch.append(reading)
        yield from self._judge(batch)
        if clock is not None and self._engine.lanes:  # rules that wait have yet to judge the last of it
            yield from self._pass_time(clock, clock + max(self._engine.lanes) + 2 * TICK_S * SECOND)
        tally.devices = len(heard)
        tally.last_at = clock
        tally.wall_s = time.perf_counter() - began

    def _pass_time(self, since: int, until: int) -> Iterator[AlertChange]:
        """Ticks at whole minutes after `since` up to `until`, without those at which the rules have nothing to do: most of
        the ticks of a long recording, and a tenth of its time."""
        step = TICK_S * SECOND
        step *= max(1, (until - since) // (step * TICKS_PER_GAP_MAX))
        at = (since // step + 1) * step
        while (due := self._engine.due()) is not None:
            at = max(at, -(-due // step) * step)
            if at > until:
                return
            yield from self._judge([Tick(at)])
            at += step

    def _leave_out(self, reading: Reading) -> None:
        at = reading.observed_at if reading.observed_at is not None else reading.received_at
        left_out = [metric for metric in reading.values if (reading.device, metric, at) in self._without]
        if left_out:
            reading.values = {metric: value for metric, value in reading.values.items() if metric not in left_out}

    def _judge(self, events: list[Event]) -> Iterator[AlertChange]:
        outcome = self._engine.feed(events)
        if self._observed is not None:
            for reading in outcome.derived:
                if "cpa" in reading.values:  # of two vessels: seen by the rules alone
                    self._observed.add(reading)
        for change in outcome.changes:
            look(change, self._cameras, self._engine.book)
            self.tally.changes[change.change] = self.tally.changes.get(change.change, 0) + 1
            if change.change is Change.RAISED:
                self.tally.levels[change.level] = self.tally.levels.get(change.level, 0) + 1
            yield change

    def _usable(self, reading: Reading, at: int) -> bool:
        reading.received_at = at
        reading.adapter = "recording"
        registered = self._devices.get(reading.device)
        reading.kind = (registered.kind if registered else "") or reading.kind or self._kind
        if registered is None and (wrong := no_device_id(reading.device)):
            self._set_aside("syntax", wrong, 1)
            return False
        for finding in self._validator.check(reading, at) or ():
            self._set_aside(finding.kind, finding.detail, int(finding.whole))
            if finding.whole:
                return False
        observed = reading.observed_at
        if observed is not None and (self.tally.first_at is None or observed < self.tally.first_at):
            self.tally.first_at = observed
        if self._recent.knows(key_here(reading)):
            self.tally.duplicates += 1
            return False
        return True

    def _set_aside(self, kind: str, detail: str, readings: int) -> None:
        self.tally.quarantined += readings
        self.tally.faults[kind] = self.tally.faults.get(kind, 0) + 1
        self.tally.examples.setdefault(kind, detail)


def level_counts(counts: dict[str, int]) -> str:
    """ "2 red, 5 yellow" """
    found = Counter(counts)
    return ", ".join(f"{found[level]} {level}" for level in reversed(LEVELS) if found[level]) or "none"
