"""A Teltonika tracker: IMEI, then AVL packets of codec 8, acknowledged by their number of records."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

from simulators.devices.checks import crc_ibm
from simulators.devices.report import Report
from simulators.devices.terminal import Heard


def record(report: Report) -> bytes:
    """One AVL record of codec 8 (Teltonika data-sending protocols): UTC ms, longitude first, 1e-7 degrees."""
    speed = round(report.number("speed"))
    head = pack(
        ">QBiihHBH",
        report.at // 1_000_000,
        0,
        round((report.lon or 0) * 1e7),
        round((report.lat or 0) * 1e7),
        round(report.alt),
        round(report.number("course")) % 360,
        report.extra.get("satellites", 12),
        speed,
    )
    bytes_1 = {239: 1 if report.values.get("ignition", True) else 0, 240: int(speed > 0), 21: 4}
    bytes_2 = {66: 13_200}
    bytes_4 = {16: round(report.number("odometer") * 1000) & 0xFFFFFFFF}
    body = bytes((0, len(bytes_1) + len(bytes_2) + len(bytes_4)))
    for size, group in ((1, bytes_1), (2, bytes_2), (4, bytes_4), (8, {})):
        body += bytes((len(group),))
        for key, value in group.items():
            body += bytes((key,)) + value.to_bytes(size)
    return head + body


def packet(records: list[bytes]) -> bytes:
    """The TCP packet: preamble, length, codec 8, records, CRC-16/IBM."""
    data = bytes((8, len(records))) + b"".join(records) + bytes((len(records),))
    return pack(">II", 0, len(data)) + data + pack(">I", crc_ibm(data))


class Teltonika:
    """See `Dialect`."""

    window = 1
    batch_max = 20
    answers = True

    def __init__(self, imei: str) -> None:
        self.imei = imei
        self._buffer = bytearray()
        self._logged_in = False
        self._records = 0

    def greet(self) -> bytes:
        self._logged_in = False
        self._buffer.clear()
        return pack(">H", len(self.imei)) + self.imei.encode()

    def frame(self, reports: Sequence[Report]) -> tuple[object, bytes]:
        self._records = len(reports)
        return "packet", packet([record(report) for report in reports])

    def hear(self, data: bytes) -> Heard:
        heard = Heard()
        self._buffer += data
        if not self._logged_in and self._buffer:
            self._logged_in = heard.ready = self._buffer[0] == 1
            del self._buffer[0]
        while len(self._buffer) >= 4:
            if int.from_bytes(self._buffer[:4]) == self._records:
                heard.acknowledged.append("packet")
            del self._buffer[:4]
        return heard
