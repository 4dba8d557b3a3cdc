"""Rules split over partitions: N judges that together say what one says, alert by alert, byte for byte per subject.

A subject is judged where it is at home (`rules.routing`) and *known* where others may ask about it: as a guest it has its values,
windows and quality there, and no rule judges it. Who comes to a new home, or into somebody's halo, is handed over with its frozen
state (`HandOver`), just before the reading that brings it there. What is of no subject (ticks, editions, people) goes to all.

- A lane is a stream of its own: what holds readings stands before the partitions, so they see them in the order of observation, and
  a subject's home there is that of its fix of then.
- Groups reach over cells, so they are made after the fact, where what the partitions say comes together.
- The clock is that of the whole stream, whatever part of it a partition is sent.
- A snapshot is that of one engine: the number of partitions may change with any start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hub.model import AlertChange, Change, Deaf, Device, OperatorAction, Position, Reading, Zone
from rules import assignment, edition, snapshot
from rules.book import RuleBook
from rules.engine import Engine
from rules.judge import Judge
from rules.judging import elapsing, measuring, setback
from rules.plan import PAIR
from rules.routing import CELL_DEG, Routing
from rules.snapshot import Freezing
from rules.state.clock import NEVER
from rules.state.forwarded import Forwarding
from rules.state.groups import Groups
from rules.state.moments import in_its_turn, moment
from rules.state.outcome import Outcome
from rules.state.subject import NOTHING_YET, Subject
from rules.state.world import World


class HandOver(msgspec.Struct, array_like=True, tag="hand-over", frozen=True):
    """A subject goes from one partition to another: to be at home there, or as a guest (its home stays). An event in the stream
    of the partition that takes it."""

    device: str
    of: int
    to: int
    guest: bool
    state: bytes
    """`snapshot.freeze_subject`, as msgpack."""


class Parts(Judge):
    """N judges of one stream of events, to be driven like one."""

    def __init__(self, partitions: int, wait_ns: int, cell_deg: float) -> None:
        self.judges = [Judge(World(wait_ns)) for _ in range(partitions)]
        super().__init__(self.judges[0].world)
        self.cell_deg = cell_deg
        self.now = NEVER
        """The clock of the whole stream."""
        self.groups = Groups()
        self.homes: dict[str, int] = {}
        self.known: dict[str, set[int]] = {}
        """By subject, the other partitions that know it."""
        self.circles: dict[str, Counter[int]] = {}
        """By area and zone, the homes of those in it, and of the place itself."""
        self.members: dict[str, set[str]] = {}
        """By area and zone, who is in it."""
        self.stands: dict[str, tuple[str, ...]] = {}
        """By subject, the areas and zones that it is in."""
        self.pairs: dict[str, set[str]] = {}
        """By vessel, the pairs that it is one of."""
        self.handed_over = 0
        for number, judge in enumerate(self.judges):
            judge.world.visits = self._visits(number)
            judge.world.failures = self.world.failures

    def _visits(self, number: int) -> Callable[[str], bool]:
        return lambda name: self._home_of(name) != number

    def _home_of(self, name: str) -> int:
        """Where a subject is at home; a pair is where the vessel is that it names first."""
        home = self.homes.get(name)
        if home is None:
            home = self.homes.get(name.partition("+")[0])
        return self.routing.home(name, None) if home is None else home

    @property
    def subjects(self) -> Mapping[str, Subject]:
        """Every subject where it is at home; also what a lane remembers the last alerts in."""
        return _AtHome(self)

    # ------------------------------------------------------------------------------------------ rules and registry

    def touch(self, subject: Subject) -> None:
        """A snapshot of partitions is written down at once, so that it need not hear of changes."""

    def use(self, book: RuleBook, devices: Iterable[Device], zones: Iterable[Zone]) -> None:
        devices, zones = list(devices), list(zones)
        for judge in self.judges:
            judge.use(book, devices, zones)
        self.settle()

    def follow(self, elder: Judge) -> None:
        assert isinstance(elder, Parts)
        for judge in self.judges:
            judge.follow(elder)
            judge.world.elder = elder

    def change_book(self, book: RuleBook, outcome: Outcome) -> None:
        """Go on with another book; who is known where changes with it."""
        self._all(lambda judge, told: edition.change_book(judge, book, told), outcome)
        self.settle()

    def change_registry(self, devices: list[Device], zones: list[Zone], outcome: Outcome) -> None:
        """Go on with another registry."""

        def change(judge: Judge, told: Outcome) -> None:
            assignment.use_registry(judge.world, devices, zones)
            edition.drop_strays(judge.world, told)

        self._all(change, outcome)
        self.settle()

    def settle(self) -> None:
        """Have every subject at home and known where rules and registry want it."""
        self.routing = Routing(self.world.orders.book, len(self.judges), self.cell_deg)
        names = sorted({name for judge in self.judges for name in judge.world.subjects})
        self.circles, self.members, self.stands = {}, {}, {}
        for name in names:
            before = self.homes.get(name)
            subject = self._anywhere(name)
            if subject is None or subject.kind == PAIR:
                continue
            home = self.homes[name] = self.routing.home(name, None if subject.every else subject.position)
            if before is not None and before != home:
                self._hand_over(name, before, home, False)
            for number, judge in enumerate(self.judges):
                if (one := judge.world.subjects.get(name)) is not None:
                    one.guest = number != home
            if subject.every:
                self.circles.setdefault(name, Counter())[home] += 1
            else:
                self._stand(name, self._circles(subject, subject.position))
        for judge in self.judges:
            for name, subject in judge.world.subjects.items():
                if subject.kind == PAIR:
                    subject.guest = judge.world.visits(name)
        for name in names:
            self._make_known(name)

    def _anywhere(self, name: str) -> Subject | None:
        at_home = self.homes.get(name)
        if at_home is not None and (found := self.judges[at_home].world.subjects.get(name)) is not None:
            return found
        return next((one for judge in self.judges if (one := judge.world.subjects.get(name)) is not None), None)

    # ------------------------------------------------------------------------------------------ who is known where

    def _circles(self, subject: Subject, position: Position | None) -> tuple[str, ...]:
        if not self.routing.by_circle:
            return ()
        hood = self.world.hood
        names = [zone.zone for zone in hood.zones_of(position)]
        if self.routing.asks_ahead:
            names = list(dict.fromkeys([*names, *(ahead for name in names for ahead in hood.ahead[name])]))
        zones = tuple(f"zone:{name}" for name in names)
        return (*zones, f"area:{subject.area}") if subject.area else zones

    def _stand(self, name: str, circles: tuple[str, ...]) -> set[str]:
        """The subject is in these areas and zones from now on; who else is in those to which its home is new."""
        home, others = self.homes[name], set[str]()
        for circle in circles:
            homes = self.circles.setdefault(circle, Counter())
            if not homes[home]:
                others |= self.members.get(circle, set())
            homes[home] += 1
            self.members.setdefault(circle, set()).add(name)
        self.stands[name] = circles
        return others

    def _leave(self, name: str) -> None:
        for circle in self.stands.pop(name, ()):
            self.circles[circle][self.homes[name]] -= 1
            self.members[circle].discard(name)

    def _wanted(self, name: str, position: Position | None) -> set[int]:
        """The partitions that have to know a subject which stands there."""
        wanted = {self.homes[name]}
        if position is not None:
            wanted |= self.routing.halo(position)
        for circle in self.stands.get(name, ()):
            wanted |= {home for home, count in self.circles[circle].items() if count > 0}
        for lower in self.world.downstream.get(name, ()):
            wanted.add(self._home_of(lower))
        for pair in self.pairs.get(name, ()):
            wanted.add(self._home_of(pair))
        return wanted

    def _make_known(self, name: str, also: Iterable[int] = ()) -> None:
        """Hand the subject to those that have to know it, and have those forget it that need not any more."""
        subject = self._anywhere(name)
        if subject is None or subject.every or subject.kind == PAIR:
            return
        home = self.homes[name]
        wanted = self._wanted(name, subject.position) - {home}
        known = self.known.get(name, set())
        for number in sorted(wanted - known):
            self._hand_over(name, home, number, True)
        for number in sorted(known - wanted - {home, *also}):
            self._forget(number, name)
        kept = wanted | (known & set(also)) - {home}
        self.known[name] = kept

    def _hand_over(self, name: str, of: int, to: int, guest: bool) -> None:
        subject = self.judges[of].world.subjects.get(name)
        if subject is None:
            return
        self.handed_over += 1
        self._accept(HandOver(name, of, to, guest, snapshot.encode(snapshot.freeze_subject(subject))))
        if not guest:
            state = snapshot.encode(snapshot.freeze_subject(subject))
            self._accept(HandOver(name, of, of, True, state))

    def _accept(self, event: HandOver) -> None:
        """Take a subject as it was elsewhere; as a guest without all that is for its home to judge."""
        world, name = self.judges[event.to].world, event.device
        place = world.subjects[name].every if name in world.subjects else ""
        self._forget(event.to, name, blank=False)
        frozen = msgspec.msgpack.decode(event.state)
        if event.guest:
            frozen |= {"standing": {}, "silent": {}, "watching": {}}
        subject = world.subjects[name] = Subject(world.registry.get(name) or Device(name), world.hood)
        subject.every = place
        snapshot.thaw_subject(world, frozen, set(world.orders.compiled))
        subject.guest = event.guest
        assignment.assign(world, subject)
        for series in frozen["joined"]:
            world.hood.join(subject, series)
        if not event.guest:
            elapsing.arm(world, subject)

    def _forget(self, number: int, name: str, blank: bool = True) -> None:
        """The partition knows nothing of a subject any more, except what the registry says."""
        world = self.judges[number].world
        subject = world.subjects.pop(name, None)
        if subject is None:
            return
        world.hood.forget(name)
        for rule in list(subject.watching):
            world.watchers.discard(name, rule)
        for alert in (
            [alert for alert, (_, whose) in world.alerts.items() if whose is subject]
            if subject.busy or subject.silent
            else ()
        ):
            del world.alerts[alert]
        for suspects in world.suspects.values():
            suspects.discard(name)
        if blank and name in world.registry:
            again = world.subjects[name] = Subject(world.registry[name], world.hood)
            again.guest = True
            assignment.assign(world, again)

    # ------------------------------------------------------------------------------------------ events

    def take(self, reading: Reading, outcome: Outcome) -> int:
        at, received = moment(reading, self.now)
        if self.world.clock.started == NEVER or any(judge.world.orphans for judge in self.judges):
            self.start(received, outcome)
        numbers = self._bring_home(reading, at, received)
        self.now = max(self.now, received)
        self.world.clock.now = self.now  # the first one's clock is what is asked from outside
        told_before = len(outcome.derived)
        moments: list[int] = []
        self._some(numbers, lambda judge, told: moments.append(judge.take(reading, told)), outcome, reading.device)
        for made in outcome.derived[told_before:]:
            if made.kind == PAIR and made.device not in self.homes:
                for vessel in made.device.split("+"):
                    self.pairs.setdefault(vessel, set()).add(made.device)
        self._make_known(reading.device)
        return moments[0]

    def _bring_home(self, reading: Reading, at: int, received: int) -> list[int]:
        """Have the subject at home where the reading says that it is; the partitions that the reading goes to, its home first."""
        name = reading.device
        subject = self._anywhere(name)
        if subject is not None and subject.every:
            return [self.homes[name]]
        before = subject.position if subject is not None else None
        position = before
        if reading.position is not None and (
            subject is None or in_its_turn(at, reading, received, subject.newest) >= subject.position_t
        ):
            position = reading.position
        if name not in self.homes or position != before:
            self._move(name, subject or Subject(Device(name), self.world.hood), position)
        home = self.homes[name]
        return [home, *sorted((self._wanted(name, position) | self.known.get(name, set())) - {home})]

    def _move(self, name: str, subject: Subject, position: Position | None) -> None:
        before = self.homes.get(name)
        if before is not None:
            self._leave(name)
        home = self.homes[name] = self.routing.home(name, position)
        others = self._stand(name, self._circles(subject, position))
        if before is not None and before != home:
            self._hand_over(name, before, home, False)
            self.known[name] = self.known.get(name, set()) - {home} | {before}
            self._take_pairs(name, before, home)
            others |= set(self.world.hood.above(subject))
        for other in sorted(others - {name}):
            if other in self.homes:
                self._make_known(other)
        if before is not None:
            for number in sorted(self._wanted(name, position) - self.known.get(name, set()) - {home}):
                self._hand_over(name, home, number, True)
        self.known[name] = self.known.get(name, set()) | self._wanted(name, position) - {home}

    def _take_pairs(self, name: str, before: int, home: int) -> None:
        for pair in sorted(self.pairs.get(name, ())):
            if pair.partition("+")[0] == name:
                self._hand_over(pair, before, home, False)
                other = pair.partition("+")[2]
                if other in self.homes:
                    self._make_known(other)

    def tick(self, at: int, outcome: Outcome) -> None:
        if at < self.now - setback.BACK_NS:
            self.groups.go_back(at)
        self._all(lambda judge, told: judge.come_to(at, told), outcome)
        self.measure(outcome)

    def measure(self, outcome: Outcome) -> None:
        """Measure each place where it is at home; every partition gets to know the figures, since anybody's rules may ask for them."""
        for judge in self.judges:
            minute = measuring.over(judge.world)
        if minute is None:
            return
        made = [reading for judge in self.judges for reading in measuring.figures(judge.world, minute)]
        outcome.derived += made
        hits = {id(judge): measuring.keep(judge.world, made, minute) for judge in self.judges}
        self._all(lambda judge, told: measuring.judge(judge.world, hits[id(judge)], minute, told), outcome)

    def was_deaf(self, event: Deaf, outcome: Outcome) -> bool:
        known: list[bool] = []
        self._all(lambda judge, told: known.append(judge.was_deaf(event, told)), outcome)
        return any(known)

    def start(self, at: int, outcome: Outcome) -> None:
        self._all(lambda judge, told: judge.start(at, told), outcome)

    def operate(self, action: OperatorAction, outcome: Outcome) -> None:
        self._all(lambda judge, told: judge.operate(action, told), outcome)

    def next_call(self, alert: str) -> int | None:
        return min((at for judge in self.judges if (at := judge.next_call(alert)) is not None), default=None)

    def due(self) -> int | None:
        return min((due for judge in self.judges if (due := judge.due()) is not None), default=None)

    def _all(self, work: Callable[[Judge, Outcome], object], outcome: Outcome) -> None:
        self._some(range(len(self.judges)), work, outcome, "")
        self.now = max(judge.world.clock.now for judge in self.judges)

    def _some(
        self, numbers: Iterable[int], work: Callable[[Judge, Outcome], object], outcome: Outcome, device: str
    ) -> None:
        """Have these partitions do something at the clock of the stream; what they say, in the order in which one engine says it."""
        changes: list[AlertChange] = []
        for number in numbers:
            judge, told = self.judges[number], Outcome([], [])
            if judge.world.clock.started != NEVER and judge.world.clock.now < self.now:
                judge.start(self.now, told)
            work(judge, told)
            changes += told.changes
            outcome.derived += [made for made in told.derived if self._home_of(made.device) == number]
        changes.sort(key=lambda change: (change.subject != device, change.subject))
        self._group(changes)
        outcome.changes += changes

    def _group(self, changes: Sequence[AlertChange]) -> None:
        """Put new alerts into their groups."""
        made: dict[str, str] = {}
        for change in changes:
            judge = self.judges[self._home_of(change.subject)]
            subject = judge.world.subjects.get(change.subject)
            if change.change is Change.RAISED and subject is not None:
                made[change.alert] = self.groups.join(change.rule, subject, change.alert, change.at)
                if change.alert in judge.world.alerts:
                    judge.world.alerts[change.alert][0].group = made[change.alert]
            if change.alert in made:
                change.group = made[change.alert]

    # ------------------------------------------------------------------------------------------ snapshots

    def whole(self) -> World:
        """One world of all subjects, each as it is at home: for a snapshot."""
        first = self.world
        world = World(first.clock.lag)
        world.clock.now, world.clock.deaf, world.clock.deaf_until = (
            first.clock.now,
            first.clock.deaf,
            first.clock.deaf_until,
        )
        world.clock.started = first.clock.started
        world.orders, world.elder, world.failures = first.orders, first.elder, first.failures
        world.measured = first.measured
        world.maintenance, world.turns_at, world.forwarding = first.maintenance, first.turns_at, first.forwarding
        world.groups = self.groups
        world.refused = sum(judge.world.refused for judge in self.judges)
        for judge in self.judges:
            world.orphans += judge.world.orphans
            world.alerts |= judge.world.alerts
            world.plans |= judge.world.plans
        world.subjects = {
            name: subject
            for number, judge in enumerate(self.judges)
            for name, subject in judge.world.subjects.items()
            if self._home_of(name) == number
        }
        world.clock.timers = [timer for judge in self.judges for timer in judge.world.clock.timers]
        return world

    def thaw(self, data: bytes) -> list[list[Any]]:
        """Take up a snapshot, of one engine or of any number of partitions."""
        lanes: list[list[Any]] = []
        for number, judge in enumerate(self.judges):
            lanes = snapshot.thaw(judge.world, data)
            judge.world.failures = self.world.failures
            if number:  # what is of no subject is the first one's
                judge.world.refused = 0
                judge.world.forwarding = Forwarding()
        self.now, self.groups = self.world.clock.now, Groups(self.world.groups.freeze())
        self.known = {name: set(range(len(self.judges))) for name in self.world.subjects}
        for name, subject in self.world.subjects.items():
            if subject.kind == PAIR:
                for vessel in name.split("+"):
                    self.pairs.setdefault(vessel, set()).add(name)
        self.homes = {}
        self.settle()
        for number, judge in enumerate(self.judges):
            judge.world.orphans = [one for one in judge.world.orphans if self._home_of(one[1].id) == number]
            for subject in judge.world.subjects.values():
                if subject.guest:
                    self._strip(judge.world, subject)
        return lanes

    def _strip(self, world: World, subject: Subject) -> None:
        """What was thawed everywhere is for its home alone to judge."""
        for rule in list(subject.watching):
            world.watchers.discard(subject.id, rule)
        for alert in [alert for alert, (_, whose) in world.alerts.items() if whose is subject]:
            del world.alerts[alert]
        subject.standing, subject.busy = {}, 0
        subject.silent = subject.watching = subject.passing = NOTHING_YET


