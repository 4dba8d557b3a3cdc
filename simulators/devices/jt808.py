"""A JT/T 808 terminal (2013 or 2019 header): registers once, authenticates on every connection, reports 0x0200;
what it gathered in a blind zone it sends afterwards as one 0x0704."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

from simulators.devices.checks import xor8
from simulators.devices.report import Report
from simulators.devices.terminal import Heard

REGISTER, AUTHENTICATE, LOCATION, LOCATIONS, HEARTBEAT = 0x0100, 0x0102, 0x0200, 0x0704, 0x0002
BLIND_ZONE = 1
PLATFORM_ACK, REGISTERED = 0x8001, 0x8100
ACK, LOCATED, SET, LOCATE, TEXT = 0x0001, 0x0201, 0x8103, 0x8201, 0x8300
ALARM_BITS = {"emergency": 0, "overspeed": 1, "fatigue": 2, "collision": 29, "rollover": 30}


def escape(content: bytes) -> bytes:
    return b"\x7e" + content.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def unescape(frame: bytes) -> bytes:
    return frame.strip(b"\x7e").replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")


def frame(message: int, phone: str, serial: int, body: bytes) -> bytes:
    """One whole frame. A phone of 20 digits takes the 2019 header, 12 digits the older one."""
    if len(phone) == 20:
        head = pack(">HHB", message, len(body) | 0x4000, 1) + bytes.fromhex(phone)
    else:
        head = pack(">HH", message, len(body)) + bytes.fromhex(phone.zfill(12))
    content = head + pack(">H", serial) + body
    return escape(content + bytes((xor8(content),)))


def location(report: Report) -> bytes:
    """The body of 0x0200: JT/T 808-2019 tables 23 to 27; times in Beijing time, BCD."""
    alarms = report.values.get("alarms")
    alarm = 0
    for name in alarms if isinstance(alarms, list) else ():
        alarm |= 1 << ALARM_BITS[name] if name in ALARM_BITS else 0
    lon, lat = report.lon or 0.0, report.lat or 0.0
    status = (1 if report.values.get("ignition", True) else 0) | 2 | (4 if lat < 0 else 0) | (8 if lon < 0 else 0)
    body = pack(
        ">IIIIHHH",
        alarm,
        status,
        round(abs(lat) * 1e6),
        round(abs(lon) * 1e6),
        max(0, round(report.alt)),
        round(report.number("speed") * 10),
        round(report.number("course")) % 360,
    )
    body += bytes.fromhex(report.beijing.strftime("%y%m%d%H%M%S"))
    body += b"\x01\x04" + pack(">I", round(report.number("odometer") * 10))
    body += b"\x02\x02" + pack(">H", round(report.number("fuel_volume") * 10))
    return (
        body
        + b"\x30\x01"
        + bytes((report.extra.get("signal", 24),))
        + b"\x31\x01"
        + bytes((report.extra.get("satellites", 11),))
    )


def locations(reports: Sequence[Report]) -> bytes:
    """The body of 0x0704: number of items, kind (1: back-fill of a blind zone), each with its length. JT/T 808-2019, table 76."""
    bodies = [location(report) for report in reports]
    return pack(">HB", len(bodies), BLIND_ZONE) + b"".join(pack(">H", len(body)) + body for body in bodies)


class Jt808:
    """See `Dialect`. `phone` has 12 digits (2013) or 20 (2019)."""

    window = 8
    batch_max = 15
    """A body has at most 1,023 bytes; a location takes 42 and two for its length."""
    answers = True

    def __init__(self, phone: str, plate: str = "") -> None:
        self.phone = phone
        self.plate = plate
        self.code: bytes | None = None
        self.texts: list[str] = []
        """What the platform had shown to the driver."""
        self._place = b""
        self._serial = -1
        self._buffer = bytearray()

    def greet(self) -> bytes:
        return self._frame(REGISTER, self._registration()) if self.code is None else self._authentication()

    def frame(self, reports: Sequence[Report]) -> tuple[object, bytes]:
        self._place = location(reports[-1])
        key = (self._serial + 1) & 0xFFFF
        if len(reports) == 1:
            return key, self._frame(LOCATION, self._place)
        return key, self._frame(LOCATIONS, locations(reports))

    def hear(self, data: bytes) -> Heard:
        heard = Heard()
        self._buffer += data
        while (start := self._buffer.find(0x7E)) >= 0 and (end := self._buffer.find(0x7E, start + 1)) >= 0:
            content = unescape(bytes(self._buffer[start : end + 1]))
            del self._buffer[: end + 1]
            if len(content) >= 13 and xor8(content) == 0:
                self._understand(content[:-1], heard)
        return heard

    def _understand(self, content: bytes, heard: Heard) -> None:
        message = int.from_bytes(content[:2])
        new = bool(content[2] & 0x40)
        body = content[17:] if new else content[12:]
        serial = content[15:17] if new else content[10:12]
        if message == REGISTERED and len(body) >= 3 and body[2] == 0:
            self.code = body[3:]
            heard.send += self._authentication()
        elif message == LOCATE and self._place:
            heard.send += self._frame(LOCATED, serial + self._place)
        elif message in (SET, LOCATE, TEXT):
            if message == TEXT:
                self.texts.append(body[2 if new else 1 :].decode("gbk", "replace"))
            result = 1 if message == LOCATE else 0  # nowhere yet
            heard.send += self._frame(ACK, serial + pack(">HB", message, result))
        elif message == PLATFORM_ACK and len(body) >= 5:
            of_serial, of, result = int.from_bytes(body[:2]), int.from_bytes(body[2:4]), body[4]
            if of == AUTHENTICATE:
                heard.ready = result == 0
                if result != 0:
                    self.code = None  # the platform has forgotten it: register again on the next connection
            elif result == 0:
                heard.acknowledged.append(of_serial)

    def _frame(self, message: int, body: bytes) -> bytes:
        self._serial = (self._serial + 1) & 0xFFFF
        return frame(message, self.phone, self._serial, body)

    def _registration(self) -> bytes:
        maker, model, terminal = (11, 30, 30) if len(self.phone) == 20 else (5, 20, 7)
        return (
            pack(">HH", 33, 900)
            + b"HARBR".ljust(maker, b"\0")
            + b"SIM-1".ljust(model, b"\0")
            + self.phone[-7:].encode().ljust(terminal, b"\0")
            + b"\x02"
            + self.plate.encode("gbk", "replace")
        )

    def _authentication(self) -> bytes:
        code = self.code or b""
        if len(self.phone) == 20:
            body = bytes((len(code),)) + code + b"0" * 15 + b"harbour-sim-1".ljust(20, b"\0")
        else:
            body = code
        return self._frame(AUTHENTICATE, body)
