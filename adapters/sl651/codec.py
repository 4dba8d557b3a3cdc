"""SL 651-2014 frames to messages, and the centre's confirmations.

HEX/BCD frames begin with 7E7E, ASCII frames with SOH; both state their length, so they are framed by it and by nothing
else (7E is an ordinary byte inside). A picture or a long report comes as packets (start SYN) and is put together here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal

import msgspec
from fastcrc.crc16 import modbus as crc16

from adapters.framing import DeclaredFrames, Stretch, Unchecked
from adapters.sl651 import observations
from adapters.sl651.body import Body, read_ascii, read_hex
from adapters.sl651.elements import FUNCTIONS, REPORTS
from adapters.wallclock import ClockOptions, zone_named
from hub.model import Fault, FaultKind, Message, Verdict
from hub.moment import SECOND

MAX_FRAME = 4_200
"""Bytes: twelve bits of body length and the ASCII form's 29 of overhead."""
MAX_PACKETS = 512
MAX_ASSEMBLY = 1 << 20
"""Packets and bytes of one multi-packet message (a picture)."""
MAX_OPEN = 4
"""Multi-packet messages under assembly on one connection."""
ASSEMBLY_AGE_S = 600
"""Seconds after which a message whose packets stopped coming is given up."""

_HEX_START, _SOH = b"\x7e\x7e", 0x01
_START = re.compile(rb"\x7e\x7e|\x01")
_HEX_HEAD, _ASCII_HEAD = 14, 24
_STX, _SYN = 0x02, 0x16
_STARTS = {_STX: "STX", _SYN: "SYN"}
_ENDS = {0x03: "ETX", 0x17: "ETB", 0x05: "ENQ", 0x04: "EOT", 0x06: "ACK", 0x15: "NAK", 0x1B: "ESC"}
_EOT, _ESC, _NAK = 0x04, 0x1B, 0x15
_DIGITS = frozenset(b"0123456789ABCDEFabcdef")


class Frame(msgspec.Struct, gc=False):
    """One frame's header and, once it is whole, its body."""

    ascii: bool
    up: bool
    centre: int
    station: str
    password: str
    function: int
    length: int
    start: int
    end: int
    crc_in_frame: int
    crc: int
    payload: bytes
    """The body, without the packet numbers of a multi-packet frame."""
    packet_total: int = 0
    packet_no: int = 0
    missing: list[int] = msgspec.field(default_factory=list)
    """Packets still to come when this one ends the message."""
    complete: bool = True
    """Whether the message that this frame belongs to is whole with it."""
    body: Body | None = None

    def detail(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "encoding": "ASCII" if self.ascii else "HEX/BCD",
            "crc": f"{self.crc_in_frame:04x}",
            "crc_ok": self.crc_in_frame == self.crc,
            "direction": "up" if self.up else "down",
            "centre": self.centre,
            "station": self.station,
            "password": self.password,
            "function": f"0x{self.function:02x}",
            "function_name": FUNCTIONS.get(self.function, "user-defined"),
            "length": self.length,
            "start": _STARTS[self.start],
            "end": _ENDS.get(self.end, f"{self.end:02x}"),
            "length_ok": True,
        }
        if self.packet_total:
            found |= {"package_total": self.packet_total, "package_no": self.packet_no, "complete": self.complete}
            if self.missing:
                found["missing"] = self.missing
            if self.packet_no != 1:
                found["payload_bytes"] = len(self.payload)
        body = self.body
        if body is None and self.packet_no == 1:
            body = _read(self, self.payload)
        return found | (body.detail() if body is not None else {})


class _Assembly(msgspec.Struct):
    """A multi-packet message on its way."""

    total: int
    started_at: int | None
    parts: dict[int, bytes] = msgspec.field(default_factory=dict)
    ended: bool = False

    @property
    def size(self) -> int:
        return sum(len(part) for part in self.parts.values())

    @property
    def missing(self) -> list[int]:
        return [number for number in range(1, self.total + 1) if number not in self.parts]


