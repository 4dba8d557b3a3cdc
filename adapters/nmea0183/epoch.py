"""One moment of a GNSS receiver, told in several sentences, as one reading.

Field numbers are those of NMEA 0183 v4.11 (IEC 61162-1:2016), counted from the sentence's name as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from adapters.nmea0183.line import Origin
from hub.model import Fault, FaultKind, Mark, Position, Reading
from hub.moment import SECOND, from_datetime

KM_PER_NAUTICAL_MILE = 1.852
DAY = 86_400 * SECOND
YEAR_MAX = 2261
"""The last whole year that 64 bits of nanoseconds since 1970 hold."""
SATELLITES_MAX = 100
INTEGER_MAX = 1e9
"""No field has a count like this; beyond 64 bits a reading could not even be written down."""
"""Satellite numbers kept for `detail`, over all constellations."""

FIX_QUALITY = (
    "no fix", "GNSS", "differential", "precise", "real-time kinematic", "float kinematic", "estimated", "manual",
    "simulated",
)  # fmt: skip
"""GGA field 6."""


CONSTELLATIONS = frozenset(("GP", "GL", "GA", "GB", "BD", "GQ", "QZ", "GI", "GN"))
"""Talkers of one GNSS receiver that tells each constellation apart (NMEA 0183 v4.11, table 3)."""


class FieldError(ValueError):
    """A field that cannot be read, with its fault kind and a sentence."""

    def __init__(self, kind: FaultKind, why: str) -> None:
        super().__init__(why)
        self.kind = kind


class Epoch(msgspec.Struct):
    """What the sentences of one moment have said so far."""

    talker: str
    origin: Origin
    heard: int | None
    day: date | None = None
    time_of_day: int | None = None
    """ns since midnight UTC."""
    lon: float | None = None
    lat: float | None = None
    alt: float | None = None
    fix: bool | None = None
    values: dict[str, Any] = msgspec.field(default_factory=dict)
    invalid: set[str] = msgspec.field(default_factory=set)
    estimated: bool = False
    names: set[str] = msgspec.field(default_factory=set)
    """Kinds of sentences told ("GGA")."""
    sentences: set[str] = msgspec.field(default_factory=set)
    """With their talkers ("GPGGA")."""
    told: dict[str, Any] = msgspec.field(default_factory=dict)
    faults: list[Fault] = msgspec.field(default_factory=list)
    raw: list[bytes] = msgspec.field(default_factory=list)
    untold: Fault | None = None
    """Of a moment whose time of day is none: the first fault that says so."""

    def also(self, form: Form, fields: list[str]) -> None:
        """The same sentence of the same moment for another constellation: the one with more satellites is the receiver's word."""
        other = Epoch(fields[0][:2], self.origin, self.heard)
        form.read(other, fields)
        better = other.fix is not False and (
            self.fix is False or other.values.get("satellites", 0) > self.values.get("satellites", 0)
        )
        if better:
            self.lon, self.lat, self.alt, self.fix = other.lon, other.lat, other.alt, other.fix
            self.values |= other.values
            self.invalid -= other.values.keys()
            self.invalid |= other.invalid
            self.told |= other.told
        self.day = self.day or other.day

    def observed_at(self, last_day: date | None) -> int | None:
        """From the receiver's own date, told now or last; else the day that brings it nearest to its reception."""
        heard = self.origin.at if self.origin.at is not None else self.heard
        if self.time_of_day is None:
            return heard
        day = self.day or last_day
        if day is not None:
            return _midnight(day) + self.time_of_day
        if heard is None:
            return None
        today = heard // DAY * DAY + self.time_of_day
        return min((today - DAY, today, today + DAY), key=lambda at: abs(at - heard))

    def reading(self, device: str, kind: str, last_day: date | None) -> Reading | None:
        position = None
        if self.fix is not False and self.lon is not None and self.lat is not None:
            position = Position(self.lon, self.lat, self.alt)
        if not self.values and position is None:
            return None
        values = dict(self.values)
        if kind == "vessel":
            values = {_VESSEL.get(metric, metric): value for metric, value in values.items()}
            if "sog" in values:
                values["sog"] = round(values["sog"] / KM_PER_NAUTICAL_MILE, 3)
        marks = {_VESSEL.get(metric, metric) if kind == "vessel" else metric: Mark.INVALID for metric in self.invalid}
        if self.estimated:
            marks |= {metric: Mark.ESTIMATED for metric in ("speed", "course", "sog", "cog") if metric in values}
        return Reading(device, self.observed_at(last_day), values, position, dict(marks) or None, kind=kind)


