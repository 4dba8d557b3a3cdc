"""The engine that the hub drives: events in, alert changes and derived readings out. Pure: the same events give the same changes,
byte for byte, in one run or resumed from a snapshot at any point. See `rules/README.md` for the laws of time.

It owns a judge for what is judged at once (`rules.judge`), lanes for the rules that wait (`rules.lateness`), editions and snapshots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import heapify
from typing import Any, Self

import msgspec

from hub.model import Deaf, Device, Edition, Event, Forwarded, Maintenance, OperatorAction, Reading, Tick, Zone
from rules import assignment, edition, lateness, snapshot
from rules import book as books
from rules.book import RuleBook
from rules.judge import Judge
from rules.lateness import Lane
from rules.snapshot import Freezing
from rules.state.forwarded import Known
from rules.state.health import ENGINE as ENGINE_ITSELF
from rules.state.outcome import Outcome
from rules.state.subject import OpenAlert, Subject
from rules.state.world import World

ENGINE = "8"
"""Version of the engine, for `Edition.engine`: raised when the same log could give other alerts."""


class Engine:
    """All rules over all subjects. One per partition of the stream; not thread-safe, and it asks nobody for the time."""

    def __init__(self, book: RuleBook, devices: Iterable[Device] = (), zones: Iterable[Zone] = ()) -> None:
        self.book = book
        self.judge = self._new_judge(0)
        self.world = self.judge.world
        self.lanes: dict[int, Lane] = {}
        """By length of wait, what judges in the order of observation."""
        self._know_rules()
        self.judge.use(lateness.split(book)[0], devices, zones)
        self._renew_lanes(None)

    def _new_judge(self, wait_ns: int) -> Judge:
        """What judges at once, or of a lane."""
        return Judge(World(wait_ns))

    # ------------------------------------------------------------------------------------------ feeding

    def feed(self, events: Sequence[Event], numbers: Sequence[int] | None = None) -> Outcome:
        """Take events in the order of the log; `numbers` is where each stands there, one after another without them."""
        outcome = Outcome([], [])
        judge, failures = self.judge, self.world.failures
        if numbers is None:
            numbers = range(failures.event + 1, failures.event + 1 + len(events))
        for failures.event, event in zip(numbers, events, strict=False):
            try:
                kind = type(event)
                if kind is Reading:
                    at = judge.take(event, outcome)  # type: ignore[arg-type]
                    for lane in self.lanes.values():
                        lane.take(event, at, outcome)  # type: ignore[arg-type]
                elif kind is Tick:
                    judge.tick(event.at, outcome)  # type: ignore[union-attr]
                    if self.lanes:
                        self._advance(event.at, outcome)  # type: ignore[union-attr]
                else:
                    self._rare(event, outcome)
            except MemoryError:  # no matter of the event: it is judged once there is some
                raise
            except Exception as error:  # nothing of a rule's: those are caught where rules are attended to
                failures.skip(event, self.world.clock.now, error)
                outcome.failed.append(error)
        return outcome

    def _rare(self, event: Event, outcome: Outcome) -> None:
        judge = self.judge
        if isinstance(event, Deaf):
            if judge.was_deaf(event, outcome):
                for lane in self.lanes.values():
                    lane.was_deaf(event, outcome)
        elif isinstance(event, Edition):
            judge.start(event.at, outcome)
            self._edition(event, outcome)
        elif isinstance(event, OperatorAction):
            judge.start(event.at, outcome)
            for one in (judge, *(lane.judge for lane in self.lanes.values())):
                one.operate(event, outcome)
        elif isinstance(event, Forwarded):
            judge.start(event.at, outcome)
            self.world.forwarding.take(event, outcome)

    def due(self) -> int | None:
        """The moment before which ticks change nothing; None where only an event can bring one about."""
        dues = [self.judge.due(), *(lane.due() for lane in self.lanes.values())]
        return min((due for due in dues if due is not None), default=None)

    def next_call(self, alert: str) -> int | None:
        """By the hub's clock (ns), when the next contact of an open alert is called if nobody answers; None where none is."""
        judges = (self.judge, *(lane.judge for lane in self.lanes.values()))
        return min((at for judge in judges if (at := judge.next_call(alert)) is not None), default=None)

    # ------------------------------------------------------------------------------------------ rules that wait

    def _advance(self, tick: int, outcome: Outcome) -> None:
        for wait_ns, lane in list(self.lanes.items()):
            lane.advance(tick, outcome)
            if not lane.judge.world.orders.book.rules:
                del self.lanes[wait_ns]

    def _renew_lanes(self, outcome: Outcome | None) -> None:
        """Make the lanes that the book asks for; those it asks for no longer end, with their alerts."""
        wanted = lateness.split(self.book)[1]
        for wait_ns in sorted(self.lanes.keys() | wanted.keys()):
            lane, book = self.lanes.get(wait_ns), wanted.get(wait_ns)
            if lane is None:
                self.lanes[wait_ns] = self._lane(wait_ns, wanted[wait_ns])
            elif outcome is not None:
                self._change_book(lane.judge, book or self._no_rules(), outcome)
                lane.choose()
            if book is None:
                del self.lanes[wait_ns]

    def _lane(self, wait_ns: int, book: RuleBook) -> Lane:
        judge = self._new_judge(wait_ns)
        judge.follow(self.judge)
        judge.use(book, self.world.registry.values(), self.world.zones)
        return Lane(judge, wait_ns)

    def _change_book(self, judge: Judge, book: RuleBook, outcome: Outcome) -> None:
        edition.change_book(judge, book, outcome)

    def _change_registry(self, judge: Judge, devices: list[Device], zones: list[Zone], outcome: Outcome) -> None:
        assignment.use_registry(judge.world, devices, zones)
        edition.drop_strays(judge.world, outcome)

    def _whole(self, judge: Judge) -> World:
        """The world with all subjects."""
        return judge.world

    def _thaw(self, judge: Judge, data: bytes) -> list[list[Any]]:
        return snapshot.thaw(judge.world, data)

    def _no_rules(self) -> RuleBook:
        return replace(self.book, rules=(), derivations=())

    # ------------------------------------------------------------------------------------------ editions

    def _know_rules(self) -> None:
        digests = {rule.name: rule.digest for rule in self.book.rules}
        self.world.failures.renew(digests | {spec.name: spec.digest for spec in self.book.derivations})

    def _edition(self, event: Edition, outcome: Outcome) -> None:
        self._complete()
        if event.what == "rules" and event.text != self.book.text:
            new = books.from_text(event.text)
            if new is not None and new.digest != self.book.digest:
                self.book = new
                self._know_rules()
                self._change_book(self.judge, lateness.split(new)[0], outcome)
                self._renew_lanes(outcome)
        elif event.what == "registry":
            registry = edition.registry_from_text(event.text, self.world.registry)
            if registry is not None:
                for one in (self.judge, *(lane.judge for lane in self.lanes.values())):
                    self._change_registry(one, *registry, outcome)

    # ------------------------------------------------------------------------------------------ looking in

    @property
    def registry(self) -> Mapping[str, Device]:
        return self.world.registry

    @property
    def zones(self) -> tuple[Zone, ...]:
        return self.world.zones

    @property
    def subjects(self) -> Mapping[str, Subject]:
        return self.world.subjects

    @property
    def windows(self) -> Mapping[str, Maintenance]:
        """Planned work, by id."""
        return self.world.maintenance

    def open_alerts(self) -> list[OpenAlert]:
        """Alerts not cleared yet, by their id."""
        return [alert for alert, _ in self.standing_alerts()]

    def standing_alerts(self) -> list[tuple[OpenAlert, Subject]]:
        """The same, each with whom it is about."""
        alerts = dict(self._whole(self.judge).alerts)
        for lane in self.lanes.values():
            alerts |= self._whole(lane.judge).alerts
        return [alerts[name] for name in sorted(alerts)]

    def forwarded_alerts(self) -> Mapping[str, Known]:
        """Other hubs' warnings that stand, by their id."""
        return self.world.forwarding.open

    def health(self) -> list[dict[str, Any]]:
        """The rules that are ill: name, error, subject, number of the event, since when, how often (`rules.state.health`); the
        name `engine` stands for events that had to be skipped."""
        return self.world.failures.told()

    @property
    def skipped(self) -> int:
        """Events that could not be judged."""
        return self.world.failures.skipped

    # ------------------------------------------------------------------------------------------ snapshots

    def snapshot(self) -> bytes:
        """The whole state. `Engine.restore` of it goes on as if nothing had happened."""
        return b"".join(self.frozen())

    def frozen(self) -> Iterator[bytes]:
        """The snapshot in pieces, some of them empty. It is that of the moment of this call, and events may be fed between the pieces. Whole,
        it needs a fourth of the room of the state."""
        lanes = [
            (lane.wait_ns, self._freezing(lane.judge), list(lane.held), lane.overflowed) for lane in self.lanes.values()
        ]
        return self._pieces(self._freezing(self.judge), lanes)

    def _pieces(self, whole: Freezing, lanes: list[tuple[int, Freezing, list[Any], int]]) -> Iterator[bytes]:
        frozen: list[Any] = []
        try:
            for wait_ns, lane, held, overflowed in lanes:
                parts: list[bytes] = []
                for piece in lane.pieces([]):
                    parts.append(piece)
                    yield b""
                frozen.append([wait_ns, b"".join(parts), sorted(held), overflowed])
            yield from whole.pieces(frozen)
        finally:
            for one in (whole, *(lane for _, lane, _, _ in lanes)):
                one.end()

    def _freezing(self, judge: Judge) -> Freezing:
        return Freezing(self._whole(judge))

    def _complete(self) -> None:
        """Everything is about to change: a snapshot that is being written has it as it is."""
        for judge in (self.judge, *(lane.judge for lane in self.lanes.values())):
            if judge.world.freezing is not None:
                judge.world.freezing.complete()

    @classmethod
    def restore(cls, data: bytes, book: RuleBook, devices: Iterable[Device] = (), zones: Iterable[Zone] = ()) -> Engine:
        """An engine from a snapshot. With another book, rules that changed start anew and alerts of rules that are
        gone clear at the next event. Raises ValueError where the bytes are no snapshot of this engine."""
        return cls(book, devices, zones).restored(data)

    def restored(self, data: bytes) -> Self:
        """This fresh engine with the state of a snapshot; raises as `restore` does."""
        try:
            self._thaw_lanes(self._thaw(self.judge, data))
        except (KeyError, TypeError, AttributeError, IndexError, msgspec.MsgspecError) as error:
            raise ValueError(f"the snapshot is damaged: {error!r}") from None
        return self

    def _thaw_lanes(self, frozen: Iterable[list[Any]]) -> None:
        """Fill the lanes from a snapshot. One whose rules are gone lives on until the next tick, to end its alerts."""
        wanted = lateness.split(self.book)[1]
        for wait_ns, data, held, overflowed in frozen:
            lane = self.lanes[wait_ns] = self._lane(wait_ns, wanted.get(wait_ns) or self._no_rules())
            self._thaw(lane.judge, data)
            lane.held = [(at, device, reading) for at, device, reading in held]
            heapify(lane.held)
            lane.overflowed = overflowed
        self.lanes = dict(sorted(self.lanes.items()))

    def stats(self) -> dict[str, int]:
        """How big the state is; lanes are counted in."""
        counts = _size(self._whole(self.judge))
        for lane in self.lanes.values():
            for name, count in _size(self._whole(lane.judge)).items():
                counts[name] += count if name in lateness.COUNTED else 0
        counts["rules"] = len(self.book.rules)
        counts["readings_waiting"] = sum(len(lane.held) for lane in self.lanes.values())
        counts["readings_waiting_overflowed"] = sum(lane.overflowed for lane in self.lanes.values())
        return counts


def _size(world: World) -> dict[str, int]:
    stores = [store for s in world.subjects.values() for store in s.samples.values()]
    places = sum(1 for s in world.subjects.values() if s.every)
    return {
        "rules": len(world.orders.book.rules),
        "rules_ill": sum(name != ENGINE_ITSELF for name in world.failures.ill),
        "events_skipped": world.failures.skipped,
        "subjects": len(world.subjects) - places,
        "places": places,
        "subjects_refused": world.refused,
        "standings": sum(len(s.standing) for s in world.subjects.values()),
        "open_alerts": len(world.alerts),
        "metrics_missing": sum(missing for s in world.subjects.values() for _, missing in s.gaps.values()),
        "forwarded_alerts": len(world.forwarding.open),
        "forwarded_repeated": world.forwarding.repeated,
        "windows": sum(len(store.windows) for store in stores),
        "samples": sum(len(store.times) for store in stores),
        "samples_overflowed": sum(store.overflow for store in stores),
        "timers": len(world.clock.timers),
        "maintenance_windows": len(world.maintenance),
        "plans": len(world.plans),
        "shapes": sum(len(p.shapes) for p in world.plans.values() if p),
    }
