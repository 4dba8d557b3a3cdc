"""What an expression can be, and in which unit.

`hub.units` names dimensions without an algebra; the little that rules need is here: a quantity per time
(`rate(pm25, 1 h) > 50 ug/m3/h`), differences of temperatures, and attributes whose suffix names their unit.
"""

from __future__ import annotations

from typing import NamedTuple

from hub.moment import SECOND, largest_unit
from hub.units import Unit, UnitError, unit

PER_TIME = {"length": "speed", "speed": "acceleration", "angle": "turn rate", "volume": "flow", "energy": "power"}
"""Dimensions whose quotient by time has a name of its own in `hub.units`."""

UNITLESS = {"share", "count", "index", "acidity"}
"""Dimensions in which a bare number is understood (a `%` must still be written)."""

_BASE_FACTOR = {"turn rate": 60.0}
"""Named per-time dimensions whose base unit is not (base of the quantity) per second, in units per base/s."""

SUFFIXES = {
    "m": "m", "cm": "cm", "mm": "mm", "km": "km", "ft": "ft", "s": "s", "min": "min", "h": "h", "d": "d",
    "kmh": "km/h", "mps": "m/s", "kn": "kn", "deg": "deg", "v": "V", "kv": "kV", "a": "A", "kw": "kW", "hz": "Hz",
    "pct": "%", "lel": "%LEL", "mgl": "mg/L", "mgm3": "mg/m3", "ugm3": "ug/m3", "ppm": "ppm", "cel": "Cel",
    "pa": "Pa", "kpa": "kPa", "mpa": "MPa", "m3s": "m3/s", "m3h": "m3/h", "mmh": "mm/h", "mms": "mm/s", "mps2": "m/s2",
    "ms2": "m/s2", "l": "L", "kg": "kg", "t": "t", "ntu": "NTU", "kn_force": "kN",
}  # fmt: skip
"""What the last part of an attribute's name says about its unit: `warning_level_m`, `speed_limit_kmh`."""


class Type(NamedTuple):
    """`kind` is number, flag, text, texts or "?" (a mistake was already reported). Numbers have a unit."""

    kind: str
    unit: Unit = Unit("share", 1.0)
    symbol: str = ""
    dimension: str = ""
    """The dimension compared by; differs from the unit's for temperature differences."""

    def shown(self) -> str:
        if self.kind != "number":
            return f"a {self.kind}"
        return f"a {self.dimension} ({self.symbol})" if self.symbol else f"a {self.dimension}"


UNKNOWN = Type("?")
FLAG = Type("flag")
TEXT = Type("text")
TEXTS = Type("texts")
NUMBER = Type("number", Unit("share", 1.0), "", "share")
COUNT = Type("number", Unit("count", 1.0), "", "count")
SECONDS = Type("number", Unit("time", 1.0), "s", "time")


def quantity(symbol: str) -> Type:
    """The type of a number in that unit, composites such as `ug/m3/h` included. Raises `UnitError`."""
    try:
        found = unit(symbol)
        return Type("number", found, symbol, found.dimension)
    except UnitError:
        head, slash, tail = symbol.rpartition("/")
        if slash and tail in ("s", "min", "h", "d"):
            try:
                return per_time(quantity(head), tail)
            except UnitError:
                pass
        raise


def per_time(of: Type, time: str = "s") -> Type:
    """The type of `of` divided by a time."""
    seconds = unit(time).factor
    symbol = f"{of.symbol or '1'}/{time}"
    base = "temperature" if of.dimension == "temperature difference" else of.dimension
    named = PER_TIME.get(base)
    dimension = named or f"{base} per time"
    factor = of.unit.factor / seconds * _BASE_FACTOR.get(dimension, 1.0)
    return Type("number", Unit(dimension, factor), symbol, dimension)


def difference(of: Type) -> Type:
    """The type of a difference of two values of type `of`: a temperature loses its zero point."""
    if of.dimension == "temperature":
        return Type(
            "number",
            Unit("temperature difference", of.unit.factor),
            "K" if of.unit.factor == 1.0 else of.symbol,
            "temperature difference",
        )
    return of


def attribute_unit(name: str) -> str | None:
    """The unit that an attribute's name ends in, None where it names none."""
    _, underscore, suffix = name.rpartition("_")
    return SUFFIXES.get(suffix) if underscore else None


def scale(source: Type, target: Type) -> tuple[float, float] | None:
    """(factor, shift) that turns numbers of `source` into `target`'s unit; None where they do not fit."""
    a, b = source.dimension, target.dimension
    if a != b:
        if {a, b} == {"temperature", "temperature difference"}:
            return source.unit.factor / target.unit.factor, 0.0
        return None
    shift = (source.unit.offset - target.unit.offset) / target.unit.factor
    return source.unit.factor / target.unit.factor, shift


def tidy(value: float) -> float:
    """`value` without the last bits that unit conversion adds: 35 cm is 0.35 m, not 0.35000000000000003."""
    return float(f"{value:.12g}")


MAX_DURATION_NS = 366 * 86400 * SECOND
"""The longest duration a rule may name."""


def nanoseconds(value: float, symbol: str | None) -> int:
    """A duration in ns. Raises `UnitError` with a sentence where it is none, or not between 1 ms and 366 d."""
    if symbol is None:
        raise UnitError("a duration needs a unit, such as 10 min")
    found = unit(symbol)
    if found.dimension != "time":
        raise UnitError(f"{symbol!r} is a {found.dimension}; a duration such as 10 min was meant?")
    result = value * found.factor * 1e9
    if not 1_000_000 <= result <= MAX_DURATION_NS:  # nor is infinity between them, which has no whole number
        raise UnitError("a duration must lie between 1 ms and 366 d")
    return round(result)


def seconds_text(ns: int) -> str:
    """A duration for people: 90 s, 15 min, 24 h, 3 d."""
    figure, unit = largest_unit(ns)
    return f"{figure:g} {unit}"
