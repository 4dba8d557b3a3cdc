"""Zones and areas as subjects, the devices of one's own zone, and fences with a margin."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hub.model import AlertChange, Device, Edition, Event, OperatorAction, Position, Reading, Tick, Value, Zone
from rules.book import RuleBook, read_book
from rules.edition import registry_text
from rules.engine import Engine
from rules.explain import explain
from rules.state.geometry import edge_m, middle

MINUTE = 60_000_000_000
START = 1_780_000_000_000_000_000


def book(text: str) -> RuleBook:
    found = read_book([("city", "r.yaml", text)])
    assert isinstance(found, RuleBook), found
    return found


def rule(levels: str, for_each: str = "{every: zone, kind: flood-district}", more: str = "") -> RuleBook:
    return book(f"- rule: r\n  for_each: {for_each}\n  levels: {levels}\n{more}")


def box(name: str, kind: str, west: float, south: float, east: float, north: float, **limits: float) -> Zone:
    ring = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return Zone(name, kind, name.title(), (ring,), limits)


LOW = box("low", "flood-district", 120.0, 30.0, 120.1, 30.1, limit_m=0.3)
HIGH = box("high", "flood-district", 120.2, 30.0, 120.3, 30.1)
PARK = box("park", "park", 120.0, 30.0, 120.1, 30.1)
DEVICES = [
    Device(f"g{i}", kind="underpass-gauge", position=Position(120.02 + i / 100, 30.05), area="east") for i in range(4)
] + [Device("far", kind="underpass-gauge", position=Position(120.25, 30.05), area="west")]


def depth(device: str, minutes: float, value: Value, position: Position | None = None, kind: str = "") -> Reading:
    at = START + round(minutes * MINUTE)
    return Reading(device, at, {"water_depth": value}, position, received_at=at, kind=kind)


def run(
    rules: RuleBook, events: Sequence[Event], devices: Sequence[Device] = DEVICES, zones: Sequence[Zone] = (LOW, HIGH)
) -> list[AlertChange]:
    """The changes of one run, which are those of a run resumed after each event."""
    whole = Engine(rules, devices, zones).feed(events).changes
    resumed: list[AlertChange] = []
    engine = Engine(rules, devices, zones)
    for event in events:
        resumed += engine.feed([event]).changes
        engine = Engine.restore(engine.snapshot(), engine.book, engine.registry.values(), engine.zones)
    assert whole == resumed
    return whole


def told(found: Sequence[AlertChange]) -> list[tuple[float, str, str, str]]:
    return [((c.at - START) / MINUTE, c.subject, c.change.value, c.level) for c in found]


THREE = "{yellow: 'agree(water_depth > 15 cm, 10 min, inside) >= 3'}"


def test_three_gauges_of_one_district_are_one_warning_of_the_district() -> None:
    events = [depth("g0", 0, 0.2), depth("far", 0, 0.2), depth("g1", 1, 0.2), depth("g1", 2, 0.2), depth("g2", 3, 0.2)]
    found = run(rule(THREE), [*events, depth("g0", 4, 0.1)])
    assert told(found) == [(3, "zone:low", "raised", "yellow"), (4, "zone:low", "cleared", "yellow")]
    assert found[0].position == Position(120.05, 30.05)
    (evidence,) = found[0].evidence
    assert evidence["neighbours"][0]["met"] == 3
    assert [r["device"] for r in evidence["neighbours"][0]["readings"]] == ["g0", "g1", "g2"]


def test_a_gauge_that_is_not_heard_for_the_age_asked_for_does_not_count() -> None:
    assert not run(rule(THREE), [depth("g0", 0, 0.2), depth("g1", 1, 0.2), depth("g2", 11, 0.2)])


def test_an_area_takes_the_devices_that_the_registry_puts_in_it() -> None:
    rules = rule("{orange: 'share(water_depth > 15 cm, 1 h, inside, at least 3) >= 50 %'}", "{every: area}")
    events = [depth("g0", 0, 0.2), depth("g1", 1, 0.2), depth("far", 1, 9.0), depth("g2", 2, 0.0), depth("g1", 3, 0.0)]
    found = run(rules, events)
    assert told(found) == [(2, "area:east", "raised", "orange"), (3, "area:east", "cleared", "orange")]
    assert (found[0].position, found[0].area) == (Position(120.035, 30.05), "east")


def test_windows_are_pooled_over_a_place_and_compared_with_its_own_limits() -> None:
    rules = rule("{yellow: 'mean(water_depth, 1 h, inside) > limit_m'}")
    found = run(rules, [depth("g0", 0, 0.2), depth("far", 1, 9.0), depth("g1", 2, 0.5), depth("g2", 3, 0.0)])
    assert told(found) == [(2, "zone:low", "raised", "yellow"), (3, "zone:low", "cleared", "yellow")]


def test_devices_enter_and_leave() -> None:
    rules = rule("{yellow: 'agree(water_depth > 15 cm, 1 h, inside) >= 1'}")
    here, there = Position(120.05, 30.05), Position(120.25, 30.05)
    events: list[Event] = [depth("boat", 0, 0.2, Position(121.0, 30.0), "boat"), depth("boat", 1, 0.2, here)]
    events.append(Reading("boat", START + 2 * MINUTE, {}, there, received_at=START + 2 * MINUTE))
    assert told(run(rules, events)) == [
        (1, "zone:low", "raised", "yellow"),
        (2, "zone:high", "raised", "yellow"),
        (2, "zone:low", "cleared", "yellow"),
    ]


def test_only_the_kinds_asked_for_count() -> None:
    rules = rule("{yellow: 'max(water_depth, 1 h, inside) > 15 cm'}", "{every: zone, of: underpass-gauge}")
    here = Position(120.05, 30.05)
    assert not run(rules, [depth("boat", 0, 0.2, here, "boat")])
    assert told(run(rules, [depth("boat", 0, 0.2, here, "boat"), depth("g0", 1, 0.2)])) == [
        (1, "zone:low", "raised", "yellow")
    ]


def test_a_place_holds_for_its_time_by_ticks_too() -> None:
    rules = rule(THREE[:-2] + " for 5 min'}")
    events: list[Event] = [depth(f"g{i}", i, 0.2) for i in range(3)]
    assert told(run(rules, [*events, Tick(START + 7 * MINUTE)])) == [(7, "zone:low", "raised", "yellow")]


def test_a_place_is_silent_once_nobody_in_it_reports() -> None:
    rules = rule(THREE, more="  silent: 10 min\n")
    events: list[Event] = [depth("g0", 0, 0), depth("g1", 5, 0), Tick(START + 14 * MINUTE), Tick(START + 15 * MINUTE)]
    found = run(rules, [*events, depth("g2", 16, 0)])
    assert told(found) == [(15, "zone:low", "raised", "blue"), (16, "zone:low", "cleared", "blue")]
    assert found[0].reason == "no data from anybody inside for 10 min"


def test_maintenance_of_a_place() -> None:
    events: list[Event] = [OperatorAction(START, "op", "maintenance", "zone:low", until=START + 60 * MINUTE)]
    assert not run(rule(THREE), [*events, *(depth(f"g{i}", 1, 0.2) for i in range(3))])


def test_a_lone_jump_inside_raises_no_disaster() -> None:
    rules = rule("{yellow: 'max(pm25, 1 h, inside) > 100 ug/m3', orange: 'max(pm25, 1 h, inside) > 200 ug/m3'}")

    def air(device: str, minutes: int, value: float) -> Reading:
        at = START + minutes * MINUTE
        return Reading(device, at, {"pm25": value}, received_at=at)

    calm = [air(f"g{i}", 0, 40.0 + i) for i in range(4)]
    found = run(rules, [*calm, air("g0", 10, 400.0), air("g0", 20, 410.0)])
    assert [(c.change.value, c.level) for c in found] == [("raised", "yellow"), ("escalated", "orange")]
    assert "g0: pm25 jumped from 40 to 400" in found[0].reason


def test_a_device_cannot_speak_for_a_place() -> None:
    engine = Engine(rule(THREE, more="  silent: 10 min\n"), DEVICES, [LOW])
    engine.feed([depth("zone:low", 0, 0.5, Position(0.0, 0.0))])
    assert (engine.subjects["zone:low"].position, engine.world.refused) == (Position(120.05, 30.05), 1)


def test_a_registry_without_the_place_clears_its_warning() -> None:
    events: list[Event] = [depth(f"g{i}", 0, 0.2) for i in range(3)]
    events.append(Edition(START + MINUTE, "registry", "3", registry_text(DEVICES, [HIGH])))
    found = run(rule(THREE), [*events, depth("g0", 2, 0.2)])
    assert told(found) == [(0, "zone:low", "raised", "yellow"), (1, "zone:low", "cleared", "yellow")]


def test_a_device_moved_to_another_area_counts_there() -> None:
    rules = rule("{yellow: 'agree(water_depth > 15 cm, 1 h, inside) >= 2'}", "{every: area}")
    moved = [Device("far", kind="underpass-gauge", position=Position(120.25, 30.05), area="east"), *DEVICES[:4]]
    events: list[Event] = [depth("far", 0, 0.2), Edition(START + MINUTE, "registry", "3", registry_text(moved, []))]
    assert told(run(rules, [*events, depth("g0", 2, 0.2)])) == [(2, "area:east", "raised", "yellow")]


def test_the_devices_of_ones_own_zone() -> None:
    levels = "{yellow: 'water_depth > 10 cm and mean(water_depth, 1 h, same zone%s) > 10 cm'}"
    events = [depth("far", 0, 0.5), depth("g0", 1, 0.2), depth("g1", 2, 0.2)]
    zones = (LOW, HIGH, PARK)
    expected = [(2, "g0", "raised", "yellow"), (2, "g1", "raised", "yellow")]
    for words in ("", ' "flood-district"', ' "park"'):
        assert sorted(told(run(rule(levels % words, "{kind: underpass-gauge}"), events, zones=zones))) == expected
    assert not run(rule(levels % ' "school"', "{kind: underpass-gauge}"), events, zones=zones)


FENCED = rule("{orange: 'in_zone(\"park\", margin 50 m)'}", "{kind: vehicle}")
GRAD = 1 / 111_195.0
"""A metre of latitude, in degrees."""


def fixes(*metres_inside: float) -> list[Event]:
    """A vehicle at so many metres north of the park's southern fence, minute by minute."""
    return [
        Reading(
            "v",
            START + i * MINUTE,
            {},
            Position(120.05, 30.0 + metres * GRAD),
            received_at=START + i * MINUTE,
            kind="vehicle",
        )
        for i, metres in enumerate(metres_inside)
    ]


