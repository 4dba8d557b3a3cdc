"""Rivers made by rule: waves by level and by flow at gauges that report every 5, 15 and 60 minutes, beside a plain threshold; and a
calm gauge with every fault that drops, sticks, leaps or slips."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import exp

import pytest

from hub.model import Device
from tests.laws.generated import every, first, grave, said

CALM_H = 26
GAUGE = Device("g", kind="river-gauge")
CADENCES = pytest.mark.parametrize("cadence_min", [5, 15, 60])


def wave(cadence_min: int, base: float, peak: float, rise_h: float, seed: int = 7) -> tuple[list[float], int]:
    """A calm day, a rise of so many hours to the peak, a slower fall; and the number of the reading at which it begins."""
    chance = random.Random(seed)
    begins = CALM_H * 60 // cadence_min
    calm = [base * (1 + chance.gauss(0, 0.01)) for _ in range(begins)]
    rising: list[float] = []
    for n in range(int(rise_h * 3 * 60 / cadence_min) + 2):
        part = n * cadence_min / 60 / rise_h
        height = part**2 * (3 - 2 * part) if part < 1 else exp((1 - part) / 2)
        rising.append(base + (peak - base) * height * (1 + chance.gauss(0, 0.005)))
    return [round(value, 2) for value in calm + rising], begins


@CADENCES
@pytest.mark.parametrize(
    ("base", "peak", "rise_h"),
    [(0.5, 150.0, 1.5), (2.0, 150.0, 3.0), (5.0, 400.0, 3.0), (5.0, 400.0, 6.0), (30.0, 900.0, 6.0)],
)
def test_a_wave_by_flow_is_told_within_half_an_hour_or_a_reading_of_a_plain_threshold(
    cadence_min: int, base: float, peak: float, rise_h: float
) -> None:
    values, begins = wave(cadence_min, base, peak, rise_h)
    plain = next(n for n in range(begins, len(values)) if values[n] > 100)
    raises = said(
        "flood", [GAUGE], {"g": every(cadence_min * 60, [{"water_flow": value} for value in values])}, tick_s=600
    )
    orange = first(raises, "orange")
    assert orange is not None
    assert begins * cadence_min * 60 < orange <= plain * cadence_min * 60 + max(1800, cadence_min * 60)
    red = first(raises, "red")
    assert red is not None
    assert red <= (begins + 1) * cadence_min * 60 + rise_h * 3600


@CADENCES
@pytest.mark.parametrize(
    ("base", "peak", "rise_h"), [(0.3, 2.5, 1.5), (1.0, 4.0, 3.0), (1.2, 9.0, 3.0), (1.2, 9.0, 1.5)]
)
def test_a_wave_by_level_is_told_within_a_reading_of_a_plain_threshold(
    cadence_min: int, base: float, peak: float, rise_h: float
) -> None:
    values, begins = wave(cadence_min, base, peak, rise_h)
    hour = 60 // cadence_min
    plain = next(n for n in range(begins, len(values)) if values[n] - values[n - hour] >= 0.9144)
    raises = said(
        "flood", [GAUGE], {"g": every(cadence_min * 60, [{"water_level": value} for value in values])}, tick_s=600
    )
    orange = first(raises, "orange")
    assert orange is not None
    assert begins * cadence_min * 60 < orange <= (plain + 1) * cadence_min * 60


# ------------------------------------------------------------------------------------------------ faults

Fault = Callable[[float, int], float]
FAULTS: dict[str, Fault] = {
    "stuck at zero": lambda value, n: 0.0,
    "a decimal slipped up": lambda value, n: value * 10,
    "a decimal slipped down": lambda value, n: value / 10,
    "a datum that shifted": lambda value, n: value + 4,
    "a constant": lambda value, n: 6.0,
    "the end of the scale": lambda value, n: 99.99,
    "no value": lambda value, n: -999.0,
    "two clocks": lambda value, n: value + 4 * (n % 2),
}


def faulty(base: float, cadence_min: int, fault: Fault, readings: int) -> list[float]:
    chance = random.Random(cadence_min)
    calm = [round(base * (1 + chance.gauss(0, 0.008)), 2) for _ in range((CALM_H + 8) * 60 // cadence_min)]
    at = CALM_H * 60 // cadence_min
    wrong = [round(fault(value, n), 3) for n, value in enumerate(calm[at : at + readings])]
    return [*calm[:at], *wrong, *calm[at + readings :]]


@pytest.mark.parametrize(("readings", "cadence_min"), [(1, 15), (2, 15), (9, 15), (2, 60), (3, 60), (4, 5)])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_calm_gauge_is_no_flash_flood(fault: str, readings: int, cadence_min: int) -> None:
    values = faulty(1.2, cadence_min, FAULTS[fault], readings)
    rows = [{"water_level": value, "water_flow": 8 * value} for value in values]
    assert grave(said("flood", [GAUGE], {"g": every(cadence_min * 60, rows)}, tick_s=3600)) == []


LIMITS = {"guaranteed_level_m": 4.0, "record_level_m": 6.0, "guaranteed_flow_m3s": 30.0, "record_flow_m3s": 60.0}
MARKED_OUT = Device("g", kind="river-gauge", attributes=LIMITS)


@pytest.mark.parametrize("readings", [2, 3])
@pytest.mark.parametrize("fault", FAULTS)
def test_up_to_three_wrong_readings_reach_no_stage_nor_flow_of_disaster(fault: str, readings: int) -> None:
    values = faulty(1.2, 15, FAULTS[fault], readings)
    rows = [{"water_level": value, "water_flow": 8 * value} for value in values]
    assert grave(said("flood", [MARKED_OUT], {"g": every(900, rows)}, tick_s=3600)) == []


def test_a_leap_beyond_the_record_that_stays_is_told_with_the_fourth_reading() -> None:
    rows = [{"water_level": 1.2, "water_flow": 9.6}] * 40 + [{"water_level": 7.0, "water_flow": 70.0}] * 4
    assert first(said("flood", [MARKED_OUT], {"g": every(900, rows)}, tick_s=3600), "red") == 43 * 900


@pytest.mark.parametrize("cadence_min", [5, 15])
def test_yellow_comes_before_the_warning_stage_and_says_when_it_is_expected(cadence_min: int) -> None:
    calm = [1.2 + 0.01 * (n % 2) for n in range(120 // cadence_min)]
    values = [*calm, *[round(1.2 + 0.8 * n * cadence_min / 60, 3) for n in range(1, 300 // cadence_min)]]
    gauge = Device("g", kind="river-gauge", attributes={"warning_level_m": 4.0})
    raises = [
        one
        for one in said(
            "flood", [gauge], {"g": every(cadence_min * 60, [{"water_level": v} for v in values])}, tick_s=600
        )
        if one.rule == "flood/river-stage"
    ]
    reached = next(n for n, value in enumerate(values) if value >= 4.0) * cadence_min * 60
    [yellow] = [one for one in raises if one.level == "yellow"]
    assert reached - 45 * 60 <= yellow.at_s <= reached - 10 * 60
    assert "water_level expected to reach 4 m at 0" in yellow.reason
    assert "UTC ± " in yellow.reason


def test_what_rises_and_stops_below_the_warning_stage_is_not_expected_there() -> None:
    gauge = Device("g", kind="river-gauge", attributes={"warning_level_m": 4.0})
    values = [*[1.2] * 10, *[1.2 + 0.1 * n for n in range(19)], *[3.0 + 0.01 * (n % 3) for n in range(20)]]
    raises = said("flood", [gauge], {"g": every(900, [{"water_level": round(v, 2)} for v in values])}, tick_s=600)
    assert [one for one in raises if one.rule == "flood/river-stage"] == []
    leapt = [*[1.2 + 0.01 * (n % 2) for n in range(20)], *[3.4] * 10]
    raises = said("flood", [gauge], {"g": every(900, [{"water_level": v} for v in leapt])}, tick_s=600)
    assert [one for one in raises if one.rule == "flood/river-stage"] == []
