"""Answers that devices have given hold until something could change them: nobody can tell that they were not asked again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model import Device, Event, Position, Reading, Tick, Zone
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.language.ir import Window
from rules.language.writer import Question
from rules.state import answers, pooling
from rules.state.answers import Answers
from rules.state.subject import Subject

MINUTE = 60_000_000_000
START = 1_780_000_000_000_000_000
RULES = """
- rule: wave
  for_each: {kind: gauge}
  let: {wave: "delta(water_level, 30 min, upstream within 2 h)"}
  levels:
    blue: agree(delta(water_level, 20 min) >= 20 cm and delta(water_level, 40 min) >= 30 cm, upstream) >= 1
    yellow: agree(rise(water_level, 30 min) >= 40 cm and min(water_level, 10 min) > 1 m, 15 min, upstream within 2 h) >= 2
  clear: wave < 5 cm for 10 min
- rule: lost
  for_each: {kind: gauge}
  let:
    high: agree(water_level - percentile(water_level, 50 %, 1 h, at least 3) >= 20 cm, 1 h, upstream)
    heard: agree(water_level - percentile(water_level, 50 %, 1 h, at least 3) >= 20 cm, 15 min, upstream)
  levels: {orange: high - heard >= 1 and water_level > 0 m}
- rule: together
  for_each: {kind: gauge}
  levels:
    yellow: water_level > 120 cm and share(max(water_level, 20 min) > 120 cm, 30 min, within 3 km, at least 2) >= 50 %
    orange: agree(mean(water_level, 20 min) > 130 cm, within 3 km) >= 1 and mean(water_level, 30 min) > 1 m
- rule: reach
  for_each: {kind: gauge}
  let: {around: "mean(water_level, 20 min, same zone)"}
  levels:
    blue: around > 105 cm
    yellow: max(water_level, 30 min, same zone "reach") > 1.4 m and delta(water_level, 15 min, same zone) > 20 cm
    orange: mean(water_level, 20 min, ahead "reach", at least 2) > 1.1 m and water_level > 1 m
- rule: own
  for_each: {kind: gauge}
  levels: {blue: "delta(water_level, 20 min) > 60 cm and percentile(water_level, 50 %, 1 h) > 1 m"}
"""


def gauge(n: int, travel_min: float) -> Device:
    """One of a river's, below the one before it."""
    attributes: dict[str, float | str] = {"travel_min": travel_min, **({"upstream": f"g{n - 1}"} if n else {})}
    return Device(f"g{n}", kind="gauge", position=Position(116.0 + n / 100, 39.5), attributes=attributes)


DEVICES = [gauge(n, 40.0) for n in range(5)]


def reach(name: str, west: float, ahead: str = "") -> Zone:
    ring = ((west, 39.0), (west + 0.025, 39.0), (west + 0.025, 40.0), (west, 40.0))
    return Zone(name, "reach", name, (ring,), {"ahead": ahead} if ahead else {})


ZONES = [reach("up", 115.995, "down"), reach("down", 116.015)]
"""The third gauge stands in both."""


def book() -> RuleBook:
    found = read_book([("city", "r.yaml", RULES)])
    assert isinstance(found, RuleBook), found
    return found


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    """Gauges of one river that tell at their own times, late, twice, with marks and gaps; and now and then time alone."""
    now, made = START, []
    for _ in range(draw(st.integers(5, 60))):
        now += draw(st.sampled_from((0, 1, 2, 5, 11, 20))) * MINUTE + draw(st.sampled_from((0, 1, 17_000_000_000)))
        if draw(st.integers(0, 9)) == 0:
            made.append(Tick(now))
            continue
        back = draw(st.sampled_from((0, 0, 0, 0, 3, 12, 45))) * MINUTE
        marks = {"water_level": "fault"} if draw(st.integers(0, 19)) == 0 else None
        level = draw(st.sampled_from((0.5, 0.8, 1.0, 1.1, 1.25, 1.5, 1.9)))
        device = DEVICES[draw(st.integers(0, 4))].device
        made.append(Reading(device, now - back, {"water_level": level}, marks=marks or {}, received_at=now))
    return made


def always_asked(self: Answers, device: Subject, now: int, question: Question) -> bool:
    return question.meets(device, now)


def never_answered(self: Answers, asked: object) -> None:
    return None


def told(engine: Engine, events: Sequence[Event]) -> list[object]:
    return list(engine.feed(events).changes)


@settings(deadline=None, max_examples=40)
@given(events(), st.data())
def test_an_answer_that_is_kept_changes_nothing(told_events: list[Event], data: st.DataObject) -> None:
    """Neither a warning nor a byte of the state; also where a resumed engine, which remembers no answers, goes on in the middle."""
    engine = Engine(book(), DEVICES, ZONES)
    changes = told(engine, told_events)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Answers, "of", always_asked)
        patched.setattr(Answers, "_figure", never_answered)
        asking = Engine(book(), DEVICES, ZONES)
        assert told(asking, told_events) == changes
        assert asking.snapshot() == engine.snapshot()
    at = data.draw(st.integers(0, len(told_events)))
    first = Engine(book(), DEVICES, ZONES)
    before = told(first, told_events[:at])
    second = Engine.restore(first.snapshot(), first.book, DEVICES, ZONES)
    assert before + told(second, told_events[at:]) == changes
    assert second.snapshot() == engine.snapshot()


