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

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hub.model import AlertChange, Deaf, Device, OperatorAction, Reading, Zone
from hub.model import Change as What
from rules import assignment, edition, hand_over, snapshot
from rules.book import RuleBook
from rules.engine import Engine
from rules.homes import Change, Forget, Homes
from rules.judge import Judge
from rules.judging import measuring, setback
from rules.routing import CELL_DEG
from rules.snapshot import Freezing
from rules.state.clock import NEVER
from rules.state.forwarded import Forwarding
from rules.state.groups import Groups
from rules.state.moments import moment
from rules.state.outcome import Outcome
from rules.state.subject import Subject
from rules.state.world import World
from rules.whole import whole


class Parts(Judge):
    """N judges of one stream of events, to be driven like one."""

    def __init__(self, partitions: int, wait_ns: int, cell_deg: float) -> None:
        self.judges = [Judge(World(wait_ns)) for _ in range(partitions)]
        super().__init__(self.judges[0].world)
        self.now = NEVER
        """The clock of the whole stream."""
        self.groups = Groups()
        self.homes = Homes(partitions, self.world, cell_deg)
        self.handed_over = 0
        for number, judge in enumerate(self.judges):
            judge.world.visits = self._visits(number)
            judge.world.failures = self.world.failures

    def _visits(self, number: int) -> Callable[[str], bool]:
        return lambda name: self.homes.home_of(name) != number

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
        self._change(self.homes.settle())
        for number, judge in enumerate(self.judges):
            for name, subject in judge.world.subjects.items():
                subject.guest = self.homes.home_of(name) != number

    def _change(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if isinstance(change, Forget):
                hand_over.forget(self.judges[change.part], change.name)
            else:
                self.handed_over += 1
                given = hand_over.give(self.judges[change.of], change.name, change.to, change.guest)
                hand_over.take(self.judges[change.to], given)

    # ------------------------------------------------------------------------------------------ events

    def take(self, reading: Reading, outcome: Outcome) -> int:
        at, received = moment(reading, self.now)
        if self.world.clock.started == NEVER or any(judge.world.orphans for judge in self.judges):
            self.start(received, outcome)
        at, visit = self.homes.take(reading, at, received)
        self._change(visit.before)
        self.now = max(self.now, received)
        self.world.clock.now = self.now  # the first one's clock is what is asked from outside
        self._some(visit.parts, lambda judge, told: judge.take(reading, told), outcome, reading.device)
        self._change(visit.after)
        return at

    def tick(self, at: int, outcome: Outcome) -> None:
        if at < self.now - setback.BACK_NS:
            self.groups.go_back(at)
            self.homes.set_back(at)
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
            outcome.derived += [made for made in told.derived if self.homes.home_of(made.device) == number]
        changes.sort(key=lambda change: (change.subject != device, change.subject))
        self._group(changes)
        outcome.changes += changes

    def _group(self, changes: Sequence[AlertChange]) -> None:
        """Put new alerts into their groups."""
        made: dict[str, str] = {}
        for change in changes:
            judge = self.judges[self.homes.home_of(change.subject)]
            if change.change is What.RAISED:
                made[change.alert] = self.groups.join(
                    change.rule, change.area, change.position, change.alert, change.at
                )
                if change.alert in judge.world.alerts:
                    judge.world.alerts[change.alert][0].group = made[change.alert]
            if change.alert in made:
                change.group = made[change.alert]

    # ------------------------------------------------------------------------------------------ snapshots

    def whole(self) -> World:
        """One world of all subjects, each as it is at home: for a snapshot."""
        return whole([judge.world for judge in self.judges], self.homes.home_of, self.groups)

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
        self.homes.recall(snapshot.seen(data))
        self.settle()
        for number, judge in enumerate(self.judges):
            judge.world.orphans = [one for one in judge.world.orphans if self.homes.home_of(one[1].id) == number]
            hand_over.leave_to_their_homes(judge.world)
        return lanes


class _AtHome(Mapping[str, Subject]):
    """Subjects by name, each as it is at home."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __getitem__(self, name: str) -> Subject:
        return self._parts.judges[self._parts.homes.home_of(name)].world.subjects[name]

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
