"""GB/T 32960.3 (2016 and 2025): electric vehicles' terminals and the platforms that forward them.

Frame: start `##` (2016) or `$$` (2025), command, answer flag, unique id (VIN, 17), encryption, length (WORD), data unit,
BCC = XOR of everything from the command to the last data byte. Pure: bytes in, messages out.
"""

from __future__ import annotations

import re

import numpy as np

from adapters.framing import Waiting
from adapters.gb32960.items import walk
from adapters.gb32960.view import (
    COMMAND,
    HEADER_BYTES,
    HEARTBEAT,
    LOGIN,
    LOGOUT,
    NAMES,
    PLATFORM_LOGIN,
    PLATFORM_LOGOUT,
    REALTIME,
    REISSUE,
    SESSIONS,
    TIME,
    Frame,
    battery_codes,
    session_bytes,
    text,
)
from adapters.gb32960.vocabulary import Place, quick, thorough
from adapters.gcj02 import to_wgs84
from adapters.wallclock import ClockOptions, WallClock, zone_named
from hub.model import Fault, FaultKind, Message, Position, Reading, Value, Verdict

FRAME_BYTES_MAX = HEADER_BYTES + 0xFFFF + 1
"""The length field can say no more, so neither can the buffer hold more (plus the chunk just fed)."""

_START = re.compile(rb"##|\$\$")
_ANSWERS = (1, 2, 3, 4, 5, 6, 7, COMMAND)
_ENCRYPTIONS = {2: "RSA", 3: "AES-128", 4: "SM2", 5: "SM4"}
_ENCRYPTION_CODES = (1, *_ENCRYPTIONS, 0xFE, 0xFF)
_ANSWERED = (LOGIN, REALTIME, REISSUE, LOGOUT, PLATFORM_LOGIN, PLATFORM_LOGOUT, HEARTBEAT, TIME)


