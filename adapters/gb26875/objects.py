"""The application data unit: type, number of objects, objects. Pure layouts (GB 26875.3-2011, clause 8.2 and 8.3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from adapters.gb26875.tables import ANALOGS, PARTS, SYSTEMS

Item = dict[str, Any]

_TIME = 6
_SIZES = {1: 4, 2: 40, 3: 10, 4: 4, 5: 4, 7: 38, 8: 2, 21: 1, 24: 2, 25: 2, 28: 0}
"""Bytes of an object without its time."""
_TIMED = frozenset({1, 2, 3, 4, 8, 21, 24, 28})


def local_time(raw: bytes) -> datetime | None:
    """Second, minute, hour, day, month, year - 2000, in binary; None where that is no time (all zero: not set)."""
    try:
        return datetime(2000 + raw[5], raw[4], raw[3], raw[2], raw[1], raw[0])  # noqa: DTZ001 - the zone is the caller's
    except (ValueError, IndexError):
        return None


def read(type_flag: int, count: int, data: bytes) -> tuple[list[Item], str]:
    """The objects, and a sentence about what did not fit ("" where all did)."""
    if type_flag in (6, 26):
        return _configurations(type_flag, count, data)
    size = _SIZES.get(type_flag)
    if size is None:
        return [{"raw": data.hex()}], ""
    timed = type_flag in _TIMED
    if timed and size and len(data) == count * size:
        timed = False  # some devices leave the time out
    full = size + (_TIME if timed else 0)
    items = []
    for at in range(0, min(len(data) - full, (count - 1) * full) + 1, full):
        item = _LAYOUTS[type_flag](data[at : at + size])
        if timed:
            _stamp(item, data[at + size : at + full])
        items.append(item)
    if len(data) != count * full:
        return items, f"{count} objects of type {type_flag} need {count * full} bytes, there are {len(data)}"
    return items, ""


def _stamp(item: Item, raw: bytes) -> None:
    moment = local_time(raw)
    item["time"] = moment.isoformat() if moment else None
    item["time_raw"] = raw.hex()


def _system(data: bytes) -> Item:
    return {"system_type": data[0], "system": SYSTEMS.get(data[0], "unknown"), "system_addr": data[1]}


def _part(data: bytes) -> Item:
    return _system(data) | {
        "part_type": data[2],
        "part": PARTS.get(data[2], "unknown"),
        "part_addr_hex_le": data[3:7].hex(),
        "zone": int.from_bytes(data[5:7], "little"),
        "position": int.from_bytes(data[3:5], "little"),
    }


def _system_state(data: bytes) -> Item:
    return _system(data) | _state(data[2:4])


def _state(data: bytes) -> Item:
    return {"state": f"0x{int.from_bytes(data, 'little'):04x}", "fire": bool(data[0] & 2)}


def _part_state(data: bytes) -> Item:
    return _part(data) | _state(data[7:9]) | {"description": _text(data[9:40])}


def _part_analog(data: bytes) -> Item:
    raw = int.from_bytes(data[8:10], "little", signed=True)
    item = _part(data) | {"analog_type": data[7], "raw_value": raw}
    analog = ANALOGS.get(data[7])
    if analog:
        item |= {"analog": analog.name, "unit": analog.unit, "value": round(raw * analog.step, 2)}
    return item


def _system_operation(data: bytes) -> Item:
    return _system(data) | _device_operation(data[2:])


def _system_version(data: bytes) -> Item:
    return _system(data) | _device_version(data[2:])


def _part_configuration(data: bytes) -> Item:
    return _part(data) | {"description": _text(data[7:38])}


def _device_state(data: bytes) -> Item:
    word = data[0]
    item: Item = {"device_state": f"0x{word:02x}"}
    names = ("fire", "fault", "main_power_fault", "backup_power_fault", "channel_fault", "line_fault")
    return item | {name: True for bit, name in enumerate(names, 1) if word >> bit & 1}


def _device_operation(data: bytes) -> Item:
    return {"operation": f"0x{data[0]:02x}", "operator": data[1]}


def _device_version(data: bytes) -> Item:
    return {"version": f"{data[0]}.{data[1]}"}


def _nothing(data: bytes) -> Item:
    return {}


_LAYOUTS = {
    1: _system_state,
    2: _part_state,
    3: _part_analog,
    4: _system_operation,
    5: _system_version,
    7: _part_configuration,
    8: _system,
    21: _device_state,
    24: _device_operation,
    25: _device_version,
    28: _nothing,
}


def _configurations(type_flag: int, count: int, data: bytes) -> tuple[list[Item], str]:
    """Types 6 and 26: a length and a text each."""
    items: list[Item] = []
    at = 0
    lead = 2 if type_flag == 6 else 0
    for _ in range(count):
        end = at + lead + 1 + data[at + lead] if at + lead < len(data) else len(data) + 1
        if end > len(data):
            return items, f"{count} objects of type {type_flag}, the data end in number {len(items) + 1}"
        item = _system(data[at:]) if lead else {}
        items.append(item | {"configuration": _text(data[at + lead + 1 : end])})
        at = end
    return items, "" if at == len(data) else f"{len(data) - at} bytes after the last object"


def _text(data: bytes) -> str:
    return data.decode("gb18030", "replace").strip("\x00 ")
