"""A fire-alarm transmission device (GB/T 26875.3-2011): states of parts, each confirmed by the centre."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from struct import pack

from simulators.devices.checks import sum8
from simulators.devices.report import Report
from simulators.devices.terminal import Heard

SEND, CONFIRM = 2, 3
PART_STATE = 2
NORMAL, FIRE, FAULT = 0x0001, 0x0002, 0x0004


def label(at: datetime) -> bytes:
    """Second, minute, hour, day, month, year - 2000: binary, in the device's (Beijing) time."""
    return bytes((at.second, at.minute, at.hour, at.day, at.month, at.year - 2000))


def frame(serial: int, at: datetime, source: int, target: int, command: int, data: bytes = b"") -> bytes:
    """`@@`, control unit, data, sum, `##`; little-endian."""
    content = (
        pack("<HBB", serial, 1, 1)
        + label(at)
        + source.to_bytes(6, "little")
        + target.to_bytes(6, "little")
        + pack("<HB", len(data), command)
        + data
    )
    return b"@@" + content + bytes((sum8(content),)) + b"##"


def part_state(state: int, at: datetime, zone: int, position: int, text: str = "", system: int = 1) -> bytes:
    """Type 2, one object: a smoke detector (part type 40) of fire system 1 and its state word."""
    words = text.encode("gb18030")[:31].ljust(31, b"\0")
    return bytes((PART_STATE, 1, system, 1, 40)) + pack("<HHH", position, zone, state) + words + label(at)


class Gb26875:
    """See `Dialect`."""

    window = 1
    batch_max = 1
    answers = True

    def __init__(self, source: int, centre: int = 1) -> None:
        self.source = source
        self.centre = centre
        self._serial = 0
        self._buffer = bytearray()

    def greet(self) -> bytes:
        return b""

    def frame(self, reports: Sequence[Report]) -> tuple[object, bytes]:
        (report,) = reports
        self._serial = (self._serial + 1) & 0xFFFF
        at = report.beijing
        state = FIRE if report.values.get("fire_alarm") else NORMAL
        data = part_state(state, at, 2, 10, "二层大厅感烟")
        return self._serial, frame(self._serial, at, self.source, self.centre, SEND, data)

    def hear(self, data: bytes) -> Heard:
        heard = Heard()
        buffer = self._buffer
        buffer += data
        while (start := buffer.find(b"@@")) >= 0:
            del buffer[:start]
            if len(buffer) < 30:
                break
            total = 30 + int.from_bytes(buffer[24:26], "little")
            if len(buffer) < total:
                break
            answer = bytes(buffer[:total])
            del buffer[:total]
            if answer[26] == CONFIRM and sum8(answer[2:-3]) == answer[-3]:
                heard.acknowledged.append(int.from_bytes(answer[2:4], "little"))
        return heard
