"""The pack `traffic` over generated roads (`tests.bench.linear_road`), of which everything is known: figures of segments, accidents and who is told, against a plain recomputation;
and the same from a snapshot and from any number of partitions."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from statistics import fmean

import pytest

from hub.model import Event, Reading, Tick
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.partition import Partitions
from tests.bench.bench_linear_road import book
from tests.bench.linear_road import AHEAD, EVERY_S, SECOND, SEGMENTS, START, Traffic, segment, zones
from tests.laws.test_partitions import said

MINUTE = 60 * SECOND
Where = tuple[int, int, int]


def where(reading: Reading) -> Where:
    """Expressway, direction and segment, from the position alone."""
    assert reading.position is not None
    step = zones(1)[1].rings[0][0][0] - 116.0
    up = reading.position.lat - 31.0
    return int(up / 0.02), int(up % 0.02 > 0.005), int((reading.position.lon - 116) / step)


@cache
def traffic(cars: int, minutes: int) -> tuple[Traffic, tuple[Event, ...]]:
    """Traffic of one expressway, and its events: the reports of a second, then the tick."""
    road = Traffic(1, seed=7, cars=cars, accident_every_s=240)
    events: list[Event] = []
    for second in range(minutes * 60):
        events += road.next_second()
        events.append(Tick(START + (second + 1) * SECOND))
    return road, tuple(events)


def told_by(events: tuple[Event, ...]) -> list[Reading]:
    return [event for event in events if isinstance(event, Reading)]


def test_every_segment_has_the_figures_of_the_cars_that_passed() -> None:
    _, events = traffic(400, 5)
    outcome = Engine(book(), (), zones(1)).feed(events)
    got: dict[tuple[str, int], Reading] = {}
    for made in outcome.derived:
        if made.device.startswith("zone:"):
            got[made.device, made.observed_at or 0] = made
    speeds: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for reading in told_by(events):
        minute = ((reading.observed_at or 0) // MINUTE + 1) * MINUTE
        speeds[f"zone:{segment(*where(reading))}", minute][reading.device].append(float(reading.values["speed"]))  # type: ignore[arg-type]
    over = [key for key in speeds if key[1] <= START + 5 * MINUTE]
    assert len(over) > 300
    for key in over:
        assert got[key].values["segment_vehicles"] == len(speeds[key])
        assert got[key].values["segment_speed"] == pytest.approx(fmean(map(fmean, speeds[key].values())), abs=1e-8)


def test_every_accident_is_known_with_the_fourth_report_of_its_second_car_and_told_to_those_behind() -> None:
    road, events = traffic(400, 7)
    outcome = Engine(book(), (), zones(1)).feed(events)
    reports: dict[str, list[Reading]] = defaultdict(list)
    for reading in told_by(events):
        reports[reading.device].append(reading)
    known: dict[Where, int] = {}
    for accident in road.accidents:
        if len(accident.names) < 2:
            continue
        stops = [[r for r in reports[name] if r.values["speed"] == 0.0] for name in accident.names]
        if min(map(len, stops)) >= 4:
            known[where(stops[0][0])] = max(stop[3].observed_at or 0 for stop in stops)
    raised = {c.subject: c.at for c in outcome.changes if c.rule == "traffic/accident" and c.change == "raised"}
    assert raised == {f"zone:{segment(*place)}": at for place, at in known.items()}
    assert known
    answers = {(m.device, m.observed_at): m.values for m in outcome.derived if not m.device.startswith("zone:")}
    behind = 0
    for reading in told_by(events):
        xway, direction, number = where(reading)
        step = 1 - 2 * direction
        reach = {(xway, direction, n) for n in range(number, number + step * (AHEAD + 1), step) if 0 <= n < SEGMENTS}
        at = reading.observed_at or 0
        since = [-(-when // MINUTE) * MINUTE for place, when in known.items() if place in reach]
        ahead = answers.get((reading.device, reading.observed_at), {}).get("stopped_ahead", 0.0)
        if any(at > minute for minute in since):
            behind += 1
            assert ahead == 2.0
        elif not since:
            assert ahead in (0.0, 1.0)
    assert behind > 20


def test_partitions_measure_the_same_roads() -> None:
    """Places with figures of their own, which vehicles of other partitions ask for; cut in the middle."""
    _, events = traffic(100, 6)
    one = said(Engine(book(), (), zones(1)), events)
    many = Partitions(book(), (), zones(1), 3, 0.02)
    assert said(many, events, again=len(events) // 2) == one
    assert any(name.startswith("zone:") for name in one[0])


def test_a_snapshot_keeps_what_passed_and_how_long_somebody_has_stood() -> None:
    _, events = traffic(100, 6)
    whole = Engine(book(), (), zones(1)).feed(events)
    cut = len(events) * 2 // 3
    first = Engine(book(), (), zones(1))
    before = first.feed(events[:cut])
    rest = Engine.restore(first.snapshot(), book(), (), zones(1)).feed(events[cut:])
    assert [*before.changes, *rest.changes] == whole.changes
    assert [*before.derived, *rest.derived] == whole.derived


def test_a_tick_is_due_at_the_end_of_every_minute_where_places_are_measured() -> None:
    engine = Engine(book(), (), zones(1))
    engine.feed([Tick(START + EVERY_S * SECOND)])
    assert engine.due() == START + MINUTE
    engine.feed([Tick(START + MINUTE)])
    assert engine.due() == START + 2 * MINUTE


PLACE = "- derive: segment_speed\n  for_each: {every: zone, kind: road}\n  value: mean(speed, 1 min, passing)\n"


def mistakes(text: str) -> str:
    found = read_book([("city", "city.yaml", text)])
    return "" if isinstance(found, RuleBook) else "; ".join(mistake.message for mistake in found)


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("mean(speed, 1 min, passing) > 30 km/h", "'passing' belongs to a metric derived of places"),
        ("max(agree(speed < 3 km/h, passing), 1 min) > 1", "'passing' belongs"),
        ("agree(speed < 3 km/h, inside, together 3 kg) >= 2", "'together' needs a distance"),
        ("agree(speed < 3 km/h, inside, together 90 km) >= 2", "up to 5 km apart"),
        ("max(speed, 1 min, inside, together 3 m) > 1 km/h", "'together' belongs to agree"),
        ("agree(speed < 3 km/h and reports_here(20 kg) >= 4, inside) >= 2", "needs a distance"),
        ("reports_here(20 m) >= 4", "of a device"),
        ("segment_vehicles > 3", "a zone has no segment_vehicles of its own"),
    ],
)
def test_what_is_written_wrong_is_told(expression: str, sentence: str) -> None:
    rule = f"- rule: r\n  for_each: {{every: zone, kind: road}}\n  levels: {{blue: '{expression}'}}\n"
    assert sentence in mistakes(PLACE + rule)


def test_those_passing_have_few_figures() -> None:
    assert "are asked for mean, count, min, max" in mistakes(PLACE.replace("mean(", "std("))


def test_a_place_may_read_what_is_derived_of_places() -> None:
    rule = "- rule: r\n  for_each: {every: zone, kind: road}\n  levels: {blue: segment_speed < 20 km/h}\n"
    assert mistakes(PLACE + rule) == ""
