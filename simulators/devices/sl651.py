"""An SL 651-2014 station, HEX/BCD, mode M2: timed reports 32H, each confirmed."""

from __future__ import annotations

from struct import pack

from simulators.devices.checks import crc_modbus
from simulators.devices.report import Report
from simulators.devices.terminal import Heard

STX, ETX, ENQ, EOT, ACK, ESC = 0x02, 0x03, 0x05, 0x04, 0x06, 0x1B
# our metric, element id, bytes, decimals, factor to the element's unit
ELEMENTS = (
    ("rainfall", 0x20, 3, 1, 1.0),
    ("rainfall_total", 0x26, 3, 1, 1.0),
    ("water_level", 0x39, 4, 3, 1.0),
    ("water_flow", 0x27, 5, 3, 1.0),
    ("battery_voltage", 0x38, 2, 2, 1.0),
)


def element(identifier: int, size: int, decimals: int, value: float) -> bytes:
    """Identifier, descriptor (high five bits bytes, low three decimals), BCD. A negative value begins with FF."""
    digits = str(round(abs(value) * 10**decimals))
    sign = b"\xff" if value < 0 else b""
    bcd = bytes.fromhex(digits.zfill(2 * size)[-2 * size :])
    return bytes((identifier, (size + len(sign)) << 3 | decimals)) + sign + bcd


def up(station: str, serial: int, report: Report, kind: int, centre: int = 1, password: int = 0) -> bytes:
    """One timed report (32H). `kind` is the station type: 50H rain, 48H river."""
    at = report.beijing
    address = bytes.fromhex(station)
    body = pack(">H", serial) + bytes.fromhex(at.strftime("%y%m%d%H%M%S"))
    body += b"\xf1\xf1" + address + bytes((kind,)) + b"\xf0\xf0" + bytes.fromhex(at.strftime("%y%m%d%H%M"))
    for metric, identifier, size, decimals, factor in ELEMENTS:
        if metric in report.values:
            body += element(identifier, size, decimals, report.number(metric) * factor)
    head = b"\x7e\x7e" + bytes((centre,)) + address + pack(">HBHB", password, 0x32, len(body), STX)
    content = head + body + bytes((ETX,))
    return content + pack(">H", crc_modbus(content))


class Sl651:
    """See `Dialect`. An answer down names the serial it confirms."""

    window = 1
    answers = True

    def __init__(self, station: str, kind: int) -> None:
        self.station = station
        self.kind = kind
        self._serial = 0
        self._buffer = bytearray()

    def greet(self) -> bytes:
        return b""

    def frame(self, report: Report) -> tuple[object, bytes]:
        self._serial = self._serial % 0xFFFF + 1
        return self._serial, up(self.station, self._serial, report, self.kind)

    def hear(self, data: bytes) -> Heard:
        """7E7E station(5) centre(1) password(2) function(1) flag+length(2) 02 body end crc(2)."""
        heard = Heard()
        buffer = self._buffer
        buffer += data
        while (start := buffer.find(b"\x7e\x7e")) >= 0:
            del buffer[:start]
            if len(buffer) < 14:
                break
            length = int.from_bytes(buffer[11:13]) & 0x0FFF
            total = 14 + length + 3
            if len(buffer) < total:
                break
            frame = bytes(buffer[:total])
            del buffer[:total]
            if crc_modbus(frame[:-2]) == int.from_bytes(frame[-2:]) and frame[-3] in (EOT, ACK, ESC) and length >= 2:
                heard.acknowledged.append(int.from_bytes(frame[14:16]))
        return heard
