"""Harsh manoeuvres, time at the wheel and the speed of roads, by worked values."""

from __future__ import annotations

import pytest

from rules.figures.driving import Fix, angle_between, continuous_driving_s, cornering, driven_s

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


@pytest.mark.parametrize(
    ("course", "road", "off"), [(10, 350, 20), (350, 10, 20), (90, 270, 180), (0, 360, 0), (271, 90, 179)]
)
def test_courses_are_compared_the_short_way_round(course: float, road: float, off: float) -> None:
    assert angle_between(course, road) == off
