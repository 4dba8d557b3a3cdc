"""Lines such as `yard-1,0167010A026873*46`. Pure: bytes in, messages out; no socket, no clock, and no exception for bad input.

Types and resolutions: Cayenne LPP, https://docs.mydevices.com/docs/lorawan/cayenne-lpp (IPSO object id minus 3200).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import reduce
from operator import xor
from typing import NamedTuple

from cityhub.plugin import Fault, FaultKind, LineCodec, Message, NoOptions, Position, Reading

LINE = re.compile(rb"(([!-+\--~]{1,60}),((?:[0-9A-F]{2}){1,256}))\*([0-9A-F]{2})")
GPS = 0x88


class Kind(NamedTuple):
    """How many bytes a type has, its resolution, whether it has a sign, and the vocabulary's word; no word: passed over."""

    size: int
    per_bit: float = 1.0
    signed: bool = False
    metric: str = ""


KINDS: Mapping[int, Kind] = {
    0x00: Kind(1),
    0x01: Kind(1),
    0x02: Kind(2),
    0x03: Kind(2),
    0x65: Kind(2, 1.0, metric="lpp_illuminance"),
    0x66: Kind(1, metric="lpp_presence"),
    0x67: Kind(2, 0.1, True, "air_temperature"),
    0x68: Kind(1, 0.5, metric="relative_humidity"),
    0x71: Kind(6),
    0x73: Kind(2, 0.1, metric="air_pressure"),
    0x86: Kind(6),
    GPS: Kind(9),
}


class LppCodec(LineCodec):
    """Splits at line feeds and keeps at most 4,096 bytes of a line without an end."""

    def __init__(self, options: NoOptions) -> None:
        super().__init__(decode, limit=4096)


def decode(line: bytes, received_at: int | None) -> Message:
    """One line."""
    found = LINE.fullmatch(line)
    if found is None:
        return _bad(FaultKind.SYNTAX, "not a line such as yard-1,0167010A026873*46", line)
    if reduce(xor, found[1]) != int(found[4], 16):
        return _bad(
            FaultKind.CHECKSUM, f"its check says {found[4].decode()}, its bytes say {reduce(xor, found[1]):02X}", line
        )
    reading = Reading(f"lpp:{found[2].decode()}", received_at, {})
    trouble = _fill(reading, bytes.fromhex(found[3].decode()))
    faults = [Fault(FaultKind.VALUE, trouble, line)] if trouble else []
    empty = not reading.values and reading.position is None
    if empty and not faults:
        faults = [Fault(FaultKind.VALUE, "nothing in it that the vocabulary has a word for", line)]
    return Message([] if empty else [reading], faults, device=reading.device, raw=line)


def _fill(reading: Reading, payload: bytes) -> str:
    """Put what the payload says into the reading; gives why the rest of it cannot be read, or nothing."""
    at = 0
    while at + 2 <= len(payload):
        kind = KINDS.get(payload[at + 1])
        if kind is None:
            return f"type {payload[at + 1]:#04x} at byte {at + 1} is not known"
        data = payload[at + 2 : at + 2 + kind.size]
        if len(data) < kind.size:
            return f"type {payload[at + 1]:#04x} has {kind.size} bytes, and {len(data)} are left"
        if payload[at + 1] == GPS:
            lat, lon, alt = (int.from_bytes(data[n : n + 3], "big", signed=True) for n in (0, 3, 6))
            reading.position = Position(lon / 1e4, lat / 1e4, alt / 100)
        elif kind.metric:
            number = int.from_bytes(data, "big", signed=kind.signed)
            said: float | bool = bool(number) if kind.metric == "lpp_presence" else round(number * kind.per_bit, 3)
            reading.values.setdefault(kind.metric, said)
        at += 2 + kind.size
    return "" if at == len(payload) else "one byte is left over"


def _bad(kind: FaultKind, detail: str, line: bytes) -> Message:
    return Message([], [Fault(kind, detail, line)], raw=line)
