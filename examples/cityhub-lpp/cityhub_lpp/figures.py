"""A function for rules."""

from __future__ import annotations

from math import log

from cityhub.plugin import Function


def frost_point(temperature: float, humidity: float) -> float | None:
    """Temperature (Cel) at which ice forms out of air of this temperature (Cel) and humidity (%): Magnus' formula over water for the
    vapour pressure and over ice for the point, coefficients of Sonntag (1990)."""
    if humidity <= 0:
        return None
    vapour = log(humidity / 100) + 17.62 * temperature / (243.12 + temperature)
    return 272.62 * vapour / (22.46 - vapour)


FROST_POINT = Function(frost_point, ("Cel", "%"), "Cel", "frost_point(air_temperature, relative_humidity)")