_VESSEL = {"speed": "sog", "course": "cog"}


def _midnight(day: date) -> int:
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=UTC))


# ---------------------------------------------------------------------------------------------- sentence by sentence


def _rmc(epoch: Epoch, fields: list[str]) -> None:
    """Recommended minimum: time, status, position, speed in knots, course, date, mode."""
    valid = fields[2] == "A" and _field(fields, 12) != "N"
    _fix(epoch, valid)
    _place(epoch, fields[3:7])
    _motion(epoch, fields[7], KM_PER_NAUTICAL_MILE, fields[8], valid)
    epoch.estimated |= _field(fields, 12) == "E"
    if fields[9]:
        epoch.day = _day(fields[9][:2], fields[9][2:4], fields[9][4:])


def _gga(epoch: Epoch, fields: list[str]) -> None:
    """Fix data: position, quality, satellites, HDOP, altitude above mean sea level."""
    quality = _integer(fields[6], "fix quality")
    if quality is not None:
        if not 0 <= quality < 10:
            raise FieldError(FaultKind.VALUE, f"fix quality {fields[6]!r} is none of 0 to 9")
        _fix(epoch, quality > 0)
        epoch.estimated |= quality == 6
        epoch.told["fix"] = FIX_QUALITY[quality] if quality < len(FIX_QUALITY) else str(quality)
    _place(epoch, fields[2:6])
    satellites = _integer(fields[7], "satellites")
    if satellites is not None:
        epoch.values["satellites"] = satellites
    _number(epoch, "hdop", fields[8])
    altitude = _decimal(fields[9], "altitude")
    if altitude is not None:
        epoch.alt = altitude


def _gll(epoch: Epoch, fields: list[str]) -> None:
    """Geographic position and status."""
    _fix(epoch, fields[6] == "A" and _field(fields, 7) != "N")
    _place(epoch, fields[1:5])


def _vtg(epoch: Epoch, fields: list[str]) -> None:
    """Course and speed over ground; km/h where given, else knots."""
    valid = _field(fields, 9) != "N"
    epoch.estimated |= _field(fields, 9) == "E"
    if fields[7]:
        _motion(epoch, fields[7], 1.0, fields[1], valid)
    else:
        _motion(epoch, fields[5], KM_PER_NAUTICAL_MILE, fields[1], valid)


def _zda(epoch: Epoch, fields: list[str]) -> None:
    """Time and date, the year in four digits."""
    if fields[2] and fields[3] and fields[4]:
        epoch.day = _day(fields[2], fields[3], fields[4])


def _hdt(epoch: Epoch, fields: list[str]) -> None:
    """True heading."""
    heading = _decimal(fields[1], "heading")
    if heading is not None:
        epoch.values["heading"] = heading


def _gsa(epoch: Epoch, fields: list[str]) -> None:
    """Satellites used and dilution of precision."""
    mode = _integer(fields[2], "fix dimension")
    if mode is not None:
        epoch.told["dimensions"] = {2: 2, 3: 3}.get(mode)
    used = epoch.told.setdefault("satellites_used", [])
    used += [satellite for satellite in fields[3:15] if satellite][: SATELLITES_MAX - len(used)]
    for name, text in (("pdop", fields[15]), ("vdop", fields[17])):
        epoch.told[name] = _decimal(text, name)
    if "hdop" not in epoch.values:
        _number(epoch, "hdop", fields[16])


def _gsv(epoch: Epoch, fields: list[str]) -> None:
    """Satellites in view, by constellation."""
    in_view = _integer(fields[3], "satellites in view")
    if in_view is not None:
        epoch.told.setdefault("satellites_in_view", {})[fields[0][:2]] = in_view


class Form(msgspec.Struct, frozen=True):
    """How a sentence is read: fields it needs at least (its name included), where its time stands, if it repeats."""

    fields_min: int
    read: Callable[[Epoch, list[str]], None]
    time_field: int | None = None
    repeats: bool = False


