"""Silence by what a device is used to, and marks without values as its word."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from hub.model import AlertChange, Device, Event, Reading, Tick
from hub.options import IngestOptions
from hub.validation import Validator
from rules.book import RuleBook, load, read_book
from rules.engine import Engine

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
START = 1_780_000_000_000_000_000


@pytest.fixture(scope="module")
def health() -> RuleBook:
    found = load([], ["device-health"])
    assert isinstance(found, RuleBook)
    return found


def reading(at: int, level: float | None = 2.0, mark: str = "", device: str = "g") -> Reading:
    values = {} if level is None else {"water_level": level}
    return Reading(device, at, values, None, {"water_level": mark} if mark else None, at, "t", "river-gauge")


def run(rules: RuleBook, events: list[Event], devices: list[Device] | None = None) -> list[AlertChange]:
    engine = Engine(rules, devices or [])
    return engine.feed(sorted(events, key=lambda e: e.received_at if isinstance(e, Reading) else e.at)).changes  # type: ignore[union-attr]


def ticks(until: int) -> list[Event]:
    return [Tick(at) for at in range(START, until, 5 * MINUTE)]


def with_holes(days: int) -> tuple[list[Event], int]:
    """A healthy gauge that reports every quarter of an hour, with seven holes a day of one to three hours."""
    rnd, at, until = Random(5), START, START + days * 24 * HOUR
    events: list[Event] = []
    while at < until:
        events.append(reading(at))
        at += rnd.randint(60, 180) * MINUTE if rnd.random() < 0.1 else 15 * MINUTE
    return events, events[-1].received_at  # type: ignore[union-attr]


def test_a_healthy_gauge_with_holes_raises_no_storm_and_its_death_one_alert(health: RuleBook) -> None:
    """Two hundred silence warnings a month, before."""
    events, last = with_holes(30)
    changes = run(health, events + ticks(last + 12 * HOUR))
    raised = [c for c in changes if c.change == "raised"]
    assert len(raised) <= 8
    final = raised[-1]
    assert final.at > last
    assert final.at - last <= 5 * HOUR
    assert final.reason.endswith("longer than it is used to")
    assert [c for c in changes if c.at > last] == [final], "one dead device, one alert"


def test_a_regular_gauge_is_missed_after_what_the_rule_says(health: RuleBook) -> None:
    events: list[Event] = [reading(START + n * 15 * MINUTE) for n in range(100)]
    last = START + 99 * 15 * MINUTE
    [raised] = run(health, events + ticks(last + 5 * HOUR))
    assert HOUR <= raised.at - last <= HOUR + 5 * MINUTE
    assert raised.reason == "no data for 1 h"


def test_one_outage_is_not_remembered_for_good(health: RuleBook) -> None:
    events: list[Event] = [reading(START + n * 5 * MINUTE) for n in range(100)]
    again = START + 99 * 5 * MINUTE + 20 * HOUR
    events += [reading(again + n * 5 * MINUTE) for n in range(3000)]
    last = again + 2999 * 5 * MINUTE
    changes = [c for c in run(health, events + ticks(last + 3 * HOUR)) if c.change == "raised"]
    assert len(changes) == 2
    assert changes[1].at - last <= HOUR + 5 * MINUTE


def test_what_the_registry_says_of_a_device_counts(health: RuleBook) -> None:
    slow = Device("g", kind="river-gauge", attributes={"report_every_min": 360})
    events: list[Event] = [reading(START + n * 6 * HOUR) for n in range(20)]
    last = START + 19 * 6 * HOUR
    [raised] = run(health, events + ticks(last + 24 * HOUR), [slow])
    assert 18 * HOUR <= raised.at - last <= 18 * HOUR + 5 * MINUTE


@pytest.mark.parametrize("silent", ["{after: 10 min, level: orange}", "{after: 10 min, exactly: true}"])
def test_detectors_and_rules_that_say_so_have_no_patience(silent: str) -> None:
    rules = read_book([("t", "t.yaml", f"- rule: s\n  for_each: {{kind: river-gauge}}\n  silent: {silent}\n")])
    assert isinstance(rules, RuleBook), rules
    events: list[Event] = [reading(START + n * 30 * MINUTE) for n in range(10)]
    changes = run(rules, events + ticks(START + 9 * 30 * MINUTE))
    assert [c.change for c in changes].count("raised") == 9  # type: ignore[comparison-overlap]


def test_a_mark_without_a_value_is_the_device_s_word(health: RuleBook) -> None:
    """ "FALLO" as its last words: it is alive and says that it is ill, until it says nothing any more."""
    events: list[Event] = [reading(START + n * 15 * MINUTE) for n in range(8)]
    events += [reading(START + n * 15 * MINUTE, None, "fault") for n in range(8, 40)]
    last = START + 39 * 15 * MINUTE
    told = [(c.rule, c.change.value) for c in run(health, events + ticks(last))]
    assert told == [("device-health/fault-reported", "raised")]
    told = [(c.rule, c.change.value) for c in run(health, events + ticks(last + 3 * HOUR))]
    assert told[-1] == ("device-health/gauge-silent:silent", "raised")


def test_a_value_marked_faulty_is_its_word_too(health: RuleBook) -> None:
    events: list[Event] = [reading(START + n * 15 * MINUTE, 99.0, "fault") for n in range(30)]
    assert [c.rule for c in run(health, events + ticks(START + 29 * 15 * MINUTE))] == ["device-health/fault-reported"]


def test_a_mark_without_a_value_moves_the_clock(health: RuleBook) -> None:
    engine = Engine(health)
    engine.feed([reading(START), reading(START + HOUR, None, "fault")])
    assert (engine.world.clock.now, engine.subjects["g"].newest) == (START + HOUR, START + HOUR)


def test_the_front_door_lets_a_mark_without_a_value_in() -> None:
    said = reading(START, None, "fault")
    assert Validator(IngestOptions()).check(said, START) is None
    assert Validator(IngestOptions()).check(msgspec.structs.replace(said, marks=None), START) is not None
