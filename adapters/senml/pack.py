"""Resolving a SenML Pack (RFC 8428 §4): base fields, relative times, sums; then devices, metrics and readings.

The records come as dictionaries with the JSON labels, whichever way they were written.
"""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from adapters.senml.units import to_ucum
from adapters.values import PLACES, Unusable, accept, device_name, place, seconds, shown
from hub.model import Fault, FaultKind, Reading, Value
from hub.moment import SECOND, in_reach

VERSION = 10
"""The SenML version that is understood (RFC 8428 §4.4); packs that state a higher one are refused."""
RECORDS_LIMIT = 10_000  # in one pack
RELATIVE_BELOW = 2**28  # s; a time below is relative to now (RFC 8428 §4.5.3)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
_VALUES = ("v", "vs", "vb", "vd")
_BASES = frozenset(("bn", "bt", "bu", "bv", "bs", "bver"))
_LABELS = _BASES | {"n", "u", "s", "t", "ut", *_VALUES}
_SUMS = {"active_power": "energy", "flow": "flow_total", "water_flow": "water_volume"}
"""A sum is the value integrated over seconds (RFC 8428 §4.3): power gives energy, flow gives volume."""
_PER_SECOND = {"W": "J", "kW": "kJ", "m3/s": "m3", "L/s": "L"}


class Record(msgspec.Struct, gc=False):
    """One resolved record: no base fields, absolute time."""

    name: str
    unit: str
    field: str
    """Which value it has: v, vs, vb or vd; empty where it has a sum only."""
    value: Any
    sum: float | None
    time: int | None
    """ns UTC; None where the time is relative and nobody said when the pack was received."""
    after: float
    """Seconds relative to now for a relative time, else 0: what keeps moments apart while `time` is open."""

    def detail(self) -> dict[str, Any]:
        """The record in SenML's own labels."""
        labels: dict[str, Any] = {"n": self.name}
        if self.unit:
            labels["u"] = self.unit
        if self.field:
            labels[self.field] = self.value
        if self.sum is not None:
            labels["s"] = self.sum
        if self.time is not None:
            labels["t"] = self.time // SECOND if self.time % SECOND == 0 else self.time / SECOND
        return labels


class Pack(msgspec.Struct):
    """A resolved pack, as far as it could be used."""

    records: list[Record]
    version: int | None = None

    def detail(self) -> dict[str, Any]:
        resolved = [record.detail() for record in self.records]
        return {"resolved": resolved} if self.version is None else {"bver": self.version, "resolved": resolved}


# ------------------------------------------------------------------------------------------------ resolving a pack


def resolve(records: Any, received_at: int | None) -> tuple[Pack, list[Fault]]:
    """The resolved records and a fault for each that had to be dropped. Raises `Unusable` for a pack as a whole."""
    if not isinstance(records, list):
        raise Unusable(FaultKind.SYNTAX, f"a SenML pack is an array of records, not {shown(records)}")
    if len(records) > RECORDS_LIMIT:
        raise Unusable(FaultKind.OVERSIZE, f"the pack holds {len(records)} records; at most {RECORDS_LIMIT} are read")
    pack, faults = Pack([]), []
    base = _Base()
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict):
            faults.append(Fault(FaultKind.SYNTAX, f"record {number}: a record is an object, not {shown(record)}"))
            continue
        _check_labels(number, record)
        if not _BASES.isdisjoint(record):
            base.take(number, record)
            pack.version = base.version
            if _BASES.issuperset(record):
                continue  # it only sets base fields
        try:
            pack.records.append(base.resolve(record, received_at))
        except Unusable as unusable:
            unusable.detail = f"record {number}: {unusable.detail}"
            faults.append(unusable.fault())
    return pack, faults


def _check_labels(number: int, record: dict[Any, Any]) -> None:
    for label in record.keys() - _LABELS:
        if isinstance(label, str) and label.endswith("_"):
            detail = f"record {number}: label {shown(label)} must be understood (it ends in _) and is not; the pack is refused"
            raise Unusable(FaultKind.UNSUPPORTED, detail)