def test_a_fix_that_jitters_at_the_fence_neither_enters_again_nor_leaves() -> None:
    assert told(run(FENCED, fixes(-200, -30, 5, -20, 10, -45, 3, -60, -30), zones=[PARK])) == [
        (2, "v", "raised", "orange"),
        (7, "v", "cleared", "orange"),
    ]


def test_dwelling_in_a_zone_outlasts_jitter() -> None:
    rules = rule("{orange: 'in_zone(\"park\", margin 50 m) for 5 min'}", "{kind: vehicle}")
    assert told(run(rules, fixes(5, -20, 10, -45, 3, 20), zones=[PARK])) == [(5, "v", "raised", "orange")]
    assert not run(rules, fixes(5, -20, 10, -60, 3, 20), zones=[PARK])


def test_leaving_a_zone() -> None:
    left = 'in_zone("park") then not in_zone("park", margin 50 m) within 10 min'
    rules = rule(f"{{yellow: '{left}'}}", "{kind: vehicle}")
    found = told(run(rules, fixes(-500, -100, 5, -20, -60, -70), zones=[PARK]))
    assert found == [(4, "v", "raised", "yellow")]


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("water_depth > 15 cm", 13, "a zone has no water_depth of its own"),
        ("mean(water_depth, 1 h) > 15 cm", 18, "a zone has no water_depth of its own"),
        ("agree(water_depth > 15 cm, within 3 km) >= 3", 47, "asks the devices 'inside' it, not 'within'"),
        ('in_zone("x")', 13, "a zone does not move"),
        ("mean(water_depth, 1 h, inside, margin 5 m) > 1 cm", 51, "'margin' belongs to in_zone"),
        ("share(water_depth > 15 cm, 1 h, inside) >= 50 cm", 56, "cannot be compared"),
        ("2 cm > 1 cm", 5, "no level asks the devices inside anything"),
    ],
)
def test_mistakes_in_rules_about_places(text: str, column: int, words: str) -> None:
    found = read_book([("city", "r.yaml", f"- rule: r\n  for_each: {{every: zone}}\n  levels:\n    yellow: {text}\n")])
    assert isinstance(found, list)
    assert any(words in mistake.message for mistake in found), found
    if column > 5:
        assert found[0].column == column


