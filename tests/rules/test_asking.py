"""What a rule asks its windows and its neighbours: no more than decides, each window once, and never another answer than asking everything."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hub.model import Device, Event, Position, Reading
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.language import ir
from rules.language.codegen import CLEAR, FALSE, NOT_CLEAR, TRUE, Compiled
from rules.language.rule import Rule
from rules.language.writer import Writer, function, is_dear, question
from rules.state.neighbourhood import Neighbourhood
from rules.state.windows import Window

MINUTE = 60_000_000_000
START = 1_780_000_000_000_000_000
STATION = Device("a", kind="station", position=Position(116.0, 39.5))
NEIGHBOUR = Device("b", kind="station", position=Position(116.01, 39.5))


def book(rule: str) -> RuleBook:
    found = read_book([("city", "r.yaml", rule)])
    assert isinstance(found, RuleBook), found
    return found


def reading(minute: int, pm25: float, device: str = "a") -> Event:
    at = START + minute * MINUTE
    return Reading(device, at, {"pm25": pm25}, received_at=at)


class Counted:
    """How often a method of a class is called."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        self.calls = 0
        method = getattr(owner, name)

        def counted(*arguments: Any) -> Any:
            self.calls += 1
            return method(*arguments)

        patch.setattr(owner, name, counted)


def test_no_window_is_asked_for_a_level_that_the_newest_value_denies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blue is under way all the time, so the rule is judged at each reading; only what red may be of asks for the windows."""
    rule = """
- rule: r
  for_each: {kind: station}
  levels:
    blue: pm25 > 75 ug/m3
    red: pm25 > 250 ug/m3 and (max(pm25, 3 h) > 300 ug/m3 or min(pm25, 2 h) > 250 ug/m3)
  clear: {blue: pm25 < 60 ug/m3, red: pm25 < 200 ug/m3}
"""
    moved = Counted(monkeypatch, Window, "trim")
    engine = Engine(book(rule), [STATION])
    changes = engine.feed([reading(n, 100.0) for n in range(20)]).changes
    assert [change.level for change in changes] == ["blue"]
    assert moved.calls == 0
    assert [change.level for change in engine.feed([reading(30, 400.0)]).changes] == ["red"]
    assert moved.calls > 0


def test_a_window_is_moved_on_once_for_all_that_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = """
- rule: r
  for_each: {kind: station}
  levels:
    blue: largest_step(pm25, 3 h) < 90 % of rise(pm25, 3 h) and delta(pm25, 3 h) > 500 ug/m3 and fall(pm25, 3 h) > 900 ug/m3
"""
    compiled = Compiled(book(rule).rules[0])
    engine = Engine(book(rule), [STATION])
    engine.feed([reading(n, 40.0 + n) for n in range(5)])
    moved = Counted(monkeypatch, Window, "trim")
    assert compiled.judge(engine.subjects["a"], START + 5 * MINUTE, ()) == (1 << FALSE) | (1 << CLEAR)
    assert moved.calls == 1


def test_a_neighbour_is_asked_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its newest value first, which mostly denies, and one window after another."""
    rule = """
- rule: r
  for_each: {kind: station}
  levels:
    blue: agree(max(pm25, 3 h) > 300 ug/m3 and min(pm25, 2 h) > 250 ug/m3 and pm25 > 200 ug/m3, within 3 km) >= 1 and pm25 > 0 ug/m3
"""
    asked = next(node for node in book(rule).rules[0].nodes() if isinstance(node, ir.Agree))
    engine = Engine(book(rule), [STATION, NEIGHBOUR])
    neighbour, meets = engine.subjects["b"], question(asked).meets
    moved = Counted(monkeypatch, Window, "trim")
    engine.feed([reading(0, 100.0, "b")])
    assert not meets(neighbour, START)
    assert moved.calls == 0
    engine.feed([reading(5, 210.0, "b")])
    assert not meets(neighbour, START + 5 * MINUTE)
    assert moved.calls == 1, "the greatest of three hours denies it"


def test_what_only_ends_a_warning_asks_nobody_before_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = """
- rule: r
  for_each: {kind: station}
  let: {around: "max(pm25, 1 h, within 3 km)"}
  levels: {blue: "agree(pm25 > 75 ug/m3, within 3 km) >= 1 and pm25 > 0 ug/m3"}
  clear: around < 60 ug/m3
"""
    engine = Engine(book(rule), [STATION, NEIGHBOUR])
    pooled = Counted(monkeypatch, Neighbourhood, "figure")
    engine.feed([reading(n, 40.0, device) for n in range(10) for device in "ab"])
    assert pooled.calls == 0
    assert [change.change for change in engine.feed([reading(11, 90.0, "b")]).changes] == ["raised"]
    assert pooled.calls > 0