class _Base:
    """The base fields as they stand at a record: each lasts until it is set again."""

    def __init__(self) -> None:
        self.name = ""
        self.unit = ""
        self.time: float = 0
        self.value: float | None = None
        self.sum: float | None = None
        self.version: int | None = None

    def take(self, number: int, record: dict[str, Any]) -> None:
        """Set what this record sets. Raises `Unusable` for the pack: all that follows would be wrong."""
        try:
            if "bver" in record:
                self.version = _version(record["bver"])
            self.name = _label(record, "bn", self.name)
            self.unit = _label(record, "bu", self.unit)
            if "bt" in record:
                self.time = _number(record, "bt")
            if "bv" in record:
                self.value = _number(record, "bv")
            if "bs" in record:
                self.sum = _number(record, "bs")
        except Unusable as unusable:
            raise Unusable(unusable.kind, f"record {number}: {unusable.detail}; the pack is refused") from None

    def resolve(self, record: dict[str, Any], received_at: int | None) -> Record:
        """One record without base fields. Raises `Unusable` for this record alone."""
        name = self.name + _label(record, "n", "")
        if not _NAME.fullmatch(name):
            raise Unusable(FaultKind.SYNTAX, _what_is_wrong_with(name))
        fields = [field for field in _VALUES if field in record]
        if len(fields) > 1:
            raise Unusable(FaultKind.SYNTAX, f"{name} has {len(fields)} values ({', '.join(fields)}); one is allowed")
        total = _number(record, "s") + (self.sum or 0) if "s" in record else self.sum
        if not fields and "s" not in record:
            # With a base value §4.2 and §4.5.4 contradict each other on this; a value that nobody sent is none.
            raise Unusable(FaultKind.SYNTAX, f"{name} has no value (v, vs, vb, vd) and no sum (s)")
        field = fields[0] if fields else ""
        value = self._value(record, field) if field else None
        after = self.time + (_number(record, "t") if "t" in record else 0)
        time, after = _moment(after, received_at)
        return Record(name, _label(record, "u", "") or self.unit, field, value, total, time, after)

    def _value(self, record: dict[str, Any], field: str) -> Any:
        if field == "v":
            number = _number(record, "v")
            return number if self.value is None else number + self.value
        value = record[field]
        if field == "vb" and isinstance(value, bool):
            return value
        if field == "vs" and isinstance(value, str):
            return value
        if field == "vd":
            return _data(value)
        wanted = "true or false" if field == "vb" else "a text"
        raise Unusable(FaultKind.VALUE, f"{field} must be {wanted}, not {shown(value)}")


def _version(version: Any) -> int:
    if isinstance(version, bool) or not isinstance(version, int):
        raise Unusable(FaultKind.SYNTAX, f"bver must be a whole number, not {shown(version)}")
    if version > VERSION:
        raise Unusable(FaultKind.UNSUPPORTED, f"bver is {shown(version)}; versions up to {VERSION} are understood")
    return version


def _label(record: dict[str, Any], label: str, otherwise: str) -> str:
    text = record.get(label, otherwise)
    if not isinstance(text, str) or len(text) > 1024:
        raise Unusable(FaultKind.SYNTAX, f"{label} must be a text of at most 1024 characters, not {shown(text)}")
    return text


def _number(record: dict[str, Any], label: str) -> float:
    number = record[label]
    if isinstance(number, Decimal):
        number = float(number) if number.is_finite() else None
    if isinstance(number, bool) or not isinstance(number, int | float) or not -1e300 < number < 1e300:
        raise Unusable(FaultKind.VALUE, f"{label} must be a number, not {shown(record[label])}")
    return number


def _data(value: Any) -> str:
    """Binary data as base64url without padding, the way JSON writes it."""
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).decode().rstrip("=")
    try:
        if (
            isinstance(value, str)
            and base64.b64decode(value + "=" * (-len(value) % 4), b"-_", validate=True) is not None
        ):
            return value
    except (binascii.Error, ValueError):
        pass
    raise Unusable(FaultKind.VALUE, f"vd must be binary data (base64url in JSON), not {shown(value)}")