@pytest.mark.parametrize(
    ("for_each", "words"),
    [
        ("{every: zoen}", "was zone meant?"),
        ("{every: area, kind: x}", "unknown key of for_each: {every: area} 'kind'"),
        ("{kind: k}", "'inside' belongs to rules with for_each"),
    ],
)
def test_mistakes_in_for_each(for_each: str, words: str) -> None:
    text = f"- rule: r\n  for_each: {for_each}\n  levels: {{yellow: 'max(pm25, 1 h, inside) > 9 ug/m3'}}\n"
    found = read_book([("city", "r.yaml", text)])
    assert isinstance(found, list)
    assert any(words in mistake.message for mistake in found), found


def test_a_margin_is_a_distance() -> None:
    text = "- rule: r\n  for_each: {kind: k}\n  levels: {yellow: 'in_zone(\"x\", margin 5 min)'}\n"
    found = read_book([("city", "r.yaml", text)])
    assert isinstance(found, list)
    assert "'margin' needs a distance" in found[0].message


def test_words() -> None:
    text = explain(rule(THREE, "{every: zone, kind: flood-district, of: underpass-gauge}"), "city/r")
    assert text is not None
    assert "every zone of kind flood-district" in text
    assert "judged over each underpass-gauge inside" in text
    assert "agreement in water_depth inside (underpass-gauge)" in text


