"""The world is a function of its seed and steps, and moves by physical sense."""

from __future__ import annotations

import json
from itertools import combinations, pairwise
from math import inf
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.world.air import Source, plume
from simulators.world.geography import CROSSING, FAIRWAY, Point, apart, heading, to_degrees, to_metres
from simulators.world.ground import Quake, intensity
from simulators.world.observing import KINDS, observe
from simulators.world.places import CITY, read_sites
from simulators.world.roads import way
from simulators.world.sea import Sea, Vessel, gives_way
from simulators.world.sensors import sensors_for
from simulators.world.water import BASE_FLOW, Reach
from simulators.world.world import World

START = 1_800_000_000_000_000_000
SITES = read_sites(CITY)


def world(seed: int = 7) -> World:
    return World(seed, START, SITES)


def picture(of: World) -> Any:
    sensors = sensors_for(SITES, 7)
    return json.dumps(
        [{device: sensor.read(of) for device, sensor in sensors.items()}]
        + [[vessel.x, vessel.y, vessel.sog] for vessel in of.sea.vessels.values()]
        + [[*vehicle.position] for vehicle in of.roads.vehicles.values()]
    )


def test_same_seed_and_steps_give_the_same_world() -> None:
    one, other, third = world(), world(), world(8)
    for town in (one, other, third):
        town.rain_cell("underpass-station", 60, 700, 8, 20)
        for _ in range(120):
            town.step(0.5)
    assert picture(one) == picture(other)
    assert picture(one) != picture(third)
    assert one.now == START + 60 * 10**9


def test_every_fixed_device_of_the_city_can_be_observed() -> None:
    town = world()
    town.step(1.0)
    for site in SITES:
        if site.at is not None:
            if site.kind == "machine":
                continue  # a Sparkplug node, which speaks through its device
            assert site.kind in KINDS, site
            assert observe(town, site), site


def test_a_stalled_cell_floods_its_underpass_and_the_pumps_empty_it() -> None:
    town = world()
    town.rain_cell("underpass-north-gate", 78, 800, 8, 32)
    depths = []
    for _ in range(220):
        town.step(0.5)
        depths.append(town.water.underpasses["underpass-north-gate"].depth_m)
    assert max(depths) > 0.42
    assert depths.index(max(depths)) < 100
    assert depths[-1] < 0.02
    assert town.water.underpasses["underpass-mill"].depth_m < 0.03


def test_a_flood_wave_reaches_the_gauges_one_after_the_other_and_flattens() -> None:
    town = world()
    town.water.wave(400, 7200)
    flows: list[list[float]] = [[], [], []]
    for _ in range(400):
        town.step(1.0)
        for gauge in range(3):
            flows[gauge].append(town.water.flows[gauge])
    peaks = [max(series) for series in flows]
    times = [series.index(peak) for series, peak in zip(flows, peaks, strict=True)]
    assert times == sorted(times)
    assert times[0] < times[1] < times[2]
    assert peaks[0] > peaks[1] > peaks[2] > 3 * BASE_FLOW


def test_routing_keeps_the_water() -> None:
    reach = Reach(1800.0)
    given_in = [BASE_FLOW] * 5 + [200.0] * 30 + [BASE_FLOW] * 400
    out = [reach.step(flow) for flow in given_in]
    assert sum(out) == pytest.approx(sum(given_in), rel=0.01)


def test_a_plume_lies_down_wind_and_thins_out() -> None:
    source = Source("works", Point(0, 0), "voc", 100.0, age_s=1e5)
    near, far = plume(source, 500, 0, 4.0, 270.0), plume(source, 2000, 0, 4.0, 270.0)
    assert near > far > 0
    assert plume(source, -500, 0, 4.0, 270.0) == 0
    assert plume(source, 500, 300, 4.0, 270.0) < near / 50
    source.age_s = 100
    assert plume(source, 500, 0, 4.0, 270.0) == 0  # its front has not come this far


@given(st.floats(-6000, 6000), st.floats(-6000, 6000))
def test_local_metres_and_degrees_are_inverse(x: float, y: float) -> None:
    back = to_metres(*to_degrees(x, y))
    assert apart((x, y), back) < 1e-5


def test_the_quickest_way_is_a_way() -> None:
    path = way("west-end", "cape")
    assert path[0] == "west-end"
    assert path[-1] == "cape"
    assert "bridge-west" in path


def test_two_vessels_that_give_way_to_nobody_are_in_one_place_at_one_time_and_part_again() -> None:
    sea = Sea(Random(1))
    one, other = sea.add(1), sea.add(6)
    sea.meet(one.mmsi, other.mmsi, Point(*CROSSING))
    apart_m = []
    for _ in range(360):
        sea.step(0.5, 225.0)
        apart_m.append(apart(one.position, other.position))
    assert min(apart_m) < 30
    assert 120 < apart_m.index(min(apart_m)) / 2 < 160
    for vessel in (one, other):
        sea.resume(vessel.mmsi)
    for _ in range(1200):
        sea.step(0.5, 225.0)
    assert [one.position, other.position] == [one.waits_at, other.waits_at]


def test_vessels_keep_clear_of_each_other() -> None:
    """Nobody steers them into each other for twenty minutes: those under way pass at a ship's length or more."""
    sea = Sea(Random(7))
    for number in range(14):
        sea.add(number)
    sea.settle(225.0)
    nearest = inf
    for _ in range(600):
        sea.step(2.0, 225.0)
        moving = [vessel for vessel in sea.vessels.values() if vessel.sog > 2 and vessel.wait_s <= 0]
        nearest = min([nearest, *(apart(a.position, b.position) for a, b in combinations(moving, 2))])
    assert nearest > 60


