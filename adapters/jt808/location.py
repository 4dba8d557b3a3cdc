"""The location body of 0x0200, 0x0201, 0x0704 and 0x0801: 28 fixed bytes, then items of id, length, value.

JT/T 808-2019 clause 8.12 tables 23 to 31 (2013: clause 8.18), video alarms of JT/T 1078-2016 table 13, and the active
safety items 0x64 to 0x67 of T/JSATL 12-2017 and 0x70 of its relatives. This module is the hot path: it turns bytes into a reading; `describe`
gives the protocol's own view and is only called when somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from struct import Struct
from typing import Any

import msgspec

from adapters.gcj02 import to_wgs84
from adapters.jt808 import safety
from adapters.wallclock import zone_named
from hub.model import Fault, FaultKind, Position, Reading, Value
from hub.moment import candidates, in_one_message, nearest, shown_alike

SIZE = 28
"""Bytes of the fixed part."""

CHINA = zone_named("Asia/Shanghai")

_BASIC = Struct(">IIIIHHH6s")
_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
_BCD = [high * 10 + low if high < 10 and low < 10 else 255 for high in range(16) for low in range(16)]

Item = Callable[[dict[str, Value], bytes, int, int], None]
"""(values, bytes, where the value starts, its size): adds what the item says to the values."""


class Dialect(msgspec.Struct, frozen=True):
    """What a fleet's terminals do in their own way."""

    zone: tzinfo = CHINA
    coordinates: str = "wgs84"
    """"wgs84": as they stand; "gcj02": all are shifted; "flagged": those with status bit 5 (security plug-in) are."""
    items: Mapping[int, Item] = msgspec.field(default_factory=dict)
    """Vendor items by id; they go before the ones known here."""


# ------------------------------------------------------------------------------------------------------ alarm word

ALARMS = {
    0: "SOS",
    1: "overspeed",
    2: "fatigue",
    3: "danger",
    4: "GNSS fault",
    5: "antenna open",
    6: "antenna short",
    7: "low supply",
    8: "power cut",
    9: "display",
    10: "TTS",
    11: "camera",
    12: "IC-card",
    13: "overspeed pre-warning",
    14: "fatigue pre-warning",
    18: "daily driving overtime",
    19: "overtime parking",
    20: "area in/out",
    21: "route in/out",
    22: "segment time",
    23: "off-route",
    24: "VSS",
    25: "fuel",
    26: "theft",
    27: "illegal ignition",
    28: "illegal movement",
    29: "collision",
    30: "rollover",
}
ALARMS_2013 = ALARMS | {31: "illegal door"}
ALARMS_2019 = ALARMS | {15: "violation", 16: "tyre", 17: "right-turn blind zone"}
VIDEO_ALARMS = {
    0: "video signal lost",
    1: "video signal blocked",
    2: "video storage fault",
    3: "video device fault",
    4: "overcrowding",
    5: "abnormal driving",
    6: "recording storage threshold",
}
ABNORMAL_DRIVING = {0: "abnormal driving: fatigue", 1: "abnormal driving: phone", 2: "abnormal driving: smoking"}


def named_bits(word: int, names: Mapping[int, str]) -> list[str]:
    """Names of the bits that are set, lowest first; reserved bits have none and show in the raw word only."""
    return [name for bit, name in names.items() if word >> bit & 1]


@lru_cache(maxsize=1024)
def _alarms(word: int, new: bool) -> tuple[str, ...]:
    return tuple(named_bits(word, dict(sorted((ALARMS_2019 if new else ALARMS_2013).items()))))


# ------------------------------------------------------------------------------------------------------------ time


@lru_cache(maxsize=4096)
def _hour(zone: tzinfo, bcd: bytes, minute: int) -> tuple[int, ...]:
    """ns UTC of `candidates` for that minute of the hour `YYMMDDhh` (BCD) in that zone. Raises ValueError."""
    year, month, day, hour = (_BCD[byte] for byte in bcd)
    if year > 99:
        raise ValueError("not BCD")
    return candidates(datetime(2000 + year, month, day, hour, minute), zone)  # noqa: DTZ001 - the zone goes with it


