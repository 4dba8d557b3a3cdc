"""GT06 (Concox and its many relatives): framing, session and answers.

Frame: 7878 and a length byte, or 7979 and a length WORD; protocol number, content, serial (WORD), CRC-16/X.25 (from the
length to the serial), 0D0A. The length counts number to CRC. The IMEI comes at login only. Pure: bytes in, messages out.
"""

from __future__ import annotations

import re
import struct
from datetime import UTC, timedelta, timezone
from typing import Any

from fastcrc.crc16 import ibm_sdlc

from adapters.gt06 import content as contents
from adapters.gt06 import wifi
from adapters.wallclock import ClockOptions, WallClock, zone_named
from hub.model import Fault, FaultKind, Message, Position, Reading, Verdict

FRAME_BYTES_MAX = 4096
"""Longest frame taken for one; the longest seen (photos, on-board diagnostics) stay near 1100 bytes."""
FRAME_BYTES_MIN = 10
_MARK = re.compile(rb"xx|yy")

_LOGIN, _HEARTBEAT, _TIME = 0x01, 0x13, 0x8A
_ANSWERED = frozenset((_LOGIN, _HEARTBEAT, 0x16, 0x23, 0x26, 0x27, _TIME))
_TAIL = struct.Struct(">HH")


class Gt06CodecOptions(ClockOptions, kw_only=True, frozen=True):
    """How trackers mean the time that they send."""

    zone: str = "UTC"
    """Of the six date bytes: an IANA name, an offset such as "+08:00", or "login" for what the device tells at login."""

    def __post_init__(self) -> None:
        if self.zone != "login":
            super().__post_init__()


