"""Attribution inside alerts: who is named when one is raised, by which wind, and when nobody is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from hub.model import AlertChange, Device, Event, Position, Reading, Tick, Zone
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.explain import explain

MINUTE = 60_000_000_000
START = 1_780_000_000_000_000_000
RULE = """
- rule: so2
  for_each: {kind: air-station}
  levels: {blue: so2 > 200 ug/m3, yellow: so2 > 500 ug/m3}
  clear: so2 < 100 ug/m3
  attribute:
    of: so2
    candidates: {kind: [plant, works, vessel, hazmat-truck]}
    within: 5 km
    wind: {within: 20 km, over: 30 min}
"""


def book(text: str = RULE) -> RuleBook:
    found = read_book([("city", "r.yaml", text)])
    assert isinstance(found, RuleBook), found
    return found


def east(metres: float, north: float = 0.0) -> Position:
    return Position(120.0 + metres / 96_297.0, 30.0 + north / 111_195.0)


STATION = Device("air", "Harbour air", "air-station", east(0))
SECOND = Device("air2", "School air", "air-station", east(200, 600))
MAST = Device("mast", kind="weather-station", position=east(0, 3000))
PLANT = Device("plant", "Smelter", "plant", east(2000))
LEE = Device("lee", "Lee plant", "plant", east(-2000))
FAR = Device("far", "Far plant", "plant", east(6000))
BESIDE = Device("beside", "Plant beside", "plant", east(2000, 700))
DEVICES = [STATION, MAST, PLANT, LEE, FAR]


def at(minutes: float) -> int:
    return START + round(minutes * MINUTE)


def tell(device: str, minutes: float, position: Position | None = None, kind: str = "", **values: float) -> Reading:
    return Reading(device, at(minutes), dict(values), position, received_at=at(minutes), kind=kind)


def wind(*from_deg: float, speed: float = 4.0) -> list[Event]:
    return [tell("mast", i * 5, wind_speed=speed, wind_direction=degrees) for i, degrees in enumerate(from_deg)]


def run(
    events: Sequence[Event],
    devices: Sequence[Device] = DEVICES,
    zones: Sequence[Zone] = (),
    rules: RuleBook | None = None,
) -> list[AlertChange]:
    engine = Engine(rules or book(), devices, zones)
    return [change for event in sorted(events, key=lambda e: e.observed_at) for change in engine.feed([event]).changes]  # type: ignore[union-attr, arg-type, return-value]


def origin(change: AlertChange) -> dict[str, Any]:
    (found,) = [item["attribution"] for item in change.evidence if "attribution" in item]
    return found


EAST_WIND = wind(88, 90, 92)
PLUME = [tell("air", 0, so2=20.0), tell("air", 15, so2=300.0)]


def test_the_plant_upwind_is_named_with_score_and_reason() -> None:
    (raised,) = run([*EAST_WIND, *PLUME])
    found = origin(raised)
    assert [candidate["source"] for candidate in found["candidates"]] == ["plant"]
    (candidate,) = found["candidates"]
    assert (candidate["name"], candidate["score"], candidate["distance_m"]) == ("Smelter", 1, pytest.approx(2000, 0.01))
    assert candidate["why"] == "2.0 km upwind, 0 degrees off the wind's axis, 8 min of travel"
    assert raised.reason.endswith("; upwind: Smelter (score 1.00, 2.0 km)")
    assert (found["wind"]["station"], found["wind"]["readings"], found["wind"]["from_deg"]) == ("mast", 3, 90)


def test_it_is_looked_at_again_when_the_alert_escalates_and_not_when_it_clears() -> None:
    found = run([*EAST_WIND, *PLUME, tell("air", 20, so2=600.0), tell("air", 25, so2=20.0)])
    assert [(c.change.value, any("attribution" in item for item in c.evidence)) for c in found] == [
        ("raised", True),
        ("escalated", True),
        ("cleared", False),
    ]


def test_sensors_that_rise_together_tell_more_than_one() -> None:
    """For the station alone the plant on the axis fits better; the school's, north of it, rises too."""
    devices = [STATION, SECOND, MAST, PLANT, BESIDE]
    both = [*PLUME, tell("air2", 0, so2=20.0), tell("air2", 14, so2=900.0)]
    alone = origin(run([*EAST_WIND, *PLUME, tell("air2", 0, so2=20.0), tell("air2", 14, so2=25.0)], devices)[-1])
    found = origin(run([*EAST_WIND, *both], devices)[-1])
    assert (alone["sensors"], found["sensors"]) == (["air"], ["air", "air2"])
    scores = [{c["source"]: c["score"] for c in item["candidates"]} for item in (alone, found)]
    assert scores[1]["beside"] > scores[0].get("beside", 0.0)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([], "no station within 20 km has told the wind of the last 30 min"),
        (wind(90, 91, speed=0.4), "calm"),
        (wind(0, 90, 180), "the wind shifts"),
        (wind(180, 181), "no known source lies upwind"),
        ([tell("mast", 0, wind_speed=4.0)], "no station within 20 km"),
    ],
)
def test_nobody_is_named_and_it_is_said_why(told: list[Event], why: str) -> None:
    (raised,) = run([*told, *PLUME])
    assert origin(raised)["withheld"].startswith(why)
    assert f"; no source is named: {why}" in raised.reason
    assert "candidates" not in origin(raised)