def test_notes_on_places_that_are_not_there() -> None:
    assert not rule(THREE).notes(DEVICES, [LOW])
    assert "no zone of kind or name flood-district" in rule(THREE).notes(DEVICES, [PARK])[0]


def test_the_middle_of_a_polygon() -> None:
    square = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0), (0.0, 0.0)]
    hole = [(2.0, 0.0), (4.0, 0.0), (4.0, 4.0), (2.0, 4.0)]
    assert middle([square]) == Position(2.0, 2.0)
    assert middle([square, hole]) == Position(1.0, 2.0)
    assert middle([[(1.0, 1.0), (3.0, 1.0)]]) == Position(2.0, 1.0)
    assert middle([]) is None


def test_the_distance_to_an_edge() -> None:
    assert edge_m(PARK, Position(120.05, 30.0 - 100 * GRAD)) == pytest.approx(100, rel=1e-3)
    assert edge_m(PARK, Position(120.05, 30.0 + 100 * GRAD)) == pytest.approx(100, rel=1e-3)


def test_derived_metrics_count_in_places_too() -> None:
    text = "- derive: aqi\n  for_each: {kind: air-station}\n  value: aqi_cn_hourly(so2, no2, co, o3, pm10, pm25)\n"
    text += "- rule: r\n  for_each: {every: area}\n  levels: {yellow: 'agree(aqi > 100, 1 h, inside) >= 2'}\n"
    devices = [Device(name, kind="air-station", area="east") for name in ("a", "b")]
    events = [Reading(name, START, {"pm25": 90.0}, received_at=START) for name in ("a", "b")]
    assert told(run(book(text), events, devices, [])) == [(0, "area:east", "raised", "yellow")]


def test_a_place_that_waits_does_not_care_in_which_order_readings_arrive() -> None:
    rules = rule(THREE, more="  wait: 5 min\n  clear: agree(water_depth < 10 cm, 10 min, inside) >= 2\n")
    observed = [("g0", 0, 0.2), ("g1", 1, 0.2), ("g2", 2, 0.2), ("g0", 3, 0.0), ("g1", 4, 0.0)]
    found = []
    for order in (observed, observed[::-1], observed[2:] + observed[:2]):
        now = START + 5 * MINUTE
        events: list[Event] = [
            Reading(device, START + minutes * MINUTE, {"water_depth": value}, received_at=now)
            for device, minutes, value in order
        ]
        found.append(told(run(rules, [*events, Tick(START + 20 * MINUTE)])))
    assert found == [[(2, "zone:low", "raised", "yellow"), (4, "zone:low", "cleared", "yellow")]] * 3


def test_the_silence_of_a_place_that_waits() -> None:
    rules = rule(THREE, more="  silent: 10 min\n  wait: 5 min\n")
    found = run(rules, [depth("g0", 0, 0), Tick(START + 10 * MINUTE), Tick(START + 30 * MINUTE)])
    assert told(found) == [(10, "zone:low", "raised", "blue")]


def test_a_place_that_was_away_from_the_registry_counts_its_silence_anew() -> None:
    rules = rule(THREE, more="  silent: 10 min\n")
    away = Edition(START + MINUTE, "registry", "4", registry_text(DEVICES, [HIGH]))
    back = Edition(START + 2 * MINUTE, "registry", "4", registry_text(DEVICES, [LOW, HIGH]))
    ticks = [Tick(START + minutes * MINUTE) for minutes in (11, 30, 60)]
    assert not run(rules, [depth("g0", 0, 0), away, back, *ticks])
    found = told(run(rules, [depth("g0", 0, 0), away, back, depth("g0", 5, 0), *ticks]))
    assert found == [(30, "zone:low", "raised", "blue")]


def test_a_device_that_was_away_from_the_registry_counts_its_silence_anew() -> None:
    rules = rule("{yellow: water_depth > 1 m}", "{kind: underpass-gauge, device: g0}", "  silent: 10 min\n")
    away = Edition(START + MINUTE, "registry", "4", registry_text(DEVICES[1:], []))
    back = Edition(START + 2 * MINUTE, "registry", "4", registry_text(DEVICES, []))
    ticks = [Tick(START + minutes * MINUTE) for minutes in (11, 12)]
    assert told(run(rules, [depth("g0", 0, 0), away, back, *ticks])) == [(12, "g0", "raised", "blue")]
