"""GT06 frames of access points (0x17, 0x69): the length byte counts them, and neither serial nor check code follows."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def size(buffer: bytes, start: int) -> int | None:
    """Length of a 0x17 or 0x69 frame whose length byte counts access points and that has neither serial nor check code:
    date in BCD, access points of 7, a count of base stations, country, network, base stations of 5. None: not all here yet.
    """
    stations_at = start + 10 + 7 * buffer[start + 2]
    if stations_at >= len(buffer):
        return None
    return stations_at - start + 1 + 3 + 5 * buffer[stations_at] + 2


def fields(frame: bytes) -> dict[str, Any]:
    """The fields of such a frame."""
    date = frame[4:10].hex()
    points, at = [], 10
    for _ in range(frame[2]):
        points.append({"mac": frame[at : at + 6].hex(":"), "strength": frame[at + 6]})
        at += 7
    mcc, mnc = int.from_bytes(frame[at + 1 : at + 3], "big"), frame[at + 3]
    stations = [
        {
            "lac": int.from_bytes(frame[place : place + 2], "big"),
            "cell": int.from_bytes(frame[place + 2 : place + 4], "big"),
            "strength": frame[place + 4],
        }
        for place in range(at + 4, at + 4 + 5 * frame[at], 5)
    ]
    try:
        moment = datetime.strptime(date, "%y%m%d%H%M%S").isoformat()  # noqa: DTZ007 - shown as the device wrote it
    except ValueError:
        moment = date
    return {"datetime": moment, "mcc": mcc, "mnc": mnc, "stations": stations, "access_points": points}
