"""What the content of a GT06 frame holds, by protocol number.

The family has no standard: each maker prints its own manual, numbers are reused and lengths tell variants apart. What
several devices agree on becomes values; what only one is known to send, or nobody explains, stays in the fields in hex.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from typing import TypeAlias

from adapters.gt06.parts import (
    DEGREE,
    Content,
    Short,
    alarm,
    cell,
    gps,
    gps_start,
    lbs,
    number,
    power,
    rest,
    status,
    take,
    terminal,
)
from hub.moment import SECOND

_PLACE = struct.Struct(">6sIIH")
_MODULE_GPS = struct.Struct(">IBhIIBH")
_TEXT_POSITION = re.compile(
    r"Lat:([NS])(\d+\.\d+),Lon:([EW])(\d+\.\d+),Course:(\d+\.?\d*),Speed:(\d+\.?\d*),"
    r"DateTime:(\d{4})-(\d\d)-(\d\d) +(\d\d):(\d\d):(\d\d)"
)

_CAMERA_ALARMS = {
    0x80: "vibration",
    0x87: "overspeed",
    0x90: "harsh-acceleration",
    0x91: "harsh-braking",
    0x92: "harsh-cornering",
    0x93: "collision",
}


# ------------------------------------------------------------------------------------------------ by protocol number


def _gps_only(out: Content, content: bytes) -> None:
    rest(out, content, gps(out, content, gps_start(content)))


def _gps_lbs(out: Content, content: bytes) -> None:
    rest(out, content, lbs(out, content, gps(out, content, gps_start(content))))


def _gps_lbs_wide(out: Content, content: bytes) -> None:
    at = gps(out, content, gps_start(content))
    if len(content) - at >= 10:
        out.fields["lbs"], at = cell(content, at, cell=4, wide_mnc=True)
    rest(out, content, at)


def _ignition(out: Content, content: bytes, at: int) -> int:
    """ACC, upload mode and "reported late", where they are there."""
    if len(content) - at < 3:
        return at
    acc, mode, late = content[at : at + 3]
    if out.explain:
        out.fields |= {"acc": acc, "upload_mode": mode, "reupload": late}
    if acc <= 1:
        out.values["ignition"] = acc == 1
    return at + 3


def _gps_lbs_acc(out: Content, content: bytes) -> None:
    after_gps = gps(out, content, gps_start(content))
    at = lbs(out, content, after_gps)
    if at > after_gps:
        at = _ignition(out, content, at)
    rest(out, content, at)


def _gps_lbs_modules(out: Content, content: bytes) -> None:
    """0x37: as 0x22, then modules of a WORD, a length and their bytes."""
    at = gps(out, content, gps_start(content))
    out.fields["lbs"], at = cell(content, at)
    at = _ignition(out, content, at)
    modules = []
    while len(content) - at >= 3 and at + 3 + content[at + 2] <= len(content):
        kind, size = number(content, at, 2), content[at + 2]
        body = content[at + 3 : at + 3 + size]
        modules.append({"module": f"0x{kind:04x}", "hex": body.hex()})
        if kind == 0x0027 and size == 2:
            out.values["supply_voltage"] = int.from_bytes(body, "big") / 100
        elif kind == 0x003B and size == 2:
            out.values["accuracy"] = int.from_bytes(body, "big") / 100
        at += 3 + size
    out.fields["modules"] = modules
    rest(out, content, at)


def _gps_lbs_long(out: Content, content: bytes) -> None:
    """0xA0: area in 4 and cell in 8 bytes."""
    at = gps(out, content, gps_start(content))
    if len(content) - at >= 15:
        out.fields["lbs"], at = cell(content, at, lac=4, cell=8)
        at = _ignition(out, content, at)
    rest(out, content, at)


def _alarm_report(out: Content, content: bytes) -> None:
    """0x16 and kin: GPS, base station with its length, status. The frame's length tells three variants apart."""
    at = gps(out, content, gps_start(content))
    left = len(content) - at
    out.fields["rest_hex"] = content[at:].hex()
    if left == 13:  # no length before the base station, the supply in hundredths of a volt
        out.fields["lbs"], at = cell(content, at)
        standing = terminal(out, content[at])
        out.fields["voltage_v"] = out.values["supply_voltage"] = number(content, at + 1, 2) / 100
        _alarm_tail(out, content, at + 3, standing)
    elif left == 15 and content[at] == 9 and not content[at + 1] & 0x80:  # cell in 4 bytes, battery and GSM in percent
        out.fields["lbs"], at = cell(content, at + 1, cell=4)
        status(out, content, at, percent=content[at + 1] <= 100 and content[at + 2] <= 100)
    else:
        if number(content, at, 1):
            out.fields["lbs"], at = cell(content, at + 1)
        else:
            at += 1
        at = status(out, content, at)
        if at < len(content):
            out.fields["tail_hex"] = content[at:].hex()


