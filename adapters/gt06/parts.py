"""The parts that contents of the GT06 family share: date and GPS, base stations, status and alarm bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from hub.model import Value

_GPS = struct.Struct(">6sBIIBH")
DEGREE = 1_800_000

ALARMS: Mapping[int, str] = {
    0x01: "sos",
    0x02: "power-cut",
    0x03: "vibration",
    0x04: "geofence-enter",
    0x05: "geofence-exit",
    0x06: "overspeed",
    0x09: "vibration",
    0x0E: "external-battery-low",
    0x0F: "external-battery-protection",
    0x10: "sim-changed",
    0x11: "power-off",
    0x12: "airplane-mode",
    0x13: "tampering",
    0x14: "door",
    0x15: "battery-shutdown",
    0x16: "sound",
    0x17: "pseudo-base-station",
    0x18: "cover-opened",
    0x19: "battery-low",
    0x20: "sleep",
    0x23: "fall",
    0x29: "harsh-acceleration",
    0x2A: "harsh-left-turn",
    0x2B: "harsh-right-turn",
    0x2C: "collision",
    0x30: "harsh-braking",
}
EVENTS: Mapping[int, str] = {
    0x0A: "gps-lost",
    0x0B: "gps-found",
    0x0C: "power-on",
    0x0D: "first-fix",
    0xFE: "ignition-on",
    0xFF: "ignition-off",
}
"""Codes of the alarm byte that tell what happened, not what stands."""
_TERMINAL_ALARMS = {1: "vibration", 2: "power-cut", 3: "battery-low", 4: "sos", 6: "geofence", 7: "removed"}


class Content:
    """One content taken apart: `fields` for people, the rest for the reading."""

    __slots__ = ("at", "explain", "fields", "place", "stamp", "trouble", "values")

    def __init__(self, explain: bool) -> None:
        self.explain = explain
        """Whether the common location frames fill `fields` too: it costs a third of their time."""
        self.fields: dict[str, Any] = {}
        self.values: dict[str, Value] = {}
        self.stamp = b""
        """Six binary bytes in the device's zone, or empty."""
        self.at: int | None = None
        """ns UTC where the frame carries an absolute time instead."""
        self.place: tuple[float, float, float | None] | None = None
        """lon, lat and altitude of a fix."""
        self.trouble = ""


class Short(Exception):
    """The content ends before its layout does."""


def take(content: bytes, at: int, size: int) -> bytes:
    if at + size > len(content):
        raise Short
    return content[at : at + size]


def number(content: bytes, at: int, size: int) -> int:
    return int.from_bytes(take(content, at, size), "big")


# --------------------------------------------------------------------------------------------------- common parts


def gps_start(content: bytes) -> int:
    """Where the date stands: at the front, or behind an IMEI of 15 BCD digits and a 0 in front, which would make a year before 2010."""
    if len(content) >= 26 and content[0] < 10 and content[:8].hex().isdecimal() and _is_date(content[8:14]):
        return 8
    return 0


def _is_date(stamp: bytes) -> bool:
    """Whether six bytes can be year, month, day, hour, minute and second."""
    year, month, day, hour, minute, second = stamp
    return year >= 10 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60


def gps(out: Content, content: bytes, at: int) -> int:
    """Date, length and satellites, latitude, longitude, speed, course and status. Returns where it ends."""
    if at + 18 > len(content):
        raise Short
    out.stamp, info, latitude, longitude, speed, status = _GPS.unpack_from(content, at)
    lat = latitude / DEGREE if status & 0x400 else -latitude / DEGREE
    lon = -longitude / DEGREE if status & 0x800 else longitude / DEGREE
    satellites, course = info & 15, status & 0x3FF
    values = out.values
    values["satellites"] = satellites
    values["speed"] = speed
    values["course"] = course
    if status & 0x1000:
        out.place = (lon, lat, None)
    if out.explain:
        out.fields |= {
            "gps_info_len": info >> 4,
            "satellites": satellites,
            "lat": lat,
            "lon": lon,
            "speed_kmh": speed,
            "course": course,
            "positioned": bool(status & 0x1000),
            "differential_or_rt": bool(status & 0x2000),
            "course_status_hex": f"{status:04x}",
        }
    return at + 18


def cell(content: bytes, at: int, lac: int = 2, cell: int = 3, wide_mnc: bool = False) -> tuple[dict[str, int], int]:
    """Country, network (two bytes where the country's top bit says so), area and cell of a base station."""
    mcc = number(content, at, 2)
    mnc = 2 if wide_mnc or mcc & 0x8000 else 1
    end = at + 2 + mnc + lac + cell
    found = {
        "mcc": mcc & 0x7FFF,
        "mnc": number(content, at + 2, mnc),
        "lac": number(content, at + 2 + mnc, lac),
        "cell": number(content, at + 2 + mnc + lac, cell),
    }
    return found, end


def terminal(out: Content, info: int) -> list[str]:
    """The terminal information byte; returns the alarm it carries."""
    out.fields["terminal_info_bits"] = f"{info:08b}"
    out.fields["acc"] = out.values["ignition"] = bool(info & 2)
    out.fields["charging"] = out.values["charging"] = bool(info & 4)
    out.fields["gps_on"] = bool(info & 0x40)
    out.fields["oil_cut"] = bool(info & 0x80)
    code = info >> 3 & 7
    return [_TERMINAL_ALARMS.get(code, f"terminal-alarm-{code}")] if code else []


def power(out: Content, level: int, gsm: int, percent: bool = False) -> None:
    """Battery and GSM, as levels 0-6 and 0-4 or as percent. Where GSM is neither, another layout is at work: no values."""
    out.fields["voltage_level"] = level
    out.fields["gsm"] = gsm
    if percent:
        out.values["battery"] = level
        out.values["signal"] = gsm
        return
    if gsm <= 31 and level <= 100:
        out.values["battery"] = round(level * 100 / 6, 1) if level <= 6 else level
    if gsm <= 4:
        out.values["signal"] = gsm * 25


def alarm(out: Content, standing: list[str], code: int) -> None:
    out.fields["alarm_code"] = code
    if code in EVENTS:
        out.values["events"] = [EVENTS[code]]
        if code >= 0xFE:
            out.values["ignition"] = code == 0xFE
    elif code:
        name = ALARMS.get(code, f"alarm-0x{code:02x}")
        if name not in standing:
            standing.append(name)
    out.values["alarms"] = standing


def status(out: Content, content: bytes, at: int, percent: bool = False) -> int:
    """Terminal information, battery, GSM, alarm, language."""
    info, level, gsm, code = take(content, at, 4)
    standing = terminal(out, info)
    power(out, level, gsm, percent)
    alarm(out, standing, code)
    if at + 4 < len(content):
        out.fields["language"] = content[at + 4]
    return min(at + 5, len(content))


def rest(out: Content, content: bytes, at: int) -> None:
    if out.explain:
        out.fields["rest_hex"] = content[at:].hex()


def lbs(out: Content, content: bytes, at: int) -> int:
    """The usual base station, where it is there. Returns where it ends."""
    left = len(content) - at
    if left < 8 or (content[at] & 0x80 and left < 9):
        return at
    if out.explain:
        out.fields["lbs"], at = cell(content, at)
        return at
    return at + (9 if content[at] & 0x80 else 8)
