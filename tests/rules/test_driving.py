"""Harsh manoeuvres, time at the wheel and the speed of roads, by worked values."""

from __future__ import annotations

import pytest

from rules.figures.driving import Fix, congestion_grade, continuous_driving_s, cornering, driven_s, road_speed_kmh

H = 3600


def drive(*legs: tuple[float, float]) -> list[Fix]:
    """Fixes every minute of legs (minutes, km/h)."""
    fixes, at = [], 0.0
    for minutes, speed in legs:
        for _ in range(round(minutes)):
            fixes.append(Fix(at, speed))
            at += 60
    return fixes


def test_cornering_is_speed_times_rate_of_turn() -> None:
    """36 km/h is 10 m/s; 90 degrees in 4 s are 0.3927 rad/s."""
    assert cornering(36, 90, 4) == pytest.approx(3.927, abs=5e-4)
    assert cornering(36, -90, 4) == pytest.approx(3.927, abs=5e-4)
    assert cornering(36, -350, 1) == cornering(36, 10, 1), "over north"
    assert cornering(0, 90, 1) == 0


def test_only_a_rest_of_twenty_minutes_ends_continuous_driving() -> None:
    assert continuous_driving_s(drive((120, 80), (19, 0), (120, 80))) == pytest.approx(258 * 60)
    assert continuous_driving_s(drive((120, 80), (21, 0), (120, 80))) == pytest.approx(119 * 60)
    assert continuous_driving_s(drive((241, 80))) == 4 * H, "Art. 62: no more than 4 h without 20 min of rest"
    assert continuous_driving_s(drive((30, 80), (30, 0))) == 0
    assert continuous_driving_s([]) == 0


def test_driving_of_a_day_counts_what_moved_in_its_24_hours() -> None:
    assert driven_s(drive((60, 50), (60, 0), (60, 50))) == pytest.approx(121 * 60, abs=121)
    assert driven_s(drive((600, 50), (1440, 0))) <= 60
    assert driven_s([]) == 0


def test_the_speed_of_a_road_is_length_over_mean_travel_time() -> None:
    """A kilometre at 60, 30 and 20 km/h takes 1, 2 and 3 min: 2 min in the mean, 30 km/h."""
    assert road_speed_kmh([60, 30, 20]) == pytest.approx(30)
    assert road_speed_kmh([60, 30]) is None
    assert road_speed_kmh([0, 0, 0]) == pytest.approx(1)


@pytest.mark.parametrize(("speed", "road", "grade"), [(66, "expressway", 1), (65, "expressway", 2), (20, "expressway", 5), (16, "arterial", 4), (11, "secondary", 4), (9, "secondary", 5)])  # fmt: skip
def test_grades_of_congestion(speed: float, road: str, grade: int) -> None:
    assert congestion_grade(speed, road) == grade
