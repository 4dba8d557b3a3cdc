"""AVL I/O elements of the common FMB set: ids → metrics.

Teltonika wiki, "FMB AVL ID" (permanent, eventual, OBD and LV-CAN elements). An id counts only in the width that the
list gives it, because other families use the same ids for other things; all ids, known or not, stay in `detail`.
"""

from __future__ import annotations

from collections.abc import Callable

from hub.model import Value

Element = Callable[[dict[str, Value], int], None]
"""(values, raw unsigned number): adds what the element says to the values."""

_G = 9.80665
"""m/s2 of one g."""
_SENSOR_CODES = frozenset({850, 2000, 3000, 4000, 5000})
"""What temperature and humidity elements report instead of a value: not ready, no answer, not found, abnormal …"""


def _number(
    metric: str, divisor: float = 1, offset: float = 0, signed_bits: int = 0, none: int | None = None
) -> Element:
    """`raw / divisor + offset`; `none` is the raw value that means "no value"."""
    sign = 1 << signed_bits - 1 if signed_bits else 0

    def read(values: dict[str, Value], raw: int) -> None:
        if raw == none:
            return
        if sign and raw & sign:
            raw -= sign << 1
        values[metric] = raw / divisor + offset if divisor != 1 else raw + offset

    return read


def _flag(metric: str) -> Element:
    def read(values: dict[str, Value], raw: int) -> None:
        values[metric] = raw != 0

    return read


def _sensor(metric: str, divisor: float, bits: int) -> Element:
    """A sensor that may be absent. The first one of several that is there counts; all stay in detail."""
    number = _number(metric, divisor, signed_bits=bits)

    def read(values: dict[str, Value], raw: int) -> None:
        if raw not in _SENSOR_CODES and metric not in values:
            number(values, raw)

    return read


def _alarm(name: str) -> Element:
    """An alarm that stands while the element is not 0; the list is there, empty, when it says that it has ended."""

    def read(values: dict[str, Value], raw: int) -> None:
        standing = values.setdefault("alarms", [])
        assert isinstance(standing, list)
        if raw:
            standing.append(name)

    return read


def _event(names: dict[int, str]) -> Element:
    def read(values: dict[str, Value], raw: int) -> None:
        if raw in names:
            happened = values.setdefault("events", [])
            assert isinstance(happened, list)
            happened.append(names[raw])

    return read


def _driver(values: dict[str, Value], raw: int) -> None:
    if raw:
        values["driver"] = f"{raw:016X}"


def _overspeed(values: dict[str, Value], raw: int) -> None:
    happened = values.setdefault("events", [])
    assert isinstance(happened, list)
    happened.append("overspeed")


def _can_odometer(values: dict[str, Value], raw: int) -> None:
    if raw and "odometer" not in values:  # the total odometer (16) is the one that others are compared with
        values["odometer"] = raw / 1000


_HARSH = {1: "harsh acceleration", 2: "harsh braking", 3: "harsh cornering"}
_CRASH = {1: "crash", 2: "limited crash trace", 3: "limited crash trace", 4: "full crash trace", 5: "full crash trace"}

BYTES: dict[int, Element] = {
    21: _number("signal", 1 / 20),  # GSM signal 0 to 5
    32: _number("engine_temperature", signed_bits=8),
    41: _number("throttle"),
    48: _number("fuel_level"),
    57: _number("soc"),
    82: _number("throttle"),
    89: _number("fuel_level"),
    113: _number("battery"),
    236: _alarm("alarm"),
    239: _flag("ignition"),
    240: _flag("moving"),
    246: _alarm("towing"),
    247: _event(_CRASH),
    249: _alarm("jamming"),
    252: _alarm("unplugged"),
    253: _event(_HARSH),
    255: _overspeed,
}
WORDS: dict[int, Element] = {
    17: _number("acceleration_x", 1000 / _G, signed_bits=16),
    18: _number("acceleration_y", 1000 / _G, signed_bits=16),
    19: _number("acceleration_z", 1000 / _G, signed_bits=16),
    25: _sensor("temperature", 100, 16),
    26: _sensor("temperature", 100, 16),
    27: _sensor("temperature", 100, 16),
    28: _sensor("temperature", 100, 16),
    36: _number("engine_speed"),
    60: _number("fuel_rate", 100),
    66: _number("supply_voltage", 1000),
    67: _number("battery_voltage", 1000),
    84: _number("fuel_volume", 10),
    85: _number("engine_speed"),
    86: _sensor("humidity", 10, 0),
    90: _flag("door"),
    104: _sensor("humidity", 10, 0),
    106: _sensor("humidity", 10, 0),
    108: _sensor("humidity", 10, 0),
    110: _number("fuel_rate", 10),
    115: _number("engine_temperature", 10, signed_bits=16),
    182: _number("hdop", 10),
}
DWORDS: dict[int, Element] = {
    12: _number("fuel_used", 1000),
    16: _number("odometer", 1000),
    72: _sensor("temperature", 10, 32),
    73: _sensor("temperature", 10, 32),
    74: _sensor("temperature", 10, 32),
    75: _sensor("temperature", 10, 32),
    83: _number("fuel_used", 10),
    87: _can_odometer,
    102: _number("engine_hours", 60),
    199: _number("trip", 1000),
}
QWORDS: dict[int, Element] = {78: _driver, 207: _driver}
BY_WIDTH: tuple[dict[int, Element], ...] = (BYTES, WORDS, DWORDS, QWORDS)

NAMES: dict[int, str] = {
    1: "digital input 1",
    2: "digital input 2",
    3: "digital input 3",
    4: "digital input 4",
    6: "analog input 2",
    9: "analog input 1",
    11: "ICCID part 1",
    12: "fuel used (GNSS)",
    13: "fuel rate (GNSS)",
    14: "ICCID part 2",
    15: "eco score",
    16: "total odometer",
    17: "axis X",
    18: "axis Y",
    19: "axis Z",
    21: "GSM signal",
    24: "GNSS speed",
    66: "external voltage",
    67: "battery voltage",
    68: "battery current",
    69: "GNSS status",
    72: "Dallas temperature 1",
    73: "Dallas temperature 2",
    74: "Dallas temperature 3",
    75: "Dallas temperature 4",
    78: "iButton",
    80: "data mode",
    113: "battery level",
    179: "digital output 1",
    180: "digital output 2",
    181: "PDOP",
    182: "HDOP",
    199: "trip odometer",
    200: "sleep mode",
    205: "GSM cell id",
    206: "GSM area code",
    207: "RFID",
    236: "alarm",
    239: "ignition",
    240: "movement",
    241: "GSM operator",
    246: "towing",
    247: "crash detection",
    249: "jamming",
    250: "trip",
    251: "idling",
    252: "unplug",
    253: "green driving type",
    254: "green driving value",
    255: "overspeeding",
    256: "VIN",
    281: "fault codes",
    380: "digital output 3",
    385: "beacons",
}
"""Names for people, shown in `detail`."""
