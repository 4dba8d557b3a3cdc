"""One part of the rules, on a machine of its own: it reads every event, judges its own subjects, and knows those of others whom its rules
may ask about.

Where everybody is at home follows from the events (`rules.homes`). What does not (a subject's state, what others measured) is written down
by the part that has it and waited for by the one that needs it (`rules.desk`). What all parts say is brought together in `rules.together`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import msgspec

from hub.model import Deaf, Device, Event, Forwarded, OperatorAction, Reading, Zone
from rules import assignment, edition, hand_over, snapshot
from rules.book import RuleBook
from rules.desk import Desk, Figures, Said, WentBack
from rules.engine import Engine
from rules.hand_over import HandOver
from rules.homes import Change, Homes, Move
from rules.judge import Judge
from rules.judging import measuring, setback
from rules.routing import CELL_DEG
from rules.snapshot import Freezing
from rules.state.clock import NEVER
from rules.state.forwarded import Forwarding
from rules.state.moments import moment
from rules.state.outcome import Outcome
from rules.state.subject import Subject
from rules.state.world import World


class _Lanes:
    """The last alerts of a lane's rules are remembered in the lane: the subject may be at home in another part for what is judged at once."""

    subjects: Mapping[str, Subject] = {}

    def touch(self, subject: Subject) -> None:
        """Nothing of it is written down."""


