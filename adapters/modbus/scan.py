"""Finding out what an unknown device holds: read ranges, and show every reading of them that makes sense.

`cityhub modbus scan` prints what `scan` returns. It only reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from adapters.modbus import sunspec
from adapters.modbus.bus import Bus, Refused, Short, Silent
from adapters.modbus.registers import BITS_MAX, REGISTERS_MAX, TABLES
from adapters.modbus.values import ORDERS, TYPES, Raw, ValueProblem, decode


class Interpretation(msgspec.Struct, frozen=True):
    """One way to read the registers from `address` on."""

    address: int
    type: str
    order: str
    value: float | int | bool | str


class Scan(msgspec.Struct):
    """What a scan found: words (or bits) by address, ranges the device refused, readings that make sense, SunSpec models."""

    unit: int
    table: str
    words: dict[int, int] = msgspec.field(default_factory=dict)
    refused: list[tuple[int, int, str]] = msgspec.field(default_factory=list)
    interpretations: list[Interpretation] = msgspec.field(default_factory=list)
    models: list[sunspec.Model] = msgspec.field(default_factory=list)
    silent: str = ""
    """Why the scan ended early: the unit stopped answering."""


async def scan(
    url: str,
    *,
    unit: int = 1,
    table: str = "holding",
    start: int = 0,
    end: int = 99,
    block: int = 16,
    timeout_s: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> Scan:
    """Read `start` to `end` (inclusive) of a table of one unit.

    `progress` hears addresses done and in all. Raises ValueError for a wrong URL, table or range and `Down` where there is no bus.
    """
    if table not in TABLES:
        raise ValueError(f"{table!r}: one of {', '.join(TABLES)} was meant")
    if not 0 <= start <= end <= 65_535:
        raise ValueError(f"{start} to {end} is no range of addresses in 0 to 65535")
    bits = table in ("coil", "discrete")
    block = max(1, min(block, BITS_MAX if bits else REGISTERS_MAX))
    bus = Bus(url, timeout_s=timeout_s)
    found = Scan(unit, table)
    try:
        await bus.connect()
        for at in range(start, end + 1, block):
            count = min(block, end + 1 - at)
            await _range(bus, found, at, count)
            if progress:
                progress(at + count - start, end + 1 - start)
        if table == "holding":

            async def read(address: int, count: int) -> list[int]:
                return await bus.read(unit, "holding", address, count)

            found.models = await sunspec.discover(read, Refused)
    except Silent as silence:
        found.silent = str(silence)
    finally:
        bus.close()
    if not bits:
        found.interpretations = interpret(found.words)
    return found


async def _range(bus: Bus, found: Scan, at: int, count: int) -> None:
    """Read a range; halve it where a part of it is refused."""
    try:
        words = await bus.read(found.unit, found.table, at, count)
    except (Refused, Short) as refusal:
        if count > 1 and (isinstance(refusal, Short) or refusal.code in (2, 3)):
            half = count // 2
            await _range(bus, found, at, half)
            await _range(bus, found, at + half, count - half)
            return
        last = found.refused[-1] if found.refused else None
        if last and last[1] == at - 1 and last[2] == str(refusal):
            found.refused[-1] = (last[0], at + count - 1, last[2])
        else:
            found.refused.append((at, at + count - 1, str(refusal)))
        return
    found.words.update({at + offset: word for offset, word in enumerate(words)})


def interpret(words: dict[int, int]) -> list[Interpretation]:
    """Every plausible reading of these registers, by address and then by type and order."""
    found: list[Interpretation] = []
    for address in sorted(words):
        for kind, form in TYPES.items():
            if kind in ("bool", "string", "float16") or kind.startswith(("int8", "uint8")):
                continue
            held = [words.get(address + offset) for offset in range(form.registers)]
            if None in held:
                continue
            registers = [word for word in held if word is not None]
            for order in ("ABCD", "BADC") if form.registers == 1 else ORDERS:
                found += _reading(address, kind, order, registers)
        found += _text(address, words)
    return found


def _reading(address: int, kind: str, order: str, registers: list[int]) -> list[Interpretation]:
    if len(registers) > 1 and not any(registers):
        return []  # nothing but zeros: as good in any type
    if len(registers) == 1 and order == "BADC" and (kind not in ("int16", "uint16") or registers[0] < 256):
        return []
    try:
        value = decode(registers, kind, order)
    except ValueProblem:
        return []
    return [Interpretation(address, kind, order, value)] if value is not None and _plausible(kind, value) else []


def _plausible(kind: str, value: Raw) -> bool:
    """Whether an instrument would say so: floats of a sane size, wide integers below 10^9, BCD above 0, no doubled int16."""
    if kind.startswith("float"):
        size = abs(float(value))
        return size == 0 or (1e-4 <= size <= 1e7 and math.isfinite(size))
    if kind in ("int32", "uint32", "int64", "uint64"):
        return abs(int(value)) < 1_000_000_000 and (kind.startswith("u") or int(value) < 0)
    if kind == "int16":
        return int(value) < 0
    if kind.startswith("bcd"):
        return int(value) > 9
    return True


def _text(address: int, words: dict[int, int]) -> list[Interpretation]:
    """Text that begins here: four or more printable characters, not the tail of a longer one."""
    found = []
    for order in ("ABCD", "BADC"):
        run: list[int] = []
        at = address
        while at in words and _printable(words[at], order) and len(run) < 32:
            run.append(words[at])
            at += 1
        if len(run) >= 2 and not (address - 1 in words and _printable(words[address - 1], order)):
            text = decode(run, "string", order)
            if isinstance(text, str) and len(text) >= 4:
                found.append(Interpretation(address, "string", order, text))
    return found


def _printable(word: int, order: str) -> bool:
    first, second = (word >> 8, word & 0xFF) if order == "ABCD" else (word & 0xFF, word >> 8)
    return 32 <= first < 127 and (second == 0 or 32 <= second < 127)
