"""cityhub's own JSON: what one device measured at one moment, or an array of such.

    {"device": "gauge-7", "time": "2026-11-22T08:00:00Z", "values": {"water_level": 3.41}, "lon": 8.5, "lat": 47.3}

The common payload takes the fast way: one typed decode, one look at each value. Whatever that way cannot take is
examined again field by field, so that each refusal names its field and the good values beside it are kept.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from adapters.values import NUMBER_LIMIT, Unusable, accept, device_name, moment, place, shown
from hub.json_once import Repeated, decode
from hub.metrics import numbers, vocabulary
from hub.model import Fault, FaultKind, Mark, Message, Reading, Value

PAYLOAD_LIMIT = 1_048_576  # bytes
READINGS_LIMIT = 10_000  # in one array
VALUES_LIMIT = 500  # in one reading

_MARKS = frozenset(mark.value for mark in Mark)


class Native(msgspec.Struct, forbid_unknown_fields=True, gc=False, omit_defaults=True):
    """One object of the native format. Only `device` must stand; `time` missing means now."""

    device: str
    time: str | int | float | None = None
    values: dict[str, float | int | bool | str | list[str]] = {}
    lon: float | int | None = None
    lat: float | int | None = None
    alt: float | int | None = None
    marks: dict[str, str] | None = None


_NUMBERS = numbers()
UNITS = frozenset({"unit", "units"})
QUALITIES = frozenset({"quality", "mark", "flag", "flags", "valid"})
FINE = ("good", "ok", "valid", "normal", "true", "1", "")
"""What says of a quality that the values are what they seem."""
MOMENTS = frozenset({"timestamp", "ts", "datetime", "date", "at", "observed_at", "observedat", "phenomenontime"})
_KEYS = frozenset(Native.__struct_fields__)
_decode_fast = msgspec.json.Decoder(list[Native] | Native).decode


def decode_native(payload: bytes, received_at: int | None = None) -> Message:
    """The readings of one payload. A reading without a time gets `received_at`, or None where that is not given."""
    try:
        natives = _decode_fast(check_size(payload))
        readings: list[Reading] = []
        if type(natives) is Native:
            texts = _add(natives, received_at, readings)
        elif len(natives) > READINGS_LIMIT:
            return _examine(payload, received_at)
        else:
            texts = sum([_add(native, received_at, readings) for native in natives])
        if payload.count(b'"') != 2 * texts:  # a key may stand twice: `hub.json_once`
            return _examine(payload, received_at)
    except (msgspec.MsgspecError, UnicodeDecodeError, Unusable, RecursionError):
        return _examine(payload, received_at)
    return Message(readings, [], readings[0].device if len(readings) == 1 else None, natives, payload)


def _add(native: Native, received_at: int | None, readings: list[Reading]) -> int:
    """The fast way: one reading more, and how many keys and texts the object has. Raises `Unusable` for the first thing that is wrong."""
    values = native.values
    texts = len(values) + 3 if values else 2  # device and its name, values, and each metric
    for metric, value in values.items():
        exactly = type(value)  # a flag is an int too
        if (exactly is float or exactly is int) and metric in _NUMBERS and -NUMBER_LIMIT < value < NUMBER_LIMIT:  # type: ignore[operator]
            continue
        texts += len(value) if type(value) is list else type(value) is str
        values[metric] = accept(metric, value)
    position = None
    if native.lon is not None or native.lat is not None:
        position = place(native.lon, native.lat, native.alt)
        texts += 2 + (native.alt is not None)
    elif not values or native.alt is not None:
        raise Unusable(FaultKind.SYNTAX, "nothing measured, or an altitude above nowhere")
    if len(values) > VALUES_LIMIT or native.marks:
        raise Unusable(FaultKind.SYNTAX, "marks and limits are for the slow way")
    at = received_at
    if native.time is not None:
        at = moment(native.time)
        texts += 1 + (type(native.time) is str)
    readings.append(Reading(device_name(native.device), at, values, position))
    return texts


# ------------------------------------------------------------------------------------- the slow way: field by field


def check_size(payload: bytes) -> bytes:
    """The payload itself. Raises `Unusable` where it is longer than any payload is read."""
    if len(payload) > PAYLOAD_LIMIT:
        raise Unusable(FaultKind.OVERSIZE, f"the payload has {len(payload)} bytes; at most {PAYLOAD_LIMIT} are read")
    return payload


def read_json(payload: bytes) -> Any:
    """Any JSON document, NaN and Infinity included (refused later, value by value); objects that name a key twice are `Repeated`.
    Raises `Unusable`."""
    check_size(payload)
    try:
        return decode(payload)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        if "integer string conversion" in reason:  # of Python, with advice for who writes it
            reason = f"a whole number of more than {sys.get_int_max_str_digits():,} digits"
        raise Unusable(FaultKind.SYNTAX, f"the payload is not JSON: {reason}") from None


def twice(item: Repeated) -> str:
    """What is wrong with an object that names keys more than once."""
    return f"{', '.join(map(shown, item.keys_repeated))} stands twice, and nobody can say which was meant"


def refused(unusable: Unusable, payload: bytes) -> Message:
    """The message of a payload that cannot be used as a whole; of an endless one only the head is kept."""
    kept = payload if len(payload) <= PAYLOAD_LIMIT else payload[:1024]
    return Message([], [unusable.fault(kept, readings=1)], raw=kept)


def _examine(payload: bytes, received_at: int | None) -> Message:
    try:
        document = read_json(payload)
    except Unusable as unusable:
        return refused(unusable, payload)
    items = document if isinstance(document, list) else [document]
    if len(items) > READINGS_LIMIT:
        detail = f"the array holds {len(items)} readings; at most {READINGS_LIMIT} are taken at once"
        return Message([], [Fault(FaultKind.OVERSIZE, detail, payload, readings=len(items))], raw=payload)
    readings: list[Reading] = []
    faults: list[Fault] = []
    for number, item in enumerate(items):
        raw = payload if len(items) == 1 else json.dumps(item).encode()
        reading, found = examine_item(item, raw, received_at)
        if reading is not None:
            readings.append(reading)
        for fault in found:
            if isinstance(document, list):
                fault.detail = f"reading {number + 1} of the array: {fault.detail}"
            faults.append(fault)
    named = {device for device in [r.device for r in readings] + [f.device for f in faults] if device}
    return Message(readings, faults, named.pop() if len(named) == 1 else None, _showable(document), payload)


def _showable(document: Any) -> Any:
    """The document as `detail`, or None where it holds what cannot be written again (half a surrogate pair)."""
    try:
        msgspec.json.encode(document)
    except (ValueError, RecursionError, OverflowError, msgspec.MsgspecError):
        return None
    return document


def examine_item(item: Any, raw: bytes, received_at: int | None) -> tuple[Reading | None, list[Fault]]:
    """One object of the array: what of it can be used, and a fault for each part that cannot."""
    if not isinstance(item, dict):
        detail = f"a reading is an object with device, time and values, not {shown(item)}"
        return None, [Fault(FaultKind.SYNTAX, detail, raw)]
    found = _Findings(raw)
    if isinstance(item, Repeated):
        found.note(FaultKind.SYNTAX, twice(item))
        return None, found.refused()
    device = found.attempt(_device, item)
    if device is None:
        return None, found.refused()
    found.device = device
    at = received_at if item.get("time") is None else found.attempt(moment, item["time"])
    untold = found.faults[-1] if at is None and item.get("time") is not None else None
    values = found.values(item.get("values", {}))
    position = None
    if any(item.get(key) is not None for key in ("lon", "lat", "alt")):
        position = found.attempt(place, item.get("lon"), item.get("lat"), item.get("alt"))
    marks = found.marks(item.get("marks") or {}, values)
    doubts = False
    for key in item:
        if key not in _KEYS:
            doubtful = _says_otherwise(key.lower(), item, values)
            what = "; it may say that the values mean something else, so they are kept out" if doubtful else ""
            doubts |= doubtful
            known = ", ".join(Native.__struct_fields__)
            found.note(FaultKind.SYNTAX, f"{shown(key)} is no key of a reading; it has {known}{what}")
    if doubts:
        return None, found.refused()
    if not values and position is None and not marks:
        if not found.faults:
            found.note(FaultKind.SYNTAX, "the reading has neither values, a position nor marks")
        return None, found.refused()
    reading = Reading(device, at, values, position, marks or None)
    if untold is None:
        return reading, found.faults
    untold.reading = reading
    return None, found.refused()


def _says_otherwise(key: str, item: dict[str, Any], values: Mapping[str, Value]) -> bool:
    """Whether a key that no reading has may say that the values mean something else: 45 with a unit "cm" is no 45 m, and what was kept for a day is
    not of now. The metrics' own unit says nothing new, nor does a quality that is good."""
    told = next(value for name, value in item.items() if name.lower() == key)
    if key in UNITS:
        return any(vocabulary()[metric].unit != told for metric in values)
    if key in QUALITIES:
        return str(told).lower() not in FINE
    return key in MOMENTS and item.get("time") is None