class Part(Judge):
    """The judge of one part, of what is judged at once or of a lane. What it says goes onto the desk, not into the outcome."""

    def __init__(self, desk: Desk, wait_ns: int, cell_deg: float) -> None:
        self.judge = Judge(World(wait_ns))
        super().__init__(self.judge.world)
        self.desk, self.lane = desk, wait_ns
        self.homes = Homes(desk.parts, self.world, cell_deg)
        self.now = NEVER
        """The clock of the whole stream."""
        self.world.visits = lambda name: self.homes.home_of(name) != desk.part

    def use(self, book: RuleBook, devices: Iterable[Device], zones: Iterable[Zone]) -> None:
        self.judge.use(book, devices, zones)
        self.homes.settle()  # nobody has said anything yet that could be handed over
        self._mark_guests()

    def follow(self, elder: Judge) -> None:
        assert isinstance(elder, Part)
        self.judge.follow(elder.judge)
        self.world.elder = _Lanes()

    # ------------------------------------------------------------------------------------------ events

    def take(self, reading: Reading, outcome: Outcome) -> int:
        desk, clock = self.desk, self.world.clock
        self._come()
        at, received = moment(reading, self.now)
        desk.step += 1
        if clock.started == NEVER or self.world.orphans:
            self._say("", lambda told: self.judge.start(received, told))
        desk.step += 1
        at, visit = self.homes.take(reading, at, received)
        if visit.before:
            self._change(visit.before)
        if received > self.now:
            self.now = received
        if desk.part in visit.parts:
            self._say(reading.device, lambda told: self.judge.take(reading, told))
        if self.now > clock.now:
            clock.now = self.now
        if visit.after:
            self._change(visit.after)
        return at

    def _come(self) -> None:
        """To another event, where this is what is judged at once: the first to hear of it."""
        if not self.lane:
            self.desk.begin(self.world.failures.event)

    def tick(self, at: int, outcome: Outcome) -> None:
        self._come()
        self.desk.step += 1
        if at < self.now - setback.BACK_NS:
            self.desk.write(WentBack(self.lane, at))
            self.homes.set_back(at)
        self._all(lambda told: self.judge.come_to(at, told))
        self.measure(outcome)

    def measure(self, outcome: Outcome) -> None:
        """Measure the places that are at home here; every part gets to know the figures, since anybody's rules may ask for them."""
        minute = measuring.over(self.world)
        if minute is None:
            return
        self.desk.step += 1
        own = Figures(measuring.figures(self.world, minute))
        self.desk.write(own)
        self._say("", lambda told: told.derived.extend(own.readings))
        made = self.desk.measured(own)
        hits = measuring.keep(self.world, made, minute)
        self._all(lambda told: measuring.judge(self.world, hits, minute, told))

    def was_deaf(self, event: Deaf, outcome: Outcome) -> bool:
        self._come()
        return bool(self._all(lambda told: self.judge.was_deaf(event, told)))

    def start(self, at: int, outcome: Outcome) -> None:
        """The first step of what is neither a reading nor time."""
        self._come()
        self._all(lambda told: self.judge.start(at, told))

    def operate(self, action: OperatorAction, outcome: Outcome) -> None:
        self._all(lambda told: self.judge.operate(action, told))

    def change_book(self, book: RuleBook) -> None:
        """Go on with another book; who is known where changes with it."""
        self._all(lambda told: edition.change_book(self.judge, book, told))
        self._settle()

    def change_registry(self, devices: list[Device], zones: list[Zone]) -> None:
        """Go on with another registry."""

        def change(told: Outcome) -> None:
            assignment.use_registry(self.world, devices, zones)
            edition.drop_strays(self.world, told)

        self._all(change)
        self._settle()

    def _all(self, work: Callable[[Outcome], Any]) -> Any:
        """What all parts do, in one step."""
        self.desk.step += 1
        result = self._say("", work)
        self.now = self.world.clock.now
        return result

    def _say(self, device: str, work: Callable[[Outcome], Any]) -> Any:
        """Do something at the clock of the stream, and write down what it makes the rules say."""
        told = Outcome([], [])
        if self.world.clock.started != NEVER and self.world.clock.now < self.now:
            self.judge.start(self.now, told)
        result = work(told)
        own = self.desk.part
        # what a lane derives has gone out at once, from the hub's own rules
        derived = [] if self.lane else [made for made in told.derived if self.homes.home_of(made.device) == own]
        if told.changes or derived:
            self.desk.write(Said(self.lane, device, told.changes, derived))
        return result

    # ------------------------------------------------------------------------------------------ who is here

    def _settle(self) -> None:
        """Have every subject at home and known where rules and registry want it."""
        self.desk.step += 1
        self._change(self.homes.settle())
        self._mark_guests()

    def _change(self, changes: Sequence[Change]) -> None:
        """Give first: another part may wait for it, and what is given is as it was before."""
        own = self.desk.part
        for change in changes:
            if isinstance(change, Move) and change.of == own:
                self.desk.write(hand_over.give(self.judge, change.name, change.to, change.guest))
        for change in changes:
            if isinstance(change, Move):
                if change.to == own:
                    given = self.desk.handed(change.name, change.of)
                    hand_over.take(self.judge, given or HandOver(change.name, own, change.guest, []))
            elif change.part == own:
                hand_over.forget(self.judge, change.name)

    def guests(self) -> list[str]:
        """Who is known here and at home elsewhere."""
        return [name for name in self.world.subjects if self.world.visits(name) and self.knows(name)]

    def _mark_guests(self) -> None:
        for name, subject in self.world.subjects.items():
            subject.guest = self.world.visits(name)

    # ------------------------------------------------------------------------------------------ snapshots

    def knows(self, name: str) -> bool:
        """Whether anything is to be remembered of a subject here."""
        return self.homes.knows(self.desk.part, name)

    def thaw(self, data: bytes, homes: list[Any] | None) -> list[list[Any]]:
        """Take up a snapshot of this part, or (`homes` None) its share of one of one engine. Gives the lanes that it has beside it."""
        if homes is not None:
            lanes = snapshot.thaw(self.world, data)
            self.homes.thaw(homes)
        else:
            self.homes.recall(snapshot.seen(data))
            self.homes.settle()
            lanes = snapshot.thaw(self.world, data, self.knows)
        self.now = self.world.clock.now
        self._mark_guests()
        if homes is None:
            self._leave_to_others()
        return lanes

    def _leave_to_others(self) -> None:
        """What was thawed everywhere is for its home alone to judge; what is of no subject is the first part's."""
        world = self.world
        world.orphans = [one for one in world.orphans if not self.world.visits(one[1].id)]
        if self.desk.part:
            world.refused, world.forwarding = 0, Forwarding()
        hand_over.leave_to_their_homes(world)


class FrozenPart(msgspec.Struct):
    """A snapshot of a part."""

    part: int
    parts: int
    homes: dict[int, list[Any]]
    """By lane."""
    engine: bytes
    guests: dict[int, list[str]] = {}
    """By lane, who is not at home here among the subjects that are known. Snapshots of before do not say it; where parts end they write new ones."""


