"""Trips and stops: when a vehicle sets out and stands, as Traccar publishes it; gaps, ignition, jitter, wrong fixes; and recorded buses."""

from __future__ import annotations

import csv
import gzip
import random
from datetime import datetime
from itertools import groupby, pairwise

import pytest

from hub.geo import destination
from hub.trips import DEFAULTS, TRACCAR_STANDS_KMH, Fix, Settings, trips
from tests.shared import shared_path

HOME = (121.49, 31.24)


def drive(*legs: tuple[float, float], step_s: float = 10.0, ignition: bool | None = None, at: float = 0.0) -> list[Fix]:
    """Fixes of a vehicle that goes east: (seconds, km/h) one after another."""
    fixes, lon, lat = [Fix(at, *HOME, legs[0][1], ignition)], *HOME
    for seconds, kmh in legs:
        for _ in range(round(seconds / step_s)):
            at += step_s
            lon, lat = destination(lon, lat, 90, kmh / 3.6 * step_s)
            fixes.append(Fix(at, lon, lat, kmh, ignition))
    return fixes


def told(fixes: list[Fix], settings: Settings = DEFAULTS) -> list[tuple[float, float]]:
    return [(trip.start.at, trip.end.at) for trip in trips(fixes, settings)[0]]


@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        ([(600, 0), (900, 40), (600, 0)], [(610, 1510)]),
        (
            [(600, 0), (900, 40), (290, 0), (900, 40), (600, 0)],
            [(610, 2700)],
        ),  # parking of less than 300 s does not cut
        ([(600, 0), (900, 40), (320, 0), (900, 40), (600, 0)], [(610, 1510), (1830, 2730)]),  # parking of more does
        ([(600, 0), (30, 60), (600, 0)], []),  # moved for 30 s and 500 m: not more than either
        ([(600, 0), (60, 60), (600, 0)], [(610, 670)]),  # 1 km within a minute: the distance alone has it set out
        ([(600, 0), (320, 4), (600, 0)], [(610, 930)]),  # 350 m in 320 s: the time alone
        ([(600, 0), (200, 5), (20, 0), (200, 5), (600, 0)], []),  # a fluctuation begins the count anew
        ([(900, 40)], [(0, 900)]),
        ([(900, 0)], []),
    ],
)
def test_setting_out_and_standing(legs: list[tuple[float, float]], expected: list[tuple[float, float]]) -> None:
    assert told(drive(*legs)) == expected


def test_what_a_trip_tells() -> None:
    (trip,), (before, after) = trips(drive((600, 0), (900, 36), (120, 0), (300, 72), (600, 0)))
    assert trip.distance_m == pytest.approx(14_900, rel=1e-3)  # the first 100 m lie before the first fix in motion
    assert (trip.fastest_kmh, trip.by_odometer, trip.open) == (72, False, False)
    assert trip.idling_s == pytest.approx(120, abs=11)
    assert trip.moving_s + trip.idling_s == trip.seconds
    assert (before.start.at, before.end.at) == (0, 610)
    assert (after.start.at, after.end.at) == (trip.end.at, 2520)
    assert not before.gap


def test_a_trip_that_goes_on_is_open() -> None:
    assert [trip.open for trip in trips(drive((600, 0), (900, 40)))[0]] == [True]
    (standing,), _ = trips(drive((600, 0), (900, 40), (200, 0)))
    assert (standing.open, standing.end.at) == (True, 1510), "it may go on; until then it ended when it stood"


def test_an_hour_without_a_fix_is_a_stop() -> None:
    first, second = drive((900, 40)), drive((900, 40), at=900 + 3700)
    found, stops = trips([*first, *second])
    assert [(trip.start.at, trip.end.at) for trip in found] == [(0, 900), (4600, 5500)]
    assert [stop.gap for stop in stops] == [True]
    near = drive((900, 40), at=900 + 3500)
    assert len(trips([*first, *near])[0]) == 1


