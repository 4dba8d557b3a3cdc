"""Weather and water that stations broadcast in AIS message 8: DAC 1, FID 31 (IMO SN.1/Circ.289) and its forerunner
FID 11 (IMO SN/Circ.236).

Only values inside the range the circular gives a meaning to are data; everything beyond says "not available",
"reserved" or "or more".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hub.model import Position, Reading
from hub.moment import SECOND, from_datetime
from hub.units import convert

DAY = 86_400 * SECOND

FIELDS = (
    # metric, pyais's field, lowest, highest, unit on the wire, unit of the metric
    ("wind_speed", "wspeed", 0, 120, "kn", "m/s"),
    ("wind_gust", "wgust", 0, 120, "kn", "m/s"),
    ("wind_direction", "wdir", 0, 359, "deg", "deg"),
    ("air_temperature", "airtemp", -60, 60, "Cel", "Cel"),
    ("relative_humidity", "humidity", 0, 100, "%", "%"),
    ("dew_point", "dewpoint", -20, 50, "Cel", "Cel"),
    ("air_pressure", "pressure", 800, 1200, "hPa", "hPa"),
    ("visibility", "visibility", 0, None, "NM", "m"),
    ("water_level", "waterlevel", -10, 30, "m", "m"),
    ("water_temperature", "watertemp", -10, 50, "Cel", "Cel"),
)
VISIBILITY_MAX_NM = {11: 25.0, 31: 12.6}


def fill_weather(m: Any, reading: Reading) -> None:
    """Add what a weather broadcast tells; other binary broadcasts add nothing.

    One sender speaks for many weather stations (the Swedish authority does so for all of its coast), so the place is
    part of the device's name: `ais:002655619@59.6638N18.9320E`.
    """
    if getattr(m, "dac", None) != 1 or getattr(m, "fid", None) not in VISIBILITY_MAX_NM or not hasattr(m, "wspeed"):
        return
    for metric, field, lowest, highest, wire, unit in FIELDS:
        value = getattr(m, field)
        most = VISIBILITY_MAX_NM[m.fid] if highest is None else highest
        if value is not None and lowest <= value <= most:
            reading.values[metric] = value if wire == unit else round(convert(value, wire, unit), 3)
    if not reading.values:
        return
    if m.lon is not None and m.lat is not None and abs(m.lon) <= 180 and abs(m.lat) <= 90:
        reading.position = Position(m.lon, m.lat)
        reading.device = f"{reading.device}@{_place(m.lat, 'NS')}{_place(m.lon, 'EW')}"
    reading.kind = "weather-station"
    if reading.observed_at is not None:
        reading.observed_at = _moment(m.day, m.hour, m.minute, reading.observed_at)


def _place(degrees: float, sides: str) -> str:
    return f"{abs(degrees):.4f}{sides[degrees < 0]}"


def _moment(day: int, hour: int, minute: int, heard: int) -> int:
    """The moment nearest to `heard` with this day of the month, hour and minute; `heard` where they are not told."""
    now = datetime.fromtimestamp(heard // SECOND, UTC)
    candidates = []
    for months in (-1, 0, 1):
        year, month = divmod(now.year * 12 + now.month - 1 + months, 12)
        try:
            candidates.append(from_datetime(datetime(year, month + 1, day, hour, minute, tzinfo=UTC)))
        except ValueError:
            continue
    return min(candidates, key=lambda at: abs(at - heard), default=heard)