class PartEngine(Engine):
    """All rules over the subjects of one part. What it says is on the desk; its outcomes hold failures only. It may block in the middle of an
    event, until another part has come there."""

    judge: Part

    def __init__(
        self,
        desk: Desk,
        book: RuleBook,
        devices: Iterable[Device] = (),
        zones: Iterable[Zone] = (),
        cell_deg: float = CELL_DEG,
    ) -> None:
        self.desk, self.cell_deg = desk, cell_deg
        self._frozen_homes: Mapping[int, list[Any]] | None = None
        """While a snapshot of this part is taken up: by lane. None for one of one engine."""
        self._past: Mapping[str, Mapping[str, tuple[str, int]]] = {}
        super().__init__(book, devices, zones)

    def _new_judge(self, wait_ns: int) -> Part:
        return Part(self.desk, wait_ns, self.cell_deg)

    def _rare(self, event: Event, outcome: Outcome) -> None:
        if not isinstance(event, Forwarded):
            super()._rare(event, outcome)
        elif self.desk.part:
            self.judge.start(event.at, outcome)  # what is of no subject is the first part's
        else:
            told = Outcome([], [])
            super()._rare(event, told)
            self.desk.step += 1
            self.desk.write(Said(0, "", told.changes, []))

    def _change_book(self, judge: Judge, book: RuleBook, outcome: Outcome) -> None:
        assert isinstance(judge, Part)
        judge.change_book(book)

    def _change_registry(self, judge: Judge, devices: list[Device], zones: list[Zone], outcome: Outcome) -> None:
        assert isinstance(judge, Part)
        judge.change_registry(devices, zones)

    # ------------------------------------------------------------------------------------------ snapshots

    def parts(self) -> dict[int, Part]:
        """By lane, 0 for what is judged at once."""
        found = {self.judge.lane: self.judge}
        for wait_ns, lane in self.lanes.items():
            assert isinstance(lane.judge, Part)
            found[wait_ns] = lane.judge
        return found

    def saved(self) -> bytes:
        """The snapshot of this part, between two events."""
        parts = self.parts()
        homes = {lane: part.homes.freeze() for lane, part in parts.items()}
        guests = {lane: part.guests() for lane, part in parts.items()}
        return msgspec.msgpack.encode(FrozenPart(self.desk.part, self.desk.parts, homes, self.snapshot(), guests))

    def again(self, saved: bytes) -> Self:
        """This fresh engine as `saved` was. Raises ValueError where that is no snapshot of this part."""
        try:
            found = msgspec.msgpack.decode(saved, type=FrozenPart)
        except msgspec.MsgspecError as error:
            raise ValueError(f"these bytes are no snapshot of a part: {error}") from None
        if (found.part, found.parts) != (self.desk.part, self.desk.parts):
            raise ValueError(f"the snapshot is of part {found.part} of {found.parts}")
        self._frozen_homes = found.homes
        return self.restored(found.engine)

    def from_whole(self, data: bytes) -> Self:
        """This fresh engine with its part of a snapshot of one engine. Raises as `restore` does."""
        self._frozen_homes = None
        return self.restored(data)

    def _thaw(self, judge: Judge, data: bytes) -> list[list[Any]]:
        assert isinstance(judge, Part)
        if self._frozen_homes is not None:
            return judge.thaw(data, self._frozen_homes[judge.lane])
        if judge is self.judge:
            self._past = {one.id: one.past for one in snapshot.seen(data) if one.past}
        lanes = judge.thaw(data, None)
        if judge is not self.judge:
            _remember(judge.world, self._past)
        return lanes

    def _freezing(self, judge: Judge) -> Freezing:
        assert isinstance(judge, Part)
        return Freezing(judge.world, judge.knows)


def _remember(world: World, past: Mapping[str, Mapping[str, tuple[str, int]]]) -> None:
    """One engine remembers the last alerts of a lane's rules with its other subjects; a part has them in the lane."""
    for name, subject in world.subjects.items():
        for rule in world.orders.compiled.keys() & past.get(name, {}).keys():
            subject.own("past")[rule] = past[name][rule]
