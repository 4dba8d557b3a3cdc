"""Rules that wait for late readings (`wait: 10 min`) and judge them in the order in which they were observed.

Such rules run in an engine of their own, a lane, one for each length of wait, whose clock is so far behind the hub's. Readings that
its rules may read are held until a tick comes more than the wait after they were observed; then they are fed in order of
observation, and the tick after them. So the order of arrival makes no difference as long as nothing comes later than the wait; and a
device that falls silent holds nobody up, since time itself moves the lane on. What comes later still is a late reading, as for any rule.

Silence is measured on arrival whatever a rule waits for: that part of a rule stays with the hub's own clock.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

import msgspec

from hub.model import Deaf, Reading, Tick
from rules import maintenance, pairs, tracing
from rules.book import RuleBook, nodes_of
from rules.language.ir import Series, Window
from rules.language.rule import Rule
from rules.moments import moment
from rules.setback import BACK_NS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.model import Event
    from rules.engine import Engine, Outcome

COUNTED = frozenset(
    {"standings", "open_alerts", "windows", "samples", "samples_overflowed", "timers", "plans", "shapes"}
)
"""What a lane's state adds to the figures of the whole."""
MAX_HELD = 200_000
"""Readings that one lane holds; beyond, the oldest are judged before their time, and counted."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Reading | Deaf).decode


def split(book: RuleBook) -> tuple[RuleBook, dict[int, RuleBook]]:
    """What is judged at once, and by length of wait (ns) what is judged in order of observation."""
    waiting = [rule for rule in book.rules if rule.wait_ns]
    if not waiting:
        return book, {}
    at_once = [_only_silence(rule) if rule.wait_ns else rule for rule in book.rules]
    lanes = {
        wait_ns: _book(book, [replace(rule, wait_ns=0, silent_ns=None) for rule in waiting if rule.wait_ns == wait_ns])
        for wait_ns in sorted({rule.wait_ns for rule in waiting})
    }
    return replace(book, rules=tuple(rule for rule in at_once if rule is not None)), lanes


def _only_silence(rule: Rule) -> Rule | None:
    if rule.silent_ns is None:
        return None
    return replace(
        rule,
        levels=(),
        lets={},
        let_texts={},
        memories=(),
        wait_ns=0,
        tracing=None,
        _own=rule.own_series(),
        _inside=rule.series_inside(),
    )


def _book(whole: RuleBook, rules: list[Rule]) -> RuleBook:
    """A lane's rules, with the derivations whose metrics they come to read."""
    book = replace(whole, rules=tuple(rules), derivations=())
    while True:
        read = _series(book)
        chosen = tuple(spec for spec in whole.derivations if spec.metric in read)
        if chosen == book.derivations:
            return book
        book = replace(book, derivations=chosen)


def _series(book: RuleBook) -> set[str]:
    read = {node.series.rstrip("~") for node in nodes_of(book) if isinstance(node, Series | Window)}
    return read.union(*(tracing.asked_windows(rule) for rule in book.rules))


def _kinds(rules: Iterable[Rule]) -> set[str]:
    """Kinds of device that these rules are about, or look for as sources; `*`: any."""
    found: set[str] = set()
    for rule in rules:
        found.update((rule.select.of if rule.select.every else rule.select.kinds) or ("*",))
        if rule.tracing is not None:
            found.update(rule.tracing.candidates.kinds or ("*",))
    return found