class Sl651CodecOptions(ClockOptions, kw_only=True, frozen=True):
    """How stations mean what they send, and what they hear."""

    mode: str = "M2"
    """"M1": stations that want no confirmation; "M2" serves M3 and M4 too."""
    stay_online: bool = False
    """Confirm with ESC (the station keeps the line for ten minutes) instead of EOT."""
    level_base: dict[str, float] = msgspec.field(default_factory=dict)
    """Metres added to a station's hourly relative levels (F5): { 0011223344 = 10.0 }."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode.upper() not in ("M1", "M2", "M3", "M4"):
            raise ValueError(f"mode = {self.mode!r}: M1 (no confirmation) or M2 (also for M3 and M4) was meant")


class Sl651Codec:
    """SL 651-2014 for one connection."""

    def __init__(self, options: Sl651CodecOptions) -> None:
        self._zone = zone_named(options.zone)
        self._confirms = options.mode.upper() != "M1"
        self._ending = _ESC if options.stay_online else _EOT
        self._bases = options.level_base
        self._stream = DeclaredFrames(_START, _plausible, _size, MAX_FRAME)
        self._assemblies: dict[tuple[str, int], _Assembly] = {}

    # ------------------------------------------------------------------------------------------------- framing

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        self._stream.add(data, received_at)
        return self._expired(received_at) + self._taken(received_at)

    def end(self, received_at: int | None = None) -> list[Message]:
        self._stream.end()
        return self._expired(received_at) + self._taken(received_at)

    def _taken(self, received_at: int | None) -> list[Message]:
        messages: list[Message] = []
        while (taken := self._stream.take()) is not None:
            kind, raw = taken
            if kind is Stretch.FRAME:
                messages.append(self._judge(raw, received_at))
            elif not raw.strip(b"\x7e"):
                pass  # a lone 7E is the start of a frame that never came
            elif kind is Stretch.CUT:
                said = f"{len(raw)} bytes that are no whole SL 651 frame"
                messages.append(_fault(FaultKind.TRUNCATED, said, raw))
            else:
                messages.append(_fault(FaultKind.FRAME, f"{len(raw)} bytes that belong to no SL 651 frame", raw))
        return messages

    def _judge(self, raw: bytes, received_at: int | None) -> Message:
        """A frame whose CRC fits, or the fault it makes."""
        length = _length(raw, 0)
        frame = _ascii_frame(raw, length) if raw[0] == _SOH else _hex_frame(raw, length)
        if frame is not None and frame.crc == frame.crc_in_frame:
            return self._message(frame, raw, received_at)
        lost = self._stream.give_back(raw)
        if frame is None:
            return _fault(FaultKind.CHECKSUM, "the CRC of an ASCII frame is no hexadecimal number", lost)
        said = f"the frame says CRC {frame.crc_in_frame:04X}, its bytes give {frame.crc:04X}"
        message = _fault(FaultKind.CHECKSUM, said, lost)
        if len(lost) == len(raw):
            message.body = Unchecked(lambda: _with_body(frame))
        return message

    # ------------------------------------------------------------------------------------------------- content

    def _message(self, frame: Frame, raw: bytes, received_at: int | None) -> Message:
        device = f"sl651:{frame.station}"
        message = Message([], [], device, frame, raw, credential=frame.password)
        content = frame.payload
        if frame.up and frame.start == _SYN:
            whole = self._assemble(frame, message, received_at)
            if whole is None:
                return message
            content = whole
        frame.body = _read(frame, content)
        if frame.up:
            message.readings, faults = observations.read(frame.body, device, self._zone, self._bases, raw, received_at)
            message.faults += faults
        return message

    def _assemble(self, frame: Frame, message: Message, received_at: int | None) -> bytes | None:
        """The whole body if this packet completes it."""
        key, total, number = (frame.station, frame.function), frame.packet_total, frame.packet_no
        frame.complete = False
        if not 1 <= number <= total or total > MAX_PACKETS:
            said = f"packet {number} of {total}: the numbers do not fit, or are over the limit of {MAX_PACKETS} packets"
            message.faults.append(Fault(FaultKind.SYNTAX, said, message.raw, device=message.device))
            return None
        assembly = self._assemblies.get(key)
        if assembly is not None and (
            assembly.total != total or assembly.parts.get(number, frame.payload) != frame.payload
        ):
            message.faults.append(_incomplete(key, self._assemblies.pop(key)))
            assembly = None
        if assembly is None:
            if len(self._assemblies) >= MAX_OPEN:
                oldest = next(iter(self._assemblies))
                message.faults.append(_incomplete(oldest, self._assemblies.pop(oldest)))
            assembly = self._assemblies[key] = _Assembly(total, received_at)
        assembly.parts[number] = frame.payload
        if assembly.size > MAX_ASSEMBLY:
            del self._assemblies[key]
            said = f"the packets of one message are over the limit of {MAX_ASSEMBLY} bytes"
            message.faults.append(Fault(FaultKind.OVERSIZE, said, message.raw, device=message.device))
            return None
        assembly.ended = assembly.ended or number == total or _ENDS.get(frame.end) == "ETX"
        missing = assembly.missing
        if missing:
            frame.missing = missing if assembly.ended else []
            return None
        del self._assemblies[key]
        frame.complete = True
        return b"".join(assembly.parts[i] for i in range(1, total + 1))

    def _expired(self, received_at: int | None) -> list[Message]:
        if received_at is None or not self._assemblies:
            return []
        limit = received_at - ASSEMBLY_AGE_S * SECOND
        old = [key for key, one in self._assemblies.items() if one.started_at is not None and one.started_at < limit]
        return [Message([], [_incomplete(key, self._assemblies.pop(key))], f"sl651:{key[0]}") for key in old]

    # --------------------------------------------------------------------------------------------------- reply

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        """EOT (or ESC) for a report that is on disk; NAK, with the packet wanted, for missing packets or what was refused
        and may be sent again.

        Nothing in mode M1, to keep-alives, to answers of queries, to packets before the last, or while the hub is busy.
        """
        frame = message.body
        if not isinstance(frame, Frame) or not self._confirms or not frame.up or frame.function not in REPORTS:
            return None
        if verdict is Verdict.BUSY:
            return None
        if frame.missing:
            return _confirmation(frame, _NAK, self._zone, now, frame.missing[0])
        if not frame.complete:
            return None
        taken = verdict is Verdict.STORED or message.spent  # NAK means "send it again", and that would bring nothing
        return _confirmation(frame, self._ending if taken else _NAK, self._zone, now)


def _read(frame: Frame, content: bytes) -> Body:
    reader = read_ascii if frame.ascii else read_hex
    return reader(content, frame.function, frame.up)


def _with_body(frame: Frame) -> Frame:
    frame.body = _read(frame, frame.payload)
    return frame


def _plausible(buffer: bytes | bytearray, at: int) -> bool | None:
    """Whether a frame's header stands here; None while more bytes must come to tell."""
    have = len(buffer) - at
    if buffer[at] == _SOH:
        head = buffer[at + 1 : at + 23]
        if any(byte not in _DIGITS for byte in head) or (have > 19 and buffer[at + 19] not in b"08"):
            return False
        if have < _ASCII_HEAD:
            return None
        return buffer[at + 23] in _STARTS
    if buffer[at] != 0x7E or (have > 1 and buffer[at + 1] != 0x7E):
        return False
    if have > 11 and buffer[at + 11] >> 4 not in (0, 8):
        return False
    if have < _HEX_HEAD:
        return None
    return buffer[at + 13] in _STARTS


