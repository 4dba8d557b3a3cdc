"""Drinking water and pumps made by rule: contaminations at plants that report every minute to every 15 minutes, faults of pumps, and what is
none: a calm day with its course, lost readings, constant channels."""

from __future__ import annotations

import random
from math import pi, sin

import pytest

from hub.model import Device
from tests.laws.generated import Row, every, first, grave, said

PLANT = Device("w", kind="water-plant")
CALM_H = 14
USUAL = {"free_chlorine": 0.5, "ph": 7.4, "redox": 740.0, "conductivity": 220.0, "turbidity": 0.12}
TREMBLE = {"free_chlorine": 0.01, "ph": 0.01, "redox": 1.5, "conductivity": 0.6, "turbidity": 0.008}
SPILL = {"free_chlorine": -0.35, "conductivity": 30.0, "turbidity": 0.5, "ph": -0.3}


def water(
    cadence_min: int,
    hours: float,
    spill_at_h: float = 1e9,
    spill_h: float = 1.5,
    part: float = 1.0,
) -> list[Row | None]:
    chance = random.Random(cadence_min)
    rows: list[Row | None] = []
    for n in range(int(hours * 60 / cadence_min)):
        at_h = n * cadence_min / 60
        course = sin(2 * pi * at_h / 24)
        row = {name: value + TREMBLE[name] * (chance.gauss(0, 1) + 2 * course) for name, value in USUAL.items()}
        if spill_at_h <= at_h < spill_at_h + spill_h:
            row = {name: value + part * SPILL.get(name, 0.0) for name, value in row.items()}
        rows.append({name: round(value, 3) for name, value in row.items()})
    return rows


@pytest.mark.parametrize("cadence_min", [1, 3, 5, 15])
def test_a_spill_is_told_within_minutes_or_two_readings(cadence_min: int) -> None:
    raises = said("water-quality", [PLANT], {"w": every(cadence_min * 60, water(cadence_min, CALM_H + 1.5, CALM_H))})
    orange = first(raises, "orange", "water-quality/drinking-unusual")
    assert orange is not None
    assert CALM_H * 3600 <= orange <= CALM_H * 3600 + max(10 * 60, 2 * cadence_min * 60 + 360)
    reason = next(one.reason for one in raises if one.rule == "water-quality/drinking-unusual")
    assert " spreads " in reason.partition(";")[2]


@pytest.mark.parametrize("cadence_min", [2, 5, 15])
def test_a_calm_day_raises_nothing_grave_nor_do_lost_readings(cadence_min: int) -> None:
    rows = water(cadence_min, 26)
    for at in (400, 700, 1100):
        rows[at // cadence_min] = dict.fromkeys(USUAL, 0.0)
        rows[at // cadence_min + 3] = None
    assert grave(said("water-quality", [PLANT], {"w": every(cadence_min * 60, rows)}, tick_s=300)) == []


def test_a_channel_that_never_moves_neither_raises_nor_hides_another() -> None:
    rows = [None if row is None else {**row, "redox": 740.0, "ph": 7.4} for row in water(2, CALM_H + 1, CALM_H)]
    raises = said("water-quality", [PLANT], {"w": every(120, rows)})
    assert first(grave(raises), "orange") is not None
    assert all(one.at_s >= CALM_H * 3600 for one in grave(raises))


# ------------------------------------------------------------------------------------------------ pumps

PUMP = Device("p", kind="pump")


def pumping(minutes: int, every_s: int, fault_at_min: float, flow: float = 1.0, shake: float = 1.0) -> list[Row | None]:
    chance = random.Random(every_s)
    rows: list[Row | None] = []
    for n in range(minutes * 60 // every_s):
        wrong = n * every_s >= fault_at_min * 60
        rows.append(
            {
                "flow": round(100 * (flow if wrong else 1.0) + chance.gauss(0, 0.4), 2),
                "acceleration": round(2.0 * (shake if wrong else 1.0) + chance.gauss(0, 0.05), 3),
                "current": round(10 + chance.gauss(0, 0.1), 2), "pressure": round(300 + chance.gauss(0, 2), 1),
            }
        )  # fmt: skip
    return rows


@pytest.mark.parametrize("every_s", [2, 10, 20])
def test_a_pump_that_cavitates_shakes_and_a_valve_that_closes_starves_it(every_s: int) -> None:
    minutes = 25 if every_s == 2 else 60
    cavitating = said(
        "plant", [PUMP], {"p": every(every_s, pumping(minutes, every_s, minutes - 8, flow=0.96, shake=1.6))}
    )
    assert {one.rule for one in grave(cavitating)} >= {"plant/shakes-unlike"}
    starved = said("plant", [PUMP], {"p": every(every_s, pumping(minutes, every_s, minutes - 8, flow=0.9))})
    assert {one.rule for one in grave(starved)} == {"plant/flow-unlike"}
    for raises in (cavitating, starved):
        assert all((minutes - 8) * 60 <= one.at_s <= (minutes - 4) * 60 for one in grave(raises))


def test_a_pump_at_work_and_one_that_is_switched_off_raise_nothing_grave() -> None:
    rows = pumping(60, 10, 1e9)
    rows[200:260] = [{"flow": 0.0, "acceleration": 0.0, "current": 0.0, "pressure": 0.0}] * 60
    assert [
        one for one in grave(said("plant", [PUMP], {"p": every(10, rows)})) if one.at_s < 2000 or one.at_s > 2600
    ] == []
