"""GB 26875.3-2011's tables: types of information, systems, parts, the bits of states and operations, analog quantities."""

from __future__ import annotations

from typing import NamedTuple

COMMANDS = {1: "control", 2: "send_data", 3: "confirm", 4: "request", 5: "response", 6: "deny"}

TYPES = {
    1: "system state",
    2: "part state",
    3: "part analog value",
    4: "system operation",
    5: "system software version",
    6: "system configuration",
    7: "part configuration",
    8: "system time",
    21: "device state",
    24: "device operation",
    25: "device software version",
    26: "device configuration",
    28: "device time",
    61: "read system state",
    62: "read part state",
    63: "read part analog value",
    64: "read system operations",
    65: "read system software version",
    66: "read system configuration",
    67: "read part configuration",
    68: "read system time",
    81: "read device state",
    84: "read device operations",
    85: "read device software version",
    86: "read device configuration",
    88: "read device time",
    89: "initialise device",
    90: "set device time",
    91: "duty check",
}

STATE_BITS = {
    0: "normal",
    1: "fire",
    2: "fault",
    3: "shielded",
    4: "supervised",
    5: "started",
    6: "feedback",
    7: "delayed",
    8: "main-power-fault",
    9: "backup-power-fault",
    10: "bus-fault",
    11: "manual",
    12: "configuration-changed",
    13: "reset",
}
"""States of a system (type 1) and, up to bit 8, of a part (type 2, where 8 is its power)."""
PART_POWER = {8: "power-fault"}
STATE_FAULTS = 0b0111_0000_0100
PART_FAULTS = 0b0001_0000_0100

DEVICE_BITS = {
    0: "normal",
    1: "fire",
    2: "fault",
    3: "main-power-fault",
    4: "backup-power-fault",
    5: "channel-fault",
    6: "line-fault",
}
"""State of the transmission device itself (type 21)."""
DEVICE_FAULTS = 0b0111_1100

OPERATION_BITS = {0: "reset", 1: "silenced", 2: "manual-alarm", 3: "alarm-cancelled", 4: "self-test", 6: "test"}
SYSTEM_OPERATION_BITS = OPERATION_BITS | {5: "confirmed"}
DEVICE_OPERATION_BITS = OPERATION_BITS | {5: "duty-check-answered"}
MANUAL_ALARM, CANCELLED, RESET = 1 << 2, 1 << 3, 1 << 0


class Analog(NamedTuple):
    """An analog quantity (type 3): its metric ("" where the vocabulary has none), unit and step."""

    name: str
    unit: str
    step: float
    metric: str = ""


ANALOGS = {
    1: Analog("count", "count", 1, "count"),
    2: Analog("height", "m", 0.01, "level"),
    3: Analog("temperature", "Cel", 0.1, "temperature"),
    4: Analog("pressure", "MPa", 0.1, "pressure"),
    5: Analog("pressure", "kPa", 0.1, "pressure"),
    6: Analog("gas", "%LEL", 0.1, "methane_lel"),
    7: Analog("time", "s", 1),
    8: Analog("voltage", "V", 0.1, "voltage"),
    9: Analog("current", "A", 0.1, "current"),
    10: Analog("flow", "L/s", 0.1, "flow"),
    11: Analog("air volume", "m3/min", 0.1),
    12: Analog("air speed", "m/s", 1),
}

SYSTEMS = {
    0: "general",
    1: "fire alarm system",
    10: "fire linkage controller",
    11: "hydrant system",
    12: "sprinkler system",
    13: "gas extinguishing system",
    14: "water-spray system (pump)",
    15: "water-spray system (vessel)",
    16: "foam system",
    17: "powder system",
    18: "smoke control system",
    19: "fire doors and shutters",
    20: "fire lift",
    21: "emergency broadcast",
    22: "emergency lighting",
    23: "fire power supply",
    24: "fire telephone",
}

PARTS = {
    0: "general part",
    1: "fire alarm controller",
    10: "gas detector",
    11: "point gas detector",
    12: "stand-alone gas detector",
    13: "line gas detector",
    16: "electrical fire monitor",
    17: "residual current detector",
    18: "electrical temperature detector",
    21: "detection loop",
    22: "fire display panel",
    23: "manual call point",
    24: "hydrant button",
    25: "fire detector",
    30: "heat detector",
    31: "point heat detector",
    32: "point heat detector S",
    33: "point heat detector R",
    34: "line heat detector",
    35: "line heat detector S",
    36: "line heat detector R",
    37: "fibre heat detector",
    40: "smoke detector",
    41: "ionisation smoke detector",
    42: "optical smoke detector",
    43: "beam smoke detector",
    44: "aspirating smoke detector",
    50: "combined detector",
    51: "smoke and heat detector",
    52: "light and heat detector",
    53: "light and smoke detector",
    61: "ultraviolet flame detector",
    62: "infrared flame detector",
    69: "light detector",
    74: "fire gas detector",
    78: "video fire detector",
    79: "sound detector",
    81: "gas extinguishing controller",
    82: "electrical control unit",
    83: "control room display",
    84: "module",
    85: "input module",
    86: "output module",
    87: "input/output module",
    88: "relay module",
    91: "fire pump",
    92: "fire water tank",
    95: "sprinkler pump",
    96: "flow indicator",
    97: "signal valve",
    98: "alarm valve",
    99: "pressure switch",
    101: "valve driver",
    102: "fire door",
    103: "fire damper",
    104: "air conditioning",
    105: "foam pump",
    106: "network solenoid valve",
    111: "smoke fan",
    113: "smoke damper",
    114: "air inlet",
    115: "smoke outlet",
    116: "smoke curtain",
    117: "shutter controller",
    118: "door monitor",
    121: "sounder",
}