def moment(zone: tzinfo, bcd: bytes, near: int | None = None) -> int:
    """ns UTC of BCD[6] `YYMMDDhhmmss` in that zone, nearest to `near` where that hour comes twice. Raises ValueError where it is no time."""
    minute, second = _BCD[bcd[4]], _BCD[bcd[5]]
    if minute > 59 or second > 59:
        raise ValueError("not a time")
    return nearest(_hour(zone, bcd[:4], minute), near) + second * _SECOND


def in_order(zone: tzinfo, readings: Sequence[Reading], near: int | None) -> None:
    """Tell the two hours apart that a batch may reach over in autumn: its places stand in order. Two of one second are of one moment."""
    if near is None:
        return
    said = [shown_alike(reading.observed_at or near, zone) for reading in readings]
    if any(len(moments) > 1 for moments in said):
        rows = [(frozenset[str](), moments) for moments in said]
        for reading, at in zip(readings, in_one_message(rows, near), strict=True):
            reading.observed_at = at


def clock(zone: tzinfo, bcd: bytes) -> str | None:
    """BCD[6] as ISO 8601 in its own zone, None where it is no time."""
    try:
        at = moment(zone, bcd)
    except ValueError:
        return None
    return datetime.fromtimestamp(at // _SECOND, zone).isoformat()


def server_time(now: int) -> bytes:
    """BCD[6] `YYMMDDhhmmss` of a ns UTC time, in UTC as 0x8004 of the 2019 edition wants it."""
    return bytes.fromhex(datetime.fromtimestamp(now // _SECOND, UTC).strftime("%y%m%d%H%M%S"))


# ----------------------------------------------------------------------------------------------------------- items


def _mileage(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
    tenths = int.from_bytes(b[at : at + 4], "big")
    if size == 4 and tenths != 0xFFFFFFFF:
        values["odometer"] = tenths / 10


def _fuel(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
    # Above 3276.7 L no tank holds it: some vendors set b15 to say "per cent" or "invalid".
    tenths = b[at] << 8 | b[at + 1]
    if tenths < 0x8000:
        values["fuel_volume"] = tenths / 10


def _recorder_speed(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
    tenths = b[at] << 8 | b[at + 1]
    if tenths != 0xFFFF:
        values["recorder_speed"] = tenths / 10


def signed_word(word: int) -> int:
    """b15 means negative, and the standard does not say how: sign and magnitude or two's complement, the smaller one."""
    return max(-(word & 0x7FFF), word - 0x10000) if word & 0x8000 else word


def _cabin(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
    values["cabin_temperature"] = signed_word(b[at] << 8 | b[at + 1])


def _video(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
    word = int.from_bytes(b[at : at + 4], "big")
    if word:
        _more(values, "alarms", named_bits(word, VIDEO_ALARMS))


def _abnormal(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
    _more(values, "alarms", named_bits(b[at] << 8 | b[at + 1], ABNORMAL_DRIVING))


def _signal(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
    # The standard only says "signal strength"; modems report CSQ 0 to 31 (3GPP TS 27.007 +CSQ). Others stay in detail.
    if b[at] <= 31:
        values["rssi"] = 2 * b[at] - 113


def _satellites(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
    if b[at] <= 100:
        values["satellites"] = b[at]


def _temperatures(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
    # Widespread extension: up to eight probes of 0.1 °C, sign and magnitude, FFFF = no probe. The first one counts.
    for probe in range(at, at + size, 2):
        word = b[probe] << 8 | b[probe + 1]
        if word != 0xFFFF:
            values["temperature"] = (-(word & 0x7FFF) if word & 0x8000 else word) / 10
            return


def _overspeed(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
    _more(values, "events", [f"overspeed, {_place(b[at : at + size])}"])


def _crossing(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
    _more(values, "events", [f"{'left' if b[at + 5] & 1 else 'entered'} {_place(b[at : at + 5])}"])


def _driven(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
    route, seconds = int.from_bytes(b[at : at + 4], "big"), b[at + 4] << 8 | b[at + 5]
    _more(values, "events", [f"segment {route} driven in {seconds} s, too {'long' if b[at + 6] & 1 else 'short'}"])


def _place(where: bytes) -> str:
    """Kind and number of an area or route (tables 28 and 29); an overspeed may have no area."""
    return f"{_area(where[0])} {int.from_bytes(where[1:5], 'big')}" if len(where) == 5 and where[0] else "anywhere"


def inner_items(value: bytes) -> list[tuple[int, bytes]]:
    """Items inside a vendor's item, such as 0xEB: length (WORD, counts the id), id (WORD), value. Empty where it does not end exactly so."""
    found = []
    at = 0
    while at < len(value):
        size = int.from_bytes(value[at : at + 2], "big")
        if size < 2 or at + 2 + size > len(value):
            return []
        found.append((int.from_bytes(value[at + 2 : at + 4], "big"), value[at + 4 : at + 2 + size]))
        at += 2 + size
    return found


def _safety(ident: int) -> Item:
    def read(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
        _more(values, "events", safety.events(ident, b[at : at + size]))

    return read


def _more(values: dict[str, Value], metric: str, names: list[str]) -> None:
    if names:
        known = values.setdefault(metric, [])
        assert isinstance(known, list)
        known.extend(names)


_ITEMS: dict[int, tuple[tuple[int, ...], Item]] = {
    0x01: ((4,), _mileage),
    0x02: ((2,), _fuel),
    0x03: ((2,), _recorder_speed),
    0x06: ((2,), _cabin),
    0x11: ((1, 5), _overspeed),
    0x12: ((6,), _crossing),
    0x13: ((7,), _driven),
    0x14: ((4,), _video),
    0x18: ((2, 3), _abnormal),
    0x30: ((1,), _signal),
    0x31: ((1,), _satellites),
    0x51: ((2, 16), _temperatures),
    0x64: ((47,), _safety(0x64)),
    0x65: ((47,), _safety(0x65)),
    0x66: (tuple(range(41, 256, 9)), _safety(0x66)),
    0x67: ((41,), _safety(0x67)),
    0x70: ((47,), _safety(0x70)),
}
"""Sizes are checked: ids from 0x40 on are used by every vendor for something else."""


# --------------------------------------------------------------------------------------------------------- reading


def read(
    device: str, b: bytes, at: int, end: int, new: bool, dialect: Dialect, faults: list[Fault], near: int | None = None
) -> Reading | None:
    """The reading in `b[at:end]`; what cannot be used is appended to `faults`. None where it is too short, or has no time: the fault
    has it then.

    `new` tells the 2019 edition, whose alarm word names other bits.
    """
    if end - at < SIZE:
        faults.append(Fault(FaultKind.SYNTAX, f"a location takes {SIZE} bytes, this one has {end - at}", readings=1))
        return None
    alarm, status, lat, lon, alt, speed, course, bcd = _BASIC.unpack_from(b, at)
    values: dict[str, Value] = {
        "ignition": status & 1 == 1,
        "door": status & 0x3E000 != 0,
        "alarms": list(_alarms(alarm, new)) if alarm else [],
    }
    if speed != 0xFFFF:
        values["speed"] = speed / 10
    if course != 0xFFFF:
        values["course"] = course
    at += SIZE
    while at + 2 <= end:
        ident, size = b[at], b[at + 1]
        at += 2
        if at + size > end:
            break
        if ident in dialect.items:
            dialect.items[ident](values, b, at, size)
        elif ident in _ITEMS and size in _ITEMS[ident][0]:
            _ITEMS[ident][1](values, b, at, size)
        at += size
    position = _position(status, lat, lon, alt, dialect, faults)
    return dated(Reading(device, None, values, position, kind="vehicle"), bcd, dialect.zone, near, faults)


def dated(reading: Reading, bcd: bytes, zone: tzinfo, near: int | None, faults: list[Fault]) -> Reading | None:
    """The reading with the time in `bcd`; None with a fault that holds it where that is none."""
    try:
        reading.observed_at = moment(zone, bcd, near)
    except ValueError:
        detail = f"{bcd.hex()} is not a time of the form YYMMDDhhmmss"
        faults.append(Fault(FaultKind.TIME, detail, readings=1, reading=reading))
        return None
    return reading


def _position(status: int, lat: int, lon: int, alt: int, dialect: Dialect, faults: list[Fault]) -> Position | None:
    lat, lon = _signed(lat, status & 4), _signed(lon, status & 8)
    if not (-90_000_000 <= lat <= 90_000_000 and -180_000_000 <= lon <= 180_000_000):
        detail = f"latitude {lat / 1e6}°, longitude {lon / 1e6}° is no place on Earth; are the two swapped?"
        faults.append(Fault(FaultKind.POSITION, detail))
        return None
    if not status & 2 or not (lat or lon):
        return None  # no fix; 0°, 0° with the fix bit is a terminal that has never had one
    x, y = lon / 1e6, lat / 1e6
    if dialect.coordinates == "gcj02" or (dialect.coordinates == "flagged" and status & 0x20):
        x, y = to_wgs84(x, y)
    return Position(x, y, alt - 0x10000 if alt & 0x8000 else alt)


def _signed(micro: int, negative: int) -> int:
    """Hemisphere bits are the standard; some terminals send two's complement instead, or as well."""
    if micro & 0x80000000:
        return micro - 0x100000000
    return -micro if negative else micro


# -------------------------------------------------------------------------------------------------- protocol's view

_STATUS = {
    0: "ACC on",
    1: "fixed",
    2: "south",
    3: "west",
    4: "out of operation",
    5: "coordinates through security plug-in",
    6: "forward collision warning",
    7: "lane departure warning",
    10: "oil cut",
    11: "circuit cut",
    12: "doors locked",
    13: "front door open",
    14: "middle door open",
    15: "rear door open",
    16: "driver's door open",
    17: "door 5 open",
    18: "GPS",
    19: "BeiDou",
    20: "GLONASS",
    21: "Galileo",
    22: "moving",
}
_LOAD = ("empty", "half full", "reserved", "full")
_SIGNALS = {
    0: "low beam",
    1: "high beam",
    2: "right indicator",
    3: "left indicator",
    4: "brake",
    5: "reverse",
    6: "fog light",
    7: "marker light",
    8: "horn",
    9: "air conditioning",
    10: "neutral",
    11: "retarder",
    12: "ABS",
    13: "heater",
    14: "clutch",
}
_AREAS = ("none", "circle", "rectangle", "polygon", "route")


def describe(b: bytes, new: bool, zone: tzinfo) -> dict[str, Any]:
    """All that a location body says, in the standard's terms; {} where it is too short."""
    if len(b) < SIZE:
        return {"body_hex": b.hex()}
    alarm, status, lat, lon, alt, speed, course, bcd = _BASIC.unpack_from(b)
    found: dict[str, Any] = {
        "alarm": alarm,
        "alarms": list(_alarms(alarm, new)),
        "status": status,
        "status_names": named_bits(status, _STATUS),
        "load": _LOAD[status >> 8 & 3],
        "acc": bool(status & 1),
        "fixed": bool(status & 2),
        "lat": _signed(lat, status & 4) / 1e6,
        "lon": _signed(lon, status & 8) / 1e6,
        "coordinates_encrypted": bool(status & 0x20),
        "altitude_m": alt,
        "speed_kmh": speed / 10,
        "course": course,
        "time_bcd": bcd.hex(),
        "time": clock(zone, bcd),
    }
    raw: dict[str, Any] = {}
    named: dict[str, Any] = {}
    at, clean = SIZE, True
    while at < len(b):
        ident, size = b[at], b[at + 1] if at + 1 < len(b) else 256
        value = b[at + 2 : at + 2 + size]
        if len(value) < size:
            clean = False
            found["extra_rest_hex"] = b[at:].hex()
            break
        _keep(raw, f"{ident:02x}", value.hex())
        named |= _describe_item(ident, value, zone)
        at += 2 + size
    return found | {"extra_tlv_hex": raw, "extra_tlv_parse_clean": clean} | named


def _keep(raw: dict[str, Any], key: str, value: str) -> None:
    """Ids may come twice, or be 0: all are kept, in order."""
    if key not in raw:
        raw[key] = value
    elif isinstance(raw[key], list):
        raw[key].append(value)
    else:
        raw[key] = [raw[key], value]


def _describe_item(ident: int, value: bytes, zone: tzinfo) -> dict[str, Any]:  # noqa: C901 - a table in code
    number = int.from_bytes(value, "big")
    match ident, len(value):
        case 0x01, 4:
            return {"mileage_km": number / 10}
        case 0x02, 2:
            return {"fuel_l": number / 10}
        case 0x03, 2:
            return {"recorder_speed_kmh": number / 10}
        case 0x04, 2:
            return {"alarm_event_id": number}
        case 0x05, 30:
            return {"tyre_pressures": [None if one == 0xFF else one for one in value]}
        case 0x06, 2:
            return {"cabin_temperature_c": signed_word(number)}
        case 0x11, 1 | 5:
            return {"overspeed": {"where": _area(value[0])} | ({"id": number & 0xFFFFFFFF} if len(value) == 5 else {})}
        case 0x12, 6:
            direction = ("in", "out")[value[5] & 1]
            area = {"where": _area(value[0]), "id": int.from_bytes(value[1:5], "big"), "direction": direction}
            return {"area": area}
        case 0x13, 7:
            result = ("too short", "too long")[value[6] & 1]
            return {"route": {"id": number >> 24, "driven_s": number >> 8 & 0xFFFF, "result": result}}
        case 0x14, 4:
            return {"video_alarms": named_bits(number, VIDEO_ALARMS)}
        case 0x15, 4:
            return {"video_lost_channels": [channel + 1 for channel in range(32) if number >> channel & 1]}
        case 0x16, 4:
            return {"video_blocked_channels": [channel + 1 for channel in range(32) if number >> channel & 1]}
        case 0x17, 2:
            return {"storage_fault": number}
        case 0x18, 3:
            return {"abnormal_driving": named_bits(number >> 8, ABNORMAL_DRIVING), "fatigue_degree": value[2]}
        case 0x25, 4:
            return {"signals": named_bits(number, _SIGNALS)}
        case 0x2A, 2:
            return {"io": named_bits(number, {0: "deep sleep", 1: "sleep"})}
        case 0x2B, 4:
            return {"analog": [number & 0xFFFF, number >> 16]}
        case 0x30, 1:
            return {"rssi": number}
        case 0x31, 1:
            return {"satellites": number}
        case 0x64 | 0x65 | 0x66 | 0x67 | 0x70, _:
            return safety.describe(ident, value, lambda bcd: clock(zone, bcd))
    inner = inner_items(value) if ident >= 0x40 else []
    if not inner:
        return {}
    found: dict[str, Any] = {}
    for key, held in inner:
        _keep(found, f"{key:04x}", held.hex())
    return {f"inner_{ident:02x}": found}


def _area(kind: int) -> str:
    return _AREAS[kind] if kind < len(_AREAS) else f"type {kind}"
