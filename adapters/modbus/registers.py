"""The register map: which registers of which unit mean what. A TOML file, checked to the last key.

Every mistake comes back as a sentence that names its device and field; the README shows the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from adapters.modbus.values import ORDERS, TYPES, Raw, ValueProblem, decode, to_bytes
from hub.metrics import UnitError, nearest, vocabulary
from hub.model import Value
from hub.units import conversion

TABLES = ("holding", "input", "coil", "discrete")
REGISTERS_MAX, BITS_MAX = 125, 2000
"""What one request may read (Modbus Application Protocol V1.1b3, 6.1 and 6.3)."""


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, eq=False):
    """One value. `range` and `unit` are those of the value after scale and offset, before conversion to the metric's unit."""

    metric: str
    address: int
    table: str = "holding"
    type: str = "uint16"
    order: str = ""
    scale: float = 1.0
    offset: float = 0.0
    scale_register: int | None = None
    """A register with a power of ten (SunSpec's `_SF`, int16; 0x8000 means none)."""
    unit: str = ""
    sentinel: tuple[int, ...] = ()
    range: tuple[float, float] | None = None
    bit: int | None = None
    length: int = 0
    states: Mapping[str, str] = msgspec.field(default_factory=dict)
    every_s: float = 0.0
    writable: bool = False

    @property
    def registers(self) -> int:
        """Registers, or bits in the bit tables."""
        return self.length if self.type == "string" else TYPES[self.type].registers

    @property
    def is_bits(self) -> bool:
        return self.table in ("coil", "discrete")


class Unit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device behind the bus: its unit address, its schedule and limits, its fields."""

    device: str
    unit: int = 1
    every_s: float = 10.0
    jitter_s: float = 0.0
    order: str = "ABCD"
    one_based: bool = False
    """Addresses count from 1, or are the 4xxxx / 3xxxx / 1xxxx numbers of the manual."""
    gap: int = 8
    """Registers read for nothing so that two ranges become one request."""
    registers_max: int = REGISTERS_MAX
    bits_max: int = BITS_MAX
    sunspec: bool = False
    """Find the device's SunSpec models at start and read what they measure."""
    writable: bool = False
    fields: tuple[Field, ...] = ()


class RegisterMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole map: the units of one bus or gateway."""

    devices: tuple[Unit, ...] = ()

    def of_unit(self, unit: int) -> list[Unit]:
        return [one for one in self.devices if one.unit == unit]


class MapError(ValueError):
    """A register map with mistakes: `mistakes` has one sentence for each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


def load_map(path: str | Path) -> RegisterMap:
    """Read and check a map file. Raises `MapError` with every mistake."""
    name = Path(path).name
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MapError([f"{name} cannot be read: {error}"]) from None
    return read_map(text, name)


