"""Planned work on devices: their values reach no threshold, their silence is hidden, and it ends cleanly."""

from __future__ import annotations

import msgspec
import pytest

from hub.alerts import Alerts
from hub.model import Deaf, Device, Event, Maintenance, OperatorAction, Position, Reading, Tick, Zone
from hub.moment import to_text
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.state.maintenance import MAX_WINDOWS, Windows, apply

START = 1_780_272_000_000_000_000  # 2026-06-01T00:00:00Z
MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
RULES = """
- rule: high
  for_each: {kind: river-gauge}
  levels: {yellow: water_level > 3 m, red: water_level > 6 m}
  silent: 15 min
  call: 10 min
"""
DOCK = Zone("dock", "harbour", "Dock", (((120.99, 30.99), (121.01, 30.99), (121.01, 31.01), (120.99, 31.01)),))


def engine() -> Engine:
    book = read_book([("t", "t.yaml", RULES)])
    assert isinstance(book, RuleBook), book
    devices = [
        Device("a", "A", "river-gauge", Position(121.0, 31.0), area="north"),
        Device("b", "B", "river-gauge", Position(121.2, 31.0), area="north"),
        Device("c", "C", "river-gauge", Position(121.2, 31.2), area="south"),
    ]
    return Engine(book, devices, [DOCK])


def level(device: str, minute: float, value: float, received: float | None = None) -> Reading:
    at = START + round(minute * MINUTE)
    got = at if received is None else START + round(received * MINUTE)
    return Reading(device, at, {"water_level": value}, received_at=got)


def plan(minute: float, target: str, since: float | None, until: float | None, every: int = 0) -> OperatorAction:
    begin = None if since is None else START + round(since * MINUTE)
    end = None if until is None else START + round(until * MINUTE)
    return OperatorAction(START + round(minute * MINUTE), "li", "maintenance", target, "new probe", end, begin, every)


def cancel(minute: float, target: str, since: float) -> OperatorAction:
    return OperatorAction(
        START + round(minute * MINUTE), "li", "cancel-maintenance", f"{target}@{to_text(START + round(since * MINUTE))}"
    )


def ticks(first: int, last: int) -> list[Event]:
    return [Tick(START + minute * MINUTE) for minute in range(first, last)]


