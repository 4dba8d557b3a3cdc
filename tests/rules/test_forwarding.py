"""Warnings of other hubs in the engine: passed on once, in order, numbered anew; what people do here has numbers of its own."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hub.model import AlertChange, Change, Event, Forwarded, OperatorAction, Origin, Reading, Tick
from hub.moment import from_text
from rules.engine import Engine
from rules.state import forwarded as forwarding
from tests.rules.test_engine import DEVICE, at, rule

NAME = "a/flood@g@t"


def forwarded(
    ordinal: int, what: Change = Change.RAISED, minutes: float = 0, alert: str = NAME, path: tuple[str, ...] = ("a",)
) -> Forwarded:
    origin = Origin("a", ordinal, path)
    change = AlertChange(
        alert, ordinal, at(minutes), "flood", "a/g", what, "red", "high", area="a/north", origin=origin
    )
    return Forwarded(at(minutes), "below", change)


def act(action: str, minutes: float, until: float | None = None) -> OperatorAction:
    return OperatorAction(at(minutes), "li", action, NAME, "seen", at(until) if until is not None else None)


def run(*events: Event) -> tuple[Engine, list[AlertChange]]:
    engine = Engine(rule(""), [DEVICE])
    return engine, list(engine.feed(events).changes)


def said(changes: list[AlertChange]) -> list[tuple[int, str, int]]:
    return [(c.ordinal, c.change.value, c.origin.ordinal if c.origin else 0) for c in changes]


def test_each_change_passes_once_in_order_as_it_was() -> None:
    events = [forwarded(1), forwarded(2, Change.ESCALATED, 1), forwarded(1), forwarded(2, Change.ESCALATED, 1), forwarded(5, Change.CLEARED, 2)]  # fmt: skip
    engine, changes = run(*events, forwarded(5, Change.CLEARED, 2))
    assert said(changes) == [(1, "raised", 1), (2, "escalated", 2), (3, "cleared", 5)]
    assert [c.id for c in changes] == [f"{NAME}#{n}" for n in (1, 2, 3)]
    assert msgspec.structs.replace(changes[0], ordinal=1) == events[0].change
    assert engine.stats()["forwarded_repeated"] == 3
    assert engine.stats()["forwarded_alerts"] == 0


def test_it_is_not_judged_and_takes_its_place_among_the_hubs_own() -> None:
    _, changes = run(
        Reading("d", at(0), {"water_depth": 0.2}, received_at=at(0)),
        forwarded(1, minutes=1),
        Reading("d", at(2), {"water_depth": 0.0}, received_at=at(2)),
    )
    assert [(c.subject, c.change.value) for c in changes] == [("d", "raised"), ("a/g", "raised"), ("d", "cleared")]


def test_what_people_do_here_is_numbered_here() -> None:
    _, changes = run(
        forwarded(1),
        act("acknowledge", 1),
        forwarded(2, Change.ESCALATED, 2),
        act("shelve", 3, until=10),
        Tick(at(9)),
        Tick(at(10)),
        act("unshelve", 11),
        forwarded(3, Change.CLEARED, 12),
        act("acknowledge", 13),
    )
    assert said(changes) == [
        (1, "raised", 1), (2, "acknowledged", 2), (3, "escalated", 2), (4, "shelved", 4), (5, "unshelved", 5), (6, "cleared", 3),
    ]  # fmt: skip
    mine = [c for c in changes if c.origin and not c.origin.path]
    assert [(c.who, c.note, c.subject, c.area) for c in mine[:2]] == [("li", "seen", "a/g", "a/north")] * 2
    assert {c.level for c in mine} == {"red"}
    assert [c.until for c in mine] == [None, at(10), None]
    assert mine[2].at == at(10)


def test_one_that_rises_above_the_level_it_was_shelved_at_here_is_unshelved() -> None:
    yellow, red = forwarded(1), forwarded(2, Change.ESCALATED, 2)
    yellow = msgspec.structs.replace(yellow, change=msgspec.structs.replace(yellow.change, level="yellow"))
    engine, changes = run(yellow, act("shelve", 1, until=60), red, Tick(at(61)))
    assert said(changes) == [(1, "raised", 1), (2, "shelved", 2), (3, "escalated", 2), (4, "unshelved", 4)]
    assert (changes[-1].level, engine.world.forwarding.shelved) == ("red", set())


def test_numbers_of_two_makers_do_not_stand_in_each_others_way() -> None:
    """The city's acknowledgement and the district's next change may both be number 2."""
    _, changes = run(
        forwarded(1), forwarded(2, Change.ACKNOWLEDGED, 1, path=("city",)), forwarded(2, Change.CLEARED, 2)
    )
    assert said(changes) == [(1, "raised", 1), (2, "acknowledged", 2), (3, "cleared", 2)]


def test_by_two_ways_it_is_there_once() -> None:
    _, changes = run(forwarded(1, path=("a", "b")), forwarded(1), forwarded(2, Change.CLEARED), forwarded(2, Change.CLEARED, path=("a", "b")))  # fmt: skip
    assert said(changes) == [(1, "raised", 1), (2, "cleared", 2)]


def test_an_acknowledgement_behind_the_end_opens_nothing() -> None:
    engine, _ = run(forwarded(1), forwarded(2, Change.CLEARED), forwarded(3, Change.ACKNOWLEDGED))
    assert engine.stats()["forwarded_alerts"] == 0


def test_memory_has_a_limit_and_forgets_ended_ones_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "WARNINGS_MAX", 3)
    engine, _ = run(
        forwarded(1, alert="a/1"),
        forwarded(1, alert="a/2"),
        forwarded(2, Change.CLEARED, alert="a/2"),
        forwarded(1, alert="a/3"),
        forwarded(1, alert="a/4"),
    )
    assert (list(engine.world.forwarding.open), list(engine.world.forwarding.ended)) == (["a/1", "a/3", "a/4"], [])
    assert not engine.feed([forwarded(1, alert="a/1")]).changes


def test_resumed_at_any_point_it_goes_on_as_in_one_run() -> None:
    events: list[Event] = [
        forwarded(1), forwarded(1), act("shelve", 1, until=4), forwarded(2, Change.ESCALATED, 2), Tick(at(3)), Tick(at(5)),
        forwarded(1, alert="a/other"), forwarded(2, Change.ESCALATED, 2), forwarded(3, Change.CLEARED, 6), forwarded(3, Change.CLEARED, 6),
    ]  # fmt: skip
    whole, expected = run(*events)
    assert len(expected) == 6
    for cut in range(len(events) + 1):
        first, got = run(*events[:cut])
        second = Engine.restore(first.snapshot(), first.book, [DEVICE])
        got += second.feed(events[cut:]).changes
        assert msgspec.json.encode(got) == msgspec.json.encode(expected), cut
        assert second.snapshot() == whole.snapshot()


def test_a_snapshot_from_before_hubs_forwarded_is_read() -> None:
    engine, _ = run(Reading("d", at(0), {"water_depth": 0.2}, received_at=at(0)))
    old: dict[str, Any] = msgspec.msgpack.decode(engine.snapshot())
    del old["forwarded"]
    assert Engine.restore(msgspec.msgpack.encode(old), engine.book, [DEVICE]).stats()["forwarded_alerts"] == 0


def test_a_snapshot_from_before_their_times_were_remembered_is_read() -> None:
    name = "a/flood@g@2026-11-22T08:00:00Z"
    engine, _ = run(forwarded(1, alert=name), forwarded(2, Change.ACKNOWLEDGED, 1, alert=name))
    known = engine.forwarded_alerts()[name]
    assert (known.raised_at, known.changed_at) == (at(0), at(1))
    still_open, ended, repeated = engine.world.forwarding.freeze()
    older = [[[name, state[:12]] for name, state in still_open], ended, repeated]
    known = forwarding.Forwarding.thaw(older).open[name]
    assert (known.level, known.ordinal, known.acknowledged_by, known.place) == ("red", 2, None, None)
    assert known.raised_at == known.changed_at == from_text("2026-11-22T08:00:00Z"), "by its id"
    odd = forwarding.Forwarding.thaw([[["a/odd", still_open[0][1][:12]]], ended, repeated]).open["a/odd"]
    assert odd.raised_at == 0