class Gt06Codec:
    """One connection."""

    def __init__(self, options: Gt06CodecOptions) -> None:
        self._zone_from_login = options.zone == "login"
        self._clock = WallClock(UTC if self._zone_from_login else zone_named(options.zone))
        self._utc = WallClock(UTC)
        self._device: str | None = None
        self.commands = 0
        """Commands sent to this device; their numbers come back with its answers."""
        self._buffer = b""
        self._received_at: int | None = None
        self._searched = 0
        """Bytes at the head of the buffer that are known to start no frame."""

    # ------------------------------------------------------------------------------------------------- framing

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        self._received_at = received_at
        self._buffer = self._buffer + data if self._buffer else data
        return self._frames(ended=False)

    def end(self, received_at: int | None = None) -> list[Message]:
        self._received_at = received_at
        return self._frames(ended=True)

    def _frames(self, ended: bool) -> list[Message]:
        messages: list[Message] = []
        buffer = self._buffer
        have = len(buffer)
        done = 0  # everything before is in a message
        at = self._searched
        while True:
            start = at if buffer[at : at + 2] in (b"xx", b"yy") else _next_start(buffer, at)
            if start < 0:
                # The last byte may be half a start mark.
                at = max(at, have if ended or not buffer.endswith((b"x", b"y")) else have - 1)
                break
            at = start
            size = _size(buffer, start)
            if size > FRAME_BYTES_MAX:
                at = start + 1
                continue
            if size and have - start >= size:
                end = start + size
                if buffer[end - 2 : end] == b"\r\n":
                    told = int.from_bytes(buffer[end - 4 : end - 2], "big")
                    computed = ibm_sdlc(buffer[start + 2 : end - 4])
                    if told == computed and size >= 10:
                        if start > done:
                            messages += _junk(buffer[done:start])
                        messages.append(self._decode(buffer[start:end]))
                        done = at = end
                        continue
                found, end = self._damaged(buffer, start, end, ended)
                if found is None:
                    break
                if end - start < FRAME_BYTES_MIN:
                    at = end  # junk that only looks like a start
                    continue
                messages += _junk(buffer[done:start])
                messages.append(found)
                done = at = end
            elif ended:
                messages += _junk(buffer[done:start])
                end = _cut(buffer, start, have)
                messages.append(_broken(buffer[start:end], FaultKind.TRUNCATED, _clipped(size, end - start)))
                done = at = end
            else:
                break
        sure = at if ended else at - (at - done) % FRAME_BYTES_MAX
        if sure > done:
            messages += _junk(buffer[done:sure])
        self._buffer = buffer[sure:]
        self._searched = at - sure
        return messages

    def _damaged(self, buffer: bytes, start: int, end: int, ended: bool) -> tuple[Message | None, int]:
        """What to make of [start, end), where no frame verifies: (message, its end), or None to wait for more bytes."""
        if buffer[start : start + 2] == b"xx" and buffer[start + 3] in (0x17, 0x69):
            size = wifi.size(buffer, start)
            if (size is None or start + size > len(buffer)) and not ended:
                return None, start
            if size is not None and buffer[start + size - 2 : start + size] == b"\r\n":
                frame = buffer[start : start + size]
                return self._wifi(frame), start + size
        if buffer[end - 2 : end] != b"\r\n":
            limit = min(len(buffer), start + FRAME_BYTES_MAX)
            cut = _cut(buffer, start, limit)
            if cut == limit and buffer[limit - 2 : limit] != b"\r\n" and limit < start + FRAME_BYTES_MAX and not ended:
                return None, start
            return _broken(buffer[start:cut], FaultKind.FRAME, _clipped(end - start, cut - start)), cut
        cut = _cut(buffer, start, end)
        raw = buffer[start:cut]
        if cut < end:
            return _broken(raw, FaultKind.FRAME, _clipped(end - start, len(raw))), cut
        told, computed = int.from_bytes(raw[-4:-2], "big"), ibm_sdlc(raw[2:-4])
        if told == computed:
            return _broken(raw, FaultKind.SYNTAX, f"length {raw[2]} leaves no room for number and serial"), cut
        detail = f"CRC 0x{told:04X} in the frame, 0x{computed:04X} computed: damaged or clipped on the way"
        return _broken(raw, FaultKind.CHECKSUM, detail), cut

    # ------------------------------------------------------------------------------------------------- content

    def _decode(self, frame: bytes) -> Message:
        long_frame = frame[0] == 0x79
        head = 4 if long_frame else 3
        number = frame[head]
        content = frame[head + 1 : -6]
        if number == _LOGIN:
            return self._login(frame, content)
        found = contents.read(number, long_frame, content, explain=False)
        device = self._device
        message = Message([], [], device, Frame(frame), frame)
        if found.trouble:
            if found.trouble == "short":
                kind, detail = FaultKind.SYNTAX, f"{len(content)} bytes are too few for protocol number 0x{number:02X}"
            else:
                kind, detail = FaultKind.UNSUPPORTED, f"protocol number 0x{number:02X} is not read; kept in hex"
            message.faults.append(Fault(kind, detail, frame, device))
            return message
        position = None
        if found.place:
            lon, lat, altitude = found.place
            if -180 <= lon <= 180 and -90 <= lat <= 90:
                position = Position(lon, lat, altitude)
            else:
                detail = f"longitude {lon:.6f}, latitude {lat:.6f} is nowhere on Earth"
                message.faults.append(Fault(FaultKind.POSITION, detail, frame, device))
        if found.values or position:
            self._add(
                message, Reading(device or "", found.at, found.values, position, None, 0, "", "vehicle"), found.stamp
            )
        return message

    def _add(self, message: Message, reading: Reading, stamp: bytes | None) -> None:
        """The reading under the time of its stamp; a fault that holds it where that is none."""
        if stamp:
            try:
                reading.observed_at = self._clock.ns(stamp, self._received_at)
            except ValueError as error:
                detail = f"date {stamp.hex(' ')} (year month day hour minute second) is on no calendar: {error}"
                fault = Fault(FaultKind.TIME, detail, message.raw, message.device, readings=1, reading=reading)
                message.faults.append(fault)
                return
        message.readings.append(reading)

    def _login(self, frame: bytes, content: bytes) -> Message:
        """IMEI in 8 BCD bytes (first digit 0); newer devices add a type and their zone and language."""
        imei = content[:8].hex()
        if len(content) < 8 or not imei.isdecimal():
            detail = f"the login's IMEI {imei or 'is missing'}: 8 BCD bytes are due"
            return Message([], [Fault(FaultKind.SYNTAX, detail, frame)], None, Frame(frame), frame)
        if self._zone_from_login and len(content) >= 12:
            self._clock = WallClock(_login_zone(content))
        self._device = f"gt06:{imei[1:]}"
        return Message([], [], self._device, Frame(frame), frame, login=True)

    def _wifi(self, frame: bytes) -> Message:
        body = {
            "start": "7878",
            "declared_length": frame[2],
            "protocol_number": f"0x{frame[3]:02x}",
            "length_ok": False,
            **wifi.fields(frame),
            "body_hex": frame[4:-2].hex(),
        }
        return Message([], [], self._device, body, frame)

    # -------------------------------------------------------------------------------------------------- replies

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        """The number and serial back; a clock request gets the UTC time. Busy or refused: silence, the device sends again;
        what was refused for good is answered, or it would be sent for ever."""
        frame = message.raw
        if not isinstance(message.body, Frame):
            return None
        if verdict is not Verdict.STORED and (verdict is Verdict.BUSY or message.login or not message.spent):
            return None
        long_frame = frame[0] == 0x79
        number = frame[4] if long_frame else frame[3]
        if number not in _ANSWERED:
            return None
        content = self._utc.stamp(now) if number == _TIME else b""
        length = (5 + len(content)).to_bytes(2 if long_frame else 1, "big")
        body = length + bytes((number,)) + content + frame[-6:-4]
        return frame[:2] + body + ibm_sdlc(body).to_bytes(2, "big") + b"\r\n"