class Lane:
    """One engine that is behind by `wait_ns`, and the readings that it has yet to judge."""

    def __init__(self, outer: Engine, engine: Engine, wait_ns: int) -> None:
        self.engine = engine
        engine.outer = outer
        outer.failures.ill = engine.failures.ill | outer.failures.ill
        engine.failures = outer.failures
        self.wait_ns = wait_ns
        self.held: list[tuple[int, str, bytes]] = []
        """Heap of (observed, device, reading); what is equal in all three is the same reading."""
        self.overflowed = 0
        self.choose()

    def choose(self) -> None:
        """Which readings the lane's rules may read: fixed by the rules, not by what was heard before."""
        book = self.engine.book
        self.series = _series(book)
        if pairs.wanted(book):
            self.series |= {pairs.SERIES, "cog"}
        self.kinds = _kinds(book.rules) | ({pairs.MEMBERS} if pairs.wanted(book) else set())
        self.kinds_whole = _kinds(rule for rule in book.rules if rule.on_any_reading())

    def take(self, event: Event, clock: int, outcome: Outcome) -> None:
        """Hold a reading, or a time in which the hub was deaf."""
        if isinstance(event, Reading):
            if self.series.isdisjoint(event.values) and not self._wanted(event):
                return
            at, _ = moment(event, clock)
            kept: Event = msgspec.structs.replace(event, observed_at=at, received_at=at)
            heappush(self.held, (at, event.device, _encode(kept)))
        elif isinstance(event, Deaf):
            heappush(self.held, (event.since, "", _encode(event)))
        if len(self.held) > MAX_HELD:
            self.overflowed += 1
            self._judge([_decode(heappop(self.held)[2])], outcome)

    def _wanted(self, reading: Reading) -> bool:
        """Whether it tells where a possible subject is, or a rule about it looks at every reading."""
        known = self.engine.registry.get(reading.device)
        own = {"*", (known.kind if known else "") or reading.kind}
        return not own.isdisjoint(self.kinds_whole) or (reading.position is not None and not own.isdisjoint(self.kinds))

    def advance(self, tick: int, outcome: Outcome) -> None:
        """The hub's time has come to `tick`: judge what was observed more than the wait before it."""
        now = tick - self.wait_ns
        if now < self.engine.clock - BACK_NS:
            self._set_back(tick)
        due: list[Event] = []
        while self.held and self.held[0][0] < now:
            due.append(_decode(heappop(self.held)[2]))
        self._judge([*due, Tick(now)], outcome)

    def _set_back(self, tick: int) -> None:
        """The hub's clock was set back: what is held from the future counts as observed now."""
        held: list[tuple[int, str, bytes]] = []
        for at, device, data in self.held:
            event = _decode(data)
            if at > tick and isinstance(event, Reading):
                at, data = tick, _encode(msgspec.structs.replace(event, observed_at=tick, received_at=tick))
            held.append((at, device, data))
        heapify(held)
        self.held = held

    def due(self) -> int | None:
        """The hub's time before which `advance` changes nothing."""
        dues = [self.held[0][0] + 1] if self.held else []
        if (due := self.engine.due()) is not None:
            dues.append(due)
        return min(dues) + self.wait_ns if dues else None

    def _judge(self, events: list[Event], outcome: Outcome) -> None:
        outcome.changes += self.engine.feed(events).changes

    # ------------------------------------------------------------------------------------------ snapshot

    def freeze(self) -> list[Any]:
        return [self.wait_ns, self.engine.snapshot(), sorted(self.held), self.overflowed]


def renew(engine: Engine, outcome: Outcome | None = None) -> None:
    """Make the lanes that the engine's book asks for; those it asks for no longer end, with their alerts."""
    from rules import edition

    books = split(engine.book)[1]
    for wait_ns in sorted(engine.lanes.keys() | books.keys()):
        lane, book = engine.lanes.get(wait_ns), books.get(wait_ns)
        if lane is None:
            engine.lanes[wait_ns] = _lane(engine, wait_ns, books[wait_ns])
        elif outcome is not None:
            edition.change_book(lane.engine, book or replace(engine.book, rules=(), derivations=()), outcome)
            lane.choose()
        if book is None:
            del engine.lanes[wait_ns]


def _lane(engine: Engine, wait_ns: int, book: RuleBook) -> Lane:
    made = type(engine)(book, engine.registry.values(), engine.zones, lag=wait_ns)
    made.windows = dict(engine.windows)
    maintenance.spread(made)
    return Lane(engine, made, wait_ns)


def thaw(engine: Engine, frozen: Iterable[list[Any]]) -> None:
    """Fill the lanes from a snapshot. One whose rules are gone lives on until the next tick, to end its alerts."""
    books = split(engine.book)[1]
    for wait_ns, data, held, overflowed in frozen:
        book = books.get(wait_ns) or replace(engine.book, rules=(), derivations=())
        made = type(engine).restore(data, book, engine.registry.values(), engine.zones, lag=wait_ns)
        lane = Lane(engine, made, wait_ns)
        lane.held = [(at, device, reading) for at, device, reading in held]
        heapify(lane.held)
        lane.overflowed = overflowed
        engine.lanes[wait_ns] = lane
    engine.lanes = dict(sorted(engine.lanes.items()))


def hold(engine: Engine, event: Event, outcome: Outcome) -> None:
    """Have every lane keep an event until its time."""
    for lane in engine.lanes.values():
        lane.take(event, engine.clock, outcome)


def advance(engine: Engine, tick: int, outcome: Outcome) -> None:
    """Move all lanes on."""
    for wait_ns, lane in list(engine.lanes.items()):
        lane.advance(tick, outcome)
        if not lane.engine.book.rules:
            del engine.lanes[wait_ns]
