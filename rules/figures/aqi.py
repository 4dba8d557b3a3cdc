"""Air quality indices as pure functions: China HJ 633-2026 and HJ 633-2012 by date, US EPA 2024 with NowCast, EU 2024.

Concentrations are in the unit that each standard's table states: ug/m3, CO in mg/m3; for the US table gases in ppm
(O3, CO) or ppb (SO2, NO2). Arithmetic is exact (decimal fractions), since the standards round up or truncate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import NamedTuple

from hub.moment import from_text

HJ_633_2026_FROM = from_text("2026-03-01T00:00:00+08:00")
"""HJ 633-2026 is in force for observations from here; HJ 633-2012 is withdrawn."""

# ------------------------------------------------------------------------------------------------ China

_CN_INDEX = (0, 50, 100, 150, 200, 300, 400, 500)
_CN_2026: dict[tuple[str, str], tuple[float, ...]] = {
    ("so2", "24h"): (0, 50, 150, 475, 800, 1600, 2100, 2620),
    ("so2", "1h"): (0, 150, 500, 650, 800),
    ("no2", "24h"): (0, 40, 80, 180, 280, 565, 750, 940),
    ("no2", "1h"): (0, 100, 200, 700, 1200, 2340, 3090, 3840),
    ("co", "24h"): (0, 2, 4, 14, 24, 36, 48, 60),
    ("co", "1h"): (0, 5, 10, 35, 60, 90, 120, 150),
    ("o3", "8h"): (0, 100, 160, 215, 265, 800),
    ("o3", "1h"): (0, 160, 200, 300, 400, 800, 1000, 1200),
    ("pm10", "24h"): (0, 50, 120, 250, 350, 420, 500, 600),
    ("pm25", "24h"): (0, 35, 60, 115, 150, 250, 350, 500),
}
"""HJ 633-2026, Table 3: concentration limits of the individual indices. PM of one hour uses the daily knots."""
_CN_2012 = _CN_2026 | {
    ("pm10", "24h"): (0, 50, 150, 250, 350, 420, 500, 600),
    ("pm25", "24h"): (0, 35, 75, 115, 150, 250, 350, 500),
}
"""HJ 633-2012, Table 1: differs at IAQI 100 of PM10 (150) and PM2.5 (75)."""
_CN_ABOVE_2026 = {("so2", "1h"): 200, ("o3", "8h"): 300}
"""HJ 633-2026, Table 3, notes b and c: the index above the last knot. In 2012 the other averaging time decides."""

CN_POLLUTANTS = ("so2", "no2", "co", "o3", "pm10", "pm25")


def iaqi_cn(pollutant: str, averaging: str, concentration: float, at: int) -> int | None:
    """The individual index (1 to 500) by the edition in force when `at` (ns) was observed.

    Concentrations are rounded by GB/T 8170 (half to even) to whole ug/m3, CO to 0.1 mg/m3; indices are rounded up
    (HJ 633-2026, 4.2.6). None where the edition leaves it to the other averaging time, or the number is negative.
    """
    return _iaqi_cn(pollutant, averaging, float(concentration), at >= HJ_633_2026_FROM)


@lru_cache(maxsize=16_384)
def _iaqi_cn(pollutant: str, averaging: str, concentration: float, current: bool) -> int | None:
    """Exact fractions cost some 20 µs; stations repeat themselves, so remembering saves nearly all of it."""
    key = (pollutant, "24h" if pollutant in ("pm25", "pm10") else averaging)
    knots = (_CN_2026 if current else _CN_2012)[key]
    step = Decimal("0.1") if pollutant == "co" else Decimal(1)
    rounded = Fraction(Decimal(repr(concentration)).quantize(step, ROUND_HALF_EVEN))
    if rounded < 0:
        return None
    if rounded > Fraction(knots[-1]):
        if len(knots) < len(_CN_INDEX):
            return _CN_ABOVE_2026[key] if current else None
        return 500
    return max(1, ceil(_interpolate(rounded, knots, _CN_INDEX)))


def aqi_cn_hourly(
    at: int,
    so2: float | None,
    no2: float | None,
    co: float | None,
    o3: float | None,
    pm10: float | None,
    pm25: float | None,
) -> float | None:
    """The real-time AQI of one hour's means. With a pollutant missing it is known only above 100 (HJ 633-2026, 5.3.1)."""
    values = dict(zip(CN_POLLUTANTS, (so2, no2, co, o3, pm10, pm25), strict=True))
    indices = cn_indices(at, values)
    if not indices:
        return None
    highest = max(indices.values())
    return float(highest) if len(indices) == len(CN_POLLUTANTS) or highest > 100 else None


