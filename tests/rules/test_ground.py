"""Landslides and earthquakes against published values and what the formulas must keep."""

from __future__ import annotations

import numpy
import pytest

from rules.figures.landslide import (
    CAINE_1980,
    GUZZETTI_2008,
    SEATTLE,
    Tanks,
    antecedent_excess_mm,
    exceedance,
    soil_water_step,
)
from rules.figures.seismic import intensity_cn, intensity_jma, jma_class, jma_filter, jma_of, recursive_sta_lta


def test_published_thresholds() -> None:
    assert SEATTLE.intensity_mmh(1) / 25.4 == pytest.approx(3.257, abs=5e-4)
    assert GUZZETTI_2008.intensity_mmh(24) == pytest.approx(0.54, abs=0.005)
    assert CAINE_1980.rain_mm(1) == 14.82


def test_the_ratio_is_that_of_the_worst_duration() -> None:
    ratio = exceedance(CAINE_1980)
    assert ratio(14.82, 14.82, 14.82, 14.82, 14.82, 14.82, 14.82) == 1.0
    day = CAINE_1980.rain_mm(24)
    assert ratio(0, 0, 0, 0, 2 * day, 2 * day, 2 * day) == 2.0


def test_antecedent_rain_lowers_what_three_days_may_bring() -> None:
    assert antecedent_excess_mm(88.9, 88.9) == pytest.approx(0)
    assert antecedent_excess_mm(88.9, 188.9) == pytest.approx(67)


def test_steady_rain_fills_the_tanks_to_where_they_drain_as_much() -> None:
    """10 mm/h for ever: 0.12 S1 + 0.1 (S1 - 15) = 10, 0.05 S2 + 0.05 (S2 - 15) = 0.12 S1, 0.01 S3 + 0.01 (S3 - 15) = 0.05 S2."""
    tanks = Tanks()
    for _ in range(5000):
        tanks = soil_water_step(tanks, 10.0, 1.0)
    s1 = 11.5 / 0.22
    s2 = (0.12 * s1 + 0.75) / 0.1
    s3 = (0.05 * s2 + 0.15) / 0.02
    assert tanks == pytest.approx((s1, s2, s3), rel=1e-6)


def test_dry_weather_only_drains() -> None:
    wet = soil_water_step(Tanks(), 100.0, 0.0)
    assert wet.index_mm == 100.0
    day = soil_water_step(wet, 0.0, 24.0)
    assert 0 < soil_water_step(day, 0.0, 24.0).index_mm < day.index_mm < 100
    assert soil_water_step(wet, 5.0, 800.0).index_mm < 5.0, "forgotten after 30 days"


LOWER_BOUNDS = [
    (4.5, 21.9, 1.75), (5.5, 45.3, 3.77), (6.5, 93.7, 8.13), (7.5, 194, 17.5), (8.5, 400, 37.7), (9.5, 828, 81.3)
]  # fmt: skip


@pytest.mark.parametrize(("intensity", "gal", "cms"), LOWER_BOUNDS)
def test_intensity_at_the_lower_bounds_of_the_table(intensity: float, gal: float, cms: float) -> None:
    assert intensity_cn(gal / 100, cms / 100) == pytest.approx(intensity, abs=0.051)
    assert intensity_cn(gal / 100, None) == pytest.approx(intensity, abs=0.051)


def test_intensity_takes_velocity_from_six_on() -> None:
    assert intensity_cn(2.0, 0.06) == round(3 * -1.2218487496 + 9.77, 1)
    assert intensity_cn(0.3, 0.06) == round((3.17 * -0.5228787453 + 6.59 + 3 * -1.2218487496 + 9.77) / 2, 1)
    assert intensity_cn(1e-6, None) == 1.0
    assert intensity_cn(1e6, 1e6) == 12.0
    assert intensity_cn(0.0, None) is None


def test_sta_lta_gives_the_published_values() -> None:
    """ObsPy's own test: seed 815, 100,000 normal numbers, nsta 5, nlta 10."""
    numpy.random.seed(815)
    ratios = recursive_sta_lta(numpy.random.randn(100_000)[:200].tolist(), 5, 10)
    assert ratios[99] == pytest.approx(0.80810165, abs=1e-8)
    assert ratios[100] == pytest.approx(0.75939449, abs=1e-8)


def test_jma_gives_the_published_intensity() -> None:
    """Yonago, 6 October 2000, as the agency published it: a = 127.85 gal, I = 5.1, class 5+."""
    assert jma_of(127.85) == 5.1
    assert jma_class(5.1) == "5+"
    assert [jma_class(value) for value in (0.4, 0.5, 4.4, 4.5, 4.9, 5.0, 5.5, 6.0, 6.5)] == [
        "0", "1", "4", "5-", "5-", "5+", "6-", "6+", "7",
    ]  # fmt: skip


def test_jma_filters_by_hand() -> None:
    """1 Hz: sqrt(1/1) * (1 + 0.00694 + 0.0000241 + …)^-1/2 * sqrt(1 - e^-8); 10 Hz: y = 1, the sum of all coefficients."""
    one, ten, none = jma_filter(numpy.array([1.0, 10.0, 0.0]))
    assert one == pytest.approx((1 + 0.00694 + 0.0000241 + 0.0000000557) ** -0.5 * (1 - numpy.exp(-8)) ** 0.5, rel=1e-6)
    assert ten == pytest.approx(
        0.1**0.5 * (1 + 0.694 + 0.241 + 0.0557 + 0.009664 + 0.00134 + 0.000155) ** -0.5, rel=1e-6
    )
    assert none == 0


def test_jma_of_a_steady_shake_is_that_of_its_filtered_height() -> None:
    time = numpy.arange(0, 60, 0.01)
    wave = (100 * numpy.sin(2 * numpy.pi * time)).tolist()
    still = [0.0] * len(wave)
    assert intensity_jma([wave, still, still], 100) == jma_of(100 * float(jma_filter(numpy.array([1.0]))[0]))
    assert intensity_jma([still, still, still], 100) is None
    assert intensity_jma([[1.0] * 10] * 3, 100) is None, "shorter than 0.3 s"