def _device(item: dict[str, Any]) -> str:
    if "device" not in item:
        raise Unusable(FaultKind.SYNTAX, "device is missing: nobody can say whose reading this is")
    return device_name(item["device"])


class _Findings:
    """The faults of one object. The first carries its bytes; the others would only repeat them."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.device: str | None = None
        self.faults: list[Fault] = []

    def note(self, kind: FaultKind, detail: str) -> None:
        self.faults.append(Fault(kind, detail, b"" if self.faults else self.raw, self.device))

    def attempt(self, check: Any, *arguments: Any) -> Any:
        """The result of `check`, or None and a fault."""
        try:
            return check(*arguments)
        except Unusable as unusable:
            self.note(unusable.kind, unusable.detail)
            return None

    def values(self, values: Any) -> dict[str, Value]:
        if not isinstance(values, dict):
            self.note(FaultKind.SYNTAX, f"values must be an object of metric and value, not {shown(values)}")
            return {}
        if len(values) > VALUES_LIMIT:
            self.note(FaultKind.OVERSIZE, f"values holds {len(values)} metrics; at most {VALUES_LIMIT} make a reading")
            return {}
        if isinstance(values, Repeated):
            self.note(FaultKind.SYNTAX, f"values: {twice(values)}")
            values = {metric: value for metric, value in values.items() if metric not in values.keys_repeated}
        accepted = {metric: self.attempt(accept, metric, value) for metric, value in values.items()}
        return {metric: value for metric, value in accepted.items() if value is not None}

    def marks(self, marks: Any, values: dict[str, Value]) -> dict[str, str]:
        if not isinstance(marks, dict):
            self.note(FaultKind.SYNTAX, f"marks must be an object of metric and mark, not {shown(marks)}")
            return {}
        if isinstance(marks, Repeated):
            self.note(FaultKind.SYNTAX, f"marks: {twice(marks)}")
        kept = {}
        for metric, mark in marks.items():
            if not isinstance(mark, str) or mark not in _MARKS:
                self.note(
                    FaultKind.VALUE,
                    f"marks: {shown(metric)} is marked {shown(mark)}; known are {', '.join(sorted(_MARKS))}",
                )
            elif metric in values or metric in vocabulary():  # a mark without a value: the device says that it is ill
                kept[metric] = mark
        return kept

    def refused(self) -> list[Fault]:
        self.faults[0].readings = 1
        return self.faults