def _alarm_tail(out: Content, content: bytes, at: int, standing: list[str]) -> None:
    gsm, code = take(content, at, 2)
    out.fields["gsm"] = gsm
    if gsm <= 4:
        out.values["signal"] = gsm * 25
    alarm(out, standing, code)


def _fence(out: Content, content: bytes) -> None:
    """0xA3, 0xA4: GPS, base station with its length (not reliable) in the long form, status, fence."""
    at = gps(out, content, 0)
    out.fields["lbs"], at = cell(content, at + 1, lac=4, cell=8)
    rest(out, content, status(out, content, at))


def _lbs_alarm_long(out: Content, content: bytes) -> None:
    out.fields["lbs"], at = cell(content, 0, lac=4, cell=8)
    rest(out, content, status(out, content, at))


def _lbs_alarm(out: Content, content: bytes) -> None:
    """0x19: base station and status; longer ones carry a date and several stations, in the makers' own ways."""
    if len(content) > 14:
        rest(out, content, 0)
        return
    out.fields["lbs"], at = cell(content, 0)
    rest(out, content, status(out, content, at))


def _heartbeat(out: Content, content: bytes) -> None:
    """0x13: terminal information, battery, GSM, and two bytes of language or port state; a long form of 16 bytes."""
    out.fields["body_hex"] = content.hex()
    if len(content) == 16:
        terminal(out, content[0])
        out.values.clear()  # whether this form's first byte means the same, nobody says: shown, not used
        out.fields["temperature_raw"] = number(content, 14, 2)
        if content[5] <= 100:
            out.values["battery"] = content[5]
        return
    info, level, gsm = take(content, 0, 3)
    out.values["alarms"] = terminal(out, info)
    power(out, level, gsm)


def _heartbeat_volts(out: Content, content: bytes) -> None:
    """0x23: terminal information, then battery in hundredths of a volt and GSM where they are there."""
    out.values["alarms"] = terminal(out, number(content, 0, 1))
    if len(content) >= 3:
        out.values["battery_voltage"] = number(content, 1, 2) / 100
    if len(content) >= 4 and content[3] <= 4:
        out.values["signal"] = content[3] * 25
    rest(out, content, min(4, len(content)))


def _compact(out: Content, content: bytes) -> None:
    """0x24: with a length of 0x2E a position with voltages, otherwise base stations."""
    if len(content) != 41:
        _stations(2, 3)(out, content)
        return
    at = gps(out, content, 0)
    out.fields["lbs"], at = cell(content, at)
    if content[at] <= 1:
        out.values["ignition"] = content[at] == 1
    out.values["supply_voltage"] = number(content, at + 1, 2) / 100
    out.values["battery_voltage"] = number(content, at + 3, 2) / 100
    rest(out, content, at + 5)


def _recorder(out: Content, content: bytes) -> None:
    """0x34: alarm data, GPS, terminal information, distance, base station, driver, two voltages, ports."""
    out.fields["alarm_hex"] = take(content, 0, 4).hex()
    rest(out, content, gps(out, content, 4))


