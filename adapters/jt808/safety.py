"""Active-safety items of a location: 0x64 driver assistance, 0x65 driver monitoring, 0x66 tyres, 0x67 blind spot.

T/JSATL 12-2017 (Jiangsu), adopted by most provinces and terminals; Guangdong adds 0x70 harsh driving. An item is only taken for one
of these when its length is the table's, since vendors use the same ids for other things.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ASSISTANCE = {
    0x01: "forward collision",
    0x02: "lane departure",
    0x03: "vehicle too close",
    0x04: "pedestrian collision",
    0x05: "frequent lane change",
    0x06: "road sign limit exceeded",
    0x07: "obstacle",
    0x10: "road sign recognised",
    0x11: "active snapshot",
}
DRIVER = {
    0x01: "fatigue",
    0x02: "phone call",
    0x03: "smoking",
    0x04: "distraction",
    0x05: "driver abnormal",
    0x10: "automatic snapshot",
    0x11: "driver change",
}
BLIND_SPOT = {0x01: "approach from behind", 0x02: "approach from rear left", 0x03: "approach from rear right"}
HARSH = {0x01: "harsh acceleration", 0x02: "harsh braking", 0x03: "harsh cornering"}
TYRES = {
    0: "periodic report",
    1: "pressure high",
    2: "pressure low",
    3: "temperature high",
    4: "sensor fault",
    5: "pressure imbalance",
    6: "slow leak",
    7: "sensor battery low",
}
_FLAGS = ("event", "begins", "ends")
_NAMES = {0x64: ("ADAS", ASSISTANCE), 0x65: ("DSM", DRIVER), 0x67: ("BSD", BLIND_SPOT), 0x70: ("driving", HARSH)}
# Where speed, altitude, latitude, longitude, time, vehicle state and the alarm's own id begin, after the first fields.
_TAIL = {0x64: 12, 0x65: 12, 0x66: 5, 0x67: 6, 0x70: 12}
_LENGTH = {0x64: 47, 0x65: 47, 0x67: 41, 0x70: 47}


def fits(ident: int, value: bytes) -> bool:
    """Whether this item has the length of the table: 47, 47, 41 + 9 a tyre, 41, 47 bytes."""
    if ident == 0x66:
        return len(value) >= 41 and len(value) == 41 + 9 * value[40]
    return len(value) == _LENGTH.get(ident)


def events(ident: int, value: bytes) -> list[str]:
    """Named events, as `ADAS: forward collision, level 2`; the end of one that lasted says `, ends`."""
    if not fits(ident, value):
        return []
    ends = ", ends" if value[4] == 2 else ""
    if ident == 0x66:
        tyres = [(tyre[0], tyre[1] << 8 | tyre[2]) for tyre in _tyres(value)]
        return [
            f"TPMS: tyre {place} {name}{ends}"
            for place, word in tyres
            for bit, name in TYRES.items()
            if bit and word >> bit & 1
        ]
    system, names = _NAMES[ident]
    name = names.get(value[5], f"type {value[5]}")
    level = f", level {value[6]}" if ident in (0x64, 0x65) and value[6] else ""
    return [f"{system}: {name}{level}{ends}"]


def describe(ident: int, value: bytes, clock: Callable[[bytes], str | None]) -> dict[str, Any]:
    """The item's fields in the table's terms; {} where it is not one of these."""
    if not fits(ident, value):
        return {}
    flag = _FLAGS[value[4]] if value[4] < 3 else value[4]
    found: dict[str, Any] = {"alarm_id": int.from_bytes(value[:4], "big"), "flag": flag}
    if ident == 0x64:
        found |= {"type": value[5], "level": value[6], "front_speed_kmh": value[7], "front_distance_100ms": value[8]}
        found |= {"deviation": value[9], "sign_type": value[10], "sign_data": value[11]}
    elif ident == 0x65:
        found |= {"type": value[5], "level": value[6], "fatigue_degree": value[7]}
    else:
        found |= {} if ident == 0x66 else {"type": value[5]}
    tail = value[_TAIL[ident] :]
    found |= {
        "speed_kmh": tail[0],
        "altitude_m": int.from_bytes(tail[1:3], "big"),
        "lat": int.from_bytes(tail[3:7], "big") / 1e6,
        "lon": int.from_bytes(tail[7:11], "big") / 1e6,
        "time": clock(tail[11:17]),
        "vehicle_state": int.from_bytes(tail[17:19], "big"),
        "alarm_tag_hex": tail[19:35].hex(),
    }
    if ident == 0x66:
        found["tyres"] = [
            {
                "position": tyre[0],
                "alarms": [name for bit, name in TYRES.items() if int.from_bytes(tyre[1:3], "big") >> bit & 1],
                "pressure_kpa": int.from_bytes(tyre[3:5], "big"),
                "temperature_c": int.from_bytes(tyre[5:7], "big", signed=True),
                "battery_percent": int.from_bytes(tyre[7:9], "big"),
            }
            for tyre in _tyres(value)
        ]
    key = {0x64: "adas", 0x65: "dsm", 0x66: "tpms", 0x67: "bsd", 0x70: "harsh_driving"}[ident]
    return {key: found | {"events": events(ident, value)}}


def _tyres(value: bytes) -> list[bytes]:
    return [value[at : at + 9] for at in range(41, len(value), 9)]