def cn_indices(at: int, values: Mapping[str, float | None]) -> dict[str, int]:
    """The individual hourly indices of the pollutants that are known."""
    found = {name: iaqi_cn(name, "1h", value, at) for name, value in values.items() if value is not None}
    return {name: index for name, index in found.items() if index is not None}


def cn_primary(indices: Mapping[str, int]) -> list[str]:
    """The primary pollutants: those with the highest index, where that is above 50."""
    highest = max(indices.values(), default=0)
    return sorted(name for name, index in indices.items() if index == highest) if highest > 50 else []


class Grade(NamedTuple):
    """A class of the Chinese index: its upper end, name and colour (HJ 633-2026, Annex A)."""

    upper: int
    name: str
    english: str
    rgb: tuple[int, int, int]


CN_GRADES = (
    Grade(50, "优", "excellent", (0, 228, 0)),
    Grade(100, "良", "good", (255, 255, 0)),
    Grade(150, "轻度污染", "light pollution", (255, 126, 0)),
    Grade(200, "中度污染", "moderate pollution", (255, 0, 0)),
    Grade(300, "重度污染", "heavy pollution", (153, 0, 76)),
    Grade(500, "严重污染", "severe pollution", (126, 0, 35)),
)


def cn_grade(aqi: float) -> Grade:
    """The class of an index."""
    return next((grade for grade in CN_GRADES if aqi <= grade.upper), CN_GRADES[-1])


def _interpolate(value: Fraction, knots: Sequence[float], indices: Sequence[int]) -> Fraction:
    for i in range(1, len(knots)):
        low, high = Fraction(str(knots[i - 1])), Fraction(str(knots[i]))
        if value <= high:
            return indices[i - 1] + (value - low) * (indices[i] - indices[i - 1]) / (high - low)
    raise ValueError("above the last knot")


# ------------------------------------------------------------------------------------------------ United States


class _Scale(NamedTuple):
    """Upper ends of the segments as printed, their indices, and the decimals that concentrations are truncated to."""

    decimals: int
    uppers: tuple[str, ...]
    indices: tuple[int, ...]
    lowest: tuple[str, int] = ("0", 0)


_US_INDEX = (50, 100, 150, 200, 300, 500)
_US_2024: dict[tuple[str, str], _Scale] = {
    ("pm25", "24h"): _Scale(1, ("9.0", "35.4", "55.4", "125.4", "225.4", "325.4"), _US_INDEX),
    ("pm10", "24h"): _Scale(0, ("54", "154", "254", "354", "424", "604"), _US_INDEX),
    ("o3", "8h"): _Scale(3, (".054", ".070", ".085", ".105", ".200"), _US_INDEX[:5]),
    ("o3", "1h"): _Scale(3, (".164", ".204", ".404", ".604"), (150, 200, 300, 500), (".125", 101)),
    ("co", "8h"): _Scale(1, ("4.4", "9.4", "12.4", "15.4", "30.4", "50.4"), _US_INDEX),
    ("so2", "1h"): _Scale(0, ("35", "75", "185", "304"), _US_INDEX[:4]),
    ("so2", "24h"): _Scale(0, ("604", "1004"), (300, 500), ("305", 201)),
    ("no2", "1h"): _Scale(0, ("53", "100", "360", "649", "1249", "2049"), _US_INDEX),
}
"""EPA-454/B-24-002 (May 2024), Table 6."""
_US_2012: dict[tuple[str, str], _Scale] = {
    ("pm25", "24h"): _Scale(
        1, ("12.0", "35.4", "55.4", "150.4", "250.4", "350.4", "500.4"), (50, 100, 150, 200, 300, 400, 500)
    ),
    ("o3", "8h"): _Scale(3, (".059", ".075", ".095", ".115", ".374"), _US_INDEX[:5]),
}
"""The table before 6 May 2024, for observations of its time."""
US_2024_FROM = from_text("2024-05-06T00:00:00-04:00")
_NO_EXTRAPOLATION = {("o3", "8h"), ("so2", "1h")}