class Gb32960CodecOptions(ClockOptions, kw_only=True, frozen=True):
    """How terminals mean the time and place that they send."""

    coordinates: str = "wgs84"
    """ "gcj02" where 2016 terminals send shifted positions; 2025 frames say it themselves."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.coordinates not in ("wgs84", "gcj02"):
            raise ValueError(f"coordinates = {self.coordinates!r}: wgs84 or gcj02")


class Gb32960Codec:
    """One connection: a vehicle, or a platform that forwards many."""

    def __init__(self, options: Gb32960CodecOptions) -> None:
        self._clock = WallClock(zone_named(options.zone))
        self._gcj02 = options.coordinates == "gcj02"
        self._waiting = Waiting()
        self._received_at: int | None = None
        self._searched = 0
        """Bytes at the head of the buffer that are known to start no frame."""

    # ------------------------------------------------------------------------------------------------- framing

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        self._received_at = received_at
        buffer = self._waiting.add(data)
        return [] if buffer is None else self._frames(buffer, ended=False)

    def end(self, received_at: int | None = None) -> list[Message]:
        self._received_at = received_at
        return self._frames(self._waiting.all(), ended=True)

    def _frames(self, buffer: bytes, ended: bool) -> list[Message]:
        messages: list[Message] = []
        needed = 0
        done = 0  # everything before is in a message
        at = self._searched
        while True:
            start = at if buffer[at : at + 2] in (b"##", b"$$") else _next_start(buffer, at)
            if start < 0:
                # The last byte may be half a start mark.
                at = max(at, len(buffer) if ended or not buffer.endswith((b"#", b"$")) else len(buffer) - 1)
                break
            at = start
            if len(buffer) - start < HEADER_BYTES:
                if not ended:
                    break
            elif not _plausible(buffer, start):
                at = start + 1
                continue
            size = HEADER_BYTES + int.from_bytes(buffer[start + 22 : start + HEADER_BYTES], "big") + 1
            if len(buffer) - start < size:
                if not ended:
                    needed = start + size
                    break
                messages += _junk(buffer[done:start])
                done = at = _inner_start(buffer, start, len(buffer))
                messages.append(_truncated(buffer[start:done], size))
                continue
            if start > done:
                messages += _junk(buffer[done:start])
            frame = buffer[start : start + size]
            bcc = check_code(frame[2:-1])
            if bcc == frame[-1]:
                messages.append(self._decode(frame))
                done = at = start + size
            else:
                done = at = _inner_start(buffer, start, start + size)
                messages.append(_bad_checksum(buffer[start:done], frame[-1], bcc))
        sure = at if ended else at - (at - done) % FRAME_BYTES_MAX
        if sure > done:
            messages += _junk(buffer[done:sure])
            done = sure
        self._waiting.keep(buffer[done:], needed - done)
        self._searched = at - done
        return messages

    # ------------------------------------------------------------------------------------------------- content

    def _decode(self, frame: bytes) -> Message:
        vin = frame[4:21].decode("ascii", "replace").strip("\0 ")
        message = Message([], [], f"gb32960:{vin}" if vin else None, Frame(frame, self._clock), frame)
        command = frame[2]
        has_data = len(frame) > HEADER_BYTES + 1
        if has_data and frame[21] != 1:
            message.faults.append(_encrypted(frame[21], frame, message.device))
        elif frame[3] != COMMAND:
            pass  # a terminal's answer to the platform
        elif command in (REALTIME, REISSUE):
            self._report(message, frame)
        elif command in SESSIONS:
            self._session(message, command, frame[HEADER_BYTES:-1], message.body.edition)
        elif command not in (HEARTBEAT, TIME):
            name = NAMES.get(command, "unknown")
            detail = f"command 0x{command:02X} ({name}) is not read; its data unit is kept in hex"
            self._fault(message, FaultKind.UNSUPPORTED, detail)
        return message

    def _fault(self, message: Message, kind: FaultKind, detail: str, readings: int = 0) -> None:
        message.faults.append(Fault(kind, detail, message.raw, message.device, readings=readings))

    def _observed(self, message: Message, stamp: bytes, reading: Reading | None = None) -> int | None:
        """ns UTC of the stamp; None with a fault, which holds the reading of that time, where that is none."""
        try:
            return self._clock.ns(stamp, self._received_at)
        except ValueError as error:
            detail = f"time {stamp.hex(' ')} (year month day hour minute second, binary) is on no calendar: {error}"
            self._fault(message, FaultKind.TIME, detail, int(reading is not None))
            message.faults[-1].reading = reading
            return None

    def _session(self, message: Message, command: int, data: bytes, edition: int) -> None:
        needed = session_bytes(command, edition)
        if len(data) < needed:
            self._fault(message, FaultKind.SYNTAX, f"{NAMES[command]} needs {needed} bytes of data, {len(data)} came")
            return
        self._observed(message, data[:6])
        if command == PLATFORM_LOGIN:
            message.login = True
            message.credential = text(data[20:40])
            message.device = message.device or f"gb32960:{text(data[8:20])}"
        elif command == LOGIN:
            message.login = True
            _, trouble = battery_codes(data, edition)
            if trouble:
                self._fault(message, FaultKind.SYNTAX, trouble)

    def _report(self, message: Message, frame: bytes) -> None:
        data = frame[HEADER_BYTES:-1]
        if len(data) < 6:
            self._fault(message, FaultKind.SYNTAX, f"a report needs at least its 6 bytes of time, {len(data)} came", 1)
            return
        values, place = quick(data, 6, frame[0] == 0x24) or self._thorough(message, data)
        position = self._position(message, place) if place else None
        if not values and position is None:
            self._observed(message, data[:6])
            return
        reading = Reading(message.device or "", None, values, position, kind="vehicle")
        reading.observed_at = self._observed(message, data[:6], reading)
        if reading.observed_at is not None:
            message.readings.append(reading)

    def _thorough(self, message: Message, data: bytes) -> tuple[dict[str, Value], Place | None]:
        found = walk(data, 6, message.body.edition)
        if found.trouble:
            kind = FaultKind.SYNTAX if found.known_type else FaultKind.UNSUPPORTED
            self._fault(message, kind, f"{found.trouble}; {len(found.unread)} bytes are kept unread")
        return thorough(found.items)

    def _position(self, message: Message, place: Place) -> Position | None:
        lon, lat, valid, system = place
        if not valid:
            return None
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            self._fault(message, FaultKind.POSITION, f"longitude {lon}, latitude {lat} is nowhere on Earth")
            return None
        if message.raw[0] == 0x23:
            system = 2 if self._gcj02 else 1
        if system == 1:
            return Position(lon, lat)
        if system == 2:
            return Position(*to_wgs84(lon, lat))
        self._fault(
            message,
            FaultKind.POSITION,
            f"coordinate system {system} is neither WGS-84 (1) nor GCJ-02 (2): the place is not known",
        )
        return None

    # -------------------------------------------------------------------------------------------------- replies

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        """Same header with the answer flag set and the frame's own time back; a clock request gets the time `now`."""
        frame = message.raw
        if message.body is None or frame[3] != COMMAND or frame[2] not in _ANSWERED or verdict is Verdict.BUSY:
            return None
        if frame[2] == TIME:
            data = self._clock.stamp(now)
        elif frame[2] == HEARTBEAT or frame[21] != 1:
            data = b""
        else:
            data = frame[HEADER_BYTES:-1][:6]
        unread = any(fault.kind is FaultKind.ENCRYPTED for fault in message.faults)
        refused = verdict is Verdict.REFUSED or unread  # nothing of it was stored, whatever became of the fault
        flag = _refusal(message, frame[0] == 0x24) if refused else 1
        head = frame[2:3] + bytes((flag,)) + frame[4:21] + b"\x01" + len(data).to_bytes(2, "big") + data
        return frame[:2] + head + bytes((check_code(head),))