def _size(buffer: bytes | bytearray, at: int) -> int:
    """The length of the frame that begins here."""
    return (_ASCII_HEAD + 5 if buffer[at] == _SOH else _HEX_HEAD + 3) + _length(buffer, at)


def _length(buffer: bytes | bytearray, at: int) -> int:
    """The length of the body that the header declares."""
    if buffer[at] == _SOH:
        return int(buffer[at + 20 : at + 23], 16)
    return int.from_bytes(buffer[at + 11 : at + 13], "big") & 0xFFF


def _hex_frame(raw: bytes, length: int) -> Frame:
    up = raw[11] >> 4 == 0
    centre, station = (raw[2], raw[3:8].hex()) if up else (raw[7], raw[2:7].hex())
    frame = Frame(
        False, up, centre, station, raw[8:10].hex(), raw[10], length, raw[13], raw[-3],
        int.from_bytes(raw[-2:], "big"), crc16(raw[:-2]), raw[14:-3],
    )  # fmt: skip
    if frame.start == _SYN:
        numbers = int.from_bytes(frame.payload[:3], "big")
        frame.packet_total, frame.packet_no, frame.payload = numbers >> 12, numbers & 0xFFF, frame.payload[3:]
    return frame


def _ascii_frame(raw: bytes, length: int) -> Frame | None:
    tail = raw[-4:]
    if any(byte not in _DIGITS for byte in tail):
        return None
    text = raw[1:23].decode("ascii")
    up = text[18] == "0"
    centre, station = (text[:2], text[2:12]) if up else (text[10:12], text[:10])
    frame = Frame(
        True, up, int(centre, 16), station.lower(), text[12:16].lower(), int(text[16:18], 16), length, raw[23], raw[-5],
        int(tail, 16), crc16(raw[:-4]), raw[24:-5],
    )  # fmt: skip
    if frame.start == _SYN:
        numbers = frame.payload[:6]
        if all(byte in _DIGITS for byte in numbers) and len(numbers) == 6:
            frame.packet_total, frame.packet_no = int(numbers[:3], 16), int(numbers[3:], 16)
        frame.payload = frame.payload[6:]
    return frame