def _moment(seconds_: float, received_at: int | None) -> tuple[int | None, float]:
    """(ns UTC or None, seconds relative to now) of a resolved SenML time."""
    relative = seconds_ < RELATIVE_BELOW
    time = seconds(seconds_) + ((received_at or 0) if relative else 0)
    if not in_reach(time):  # without `received_at` this bounds how long ago it may be
        raise Unusable(FaultKind.TIME, f"time {shown(seconds_)} s lies outside the years 1677 to 2262")
    if not relative:
        return time, 0.0
    return (None if received_at is None else time), seconds_


def _what_is_wrong_with(name: str) -> str:
    if not name:
        return "the name is empty: neither bn nor n says what was measured"
    if not name[0].isascii() or not name[0].isalnum():
        return f"name {shown(name)} must start with a letter or digit"
    return f"name {shown(name)} may hold only A-Z a-z 0-9 - : . / _"


# ------------------------------------------------------------------------------------- from records to our readings


@lru_cache(maxsize=65536)
def split_name(name: str) -> tuple[str, str]:
    """(device, metric): split at the last / or : of the name. Raises `Unusable`."""
    at = max(name.rfind("/"), name.rfind(":"))
    if at < 0:
        raise Unusable(FaultKind.SYNTAX, f"name {shown(name)} names no device: it should look like device/metric")
    return device_name(name[:at]), name[at + 1 :]


class _Draft(msgspec.Struct, gc=False):
    """A reading in the making: the records of one device and time."""

    device: str
    time: int | None
    values: dict[str, Value]
    places: dict[str, Any]


def to_readings(pack: Pack) -> tuple[list[Reading], list[Fault]]:
    """Records of one device and time become one reading; what has no metric or the wrong value is a fault."""
    drafts: dict[tuple[str, int | None, float], _Draft] = {}
    faults: list[Fault] = []
    for record in pack.records:
        device = None
        try:
            device, metric = split_name(record.name)
            key = (device, record.time, record.after)
            draft = drafts.get(key)
            if draft is None:
                draft = drafts[key] = _Draft(device, record.time, {}, {})
            _enter(draft, metric, record)
        except Unusable as unusable:
            unusable.detail = f"{record.name[:200]}: {unusable.detail}"
            faults.append(unusable.fault(device=device))
    readings = []
    for draft in drafts.values():
        position = None
        if draft.places:
            try:
                position = place(draft.places.get("lon"), draft.places.get("lat"), draft.places.get("alt"))
            except Unusable as unusable:
                faults.append(unusable.fault(device=draft.device))
        if draft.values or position is not None:
            readings.append(Reading(draft.device, draft.time, draft.values, position))
        else:
            for fault in faults:
                if fault.device == draft.device and not fault.readings:
                    fault.readings = 1
                    break
    return readings, faults


def _enter(draft: _Draft, metric: str, record: Record) -> None:
    unit = to_ucum(record.unit)
    where = record.unit if record.unit in ("lat", "lon") else PLACES.get(metric)
    if where is not None and record.field == "v":
        draft.places[where] = record.value
        return
    if record.field == "vd":
        raise Unusable(FaultKind.VALUE, "binary data (vd) has no place in a reading; it is kept in the detail only")
    if record.field:
        _set(draft, metric, accept(metric, record.value, unit))
    if record.sum is not None:
        _enter_sum(draft, metric, record, unit)


def _enter_sum(draft: _Draft, metric: str, record: Record, unit: str) -> None:
    """A sum feeds the counter of its metric; a counter sent as a bare sum is taken as it stands."""
    counter = _SUMS.get(metric)
    if counter is not None and unit in _PER_SECOND:
        _set(draft, counter, accept(counter, record.sum, _PER_SECOND[unit]))
    elif not record.field:
        _set(draft, metric, accept(metric, record.sum, unit))


def _set(draft: _Draft, metric: str, value: Value) -> None:
    before = draft.values.setdefault(metric, value)
    if before != value:
        raise Unusable(
            FaultKind.VALUE, f"stands twice at the same time: {shown(before)} is kept, {shown(value)} is not"
        )