# ------------------------------------------------------------------------------------------ the same as asking everything

LEAVES = (
    "pm25 > 100 ug/m3",
    "no2 > 50 ug/m3",
    "max(pm25, 30 min) > 120 ug/m3",
    "min(pm25, 30 min, at least 2) > 90 ug/m3",
    "delta(no2, 20 min) > 10 ug/m3",
    "pm25 < 150 % of mean(pm25, 1 h)",
    "agree(pm25 > 100 ug/m3 and rise(pm25, 30 min) > 5 ug/m3, within 3 km) >= 1",
    "mean(no2, 30 min, within 3 km) > 40 ug/m3",
)
conditions = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({' and '.join(parts)})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({' or '.join(parts)})"),
        inner.map(lambda part: f"not ({part})"),
    ),
    max_leaves=6,
)


@st.composite
def told(draw: st.DrawFn) -> list[Event]:
    """Two stations that tell one metric or both, with gaps over which values grow too old."""
    at, made = START, []
    for _ in range(draw(st.integers(1, 15))):
        at += draw(st.sampled_from((1, 5, 15, 40))) * MINUTE
        values = draw(st.sampled_from(({"pm25": 80.0}, {"pm25": 130.0, "no2": 60.0}, {"pm25": 95.0}, {"no2": 30.0})))
        made.append(Reading(draw(st.sampled_from("ab")), at, dict(values), received_at=at))
    return made


def everything(rule: Rule, engine: Engine, at: int) -> int:
    """What `judge` is to say, every part of every condition asked."""
    bits = 0
    for level in rule.levels:
        n = level.level
        clear = level.clear or level.when
        for node, yes, no in (
            (level.when.node, TRUE + n, FALSE + n),
            (clear.node, CLEAR + n, NOT_CLEAR + n) if level.clear else (clear.node, NOT_CLEAR + n, CLEAR + n),
        ):
            constants: dict[str, Any] = {}
            writer = Writer(rule.hold_ns, constants)
            codes = f"return ({writer.true(node)}, {writer.false(node)})"
            true, false = function("both", "d, t, m", writer, [codes], constants)(engine.subjects["a"], at, ())
            bits |= bool(true) << yes | bool(false) << no
    return bits


@settings(deadline=None, max_examples=60)
@given(st.lists(conditions, min_size=2, max_size=3), st.booleans(), told(), st.sampled_from((0, 10, 50)))
def test_whatever_is_left_out_the_answer_is_that_of_asking_everything(
    levels: list[str], clears: bool, events: list[Event], later: int
) -> None:
    named = "\n".join(f"    {name}: {level}" for name, level in zip(("blue", "yellow", "red"), levels, strict=False))
    clear = "  clear: max(pm25, 20 min) < 90 ug/m3\n" if clears else ""
    found = read_book(
        [("city", "r.yaml", f"- rule: r\n  for_each: {{kind: station}}\n  hold: 30 min\n  levels:\n{named}\n{clear}")]
    )
    assume(isinstance(found, RuleBook))  # a rule that nothing of its own would have judged is refused
    assert isinstance(found, RuleBook)
    engine = Engine(found, [STATION, NEIGHBOUR])
    engine.feed(events)
    rule = found.rules[0]
    compiled, at = Compiled(rule), events[-1].observed_at + later * MINUTE  # type: ignore[union-attr]
    wanted = everything(rule, engine, at)
    assert compiled.judge(engine.subjects["a"], at, ()) == wanted
    if compiled.raises is not None:
        assert compiled.raises(engine.subjects["a"], at) == bool(wanted & 0b1111 << TRUE)
    if compiled.hopeful is not None:
        assert wanted & 0b1111 & ~compiled.hopeful(engine.subjects["a"], at, ()) == 0


def test_a_part_that_is_granted_leaves_nothing_to_ask() -> None:
    """What neighbours could still bring about is asked of the newest value alone, where they alone could."""
    rule = """
- rule: r
  for_each: {kind: station}
  levels:
    blue: pm25 > 75 ug/m3 and (max(pm25, 3 h) > 300 ug/m3 or agree(pm25 > 75 ug/m3, within 3 km) >= 1)
"""
    writer = Writer(0, {})
    writer.granted = is_dear
    code = writer.true(book(rule).rules[0].levels[0].when.node)
    assert (len(writer.windows), code.count("and")) == (0, 1), code
