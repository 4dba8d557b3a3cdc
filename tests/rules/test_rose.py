"""Wind roses and pollution roses: sectors, classes, calms, and the wind of an hour."""

from __future__ import annotations

import pytest

from rules.figures.attribution import Wind
from rules.figures.rose import SECTORS, Told, hourly, rose, sector, speed_class, wind_rose


@pytest.mark.parametrize(
    ("from_deg", "place"),
    [
        (0, 0),
        (360, 0),
        (11.2, 0),
        (11.25, 1),
        (348.75, 0),
        (348.7, 15),
        (90, 4),
        (180, 8),
        (270, 12),
        (-1, 0),
        (725, 0),
    ],
)
def test_a_sector_is_about_its_direction(from_deg: float, place: int) -> None:
    assert sector(from_deg) == place


@pytest.mark.parametrize(
    ("mps", "place"), [(0.3, 0), (1.59, 0), (1.6, 1), (3.4, 2), (5.5, 3), (7.99, 3), (8, 4), (60, 4)]
)
def test_classes_of_speed_begin_where_beaufort_does(mps: float, place: int) -> None:
    assert speed_class(mps) == place


def test_an_hour_round_north_has_its_wind_from_the_north() -> None:
    """The arithmetic mean of 350 and 10 would be south."""
    found = hourly([Wind(2.0, 350.0), Wind(4.0, 10.0)])
    assert found is not None
    assert (found.speed_mps, sector(found.from_deg)) == (3.0, 0)
    assert hourly([]) is None


def test_a_steady_speed_from_all_sides_is_no_calm() -> None:
    """The speed is the mean of the readings, not that of the vectors, which is nothing here."""
    found = hourly([Wind(5.0, angle) for angle in (10.0, 100.0, 190.0, 280.0)])
    assert found is not None
    assert found.speed_mps == 5.0


def test_a_calm_has_no_direction() -> None:
    found = wind_rose([Wind(0.29, 90.0), Wind(0.3, 90.0), Wind(9.0, 91.0), Wind(2.0, 270.0)])
    assert found.calm == (1, 0, 0, 0, 0)
    assert found.sectors[4] == (1, 0, 0, 0, 1)
    assert found.sectors[12] == (0, 1, 0, 0, 0)
    assert found.hours == 4
    assert (found.means[4], found.means[12], found.means[0]) == (pytest.approx(4.65), 2.0, None)


def test_the_classes_of_pollution_lie_in_the_sector_of_the_wind() -> None:
    west, still = Wind(3.0, 265.0), Wind(0.1, 265.0)
    found = rose([Told(west, 3, 160.0), Told(west, 0, 20.0), Told(still, 5, 400.0)], 6)
    assert found.sectors[12] == (1, 0, 0, 1, 0, 0)
    assert found.calm == (0, 0, 0, 0, 0, 1)
    assert (found.hours, found.means[12]) == (3, 90.0)


def test_nothing_is_an_empty_rose() -> None:
    found = wind_rose([])
    assert (found.hours, len(found.sectors), set(found.means)) == (0, SECTORS, {None})