class Frame:
    """A verified frame; `detail` takes it apart for people, which the hot path has no time for."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def detail(self) -> dict[str, Any]:
        raw = self.raw
        long_frame = raw[0] == 0x79
        head = 4 if long_frame else 3
        content = raw[head + 1 : -6]
        serial, crc = _TAIL.unpack_from(raw, len(raw) - 6)
        view: dict[str, Any] = {
            "start": "7979" if long_frame else "7878",
            "declared_length": len(raw) - head - 2,
            "protocol_number": f"0x{raw[head]:02x}",
            "length_ok": True,
            "crc": f"{crc:04x}",
            "crc_ok": True,
            "serial": serial,
        }
        if raw[head] == _LOGIN:
            view |= {"imei": content[:8].hex()[1:], "login_extra_hex": content[8:].hex()}
            if len(content) >= 12:
                view["zone"] = str(_login_zone(content))
            return view
        found = contents.read(raw[head], long_frame, content, explain=True)
        if found.stamp:
            year, month, day, hour, minute, second = found.stamp
            view["datetime"] = f"20{year:02d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"
        return view | found.fields


# ------------------------------------------------------------------------------------------------- framing's helpers


def _next_start(buffer: bytes, at: int) -> int:
    found = _MARK.search(buffer, at)
    return found.start() if found else -1


def _size(buffer: bytes, start: int) -> int:
    """Bytes of the frame from start mark to 0D0A by its own length; 0 while the length is not here."""
    if buffer[start] == 0x78:
        return buffer[start + 2] + 5 if start + 3 < len(buffer) else 0
    return int.from_bytes(buffer[start + 2 : start + 4], "big") + 6 if start + 4 < len(buffer) else 0


def _cut(buffer: bytes, start: int, end: int) -> int:
    """Where a damaged frame is given up: behind its first 0D0A or before the next start mark, `end` at the latest."""
    cut = end
    for mark in (
        b"xx",
        b"yy",
    ):  # three finds: many times faster than one search for any of them; marks first, as a flood of them is near
        found = buffer.find(mark, start + 2, cut)
        cut = cut if found < 0 else found
    tail = buffer.find(b"\r\n", start + 3, cut)  # not in place of the length
    return cut if tail < 0 else tail + 2


def _clipped(size: int, have: int) -> str:
    told = f"by its length the frame has {size} bytes" if size else "the frame's length never came"
    return f"{told}, but it ends after {have}"


def _broken(raw: bytes, kind: FaultKind, detail: str) -> Message:
    return Message([], [Fault(kind, detail, raw)], raw=raw)


def _junk(raw: bytes) -> list[Message]:
    """One fault for a run of junk; a run longer than the buffer's limit is cut there."""
    runs = [raw[at : at + FRAME_BYTES_MAX] for at in range(0, len(raw), FRAME_BYTES_MAX)]
    return [_broken(run, FaultKind.FRAME, f"{len(run)} bytes that start no GT06 frame") for run in runs]


def _login_zone(content: bytes) -> timezone:
    """Hours and minutes as a decimal number in b15-b4 of the login's last word, b3 set west of Greenwich."""
    word = int.from_bytes(content[10:12], "big")
    hours, minutes = divmod(word >> 4, 100)
    offset = timedelta(hours=hours, minutes=minutes) if hours < 24 and minutes < 60 else timedelta()
    return timezone(-offset if word & 8 else offset)
