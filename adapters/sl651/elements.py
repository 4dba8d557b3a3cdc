"""SL 651-2014's tables: functions (annex B), station kinds (annex A), elements (annex C) in the words of the vocabulary."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from hub.metrics import vocabulary
from hub.units import conversion

FUNCTIONS: dict[int, str] = {
    0x2F: "link keep-alive",
    0x30: "test",
    0x31: "uniform-interval",
    0x32: "timed",
    0x33: "event-added",
    0x34: "hourly",
    0x35: "manual entry",
    0x36: "picture",
    0x37: "query realtime",
    0x38: "query period",
    0x39: "query manual",
    0x3A: "query elements",
    0x40: "set basic config",
    0x41: "read basic config",
    0x42: "set run params",
    0x43: "read run params",
    0x44: "pump data",
    0x45: "software version",
    0x46: "status and alarms",
    0x47: "initialise storage",
    0x48: "factory reset",
    0x49: "change password",
    0x4A: "set clock",
    0x4B: "set IC card state",
    0x4C: "control pump",
    0x4D: "control valve",
    0x4E: "control gate",
    0x4F: "control water quota",
    0x50: "event records",
    0x51: "read clock",
}
KEEP_ALIVE = 0x2F
UNIFORM = frozenset({0x31, 0x38})
"""Functions in which one element is repeated at a time step."""
REPORTS = frozenset({0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36})
"""What a station sends by itself, and a centre confirms in modes M2 and M3."""
PARAMETERS = frozenset(range(0x40, 0x52))
"""Functions in which identifiers mean parameters of the station, not elements."""
STATUS = 0x46

STATIONS: dict[int, str] = {
    0x50: "P rain",
    0x48: "H river",
    0x4B: "K reservoir",
    0x5A: "Z gate",
    0x44: "D pump",
    0x54: "T tide",
    0x4D: "M soil",
    0x47: "G groundwater",
    0x51: "Q quality",
    0x49: "I intake",
    0x4F: "O outlet",
}

KINDS: dict[str, str] = {
    "P rain": "rain-gauge",
    "H river": "river-gauge",
    "K reservoir": "river-gauge",
    "Z gate": "river-gauge",
    "T tide": "tide-gauge",
}
"""The kind of device that a station says it is, where the registry says nothing."""

ALARM_BITS: dict[int, str] = {
    0: "mains-failure",
    1: "battery-low",
    2: "water-level-limit",
    3: "water-flow-limit",
    4: "water-quality-limit",
    5: "flow-meter-fault",
    6: "level-gauge-fault",
    8: "memory-fault",
    11: "water-quota-exceeded",
}
"""Element 45H (table 58): bits that mean an alarm when set. Bit 7 is the box door (0 open), 9 the IC card, 10 the pump (0 runs)."""
DOOR_BIT = 7


class Element(NamedTuple):
    """An element's ASCII name, its metric and unit, and which wins where two elements mean one metric (lower wins)."""

    ascii: str
    metric: str = ""
    unit: str = ""
    rank: int = 0


