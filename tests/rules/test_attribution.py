"""Who is named as a source, and when nobody is."""

from __future__ import annotations

import pytest

from hub.model import Position
from rules.figures.attribution import Source, Wind, attribute, mean_wind

SENSOR = Position(121.5, 31.2)
NORTH = Source("north", Position(121.5, 31.22))
FARTHER = Source("farther", Position(121.5, 31.26))
SOUTH = Source("south", Position(121.5, 31.18))
ASIDE = Source("aside", Position(121.508, 31.22))
STEADY = [Wind(4, 358), Wind(4, 2), Wind(5, 0)]


def names(winds: list[Wind], *sources: Source) -> list[str]:
    return [candidate.source for candidate in attribute(SENSOR, winds, sources).candidates]


def test_mean_wind_goes_round_north() -> None:
    found = mean_wind([Wind(4, 350), Wind(4, 10)])
    assert found is not None
    wind, scatter = found
    assert min(wind.from_deg, 360 - wind.from_deg) == pytest.approx(0, abs=1e-9)
    assert wind.speed_mps == pytest.approx(4 * 0.9848077530)
    assert scatter == pytest.approx(10, abs=0.1)
    assert mean_wind([]) is None


def test_upwind_and_near_and_on_the_axis_comes_first() -> None:
    assert names(STEADY, SOUTH, FARTHER, ASIDE, NORTH) == ["north", "farther", "aside"]
    found = attribute(SENSOR, STEADY, [NORTH, FARTHER]).candidates
    assert sum(candidate.score for candidate in found) == pytest.approx(1)
    assert found[0].travel_s == pytest.approx(2224 / (13 / 3), rel=0.01)


def test_a_strong_source_outweighs_a_near_one() -> None:
    assert names(STEADY, NORTH, FARTHER._replace(strength=100)) == ["farther", "north"]


@pytest.mark.parametrize(
    ("winds", "why"),
    [
        ([], "no wind is known"),
        ([Wind(0.5, 0), Wind(0.6, 5)], "calm"),
        ([Wind(4, 0), Wind(4, 90), Wind(4, 45), Wind(4, 315)], "the wind shifts"),
        ([Wind(4, 180)], "no known source lies upwind"),
    ],
)
def test_nobody_is_named(winds: list[Wind], why: str) -> None:
    found = attribute(SENSOR, winds, [NORTH, FARTHER])
    assert found.candidates == ()
    assert found.withheld.en.startswith(why)


def test_a_source_too_far_to_have_arrived_is_not_named() -> None:
    assert names([Wind(1.0, 0)], NORTH, Source("day away", Position(121.5, 31.5))) == ["north"]
