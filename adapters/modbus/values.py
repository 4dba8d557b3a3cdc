"""Registers to values and back: types, word and byte order, BCD, bits, strings. Pure.

A register is two bytes, high byte first on the wire. What spans several registers comes in one of four orders, named as
everywhere in the trade: ABCD big-endian, CDAB words swapped, BADC bytes swapped in each word, DCBA both.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

Raw = int | float | bool | str

ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")


class Kind(NamedTuple):
    """A type: registers it spans (0: as many as the field says) and its struct code ("" where it has an own rule)."""

    registers: int
    code: str = ""


TYPES: dict[str, Kind] = {
    "bool": Kind(1),
    "int8l": Kind(1),
    "int8h": Kind(1),
    "uint8l": Kind(1),
    "uint8h": Kind(1),
    "int16": Kind(1, "h"),
    "uint16": Kind(1, "H"),
    "int32": Kind(2, "i"),
    "uint32": Kind(2, "I"),
    "int64": Kind(4, "q"),
    "uint64": Kind(4, "Q"),
    "float16": Kind(1, "e"),
    "float32": Kind(2, "f"),
    "float64": Kind(4, "d"),
    "bcd16": Kind(1),
    "bcd32": Kind(2),
    "bcd64": Kind(4),
    "string": Kind(0),
}


class ValueProblem(ValueError):
    """Registers that hold no such value, or a value that does not fit; the message is fit to show to people."""


def to_bytes(registers: Sequence[int], order: str) -> bytes:
    """The value's bytes, most significant first. For strings only the byte order within a register counts."""
    words = reversed(registers) if order in ("CDAB", "DCBA") else registers
    data = b"".join(word.to_bytes(2, "big") for word in words)
    return _swapped(data) if order in ("BADC", "DCBA") else data


def _swapped(data: bytes) -> bytes:
    pairs = bytearray(data)
    pairs[0::2], pairs[1::2] = pairs[1::2], pairs[0::2]
    return bytes(pairs)


def decode(registers: Sequence[int], kind: str, order: str = "ABCD", bit: int | None = None) -> Raw | None:
    """The value in these registers; None for NaN and infinities. Raises `ValueProblem` for digits that are no BCD.

    `bit` (0 is the least significant) picks one bit as a flag, of whatever integer type.
    """
    if kind == "string":
        data = b"".join(word.to_bytes(2, "big") for word in registers)
        text = _swapped(data) if order in ("BADC", "DCBA") else data
        return text.split(b"\x00", 1)[0].decode("utf-8", "replace").strip()
    data = to_bytes(registers, order)
    if bit is not None:
        return bool(int.from_bytes(data, "big") >> bit & 1)
    if kind == "bool":
        return any(data)
    if kind.startswith("bcd"):
        digits = data.hex()
        if not digits.isdecimal():
            raise ValueProblem(f"{digits} is no BCD number")
        return int(digits)
    if kind in ("int8l", "int8h", "uint8l", "uint8h"):
        byte = data[1] if kind.endswith("l") else data[0]
        return byte - 256 if kind.startswith("int") and byte > 127 else byte
    value: int | float = struct.unpack(">" + TYPES[kind].code, data)[0]
    return value if math.isfinite(value) else None


def encode(value: Raw, kind: str, order: str = "ABCD", length: int = 0) -> list[int]:
    """The registers that hold `value`. Raises `ValueProblem` where it does not fit the type."""
    try:
        if kind == "string":
            data = str(value).encode().ljust(2 * length, b"\x00")
            if len(data) > 2 * length:
                raise ValueProblem(f"{value!r} is longer than {length} registers")
            return _registers(_swapped(data) if order in ("BADC", "DCBA") else data)
        if kind == "bool":
            return [int(bool(value))]
        if kind.startswith("bcd"):
            digits = f"{int(value):0{4 * TYPES[kind].registers}d}"
            data = bytes.fromhex(digits) if int(value) >= 0 else b""
        elif TYPES[kind].code in ("e", "f", "d"):
            data = struct.pack(">" + TYPES[kind].code, float(value))
        elif TYPES[kind].code:
            data = struct.pack(">" + TYPES[kind].code, round(float(value)) if isinstance(value, float) else int(value))
        else:
            raise ValueProblem(f"type {kind} is half a register and cannot be written by itself")
    except (struct.error, OverflowError, ValueError) as error:
        raise error if isinstance(error, ValueProblem) else ValueProblem(f"{value!r} does not fit {kind}") from None
    if len(data) != 2 * TYPES[kind].registers:
        raise ValueProblem(f"{value!r} does not fit {kind}")
    words = _registers(_swapped(data) if order in ("BADC", "DCBA") else data)
    return words[::-1] if order in ("CDAB", "DCBA") else words


def _registers(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
