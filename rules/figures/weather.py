"""Weather figures as pure functions: heat index, WBGT, Beaufort force."""

from __future__ import annotations

from math import sqrt


def heat_index(temperature_c: float, humidity_pct: float) -> float:
    """The heat index in °C: Rothfusz regression with both adjustments, the simple form below 80 °F (NWS, wpc.ncep.noaa.gov)."""
    t, r = temperature_c * 9 / 5 + 32, humidity_pct
    simple = 0.5 * (t + 61 + (t - 68) * 1.2 + r * 0.094)
    if (simple + t) / 2 < 80:
        return (simple - 32) * 5 / 9
    hi = (
        -42.379 + 2.04901523 * t + 10.14333127 * r - 0.22475541 * t * r - 0.00683783 * t * t - 0.05481717 * r * r
        + 0.00122874 * t * t * r + 0.00085282 * t * r * r - 0.00000199 * t * t * r * r
    )  # fmt: skip
    if r < 13 and 80 <= t <= 112:
        hi -= (13 - r) / 4 * sqrt((17 - abs(t - 95)) / 17)
    elif r > 85 and 80 <= t <= 87:
        hi += (r - 85) / 10 * (87 - t) / 5
    return (hi - 32) * 5 / 9


def wbgt_outdoor(natural_wet_bulb_c: float, globe_c: float, air_c: float) -> float:
    """Wet-bulb globe temperature with sun, °C: 0.7 Tnw + 0.2 Tg + 0.1 Ta (ISO 7243)."""
    return 0.7 * natural_wet_bulb_c + 0.2 * globe_c + 0.1 * air_c


def wbgt_indoor(natural_wet_bulb_c: float, globe_c: float) -> float:
    """Wet-bulb globe temperature without sun, °C: 0.7 Tnw + 0.3 Tg (ISO 7243)."""
    return 0.7 * natural_wet_bulb_c + 0.3 * globe_c


_BEAUFORT = (0.3, 1.6, 3.4, 5.5, 8.0, 10.8, 13.9, 17.2, 20.8, 24.5, 28.5, 32.7, 37.0, 41.5, 46.2, 51.0, 56.1)
"""Lowest wind of forces 1 to 17, m/s (GB/T 28591-2012)."""


def beaufort(wind_mps: float) -> float:
    """The wind force, 0 to 17."""
    return float(sum(wind_mps >= lower for lower in _BEAUFORT))