def read_map(text: str, name: str = "map") -> RegisterMap:
    """A map from its text. Raises `MapError` with every mistake."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MapError([f"{name}: {error}"]) from None
    reader = _Reader(name)
    units = reader.units(table)
    if reader.mistakes:
        raise MapError(reader.mistakes)
    return RegisterMap(devices=tuple(units))


class _Reader:
    def __init__(self, name: str) -> None:
        self.name = name
        self.mistakes: list[str] = []

    def wrong(self, where: str, sentence: str) -> None:
        self.mistakes.append(f"{self.name}: {where}: {sentence}" if where else f"{self.name}: {sentence}")

    def units(self, table: Mapping[str, Any]) -> list[Unit]:
        for key in table:
            if key != "devices":
                self.wrong("", f"unknown key {key!r}; a map is written as [[devices]] blocks with [[devices.fields]]")
        blocks = table.get("devices", [])
        if not isinstance(blocks, list) or not blocks:
            self.wrong("", "no [[devices]] block; one for each device on the bus is needed")
            return []
        units = [unit for number, block in enumerate(blocks, 1) if (unit := self.unit(number, block)) is not None]
        for device in {unit.device for unit in units if sum(one.device == unit.device for one in units) > 1}:
            self.wrong(device, "this device stands twice; put its fields under one [[devices]] block")
        return units

    def unit(self, number: int, block: Any) -> Unit | None:
        where = str(block.get("device", f"device {number}")) if isinstance(block, dict) else f"device {number}"
        own = {key: value for key, value in block.items() if key != "fields"} if isinstance(block, dict) else block
        unit: Unit | None = self.struct(where, own, Unit)
        entries = block.get("fields", []) if isinstance(block, dict) else []
        if unit is None or not isinstance(entries, list):
            if not isinstance(entries, list):
                self.wrong(where, "fields are written as [[devices.fields]], a block for each")
            return None
        self.check_unit(where, unit, entries)
        fields = [
            field for at, entry in enumerate(entries, 1) if (field := self.field(where, unit, at, entry)) is not None
        ]
        metrics = [field.metric for field in fields]
        for metric in {metric for metric in metrics if metrics.count(metric) > 1}:
            self.wrong(f"{where}, {metric}", "this metric stands twice; a device has one value of a metric")
        return msgspec.structs.replace(unit, fields=tuple(fields))

    def check_unit(self, where: str, unit: Unit, entries: list[Any]) -> None:
        limits = (
            ("unit", unit.unit, 0, 255),
            ("registers_max", unit.registers_max, 1, REGISTERS_MAX),
            ("bits_max", unit.bits_max, 1, BITS_MAX),
            ("gap", unit.gap, 0, REGISTERS_MAX),
        )
        for key, value, low, high in limits:
            if not low <= value <= high:
                self.wrong(where, f"{key} = {value} is outside {low} to {high}")
        if unit.every_s < 0.05:
            self.wrong(where, f"every_s = {unit.every_s} is under 0.05 seconds")
        if not 0 <= unit.jitter_s <= unit.every_s:
            self.wrong(where, f"jitter_s = {unit.jitter_s} is not between 0 and every_s")
        if unit.order not in ORDERS:
            self.wrong(where, f"order = {unit.order!r}; one of {', '.join(ORDERS)} was meant")
        if not entries and not unit.sunspec:
            self.wrong(where, "it has no [[devices.fields]], and sunspec = true is not said")

    def field(self, where: str, unit: Unit, number: int, entry: Any) -> Field | None:
        name = str(entry.get("metric", f"field {number}")) if isinstance(entry, dict) else f"field {number}"
        where = f"{where}, {name}"
        field: Field | None = self.struct(where, entry, Field)
        if field is None:
            return None
        before = len(self.mistakes)
        if field.table not in TABLES:
            self.choice(where, "table", field.table, TABLES)
        if field.type not in TYPES:
            self.choice(where, "type", field.type, TYPES)
        if field.order and field.order not in ORDERS:
            self.wrong(where, f"order = {field.order!r}; one of {', '.join(ORDERS)} was meant")
        if len(self.mistakes) > before:
            return None
        changes: dict[str, Any] = {"order": field.order or unit.order, "every_s": field.every_s or unit.every_s}
        if field.is_bits:
            changes["type"] = "bool"
        if unit.one_based:
            changes["address"] = _zero_based(field.address, field.table)
            if field.scale_register is not None:
                changes["scale_register"] = _zero_based(field.scale_register, field.table)
        field = msgspec.structs.replace(field, **changes)
        self.check_field(where, unit, field)
        return field if len(self.mistakes) == before else None

    def check_field(self, where: str, unit: Unit, field: Field) -> None:
        self.check_metric(where, field)
        if field.type == "string" and not 1 <= field.length <= unit.registers_max:
            self.wrong(where, f"a string needs length, its registers: 1 to {unit.registers_max}")
        elif not field.is_bits and field.registers > unit.registers_max:
            self.wrong(
                where, f"{field.type} spans {field.registers} registers, more than registers_max = {unit.registers_max}"
            )
        if field.address < 0 and unit.one_based:
            self.wrong(where, "address = 0; with one_based = true addresses begin at 1")
        elif field.address < 0 or field.address + max(1, field.registers) > 65536:
            self.wrong(where, f"address {field.address} is outside the table of 65,536")
        width = 16 * field.registers
        if field.bit is not None and not 0 <= field.bit < width:
            self.wrong(where, f"bit = {field.bit}; {field.type} has bits 0 to {width - 1}")
        if field.range and not field.range[0] < field.range[1]:
            self.wrong(where, f"range = {list(field.range)} is empty; it is written [lowest, highest]")
        if field.scale == 0:
            self.wrong(where, "scale = 0 would make every value the offset")
        if field.every_s < 0.05:
            self.wrong(where, f"every_s = {field.every_s} is under 0.05 seconds")
        if field.writable and (field.table in ("input", "discrete") or not unit.writable):
            why = f"{field.table} cannot be written" if unit.writable else "its device does not say writable = true"
            self.wrong(where, f"writable = true, but {why}")

    def check_metric(self, where: str, field: Field) -> None:
        metric = vocabulary().get(field.metric)
        if metric is None:
            self.wrong(where, f"the vocabulary has no metric {field.metric!r}{nearest(field.metric)}")
        elif metric.type == "number":
            if field.type == "string":
                self.wrong(where, f"{field.metric} is a number, and a string is none")
            try:
                conversion(field.unit or metric.unit, metric.unit)
            except UnitError as error:
                self.wrong(where, str(error))
        elif metric.type == "texts":
            self.wrong(where, f"{field.metric} is a list of texts, and no register holds one")
        elif metric.type == "text" and field.type != "string" and not field.states:
            self.wrong(where, f'{field.metric} is text: type = "string" or a table of states is needed')

    def choice(self, where: str, key: str, value: str, known: Any) -> None:
        near = get_close_matches(value, known, n=1)
        self.wrong(
            where,
            f"{key} = {value!r}; " + (f"was {near[0]!r} meant?" if near else f"one of {', '.join(known)} was meant"),
        )

    def struct(self, where: str, table: Any, kind: Any) -> Any:
        """`table` as `kind`, key by key, so that each wrong one is named."""
        if not isinstance(table, dict):
            self.wrong(where, "a table of keys is needed here")
            return None
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        before = len(self.mistakes)
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in fields:
                near = get_close_matches(key, fields, n=1)
                self.wrong(where, f"unknown key {key!r}" + (f"; was {near[0]!r} meant?" if near else ""))
                continue
            try:
                values[key] = msgspec.convert(value, fields[key].type)
            except msgspec.ValidationError as error:
                self.wrong(where, f"{key} = {value!r}: {str(error).split(' - at')[0].lower()}")
        for key, field in fields.items():
            if field.required and key not in table:
                self.wrong(where, f"{key} is missing")
        return kind(**values) if len(self.mistakes) == before else None


def _zero_based(address: int, table: str) -> int:
    """The wire's address of a manual's: 40108 or 108 → 107 (holding), 30001 → 0 (input), 10001 → 0 (discrete), 400108 → 107."""
    prefix = {"holding": 4, "input": 3, "discrete": 1, "coil": 0}[table]
    for base in (100_000, 10_000):
        if prefix and address // base == prefix and address % base:
            return address % base - 1
    return address - 1


# ---------------------------------------------------------------------------------------------------- values


def value_of(field: Field, raw: list[int], exponent: int | None = None) -> Value | None:
    """The field's value in its metric's unit, from its registers (or bits as 0 and 1); None where it says it has none.

    Raises `ValueProblem` for what is no such value or outside the field's range.
    """
    if not field.is_bits and field.sentinel and _is_sentinel(field, raw):
        return None
    value: Raw | None = bool(raw[0]) if field.is_bits else decode(raw, field.type, field.order, field.bit)
    if value is None:
        return None
    metric = vocabulary()[field.metric]
    if field.states:
        key = str(int(value)) if isinstance(value, (bool, int, float)) else value
        text = field.states.get(key)
        if text is None:
            raise ValueProblem(f"{field.metric}: state {key} is not in the map")
        return text
    if metric.type == "flag":
        return bool(value)
    if metric.type == "text":
        return str(value)
    assert not isinstance(value, str)
    number = value * field.scale + field.offset
    if exponent is not None:
        number *= 10.0**exponent
    if field.range and not field.range[0] <= number <= field.range[1]:
        raise ValueProblem(f"{field.metric}: {number:g} is outside the map's range {list(field.range)}")
    scale, shift = conversion(field.unit or metric.unit, metric.unit)
    number = number * scale + shift
    return float(f"{number:.12g}")


def _is_sentinel(field: Field, raw: list[int]) -> bool:
    """Whether the registers hold one of the field's "no value" numbers, read signed or unsigned."""
    if field.type == "string":
        return False
    bits = 16 * len(raw)
    if field.type in ("float16", "float32", "float64"):
        value = decode(raw, field.type, field.order)
        return value in field.sentinel
    number = int.from_bytes(to_bytes(raw, field.order), "big")
    return number in field.sentinel or number - (1 << bits) in field.sentinel
