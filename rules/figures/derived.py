"""Derived figures that expressions may call: each a pure function with the units of its arguments and result."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import NamedTuple

from hub.extensions import working
from hub.units import UnitError, unit
from rules.figures import aqi, driving, landslide, seismic, weather

LARGEST = 1e100
"""No figure of a sensor is larger: what a formula gives beyond it says nothing."""


class Derived(NamedTuple):
    """`function` takes numbers in `units`, in that order; with `takes_missing` some may be None, and the observed time
    (ns) comes first where `dated`. It may answer None: not known. In `FUNCTIONS` it never raises and never answers
    infinity: what cannot be computed of absurd numbers is not known. Packages bring their own by `cityhub.functions`: an entry point
    names one, or a mapping of name → function."""

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


def _us(pollutant: str, averaging: str, per_unit: float = 1.0) -> Callable[..., float | None]:
    """The US index of a mean; `per_unit` turns the vocabulary's unit into that of the table."""

    def index(at: int, concentration: float) -> float | None:
        found = aqi.aqi_us(pollutant, averaging, max(0.0, concentration * per_unit), at)
        return None if found is None else float(found)

    return index


def _band_eu(
    pm25: float | None, pm10: float | None, no2: float | None, o3: float | None, so2: float | None
) -> float | None:
    """The European index of one hour's means: the worst band of those that are known."""
    values = {"pm25": pm25, "pm10": pm10, "no2": no2, "o3": o3, "so2": so2}
    band = aqi.eaqi({name: value for name, value in values.items() if value is not None})
    return None if band is None else float(band)


_RAIN_SUMS = ("mm",) * len(landslide.DURATIONS_H)
_RAIN_USAGE = "(" + ", ".join(f"sum(rainfall, {h:g} h)" for h in landslide.DURATIONS_H) + ")"
_PPB_PER_UGM3 = {"o3": 24.465 / 47.998, "no2": 24.465 / 46.006, "so2": 24.465 / 64.066}
_PPM_PER_MGM3_CO = 24.465 / 28.010
"""Molar volume at 298.15 K and 1013.25 hPa, to which US volume shares refer, over molar mass."""


def _known_or_none(function: Callable[..., float | None]) -> Callable[..., float | None]:
    """The function, whose answer is None where the numbers are beyond what it can compute with."""

    @wraps(function)
    def known(*arguments: float | None) -> float | None:
        try:
            answer = function(*arguments)
        except MemoryError:
            raise
        except Exception:  # no decimal of 1e300, no root of less than 0; and a foreign formula may raise anything
            return None
        if not isinstance(answer, int | float):  # None, or what is no number: 1j
            return None
        return answer if -LARGEST <= answer <= LARGEST else None

    return known


FORMULAS: dict[str, Derived] = {
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
    "aqi_us_pm25": Derived(_us("pm25", "24h"), ("ug/m3",), "index", "aqi_us_pm25(nowcast(pm25, 12 h))", dated=True),
    "aqi_us_pm10": Derived(_us("pm10", "24h"), ("ug/m3",), "index", "aqi_us_pm10(nowcast(pm10, 12 h))", dated=True),
    "aqi_us_o3_8h": Derived(
        _us("o3", "8h", _PPB_PER_UGM3["o3"] / 1000), ("ug/m3",), "index", "aqi_us_o3_8h(mean(o3, 8 h))", dated=True
    ),
    "aqi_us_o3_1h": Derived(
        _us("o3", "1h", _PPB_PER_UGM3["o3"] / 1000), ("ug/m3",), "index", "aqi_us_o3_1h(mean(o3, 1 h))", dated=True
    ),
    "aqi_us_no2": Derived(
        _us("no2", "1h", _PPB_PER_UGM3["no2"]), ("ug/m3",), "index", "aqi_us_no2(mean(no2, 1 h))", dated=True
    ),
    "aqi_us_so2": Derived(
        _us("so2", "1h", _PPB_PER_UGM3["so2"]), ("ug/m3",), "index", "aqi_us_so2(mean(so2, 1 h))", dated=True
    ),
    "aqi_us_co": Derived(_us("co", "8h", _PPM_PER_MGM3_CO), ("mg/m3",), "index", "aqi_us_co(mean(co, 8 h))", dated=True),
    "band_eu": Derived(
        _band_eu, ("ug/m3", "ug/m3", "ug/m3", "ug/m3", "ug/m3"), "index", "band_eu(pm25, pm10, no2, o3, so2)",
        takes_missing=True,
    ),
    "cornering": Derived(driving.cornering, ("km/h", "deg", "s"), "m/s2", "cornering(speed, delta(course, 2 s), 2 s)"),
    "angle_between": Derived(driving.angle_between, ("deg", "deg"), "deg", "angle_between(course, zone.heading_deg)"),
    "caine_ratio": Derived(
        landslide.exceedance(landslide.CAINE_1980), _RAIN_SUMS, "index", "caine_ratio" + _RAIN_USAGE
    ),
    "seattle_ratio": Derived(
        landslide.exceedance(landslide.SEATTLE), _RAIN_SUMS, "index", "seattle_ratio" + _RAIN_USAGE
    ),
    "antecedent_excess": Derived(
        landslide.antecedent_excess_mm, ("mm", "mm"), "mm",
        "antecedent_excess(sum(rainfall, 3 d), sum(rainfall, 18 d))",
    ),
    "intensity_cn": Derived(seismic.intensity_cn, ("m/s2", "m/s"), "index", "intensity_cn(pga, pgv)", takes_missing=True),
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

FUNCTIONS: dict[str, Derived] = {
    name: spec._replace(function=_known_or_none(spec.function)) for name, spec in FORMULAS.items()
}
"""What expressions may call. `functions()` adds those of other packages."""
ORIGINS: dict[str, str] = {}
"""Function of another package → that package and its version."""


@cache
def functions() -> Mapping[str, Derived]:
    """`FUNCTIONS`, complete. Called where a name is looked up, not at import: a package's module may import this one."""
    for extension, thing in working("functions", _wrong):
        brought: Mapping[str, Derived] = {extension.name: thing} if isinstance(thing, Derived) else thing
        if brought is FORMULAS:
            continue
        taken = sorted(brought.keys() & FUNCTIONS.keys())
        if taken:
            extension.reject(f"the function {taken[0]} is there already")
            continue
        for name, spec in brought.items():
            FUNCTIONS[name] = spec._replace(function=_known_or_none(spec.function))
            ORIGINS[name] = f"{extension.package} {extension.version}"
    return FUNCTIONS


def _wrong(thing: object) -> str:
    """Why this brings no functions, in a sentence."""
    if isinstance(thing, Derived):
        thing = {"x": thing}
    if not isinstance(thing, Mapping) or not all(isinstance(spec, Derived) for spec in thing.values()):
        return "it names neither a cityhub.plugin.Function nor a mapping of them"
    for name, spec in thing.items():
        if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]*", name):
            return f"{name!r} is no name of a function: small letters, digits and _ were meant"
        for symbol in (*spec.units, spec.result):
            try:
                unit(symbol)
            except UnitError as error:
                return f"{name}: {error}"
    return ""
