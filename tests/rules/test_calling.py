"""Warnings that nobody answers go to the next contact, in listening time, the same after a restart."""

from __future__ import annotations

import msgspec
import pytest

from hub.alerts import Alerts
from hub.model import Deaf, Device, Edition, Event, OperatorAction, Reading, Tick
from hub.wire import change_to_json
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.explain import explain
from rules.partition import engine_of

START = 1_780_000_000_000_000_000
MINUTE = 60_000_000_000
RULES = """
- rule: deep
  for_each: {kind: underpass-gauge}
  levels: {yellow: water_depth > 10 cm, orange: water_depth > 25 cm, red: water_depth > 40 cm}
  silent: {after: 30 min, level: yellow}
  call: {yellow: 20 min, orange: [10 min, 15 min], red: 5 min}
- rule: level
  for_each: {kind: river-gauge}
  levels: {red: water_level > 5 m}
- call: {red: 1 h}
- call: 7 min
  rules: [t/lev*]
"""


def book(text: str = RULES) -> RuleBook:
    found = read_book([("t", "t.yaml", text)])
    assert isinstance(found, RuleBook), found
    return found


def engine(text: str = RULES) -> Engine:
    return Engine(book(text), [Device("u", "U", "underpass-gauge"), Device("r", "R", "river-gauge")])


def depth(minute: int, value: float) -> Reading:
    at = START + minute * MINUTE
    return Reading("u", at, {"water_depth": value}, received_at=at)


def ticks(first: int, last: int) -> list[Event]:
    return [Tick(START + minute * MINUTE) for minute in range(first, last)]


def act(minute: int, what: str, until: int | None = None) -> OperatorAction:
    return OperatorAction(START + minute * MINUTE, "li", what, ALERT, "", until and START + until * MINUTE)


ALERT = engine().feed([depth(0, 0.2)]).changes[0].alert


