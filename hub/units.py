"""Units of measurement: UCUM spellings (and the everyday ones people type), their dimensions and conversion.

A unit is a factor and an offset to the base unit of its dimension: `base = value * factor + offset`. Concentrations
by volume (ppm, ppb) are a dimension of their own, because turning them into mg/m3 needs the substance.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple


class Unit(NamedTuple):
    dimension: str
    factor: float
    offset: float = 0.0


class UnitError(ValueError):
    """A unit that is not known, or a conversion between dimensions; the message is fit to show to people."""


_UNITS: dict[str, Unit] = {
    # plain numbers and shares
    "1": Unit("share", 1.0),
    "": Unit("share", 1.0),
    "%": Unit("share", 0.01),
    "%{LEL}": Unit("explosive share", 1.0),
    "%LEL": Unit("explosive share", 1.0),
    "[pH]": Unit("acidity", 1.0),
    "pH": Unit("acidity", 1.0),
    "ppm": Unit("volume share", 1e-6),
    "[ppm]": Unit("volume share", 1e-6),
    "ppb": Unit("volume share", 1e-9),
    "[ppb]": Unit("volume share", 1e-9),
    "count": Unit("count", 1.0),
    "{count}": Unit("count", 1.0),
    "index": Unit("index", 1.0),
    "{index}": Unit("index", 1.0),
    # length and the like
    "um": Unit("length", 1e-6),
    "mm": Unit("length", 1e-3),
    "cm": Unit("length", 1e-2),
    "dm": Unit("length", 1e-1),
    "m": Unit("length", 1.0),
    "km": Unit("length", 1e3),
    "ft": Unit("length", 0.3048),
    "[ft_i]": Unit("length", 0.3048),
    "in": Unit("length", 0.0254),
    "[in_i]": Unit("length", 0.0254),
    "nm": Unit("length", 1852.0),  # the mariner's, as in every AIS document; nobody measures a city in nanometres
    "NM": Unit("length", 1852.0),
    "nmi": Unit("length", 1852.0),
    "[nmi_i]": Unit("length", 1852.0),
    "mi": Unit("length", 1609.344),
    "m2": Unit("area", 1.0),
    "km2": Unit("area", 1e6),
    "ha": Unit("area", 1e4),
    "L": Unit("volume", 1e-3),
    "l": Unit("volume", 1e-3),
    "mL": Unit("volume", 1e-6),
    "m3": Unit("volume", 1.0),
    # time
    "ns": Unit("time", 1e-9),
    "us": Unit("time", 1e-6),
    "ms": Unit("time", 1e-3),
    "s": Unit("time", 1.0),
    "min": Unit("time", 60.0),
    "h": Unit("time", 3600.0),
    "d": Unit("time", 86400.0),
    "day": Unit("time", 86400.0),
    "wk": Unit("time", 604800.0),
    "Hz": Unit("frequency", 1.0),
    "1/s": Unit("frequency", 1.0),
    "1/min": Unit("frequency", 1 / 60),
    "1/h": Unit("frequency", 1 / 3600),
    "beat/min": Unit("frequency", 1 / 60),
    # motion
    "m/s": Unit("speed", 1.0),
    "cm/s": Unit("speed", 1e-2),
    "mm/s": Unit("speed", 1e-3),
    "km/h": Unit("speed", 1 / 3.6),
    "kn": Unit("speed", 1852 / 3600),
    "[kn_i]": Unit("speed", 1852 / 3600),
    "mph": Unit("speed", 0.44704),
    "mm/h": Unit("speed", 1e-3 / 3600),
    "mm/min": Unit("speed", 1e-3 / 60),
    "mm/d": Unit("speed", 1e-3 / 86400),
    "cm/min": Unit("speed", 1e-2 / 60),
    "cm/h": Unit("speed", 1e-2 / 3600),
    "m/min": Unit("speed", 1 / 60),
    "m/h": Unit("speed", 1 / 3600),
    "m/d": Unit("speed", 1 / 86400),
    "ft/h": Unit("speed", 0.3048 / 3600),
    "in/h": Unit("speed", 0.0254 / 3600),
    "m/s2": Unit("acceleration", 1.0),
    "cm/s2": Unit("acceleration", 1e-2),
    "Gal": Unit("acceleration", 1e-2),
    "gal": Unit("acceleration", 1e-2),
    "g{acc}": Unit("acceleration", 9.80665),
    "[g]": Unit("acceleration", 9.80665),
    "deg": Unit("angle", 1.0),
    "rad": Unit("angle", 57.29577951308232),
    "mrad": Unit("angle", 0.05729577951308232),
    "deg/s": Unit("turn rate", 60.0),
    "deg/min": Unit("turn rate", 1.0),
    # matter
    "g": Unit("mass", 1e-3),
    "mg": Unit("mass", 1e-6),
    "kg": Unit("mass", 1.0),
    "t": Unit("mass", 1e3),
    "ug/m3": Unit("concentration", 1e-6),
    "mg/m3": Unit("concentration", 1e-3),
    "ng/m3": Unit("concentration", 1e-9),
    "g/m3": Unit("concentration", 1.0),
    "mg/L": Unit("concentration", 1.0),
    "ug/L": Unit("concentration", 1e-3),
    "ng/L": Unit("concentration", 1e-6),
    "g/L": Unit("concentration", 1e3),
    "kg/m3": Unit("concentration", 1e3),
    "mol/m3": Unit("molarity", 1.0),
    "mmol/L": Unit("molarity", 1.0),
    "NTU": Unit("turbidity", 1.0),
    "FNU": Unit("turbidity", 1.0),
    "{NTU}": Unit("turbidity", 1.0),
    "1/L": Unit("density of things", 1e3),
    "Bq/L": Unit("radioactivity", 1.0),
    "{PCU}": Unit("water colour", 1.0),
    "t/km2/mo": Unit("dustfall", 1.0),
    "MPN/L": Unit("density of things", 1e3),
    # weather and plant
    "K": Unit("temperature", 1.0),
    "Cel": Unit("temperature", 1.0, 273.15),
    "degC": Unit("temperature", 1.0, 273.15),
    "°C": Unit("temperature", 1.0, 273.15),
    "[degF]": Unit("temperature", 5 / 9, 459.67 * 5 / 9),
    "degF": Unit("temperature", 5 / 9, 459.67 * 5 / 9),
    "Pa": Unit("pressure", 1.0),
    "hPa": Unit("pressure", 1e2),
    "mbar": Unit("pressure", 1e2),
    "kPa": Unit("pressure", 1e3),
    "MPa": Unit("pressure", 1e6),
    "bar": Unit("pressure", 1e5),
    "psi": Unit("pressure", 6894.757293168),
    "m[H2O]": Unit("pressure", 9806.65),
    "mH2O": Unit("pressure", 9806.65),
    "m3/s": Unit("flow", 1.0),
    "m3/h": Unit("flow", 1 / 3600),
    "m3/d": Unit("flow", 1 / 86400),
    "L/s": Unit("flow", 1e-3),
    "L/min": Unit("flow", 1e-3 / 60),
    "L/h": Unit("flow", 1e-3 / 3600),
    "ft3/s": Unit("flow", 0.028316846592),
    "cfs": Unit("flow", 0.028316846592),
    "lx": Unit("illuminance", 1.0),
    "lux": Unit("illuminance", 1.0),
    "W/m2": Unit("irradiance", 1.0),
    "%/m": Unit("obscuration", 1.0),
    # electricity, radio and sound
    "V": Unit("voltage", 1.0),
    "mV": Unit("voltage", 1e-3),
    "kV": Unit("voltage", 1e3),
    "A": Unit("current", 1.0),
    "mA": Unit("current", 1e-3),
    "kA": Unit("current", 1e3),
    "W": Unit("power", 1.0),
    "kW": Unit("power", 1e3),
    "MW": Unit("power", 1e6),
    "var": Unit("reactive power", 1.0),
    "kvar": Unit("reactive power", 1e3),
    "VA": Unit("apparent power", 1.0),
    "kVA": Unit("apparent power", 1e3),
    "Wh": Unit("energy", 3600.0),
    "kWh": Unit("energy", 3.6e6),
    "MWh": Unit("energy", 3.6e9),
    "J": Unit("energy", 1.0),
    "kJ": Unit("energy", 1e3),
    "MJ": Unit("energy", 1e6),
    "Ohm": Unit("resistance", 1.0),
    "ohm": Unit("resistance", 1.0),
    "kOhm": Unit("resistance", 1e3),
    "MOhm": Unit("resistance", 1e6),
    "uS/cm": Unit("conductivity", 1e-4),
    "mS/cm": Unit("conductivity", 1e-1),
    "S/m": Unit("conductivity", 1.0),
    "mS/m": Unit("conductivity", 1e-3),
    "dBm": Unit("radio level", 1.0),
    "dBW": Unit("radio level", 1.0, 30.0),
    "dB": Unit("ratio level", 1.0),
    "dBA": Unit("sound level", 1.0),
    "dB[SPL]": Unit("sound level", 1.0),
    "r/min": Unit("rotation", 1.0),
    "rpm": Unit("rotation", 1.0),
    "N.m": Unit("torque", 1.0),
    "N": Unit("force", 1.0),
    "kN": Unit("force", 1e3),
    "Bq": Unit("activity", 1.0),
    "uSv/h": Unit("dose rate", 1e-6),
    "nSv/h": Unit("dose rate", 1e-9),
    "Gy/h": Unit("dose rate", 1.0),
    "um/m": Unit("strain", 1e-6),
    "%RH": Unit("share", 0.01),
    "%EL": Unit("share", 0.01),
    "/": Unit("share", 1.0),
}


@cache
def unit(symbol: str) -> Unit:
    """The unit of that symbol. Raises `UnitError` naming the nearest known ones."""
    found = _UNITS.get(symbol) or _UNITS.get(
        symbol.replace("µ", "u").replace("μ", "u").replace("³", "3").replace("²", "2")
    )
    if found is None:
        from difflib import get_close_matches

        near = get_close_matches(symbol, _UNITS, n=3)
        raise UnitError(f"unknown unit {symbol!r}" + (f"; was {' or '.join(near)} meant?" if near else ""))
    return found


@cache
def conversion(source: str, target: str) -> tuple[float, float]:
    """(scale, shift) with `target value = source value * scale + shift`. Raises `UnitError` across dimensions."""
    a, b = unit(source), unit(target)
    if a.dimension != b.dimension:
        raise UnitError(f"{source!r} is a {a.dimension}, {target!r} a {b.dimension}: no conversion between them")
    return a.factor / b.factor, (a.offset - b.offset) / b.factor


def convert(value: float, source: str, target: str) -> float:
    """`value` in unit `source`, expressed in unit `target`."""
    if source == target:
        return value
    scale, shift = conversion(source, target)
    return value * scale + shift