def test_ignition_off_ends_a_trip_at_once_where_it_counts() -> None:
    fixes = drive((900, 40), ignition=True)
    last = fixes[-1]
    fixes += [Fix(last.at + 10 * n, last.lon, last.lat, 0.0, False) for n in range(1, 10)]
    fixes += [fix._replace(at=fix.at + 1000) for fix in drive((900, 40), ignition=True)]
    assert len(told(fixes)) == 1
    assert told(fixes, Settings(use_ignition=True)) == [(0, 910), (1000, 1900)]


def test_jitter_makes_no_trip() -> None:
    """A parked receiver wanders by 15 m and tells speeds of its own, up to 6 km/h, for a night."""
    chance = random.Random(3)
    fixes = [
        Fix(30.0 * n, *destination(*HOME, chance.uniform(0, 360), abs(chance.gauss(0, 15))), chance.uniform(0, 6))
        for n in range(1200)
    ]
    assert told(fixes) == []
    unfiltered = Settings(stands_kmh=TRACCAR_STANDS_KMH, extent_m=0.0)
    assert told(fixes, unfiltered), "what a threshold of 0.01 kn without a filter before it makes of the same night"


def test_without_speeds_the_places_tell() -> None:
    fixes = [fix._replace(speed_kmh=None) for fix in drive((600, 0), (900, 40), (600, 0))]
    ((begin, end),) = told(fixes)
    assert (begin, end) == (610, 1510)


def test_wrong_fixes_are_left_out() -> None:
    fixes = drive((600, 0), (900, 40), (600, 0))
    true = trips(fixes)[0][0].distance_m
    fixes[100] = fixes[100]._replace(lon=0.0, lat=0.0)
    fixes[120] = fixes[120]._replace(lon=121.6)
    (trip,), _ = trips([*fixes, *fixes[50:60]])
    assert trip.distance_m == pytest.approx(true, rel=1e-6)
    chance = random.Random(1)
    chance.shuffle(fixes)
    assert told(fixes) == [(610, 1510)], "the order in which they came makes no difference"
    assert trips([]) == ([], [])
    assert trips(fixes[:1])[0] == []


def test_the_vehicles_own_count_comes_before_the_places() -> None:
    fixes = [fix._replace(odometer_km=1000 + n / 10) for n, fix in enumerate(drive((600, 0), (900, 40), (600, 0)))]
    (trip,), _ = trips(fixes)
    assert trip.by_odometer
    assert trip.distance_m == pytest.approx(9_000)
    broken = [fix._replace(odometer_km=0.0 if n == 80 else fix.odometer_km) for n, fix in enumerate(fixes)]
    assert not trips(broken)[0][0].by_odometer, "a count that goes back is none"


@pytest.mark.recordings
def test_recorded_buses() -> None:
    """A day of one city's buses: every trip is long enough, the trips of a bus do not overlap, and their ways are of a city's size."""
    path = shared_path("data/gps_bus_austin/2015-03-18.csv.gz")
    with gzip.open(path, "rt", newline="") as file:
        rows = [row for row in csv.DictReader(file) if float(row["latitude"])]
    rows.sort(key=lambda row: row["vehicle_id"])
    counts = []
    for _, of_bus in groupby(rows, key=lambda row: row["vehicle_id"]):
        fixes = [
            Fix(datetime.fromisoformat(row["timestamp"]).timestamp(), float(row["longitude"]), float(row["latitude"]), float(row["speed"]) * 3.6)
            for row in of_bus
        ]  # fmt: skip
        found, stops = trips(fixes)
        counts.append(len(found))
        for trip, later in pairwise(found):
            assert trip.end.at <= later.start.at
        for trip in found:
            assert trip.seconds >= 0
            assert trip.distance_m < 400_000
            assert trip.distance_m / max(trip.seconds, 1) * 3.6 < 130
        if len({fix.at for fix in fixes}) > 1:
            covered = sum(trip.seconds for trip in found) + sum(stop.seconds for stop in stops)
            assert covered <= max(fix.at for fix in fixes) - min(fix.at for fix in fixes) + 1
    assert sum(count > 0 for count in counts) > len(counts) / 2
