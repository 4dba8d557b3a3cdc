"""Is this value what the vocabulary says of its metric, is this a device's name, a place, a moment?

For protocols whose senders choose the metric names themselves (native JSON, SenML, mapped JSON, Sparkplug). Every
refusal is an `Unusable`: a fault kind and a sentence that names the field.
"""

from __future__ import annotations

import math
from datetime import tzinfo
from typing import Any

from hub.metrics import UnitError, nearest, to_vocabulary, vocabulary
from hub.model import Fault, FaultKind, Position, Value
from hub.moment import MOMENT_MAX, SECOND, from_text, in_reach

NUMBER_LIMIT = 2.0**53
"""Beyond this a double no longer holds every integer, and no metric's range reaches that far."""
TEXT_LIMIT = 1024  # characters
TEXTS_LIMIT = 128  # texts in one list
DEVICE_LIMIT = 200  # characters
PLACES = {
    "lat": "lat",
    "latitude": "lat",
    "lon": "lon",
    "lng": "lon",
    "longitude": "lon",
    "alt": "alt",
    "altitude": "alt",
}
"""What senders call the coordinates, and what they are called here."""
MILLISECONDS_FROM = 1e11
"""A bare number of a time at or beyond this counts milliseconds: as seconds it would be the year 5138."""
_MILLISECOND = SECOND // 1000
_WHOLE_MILLISECONDS = range(int(MILLISECONDS_FROM), MOMENT_MAX // _MILLISECOND)


class Unusable(ValueError):
    """Something in a payload cannot be used: why, and as what it is counted."""

    def __init__(self, kind: FaultKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail

    def fault(self, raw: bytes = b"", device: str | None = None, readings: int = 0) -> Fault:
        return Fault(self.kind, self.detail, raw, device, readings=readings)


def shown(value: object) -> str:
    """A piece of foreign input as it may stand in a sentence: quoted, of one line, not endless."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def accept(metric: str, value: Any, unit: str = "") -> Value:
    """`value` (in `unit`; empty: the vocabulary's own) as the reading may carry it. Raises `Unusable`."""
    found = vocabulary().get(metric)
    if found is None:
        raise Unusable(
            FaultKind.UNKNOWN_METRIC, f"the vocabulary has no metric {shown(metric)}{nearest(metric[:DEVICE_LIMIT])}"
        )
    if found.type == "number":
        return _number(metric, value, unit, found.unit)
    if found.type == "flag":
        # Many small devices have no boolean and say 0 or 1; nothing else is taken for a flag.
        if isinstance(value, bool | int | float) and value in (0, 1):
            return bool(value)
        raise Unusable(FaultKind.VALUE, f"{metric} is a flag (true or false), not {shown(value)}")
    if found.type == "text":
        if isinstance(value, str):
            return _text(metric, value)
        raise Unusable(FaultKind.VALUE, f"{metric} is a text, not {shown(value)}")
    if isinstance(value, list) and len(value) <= TEXTS_LIMIT and all(isinstance(text, str) for text in value):
        return [_text(metric, text) for text in value]
    raise Unusable(FaultKind.VALUE, f"{metric} is a list of at most {TEXTS_LIMIT} texts, not {shown(value)}")


def _number(metric: str, value: Any, unit: str, own_unit: str) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unusable(FaultKind.VALUE, f"{metric} is a number, not {shown(value)}")
    if not -NUMBER_LIMIT < value < NUMBER_LIMIT:
        raise Unusable(FaultKind.VALUE, f"{metric} is {shown(value)}, which no instrument can mean")
    if not unit or unit == own_unit:
        return value
    try:
        return to_vocabulary(value, unit, metric)
    except UnitError as error:
        raise Unusable(FaultKind.VALUE, f"{metric}: {error}") from None


def _text(metric: str, text: str) -> str:
    if len(text) > TEXT_LIMIT:
        raise Unusable(FaultKind.VALUE, f"{metric} is a text of {len(text)} characters; at most {TEXT_LIMIT} are kept")
    if not is_unicode(text):
        raise Unusable(FaultKind.VALUE, f"{metric} holds half a surrogate pair, which is no character")
    return text


def is_unicode(text: str) -> bool:
    """Whether this can be written as UTF-8: JSON's \\ud800 alone cannot, and would break everything after it."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def device_name(device: Any) -> str:
    """A device's name as the registry could hold it. Raises `Unusable`."""
    if not isinstance(device, str):
        raise Unusable(FaultKind.SYNTAX, f"device must be a text, not {shown(device)}")
    if not device:
        raise Unusable(FaultKind.SYNTAX, "device is empty")
    if len(device) > DEVICE_LIMIT:
        raise Unusable(FaultKind.SYNTAX, f"device has {len(device)} characters; at most {DEVICE_LIMIT} make a name")
    if not device.isprintable() or device != device.strip():
        raise Unusable(FaultKind.SYNTAX, f"device {shown(device)} holds blanks at its ends or unprintable characters")
    return device


def place(lon: Any, lat: Any, alt: Any = None) -> Position:
    """WGS-84 from three loose values. Raises `Unusable`."""
    lon = _degrees("lon", lon, 180.0)
    lat = _degrees("lat", lat, 90.0)
    if alt is None:
        return Position(lon, lat)
    if isinstance(alt, bool) or not isinstance(alt, int | float) or not -12_000 <= alt <= 1_000_000:
        raise Unusable(FaultKind.POSITION, f"alt must be metres between -12000 and 1000000, not {shown(alt)}")
    return Position(lon, lat, alt)


def _degrees(name: str, value: Any, limit: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -limit <= value <= limit:
        missing = "is missing beside the other" if value is None else f"must be degrees of at most {limit:g}"
        raise Unusable(FaultKind.POSITION, f"{name} {missing}" + ("" if value is None else f", not {shown(value)}"))
    return value


def moment(value: Any, zone: tzinfo | None = None, near: int | None = None) -> int:
    """ns UTC of a time as people write it into JSON. Raises `Unusable`.

    A text is ISO 8601 with an offset (without one it is read in `zone`, nearest to `near` where that hour comes twice); a number is seconds since 1970, or
    milliseconds from `MILLISECONDS_FROM` on.
    """
    if type(value) is int and value in _WHOLE_MILLISECONDS:  # what most devices send
        return value * _MILLISECOND
    try:
        if isinstance(value, str):
            at = from_text(value, zone, near)
        elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"must be an ISO 8601 text or seconds since 1970, not {shown(value)}")
        else:
            at = seconds(value / 1000 if abs(value) >= MILLISECONDS_FROM else value)
    except (ValueError, OverflowError) as error:
        raise Unusable(FaultKind.TIME, f"time: {str(error)[:200]}") from None
    if not in_reach(at):
        raise Unusable(FaultKind.TIME, f"time: {shown(value)} lies outside the years 1677 to 2262")
    return at


def seconds(value: float) -> int:
    """ns of seconds. A double that counts seconds since 1970 is good to a microsecond, so finer digits are noise."""
    return value * SECOND if isinstance(value, int) else round(value * 1_000_000) * 1000
