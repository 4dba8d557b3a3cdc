"""An HJ 212-2017 station: real-time data 2011 with Flag 5, acknowledged by 9014."""

from __future__ import annotations

import re
from collections.abc import Sequence

from simulators.devices.checks import crc_hj212
from simulators.devices.report import Report
from simulators.devices.terminal import Heard

# factor code (HJ 212-2017 annex B; HJ 524, HJ 525), our metric, factor to the wire's unit, decimals
FACTORS = {
    "22": (
        ("a34004", "pm25", 1.0, 0), ("a34002", "pm10", 1.0, 0), ("a21026", "so2", 1.0, 0), ("a21004", "no2", 1.0, 0),
        ("a21005", "co", 1.0, 2), ("a05024", "o3", 1.0, 0), ("a01001", "air_temperature", 1.0, 1),
        ("a01002", "relative_humidity", 1.0, 0), ("a01007", "wind_speed", 1.0, 1), ("a01008", "wind_direction", 1.0, 0),
    ),
    "32": (
        ("w01018", "cod", 1.0, 1), ("w21003", "ammonia_nitrogen", 1.0, 2), ("w21011", "total_phosphorus", 1.0, 3),
        ("w01001", "ph", 1.0, 2), ("w00000", "flow", 1 / 3.6, 2),
    ),
}  # fmt: skip
ANSWER = re.compile(rb"QN=(\d{17});[^#]*?CN=9014")


def frame(segment: str) -> bytes:
    """`##`, length, segment, CRC, CR LF."""
    data = segment.encode()
    return b"##%04d" % len(data) + data + b"%04X\r\n" % crc_hj212(data)


def real_time(
    report: Report, station: str, system: str, password: str = "123456", mark: str = "N"
) -> tuple[str, bytes]:
    """(QN, frame) of one 2011. `system` is ST: 22 air, 32 water."""
    at = report.beijing
    request = at.strftime("%Y%m%d%H%M%S") + f"{at.microsecond // 1000:03d}"
    factors = ";".join(
        f"{code}-Rtd={report.number(metric) * scale:.{decimals}f},{code}-Flag={mark}"
        for code, metric, scale, decimals in FACTORS[system]
        if metric in report.values
    )
    return request, frame(
        f"QN={request};ST={system};CN=2011;PW={password};MN={station};Flag=5;CP=&&DataTime={request[:14]};{factors}&&"
    )


class Hj212:
    """See `Dialect`."""

    window = 4
    batch_max = 1
    answers = True

    def __init__(self, station: str, system: str) -> None:
        self.station = station
        self.system = system
        self._buffer = b""

    def greet(self) -> bytes:
        return b""

    def frame(self, reports: Sequence[Report]) -> tuple[object, bytes]:
        (report,) = reports
        return real_time(report, self.station, self.system)

    def hear(self, data: bytes) -> Heard:
        self._buffer = (self._buffer + data)[-4096:]
        *lines, self._buffer = self._buffer.split(b"\r\n")
        return Heard(acknowledged=[found[1].decode() for line in lines if (found := ANSWER.search(line))])
