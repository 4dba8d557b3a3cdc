"""Which Smart Data Model a kind of device is, and how its metrics are called and measured there. Data, and nothing else.

Names, units and ranges: the schemas of smart-data-models.org (dataModel.Environment, dataModel.Weather, dataModel.Alert), as of 2026.
Unit codes: UN/CEFACT Recommendation 20, common codes, as ETSI GS CIM 009 (clause 4.5.2) asks of `unitCode`.
"""

from __future__ import annotations

from collections.abc import Mapping

from hub.model import Value

DEVICE = "Device"
"""The model of what no other is for: each metric by its own name."""
MODELS: Mapping[str, str] = {
    "air-station": "AirQualityObserved",
    "weather-station": "WeatherObserved",
    "rain-gauge": "WeatherObserved",
    "river-gauge": "WaterObserved",
    "tide-gauge": "WaterObserved",
    "underpass-gauge": "WaterObserved",
    "water-plant": "WaterQualityObserved",
    "water-network": "WaterQualityObserved",
    "sewage-plant": "WaterQualityObserved",
    "outfall": "WaterQualityObserved",
}
"""Kind → entity type."""
_WEATHER = {
    "air_temperature": "temperature",
    "relative_humidity": "relativeHumidity",
    "wind_speed": "windSpeed",
    "wind_direction": "windDirection",
    "rainfall": "precipitation",
}
NAMES: Mapping[str, Mapping[str, str]] = {
    "AirQualityObserved": {**_WEATHER, "aqi": "airQualityIndex"},
    "WeatherObserved": {
        **_WEATHER,
        "air_pressure": "atmosphericPressure",
        "dew_point": "dewPoint",
        "solar_radiation": "solarRadiation",
    },
    "WaterObserved": {"water_level": "height", "water_depth": "height", "water_flow": "flow"},
    "WaterQualityObserved": {
        "ph": "pH",
        "water_temperature": "temperature",
        "dissolved_oxygen": "O2",
        "suspended_solids": "tss",
        "chloride": "Cl-",
    },
}
"""Type → metric → attribute of the model. Further metrics keep their name, written as attributes are: `rain_intensity` is `rainIntensity`."""
NOT_BELOW_ZERO = frozenset({"height", "flow"})
"""Attributes whose model allows no less than 0: a level below the datum keeps the name of its metric."""
SHARES, SHARE = frozenset({"relativeHumidity"}), "C62"
"""Told in parts of one, where the hub has percent; and the code of that unit."""
HALF_TURNS = frozenset({"windDirection"})
"""Told from -180 to 180 degrees, where the hub has 0 to 360."""
WHOLE = frozenset({"airQualityIndex"})

UNITS: Mapping[str, str] = {
    "ug/m3": "GQ", "mg/m3": "GP", "mg/L": "M1", "ug/L": "H29", "Cel": "CEL", "%": "P1", "1": "C62", "count": "C62", "index": "C62", "hPa": "A97",
    "kPa": "KPA", "m": "MTR", "mm": "MMT", "km": "KMT", "m/s": "MTS", "mm/s": "C16", "km/h": "KMH", "kn": "KNT", "deg": "DD", "mm/h": "H67", "m3/s": "MQS",
    "m3/h": "MQH", "m3": "MTQ", "L": "LTR", "L/s": "G51", "V": "VLT", "A": "AMP", "kW": "KWT", "kWh": "KWH", "kvar": "KVR", "Hz": "HTZ", "s": "SEC",
    "min": "MIN", "rpm": "RPM", "W/m2": "D54", "ppm": "59", "uS/cm": "G42", "m/s2": "MSK", "dBm": "DBM",
}  # fmt: skip
"""Unit of the hub's vocabulary → common code; a unit without one is told in no `unitCode`."""

SEVERITY: Mapping[str, str] = {"blue": "low", "yellow": "medium", "orange": "high", "red": "critical"}
CATEGORY: Mapping[str, tuple[str, str | None]] = {
    "air-cn": ("environment", "airPollution"),
    "air-us": ("environment", "airPollution"),
    "water-quality": ("environment", "waterPollution"),
    "flood": ("naturalDisaster", "flood"),
    "underpass": ("naturalDisaster", "flood"),
    "dam-bridge": ("security", None),
    "landslide": ("naturalDisaster", None),
    "earthquake": ("naturalDisaster", "earthquake"),
    "weather-cn": ("weather", None),
    "fire": ("security", "buildingFire"),
    "gas-safety": ("security", None),
    "traffic": ("traffic", "trafficJam"),
    "fleet": ("traffic", None),
    "maritime": ("traffic", None),
}
"""Pack → category and, where one of the model's fits all of the pack's warnings, its sub-category."""
OTHER = ("environment", None)
"""Of what the model has no word for."""


def attribute(model: str, metric: str, value: Value) -> str:
    """How a value of the metric is called in an entity of this type."""
    name = NAMES.get(model, {}).get(metric)
    if name is None or (name in NOT_BELOW_ZERO and isinstance(value, int | float) and value < 0):
        first, *rest = metric.split("_")
        return first + "".join(word[:1].upper() + word[1:] for word in rest)
    return name


def measured(name: str, value: Value) -> Value:
    """The value as the model measures it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if name in SHARES:
        return round(value / 100, 6)
    if name in HALF_TURNS:
        return round((value + 180) % 360 - 180, 6) if value != 180 else 180
    return round(value) if name in WHOLE else value
