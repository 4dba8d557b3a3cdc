"""Indices against published values: the standards' own knots, worked examples, and other people's tests."""

from __future__ import annotations

import csv

import pytest

from hub.moment import from_text
from rules.figures.aqi import (
    HJ_633_2026_FROM,
    US_2024_FROM,
    aqi_cn_hourly,
    aqi_us,
    band_eu,
    cn_grade,
    cn_primary,
    eaqi,
    iaqi_cn,
    nowcast,
)
from rules.figures.weather import beaufort, heat_index
from tests.shared import shared_path

NOW = HJ_633_2026_FROM
BEFORE = HJ_633_2026_FROM - 1
NAMES = {"PM2.5": "pm25", "PM10": "pm10", "SO2": "so2", "NO2": "no2", "CO": "co", "O3": "o3"}


def test_every_row_of_the_oracle() -> None:
    with shared_path("facts/aqi_oracle.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 145
    for row in rows:
        pollutant, value = NAMES[row["pollutant"]], float(row["concentration"])
        standard = row["standard"]
        if standard.startswith("HJ"):
            got = iaqi_cn(pollutant, row["averaging"], value, BEFORE if "2012" in standard else NOW)
        elif standard.startswith("US"):
            got = aqi_us(pollutant, row["averaging"], value, US_2024_FROM - 1 if "2012" in standard else None)
        else:
            got = band_eu(pollutant, value)
        assert got == int(row["expected_aqi"]), row


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ([120, 100, 80, 60, 50, 40, 30, 25, 20, 20, 20, 20], 101.3),
        ([22, 21, 20, 20, 19, 19, 18, 18, 18, 18, 18, 18], 19.9),
        ([35, None, 33, 30, None, 28, 27, 26, 25, 25, 24, 24], 32.1),
        ([10, None, None, 9, 9, 9, 9, 9, 9, 9, 9, 9], None),
        ([], None),
        ([0, 0, 0], 0.0),
    ],
)
def test_nowcast(hours: list[float | None], expected: float | None) -> None:
    assert nowcast(hours) == expected


def test_edition_by_observation_date() -> None:
    assert iaqi_cn("pm25", "24h", 75, from_text("2026-02-28T23:00:00+08:00")) == 100
    assert iaqi_cn("pm25", "24h", 75, from_text("2026-03-01T00:00:00+08:00")) == 114


def test_hourly_index_needs_all_six_unless_above_100() -> None:
    assert aqi_cn_hourly(NOW, 10, 20, 0.5, 60, 50, 35) == 50
    assert aqi_cn_hourly(NOW, 10, 20, 0.5, None, 50, 35) is None
    assert aqi_cn_hourly(NOW, None, None, None, None, None, 75) == 114
    assert aqi_cn_hourly(NOW, None, None, None, None, None, None) is None
    assert aqi_cn_hourly(NOW, 0, 0, 0, 0, 0, 0) == 1


def test_primary_pollutant_and_grade() -> None:
    assert cn_primary({"pm25": 120, "pm10": 120, "o3": 30}) == ["pm10", "pm25"]
    assert cn_primary({"pm25": 50}) == []
    assert cn_grade(201).english == "heavy pollution"
    assert cn_grade(100).name == "良"


def test_us_limits_of_the_tables() -> None:
    assert aqi_us("o3", "8h", 0.201) is None
    assert aqi_us("o3", "1h", 0.124) is None
    assert aqi_us("so2", "1h", 400) == 200
    assert aqi_us("so2", "24h", 604) == 300


def test_eu_is_the_worst_band() -> None:
    assert eaqi({"pm25": 4, "o3": 181}) == 6
    assert eaqi({}) is None


@pytest.mark.parametrize(
    ("f", "humidity", "expected"), [(90, 60, 99.68), (100, 50, 118.32), (86, 90, 105.39), (95, 10, 89.45)]
)
def test_heat_index(f: float, humidity: float, expected: float) -> None:
    assert heat_index((f - 32) * 5 / 9, humidity) * 9 / 5 + 32 == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("wind", "force"), [(0.2, 0), (10.8, 6), (17.1, 7), (17.2, 8), (32.6, 11), (32.7, 12), (80, 17)]
)
def test_beaufort(wind: float, force: int) -> None:
    assert beaufort(wind) == force
