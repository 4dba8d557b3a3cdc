"""Vessels made by rule: collisions told three minutes before by reports 10 seconds to 3 minutes apart, and ordinary traffic."""

from __future__ import annotations

import random
from math import cos, radians, sin

import pytest

from hub.model import Device
from tests.laws.generated import Row, first, grave, said

VESSELS = [Device("a", kind="vessel"), Device("b", kind="vessel")]
MEET_S = 720
LON, LAT = 121.0, 31.0


def track(
    knots: float, course: float, off_nm: float, every_s: float, phase_s: float, seed: int
) -> list[tuple[float, Row]]:
    """A straight course through the place of meeting at `MEET_S`, passed `off_nm` to the east; GNSS and log tremble."""
    chance = random.Random(seed)
    narrow = cos(radians(LAT))
    found: list[tuple[float, Row]] = []
    at = phase_s
    while at <= MEET_S:
        miles = knots * (at - MEET_S) / 3600
        lon = LON + (miles * sin(radians(course)) + off_nm) / 60 / narrow + chance.gauss(0, 2e-5)
        lat = LAT + miles * cos(radians(course)) / 60 + chance.gauss(0, 2e-5)
        row = {
            "lon": lon,
            "lat": lat,
            "sog": knots + chance.gauss(0, 0.1),
            "cog": (course + chance.gauss(0, 0.5)) % 360,
        }
        found.append((at, row))
        at += every_s
    return found


def encounter(
    every_s: float, a: tuple[float, float], b: tuple[float, float], off_nm: float = 0.0
) -> dict[str, list[tuple[float, Row]]]:
    return {"a": track(*a, 0.0, every_s, 0.0, 1), "b": track(*b, off_nm, every_s, every_s * 0.4, 2)}


@pytest.mark.parametrize("every_s", [10, 60, 120, 180])
@pytest.mark.parametrize(
    ("a", "b"), [((12, 0), (10, 180)), ((14, 0), (9, 90)), ((12, 0), (0.1, 0))], ids=["head-on", "crossing", "anchored"]
)
def test_a_collision_is_told_three_minutes_before(
    every_s: float, a: tuple[float, float], b: tuple[float, float]
) -> None:
    """A plain threshold (CPA below 0.1 nm, TCPA below 6 min, one report) tells it up to one report earlier."""
    raises = said("maritime", VESSELS, encounter(every_s, a, b), tick_s=30)
    orange, red = first(raises, "orange", "maritime/collision"), first(raises, "red", "maritime/collision")
    assert orange is not None
    assert MEET_S - 400 <= orange <= MEET_S - 180
    assert red is not None
    assert red <= MEET_S - 60


@pytest.mark.parametrize("every_s", [10, 60, 180])
@pytest.mark.parametrize(
    ("a", "b", "off_nm"),
    [((12, 0), (10, 180), 0.3), ((15, 0), (9, 0), 0.25), ((10, 0), (10, 0), 0.06)],
    ids=["passing", "overtaking", "side by side"],
)
def test_ordinary_traffic_raises_nothing_grave(
    every_s: float, a: tuple[float, float], b: tuple[float, float], off_nm: float
) -> None:
    assert grave(said("maritime", VESSELS, encounter(every_s, a, b, off_nm), tick_s=30)) == []