def test_a_gauge_is_asked_once_for_all_that_lie_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gauge of a river of twelve tells its level: those below ask all above them, and most have answered already."""
    asked = 0
    meets = Question.__init__

    def counting(self: Question, *arguments: object) -> None:
        meets(self, *arguments)  # type: ignore[arg-type]
        inner = self.meets

        def counted(device: Subject, now: int) -> bool:
            nonlocal asked
            asked += 1
            return inner(device, now)

        self.meets = counted

    monkeypatch.setattr(Question, "__init__", counting)
    rule = RULES[RULES.index("- rule: lost") : RULES.index("- rule: together")].replace("20 cm", "21 cm")
    found = read_book([("city", "r.yaml", rule)])
    assert isinstance(found, RuleBook), found
    river = [gauge(n, 1.0) for n in range(12)]
    engine = Engine(found, river)
    for turn in range(6):
        at = START + turn * 15 * MINUTE
        engine.feed([Reading(d.device, at, {"water_level": 1.0}, received_at=at) for d in river])
    assert 0 < asked <= 6 * 12 * 2 * 2 * 2, (
        "a round of twelve readings: two questions to each, before its news and behind it"
    )


def test_when_an_answer_ends_is_worked_out_only_for_who_asks_at_another_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that lie below a gauge ask it at the moment of its news."""
    worked_out = 0
    until = answers._until

    def counting(*asked: object) -> int:
        nonlocal worked_out
        worked_out += 1
        return until(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(answers, "_until", counting)
    river = [gauge(n, 1.0) for n in range(6)]
    engine = Engine(book(), river)
    engine.feed([Reading(d.device, START, {"water_level": 1.0}, received_at=START) for d in river])
    assert worked_out == 0
    later = START + 5 * MINUTE
    engine.feed([Reading("g0", later, {"water_level": 1.0}, received_at=later)])
    assert worked_out > 0, "what the others said five minutes ago"


def test_how_far_a_window_was_moved_on_is_remembered_of_sums_alone() -> None:
    """Somebody asked it at another moment: what it will say is the same, but for the last bit of a sum."""
    engine = Engine(book(), DEVICES, ZONES)
    for at in range(START, START + 60 * MINUTE, 10 * MINUTE):
        engine.feed([Reading("g0", at, {"water_level": 1.0}, received_at=at)])
    before = engine.snapshot()
    moved = engine.subjects["g0"].windows
    key = next(key for key, window in moved.items() if not window.sums and 0 < window.trim(START + 55 * MINUTE) < 6)
    assert engine.snapshot() == before
    assert moved[key].total() > 0
    assert engine.snapshot() != before


def test_a_figure_is_forgotten_by_all_whom_it_is_made_of() -> None:
    """Also by a gauge that is silent for good, among others that come and go."""
    engine = Engine(book(), DEVICES, ZONES)
    engine.feed([Reading(d.device, START, {"water_level": 1.0}, received_at=START) for d in DEVICES])
    node = next(n for rule in engine.book.rules for n in rule.nodes() if isinstance(n, Window) and n.around.which)
    silent, *others = (engine.subjects[d.device] for d in DEVICES)
    asking = Answers()
    for other in others:
        assert asking.figure((silent, other), START, node) == asking.figure((silent, other), START, node)
        asking.forget(other.id)
    assert (asking._figures, asking._part_of) == ({}, {silent.id: set()})


def test_the_windows_of_a_zone_are_pooled_once_for_all_that_stand_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten vessels in a basin ask for what its two gauges tell: once for each news of these, and again when a sample leaves a window."""
    pooled = 0

    def counting(*asked: object) -> float | None:
        nonlocal pooled
        pooled += 1
        return pooling.pooled(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(answers, "pooled", counting)
    rule = '- {rule: low, for_each: {kind: vessel}, levels: {blue: "mean(water_level, 10 min, same zone) < 2 m and sog > 1 kn"}}'
    found = read_book([("city", "r.yaml", rule)])
    assert isinstance(found, RuleBook), found
    here = Position(116.0, 39.5)
    vessels = [Device(f"v{n}", kind="vessel", position=here) for n in range(10)]
    gauges = [Device(f"g{n}", kind="gauge", position=here) for n in range(2)]
    engine = Engine(found, [*vessels, *gauges], [ZONES[0]])

    def sail(minute: int) -> int:
        at = START + minute * MINUTE
        return len(engine.feed([Reading(v.device, at, {"sog": 5.0}, received_at=at) for v in vessels]).changes)

    engine.feed([Reading(g.device, START, {"water_level": 1.0}, received_at=START) for g in gauges])
    assert (sail(1), pooled) == (10, 1)
    engine.feed([Reading("g1", START + 2 * MINUTE, {"water_level": 3.4}, received_at=START + 2 * MINUTE)])
    assert (sail(3), sail(4), pooled) == (0, 0, 2)
    assert (sail(11), pooled) == (10, 3)