def test_who_gives_way() -> None:
    def vessel(x: float, y: float, cog: float, sog: float = 9.0) -> Vessel:
        return Vessel(1, "", 70, 100, 16, 4.0, FAIRWAY, x, y, cog=cog, sog=sog)

    north, from_east, from_west = vessel(0, 0, 0), vessel(1000, 1000, 270), vessel(-1000, 1000, 90)
    assert gives_way(north, from_east)  # rule 15: the other is to starboard
    assert not gives_way(from_east, north)
    assert not gives_way(north, from_west)
    assert gives_way(from_west, north)
    slow = vessel(0, 800, 10, 4.0)
    assert gives_way(north, slow)  # rule 13: she overtakes
    assert not gives_way(slow, north)
    assert not gives_way(north, vessel(0, 2000, 180))  # rule 14: each passes on the other's port side by her lane


def test_a_truck_drives_off_its_route_and_back_without_a_leap() -> None:
    town = world()
    truck = town.vehicle("jt808:00000000013800000001")
    home, places = truck.position, [truck.position]
    assert truck.pause_s > 0
    town.roads.send(truck.name, "school")
    for step in range(400):
        town.step(0.5)
        if step == 84:
            town.roads.overturn(truck.name)
        if step == 150:
            town.roads.right(truck.name)
        places.append(truck.position)
    assert max(apart(a, b) for a, b in pairwise(places)) < 20  # a U-turn changes the side of the road, nothing leaps
    assert max(apart(home, place) for place in places) > 250
    assert apart(home, truck.position) < 20
    assert truck.speed_kmh == 0


def test_a_dragging_vessel_drifts_where_she_is_driven() -> None:
    town = world()
    vessel = town.vessel(413_200_100)
    begin = vessel.position
    town.sea.drag(vessel.mmsi, town.at("bridge-middle"), 240.0)
    for _ in range(120):
        town.step(0.5)
    assert vessel.nav_status == 1
    assert 2.0 < vessel.sog < 3.0
    assert abs(heading(begin, vessel.position) - heading(begin, town.at("bridge-middle"))) < 3


def test_an_earthquake_comes_later_and_weaker_farther_away() -> None:
    quake = Quake(5.2, Point(0, 0), age_s=6.0)
    assert quake.shaking(1000, 0) > quake.shaking(8000, 0) > 0
    assert Quake(5.2, Point(0, 0), age_s=1.0).shaking(1000, 0) == 0
    assert intensity(0.938) == pytest.approx(6.5)  # GB/T 17742-2020: intensity VII begins at 93.7 gal
    assert intensity(1e-9) == 1.0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.1, 5.0))
def test_nothing_impossible_is_measured(seed: int, dt: float) -> None:
    town = World(seed, START, SITES)
    sensors = sensors_for(SITES, seed)
    for _ in range(12):
        town.step(dt)
        for sensor in sensors.values():
            for name, value in (sensor.read(town) or {}).items():
                if isinstance(value, float) and name not in ("rssi", "water_level", "tilt", "displacement"):
                    assert value >= 0, (sensor.site.device, name, value)


def test_failed_instruments() -> None:
    town = world()
    sensor = sensors_for(SITES, 7)["underpass-mill"]
    sensor.fault = "dead"
    assert sensor.read(town) is None
    sensor.fault = "stuck"
    first = next(values for _ in range(20) if (values := sensor.read(town)))
    town.rain_cell("underpass-mill", 100, 900, 2, 30)
    for _ in range(60):
        town.step(0.5)
    again = next(values for _ in range(20) if (values := sensor.read(town)))
    assert {key: first[key] for key in ("water_depth", "rain_intensity")} == {
        key: again[key] for key in ("water_depth", "rain_intensity")
    }
    sensor.fault = "raving"
    depths = [values["water_depth"] for _ in range(80) if (values := sensor.read(world()))]
    assert any(isinstance(depth, float) and depth > 0.5 for depth in depths)
    assert sum(isinstance(depth, float) and depth < 0.1 for depth in depths) > 40


def test_instruments_have_characters_of_their_own() -> None:
    """Noise, bias, drift, gaps, a clock that is off, a battery that runs down and a signal that wavers."""
    town = world()
    sensors = sensors_for(SITES, 7)
    sensor = sensors["tide-harbour"]
    sensor.gap_share, sensor.bias, sensor.drift_per_day, sensor.clock_skew_s = 0.0, 3.0, 0.0, 2.5

    def mean(count: int) -> float:
        return sum(float((sensor.read(town) or {})["water_level"]) for _ in range(count)) / count  # type: ignore[arg-type]

    truth = float(observe(town, sensor.site)["water_level"])  # type: ignore[arg-type]
    readings = [sensor.read(town) or {} for _ in range(50)]
    assert len({reading["water_level"] for reading in readings}) > 3  # noise
    assert len({reading["rssi"] for reading in readings}) > 2
    assert 0.008 < mean(400) - truth < 0.016  # three sigmas of 4 mm
    assert sensor.observed_at(town) == town.now + 2_500_000_000
    before = sensor.battery
    sensor.bias, sensor.drift_per_day = 0.0, 5.0
    town.elapsed_s += 86_400
    assert 0.014 < mean(400) - float(observe(town, sensor.site)["water_level"]) < 0.026  # type: ignore[arg-type]
    assert sensor.battery < before
    sensor.gap_share = 0.5
    assert 60 < sum(sensor.read(town) is None for _ in range(200)) < 140
    assert len({round(other.bias, 6) for other in sensors.values()}) > 20
    assert any(other.clock_skew_s for other in sensors.values())