def told(events: list[Event]) -> list[tuple[int, str, str, str]]:
    changes = engine().feed(events).changes
    return [((c.at - START) // MINUTE, c.rule.partition("/")[2], c.subject, c.change.value) for c in changes]


@pytest.mark.parametrize(
    ("target", "quiet"),
    [("a", "a"), ("area:north", "ab"), ("area:south", "c"), ("zone:dock", "a"), ("zone:harbour", "a")],
)
def test_a_device_an_area_or_a_zone(target: str, quiet: str) -> None:
    stream: list[Event] = [plan(0, target, 5, 20), Tick(START + 5 * MINUTE)]
    stream += [level(device, 10, 4) for device in "abc"]
    assert {device for _, _, device, _ in told(stream)} == set("abc") - set(quiet)


def test_values_go_by_when_they_were_observed() -> None:
    stream: list[Event] = [plan(0, "a", 5, 20), level("a", 4, 4, received=6), level("a", 4.5, 1, received=6)]
    stream += [*ticks(6, 30), level("a", 19, 5, received=30), level("a", 20, 5, received=31)]
    assert [(at, what) for at, rule, _, what in told(stream) if rule == "high"] == [
        (4, "raised"), (4, "cleared"), (20, "raised"),
    ]  # fmt: skip


def test_what_was_observed_meanwhile_is_marked_for_the_store() -> None:
    e = engine()
    e.feed([plan(0, "a", None, 20)])
    outcome = e.feed([level("a", 1, 4)])
    assert outcome.changes == []
    assert [reading.marks for reading in outcome.derived] == [{"water_level": "maintenance"}]


def test_silence_is_hidden_and_counts_from_the_end() -> None:
    quiet = [row for row in told([level("a", 0, 1), plan(1, "a", 10, 60), *ticks(2, 80)]) if row[2] == "a"]
    assert quiet == [(75, "high:silent", "a", "raised")]
    hidden = [
        row for row in told([level("a", 0, 1), *ticks(1, 30), plan(30, "a", 40, 60), *ticks(31, 90)]) if row[2] == "a"
    ]
    assert hidden == [
        (15, "high:silent", "a", "raised"), (25, "high:silent", "a", "called"), (40, "high:silent", "a", "cleared"),
        (75, "high:silent", "a", "raised"), (85, "high:silent", "a", "called"),
    ]  # fmt: skip


def test_a_dead_gauge_is_open_again_when_the_work_on_it_is_over() -> None:
    """Its warning has the id it had, for the gauge was heard last at the same moment: lists said that nothing was open, and destinations heard "raised"."""
    stream = [level("a", 0, 1.0), *ticks(1, 20), plan(20, "a", 20, 60), *ticks(21, 80)]
    changes = engine().feed(stream).changes
    assert [(c.change.value, c.ordinal) for c in changes if c.subject == "a"][-2:] == [("cleared", 2), ("raised", 3)]
    assert len({c.alert for c in changes if c.subject == "a"}) == 1
    lists = Alerts()
    lists.feed([c for c in changes if c.at <= START + 30 * MINUTE])
    assert "a" not in {alert.subject for alert in lists.open.values()}
    lists.feed(changes)
    (stands,) = [alert for alert in lists.newest_first(with_closed=True) if alert.subject == "a"]
    assert (stands.open, stands.raised_at, len(stands.changes)) == (True, START + 75 * MINUTE, 3)
    assert stands.alert not in lists.closed


def test_nobody_is_called_about_what_stands_open_meanwhile() -> None:
    rows = told([level("a", 0, 4), plan(1, "a", 5, 40), *ticks(2, 56)])
    assert [(at, what) for at, rule, subject, what in rows if (rule, subject) == ("high", "a")] == [
        (0, "raised"), (50, "called"),
    ]  # fmt: skip


def test_again_every_day_until_it_is_cancelled() -> None:
    e = engine()
    e.feed([plan(0, "a", 60, 120, DAY)])
    window = next(iter(e.windows.values()))
    assert window == Maintenance("a@2026-06-01T01:00:00Z", "a", START + HOUR, START + 2 * HOUR, DAY, "li", "new probe")
    for days, minute, muted in ((0, 59, False), (0, 60, True), (0, 120, False), (5, 119, True), (5, 121, False)):
        assert window.covers(START + days * DAY + minute * MINUTE) is muted
    assert window.next_turn(START) == START + HOUR
    assert window.next_turn(START + HOUR) == START + 2 * HOUR
    assert window.next_turn(START + 2 * HOUR) == START + DAY + HOUR
    later = e.feed([level("a", 24 * 60 + 70, 4), cancel(24 * 60 + 75, "a", 60), level("a", 24 * 60 + 76, 4)]).changes
    assert [(c.at - START) // MINUTE for c in later if not c.rule.endswith(":silent")] == [24 * 60 + 76]
    assert not e.windows
    assert e.subjects["a"].maintenance is None


def test_an_action_without_an_end_ends_all_of_its_target() -> None:
    e = engine()
    e.feed([plan(0, "a", 0, 20), plan(0, "a", 30, 40), plan(0, "b", 0, 20), plan(1, "a", None, None)])
    assert [window.target for window in e.windows.values()] == ["b"]


def test_windows_are_bounded_and_senseless_ones_not_taken() -> None:
    windows: Windows = {}
    for n in range(MAX_WINDOWS + 5):
        apply(windows, plan(0, f"d{n}", 0, 20))
    assert len(windows) == MAX_WINDOWS
    apply(windows, plan(30, "new", 30, 40))
    assert "new" in {window.target for window in windows.values()}, "those that are over give way"
    apply(windows, plan(30, "odd", 50, 40))
    apply(windows, plan(30, "odd", 30, 40, 5 * MINUTE))
    assert "odd" not in {window.target for window in windows.values()}


@pytest.mark.parametrize("cut", range(0, 160, 9))
def test_the_same_after_a_restart(cut: int) -> None:
    stream: list[Event] = [
        level("a", 0, 4), level("b", 0, 1), plan(1, "area:north", 8, 30), plan(1, "zone:dock", 40, 50, HOUR), *ticks(2, 20),
        level("a", 21, 7), Deaf(START + 22 * MINUTE, START + 35 * MINUTE), *ticks(36, 70), level("b", 70, 4),
        cancel(71, "zone:dock", 40), *ticks(72, 130), level("a", 25, 7, received=130), level("a", 130, 1), *ticks(131, 150),
    ]  # fmt: skip
    whole = engine()
    expected = whole.feed(stream)
    assert len(expected.changes) > 5
    first = engine()
    got = first.feed(stream[:cut])
    second = Engine.restore(first.snapshot(), first.book, first.registry.values(), [DOCK])
    assert second.snapshot() == first.snapshot()
    more = second.feed(stream[cut:])
    assert msgspec.json.encode(got.changes + more.changes) == msgspec.json.encode(expected.changes)
    assert got.derived + more.derived == expected.derived
    assert second.snapshot() == whole.snapshot()
