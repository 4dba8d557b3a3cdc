"""Derived figures that expressions may call: each a pure function with the units of its arguments and result."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rules import aqi, weather


class Derived(NamedTuple):
    """`function` takes numbers in `units`, in that order; with `takes_missing` some may be None, and the observed time
    (ns) comes first where `dated`. It may answer None: not known."""

    function: Callable[..., float | None]
    units: tuple[str, ...]
    result: str
    usage: str
    takes_missing: bool = False
    dated: bool = False


def _iaqi(pollutant: str, averaging: str) -> Callable[..., float | None]:
    def index(at: int, concentration: float) -> float | None:
        found = aqi.iaqi_cn(pollutant, averaging, concentration, at)
        return None if found is None else float(found)

    return index


FUNCTIONS: dict[str, Derived] = {
    "aqi_cn_hourly": Derived(
        aqi.aqi_cn_hourly, ("ug/m3", "ug/m3", "mg/m3", "ug/m3", "ug/m3", "ug/m3"), "index",
        "aqi_cn_hourly(so2, no2, co, o3, pm10, pm25)", takes_missing=True, dated=True,
    ),
    "iaqi_cn_pm25": Derived(_iaqi("pm25", "24h"), ("ug/m3",), "index", "iaqi_cn_pm25(pm25)", dated=True),
    "iaqi_cn_pm10": Derived(_iaqi("pm10", "24h"), ("ug/m3",), "index", "iaqi_cn_pm10(pm10)", dated=True),
    "iaqi_cn_o3": Derived(_iaqi("o3", "1h"), ("ug/m3",), "index", "iaqi_cn_o3(o3)", dated=True),
    "iaqi_cn_so2": Derived(_iaqi("so2", "1h"), ("ug/m3",), "index", "iaqi_cn_so2(so2)", dated=True),
    "iaqi_cn_no2": Derived(_iaqi("no2", "1h"), ("ug/m3",), "index", "iaqi_cn_no2(no2)", dated=True),
    "iaqi_cn_co": Derived(_iaqi("co", "1h"), ("mg/m3",), "index", "iaqi_cn_co(co)", dated=True),
    "heat_index": Derived(weather.heat_index, ("Cel", "%"), "Cel", "heat_index(air_temperature, relative_humidity)"),
    "wbgt_outdoor": Derived(
        weather.wbgt_outdoor, ("Cel", "Cel", "Cel"), "Cel",
        "wbgt_outdoor(wet_bulb_temperature, globe_temperature, air_temperature)",
    ),
    "wbgt_indoor": Derived(
        weather.wbgt_indoor, ("Cel", "Cel"), "Cel", "wbgt_indoor(wet_bulb_temperature, globe_temperature)"
    ),
    "beaufort": Derived(weather.beaufort, ("m/s",), "index", "beaufort(wind_speed)"),
}  # fmt: skip
