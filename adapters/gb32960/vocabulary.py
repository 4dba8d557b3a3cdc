"""Data items of a report as metrics of the vocabulary.

Two ways lead there. `quick` reads what nearly every frame holds, the vehicle and the position, straight from the bytes; a test
holds it against the other way, by the named fields of `items.walk`, which reads everything.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from adapters.gb32960.items import Item
from hub.model import Value

_GEARS = {0: "N", 13: "R", 14: "D", 15: "P"}
_VEHICLE_2016 = struct.Struct(">BBBHIHHBBBHBB").unpack_from
_VEHICLE_2025 = struct.Struct(">BBBHIHHBBBH").unpack_from
_POSITION_2016 = struct.Struct(">BII").unpack_from
_POSITION_2025 = struct.Struct(">BBII").unpack_from


class Place(NamedTuple):
    """A position item: degrees, whether the fix is valid, and the 2025 edition's coordinate system (0 in 2016)."""

    lon: float
    lat: float
    valid: bool
    system: int = 0


def quick(data: bytes, at: int, edition_2025: bool) -> tuple[dict[str, Value], Place | None] | None:
    """Values and place of a unit of nothing but vehicle and position items; None where something else is in it."""
    values: dict[str, Value] = {}
    place = None
    end = len(data)
    while at < end:
        kind = data[at]
        if kind == 1:
            size = 19 if edition_2025 else 21
            if at + size > end:
                return None
            _quick_vehicle(values, data, at + 1, edition_2025)
        elif kind == 5:
            size = 11 if edition_2025 else 10
            if at + size > end:
                return None
            if edition_2025:
                bits, system, lon, lat = _POSITION_2025(data, at + 1)
            else:
                bits, lon, lat = _POSITION_2016(data, at + 1)
                system = 0
            known = lon < 0xFFFFFFFE and lat < 0xFFFFFFFE
            place = Place(
                (-lon if bits & 4 else lon) / 1_000_000,
                (-lat if bits & 2 else lat) / 1_000_000,
                known and not bits & 1,
                system,
            )
        else:
            return None
        at += size
    return values, place


def _quick_vehicle(values: dict[str, Value], data: bytes, at: int, edition_2025: bool) -> None:
    if edition_2025:
        state, charge, _, speed, odometer, voltage, current, soc, _, gear, insulation = _VEHICLE_2025(data, at)
    else:
        state, charge, _, speed, odometer, voltage, current, soc, _, gear, insulation, throttle, brake = _VEHICLE_2016(
            data, at
        )
        if throttle < 0xFE:
            values["throttle"] = throttle
        if brake < 0xFE:
            values["brake"] = brake
    if speed < 0xFFFE:
        values["speed"] = speed / 10
    if odometer < 0xFFFFFFFE:
        values["odometer"] = odometer / 10
    if voltage < 0xFFFE:
        values["voltage"] = voltage / 10
    if current < 0xFFFE:
        values["current"] = (current - (30000 if edition_2025 else 10000)) / 10
    if soc < 0xFE:
        values["soc"] = soc
    if insulation < 0xFFFE:
        values["insulation_resistance"] = insulation
    _put_states(values, state, charge, gear)


def thorough(items: list[Item]) -> tuple[dict[str, Value], Place | None]:
    """The same of any items, by their named fields; what has no confirmed layout gives nothing."""
    values: dict[str, Value] = {}
    place = None
    for item in items:
        if item["name"] == "position":
            lon, lat = item["lon"], item["lat"]
            known = not isinstance(lon, str) and not isinstance(lat, str)
            place = Place(lon, lat, known and item["valid"], item.get("coordinate_system", 0))
        elif not (item.get("layout") or item["name"] == "vendor"):
            _READERS[item["name"]](item, values)
    return values, place


def _put_states(values: dict[str, Value], state: int, charge: int, gear: int) -> None:
    if state == 1 or state == 2:
        values["ignition"] = state == 1
    if 1 <= charge <= 4:
        values["charging"] = charge <= 2
    if gear < 0x80:  # b7: "invalid" in 2025, reserved and so zero in 2016
        values["gear"] = _GEARS.get(gear & 15, str(gear & 15))


def _put(values: dict[str, Value], metric: str, value: Any) -> None:
    if not isinstance(value, str):
        values[metric] = value


def _vehicle(item: Item, values: dict[str, Value]) -> None:
    _put(values, "speed", item["speed_kmh"])
    _put(values, "odometer", item["odometer_km"])
    _put(values, "voltage", item["voltage_v"])
    _put(values, "current", item["current_a"])
    _put(values, "soc", item["soc_pct"])
    _put(values, "insulation_resistance", item["insulation_kohm"])
    if "brake_pct" in item:
        _put(values, "throttle", item["accelerator_pct"])
        _put(values, "brake", item["brake_pct"])
    _put_states(values, item["vehicle_status"], item["charge_status"], item["gear"])


def _motors(item: Item, values: dict[str, Value]) -> None:
    """The first motor that reports anything speaks for the vehicle; all of them stand in the detail."""
    for motor in item["motors"]:
        found: dict[str, Value] = {}
        _put(found, "motor_speed", motor["rpm"])
        _put(found, "motor_torque", motor["torque_nm"])
        _put(found, "motor_temperature", motor["temp_c"])
        if found:
            values |= found
            return


def _engine(item: Item, values: dict[str, Value]) -> None:
    _put(values, "engine_speed", item["crank_rpm"])


def _extremes(item: Item, values: dict[str, Value]) -> None:
    _put(values, "cell_voltage_max", item["max_cell_v"])
    _put(values, "cell_voltage_min", item["min_cell_v"])
    _put(values, "battery_temperature_max", item["max_temp_c"])
    _put(values, "battery_temperature_min", item["min_temp_c"])


def _alarms(item: Item, values: dict[str, Value]) -> None:
    values["alarms"] = item["alarms"]
    _put(values, "alarm_level", item["max_level"])


def _cell_voltages(item: Item, values: dict[str, Value]) -> None:
    """2025 has no item of extremes and lists every cell; 2016 may list a part of them, and has the extremes."""
    cells = [cell for pack in item.get("packs", ()) for cell in pack["cell_v"] if not isinstance(cell, str)]
    if cells:
        values["cell_voltage_max"], values["cell_voltage_min"] = max(cells), min(cells)


def _temperatures(item: Item, values: dict[str, Value]) -> None:
    probes = [probe for pack in item.get("packs", ()) for probe in pack["temps"] if not isinstance(probe, str)]
    if probes:
        values["battery_temperature_max"], values["battery_temperature_min"] = max(probes), min(probes)


_READERS = {
    "vehicle": _vehicle,
    "motors": _motors,
    "fuel_cell": lambda item, values: None,
    "engine": _engine,
    "extremes": _extremes,
    "alarms": _alarms,
    "cell_voltages": _cell_voltages,
    "temperatures": _temperatures,
}