# ------------------------------------------------------------------------------------------------- framing's helpers


def check_code(data: bytes) -> int:
    """XOR of all bytes, by folding the number in half: 2 µs for a battery's report of 600 bytes, byte by byte 8 µs."""
    if len(data) > 2_000:
        return int(np.bitwise_xor.reduce(np.frombuffer(data, np.uint8)))
    folded = int.from_bytes(data, "big")
    bits = 8 << len(data).bit_length()
    while bits > 8:
        bits >>= 1
        folded = folded >> bits ^ folded & (1 << bits) - 1
    return folded


def _next_start(buffer: bytes, at: int) -> int:
    found = _START.search(buffer, at)
    return found.start() if found else -1


def _plausible(buffer: bytes, at: int) -> bool:
    """Two of three header fields as the standard has them: a frame with one damaged field still counts as one, junk does not."""
    vin = buffer[at + 4 : at + 21]
    return (
        (buffer[at + 3] in _ANSWERS)
        + (buffer[at + 21] in _ENCRYPTION_CODES)
        + (vin.isascii() and vin.strip(b"\0").decode("ascii").isprintable())
    ) >= 2


def _inner_start(buffer: bytes, start: int, end: int) -> int:
    """Where a good frame may begin inside [start, end) of one that is damaged; `end` where there is none.

    Looks at no byte behind `end`: whether they are here yet must not matter.
    """
    at = start + 1
    while 0 <= (at := _next_start(buffer, at)) < end - 1:
        if at + HEADER_BYTES > end or (_plausible(buffer, at) and buffer[at + 2] in NAMES):
            return at
        at += 1
    return end - 1 if buffer[end - 1] in b"#$" and end - 1 > start else end  # perhaps half a start mark


def _junk(raw: bytes) -> list[Message]:
    """One fault for a run of junk; a run longer than the buffer's limit is cut there."""
    runs = [raw[at : at + FRAME_BYTES_MAX] for at in range(0, len(raw), FRAME_BYTES_MAX)]
    return [
        Message([], [Fault(FaultKind.FRAME, f"{len(run)} bytes that start no GB/T 32960 frame", run)], raw=run)
        for run in runs
    ]


def _truncated(raw: bytes, size: int) -> Message:
    told = f" of the {size} that its header tells" if len(raw) >= HEADER_BYTES else ", less than a header"
    return Message([], [Fault(FaultKind.TRUNCATED, f"the frame ends after {len(raw)} bytes{told}", raw)], raw=raw)


def _bad_checksum(raw: bytes, told: int, computed: int) -> Message:
    detail = f"check code 0x{told:02X} in the frame, 0x{computed:02X} computed: damaged or clipped on the way"
    return Message([], [Fault(FaultKind.CHECKSUM, detail, raw)], raw=raw)


def _encrypted(encryption: int, frame: bytes, device: str | None) -> Fault:
    method = _ENCRYPTIONS.get(encryption)
    if method:
        detail = f"the data unit is encrypted with {method} and the hub holds no key for it"
        return Fault(FaultKind.ENCRYPTED, detail, frame, device, readings=1)
    detail = f"encryption byte 0x{encryption:02X} does not say how the data unit is coded"
    return Fault(FaultKind.SYNTAX, detail, frame, device, readings=1)


def _refusal(message: Message, edition_2025: bool) -> int:
    """2016 knows only "error"; 2025 has 04 VIN unknown, 06 bad structure, 07 not decrypted."""
    if not edition_2025:
        return 2
    kinds = {fault.kind for fault in message.faults}
    if FaultKind.ENCRYPTED in kinds:
        return 7
    if FaultKind.SYNTAX in kinds:
        return 6
    return 2 if kinds else 4
