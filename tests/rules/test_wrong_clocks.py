"""Clocks that are ahead, of devices or of the hub itself: nothing observed in the future keeps later readings from being judged."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.app.ticking import Ticking
from hub.model import Deaf, Event, Reading, Tick, Value
from rules.book import RuleBook, read_book
from rules.engine import Engine

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
NOW = 1_780_000_000_000_000_000

RULES = """
- rule: deep
  title: "{subject.name}: {water_depth:.0f cm}"
  for_each: {kind: gauge}
  levels: {yellow: water_depth >= 15 cm, red: water_depth >= 50 cm}
  silent: 30 min
- rule: twice
  for_each: {kind: gauge}
  levels: {orange: 2 of 2 (water_depth >= 40 cm)}
- rule: rain
  for_each: {kind: gauge}
  levels: {blue: "sum(rainfall, 1 h) >= 9 mm"}
- rule: waits
  for_each: {kind: gauge}
  wait: 2 min
  levels: {orange: "ewma(water_depth, 1 min) >= 30 cm"}
- rule: lasts
  for_each: {kind: gauge}
  levels: {blue: water_depth >= 15 cm for 5 min}
"""


def book(text: str = RULES) -> RuleBook:
    found = read_book([("t", "t.yaml", text)])
    assert isinstance(found, RuleBook), found
    return found


BOOK = book()


def reading(received: int, depth: float, observed: int | None = None, **more: Value) -> Reading:
    return Reading("g", observed, {"water_depth": depth, **more}, None, None, received, "t", "gauge")


def raised(engine: Engine, events: list[Event]) -> list[tuple[str, str, int]]:
    return [(c.rule.removeprefix("t/"), c.change.value, c.at - NOW) for c in engine.feed(events).changes]


@pytest.mark.parametrize("ahead", [SECOND, 9 * MINUTE, HOUR, DAY])
@pytest.mark.parametrize("apart", [0, SECOND, MINUTE])
def test_one_reading_from_the_future_holds_no_later_one_back(ahead: int, apart: int) -> None:
    """The case from the field: one report dated nine minutes ahead, then higher ones dated now."""
    engine = Engine(BOOK)
    engine.feed([reading(NOW - MINUTE, 0.05, NOW - MINUTE), reading(NOW, 0.06, NOW + ahead)])
    later = [reading(NOW + apart + n * MINUTE, 0.6, NOW + apart + n * MINUTE) for n in range(2)]
    assert raised(engine, [later[0]])[:1] == [("deep", "raised", apart)]
    assert ("twice", "raised", apart + MINUTE) in raised(engine, [later[1]])
    assert engine.subjects["g"].newest == NOW + apart + MINUTE


@pytest.mark.parametrize("early", [1, 5_000_000, SECOND, 2 * SECOND - 1_000_000])
@pytest.mark.parametrize("since", [2 * SECOND + 1, 3 * SECOND, MINUTE])
def test_what_was_on_its_way_meanwhile_is_newer(early: int, since: int) -> None:
    """Two reports sent together, or a time in whole seconds: the right one is dated before the wrong one was received."""
    engine = Engine(BOOK)
    engine.feed([reading(NOW - since, 0.05, NOW - since), reading(NOW, 0.06, NOW + 9 * MINUTE)])
    told = raised(engine, [reading(NOW + 1_000_000, 0.6, NOW - early)])
    assert [(rule, change) for rule, change, _ in told] == [("deep", "raised")]
    assert engine.subjects["g"].last["water_depth"] == 0.6


def test_rules_that_wait_take_what_was_on_its_way_meanwhile_for_newer_too() -> None:
    """The wrong one, taken for the last, would hold the warning down until the next report."""
    text = "- rule: waits\n  for_each: {kind: gauge}\n  wait: 2 min\n  levels: {red: water_depth >= 50 cm for 1 min}\n"
    engine = Engine(book(text))
    engine.feed([reading(NOW - MINUTE, 0.05, NOW - MINUTE), reading(NOW, 0.06, NOW + 9 * MINUTE)])
    engine.feed([reading(NOW + 1_000_000, 0.6, NOW - SECOND)])
    told = raised(engine, [Tick(NOW + n * MINUTE) for n in range(1, 6)])
    assert [(rule, change) for rule, change, _ in told] == [("waits", "raised")]


def test_a_reading_from_the_future_is_newer_than_what_came_before_it() -> None:
    engine = Engine(BOOK)
    told = raised(engine, [reading(NOW - 1_000, 0.05, NOW - 1_000), reading(NOW, 0.6, NOW + 9 * MINUTE)])
    assert [(rule, change) for rule, change, _ in told] == [("deep", "raised")]
    assert [rule for rule, _, _ in raised(engine, [reading(NOW + SECOND, 0.7, NOW - 500)])] == ["twice"]


def test_a_reading_from_the_future_warns_at_once_itself() -> None:
    [(rule, change, at), *_] = raised(Engine(BOOK), [reading(NOW, 0.6, NOW + 9 * MINUTE)])
    assert (rule, change) == ("deep", "raised")
    assert -3 * SECOND < at <= 0


def test_the_readings_of_one_message_keep_their_order_and_stay_apart() -> None:
    """A logger nine minutes ahead sends ten minutes of rain at once: ten times a millimetre, and the deepest is its last word."""
    for order in (1, -1):
        rows = [reading(NOW, 0.01 * n, NOW + n * MINUTE, rainfall=1.0) for n in range(1, 11)][::order]
        engine = Engine(BOOK)
        told = raised(engine, list(rows))
        assert [rule for rule, _, _ in told] == ["rain"]
        assert engine.subjects["g"].last["water_depth"] == 0.1
        assert len(engine.subjects["g"].samples["rainfall"].times) == 10


def test_what_is_said_of_it_goes_out_under_its_own_time() -> None:
    """The store has it under the time that the device told; a mark or a derived figure must find it there."""
    engine = Engine(book(RULES + "- quality: water_depth\n  for_each: {kind: gauge}\n  range: {fail: [0 m, 1 m]}\n"))
    [flagged] = engine.feed([reading(NOW, 5.0, NOW + 9 * MINUTE)]).derived
    assert flagged.observed_at == NOW + 9 * MINUTE


@pytest.mark.parametrize("step", [HOUR, DAY, 400 * DAY])
@pytest.mark.parametrize("dated", [False, True])
def test_the_hub_s_clock_steps_ahead_and_back_again(step: int, dated: bool) -> None:
    """Of a hub whose clock is wrong for three minutes: no silence is made up, and what comes afterwards is judged as ever."""
    engine = Engine(BOOK)
    ticking = Ticking()
    told = []
    for minute in range(40):
        true = NOW + minute * MINUTE
        wrong = step if 10 <= minute < 13 else 0
        depth = 0.6 if minute >= 20 else 0.05
        events: list[Event] = [reading(true + wrong, depth, true if dated else None)]
        for second in range(0, 60, 10):
            events += ticking.entries(true + wrong + second * SECOND)
        told += raised(engine, events)
    assert [(rule, change, at) for rule, change, at in told if rule == "deep"] == [("deep", "raised", 20 * MINUTE)]
    assert not [rule for rule, _, _ in told if "silent" in rule]
    assert {rule for rule, _, _ in told} == {"deep", "twice", "waits", "lasts"}
    assert engine.world.clock.now == NOW + 39 * MINUTE + 50 * SECOND


@pytest.mark.parametrize("step", [HOUR, DAY])
def test_the_hub_s_clock_goes_back_and_stays_there(step: int) -> None:
    """It was ahead all the time and is put right: devices that have no clock, or the right one, are judged at once."""
    engine = Engine(BOOK)
    ticking = Ticking()
    told = []
    for minute in range(30):
        clock = NOW + minute * MINUTE + (step if minute < 10 else 0)
        told += raised(engine, [reading(clock, 0.6 if minute >= 11 else 0.05), *ticking.entries(clock + SECOND)])
    assert ("deep", "raised", 11 * MINUTE) in told
    assert ("twice", "raised", 12 * MINUTE) in told
    assert not [rule for rule, _, _ in told if "silent" in rule]


def test_nobodys_silence_counts_while_no_machine_listens() -> None:
    """The machine that judges goes on and writes ticks, those that take in are all lost for an hour; then they are back."""
    told, ticking, engine = [], Ticking(), Engine(BOOK)
    for minute in range(100):
        lost = 10 <= minute < 70
        events: list[Event] = [reading(NOW + minute * MINUTE, 0.05)] if minute < 10 else []
        events += ticking.entries(NOW + minute * MINUTE + SECOND, deaf=lost)
        told += raised(engine, events)
    (silent,) = [at for rule, _, at in told if rule == "deep:silent"]
    assert silent > 60 * MINUTE + 20 * MINUTE


def test_silence_is_noticed_after_the_clock_was_set_back() -> None:
    engine = Engine(BOOK)
    ticking = Ticking()
    events: list[Event] = [reading(NOW + DAY, 0.05), *ticking.entries(NOW + DAY)]
    for minute in range(1, 35):
        events += ticking.entries(NOW + minute * MINUTE)
    assert [(rule, change) for rule, change, _ in raised(engine, events)] == [("deep:silent", "raised")]


@given(st.lists(st.sampled_from([0, HOUR, -HOUR, DAY, -DAY, MINUTE]), min_size=4, max_size=20), st.data())
@settings(max_examples=60, deadline=None)
def test_resumed_anywhere_while_clocks_step(steps: list[int], data: st.DataObject) -> None:
    stream: list[Event] = []
    offset = 0
    for minute, step in enumerate(steps):
        offset += step if step != MINUTE else 0
        clock = NOW + 10 * DAY + minute * MINUTE + offset
        ahead = step if step == MINUTE else 0
        stream += [reading(clock, 0.1 * (minute % 7), clock + ahead, rainfall=1.0), Tick(clock)]
    cut = data.draw(st.integers(0, len(stream)))
    whole = Engine(BOOK)
    expected = whole.feed(stream).changes
    first = Engine(BOOK)
    got = list(first.feed(stream[:cut]).changes)
    second = Engine.restore(first.snapshot(), BOOK)
    assert second.snapshot() == first.snapshot()
    got += second.feed(stream[cut:]).changes
    assert msgspec.json.encode(got) == msgspec.json.encode(expected)
    assert second.snapshot() == whole.snapshot()
    assert whole.health() == []


# ------------------------------------------------------------------------------------------------ the ticker


def test_ticks_never_go_back_but_to_tell_that_the_clock_did() -> None:
    ticking = Ticking(NOW)
    assert ticking.entries(NOW + SECOND) == [Tick(NOW + SECOND)]
    assert ticking.entries(NOW - SECOND) == [Tick(NOW + SECOND)], "a small step back is waited out"
    assert ticking.entries(NOW + 2 * SECOND) == [Tick(NOW + 2 * SECOND)]
    assert ticking.entries(NOW + DAY) == [Deaf(NOW + 2 * SECOND, NOW + DAY), Tick(NOW + DAY)]
    assert ticking.entries(NOW + 4 * SECOND) == [Tick(NOW + 4 * SECOND)]


def test_a_clock_that_hurries_is_no_jump() -> None:
    ticking = Ticking()
    for n in range(10):
        assert ticking.entries(NOW + n * 10 * MINUTE) == [Tick(NOW + n * 10 * MINUTE)]


def test_a_mean_after_the_clock_was_set_back_counts_what_came_since() -> None:
    """The reading after the step is newer than those of the future were: it goes to the samples that are kept now."""
    engine = Engine(
        book("- rule: mean\n  for_each: {kind: gauge}\n  levels: {red: 'mean(water_depth, 10 min) >= 40 cm'}\n")
    )
    engine.feed([reading(NOW + n * MINUTE, 0.1 + n % 2 / 100) for n in range(20)])
    engine.feed([reading(NOW + 19 * MINUTE + 40 * SECOND, 0.1), Tick(NOW + 19 * MINUTE + 10 * SECOND)])
    engine.feed([reading(NOW + 20 * MINUTE, 0.12)])
    samples = engine.subjects["g"].samples["water_depth"]
    assert samples.times[-1] == NOW + 20 * MINUTE
    again = Engine.restore(engine.snapshot(), engine.book)
    rising: list[Event] = [reading(NOW + (21 + n) * MINUTE, 0.5 + n % 2 / 100) for n in range(12)]
    assert engine.feed(rising).changes == again.feed(rising).changes != []
    assert engine.snapshot() == again.snapshot()
