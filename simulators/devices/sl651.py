"""An SL 651-2014 station, HEX/BCD or ASCII, mode M2: timed reports 32H, each confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

from simulators.devices.checks import crc_modbus
from simulators.devices.report import Report
from simulators.devices.terminal import Heard

SOH, STX, ETX, ENQ, EOT, ACK, ESC = 0x01, 0x02, 0x03, 0x05, 0x04, 0x06, 0x1B
# our metric, element id and name (annex C), bytes, decimals
ELEMENTS = (
    ("rainfall", 0x20, "PJ", 3, 1),
    ("rainfall_total", 0x26, "PT", 3, 1),
    ("water_level", 0x39, "Z", 4, 3),
    ("water_flow", 0x27, "Q", 5, 3),
    ("battery_voltage", 0x38, "VT", 2, 2),
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
    for metric, identifier, _, size, decimals in ELEMENTS:
        if metric in report.values:
            body += element(identifier, size, decimals, report.number(metric))
    head = b"\x7e\x7e" + bytes((centre,)) + address + pack(">HBHB", password, 0x32, len(body), STX)
    content = head + body + bytes((ETX,))
    return content + pack(">H", crc_modbus(content))


def up_ascii(station: str, serial: int, report: Report, kind: int, centre: int = 1, password: int = 0) -> bytes:
    """The same report in the ASCII form: numbers of the header as hexadecimal digits, elements by name, the CRC as four digits."""
    at = report.beijing
    words = [f"{serial:04X}{at:%y%m%d%H%M%S}", "ST", station, chr(kind), "TT", f"{at:%y%m%d%H%M}"]
    for metric, _, name, _, decimals in ELEMENTS:
        if metric in report.values:
            words += [name, f"{report.number(metric):.{decimals}f}"]
    body = " ".join(words) + " "
    head = f"{centre:02X}{station}{password:04X}320{len(body):03X}"
    content = bytes((SOH,)) + head.encode() + bytes((STX,)) + body.encode() + bytes((ETX,))
    return content + b"%04X" % crc_modbus(content)


class Sl651:
    """See `Dialect`. An answer down names the serial it confirms."""

    window = 1
    batch_max = 1
    answers = True

    def __init__(self, station: str, kind: int, ascii_form: bool = False) -> None:
        self.station = station
        self.kind = kind
        self.ascii_form = ascii_form
        self._serial = 0
        self._buffer = bytearray()

    def greet(self) -> bytes:
        return b""

    def frame(self, reports: Sequence[Report]) -> tuple[object, bytes]:
        (report,) = reports
        self._serial = self._serial % 0xFFFF + 1
        return self._serial, (up_ascii if self.ascii_form else up)(self.station, self._serial, report, self.kind)

    def hear(self, data: bytes) -> Heard:
        self._buffer += data
        return self._hear_ascii() if self.ascii_form else self._hear_hex()

    def _hear_ascii(self) -> Heard:
        """SOH station(10) centre(2) password(4) function(2) flag+length(4) STX body end crc(4), all but the controls digits."""
        heard = Heard()
        buffer = self._buffer
        while (start := buffer.find(SOH)) >= 0:
            del buffer[:start]
            if len(buffer) < 24:
                break
            length = int(buffer[19:23], 16) & 0x0FFF
            total = 24 + length + 5
            if len(buffer) < total:
                break
            frame = bytes(buffer[:total])
            del buffer[:total]
            if b"%04X" % crc_modbus(frame[:-4]) == frame[-4:] and frame[-5] in (EOT, ACK, ESC) and length >= 4:
                heard.acknowledged.append(int(frame[24:28], 16))
        return heard

    def _hear_hex(self) -> Heard:
        """7E7E station(5) centre(1) password(2) function(1) flag+length(2) 02 body end crc(2)."""
        heard = Heard()
        buffer = self._buffer
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