def aqi_us(pollutant: str, averaging: str, concentration: float, at: int | None = None) -> int | None:
    """The US index: truncate, interpolate within the segment, round half up; beyond the last segment extrapolate.

    O3 of 8 h above 0.200 ppm has no index (the 1-h value decides); SO2 of 1 h above 304 ppb stays at 200 unless the
    24-h mean says more. `at` (ns) chooses the edition, None the present one.
    """
    key = (pollutant, averaging)
    table = _US_2012 if at is not None and at < US_2024_FROM and key in _US_2012 else _US_2024
    scale = table[key]
    step = Decimal(1).scaleb(-scale.decimals)
    value = Decimal(repr(float(concentration))).quantize(step, ROUND_DOWN)
    low, index = Decimal(scale.lowest[0]), scale.lowest[1]
    if value < low:
        return None
    for position, (upper, top) in enumerate(zip(scale.uppers, scale.indices, strict=True)):
        high = Decimal(upper)
        last = position == len(scale.uppers) - 1
        if value <= high or (last and key not in _NO_EXTRAPOLATION):
            exact = index + Fraction(value - low) * (top - index) / Fraction(high - low)
            return floor(exact + Fraction(1, 2))
        low, index = high + step, top + 1
    return 200 if key == ("so2", "1h") else None


def nowcast(hours: Sequence[float | None]) -> float | None:
    """The PM NowCast of the last 12 hourly means, newest first, None for a missing hour; truncated to 0.1.

    w = max(0.5, min/max), weights w^i for i hours ago; at least two of the newest three hours must be there
    (EPA-454/B-24-002, May 2024).
    """
    recent = list(hours[:12])
    known = [value for value in recent if value is not None]
    if sum(value is not None for value in recent[:3]) < 2:
        return None
    highest, lowest = max(known), min(known)
    weight = 1.0 if highest <= 0 else max(0.5, 1 - (highest - lowest) / highest)
    above = sum(weight**i * value for i, value in enumerate(recent) if value is not None)
    below = sum(weight**i for i, value in enumerate(recent) if value is not None)
    return floor(round(above / below, 9) * 10) / 10


# ------------------------------------------------------------------------------------------------ Europe

_EU_2024: dict[str, tuple[float, ...]] = {
    "pm25": (5, 15, 50, 90, 140),
    "pm10": (15, 45, 120, 195, 270),
    "no2": (10, 25, 60, 100, 150),
    "o3": (60, 100, 120, 160, 180),
    "so2": (20, 40, 125, 190, 275),
}
"""European Air Quality Index, revision of 2024 (ETC HE Report 2024/17): upper ends of bands 1 to 5, hourly, ug/m3."""
EU_COLOURS = ("50f0e6", "50ccaa", "f0e641", "ff5050", "960032", "7d2181")


def band_eu(pollutant: str, concentration: float) -> int:
    """The band, 1 (good) to 6 (extremely poor) of one pollutant's hourly mean."""
    return 1 + sum(concentration > upper for upper in _EU_2024[pollutant])


def eaqi(values: Mapping[str, float]) -> int | None:
    """The European index: the worst band of the pollutants that are known."""
    return max((band_eu(name, value) for name, value in values.items() if name in _EU_2024), default=None)
