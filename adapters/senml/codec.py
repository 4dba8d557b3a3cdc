"""SenML packs as bytes: JSON and CBOR (RFC 8428 §5, §6). Pure functions of one payload, and codecs over them."""

from __future__ import annotations

from typing import Any

import cbor2

from adapters.json.codec import PAYLOAD_LIMIT, check_size, decode_native, read_json, refused
from adapters.senml.pack import resolve, to_readings
from adapters.values import Unusable
from hub.json_once import RepeatedKey, refuse
from hub.model import FaultKind, Message, Verdict

_CBOR_LABELS = {
    -1: "bver",
    -2: "bn",
    -3: "bt",
    -4: "bu",
    -5: "bv",
    -6: "bs",
    0: "n",
    1: "u",
    2: "v",
    3: "vs",
    4: "vb",
    5: "s",
    6: "t",
    7: "ut",
    8: "vd",
}  # RFC 8428 §6, table 4


def decode_json(payload: bytes, received_at: int | None = None) -> Message:
    """The readings of a SenML JSON pack. Relative times, and none, count from `received_at`."""
    try:
        records = read_json(payload)
        refuse(records)
    except Unusable as unusable:
        return refused(unusable, payload)
    except RepeatedKey as error:
        return refused(Unusable(FaultKind.SYNTAX, f"{error}, and nobody can say which was meant"), payload)
    return _message(records, payload, received_at)


def decode_cbor(payload: bytes, received_at: int | None = None) -> Message:
    """The readings of a SenML CBOR pack. Relative times, and none, count from `received_at`."""
    try:
        records = _read_cbor(payload)
    except Unusable as unusable:
        return refused(unusable, payload)
    return _message(records, payload, received_at)


def decode_any_json(payload: bytes, received_at: int | None = None) -> Message:
    """JSON that nobody labelled: SenML where the first object has SenML's labels and no `device`, else native."""
    try:
        document = read_json(payload)
    except Unusable as unusable:
        return refused(unusable, payload)
    first = document[0] if isinstance(document, list) and document else None
    if isinstance(first, dict) and "device" not in first and not first.keys().isdisjoint(_CBOR_LABELS.values()):
        return decode_json(payload, received_at)
    return decode_native(payload, received_at)


def _message(records: Any, payload: bytes, received_at: int | None) -> Message:
    try:
        pack, dropped = resolve(records, received_at)
    except Unusable as unusable:
        return refused(unusable, payload)
    readings, faults = to_readings(pack)
    faults = dropped + faults
    if faults:
        faults[0].raw = payload
        if not readings and not any(fault.readings for fault in faults):
            faults[0].readings = 1
    named = {reading.device for reading in readings} | {fault.device for fault in faults if fault.device}
    return Message(readings, faults, named.pop() if len(named) == 1 else None, pack, payload)


def _read_cbor(payload: bytes) -> Any:
    """The pack with JSON's labels. Raises `Unusable`."""
    check_size(payload)
    try:
        document = cbor2.loads(payload)
    except RecursionError:
        raise Unusable(FaultKind.SYNTAX, "the payload is not CBOR: nested too deeply") from None
    except cbor2.CBORDecodeEOF as error:
        raise Unusable(FaultKind.TRUNCATED, f"the CBOR ends too early: {str(error)[:200]}") from None
    except MemoryError:
        raise
    except Exception as error:  # whatever foreign bytes make a decoder of tags, dates and bignums raise
        raise Unusable(FaultKind.SYNTAX, f"the payload is not CBOR: {str(error)[:200]}") from None
    if not isinstance(document, list):
        return document
    return [_relabelled(record) for record in document]


def _relabelled(record: Any) -> Any:
    if not isinstance(record, dict):
        return record
    # Some encoders write JSON's labels as CBOR texts; the integer wins where both stand.
    labelled = {label: value for label, value in record.items() if isinstance(label, str)}
    for number, label in _CBOR_LABELS.items():
        if number in record:
            labelled[label] = record[number]
    return labelled


class CborCodec:
    """SenML CBOR for `cityhub decode` and `replay`: all bytes up to `end()` are one pack, as a datagram would be."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        self._held += data[: PAYLOAD_LIMIT + 1 - len(self._held)]
        return []

    def end(self, received_at: int | None = None) -> list[Message]:
        payload, self._held = bytes(self._held), bytearray()
        return [decode_cbor(payload, received_at)] if payload else []

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        return None


__all__ = ["CborCodec", "decode_any_json", "decode_cbor", "decode_json"]
