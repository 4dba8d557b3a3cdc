"""A GT06 tracker: login with its IMEI, positions 0x12, a heartbeat 0x13 now and then. By the manual of Concox for the GT06.

The protocol answers logins and heartbeats, not positions: what is sent counts as delivered, and what waits while the hub is away
is sent when it is back.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

from simulators.devices.checks import crc_x25
from simulators.devices.report import Report
from simulators.devices.terminal import Heard

LOGIN, LOCATION, HEARTBEAT = 0x01, 0x12, 0x13
HEARTBEAT_EVERY = 15
"""Positions from one heartbeat to the next."""
CELL = bytes.fromhex("01cc00287d001fb8")
"""MCC 460, MNC 0, LAC and cell of the mobile mast."""


def frame(number: int, content: bytes, serial: int) -> bytes:
    """Start, length from number to check code, number, content, serial, CRC-ITU over length to serial, stop."""
    inner = bytes((len(content) + 5, number)) + content + pack(">H", serial)
    return b"\x78\x78" + inner + pack(">H", crc_x25(inner)) + b"\r\n"


def login(imei: str, serial: int) -> bytes:
    """IMEI as eight BCD bytes, first nibble 0."""
    return frame(LOGIN, bytes.fromhex(imei.zfill(16)), serial)


def location(report: Report) -> bytes:
    """UTC date, satellites behind the length nibble, 1/1,800,000 degrees, km/h, course with the flags of fix and hemispheres."""
    lon, lat = report.lon or 0.0, report.lat or 0.0
    course = round(report.number("course")) % 360
    flags = 0x1000 | (0x0400 if lat >= 0 else 0) | (0x0800 if lon < 0 else 0)
    at = report.utc
    return (
        bytes((at.year - 2000, at.month, at.day, at.hour, at.minute, at.second))
        + bytes((0xC0 | report.extra.get("satellites", 11),))
        + pack(">II", round(abs(lat) * 1_800_000), round(abs(lon) * 1_800_000))
        + bytes((min(255, round(report.number("speed"))),))
        + pack(">H", flags | course)
        + CELL
    )


def heartbeat(report: Report) -> bytes:
    """Terminal information (bit 1: ignition, bit 2: charging, bit 6: located), voltage level 0 to 6, GSM 0 to 4, alarm and language."""
    information = 0x44 | (0x02 if report.values.get("ignition", True) else 0)
    return bytes((information, min(6, round(report.number("battery", 80) / 100 * 6)), report.extra.get("gsm", 3), 0, 2))


class Gt06:
    """See `Dialect`."""

    window = 1
    batch_max = 1
    answers = False

    def __init__(self, imei: str) -> None:
        self.imei = imei
        self.heartbeats = 0
        """Heartbeats that were answered."""
        self._serial = 0
        self._sent = 0
        self._buffer = bytearray()

    def greet(self) -> bytes:
        self._buffer.clear()
        return login(self.imei, self._next())

    def frame(self, reports: Sequence[Report]) -> tuple[object, bytes]:
        (report,) = reports
        self._sent += 1
        told = frame(LOCATION, location(report), self._next())
        if self._sent % HEARTBEAT_EVERY == 1:
            told += frame(HEARTBEAT, heartbeat(report), self._next())
        return "", told

    def hear(self, data: bytes) -> Heard:
        heard = Heard()
        buffer = self._buffer
        buffer += data
        while (start := buffer.find(b"\x78\x78")) >= 0:
            del buffer[:start]
            if len(buffer) < 3 or len(buffer) < buffer[2] + 5:
                break
            answer = bytes(buffer[2 : buffer[2] + 3])
            del buffer[: answer[0] + 5]
            if len(answer) >= 6 and crc_x25(answer[:-2]) == int.from_bytes(answer[-2:]):
                heard.ready = heard.ready or answer[1] == LOGIN
                self.heartbeats += answer[1] == HEARTBEAT
        return heard

    def _next(self) -> int:
        self._serial = self._serial % 0xFFFF + 1
        return self._serial
