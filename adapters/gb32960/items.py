"""The data items of GB/T 32960.3 real-time reports: bytes to named fields, one table for each edition.

2016: clause 7.2.3, tables 9-20, and annex B. 2025: clause 7.2.4, tables 10-26, as far as independent decoders agree on
them; the fuel-cell and super-capacitor items (03, 30, 31, 32) were never seen in a real frame, so they are shown as
fields with their raw bytes and give no readings.

A field's abnormal (FE, FFFE, FFFFFFFE) and invalid (FF, FFFF, FFFFFFFF) codes become the words "abnormal" and "invalid".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

Item: TypeAlias = dict[str, Any]


class Short(Exception):
    """An item needs more bytes than the data unit has left."""


class Field(NamedTuple):
    """value = (raw - offset) / divisor, unless `plain`: then every code is a value of its own."""

    name: str
    code: str
    divisor: int = 1
    offset: int = 0
    plain: bool = False


_ABNORMAL = {"B": 0xFE, "H": 0xFFFE, "I": 0xFFFFFFFE}


def _state(name: str, code: str = "B") -> Field:
    return Field(name, code, plain=True)


class Layout:
    """Consecutive fields of fixed size."""

    def __init__(self, *fields: Field) -> None:
        self._struct = struct.Struct(">" + "".join(field.code for field in fields))
        self._fields = fields
        self.size = self._struct.size

    def read(self, data: bytes, at: int) -> Item:
        if at + self.size > len(data):
            raise Short
        return {
            field.name: raw if field.plain else measured(raw, field.code, field.divisor, field.offset)
            for field, raw in zip(self._fields, self._struct.unpack_from(data, at), strict=True)
        }


def measured(raw: int, code: str, divisor: int = 1, offset: int = 0) -> float | int | str:
    """A measured value, or "abnormal" or "invalid"."""
    abnormal = _ABNORMAL[code]
    if raw >= abnormal:
        return "abnormal" if raw == abnormal else "invalid"
    return raw - offset if divisor == 1 else (raw - offset) / divisor


Reader: TypeAlias = Callable[[bytes, int], tuple[Item, int]]
"""(data, where the item's body starts) -> (fields, where the next item starts). Raises `Short`."""


def _fixed(layout: Layout) -> Reader:
    def read(data: bytes, at: int) -> tuple[Item, int]:
        return layout.read(data, at), at + layout.size

    return read


def _count(data: bytes, at: int, code: str = "B") -> tuple[int, int]:
    """A number of things that follow; the abnormal and invalid codes announce none."""
    size = 1 if code == "B" else 2
    if at + size > len(data):
        raise Short
    count = int.from_bytes(data[at : at + size], "big")
    return (0 if count >= _ABNORMAL[code] else count), at + size


def _bytes(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise Short
    return data[at : at + size]


def _temperatures(data: bytes, at: int, count: int) -> tuple[list[Any], int]:
    return [raw - 40 if raw < 0xFE else measured(raw, "B") for raw in _bytes(data, at, count)], at + count


def _cells(data: bytes, at: int, count: int) -> tuple[list[Any], int]:
    raws = struct.unpack(f">{count}H", _bytes(data, at, 2 * count))
    return [raw / 1000 if raw < 0xFFFE else measured(raw, "H") for raw in raws], at + 2 * count


def _listed(name: str, layout: Layout) -> Reader:
    """A count and that many entries of one layout."""

    def read(data: bytes, at: int) -> tuple[Item, int]:
        count, at = _count(data, at)
        end = at + count * layout.size
        return {name: [layout.read(data, place) for place in range(at, end, layout.size)]}, end

    return read


# ------------------------------------------------------------------------------------------------------------ 2016

_VEHICLE = (
    _state("vehicle_status"),
    _state("charge_status"),
    _state("run_mode"),
    Field("speed_kmh", "H", 10),
    Field("odometer_km", "I", 10),
    Field("voltage_v", "H", 10),
)
_VEHICLE_2016 = Layout(
    *_VEHICLE,
    Field("current_a", "H", 10, 10000),
    Field("soc_pct", "B"),
    _state("dcdc"),
    _state("gear"),
    Field("insulation_kohm", "H"),
    Field("accelerator_pct", "B"),
    Field("brake_pct", "B"),
)
_MOTOR_2016 = Layout(
    _state("no"),
    _state("status"),
    Field("ctrl_temp_c", "B", 1, 40),
    Field("rpm", "H", 1, 20000),
    Field("torque_nm", "H", 10, 20000),
    Field("temp_c", "B", 1, 40),
    Field("ctrl_volt_v", "H", 10),
    Field("ctrl_curr_a", "H", 10, 10000),
)
_FUEL_CELL = Layout(Field("voltage_v", "H", 10), Field("current_a", "H", 10), Field("fuel_rate", "H", 100))
_HYDROGEN = Layout(
    Field("h2_max_temp_c", "H", 10, 400),
    _state("h2_temp_probe"),
    Field("h2_max_conc_ppm", "H"),
    _state("h2_conc_probe"),
    Field("h2_max_press_mpa", "H", 10),
    _state("h2_press_probe"),
    _state("dcdc"),
)
_ENGINE_2016 = Layout(_state("engine_status"), Field("crank_rpm", "H"), Field("fuel_rate", "H", 100))
_POSITION_2016 = Layout(_state("status_bits"), Field("lon", "I", 1_000_000), Field("lat", "I", 1_000_000))
_EXTREMES = Layout(
    _state("max_v_subsys"),
    _state("max_v_cell"),
    Field("max_cell_v", "H", 1000),
    _state("min_v_subsys"),
    _state("min_v_cell"),
    Field("min_cell_v", "H", 1000),
    _state("max_t_subsys"),
    _state("max_t_probe"),
    Field("max_temp_c", "B", 1, 40),
    _state("min_t_subsys"),
    _state("min_t_probe"),
    Field("min_temp_c", "B", 1, 40),
)
_SUBSYSTEM = Layout(
    _state("subsys"),
    Field("voltage_v", "H", 10),
    Field("current_a", "H", 10, 10000),
    _state("cells", "H"),
    _state("frame_start", "H"),
    _state("frame_cells"),
)
_ALARM = Layout(Field("max_level", "B"), _state("flags", "I"))
_FAULT_LISTS = ("battery_faults", "motor_faults", "engine_faults", "other_faults")


def _fuel_cell_2016(data: bytes, at: int) -> tuple[Item, int]:
    item = _FUEL_CELL.read(data, at)
    count, at = _count(data, at + _FUEL_CELL.size, "H")
    item["probe_temps_c"], at = _temperatures(data, at, count)
    item |= _HYDROGEN.read(data, at)
    return item, at + _HYDROGEN.size


def _signed(read: Reader) -> Reader:
    """Status bits tell whether the fix is valid (b0 = 0), south (b1) and west (b2)."""

    def position(data: bytes, at: int) -> tuple[Item, int]:
        item, at = read(data, at)
        bits = item["status_bits"]
        item["valid"] = not bits & 1
        if bits & 2 and not isinstance(item["lat"], str):
            item["lat"] = -item["lat"]
        if bits & 4 and not isinstance(item["lon"], str):
            item["lon"] = -item["lon"]
        return item, at

    return position


def _alarms_2016(data: bytes, at: int) -> tuple[Item, int]:
    item = _ALARM.read(data, at)
    item["alarms"] = [name for bit, name in ALARMS.items() if item["flags"] >> bit & 1]
    item["flags"] = f"0x{item['flags']:08x}"
    at += _ALARM.size
    for name in _FAULT_LISTS:
        count, at = _count(data, at)
        codes = _bytes(data, at, 4 * count).hex()
        item[name] = [codes[place : place + 8] for place in range(0, 8 * count, 8)]
        at += 4 * count
    return item, at


def _voltages_2016(data: bytes, at: int) -> tuple[Item, int]:
    count, at = _count(data, at)
    subsystems = []
    for _ in range(count):
        subsystem = _SUBSYSTEM.read(data, at)
        cells = subsystem["frame_cells"]
        subsystem["cell_v"], at = _cells(data, at + _SUBSYSTEM.size, 0 if cells >= 0xFE else cells)
        subsystems.append(subsystem)
    return {"subsystems": subsystems}, at


def _temperatures_of(name: str, entry: str) -> Reader:
    def read(data: bytes, at: int) -> tuple[Item, int]:
        count, at = _count(data, at)
        packs = []
        for _ in range(count):
            number = _bytes(data, at, 1)[0]
            probes, at = _count(data, at + 1, "H")
            temperatures, at = _temperatures(data, at, probes)
            packs.append({entry: number, "probes": probes, "temps": temperatures})
        return {name: packs}, at

    return read


# ------------------------------------------------------------------------------------------------------------ 2025

_VEHICLE_2025 = Layout(
    *_VEHICLE,
    Field("current_a", "H", 10, 30000),
    Field("soc_pct", "B"),
    _state("dcdc"),
    _state("gear"),
    Field("insulation_kohm", "H"),
)
_MOTOR_2025 = Layout(
    _state("no"),
    _state("status"),
    Field("ctrl_temp_c", "B", 1, 40),
    Field("rpm", "H", 1, 32000),
    Field("torque_nm", "I", 10, 200000),
    Field("temp_c", "B", 1, 40),
)
_POSITION_2025 = Layout(
    _state("status_bits"), _state("coordinate_system"), Field("lon", "I", 1_000_000), Field("lat", "I", 1_000_000)
)
_PACK = Layout(_state("pack"), Field("voltage_v", "H", 10), Field("current_a", "H", 10, 30000))
# Not confirmed by the text or a real frame: names and sizes from here to the end of the block.
_HYDROGEN_2025 = Layout(
    _state("h2_max_temp_raw", "H"),
    _state("h2_temp_probe"),
    _state("h2_max_conc_raw", "H"),
    _state("h2_conc_probe"),
    _state("h2_max_press_raw", "H"),
    _state("h2_press_probe"),
    _state("dcdc"),
    _state("h2_remaining_raw"),
    _state("dcdc_temp_raw"),
)
_STACK = Layout(
    _state("stack"),
    Field("voltage_v", "H", 10),
    Field("current_a", "H", 10),
    _state("h2_inlet_press_raw", "H"),
    _state("air_inlet_press_raw", "H"),
    Field("air_inlet_temp_c", "B", 1, 40),
)
_CAPACITOR = Layout(_state("system"), Field("voltage_v", "H", 10), Field("current_a", "H", 10, 30000))
_CAPACITOR_EXTREMES = Layout(
    _state("max_v_system"),
    _state("max_v_cell", "H"),
    Field("max_cell_v", "H", 1000),
    _state("min_v_system"),
    _state("min_v_cell", "H"),
    Field("min_cell_v", "H", 1000),
    _state("max_t_system"),
    _state("max_t_probe", "H"),
    Field("max_temp_c", "B", 1, 40),
    _state("min_t_system"),
    _state("min_t_probe", "H"),
    Field("min_temp_c", "B", 1, 40),
)


def _unconfirmed(read: Reader) -> Reader:
    def shown(data: bytes, at: int) -> tuple[Item, int]:
        item, end = read(data, at)
        return {"layout": "unconfirmed", "raw": data[at:end].hex(), **item}, end

    return shown


def _alarms_2025(data: bytes, at: int) -> tuple[Item, int]:
    item, at = _alarms_2016(data, at)
    count, at = _count(data, at)
    pairs = _bytes(data, at, 2 * count)
    item["levels"] = [
        {"bit": bit, "alarm": ALARMS.get(bit, f"bit-{bit}"), "level": level}
        for bit, level in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    return item, at + 2 * count


def _voltages_2025(data: bytes, at: int) -> tuple[Item, int]:
    count, at = _count(data, at)
    packs = []
    for _ in range(count):
        pack = _PACK.read(data, at)
        pack["cells"], at = _count(data, at + _PACK.size, "H")
        pack["cell_v"], at = _cells(data, at, pack["cells"])
        packs.append(pack)
    return {"packs": packs}, at


def _stacks(data: bytes, at: int) -> tuple[Item, int]:
    count, at = _count(data, at)
    stacks = []
    for _ in range(count):
        stack = _STACK.read(data, at)
        probes, at = _count(data, at + _STACK.size, "H")
        stack["coolant_temps_c"], at = _temperatures(data, at, probes)
        stacks.append(stack)
    return {"stacks": stacks}, at


def _capacitor(data: bytes, at: int) -> tuple[Item, int]:
    item = _CAPACITOR.read(data, at)
    cells, at = _count(data, at + _CAPACITOR.size, "H")
    item["cells_raw"] = list(struct.unpack(f">{cells}H", _bytes(data, at, 2 * cells)))
    probes, at = _count(data, at + 2 * cells, "H")
    item["temps"], at = _temperatures(data, at, probes)
    return item, at


# ------------------------------------------------------------------------------------------------- tables and walk

ALARMS: Mapping[int, str] = {
    0: "temperature-difference",
    1: "battery-over-temperature",
    2: "pack-over-voltage",
    3: "pack-under-voltage",
    4: "soc-low",
    5: "cell-over-voltage",
    6: "cell-under-voltage",
    7: "soc-high",
    8: "soc-jump",
    9: "battery-mismatch",
    10: "cell-inconsistency",
    11: "insulation",
    12: "dcdc-temperature",
    13: "brake-system",
    14: "dcdc-state",
    15: "motor-controller-temperature",
    16: "high-voltage-interlock",
    17: "motor-temperature",
    18: "battery-overcharge",
    # from here on 2025 only; reserved, so zero, in 2016
    19: "motor-over-speed",
    20: "motor-over-current",
    21: "super-capacitor-over-temperature",
    22: "super-capacitor-over-pressure",
    23: "battery-thermal-event",
    24: "hydrogen-leak",
    25: "hydrogen-pressure",
    26: "hydrogen-temperature",
    27: "fuel-cell-over-temperature",
}
"""Bits of the general alarm word: 2016 table 18, 2025 table 24."""

ITEMS_2016: Mapping[int, tuple[str, Reader]] = {
    0x01: ("vehicle", _fixed(_VEHICLE_2016)),
    0x02: ("motors", _listed("motors", _MOTOR_2016)),
    0x03: ("fuel_cell", _fuel_cell_2016),
    0x04: ("engine", _fixed(_ENGINE_2016)),
    0x05: ("position", _signed(_fixed(_POSITION_2016))),
    0x06: ("extremes", _fixed(_EXTREMES)),
    0x07: ("alarms", _alarms_2016),
    0x08: ("cell_voltages", _voltages_2016),
    0x09: ("temperatures", _temperatures_of("subsystems", "subsys")),
}
ITEMS_2025: Mapping[int, tuple[str, Reader]] = {
    0x01: ("vehicle", _fixed(_VEHICLE_2025)),
    0x02: ("motors", _listed("motors", _MOTOR_2025)),
    0x03: ("fuel_cell", _unconfirmed(_fixed(_HYDROGEN_2025))),
    0x04: ("engine", _fixed(Layout(Field("crank_rpm", "H")))),
    0x05: ("position", _signed(_fixed(_POSITION_2025))),
    0x06: ("alarms", _alarms_2025),
    0x07: ("cell_voltages", _voltages_2025),
    0x08: ("temperatures", _temperatures_of("packs", "pack")),
    0x30: ("fuel_cell_stacks", _unconfirmed(_stacks)),
    0x31: ("super_capacitor", _unconfirmed(_capacitor)),
    0x32: ("super_capacitor_extremes", _unconfirmed(_fixed(_CAPACITOR_EXTREMES))),
}
_SIGNATURES = {1: "SM2", 2: "RSA", 3: "ECC"}


class Walk(NamedTuple):
    """What a data unit holds: its items in order, the signature that closes a 2025 unit, and what could not be read."""

    items: list[Item]
    signature: Item | None
    unread: bytes
    trouble: str
    known_type: bool


def walk(data: bytes, at: int, edition: int) -> Walk:
    """The items from offset `at` to the end. They come in any order, some even behind the signature; reading stops at
    the first that has no layout."""
    items: list[Item] = []
    signature: Item | None = None
    table = ITEMS_2025 if edition == 2025 else ITEMS_2016
    while at < len(data):
        kind = data[at]
        entry = table.get(kind)
        try:
            if entry:
                name, read = entry
                fields, end = read(data, at + 1)
                items.append({"type": f"0x{kind:02x}", "name": name, **fields})
            elif 0x80 <= kind <= 0xFE:
                size = int.from_bytes(_bytes(data, at + 1, 2), "big")
                items.append(
                    {"type": f"0x{kind:02x}", "name": "vendor", "custom_hex": _bytes(data, at + 3, size).hex()}
                )
                end = at + 3 + size
            elif kind == 0xFF and edition == 2025:
                signature, end = _signature(data, at + 1)
            else:
                trouble = f"data type 0x{kind:02X} has no layout in the {edition} edition"
                return Walk(items, _closing_signature(data, at) if edition == 2025 else None, data[at:], trouble, False)
        except Short:
            trouble = (
                f"data type 0x{kind:02X} needs more than the {len(data) - at - 1} bytes that are left of the data unit"
            )
            return Walk(items, signature, data[at:], trouble, True)
        at = end
    return Walk(items, signature, b"", "", True)


def _signature(data: bytes, at: int) -> tuple[Item, int]:
    """Algorithm, R and S with a WORD of length each (2025 table 8)."""
    algorithm = _bytes(data, at, 1)[0]
    r = _sized(data, at + 1)
    s = _sized(data, at + 3 + len(r))
    item = {"algorithm": _SIGNATURES.get(algorithm, f"0x{algorithm:02x}"), "r": r.hex(), "s": s.hex()}
    return item, at + 5 + len(r) + len(s)


def _sized(data: bytes, at: int) -> bytes:
    return _bytes(data, at + 2, int.from_bytes(_bytes(data, at, 2), "big"))


def _closing_signature(data: bytes, at: int) -> Item | None:
    """The signature behind items that could not be read: the first FF block that ends exactly with the unit."""
    while (at := data.find(0xFF, at) + 1) > 0:
        try:
            item, end = _signature(data, at)
        except Short:
            continue
        if end == len(data) and data[at] in _SIGNATURES:
            return item
    return None
