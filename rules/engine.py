"""The engine: events in, alert changes and derived readings out. Pure: the same events give the same changes, byte for
byte, in one run or resumed from a snapshot at any point. See `rules/README.md` for the laws of time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from typing import Any

import msgspec

from hub.model import (
    AlertChange,
    Change,
    Deaf,
    Device,
    Edition,
    Event,
    Forwarded,
    Mark,
    OperatorAction,
    Reading,
    Tick,
    Value,
    Zone,
)
from rules import book as books
from rules import (
    deriving,
    edition,
    lateness,
    life,
    maintenance,
    moving,
    pairs,
    places,
    quality,
    setback,
    snapshot,
    tracing,
    waking,
)
from rules.book import RuleBook
from rules.forwarding import Forwarding
from rules.grouping import Groups
from rules.health import ENGINE as ENGINE_ITSELF
from rules.health import Health
from rules.language import codegen
from rules.language.codegen import Compiled
from rules.language.ir import Agree, Around, Node, Series, Window, walk
from rules.language.rule import Rule
from rules.moments import as_told, moment
from rules.neighbourhood import Neighbourhood
from rules.plan import Plan, Shape
from rules.subject import NEVER, OpenAlert, Subject
from rules.watchers import Watchers
from rules.windows import WindowKey

ENGINE = "6"
"""Version of the engine, for `Edition.engine`: raised when the same log could give other alerts."""

MAX_SUBJECTS = 200_000
USABLE_MARKS = frozenset((Mark.MANUAL.value, Mark.ESTIMATED.value))
"""Marks that leave a value usable (HJ 212: N and S are valid); every other mark takes it away from thresholds."""


class Outcome(msgspec.Struct):
    """What a batch of events led to."""

    changes: list[AlertChange]
    derived: list[Reading]
    failed: list[Exception] = msgspec.field(default_factory=list)
    """What brought down events that were skipped, with its traceback."""


class Engine:
    """All rules over all subjects. One per partition of the stream; not thread-safe, and it asks nobody for the time."""

    def __init__(
        self, book: RuleBook, devices: Iterable[Device] = (), zones: Iterable[Zone] = (), lag: int = 0
    ) -> None:
        self.lag = lag
        """How far its clock is behind the hub's: only in a lane (`rules.lateness`)."""
        self.outer: Engine | None = None
        """Of a lane: the hub's own engine."""
        self.lanes: dict[int, lateness.Lane] = {}
        """By length of wait, what judges in the order of observation."""
        self.clock = NEVER
        """Newest receive time or tick seen."""
        self.deaf = 0
        """How much of it the hub was deaf: `clock - deaf` is listening time, on which silence and holding are measured."""
        self.deaf_until = NEVER
        self.started = NEVER
        self.subjects: dict[str, Subject] = {}
        self.registry: dict[str, Device] = {}
        self.zones: tuple[Zone, ...] = ()
        self.alerts: dict[str, tuple[OpenAlert, Subject]] = {}
        self.groups: Groups = {}
        self.windows: maintenance.Windows = {}
        self.turns_at: int | None = None
        """By the clock, when maintenance next begins or ends somewhere."""
        self.hood = Neighbourhood(self.subjects, (), ())
        self.timers: list[tuple[int, str, str]] = []
        self.orphans: list[tuple[OpenAlert, Subject, str]] = []
        self.forwarding = Forwarding()
        self.refused = 0
        self.failures = Health()
        self._use_book(book)
        self._use_registry(devices, zones)
        lateness.renew(self)

    # ------------------------------------------------------------------------------------------ feeding

    def feed(self, events: Sequence[Event], first: int | None = None) -> Outcome:
        """Take events in the order of the log; `first` is the number of the first of them there.

        An event that brings down something which is no rule's is skipped, counted and named in `health`, so that one
        defect does not silence every warning for good.
        """
        outcome = Outcome([], [])
        failures = self.failures
        if first is not None and self.outer is None:
            failures.event = first - 1
        for event in events:
            if self.outer is None:
                failures.event += 1
            try:
                kind = type(event)
                if kind is Reading:
                    self.take(event, outcome)  # type: ignore[arg-type]
                    if self.lanes:
                        lateness.hold(self, event, outcome)
                elif kind is Tick:
                    if event.at < self.clock - setback.BACK_NS:  # type: ignore[union-attr]
                        self._set_back(event.at, outcome)  # type: ignore[union-attr]
                    self._pass_time(event.at, outcome)  # type: ignore[union-attr]
                    if self.lanes:
                        lateness.advance(self, event.at, outcome)  # type: ignore[union-attr]
                else:
                    self._rare(event, outcome)
            except Exception as error:
                failures.skip(event, self.clock, error)
                outcome.failed.append(error)
        return outcome

    def _rare(self, event: Event, outcome: Outcome) -> None:
        if isinstance(event, Deaf):
            self._pass_time(event.since, outcome)
            since = max(event.since, self.deaf_until)
            if event.until > since:
                self.clock = max(self.clock, event.until)
                self.deaf += event.until - since
                self.deaf_until = event.until
                for alert, subject in self.alerts.values():  # shelving ends by the clock, which deafness does not stop
                    if alert.shelved_until is not None:
                        life.end_shelf(self, subject, alert)
                lateness.hold(self, event, outcome)
        elif isinstance(event, Edition):
            self._start(event.at, outcome)
            self._edition(event, outcome)
        elif isinstance(event, OperatorAction):
            self._start(event.at, outcome)
            life.operator(self, event, outcome)
        elif isinstance(event, Forwarded):
            self._start(event.at, outcome)
            self.forwarding.take(event, outcome)

    @property
    def listening(self) -> int:
        """Time during which the hub listened, ns on a scale of its own: the clock less all deaf spans."""
        return self.clock - self.deaf

    def _start(self, at: int, outcome: Outcome) -> None:
        """Move the clock; on the first event of all, silence begins to count for every device of the registry."""
        if at > self.clock:
            self.clock = at
        if self.started == NEVER:
            self.started = self.clock
            for name in self.registry:
                life.listen(self, self.subjects[name])
        if self.orphans:
            for alert, subject, reason in self.orphans:
                life.close(self, subject, alert, Change.CLEARED, self.clock, reason, outcome)
            self.orphans = []

    # ------------------------------------------------------------------------------------------ one reading

    def take(self, reading: Reading, outcome: Outcome) -> None:
        """Take one reading."""
        at, received = moment(reading, self.clock)
        if received > self.clock or self.started == NEVER or self.orphans:
            self._start(received, outcome)
        subject = self.subjects.get(reading.device) or self._admit(reading)
        if subject is None:
            return
        if subject.every:  # A device may call itself "zone:x", but it does not speak for the place.
            self.refused += 1
            return
        if reading.kind and not subject.kind:
            subject.kind = reading.kind
            self._plan(subject)
            life.listen(self, subject)
        position = reading.position
        crossed: tuple[str, ...] = ()
        if position is not None and at >= subject.position_t:
            subject.position_t = at
            subject.motion = moving.motion(reading.values)
            if position != subject.position:
                subject.position = position
                subject.zones = None
                crossed = self.hood.moved(subject)
                self.watchers.follow(subject, self.compiled)
        plan = subject.plan
        if plan is None:
            subject.newest = max(at, subject.newest)
            return
        values: Mapping[str, Value] = reading.values
        if reading.marks or subject.marks or subject.maintenance is not None or plan.any_quality:
            values = self._good(subject, reading, plan, at, outcome)
        shape = plan.shape(values)
        if shape.tested and not shape.calm(subject.last, values, subject.last_t, at, subject.leaps):
            doubted = self._examined(subject, shape, values, at, as_told(reading, at))
            if doubted is not None:
                values, shape = quality.doubt(subject, plan, shape, values, doubted, reading, at, outcome)
        speaks = plan.speakers((*reading.values, *reading.marks)) if reading.marks else shape.silent
        if speaks:
            self._speaks(subject, speaks, outcome)
        if shape.gaps:
            quality.heard(self, subject, shape.gaps)
        if at > subject.newest:
            self._in_order(subject, plan, shape, values, at, reading, outcome)
        else:
            self._out_of_order(subject, plan, shape, values, at, reading, outcome)
        if crossed:
            places.wake(self, subject, subject.last, max(at, subject.newest), outcome, crossed)

    def _in_order(
        self,
        subject: Subject,
        plan: Plan,
        shape: Shape,
        values: Mapping[str, Value],
        at: int,
        reading: Reading,
        outcome: Outcome,
    ) -> None:
        last, last_t = subject.last, subject.last_t
        for name in shape.used:
            last[name] = values[name]
            last_t[name] = at
        for name in shape.windowed:
            value = values[name]
            (subject.samples.get(name) or subject.sampled(name, plan.spans[name])).add(at, value)  # type: ignore[arg-type]
        if shape.joins:
            self.hood.join_all(subject, shape.joins)
        subject.newest = at
        if shape.derivations:
            values, shape = deriving.derive(self, subject, plan, shape, values, at, reading, outcome)
        hit = self._hit(subject, plan, shape, values, at)
        if hit:
            self._attend(subject, plan, hit, at, False, True, outcome)
        if self.pairing and subject.kind == pairs.MEMBERS:
            pairs.meet(self, subject, at, reading.received_at or at, outcome)
        if shape.joins and (self.watchers.waiting or self.over or subject.id in self.downstream):
            waking.wake(self, subject, shape.joins, at, outcome)

    def _out_of_order(
        self,
        subject: Subject,
        plan: Plan,
        shape: Shape,
        values: Mapping[str, Value],
        at: int,
        reading: Reading,
        outcome: Outcome,
    ) -> None:
        """A reading not newer than the newest: new metrics of the same moment, a revision, a late one, or a duplicate."""
        fresh: dict[str, Value] = {}
        changed: dict[str, Value] = {}
        self._keep_late(subject, plan, {name: values[name] for name in shape.used}, at, fresh, changed)
        for name in shape.joins:
            self.hood.join(subject, name)
        if shape.derivations:
            if at < subject.newest:
                made = deriving.derive_late(self, subject, plan, shape, values, at, reading, outcome)
                self._keep_late(subject, plan, made, at, fresh, changed)
            elif fresh:
                merged, _ = deriving.derive(self, subject, plan, shape, values, at, reading, outcome)
                fresh |= {name: figure for name, figure in merged.items() if name in plan.series and name not in values}
        changed |= fresh
        if changed:
            now = subject.newest
            hit = self._hit(subject, plan, plan.shape(changed), changed, now)
            if hit:
                self._attend(subject, plan, hit, now, at < now, bool(fresh), outcome)
            if shape.joins:
                waking.wake(self, subject, shape.joins, now, outcome)

    def _keep_late(
        self,
        subject: Subject,
        plan: Plan,
        values: Mapping[str, Value],
        at: int,
        fresh: dict[str, Value],
        changed: dict[str, Value],
    ) -> None:
        """Take values that are not newer than the newest: they may still be their metric's newest, or lie in its windows."""
        for name, value in values.items():
            if name not in plan.series:
                continue
            before = subject.last_t.get(name, NEVER)
            if at > before or (at == before and subject.last[name] != value):
                subject.last[name] = value
                subject.last_t[name] = at
                fresh[name] = value
        for name in [name for name in values if name in plan.spans]:
            samples = subject.samples.get(name) or subject.sampled(name, plan.spans[name])
            if samples.add(at, values[name]):  # type: ignore[arg-type]
                changed[name] = subject.last[name]

    def _good(self, subject: Subject, reading: Reading, plan: Plan, at: int, outcome: Outcome) -> Mapping[str, Value]:
        """The values that thresholds may use; with `quality: any` rules also all of them under their `~` names."""
        if at >= subject.newest:
            subject.marks = frozenset(reading.marks.values()) if reading.marks else None
        bad = {metric for metric, mark in reading.marks.items() if mark not in USABLE_MARKS} if reading.marks else ()
        if subject.maintenance is not None and maintenance.at_work(subject, at):
            bad = set(reading.values)
            outcome.derived.append(maintenance.marked(reading, as_told(reading, at)))
        good = (
            {name: value for name, value in reading.values.items() if name not in bad} if bad else dict(reading.values)
        )
        for name in plan.any_quality:
            if name[:-1] in reading.values:
                good[name] = reading.values[name[:-1]]
        return good

    def _hit(self, subject: Subject, plan: Plan, shape: Shape, values: Mapping[str, Value], at: int) -> int:
        """The rules that need attention. Where the one function of them all fails, every rule that reads these values is
        looked at by itself, and the one that fails is found."""
        try:
            return shape.judge(subject, values, at)
        except Exception:
            return plan.readers(subject, values, at)

    def _examined(
        self, subject: Subject, shape: Shape, values: Mapping[str, Value], at: int, told: int
    ) -> list[quality.Finding] | None:
        """What is held against the values; a test that fails holds nothing against anybody."""
        return self.failures.alone(
            "quality", subject.id, self.clock, lambda: quality.examine(subject, shape.tested, values, at, told), None
        )

    def _attend(
        self, subject: Subject, plan: Plan, hit: int, at: int, late: bool, fresh: bool, outcome: Outcome
    ) -> None:
        """Judge the rules whose bits are set."""
        while hit:
            bit = hit & -hit
            hit ^= bit
            compiled = plan.rules[bit.bit_length() - 1]
            life.attend(self, subject, compiled, bit, at, late, fresh, outcome)

    def _speaks(self, subject: Subject, rules: Iterable[str], outcome: Outcome) -> None:
        """The subject says something of what these rules listen for."""
        listening = self.clock - self.deaf
        for name in rules:
            life.word(subject, name, listening)
            if name in subject.silent:
                life.end_silence(self, subject, name, outcome)

    # ------------------------------------------------------------------------------------------ time

    def _pass_time(self, at: int, outcome: Outcome) -> None:
        """A tick: complete what has held long enough, notice silence, end shelving, let forgotten alerts expire."""
        if at > self.clock or self.started == NEVER or self.orphans:
            self._start(at, outcome)
        if self.turns_at is not None and self.turns_at <= self.clock:
            maintenance.turn(self, outcome)
        if self.forwarding.shelved:
            self.forwarding.pass_time(self.clock, outcome)
        timers, listening = self.timers, self.clock - self.deaf
        if not timers or timers[0][0] > listening:
            return
        due: set[tuple[str, str]] = set()
        while timers and timers[0][0] <= listening:
            _, name, rule = heappop(timers)
            due.add((name, rule))
        for name, rule in sorted(due):
            subject = self.subjects.get(name)
            if subject is None or subject.plan is None:
                continue
            if rule in subject.gaps:
                quality.miss(self, subject, rule, outcome)
            else:
                self._on_time(subject, rule, outcome)

    def _set_back(self, to: int, outcome: Outcome) -> None:
        setback.set_back(self, to)
        if self.windows:
            maintenance.spread(self)
            maintenance.turn(self, outcome)

    def _on_time(self, subject: Subject, rule: str, outcome: Outcome) -> None:
        self.failures.alone(
            rule, subject.id, self.clock, lambda: life.on_time(self, subject, rule, outcome), None, judging=False
        )

    def due(self) -> int | None:
        """The moment before which ticks change nothing; None where only an event can bring one about."""
        dues = [self.timers[0][0] + self.deaf] if self.timers else []
        if self.turns_at is not None:
            dues.append(self.turns_at)
        dues += [due for lane in self.lanes.values() if (due := lane.due()) is not None]
        return min(dues, default=None)

    def schedule(self, due: int, subject: Subject, rule: str) -> None:
        """Have `life.on_time` look at this subject and rule once listening time reaches `due`."""
        heappush(self.timers, (due, subject.id, rule))

    # ------------------------------------------------------------------------------------------ book and registry

    def _use_book(self, book: RuleBook) -> None:
        self.book = book
        book = self.at_once = lateness.split(book)[0]
        if self.outer is None:
            digests = {rule.name: rule.digest for rule in self.book.rules}
            self.failures.renew(digests | {spec.name: spec.digest for spec in self.book.derivations})
        self.compiled = {rule.name: self._compile(rule) for rule in book.rules}
        nodes = books.nodes_of(book)
        self.asked: dict[str, tuple[WindowKey, ...]] = dict(codegen.window_keys(nodes, own=False))
        for node in nodes:
            if isinstance(node, Agree):
                for inner in walk(node.condition):
                    if isinstance(inner, Series):
                        self.asked.setdefault(inner.series, ())
                    elif isinstance(inner, Window):
                        key = WindowKey(inner.series, inner.size_ns, inner.closed)
                        self.asked[inner.series] = tuple(dict.fromkeys((*self.asked.get(inner.series, ()), key)))
        self.over = {rule.name: asked for rule in book.rules if (asked := rule.series_inside())}
        """Per rule about places, what it asks of the devices inside."""
        for series in sorted({name for asked in self.over.values() for name in asked}):
            self.asked.setdefault(series, ())
        self.asks_inside = bool(self.over) or places.asks_who_is_inside(nodes)
        self.tracing = [rule for rule in book.rules if rule.tracing is not None]
        self.suspects: dict[str, set[str]] = {rule.name: set() for rule in self.tracing}
        """Per rule that traces what it warns of, who may have emitted it."""
        for rule in self.tracing:
            for series, key in tracing.asked_windows(rule).items():
                self.asked[series] = tuple(dict.fromkeys((*self.asked.get(series, ()), key)))
        self.pairing = pairs.wanted(book)
        if self.pairing:
            self.asked.setdefault(pairs.SERIES, ())
            self.asked.setdefault("cog", ())
        self.neighbourly = quality.neighbourly(book.qualities)
        for rule in book.rules:
            if any(level.level >= life.DISASTER for level in rule.levels):
                for series in sorted(self.neighbourly & (rule.own_series() | self.over.get(rule.name, frozenset()))):
                    self.asked.setdefault(series, ())
        self.calls = {rule.name: book.calls_of(rule) for rule in book.rules}
        self.asks_upstream = {rule.name: above for rule in book.rules if (above := _asks_upstream(rule.nodes()))}
        self.plans: dict[Any, Plan | None] = {}

    def _compile(self, rule: Rule) -> Compiled:
        """The rule's functions. One that cannot be compiled keeps only its silence."""
        silence = replace(rule, levels=(), lets={}, let_texts={}, memories=(), tracing=None, _own=rule.own_series())
        compiled = self.failures.alone(rule.name, "", self.clock, lambda: Compiled(rule), None)
        return compiled or Compiled(silence)

    def _use_registry(self, devices: Iterable[Device], zones: Iterable[Zone]) -> None:
        self.registry = {device.device: device for device in devices}
        self.zones = tuple(zones)
        for name, subject in self.subjects.items():
            if name in self.registry:
                subject.adopt(self.registry[name])
            elif subject.device.kind and not subject.every:
                subject.kind = ""
                subject.adopt(Device(name))
        for name, device in self.registry.items():
            if name not in self.subjects:
                self.subjects[name] = Subject(device, self.hood)
        places.renew(self)
        self._renew_hood()
        self.downstream: dict[str, list[str]] = {}
        for name in sorted(self.subjects):
            for above in self.hood.above(self.subjects[name]):
                self.downstream.setdefault(above, []).append(name)
        for subject in self.subjects.values():
            self._plan(subject)
            if self.started != NEVER:
                life.listen(self, subject)

    def _renew_hood(self) -> None:
        """Build the neighbourhood anew from what the subjects have reported."""
        self.hood = Neighbourhood(self.subjects, self.zones, self.asked, self.asks_inside)
        self.watchers = Watchers()
        for subject in self.subjects.values():
            subject.hood = self.hood
            subject.zones = None
            for series in self.asked:
                if series in subject.last:
                    self.hood.join(subject, series)

    def _admit(self, reading: Reading) -> Subject | None:
        """A device the registry does not list is a subject too, of the kind its adapter states."""
        if len(self.subjects) >= MAX_SUBJECTS:
            self.refused += 1
            return None
        subject = Subject(Device(reading.device), self.hood)
        subject.kind = reading.kind
        self.subjects[reading.device] = subject
        self._plan(subject)
        life.listen(self, subject)
        return subject

    def _plan(self, subject: Subject) -> None:
        """Find the subject's rules: selected by its kind, area, zones and attributes, and usable with its attributes."""
        stands_in = self.hood.standing_in(subject) if subject.every else self.hood.zones_of(subject.device.position)
        zones = frozenset(word for zone in stands_in for word in (zone.zone, zone.kind))
        chosen = tuple(
            rule.name for rule in self.at_once.rules
            if rule.select.takes(subject.device, subject.kind, zones, subject.every) and life.applicable(rule, subject)
        )  # fmt: skip
        derivations = tuple(
            i
            for i, spec in enumerate(self.book.derivations)
            if spec.select.takes(subject.device, subject.kind, zones, subject.every)
        )
        qualities = tuple(
            i
            for i, entry in enumerate(self.book.qualities)
            if entry.select.takes(subject.device, subject.kind, zones, subject.every)
        )
        key = (chosen, derivations, qualities)
        if key not in self.plans:
            useful = chosen or derivations or qualities or self.asked
            self.plans[key] = (
                Plan(
                    [self.compiled[name] for name in chosen],
                    [self.book.derivations[i] for i in derivations],
                    self.asked,
                    [self.book.qualities[i] for i in qualities],
                )
                if useful
                else None
            )
        for rule in self.tracing:
            taken = (
                rule.tracing is not None
                and subject.every in ("", places.ZONE)
                and rule.tracing.candidates.takes(subject.device, subject.kind, zones)
            )
            (self.suspects[rule.name].add if taken else self.suspects[rule.name].discard)(subject.id)
        plan = subject.plan = self.plans[key]
        for name, samples in subject.samples.items():
            samples.size = plan.spans.get(name, 0) if plan is not None else 0
        if self.windows:
            subject.maintenance = maintenance.windows_of(self.windows.values(), subject)
        self.watchers.follow(subject, self.compiled)
        if subject.gaps:
            quality.arm(self, subject)
        subject.busy = 0
        if plan is not None:
            for name, standing in subject.standing.items():
                if name in plan.positions and not standing.idle():
                    subject.busy |= 1 << plan.positions[name]

    def _edition(self, event: Edition, outcome: Outcome) -> None:
        if event.what == "rules" and event.text != self.book.text:
            new = books.from_text(event.text)
            if new is not None and new.digest != self.book.digest:
                edition.change_book(self, new, outcome)
        elif event.what == "registry":
            registry = edition.registry_from_text(event.text)
            if registry is not None:
                for engine in (self, *(lane.engine for lane in self.lanes.values())):
                    engine._use_registry(*registry)
                    edition.drop_strays(engine, outcome)

    # ------------------------------------------------------------------------------------------ looking in

    def open_alerts(self) -> list[OpenAlert]:
        """Alerts not cleared yet, by their id."""
        alerts = dict(self.alerts)
        for lane in self.lanes.values():
            alerts |= lane.engine.alerts
        return [alerts[name][0] for name in sorted(alerts)]

    def snapshot(self) -> bytes:
        """The whole state. `Engine.restore` of it goes on as if nothing had happened."""
        return snapshot.freeze(self)

    @classmethod
    def restore(
        cls, data: bytes, book: RuleBook, devices: Iterable[Device] = (), zones: Iterable[Zone] = (), lag: int = 0
    ) -> Engine:
        """An engine from a snapshot. With another book, rules that changed start anew and alerts of rules that are
        gone clear at the next event. Raises ValueError where the bytes are no snapshot of this engine."""
        engine = cls(book, devices, zones, lag)
        try:
            snapshot.thaw(engine, data)
        except (KeyError, TypeError, AttributeError, IndexError, msgspec.MsgspecError) as error:
            raise ValueError(f"the snapshot is damaged: {error!r}") from None
        return engine

    def health(self) -> list[dict[str, Any]]:
        """The rules that are ill: name, error, subject, number of the event, since when, how often (`rules.health`); the
        name `engine` stands for events that had to be skipped."""
        return self.failures.told()

    def stats(self) -> dict[str, int]:
        """How big the state is; lanes are counted in."""
        stores = [store for s in self.subjects.values() for store in s.samples.values()]
        found = sum(1 for s in self.subjects.values() if s.every)
        counts = {
            "rules": len(self.book.rules),
            "rules_ill": sum(name != ENGINE_ITSELF for name in self.failures.ill),
            "events_skipped": self.failures.skipped,
            "subjects": len(self.subjects) - found,
            "places": found,
            "subjects_refused": self.refused,
            "standings": sum(len(s.standing) for s in self.subjects.values()),
            "open_alerts": len(self.alerts),
            "metrics_missing": sum(missing for s in self.subjects.values() for _, missing in s.gaps.values()),
            "forwarded_alerts": len(self.forwarding.open),
            "forwarded_repeated": self.forwarding.repeated,
            "windows": sum(len(store.windows) for store in stores),
            "samples": sum(len(store.times) for store in stores),
            "samples_overflowed": sum(store.overflow for store in stores),
            "timers": len(self.timers),
            "maintenance_windows": len(self.windows),
            "plans": len(self.plans),
            "shapes": sum(len(p.shapes) for p in self.plans.values() if p),
            "readings_waiting": sum(len(lane.held) for lane in self.lanes.values()),
            "readings_waiting_overflowed": sum(lane.overflowed for lane in self.lanes.values()),
        }
        for lane in self.lanes.values():
            for name, count in lane.engine.stats().items():
                counts[name] += count if name in lateness.COUNTED else 0
        return counts


def _asks_upstream(nodes: Iterable[Node]) -> tuple[tuple[str, Around], ...]:
    """(series, around) that these nodes ask of gauges upstream."""
    found: list[tuple[str, Around]] = []
    for node in nodes:
        if isinstance(node, Window) and node.around.which == "upstream":
            found.append((node.series, node.around))
        elif isinstance(node, Agree) and node.around.which == "upstream":
            found += [(n.series, node.around) for n in walk(node.condition) if isinstance(n, Series | Window)]
    return tuple(dict.fromkeys(found))