def test_an_old_wind_is_none() -> None:
    late = [tell("air", 0, so2=20.0), tell("air", 41, so2=300.0)]
    assert "no station" in origin(run([*EAST_WIND, *late])[0])["withheld"]


def test_the_nearest_station_that_tells_both_counts() -> None:
    near = Device("near", kind="weather-station", position=east(0, 100))
    events = [*EAST_WIND, tell("near", 5, wind_speed=3.0, wind_direction=270.0), tell("near", 6, wind_speed=3.0)]
    found = origin(run([*events, *PLUME], [*DEVICES, near])[0])
    assert (found["wind"]["station"], found["candidates"][0]["source"]) == ("near", "lee")


def test_a_vessel_counts_where_it_is_now_and_not_where_it_was_long_ago() -> None:
    ship = tell("ship", 10, east(1000), "vessel", sog=8.0)
    found = origin(run([*EAST_WIND, *PLUME, ship])[0])
    assert [candidate["source"] for candidate in found["candidates"]] == ["ship", "plant"]
    assert found["candidates"][0]["seen_at"].endswith("Z")
    old = tell("ship", -10, east(1000), "vessel", sog=8.0)
    assert [c["source"] for c in origin(run([*EAST_WIND, *PLUME, old])[0])["candidates"]] == ["plant"]


def test_a_works_of_the_zones_is_a_candidate_and_so_is_the_one_the_sensor_stands_in() -> None:
    def works(name: str, west: float, east_m: float) -> Zone:
        a, b = east(west, -200), east(east_m, 200)
        return Zone(name, "works", name.title(), (((a.lon, a.lat), (b.lon, a.lat), (b.lon, b.lat), (a.lon, b.lat)),))

    around, off = works("around", -900, 100), works("off", 300, 500)
    found = origin(run([*EAST_WIND, *PLUME], zones=[around, off])[0])
    assert [candidate["source"] for candidate in found["candidates"]] == ["zone:around", "zone:off"]
    assert found["candidates"][0]["why"] == "the sensor stands in it"


def test_places_name_the_origin_of_what_rises_inside() -> None:
    text = RULE.replace("{kind: air-station}", "{every: area}")
    for figure, window in (("> 200", "1 h"), ("> 500", "1 h"), ("< 100", "10 min")):
        text = text.replace(f"so2 {figure} ug/m3", f"'max(so2, {window}, inside) {figure} ug/m3'")
    devices = [Device("air", "Harbour air", "air-station", east(0), area="harbour"), MAST, PLANT]
    (raised,) = run([*EAST_WIND, *PLUME], devices, rules=book(text))
    assert raised.subject == "area:harbour"
    assert (origin(raised)["sensors"], origin(raised)["candidates"][0]["source"]) == (["air"], "plant")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("of: so2", "of: so3"), "'so3' is not a metric"),
        (("    of: so2\n", ""), "attribute needs 'of'"),
        (("within: 5 km", "within: 5 min"), "within is a distance"),
        (("within: 5 km", "within: 80 km"), "within may be up to 50 km"),
        (("within: 5 km", "wihin: 5 km"), "was within meant?"),
        (("over: 30 min", "over: 12 h"), "at most 6 h"),
        (("over: 30 min", "since: 1 h"), "unknown key of wind 'since'"),
        (("{kind: [plant, works, vessel, hazmat-truck]}", "{kinds: [plant]}"), "was kind meant?"),
        (("{kind: [plant, works, vessel, hazmat-truck]}", "{}"), "candidates are chosen as in for_each"),
        (("within: 5 km", "pick: 0"), "pick is how many"),
    ],
)
def test_mistakes(change: tuple[str, str], words: str) -> None:
    found = read_book([("city", "r.yaml", RULE.replace(*change))])
    assert isinstance(found, list)
    assert any(words in mistake.message for mistake in found), found
    assert all(mistake.line > 5 for mistake in found)


def test_words() -> None:
    text = explain(book(), "city/so2")
    assert text is not None
    assert "candidates upwind of the sensors where so2 rises" in text
    assert "each plant or works or vessel or hazmat-truck within 5 km" in text


def test_a_rule_that_waits_names_them_too() -> None:
    ship = tell("ship", 14, east(1000), "vessel")
    waiting = book(RULE + "  wait: 5 min\n")
    events = [*EAST_WIND, *PLUME, ship]
    engine = Engine(waiting, DEVICES)
    engine.feed(sorted(events, key=lambda event: -(event.observed_at or 0)))  # type: ignore[union-attr, arg-type]
    (raised,) = engine.feed([Tick(at(30))]).changes
    assert [candidate["source"] for candidate in origin(raised)["candidates"]] == ["ship", "plant"]
