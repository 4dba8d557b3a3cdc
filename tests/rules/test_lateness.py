"""Rules that wait for late readings: the same bytes in whatever order these arrive within the wait."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model import Deaf, Device, Edition, Event, OperatorAction, Position, Reading, Tick, Zone
from rules import lateness
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.explain import explain
from rules.language import codegen

START = 1_780_272_000_000_000_000
MINUTE = 60_000_000_000
WAIT = 10
RULES = """
- rule: flooding
  title: "{subject.name} {depth:.0f cm} {rain:.1f mm/h}"
  for_each: {kind: gauge}
  wait: 10 min
  let:
    depth: water_depth
    rise: rate(water_depth, 10 min)
    rain: mean(rain_intensity, 30 min, within 3 km)
  levels:
    blue: depth >= 5 cm for 2 min
    yellow: depth >= 15 cm and rain > 1 mm/h
    orange: depth >= 25 cm or (depth >= 15 cm and rise > 1 cm/min)
    red: depth >= 10 cm and max(water_depth, 20 min) >= 40 cm and mean(water_depth, 15 min) > 20 cm
  clear: depth < 80 % of level for 10 min
  expire: 1 h
  call: 6 min
- rule: votes
  for_each: {kind: gauge}
  wait: 12 min
  levels:
    yellow: 2 of 3 (water_depth > 10 cm) and agree(water_depth > 10 cm, within 3 km) >= 1
    red: water_depth > 5 cm then water_depth > 30 cm within 8 min
- rule: drift
  for_each: {kind: gauge}
  wait: 10 min
  levels: {blue: "ewma(water_depth, 10 min) > 20 cm or time_since(water_depth > 30 cm) < 3 min"}
- rule: lower
  for_each: {kind: gauge}
  wait: 10 min
  levels: {orange: "rise(water_depth, 15 min, upstream) > 20 cm and not in_zone(\\"dry\\") for 3 min", red: water_level > 3 m}
- derive: water_level
  for_each: {kind: gauge}
  value: water_depth * 10
- quality: water_depth
  for_each: {kind: gauge}
  gap: 8 min
  spike: 30 cm
  neighbours: 5 km