def told(events: list[Event], e: Engine | None = None) -> list[tuple[int, str, int]]:
    changes = (e or engine()).feed(events).changes
    return [((c.at - START) // MINUTE, c.change.value, c.contact) for c in changes if c.rule == "t/deep"]


def test_after_each_wait_the_next_contact_and_then_nobody() -> None:
    e = engine()
    changes = e.feed([depth(0, 0.3), *ticks(1, 29), depth(29, 0.0)]).changes
    assert [((c.at - START) // MINUTE, c.change.value, c.contact) for c in changes] == [
        (0, "raised", 1), (10, "called", 2), (25, "called", 3), (29, "cleared", 3),
    ]  # fmt: skip
    assert changes[1].reason == "nobody has answered for 10 min: contact 2 is called"
    assert changes[1].level == "orange"
    assert changes[1].title == changes[0].title
    assert changes[1].evidence, "whoever hears of it now sees what it is about"
    said = change_to_json(changes[1])
    assert (said["change"], said["contact"]) == ("called", 2)
    alerts = Alerts()
    alerts.feed(changes[:2])
    assert next(iter(alerts.open.values())).contact == 2


@pytest.mark.parametrize("partitions", [1, 3])
def test_when_the_next_is_called_is_known_before(partitions: int) -> None:
    devices = [Device("u", "U", "underpass-gauge"), Device("r", "R", "river-gauge")]
    e = engine_of(book(), devices, (), partitions)
    assert e.next_call(ALERT) is None
    seen = []
    deaf = Deaf(START + 4 * MINUTE, START + 12 * MINUTE)
    stream: list[Event] = [depth(0, 0.3), Tick(START + 2 * MINUTE), deaf, *ticks(13, 35), act(35, "acknowledge")]
    for event in stream:
        e.feed([event])
        due = e.next_call(ALERT)
        seen.append(due and (due - START) // MINUTE)
    changes = [minute for minute, change, _ in told(stream) if change == "called"]
    assert seen == [10, 10, *[18] * 6, *[33] * 15, None, None, None]
    assert changes == [18, 33]


def test_acknowledging_answers_for_its_level_and_below() -> None:
    stream: list[Event] = [depth(0, 0.2), act(5, "acknowledge"), *ticks(6, 25), depth(25, 0.5), *ticks(26, 40)]
    assert told(stream) == [(0, "raised", 1), (5, "acknowledged", 1), (25, "escalated", 1), (30, "called", 2)]
    stream = [depth(0, 0.5), act(1, "acknowledge"), depth(2, 0.3), *ticks(3, 28)]
    assert told(stream) == [(0, "raised", 1), (1, "acknowledged", 1), (2, "lowered", 1)]


def test_an_escalation_waits_anew_and_a_lower_level_by_its_own_wait() -> None:
    stream: list[Event] = [depth(0, 0.2), *ticks(1, 8), depth(8, 0.3), *ticks(9, 20)]
    assert told(stream) == [(0, "raised", 1), (8, "escalated", 1), (18, "called", 2)]
    stream = [depth(0, 0.3), *ticks(1, 8), depth(8, 0.2), *ticks(9, 28)]
    assert told(stream) == [(0, "raised", 1), (8, "lowered", 1), (20, "called", 2)]


def test_a_warning_that_rises_above_the_level_it_was_shelved_at_is_unshelved_and_calls() -> None:
    """Somebody shelved a yellow one for a day; it went red, and nobody else was called until the day was over."""
    stream: list[Event] = [depth(0, 0.2), act(1, "shelve", 1440), depth(3, 0.5), *ticks(4, 12)]
    assert told(stream) == [
        (0, "raised", 1), (1, "shelved", 1), (3, "escalated", 1), (3, "unshelved", 1), (8, "called", 2),
    ]  # fmt: skip
    (change,) = [c for c in engine().feed(stream).changes if c.change == "unshelved"]
    assert (change.level, change.reason) == ("red", "it has risen above the level at which it was shelved")
    stream = [depth(0, 0.5), act(1, "shelve", 60), depth(2, 0.2), depth(3, 0.5), *ticks(4, 12)]
    assert told(stream)[1:] == [(1, "shelved", 1), (2, "lowered", 1), (3, "escalated", 1)], "it was seen as red"
    for cut in range(len(stream)):
        first = engine()
        first.feed(stream[:cut])
        second = Engine.restore(first.snapshot(), book(), [Device("u", "U", "underpass-gauge"), Device("r", "R", "river-gauge")])  # fmt: skip
        assert second.feed(stream[cut:]).changes == engine().feed(stream).changes[len(told(stream[:cut])) :]


def test_shelving_stops_it_and_its_end_begins_to_wait_anew() -> None:
    stream: list[Event] = [depth(0, 0.3), act(5, "shelve", 15), *ticks(6, 28)]
    assert told(stream) == [(0, "raised", 1), (5, "shelved", 1), (15, "unshelved", 1), (25, "called", 2)]
    stream = [depth(0, 0.3), act(5, "shelve", 25), act(8, "unshelve"), *ticks(9, 20)]
    assert told(stream) == [(0, "raised", 1), (5, "shelved", 1), (8, "unshelved", 1), (18, "called", 2)]
    changes = engine().feed(stream).changes
    assert [c.until and (c.until - START) // MINUTE for c in changes][:3] == [None, 25, None]


def test_time_in_which_the_hub_was_deaf_does_not_count() -> None:
    stream: list[Event] = [depth(0, 0.3), Deaf(START + 4 * MINUTE, START + 12 * MINUTE), *ticks(13, 20)]
    assert told(stream) == [(0, "raised", 1), (18, "called", 2)]


def test_silence_calls_too() -> None:
    e = engine()
    changes = e.feed([depth(0, 0.0), *ticks(1, 60)]).changes
    assert [((c.at - START) // MINUTE, c.rule, c.change.value, c.contact) for c in changes if c.subject == "u"] == [
        (30, "t/deep:silent", "raised", 1), (50, "t/deep:silent", "called", 2),
    ]  # fmt: skip


def test_entries_speak_for_rules_that_say_nothing_and_the_last_that_fits_counts() -> None:
    b = book()
    assert [waits and waits[0] // MINUTE for waits in b.calls_of(b.rules[1])] == [7, 7, 7, 7]
    assert [waits and waits[0] // MINUTE for waits in b.calls_of(b.rules[0])] == [(), 20, 10, 5]
    off = book(RULES + "- call: off\n")
    assert not any(off.calls_of(off.rules[1]))
    assert "orange that nobody acknowledges or shelves goes to contact 2 after 10 min, then contact 3 after 15 min" in (
        explain(b, "t/deep") or ""
    )


@pytest.mark.parametrize(
    ("call", "mistake"),
    [
        ("10 m", "4:9: 'm' is a length; a duration such as 10 min was meant?"),
        ("{pink: 10 min}", "4:10: unknown level 'pink'; known are blue, yellow, orange, red"),
        ("[]", "4:9: call names one wait for each contact from 2 to 9"),
    ],
)
def test_mistakes(call: str, mistake: str) -> None:
    text = f"- rule: r\n  for_each: {{kind: x}}\n  levels: {{red: ph > 9}}\n  call: {call}\n"
    found = read_book([("t", "t.yaml", text)])
    assert isinstance(found, list)
    assert [str(m) for m in found] == [f"t.yaml:{mistake}"]
    entry = read_book([("t", "t.yaml", f"- call: {call}\n  rule: r\n")])
    assert isinstance(entry, list), "with a rule's name it is that rule's key"


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_the_same_after_a_restart_whatever_happened(cut: int) -> None:
    sooner = book(RULES.replace("orange: [10 min, 15 min]", "orange: [4 min, 2 min]"))
    stream: list[Event] = [
        depth(0, 0.2), *ticks(1, 8), depth(8, 0.3), act(9, "shelve", 11), Deaf(START + 10 * MINUTE, START + 14 * MINUTE),
        *ticks(15, 21), Edition(START + 21 * MINUTE, "rules", "3", sooner.text), *ticks(21, 30), act(30, "acknowledge"),
        depth(31, 0.5), *ticks(32, 50),
    ]  # fmt: skip
    whole = engine()
    expected = whole.feed(stream).changes
    assert [c.change.value for c in expected if c.rule == "t/deep"].count("called") == 2
    first = engine()
    got = first.feed(stream[:cut]).changes
    second = Engine.restore(first.snapshot(), first.book, first.registry.values())
    assert second.snapshot() == first.snapshot()
    got += second.feed(stream[cut:]).changes
    assert msgspec.json.encode(got) == msgspec.json.encode(expected)
    assert second.snapshot() == whole.snapshot()
