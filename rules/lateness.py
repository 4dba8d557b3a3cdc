"""Rules that wait for late readings (`wait: 10 min`) and judge them in the order in which they were observed.

Such rules run under a judge of their own, a lane, one for each length of wait, whose clock is so far behind the hub's. Readings that
its rules may read are held until a tick comes more than the wait after they were observed; then they are fed in order of
observation, and the tick after them. So the order of arrival makes no difference as long as nothing comes later than the wait; and a
device that falls silent holds nobody up, since time itself moves the lane on. What comes later still is a late reading, as for any rule.

Silence is measured on arrival whatever a rule waits for: that part of a rule stays with the hub's own clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from heapq import heapify, heappop, heappush

import msgspec

from hub.model import Deaf, Event, Reading, Tick
from rules.book import RuleBook, nodes_of
from rules.judge import Judge
from rules.judging.setback import BACK_NS
from rules.language.ir import Series, Window
from rules.language.rule import Rule
from rules.plan import PAIR_MEMBERS, PAIR_TOLD, asked_windows, pairs_wanted
from rules.state.outcome import Outcome

COUNTED = frozenset(
    {"standings", "open_alerts", "windows", "samples", "samples_overflowed", "timers", "plans", "shapes"}
)
"""What a lane's state adds to the figures of the whole."""
MAX_HELD = 200_000
"""Readings that one lane holds; beyond, the oldest are judged before their time, and counted."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Reading | Deaf).decode


def split(book: RuleBook) -> tuple[RuleBook, Mapping[int, RuleBook]]:
    """What is judged at once, and by length of wait (ns) what is judged in order of observation."""
    if "split" not in book.worked_out:
        book.worked_out["split"] = _split(book)
    found: tuple[RuleBook, Mapping[int, RuleBook]] = book.worked_out["split"]
    return found


def _split(book: RuleBook) -> tuple[RuleBook, Mapping[int, RuleBook]]:
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
    return read.union(*(asked_windows(rule) for rule in book.rules))


def _kinds(rules: Iterable[Rule]) -> set[str]:
    """Kinds of device that these rules are about, or look for as sources; `*`: any."""
    found: set[str] = set()
    for rule in rules:
        found.update((rule.select.of if rule.select.every else rule.select.kinds) or ("*",))
        if rule.tracing is not None:
            found.update(rule.tracing.candidates.kinds or ("*",))
    return found


class Lane:
    """One judge that is behind by `wait_ns`, and the readings that it has yet to judge."""

    def __init__(self, judge: Judge, wait_ns: int) -> None:
        self.judge = judge
        self.wait_ns = wait_ns
        self.held: list[tuple[int, str, bytes]] = []
        """Heap of (observed, device, reading); what is equal in all three is the same reading."""
        self.overflowed = 0
        self.choose()

    def choose(self) -> None:
        """Which readings the lane's rules may read: fixed by the rules, not by what was heard before."""
        book = self.judge.world.orders.book
        self.series = _series(book)
        if pairs_wanted(book):
            self.series |= set(PAIR_TOLD)
        self.kinds = _kinds(book.rules) | ({PAIR_MEMBERS} if pairs_wanted(book) else set())
        self.kinds_whole = _kinds(rule for rule in book.rules if rule.on_any_reading())

    def take(self, reading: Reading, at: int, outcome: Outcome) -> None:
        """Hold a reading that counts as observed `at`: the hub's own judge says when, so that one dated in the future comes
        before what was on its way meanwhile, here as there."""
        if self.series.isdisjoint(reading.values) and not self._wanted(reading):
            return
        self._hold(at, reading.device, msgspec.structs.replace(reading, observed_at=at, received_at=at), outcome)

    def was_deaf(self, event: Deaf, outcome: Outcome) -> None:
        """Hold a time in which the hub was deaf."""
        self._hold(event.since, "", event, outcome)

    def _hold(self, at: int, device: str, event: Reading | Deaf, outcome: Outcome) -> None:
        heappush(self.held, (at, device, _encode(event)))
        if len(self.held) > MAX_HELD:
            self.overflowed += 1
            self._judge([_decode(heappop(self.held)[2])], outcome)

    def _wanted(self, reading: Reading) -> bool:
        """Whether it tells where a possible subject is, or a rule about it looks at every reading."""
        known = self.judge.world.registry.get(reading.device)
        own = {"*", (known.kind if known else "") or reading.kind}
        return not own.isdisjoint(self.kinds_whole) or (reading.position is not None and not own.isdisjoint(self.kinds))

    def advance(self, tick: int, outcome: Outcome) -> None:
        """The hub's time has come to `tick`: judge what was observed more than the wait before it."""
        now = tick - self.wait_ns
        if now < self.judge.world.clock.now - BACK_NS:
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
        if (due := self.judge.due()) is not None:
            dues.append(due)
        return min(dues) + self.wait_ns if dues else None

    def _judge(self, events: list[Event], outcome: Outcome) -> None:
        told = Outcome([], [])  # what it derives has gone out at once, from the hub's own rules
        for event in events:
            self.judge.feed(event, told)
        outcome.changes += told.changes
        outcome.failed += told.failed
