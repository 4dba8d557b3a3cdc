"""Derived metrics: at the newest moment, and for the moment of a reading that came late."""

from __future__ import annotations

import msgspec
import pytest

from hub.model import Device, Event, Position, Reading, Value
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.state.outcome import Outcome
from rules.taking import RECENT_MAX, SPARE

START = 1_780_272_000_000_000_000
HOUR = 3_600_000_000_000
RULES = """
- derive: pm10
  for_each: {kind: air-station}
  value: greatest(pm25, o3 / 2)
  hold: 2 h
- derive: temperature
  for_each: {kind: weather-station}
  value: heat_index(air_temperature, relative_humidity)
- derive: water_level
  for_each: {kind: river-gauge}
  value: max(water_depth, 6 h)
- rule: bad
  for_each: {kind: air-station}
  levels: {orange: "mean(pm10, 6 h) > 100 ug/m3", red: pm10 > 300 ug/m3}
- rule: around
  for_each: {kind: air-station}
  levels: {blue: "pm25 > 20 ug/m3 and agree(pm10 > 150 ug/m3, 3 h, within 30 km) >= 1"}
"""


def engine() -> Engine:
    book = read_book([("t", "t.yaml", RULES)])
    assert isinstance(book, RuleBook), [str(m) for m in book]
    names = (("a", "air-station"), ("b", "air-station"), ("w", "weather-station"), ("g", "river-gauge"))
    return Engine(book, [Device(name, kind=kind, position=Position(116.4, 39.9)) for name, kind in names])


def reading(device: str, hour: float, received: float | None = None, **values: Value) -> Reading:
    at = START + round(hour * HOUR)
    return Reading(device, at, values, received_at=at if received is None else START + round(received * HOUR))


def derived(outcome: Outcome) -> list[tuple[str, float, dict[str, Value]]]:
    return [(r.device, ((r.observed_at or 0) - START) / HOUR, r.values) for r in outcome.derived]


def test_a_late_reading_yields_its_own_moments_figure_of_what_was_known_then() -> None:
    e = engine()
    stream = [reading("a", hour, pm25=10.0 + hour, o3=20.0) for hour in (0, 1, 3, 4)]
    assert [row[2] for row in derived(e.feed(stream))] == [
        {"pm10": 10.0},
        {"pm10": 11.0},
        {"pm10": 13.0},
        {"pm10": 14.0},
    ]
    late = e.feed([reading("a", 2, received=5, pm25=90.0)])
    assert derived(late) == [("a", 2, {"pm10": 90.0})]
    assert late.derived[0].received_at == START + 5 * HOUR
    assert derived(e.feed([reading("a", 2.5, received=5, o3=300.0)])) == [("a", 2.5, {"pm10": 150.0})], (
        "with pm25 of 2 h"
    )
    subject = e.subjects["a"]
    assert (subject.last["pm10"], subject.last_t["pm10"]) == (14.0, START + 4 * HOUR), "the newest does not move"
    assert derived(e.feed([reading("a", 2, received=6, pm25=90.0)])) == [], "a repetition"
    assert derived(e.feed([reading("a", 2, received=6, pm25=80.0)])) == [("a", 2, {"pm10": 80.0})], "a revision"


def test_what_was_not_known_then_stays_unknown() -> None:
    e = engine()
    e.feed([reading("w", 0, air_temperature=30.0), reading("w", 5, air_temperature=31.0, relative_humidity=70.0)])
    assert derived(e.feed([reading("w", 4, received=5, air_temperature=29.0)])) == [], "no humidity was known at 4 h"
    late = e.feed([reading("w", 3, received=5, relative_humidity=60.0)])
    assert derived(late) == [], "the temperature of 0 h is too old at 3 h"
    assert [row[:2] for row in derived(e.feed([reading("w", 1, received=5, relative_humidity=60.0)]))] == [("w", 1)]


def test_the_memory_is_bounded_and_half_an_input_makes_no_figure() -> None:
    e = engine()
    e.feed([reading("a", hour, pm25=10.0, o3=20.0) for hour in range(RECENT_MAX + 10)])
    kept = [len(e.subjects["a"].samples[name].times) for name in ("pm25", "o3")]
    assert all(RECENT_MAX <= count <= RECENT_MAX + SPARE for count in kept)
    assert derived(e.feed([reading("a", 2.5, received=40, pm25=90.0)])) == [], "o3 of then is forgotten"
    assert derived(e.feed([reading("a", 2.5, received=40, pm25=90.0, o3=20.0)])) == [("a", 2.5, {"pm10": 90.0})]


def test_windows_and_neighbours_of_the_past_are_not_made_up() -> None:
    e = engine()
    assert derived(e.feed([reading("g", 0, water_depth=1.0), reading("g", 4, water_depth=2.0)])) == [
        ("g", 0, {"water_level": 1.0}),
        ("g", 4, {"water_level": 2.0}),
    ]
    assert derived(e.feed([reading("g", 3, received=4, water_depth=1.5)])) == []


def test_windows_over_the_derived_metric_take_it_and_rules_are_judged_again() -> None:
    e = engine()
    e.feed([reading("a", hour, pm25=60.0, o3=20.0) for hour in (0, 1, 3)])
    changes = e.feed([reading("a", 2, received=3, pm25=290.0)]).changes
    assert [(c.rule, c.change.value, c.level, c.late) for c in changes if c.rule == "t/bad"] == [
        ("t/bad", "raised", "orange", True)
    ]


def test_inputs_of_one_moment_that_come_one_after_another() -> None:
    e = engine()
    outcome = e.feed([reading("a", 0, o3=20.0), reading("a", 0, pm25=310.0), reading("a", 0, pm25=310.0)])
    assert derived(outcome) == [("a", 0, {"pm10": 310.0})]
    assert [(c.rule, c.level) for c in outcome.changes] == [("t/bad", "red")]


def test_neighbours_are_asked_about_derived_metrics_too() -> None:
    e = engine()
    changes = e.feed([reading("b", 0, pm25=200.0, o3=20.0), reading("a", 0, pm25=30.0, o3=20.0)]).changes
    assert ("a", "t/around") in {(c.subject, c.rule) for c in changes}


@pytest.mark.parametrize("cut", range(9))
def test_the_same_after_a_restart(cut: int) -> None:
    stream: list[Event] = [reading("a", hour, pm25=60.0 + hour, o3=20.0) for hour in (0, 1, 3, 4)]
    stream += [
        reading("a", 2, received=5, pm25=290.0),
        reading("a", 2.5, received=5, o3=900.0),
        reading("a", 5, o3=20.0),
    ]
    stream += [reading("a", 5, pm25=400.0), reading("a", 4.5, received=6, pm25=9.0)]
    whole, first = engine(), engine()
    expected = whole.feed(stream)
    got = first.feed(stream[:cut])
    second = Engine.restore(first.snapshot(), first.book, first.registry.values())
    assert second.snapshot() == first.snapshot()
    more = second.feed(stream[cut:])
    assert msgspec.json.encode(got.changes + more.changes) == msgspec.json.encode(expected.changes)
    assert got.derived + more.derived == expected.derived
    assert second.snapshot() == whole.snapshot()