"""
DEVICES = [
    Device("a", "A", "gauge", Position(120.0, 30.0), attributes={"upstream": "b"}),
    Device("b", "B", "gauge", Position(120.01, 30.0)),
    Device("rain", "R", "rain-gauge", Position(120.0, 30.01)),
]
ZONES = [Zone("z", "dry", "Z", (((120.015, 29.99), (120.03, 29.99), (120.03, 30.02), (120.015, 30.02)),))]


def book(text: str = RULES) -> RuleBook:
    found = read_book([("t", "t.yaml", text)])
    assert isinstance(found, RuleBook), found
    return found


BOOK = book()


def engine(text: str = "") -> Engine:
    return Engine(book(text) if text else BOOK, DEVICES, ZONES)


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """The same readings as they were observed, and as they came: any order, none later than the wait."""
    minutes = draw(st.integers(5, 40))
    prompt: list[tuple[int, int, Event]] = []
    late: list[tuple[int, int, Event]] = []
    order = draw(st.randoms(use_true_random=False))
    for minute in range(minutes):
        for device in draw(st.sets(st.sampled_from(["a", "b", "rain", "x"]), max_size=3)):
            at = START + minute * MINUTE + draw(st.integers(0, 59)) * MINUTE // 60
            value = draw(st.sampled_from([0.0, 0.04, 0.06, 0.12, 0.2, 0.3, 0.45]))
            values: dict[str, Any] = {"rain_intensity": value * 100} if device == "rain" else {"water_depth": value}
            position = Position(120.0 + draw(st.integers(0, 2)) * 0.01, 30.0) if device == "x" else None
            came = at + draw(st.integers(0, WAIT * 60)) * MINUTE // 60
            marks = draw(st.sampled_from([None, None, None, dict.fromkeys(values, "fault")]))
            for received, events in ((at, prompt), (came, late)):
                reading = Reading(
                    device, at, dict(values), position, marks, received, "t", "gauge" if device == "x" else ""
                )
                events.append((received, order.randrange(1000), reading))
    steady: list[tuple[int, int, Event]] = [
        (START + minute * MINUTE, 2000, Tick(START + minute * MINUTE)) for minute in range(minutes + 2 * WAIT)
    ]
    for _ in range(draw(st.integers(0, 2))):
        at = START + draw(st.integers(0, minutes)) * MINUTE
        until = at + draw(st.integers(5, 20)) * MINUTE
        steady.append((at, 1500, OperatorAction(at, "op", "maintenance", draw(st.sampled_from("ab")), "", until)))
    return [[event for _, _, event in sorted(events + steady, key=lambda e: e[:2])] for events in (prompt, late)]  # type: ignore[return-value]


@given(arrivals())
@settings(max_examples=100, deadline=None)
def test_arrival_shuffled_within_the_wait_gives_the_same_bytes(streams: tuple[list[Event], list[Event]]) -> None:
    prompt, late = streams
    expected, got = engine().feed(prompt).changes, engine().feed(late).changes
    assert msgspec.json.encode(got) == msgspec.json.encode(expected)


@given(arrivals(), st.data())
@settings(max_examples=40, deadline=None)
def test_resumed_anywhere_gives_the_same_bytes(streams: tuple[list[Event], list[Event]], data: st.DataObject) -> None:
    stream = streams[1]
    sooner = Edition(START, "rules", "3", book(RULES.replace("wait: 12 min", "wait: 10 min")).text)
    if data.draw(st.booleans()):
        stream.insert(data.draw(st.integers(0, len(stream))), sooner)
    whole = engine()
    expected = whole.feed(stream).changes
    cut = data.draw(st.integers(0, len(stream)))
    first = engine()
    got = first.feed(stream[:cut]).changes
    second = Engine.restore(first.snapshot(), first.book, DEVICES, ZONES)
    assert second.snapshot() == first.snapshot()
    got += second.feed(stream[cut:]).changes
    assert msgspec.json.encode(got) == msgspec.json.encode(expected)
    assert second.snapshot() == whole.snapshot()


def depth(device: str, minute: float, value: float, came: float | None = None) -> Reading:
    at = START + round(minute * MINUTE)
    return Reading(
        device, at, {"water_depth": value}, received_at=START + round((minute if came is None else came) * MINUTE)
    )


def ticks(first: int, last: int) -> list[Event]:
    return [Tick(START + minute * MINUTE) for minute in range(first, last)]


PLAIN = """
- rule: deep
  for_each: {kind: gauge}
  wait: 10 min
  levels: {yellow: water_depth > 10 cm for 2 min, red: 2 of 3 (water_depth > 40 cm)}
  silent: 15 min
  call: 5 min