ELEMENTS: dict[str, Element] = {
    "01": Element("AC"),
    "02": Element("AI", "air_temperature", "Cel"),
    "03": Element("C", "water_temperature", "Cel"),
    "05": Element("DT"),
    "06": Element("ED", "evaporation", "mm", 1),
    "07": Element("EJ", "evaporation", "mm"),
    "08": Element("FL", "air_pressure", "hPa"),
    "09": Element("GH", "gate_opening", "m"),
    "0a": Element("GN"),
    "0b": Element("GS"),
    "0c": Element("GT"),
    "0d": Element("GTP", "soil_temperature", "Cel"),
    "0e": Element("H", "groundwater_depth", "m"),
    "0f": Element("HW"),
    "10": Element("M10", "soil_moisture", "%"),
    "11": Element("M20", "soil_moisture_20cm", "%"),
    "12": Element("M30", "soil_moisture_30cm", "%"),
    "13": Element("M40", "soil_moisture_40cm", "%"),
    "14": Element("M50", "soil_moisture_50cm", "%"),
    "15": Element("M60", "soil_moisture_60cm", "%"),
    "16": Element("M80", "soil_moisture_80cm", "%"),
    "17": Element("M100", "soil_moisture_100cm", "%"),
    "18": Element("MST", "relative_humidity", "%"),
    "19": Element("NS"),
    "1a": Element("P1", "rainfall_1h", "mm"),
    "1b": Element("P2"),
    "1c": Element("P3"),
    "1d": Element("P6"),
    "1e": Element("P12"),
    "1f": Element("PD", "rainfall_day", "mm", 1),
    "20": Element("PJ", "rainfall_day", "mm"),
    "21": Element("PN01", "rainfall", "mm", 1),
    "22": Element("PN05", "rainfall", "mm"),
    "23": Element("PN10", "rainfall", "mm", 2),
    "24": Element("PN30", "rainfall", "mm", 3),
    "25": Element("PR"),
    "26": Element("PT", "rainfall_total", "mm"),
    "27": Element("Q", "water_flow", "m3/s"),
    "28": Element("Q1"),
    "29": Element("Q2"),
    "2a": Element("Q3"),
    "2b": Element("Q4"),
    "2c": Element("Q5"),
    "2d": Element("Q6"),
    "2e": Element("Q7"),
    "2f": Element("Q8"),
    "30": Element("QA", "water_flow", "m3/s", 1),
    "31": Element("QZ"),
    "32": Element("SW"),
    "33": Element("UC"),
    "34": Element("UE"),
    "35": Element("US", "wind_speed", "m/s"),
    "36": Element("VA", "flow_velocity", "m/s", 1),
    "37": Element("VJ", "flow_velocity", "m/s"),
    "38": Element("VT", "battery_voltage", "V"),
    "39": Element("Z", "water_level", "m"),
    "3a": Element("ZB", "downstream_level", "m"),
    "3b": Element("ZU", "upstream_level", "m"),
    "3c": Element("Z1"),
    "3d": Element("Z2"),
    "3e": Element("Z3"),
    "3f": Element("Z4"),
    "40": Element("Z5"),
    "41": Element("Z6"),
    "42": Element("Z7"),
    "43": Element("Z8"),
    "44": Element("SQ", "suspended_solids", "kg/m3"),
    "45": Element("ZT"),
    "46": Element("PH", "ph", "[pH]"),
    "47": Element("DO", "dissolved_oxygen", "mg/L"),
    "48": Element("COND", "conductivity", "uS/cm"),
    "49": Element("TURB", "turbidity", "NTU"),
    "4a": Element("CODMN", "codmn", "mg/L"),
    "4b": Element("REDOX", "redox", "mV"),
    "4c": Element("NH4N", "ammonia_nitrogen", "mg/L"),
    "4d": Element("TP", "total_phosphorus", "mg/L"),
    "4e": Element("TN", "total_nitrogen", "mg/L"),
    "4f": Element("TOC", "toc", "mg/L"),
    "50": Element("CU", "copper", "mg/L"),
    "51": Element("ZN", "zinc", "mg/L"),
    "52": Element("SE"),
    "53": Element("AS", "arsenic", "mg/L"),
    "54": Element("THG", "mercury", "mg/L"),
    "55": Element("CD", "cadmium", "mg/L"),
    "56": Element("PB", "lead", "mg/L"),
    "57": Element("CHLA", "chlorophyll", "mg/L"),
    "58": Element("WP1", "pressure", "kPa"),
    "70": Element("VTA", "voltage_a", "V"),
    "71": Element("VTB", "voltage_b", "V"),
    "72": Element("VTC", "voltage_c", "V"),
    "73": Element("VIA", "current_a", "A"),
    "74": Element("VIB", "current_b", "A"),
    "75": Element("VIC", "current_c", "A"),
    "f4": Element("DRP", "rainfall", "mm", 4),
    "f5": Element("DRZ1", "water_level", "m", 1),
    "f6": Element("DRZ2"),
    "f7": Element("DRZ3"),
    "f8": Element("DRZ4"),
    "f9": Element("DRZ5"),
    "fa": Element("DRZ6"),
    "fb": Element("DRZ7"),
    "fc": Element("DRZ8"),
}
ELEMENTS |= {f"{0x58 + n:02x}": Element(f"WP{n + 1}") for n in range(1, 8)}
ELEMENTS |= {f"{0x60 + n:02x}": Element(f"SYL{n + 1}") for n in range(8)}
ELEMENTS |= {f"{0x68 + n:02x}": Element(f"SBL{n + 1}") for n in range(8)}

BY_ASCII: dict[str, str] = {element.ascii: name for name, element in ELEMENTS.items()}

GROUPS: dict[str, int] = {"f4": 1} | {f"{number:02x}": 2 for number in range(0xF5, 0xFD)}
"""Twelve values of an hour, five minutes apart: bytes a value. They keep that size whatever the descriptor says."""
GROUP_COUNT = 12
GROUP_STEP_S = 300


@lru_cache(maxsize=1024)  # bounded: ASCII names come from the wire
def meaning(name: str) -> tuple[str, float, float, int] | None:
    """(metric, scale, shift, rank) of an element, None where the vocabulary has no word for it."""
    element = ELEMENTS.get(name)
    if element is None or not element.metric:
        return None
    return element.metric, *conversion(element.unit, vocabulary()[element.metric].unit), element.rank