def _stations(lac: int, cell: int) -> Callable[[Content, bytes], None]:
    """Date, country, network and base stations with their strength; whatever follows (access points) stays in hex."""

    def read(out: Content, content: bytes) -> None:
        out.stamp = take(content, 0, 6)
        mcc = number(content, 6, 2)
        at = 10 if mcc & 0x8000 else 9
        out.fields |= {"mcc": mcc & 0x7FFF, "mnc": number(content, 8, at - 8)}
        size = lac + cell + 1
        stations = []
        for _ in range(min(7, (len(content) - at) // size)):
            station = {"lac": number(content, at, lac), "cell": number(content, at + lac, cell)}
            if any(station.values()):
                stations.append({**station, "rssi_dbm": -content[at + size - 1]})
            at += size
        out.fields["stations"] = stations
        rest(out, content, at)

    return read


_stations_long = _stations(4, 8)


def _gps_or_stations(out: Content, content: bytes) -> None:
    """0xA2: behind the date stands either a GPS length (11 or more in the high digit) or a country code (3 at most)."""
    if len(content) >= 18 and content[6] & 0x70 >= 0x40:
        _gps_only(out, content)
    else:
        _stations_long(out, content)


def _camera_alarm(out: Content, content: bytes) -> None:
    """0x95 (dashboard cameras): date and alarm; longer ones with the place, and files."""
    if len(content) <= 7:
        out.stamp = take(content, 0, 6)
        code, at = number(content, 6, 1), 7
        name = _CAMERA_ALARMS.get(code, "general")
    else:
        if len(content) < 17:
            raise Short
        out.stamp, latitude, longitude, status = _PLACE.unpack_from(content)
        lat = latitude / DEGREE if status & 0x400 else -latitude / DEGREE
        lon = -longitude / DEGREE if status & 0x800 else longitude / DEGREE
        out.fields |= {"lat": lat, "lon": lon, "course": status & 0x3FF, "positioned": bool(status & 0x1000)}
        out.values["course"] = status & 0x3FF
        if status & 0x1000:
            out.place = (lon, lat, None)
        code, at = content[16], 17
        name = "sos" if code == 1 else _CAMERA_ALARMS.get(code, "general")
    out.fields["alarm_code"] = code
    out.values["alarms"] = [name]
    rest(out, content, at)


def _information(out: Content, content: bytes) -> None:
    """0x94: a sub-type and its data."""
    kind = number(content, 0, 1)
    out.fields["information_type"] = f"0x{kind:02x}"
    out.fields["data_hex"] = content[1:].hex()
    if kind in (0x00, 0x0B) and len(content) >= 3:
        out.values["supply_voltage"] = number(content, 1, 2) / 100
    elif kind == 0x05 and len(content) >= 2:
        out.values["door"] = bool(content[1] & 1)
    elif kind == 0x0A and len(content) >= 27:
        out.fields |= {
            "imei": content[1:9].hex()[1:],
            "imsi": content[9:17].hex()[1:],
            "iccid": content[17:27].hex().replace("f", ""),
        }
    elif kind == 0x1E and len(content) >= 9:
        out.values["temperature"] = int.from_bytes(content[1:5], "big", signed=True) / 10
        out.values["humidity"] = number(content, 5, 4) / 10
    elif content[1:].isascii():
        out.fields["text"] = content[1:].decode("ascii")


def _information_short(out: Content, content: bytes) -> None:
    out.values["supply_voltage"] = number(content, 0, 2) / 100
    rest(out, content, 2)


def _text_short(out: Content, content: bytes) -> None:
    """0x15: length, server flag, a command's answer."""
    size = number(content, 0, 1)
    out.fields["text"] = content[5 : 1 + size].decode("ascii", "replace")
    rest(out, content, 1 + size)


def _text(out: Content, content: bytes) -> None:
    """0x21: server flag, encoding, a command's answer; one of them tells the position."""
    encoding = number(content, 4, 1)
    text = content[5:].decode("ascii" if encoding == 1 else "utf-16-be", "replace")
    out.fields["text"] = text
    found = _TEXT_POSITION.search(text)
    if not found:
        return
    lat = float(found[2]) * (-1 if found[1] == "S" else 1)
    lon = float(found[4]) * (-1 if found[3] == "W" else 1)
    out.place = (lon, lat, None)
    out.values |= {"course": float(found[5]), "speed": float(found[6])}
    year, *others = (int(digits) for digits in found.groups()[6:])
    out.stamp = bytes((year - 2000 if 2000 <= year < 2256 else 255, *others))


def _modules(out: Content, content: bytes) -> None:
    """0x70: modules of a WORD, a length WORD and their bytes; absolute times are seconds UTC."""
    at = 0
    modules = []
    while len(content) - at >= 4:
        kind, size = number(content, at, 2), number(content, at + 2, 2)
        body = take(content, at + 4, size)
        modules.append({"module": f"0x{kind:04x}", "hex": body.hex()})
        _module(out, kind, body)
        at += 4 + size
    out.fields["modules"] = modules
    rest(out, content, at)


def _module(out: Content, kind: int, body: bytes) -> None:
    if kind == 0x33 and len(body) >= _MODULE_GPS.size:
        seconds, satellites, altitude, latitude, longitude, speed, status = _MODULE_GPS.unpack_from(body)
        out.at = seconds * SECOND
        out.values |= {"satellites": satellites, "speed": speed, "course": status & 0x3FF}
        if status & 0x1000:
            lat = latitude / DEGREE if status & 0x400 else -latitude / DEGREE
            lon = -longitude / DEGREE if status & 0x800 else longitude / DEGREE
            out.place = (lon, lat, altitude)
    elif kind == 0x2C and len(body) == 4 and out.at is None:
        out.at = int.from_bytes(body, "big") * SECOND
    elif kind == 0x18 and len(body) == 2:
        out.values["battery_voltage"] = int.from_bytes(body, "big") / 100
    elif kind == 0x28 and len(body) == 1:
        out.values["hdop"] = body[0] / 10


def _obd(out: Content, content: bytes) -> None:
    """0x8C: date, ignition, then `code=hex` pairs whose scales differ by maker: shown, not used."""
    out.stamp = take(content, 0, 6)
    out.values["ignition"] = number(content, 6, 1) > 0
    out.fields["text"] = content[7:].decode("ascii", "replace")


_ASSET_ALARMS = {0xA2: "battery-low", 0xA3: "battery-low", 0xA4: "general", 0xA5: "door"}


def _asset(alarms: bool) -> Callable[[Content, bytes], None]:
    """0x32 and 0x33 in the long frame: date, GPS with its length, base station with its length, others, state."""

    def read(out: Content, content: bytes) -> None:
        if number(content, 6, 1):
            at = gps(out, content[:6] + content[7:], 0) + 1
        else:
            out.stamp = take(content, 0, 6)
            at = 7
        if number(content, at, 1):
            out.fields["lbs"], at = cell(content, at + 1)
            out.fields["lbs"]["rssi_dbm"] = -number(content, at, 1)
        at += 1
        for name in ("stations_hex", "access_points_hex"):
            size = number(content, at, 1)
            out.fields[name] = take(content, at + 1, size).hex()
            at += 1 + size
        state = number(content, at, 1)
        out.fields["state"] = f"0x{state:02x}"
        if alarms:
            out.values["alarms"] = [_ASSET_ALARMS[state]] if state in _ASSET_ALARMS else []
        rest(out, content, at + 1)

    return read


def _raw(out: Content, content: bytes) -> None:
    out.fields["body_hex"] = content.hex()


Reader: TypeAlias = Callable[[Content, bytes], None]

_BOTH: Mapping[int, Reader] = {0x8A: _raw, 0x2A: _raw, 0x80: _raw, 0x81: _raw, 0x82: _raw, 0x9B: _raw, 0xF3: _raw}
SHORT_FRAMES: Mapping[int, Reader] = {
    **_BOTH,
    0x10: _gps_only,
    0x11: _gps_lbs_wide,
    0x12: _gps_lbs,
    0x13: _heartbeat,
    0x15: _text_short,
    0x16: _alarm_report,
    0x17: _gps_lbs,  # where the length is true: followed by a driver's card
    0x18: _stations(2, 3),
    0x19: _lbs_alarm,
    0x1A: _gps_only,
    0x1E: _gps_only,
    0x22: _gps_lbs_acc,
    0x23: _heartbeat_volts,
    0x24: _compact,
    0x25: _raw,
    0x26: _alarm_report,
    0x27: _alarm_report,
    0x28: _stations(2, 3),
    0x2C: _stations(2, 3),
    0x2D: _gps_lbs_acc,
    0x2E: _stations(2, 3),
    0x31: _gps_only,
    0x32: _alarm_report,
    0x33: _stations_long,
    0x34: _recorder,
    0x36: _gps_only,
    0x37: _gps_lbs_modules,
    0x38: _gps_only,
    0x94: _information_short,
    0x95: _camera_alarm,
    0xA0: _gps_lbs_long,
    0xA1: _stations_long,
    0xA2: _gps_or_stations,
    0xA3: _fence,
    0xA4: _fence,
    0xA5: _lbs_alarm_long,
}
"""Protocol numbers behind 7878."""
LONG_FRAMES: Mapping[int, Reader] = {
    **_BOTH,
    0x12: _gps_lbs,
    0x21: _text,
    0x22: _gps_lbs_acc,
    0x26: _alarm_report,
    0x27: _alarm_report,
    0x32: _asset(alarms=False),
    0x33: _asset(alarms=True),
    0x70: _modules,
    0x8C: _obd,
    0x94: _information,
    0xA0: _gps_lbs_long,
}
"""Protocol numbers behind 7979."""


def read(number: int, long_frame: bool, content: bytes, explain: bool) -> Content:
    """Take a content apart. `trouble` is "unknown" or "short" where that fails, else empty."""
    out = Content(explain)
    reader = (LONG_FRAMES if long_frame else SHORT_FRAMES).get(number)
    if reader is None:
        out.trouble = "unknown"
        out.fields["body_hex"] = content.hex()
    elif content:
        try:
            reader(out, content)
        except (Short, IndexError):
            out = Content(explain)
            out.trouble = "short"
            out.fields["body_hex"] = content.hex()
    return out