FORMS: dict[str, Form] = {
    "RMC": Form(10, _rmc, 1),
    "GGA": Form(11, _gga, 1),
    "GLL": Form(7, _gll, 5),
    "ZDA": Form(5, _zda, 1),
    "VTG": Form(9, _vtg),
    "HDT": Form(3, _hdt),
    "GSA": Form(18, _gsa, repeats=True),
    "GSV": Form(4, _gsv, repeats=True),
}


# ------------------------------------------------------------------------------------------------------------- fields


def time_of_day(text: str) -> int | None:
    """ns since midnight from hhmmss or hhmmss.sss; None where empty. Raises FieldError."""
    if not text:
        return None
    whole, _, fraction = text.partition(".")
    if len(whole) != 6 or not whole.isdecimal() or (fraction and not fraction.isdecimal()):
        raise FieldError(FaultKind.TIME, f"{text!r} is no time of day (hhmmss.ss)")
    hour, minute, second = int(whole[:2]), int(whole[2:4]), int(whole[4:])
    if hour > 23 or minute > 59 or second > 60:
        raise FieldError(FaultKind.TIME, f"{text!r} is no time of day (hhmmss.ss)")
    return (hour * 3600 + minute * 60 + second) * SECOND + int((fraction + "000000000")[:9])


def _day(day: str, month: str, year: str) -> date:
    try:
        if not len(day) == len(month) == 2 or len(year) not in (2, 4) or not (day + month + year).isdecimal():
            raise ValueError
        number = int(year)
        if len(year) == 2:  # GPS began in 1980
            number += 1900 if number >= 80 else 2000
        if not 1980 <= number <= YEAR_MAX:
            raise ValueError
        return date(number, int(month), int(day))
    except ValueError:
        raise FieldError(FaultKind.TIME, f"day {day!r}, month {month!r}, year {year!r} is no date") from None


def _place(epoch: Epoch, fields: list[str]) -> None:
    """Latitude ddmm.mm, N or S, longitude dddmm.mm, E or W."""
    if not fields[0] or not fields[2]:
        return
    lat = _degrees(fields[0], fields[1], "NS", 90.0)
    lon = _degrees(fields[2], fields[3], "EW", 180.0)
    epoch.lat, epoch.lon = lat, lon


def _degrees(text: str, side: str, sides: str, most: float) -> float:
    whole, dot, fraction = text.partition(".")
    plain = whole.isdecimal() and whole.isascii() and (not dot or fraction == "" or fraction.isdecimal())
    minutes = float(f"{whole[-2:]}.{fraction or '0'}") if plain and len(whole) > 2 else 60.0
    degrees = (int(whole[:-2]) if plain and len(whole) > 2 else 0) + minutes / 60
    if minutes >= 60 or degrees > most or side not in sides or len(side) != 1:
        raise FieldError(FaultKind.POSITION, f"{text!r} {side!r} is no place (degrees and minutes, then {sides})")
    return round(-degrees if side == sides[1] else degrees, 9)


def _motion(epoch: Epoch, speed: str, factor: float, course: str, valid: bool) -> None:
    for metric, text, scale in (("speed", speed, factor), ("course", course, 1.0)):
        value = _decimal(text, metric)
        if value is not None:
            epoch.values[metric] = round(value * scale, 3)
            if not valid:
                epoch.invalid.add(metric)


def _fix(epoch: Epoch, valid: bool) -> None:
    epoch.fix = valid if epoch.fix is None else epoch.fix and valid


def _number(epoch: Epoch, metric: str, text: str) -> None:
    value = _decimal(text, metric)
    if value is not None:
        epoch.values[metric] = value


def _decimal(text: str, what: str) -> float | None:
    if not text:
        return None
    body = text[1:] if text[0] in "+-" else text
    if not body.replace(".", "", 1).isdecimal() or not body.isascii() or len(body) > 20:
        raise FieldError(FaultKind.VALUE, f"{what} {text!r} is no number")
    return float(text)


def _integer(text: str, what: str) -> int | None:
    value = _decimal(text, what)
    if value is not None and abs(value) >= INTEGER_MAX:
        raise FieldError(FaultKind.VALUE, f"{what} {text!r} is no such number")
    return None if value is None else int(value)


def _field(fields: list[str], number: int) -> str:
    return fields[number] if number < len(fields) else ""


def next_day(day: date, earlier: int, later: int) -> date:
    """The date of a later time of day that follows an earlier one: the next where midnight lies between."""
    return day + timedelta(days=1) if earlier - later > DAY // 2 else day