def _confirmation(
    frame: Frame, ending: Literal[0x04, 0x1B, 0x15] | int, zone: tzinfo, now: int, packet: int = 0
) -> bytes:
    """The down frame (tables 12 and 21): station before centre; the report's serial, the centre's time."""
    serial = frame.body.serial if frame.body is not None and frame.body.serial is not None else 0
    moment = datetime.fromtimestamp(now // SECOND, UTC).astimezone(zone)
    stamp = moment.strftime("%y%m%d%H%M%S")
    if frame.ascii:
        numbers = f"{frame.packet_total:03X}{packet:03X}" if packet else ""
        text = f"{numbers}{serial:04X}{stamp}"
        head = f"{frame.station.upper()}{frame.centre:02X}{frame.password.upper()}{frame.function:02X}8{len(text):03X}"
        data = bytes([_SOH]) + head.encode() + bytes([_SYN if packet else _STX]) + text.encode() + bytes([ending])
        return data + b"%04X" % crc16(data)
    body = (frame.packet_total << 12 | packet).to_bytes(3, "big") if packet else b""
    body += serial.to_bytes(2, "big") + bytes.fromhex(stamp)
    data = (
        _HEX_START
        + bytes.fromhex(frame.station)
        + bytes([frame.centre])
        + bytes.fromhex(frame.password)
        + bytes([frame.function])
        + (0x8000 | len(body)).to_bytes(2, "big")
        + bytes([_SYN if packet else _STX])
        + body
        + bytes([ending])
    )
    return data + crc16(data).to_bytes(2, "big")


def _incomplete(key: tuple[str, int], assembly: _Assembly) -> Fault:
    missing = assembly.missing
    said = (
        f"function {key[1]:02X}: {len(assembly.parts)} of {assembly.total} packets came, "
        f"missing {', '.join(str(number) for number in missing[:10])}{' …' if len(missing) > 10 else ''}"
    )
    return Fault(FaultKind.INCOMPLETE, said, b"".join(assembly.parts.values())[:MAX_FRAME], device=f"sl651:{key[0]}")


def _fault(kind: FaultKind, sentence: str, raw: bytes) -> Message:
    return Message([], [Fault(kind, sentence, raw)], raw=raw)
