"""One event in, its outcome out: the rules of one world, judged as the events come.

Read `take` top-down for what a reading goes through: when it counts as observed, whose it is, where that is, which of its values
may be used, what is held against them; then into the windows, what is derived of it, and the rules that need attention.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hub.model import USABLE_MARKS, Change, Deaf, Device, Event, OperatorAction, Reading, Tick, Value, Zone
from rules import assignment
from rules.book import RuleBook
from rules.judging import (
    alerts,
    deriving,
    elapsing,
    inside,
    life,
    measuring,
    moving,
    pairs,
    people,
    planned_work,
    quality,
    setback,
    waking,
)
from rules.plan import PAIR_MEMBERS, Plan, Shape
from rules.state.clock import NEVER
from rules.state.maintenance import at_work, marked
from rules.state.moments import as_told, in_its_turn, moment
from rules.state.outcome import Outcome
from rules.state.subject import Subject
from rules.state.world import World
from rules.taking import DOUBTED


class Judge:
    """The rules of one world. It knows no other, and asks nobody for the time."""

    def __init__(self, world: World) -> None:
        self.world = world

    def use(self, book: RuleBook, devices: Iterable[Device], zones: Iterable[Zone]) -> None:
        """Begin with these rules and this registry."""
        assignment.use_book(self.world, book)
        assignment.use_registry(self.world, devices, zones)
        if self.world.maintenance:
            planned_work.spread(self.world)

    def follow(self, elder: Judge) -> None:
        """Be a lane of that judge: the last alerts, the health of rules and planned work are its."""
        self.world.elder, self.world.failures = elder.world, elder.world.failures
        self.world.maintenance = dict(elder.world.maintenance)

    def take(self, reading: Reading, outcome: Outcome) -> int:
        """Take one reading. Gives when it counts as observed (`rules.state.moments`)."""
        world = self.world
        at, received = moment(reading, world.clock.now)
        if received > world.clock.now or world.clock.started == NEVER or world.orphans:
            self.start(received, outcome)
        subject = world.subjects.get(reading.device) or assignment.admit(world, reading)
        if subject is None:
            return at
        world.hood.answers.forget(subject.id)
        if world.freezing is not None:
            world.freezing.touch(subject)
        if subject.every:  # A device may call itself "zone:x", but it does not speak for the place.
            world.refused += 1
            return at
        if at != reading.observed_at:
            at = in_its_turn(at, reading, received, subject.newest)
        if reading.kind and not subject.kind:
            subject.kind = reading.kind
            assignment.assign(world, subject)
            elapsing.listen(world, subject)
        crossed = self._moved(subject, reading, at) if reading.position is not None and at >= subject.position_t else ()
        plan = subject.plan
        if plan is None:
            subject.newest = max(at, subject.newest)
            return at
        if at > subject.newest and not (
            reading.marks or subject.marks or subject.silent or plan.any_quality or subject.maintenance is not None
        ):
            values = reading.values
            shape = plan.shape(values)
            hit = shape.take(subject, values, at, True)
            if hit != DOUBTED:
                if shape.silent:
                    self._speaks(subject, shape.silent, outcome)
                if shape.gaps:
                    quality.heard(world, subject, shape.gaps)
                self._kept(subject, plan, shape, values, at, hit, reading, outcome)
            else:
                self._take_with_care(subject, plan, at, reading, outcome, shape)
            if crossed:
                inside.wake(world, subject, subject.last, at, outcome, crossed)
            return at
        self._take_with_care(subject, plan, at, reading, outcome)
        if crossed:
            inside.wake(world, subject, subject.last, max(at, subject.newest), outcome, crossed)
        return at

    def _moved(self, subject: Subject, reading: Reading, at: int) -> tuple[str, ...]:
        """Where the subject is now: the places that it has entered or left."""
        world = self.world
        if world.orders.stays and at > subject.position_t and reading.position is not None:
            subject.stay(reading.position, world.orders.stays)
        subject.position_t = at
        subject.motion = moving.motion(reading.values)
        if reading.position == subject.position:
            return ()
        subject.position = reading.position
        subject.zones = None
        crossed = world.hood.moved(subject)
        if subject.watching:
            world.watchers.follow(subject, world.orders.compiled)
        return crossed

    def _take_with_care(
        self, subject: Subject, plan: Plan, at: int, reading: Reading, outcome: Outcome, doubted: Shape | None = None
    ) -> None:
        """A reading with anything unusual: marked, doubted, late, of a silent device or one at which people work. `doubted`: the shape of one
        that is usual but for a value that is not plainly well, which is known already."""
        world = self.world
        values: Mapping[str, Value] = reading.values
        if doubted is None and (
            reading.marks or subject.marks or subject.denied or subject.maintenance is not None or plan.any_quality
        ):
            values = self._good(subject, reading, plan, at, outcome)
        shape = doubted or plan.shape(values)
        if doubted is not None or (shape.tested and not shape.calm(subject, values, at)):
            found = self._examined(subject, shape, values, at, as_told(reading, at))
            if found is not None:
                values, shape = quality.doubt(subject, plan, shape, values, found, reading, at, outcome)
        speaks = plan.speakers((*reading.values, *reading.marks)) if reading.marks else shape.silent
        if speaks:
            self._speaks(subject, speaks, outcome)
        if shape.gaps:
            quality.heard(world, subject, shape.gaps)
        if at > subject.newest:
            hit = shape.take(subject, values, at, False)
            self._kept(subject, plan, shape, values, at, hit, reading, outcome)
        else:
            self._out_of_order(subject, plan, shape, values, at, reading, outcome)

    def _kept(
        self,
        subject: Subject,
        plan: Plan,
        shape: Shape,
        values: Mapping[str, Value],
        at: int,
        hit: int,
        reading: Reading,
        outcome: Outcome,
    ) -> None:
        """The values of the newest reading are kept, and `hit` says which rules need attention: what follows of it."""
        world = self.world
        if shape.joins:
            world.hood.join_all(subject, shape.joins)
        subject.newest = at
        if shape.derivations:
            values, shape = deriving.derive(world, subject, plan, shape, values, at, reading, outcome)
            hit = self._hit(subject, plan, shape, values, at)
        if hit:
            self._attend(subject, plan, hit, at, False, True, outcome)
        if world.orders.pairing and subject.kind == PAIR_MEMBERS:
            pairs.meet(world, subject, at, reading.received_at or at, outcome, self.take)
        if shape.joins and (
            world.watchers.waiting or world.orders.over or world.orders.measures or subject.id in world.downstream
        ):
            waking.wake(world, subject, shape.joins, at, outcome)

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
        """A reading not newer than the newest: new metrics of the same moment, a revision, a late one, a duplicate, or a mark against
        a value that came before it."""
        world = self.world
        fresh: dict[str, Value] = {}
        changed: dict[str, Value] = {
            name: subject.last[name] for name in sorted(denied(reading)) if subject.take_back(name, at)
        }
        news = bool(shape.derivations) and deriving.remember(subject, plan, values, at)
        self._keep_late(subject, plan, {name: values[name] for name in shape.used}, at, fresh, changed)
        for name in shape.joins:
            world.hood.join(subject, name)
        if shape.derivations:
            if at < subject.newest and news:
                made = deriving.derive_late(world, subject, shape, values, at, reading, outcome)
                self._keep_late(subject, plan, made, at, fresh, changed)
            elif at == subject.newest and fresh:
                merged, _ = deriving.derive(world, subject, plan, shape, values, at, reading, outcome)
                fresh |= {name: figure for name, figure in merged.items() if name in plan.series and name not in values}
        changed |= fresh
        if changed:
            now = subject.newest
            hit = self._hit(subject, plan, plan.shape(changed), changed, now)
            if hit:
                self._attend(subject, plan, hit, now, at < now, bool(fresh), outcome)
            if shape.joins:
                waking.wake(world, subject, shape.joins, now, outcome)

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
            samples = subject.samples.get(name) or subject.sampled(name, *plan.spans[name])
            if samples.add(at, values[name]):  # type: ignore[arg-type]
                changed[name] = subject.last[name]

    def _good(self, subject: Subject, reading: Reading, plan: Plan, at: int, outcome: Outcome) -> Mapping[str, Value]:
        """The values that thresholds may use; with `quality: any` rules also all of them under their `~` names."""
        if at >= subject.newest:
            subject.marks = frozenset(reading.marks.values()) if reading.marks else None
        bad = subject.denied_of(reading.values, reading.marks or {}, denied(reading), at)
        if subject.maintenance is not None and at_work(subject, at):
            bad = set(reading.values)
            outcome.derived.append(marked(reading, as_told(reading, at)))
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
        world = self.world
        return world.failures.alone(
            "quality",
            subject.id,
            world.clock.now,
            lambda: quality.examine(subject, shape.tested, values, at, told),
            None,
        )

    def _attend(
        self, subject: Subject, plan: Plan, hit: int, at: int, late: bool, fresh: bool, outcome: Outcome
    ) -> None:
        """Judge the rules whose bits are set."""
        world = self.world
        while hit:
            bit = hit & -hit
            hit ^= bit
            compiled = plan.rules[bit.bit_length() - 1]
            life.attend(world, subject, compiled, bit, at, late, fresh, outcome)

    def _speaks(self, subject: Subject, rules: Iterable[str], outcome: Outcome) -> None:
        """The subject says something of what these rules listen for."""
        world = self.world
        listening = world.clock.listening
        for name in rules:
            elapsing.word(subject, name, listening)
            if name in subject.silent:
                elapsing.end_silence(world, subject, name, outcome)

    def pass_time(self, at: int, outcome: Outcome) -> None:
        """A tick: complete what has held long enough, notice silence, end shelving, let forgotten alerts expire."""
        world = self.world
        if at > world.clock.now or world.clock.started == NEVER or world.orphans:
            self.start(at, outcome)
        if world.turns_at is not None and world.turns_at <= world.clock.now:
            planned_work.turn(world, outcome)
        if world.forwarding.shelved:
            world.forwarding.pass_time(world.clock.now, outcome)
        for name, rule in world.clock.due():
            subject = world.subjects.get(name)
            if subject is None or subject.plan is None or subject.guest:
                continue
            world.touch(subject)
            if rule in subject.gaps:
                quality.miss(world, subject, rule, outcome)
            else:
                self._on_time(subject, rule, outcome)

    def _on_time(self, subject: Subject, rule: str, outcome: Outcome) -> None:
        world = self.world
        world.failures.alone(
            rule,
            subject.id,
            world.clock.now,
            lambda: elapsing.on_time(world, subject, rule, outcome),
            None,
            judging=False,
        )

    # ------------------------------------------------------------------------------------------ rare events

    def start(self, at: int, outcome: Outcome) -> None:
        """Move the clock; on the first event of all, silence begins to count for every device of the registry."""
        world, clock = self.world, self.world.clock
        if at > clock.now:
            clock.now = at
        if clock.started == NEVER:
            clock.started = clock.now
            for name in world.registry:
                world.touch(world.subjects[name])
                elapsing.listen(world, world.subjects[name])
        if world.orphans:
            for alert, subject, reason in world.orphans:
                world.touch(subject)
                alerts.close(world, subject, alert, Change.CLEARED, clock.now, reason, outcome)
            world.orphans = []

    def feed(self, event: Event, outcome: Outcome) -> None:
        """Take a reading, a tick or a time of deafness. What brings down something that is no rule's is skipped, counted and
        named (`rules.state.health`), so that one defect does not silence every warning for good."""
        try:
            if isinstance(event, Reading):
                self.take(event, outcome)
            elif isinstance(event, Tick):
                self.tick(event.at, outcome)
            elif isinstance(event, Deaf):
                self.was_deaf(event, outcome)
        except MemoryError:
            raise
        except Exception as error:
            self.world.failures.skip(event, self.world.clock.now, error)
            outcome.failed.append(error)

    def tick(self, at: int, outcome: Outcome) -> None:
        """Time has come to `at`: what that completes, and where a minute is over what is measured of places."""
        self.come_to(at, outcome)
        self.measure(outcome)

    def come_to(self, at: int, outcome: Outcome) -> None:
        """Time has come to `at`. A tick well before the clock says that the hub's clock was set back."""
        if at < self.world.clock.now - setback.BACK_NS:
            setback.set_back(self.world, at)
            if self.world.maintenance:
                planned_work.spread(self.world)
                planned_work.turn(self.world, outcome)
        self.pass_time(at, outcome)

    def measure(self, outcome: Outcome) -> None:
        """Where a minute is over: measure the places, and judge what reads that."""
        minute = measuring.over(self.world)
        if minute is not None:
            made = measuring.figures(self.world, minute)
            outcome.derived += made
            measuring.judge(self.world, measuring.keep(self.world, made, minute), minute, outcome)

    def was_deaf(self, event: Deaf, outcome: Outcome) -> bool:
        """The hub did not listen for a while: silence does not count it. False where that was known."""
        clock = self.world.clock
        self.pass_time(event.since, outcome)
        since = max(event.since, clock.deaf_until)
        if event.until <= since:
            return False
        clock.now = max(clock.now, event.until)
        clock.deaf += event.until - since
        clock.deaf_until = event.until
        for alert, subject in self.world.alerts.values():  # shelving ends by the clock, which deafness does not stop
            if alert.shelved_until is not None:
                alerts.end_shelf(self.world, subject, alert)
        return True

    def operate(self, action: OperatorAction, outcome: Outcome) -> None:
        """What a person did to a warning or planned for a device."""
        people.operator(self.world, action, outcome)

    def next_call(self, alert: str) -> int | None:
        """When the next contact of an open alert is called if nobody answers."""
        return alerts.next_call(self.world, alert)

    def due(self) -> int | None:
        """The moment before which ticks change nothing; None where only an event can bring one about."""
        world = self.world
        dues = (world.clock.next_due(), world.turns_at, measuring.due(world))
        return min((at for at in dues if at is not None), default=None)


def denied(reading: Reading) -> set[str]:
    """The metrics whose values, by the reading's own marks, no rule is to use."""
    return {metric for metric, mark in (reading.marks or {}).items() if mark not in USABLE_MARKS}
