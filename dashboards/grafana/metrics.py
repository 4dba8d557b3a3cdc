"""What a chart of any one metric needs: where it is stored, its unit in Grafana's words, and its limits."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.grafana.environment import AQI, DEPTH, NO2, O3, OVER_STAGE, PM25, QUALITY
from dashboards.grafana.look import Limits
from dashboards.grafana.utilities import CHLORINE, COD, FREQUENCY, H2S, LEL, OXYGEN, PH, TURBIDITY, VIBRATION
from hub.metrics import vocabulary

GRAFANA: Mapping[str, str] = {
    "ug/m3": "conμgm3", "mg/m3": "conmgm3", "ppm": "ppm", "dBA": "dB", "%": "percent", "Cel": "celsius", "kPa": "pressurekpa", "hPa": "pressurehpa",
    "m/s": "velocityms", "km/h": "velocitykmh", "kn": "velocityknot", "deg": "degree", "m": "suffix:m", "mm": "suffix:mm", "km": "suffix:km", "m3/s": "flowcms",
    "V": "volt", "A": "amp", "kW": "kwatt", "kWh": "kwatth", "Hz": "rothz", "rpm": "rotrpm", "dBm": "dBm", "s": "s", "%LEL": "percent", "[pH]": "pH", "index": "none",
    "count": "none", "1": "none",
}  # fmt: skip
"""UCUM → Grafana's unit; what stands not here is shown as it is written."""
ELSEWHERE = ("hub", "trip", "vehicle", "vessel")
FAMILIES = f"({'|'.join(sorted({metric.family for metric in vocabulary().values()} - set(ELSEWHERE)))})"
"""Of things that stand, the city's own among them. Vehicles and vessels have pages of their own, which not everybody may see."""
UNITS: Mapping[str, str] = {
    name: GRAFANA.get(metric.unit, f"suffix:{metric.unit}")
    for name, metric in sorted(vocabulary().items())
    if metric.type == "number" and metric.family not in ELSEWHERE
}
LIMITS: Mapping[str, Limits] = {
    "aqi": AQI, "pm25": PM25, "o3": O3, "no2": NO2, "over_warning_stage": OVER_STAGE, "water_depth": DEPTH, "turbidity": TURBIDITY,
    "free_chlorine": CHLORINE, "ph": PH, "frequency": FREQUENCY, "methane_lel": LEL, "h2s": H2S, "oxygen": OXYGEN, "vibration": VIBRATION, "cod": COD,
    **{name: limits for name, (_, limits) in QUALITY.items()},
}  # fmt: skip
