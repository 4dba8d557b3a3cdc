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


TANKER = {"length": 330.0, "beam": 60.0, "to_bow": 300.0, "to_port": 30.0}
"""As message 5 says it: the bridge, and on it the antenna, stands aft."""


def sized(tracks: dict[str, list[tuple[float, Row]]], sizes: dict[str, Row]) -> dict[str, list[tuple[float, Row]]]:
    """The same, with what the vessels say of their size every six minutes (ITU-R M.1371-5, annex 8, table 1)."""
    return {
        vessel: sorted(
            rows + [(at + 0.5, dict(sizes[vessel])) for at in (1.0, 361.0) if vessel in sizes], key=lambda row: row[0]
        )
        for vessel, rows in tracks.items()
    }


@pytest.mark.parametrize("every_s", [10, 60, 180])
def test_a_bow_is_hit_though_the_antenna_passes_well_clear(every_s: float) -> None:
    """The other passes 0.1 nm ahead of the tanker's antenna: through its hull."""
    tracks = encounter(every_s, (12, 0), (10, 90), 0.14)
    assert first(said("maritime", VESSELS, tracks, tick_s=30), "orange", "maritime/collision") is None
    orange = first(said("maritime", VESSELS, sized(tracks, {"a": TANKER}), tick_s=30), "orange", "maritime/collision")
    assert orange is not None
    assert MEET_S - 400 <= orange <= MEET_S - 180


@pytest.mark.parametrize("every_s", [10, 60, 180])
def test_large_ships_that_meet_in_a_channel_raise_nothing_grave(every_s: float) -> None:
    tracks = encounter(every_s, (12, 0), (10, 180), 0.14)
    assert grave(said("maritime", VESSELS, sized(tracks, {"a": TANKER, "b": TANKER}), tick_s=30)) == []