class _AtHome(Mapping[str, Subject]):
    """Subjects by name, each as it is at home."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __getitem__(self, name: str) -> Subject:
        return self._parts.judges[self._parts._home_of(name)].world.subjects[name]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(sorted({name for judge in self._parts.judges for name in judge.world.subjects}))

    def __len__(self) -> int:
        return len({name for judge in self._parts.judges for name in judge.world.subjects})


class Partitions(Engine):
    """An engine whose rules are split over that many partitions."""

    judge: Parts

    def __init__(
        self,
        book: RuleBook,
        devices: Iterable[Device] = (),
        zones: Iterable[Zone] = (),
        partitions: int = 2,
        cell_deg: float = CELL_DEG,
    ) -> None:
        self.partitions, self.cell_deg = partitions, cell_deg
        super().__init__(book, devices, zones)

    def _new_judge(self, wait_ns: int) -> Parts:
        return Parts(self.partitions, wait_ns, self.cell_deg)

    def _change_book(self, judge: Judge, book: RuleBook, outcome: Outcome) -> None:
        _parts(judge).change_book(book, outcome)

    def _change_registry(self, judge: Judge, devices: list[Device], zones: list[Zone], outcome: Outcome) -> None:
        _parts(judge).change_registry(devices, zones, outcome)

    def _whole(self, judge: Judge) -> World:
        return _parts(judge).whole()

    def _freezing(self, judge: Judge) -> Freezing:
        whole = super()._freezing(judge)
        whole.complete()  # it is put together of the partitions, which do not know that it is being written
        return whole

    def _thaw(self, judge: Judge, data: bytes) -> list[list[Any]]:
        return _parts(judge).thaw(data)

    @property
    def subjects(self) -> Mapping[str, Subject]:
        return self.judge.subjects

    @property
    def hand_overs(self) -> int:
        """How often a subject was handed over, to a new home or as a guest."""
        return self.judge.handed_over + sum(_parts(lane.judge).handed_over for lane in self.lanes.values())


def _parts(judge: Judge) -> Parts:
    assert isinstance(judge, Parts)
    return judge


def engine_of(
    book: RuleBook,
    devices: Iterable[Device] = (),
    zones: Iterable[Zone] = (),
    partitions: int = 1,
    saved: bytes | None = None,
) -> Engine:
    """The engine for that many partitions, from a snapshot where there is one. Raises ValueError where that is damaged."""
    if partitions == 1:
        return Engine(book, devices, zones) if saved is None else Engine.restore(saved, book, devices, zones)
    made = Partitions(book, devices, zones, partitions)
    return made if saved is None else made.restored(saved)
