"""An electric vehicle's terminal (GB/T 32960.3-2016): login, then real-time data, each answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from struct import pack

from simulators.devices.checks import xor8
from simulators.devices.report import Report
from simulators.devices.terminal import Heard

LOGIN, REAL_TIME, REISSUE = 1, 2, 3


def moment(at: datetime) -> bytes:
    """Six binary bytes, Beijing time."""
    return bytes((at.year - 2000, at.month, at.day, at.hour, at.minute, at.second))


def frame(command: int, vin: str, data: bytes) -> bytes:
    """`##`, command, FE (a command, no answer), VIN, no encryption, length, data, BCC."""
    content = bytes((command, 0xFE)) + vin.encode().ljust(17)[:17] + b"\x01" + pack(">H", len(data)) + data
    return b"##" + content + bytes((xor8(content),))


def login(at: datetime, vin: str, serial: int, iccid: str, codes: tuple[str, ...] = ()) -> bytes:
    size = len(codes[0]) if codes else 0
    data = (
        moment(at)
        + pack(">H", serial)
        + iccid.encode().ljust(20)[:20]
        + bytes((len(codes), size))
        + "".join(codes).encode()
    )
    return frame(LOGIN, vin, data)


def real_time(report: Report) -> bytes:
    """Vehicle (01) and position (05) of one moment."""
    soc = report.number("soc", 70)
    vehicle = pack(
        ">BBBHIHHBBBHBB",
        1, 3, 1,
        round(report.number("speed") * 10),
        round(report.number("odometer") * 10),
        3_560, 10_120, round(soc), 1, 0x0F if report.number("speed") == 0 else 0x0E, 2_000, 20, 0,
    )  # fmt: skip
    lon, lat = report.lon or 0.0, report.lat or 0.0
    status = (2 if lat < 0 else 0) | (4 if lon < 0 else 0)
    place = pack(">BII", status, round(abs(lon) * 1e6), round(abs(lat) * 1e6))
    return moment(report.beijing) + b"\x01" + vehicle + b"\x05" + place


class Gb32960:
    """See `Dialect`."""

    window = 1
    batch_max = 1
    answers = True

    def __init__(self, vin: str, clock: datetime) -> None:
        self.vin = vin
        self._born = clock
        self._logins = 0
        self._buffer = bytearray()

    def greet(self) -> bytes:
        self._logins += 1
        self._buffer.clear()
        return login(self._born, self.vin, self._logins, "89860449101900012345")

    def frame(self, reports: Sequence[Report]) -> tuple[object, bytes]:
        (report,) = reports
        return "data", frame(REAL_TIME, self.vin, real_time(report))

    def hear(self, data: bytes) -> Heard:
        heard = Heard()
        buffer = self._buffer
        buffer += data
        while (start := buffer.find(b"##")) >= 0:
            del buffer[:start]
            if len(buffer) < 25:
                break
            total = 25 + int.from_bytes(buffer[22:24])
            if len(buffer) < total:
                break
            answer = bytes(buffer[:total])
            del buffer[:total]
            if xor8(answer[2:]) == 0 and answer[3] == 1:
                if answer[2] == LOGIN:
                    heard.ready = True
                elif answer[2] in (REAL_TIME, REISSUE):
                    heard.acknowledged.append("data")
        return heard
