"""The Sparkplug B payload: protobuf read and written by hand, as far as a host application needs it.

Eclipse Sparkplug 3.0.0, §6.4 and its `sparkplug_b.proto`. The message has some twenty fields of four wire types, so a reader of a page
takes the place of a protobuf runtime and generated code.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

METRICS_LIMIT = 20_000  # in one payload
NAME_LIMIT = 1_024  # characters

_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}  # Int8 … Int64: bits
_PLAIN = frozenset((*range(1, 13), 14, 15))  # integers, Float, Double, Boolean, String, Text, UUID
DATE_TIME = 13
_TYPE_NAMES = (
    "Unknown Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float Double Boolean String DateTime Text UUID DataSet Bytes File "
    "Template PropertySet PropertySetList Int8Array Int16Array Int32Array Int64Array UInt8Array UInt16Array UInt32Array "
    "UInt64Array FloatArray DoubleArray BooleanArray StringArray DateTimeArray"
)  # §6.4.16, by number
TYPES = _TYPE_NAMES.split()

Field: TypeAlias = tuple[int, int, Any]


class Malformed(ValueError):
    """These bytes are not a Sparkplug payload; the sentence says why."""


class Metric(msgspec.Struct, gc=False, omit_defaults=True):
    """One metric as it stands in the payload. `raw` is None for null; kinds that hold no single value have none either."""

    name: str = ""
    alias: int | None = None
    timestamp: int | None = None
    """ms since 1970 UTC."""
    datatype: int = 0
    historical: bool = False
    null: bool = False
    raw: int | float | bool | str | None = None
    unit: str = ""
    quality: int | None = None

    def value(self, datatype: int) -> int | float | bool | str | None:
        """The value as `datatype` (which data messages need not repeat) means it; None where it is no single value."""
        raw = self.raw
        bits = _SIGNED.get(datatype)
        if bits is not None and isinstance(raw, int):
            raw &= (1 << bits) - 1  # small signed integers come as their own bits, or sign-extended to 32 or 64
            return raw - (1 << bits) if raw >> (bits - 1) else raw
        if datatype == 11 and isinstance(raw, int):
            return bool(raw)
        return raw if datatype in _PLAIN or datatype == 0 else None


class Payload(msgspec.Struct, omit_defaults=True):
    """timestamp in ms, seq 0 to 255, metrics."""

    timestamp: int | None = None
    seq: int | None = None
    metrics: list[Metric] = []


def decode(data: bytes) -> Payload:
    """Raises `Malformed`."""
    payload = Payload(metrics=[])
    try:
        for number, wire, value in _fields(data):
            if number == 1 and wire == 0:
                payload.timestamp = value
            elif number == 2 and wire == 2:
                if len(payload.metrics) >= METRICS_LIMIT:
                    raise Malformed(f"more than {METRICS_LIMIT} metrics")
                payload.metrics.append(_metric(value))
            elif number == 3 and wire == 0:
                payload.seq = value
    except (IndexError, struct.error):
        raise Malformed("the protobuf ends too early") from None
    except UnicodeDecodeError:
        raise Malformed("a name or text is not UTF-8") from None
    return payload


def _metric(data: bytes) -> Metric:
    metric = Metric()
    for number, wire, value in _fields(data):
        if number == 1 and wire == 2:
            if len(value) > NAME_LIMIT:
                raise Malformed(f"a metric's name has {len(value)} bytes")
            metric.name = str(value, "utf-8")
        elif wire == 0 and number in (2, 3, 4):
            if number == 2:
                metric.alias = value
            elif number == 3:
                metric.timestamp = value
            else:
                metric.datatype = value
        elif wire == 0 and number in (5, 7):
            if number == 5:
                metric.historical = bool(value)
            else:
                metric.null = bool(value)
        elif number == 9 and wire == 2:
            _properties(value, metric)
        elif number in (10, 11) and wire == 0:
            metric.raw = value
        elif number == 12 and wire == 5:
            metric.raw = _FLOAT.unpack(value)[0]
        elif number == 13 and wire == 1:
            metric.raw = _DOUBLE.unpack(value)[0]
        elif number == 14 and wire == 0:
            metric.raw = bool(value)
        elif number == 15 and wire == 2:
            metric.raw = str(value, "utf-8")
    return metric


def _properties(data: bytes, metric: Metric) -> None:
    """Of a metric's properties the two that matter here: its engineering unit and its quality (§6.4.6, table 7)."""
    keys: list[str] = []
    values: list[int | str | None] = []
    for number, wire, value in _fields(data):
        if number == 1 and wire == 2:
            keys.append(str(value, "utf-8"))
        elif number == 2 and wire == 2:
            found: int | str | None = None
            for inner, inner_wire, content in _fields(value):
                if inner in (3, 4) and inner_wire == 0:
                    found = content
                elif inner == 8 and inner_wire == 2:
                    found = str(content, "utf-8")
            values.append(found)
    for key, found in zip(keys, values, strict=False):
        if key.lower().replace(" ", "") in ("engunit", "engineeringunits", "unit") and isinstance(found, str):
            metric.unit = found[:64]
        elif key.lower() == "quality" and isinstance(found, int):
            metric.quality = found


def _fields(data: bytes) -> Iterator[Field]:
    """(field number, wire type, value) of a protobuf message: varints as integers, the others as their bytes."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield key >> 3, wire, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise Malformed(f"protobuf wire type {wire}")
        if at + size > end:
            raise Malformed("the protobuf ends too early")
        yield key >> 3, wire, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        digit = data[at]
        at += 1
        value |= (digit & 127) << shift
        if digit < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise Malformed("a varint of more than ten bytes")


def rebirth_command(timestamp_ms: int) -> bytes:
    """The payload of an NCMD that asks an edge node for its births: Node Control/Rebirth = true."""
    name = b"Node Control/Rebirth"
    metric = b"\x0a" + bytes([len(name)]) + name + b"\x18" + _encode_varint(timestamp_ms) + b"\x20\x0b\x70\x01"
    return b"\x08" + _encode_varint(timestamp_ms) + b"\x12" + bytes([len(metric)]) + metric


def _encode_varint(value: int) -> bytes:
    digits = bytearray()
    while True:
        value, digit = value >> 7, value & 127
        digits.append(digit | 128 if value else digit)
        if not value:
            return bytes(digits)