"""


def told(e: Engine, events: list[Event]) -> list[tuple[int, float, str, str]]:
    """(minute in which it was said, `at`, rule, change) of what concerns device a."""
    said = []
    for event in events:
        now = getattr(event, "at", 0) or getattr(event, "received_at", 0)
        said += [
            ((now - START) // MINUTE, (c.at - START) / MINUTE, c.rule.partition("/")[2], c.change.value)
            for c in e.feed([event]).changes
            if c.subject == "a"
        ]
    return said


def test_it_is_judged_once_time_has_come_more_than_the_wait_after_the_observation() -> None:
    stream: list[Event] = [*ticks(0, 3), depth("a", 3, 0.5), *ticks(4, 5), depth("a", 2, 0.5, came=5), *ticks(6, 40)]
    assert told(engine(PLAIN), stream) == [
        (14, 3, "deep", "raised"), (18, 18, "deep", "called"), (20, 20, "deep:silent", "raised"),
        (25, 25, "deep:silent", "called"),
    ]  # fmt: skip


def test_a_device_that_falls_silent_holds_nobody_up_and_its_silence_does_not_wait() -> None:
    e = engine(PLAIN)
    said = told(e, [depth("a", 0, 0.2), depth("b", 0, 0.0), *ticks(1, 40)])
    assert said == [
        (12, 2, "deep", "raised"),
        (15, 15, "deep:silent", "raised"),
        (17, 17, "deep", "called"),
        (20, 20, "deep:silent", "called"),
    ]
    assert e.stats()["readings_waiting"] == 0


def test_what_comes_later_than_the_wait_is_late_as_for_any_rule() -> None:
    e = engine(PLAIN)
    stream: list[Event] = [
        depth("a", 0, 0.0),
        depth("a", 5, 0.5),
        *ticks(6, 20),
        depth("a", 1, 0.5, came=20),
        *ticks(21, 30),
    ]
    assert [row for row in told(e, stream) if row[2] == "deep" and row[3] != "called"] == [(17, 7, "deep", "raised")]


def test_people_act_at_once_and_a_shelf_ends_by_the_hubs_clock() -> None:
    e = engine(PLAIN.replace("  call: 5 min\n", "").replace("  silent: 15 min\n", ""))
    told(e, [depth("a", 0, 0.2), *ticks(1, 13)])
    alert = e.open_alerts()[0].alert
    at = START + 13 * MINUTE
    stream: list[Event] = [
        OperatorAction(at, "li", "acknowledge", alert), OperatorAction(at, "li", "shelve", alert, "", at + 5 * MINUTE),
        Deaf(at + MINUTE, at + 3 * MINUTE), *ticks(17, 30),
    ]  # fmt: skip
    assert told(e, stream) == [
        (13, 13, "deep", "acknowledged"), (13, 13, "deep", "shelved"), (18, 18, "deep", "unshelved"),
    ]  # fmt: skip


def test_what_waits_is_bounded_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lateness, "MAX_HELD", 5)
    e = engine(PLAIN)
    e.feed(
        [Reading("other", START, {"pm25": 1.0}, received_at=START), *(depth("a", minute, 0.2) for minute in range(8))]
    )
    stats = e.stats()
    assert (stats["readings_waiting"], stats["readings_waiting_overflowed"]) == (5, 3)
    assert stats["open_alerts"] == 1, "the oldest are judged before their time"


def test_edited_away_its_alerts_end_in_one_run_and_resumed_with_other_rules() -> None:
    gone = book("- rule: other\n  for_each: {kind: gauge}\n  levels: {red: water_depth > 9 m}\n")
    stream = [depth("a", 0, 0.2), *ticks(1, 13)]
    e, first = engine(PLAIN), engine(PLAIN)
    assert [c.change.value for c in e.feed(stream).changes] == ["raised"]
    first.feed(stream)
    edition = Edition(START + 13 * MINUTE, "rules", "3", gone.text)
    assert [(c.change.value, c.reason) for c in e.feed([edition]).changes] == [("cleared", "the rule is gone")]
    assert not e.lanes
    second = Engine.restore(first.snapshot(), gone, DEVICES, ZONES)
    assert [c.change.value for c in second.feed(ticks(13, 14)).changes] == ["cleared"]
    assert not second.lanes


def test_an_edited_wait_gives_no_change_the_id_of_another() -> None:
    """Found by the property of test_resume: the new lane knew nothing of the alert that the old one had ended."""
    e, other = engine(PLAIN), book(PLAIN.replace("wait: 10 min", "wait: 2 min"))
    stream: list[Event] = [depth("a", 0, 0.2), depth("a", 1, 0.2), *ticks(1, 14)]
    stream += [Edition(START + 14 * MINUTE, "rules", "3", other.text), depth("a", 0, 0.2), depth("a", 1, 0.2, came=14)]
    changes = e.feed([*stream, *ticks(15, 20)]).changes
    ids = [c.id for c in changes]
    assert len(set(ids)) == len(ids)
    assert [c.change.value for c in changes if c.rule == "t/deep"][:3] == ["raised", "cleared", "raised"]


def test_mistakes_and_explain() -> None:
    text = "- rule: r\n  for_each: {kind: x}\n  wait: 2 d\n  silent: 5 min\n"
    found = read_book([("t", "t.yaml", text)])
    assert isinstance(found, list)
    assert [str(m) for m in found] == [
        "t.yaml:3:3: only levels wait; silence is measured on arrival",
        "t.yaml:3:9: a rule may wait for 24 h at most",
    ]
    assert "waits 10 min for late readings" in (explain(book(PLAIN), "t/deep") or "")


def test_engines_of_one_book_write_its_functions_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partitions, a restored engine and a back-test's second run judge by what the first one has written, lanes too."""
    written: list[Any] = []
    write = codegen.attention

    def counted(*given: Any) -> list[str]:
        written.append(given)
        return write(*given)

    monkeypatch.setattr(codegen, "attention", counted)
    one = read_book([("t", "t.yaml", RULES.replace("15 cm and rain", "16 cm and rain"))])
    assert isinstance(one, RuleBook), one
    stream: list[Event] = [depth("a", 0, 0.2), depth("a", 1, 0.3), depth("b", 2, 0.1), *ticks(3, 40)]
    said = [Engine(one, DEVICES).feed(stream).changes]
    first = len(written)
    said += [Engine(one, DEVICES).feed(stream).changes for _ in range(2)]
    assert first
    assert len(written) == first
    assert said[0]
    assert said[0] == said[1] == said[2]
