"""The JT/T 808 codec: one terminal's bytes in, messages out, and the answers that terminal must hear."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from adapters.jt808 import bodies, location
from adapters.jt808.frame import Frame
from adapters.jt808.location import Dialect
from adapters.jt808.subpackages import MAX_PIECES, Assembly, Subpackages
from adapters.jt808.wire import (
    MARK,
    MAX_FRAME,
    SHORT_HEADER,
    VENDOR_MARK,
    Header,
    Terminal,
    encode,
    read_header,
    stated_header,
    unescape,
    xor,
)
from hub.model import Fault, FaultKind, Message, Reading, Value, Verdict

_LOCK_FRAMES = (0x5501, 0x5502)
"""Frames of a vendor's electronic locks on the same port: the header has a one-byte serial, the body is his own."""
_ANSWER, _REGISTERED, _RESEND, _MEDIA_TAKEN, _SERVER_TIME = 0x8001, 0x8100, 0x8003, 0x8800, 0x8004
_OK, _FAILURE, _BAD_MESSAGE, _UNSUPPORTED = 0, 1, 2, 3
_NO_SUCH_TERMINAL = 4

_Take = Callable[[bytes, int, int, list[Message]], int]

Authority = Callable[[Terminal], str]
"""The authentication code that a terminal is given when it registers."""


def id_is_code(terminal: Terminal) -> str:
    """Without a secret every terminal's code is its own id: it proves nothing, and says so in the README."""
    return terminal.number


def keyed_codes(secret: str) -> Authority:
    """Codes that only a holder of `secret` can tell: HMAC-SHA256 of the terminal's id, 32 hex digits."""
    return lambda terminal: hmac.new(secret.encode(), terminal.number.encode(), "sha256").hexdigest()[:32]


class Jt808Codec:
    """Bytes of one connection (or datagram peer) to messages. Holds at most one frame and `subpackages.MAX_BYTES`."""

    def __init__(
        self,
        dialect: Dialect | None = None,
        authority: Authority = id_is_code,
        check_codes: bool = False,
        ack_singly: bool = False,
    ) -> None:
        """`check_codes`: refuse authentication with another code than `authority` gives. `ack_singly`: answer each
        sub-package at once, although the hub has not stored its message yet."""
        self.terminal: Terminal | None = None
        """Who spoke last; commands down are addressed to it."""
        self._dialect = dialect or Dialect()
        self._authority = authority
        self._check_codes = check_codes
        self._ack_singly = ack_singly
        self._rest = b""
        self._skipping = False
        self._closed = False  # the byte before `_rest` was a mark that closed a frame; it may open the next one too
        self._device = ""
        self._subpackages = Subpackages()
        self._received_at: int | None = None
        self._serial = 0
        self._handlers: dict[int, Callable[[Frame, str, list[Fault]], Message]] = {
            0x0102: self._authentication,
            0x0200: self._location,
            0x0201: self._answered_location,
            0x0210: self._vendor_batch,
            0x0500: self._answered_location,
            0x0702: self._driver,
            0x0704: self._batch,
            0x0801: self._media,
        }

    # -------------------------------------------------------------------------------------------------- framing

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        """Messages completed by these bytes."""
        out: list[Message] = []
        self._received_at = received_at
        if self._subpackages and received_at is not None:
            out += [self._incomplete(one) for one in self._subpackages.expire(received_at)]
        buffer = self._rest + data if self._rest else data
        at, size = 0, len(buffer)
        while at < size:
            if self._skipping:
                at = buffer.find(b"\x7e", at)
                if at < 0:
                    at = size
                    break
                self._skipping = False
            stop, take = self._extent(buffer, at)
            if stop < 0 and size - at < MAX_FRAME:
                break
            if stop < 0:
                out.append(self._oversize(bytes(buffer[at : at + MAX_FRAME])))
                at += MAX_FRAME
                self._skipping, self._closed = True, False
            else:
                at = take(buffer, at, stop, out)
        self._rest = bytes(buffer[at:])
        return out

    def end(self, received_at: int | None = None) -> list[Message]:
        """What is left becomes a fault; messages under assembly and the terminal stay."""
        rest, self._rest = self._rest, b""
        self._skipping = self._closed = False
        if not rest.strip(b"\x7e"):
            return []
        if rest[0] == MARK:
            return [_bad(FaultKind.TRUNCATED, f"the frame ends after {len(rest)} bytes without its 7E mark", rest)]
        return [_bad(FaultKind.FRAME, f"{len(rest)} bytes that are no JT/T 808 frame", rest)]

    def _extent(self, buffer: bytes, at: int) -> tuple[int, _Take]:
        """Where the thing that starts at `at` ends (index of its last mark) and who takes it.

        -1: not yet, or not within `MAX_FRAME` bytes.
        """
        first, limit = buffer[at], at + MAX_FRAME
        if first == MARK:
            return buffer.find(b"\x7e", at + 1, limit), self._take_frame
        stop = buffer.find(b"\x7e", at, limit)
        if first == VENDOR_MARK:
            if at + 1 == len(buffer):
                return -1, self._take_junk
            if buffer[at + 1] <= 0x0F:  # the first byte of every message id up
                return buffer.find(b"\xe7", at + 1, limit), self._take_frame
        if first == 0x28:
            bracket = buffer.find(b")", at, limit)
            if bracket >= 0 and (stop < 0 or bracket < stop) and bytes(buffer[at:bracket]).isascii():
                return bracket, self._take_text
        return stop, self._take_junk

    def _take_frame(self, buffer: bytes, at: int, stop: int, out: list[Message]) -> int:
        if stop == at + 1:
            return stop  # the end of one frame and the start of the next
        raw = bytes(buffer[at : stop + 1])
        content = unescape(raw[1:-1], raw[0])
        message = self._decode(raw, content)
        if message is None:
            out.append(self._explain(raw, content))
            self._closed = False
            return stop  # that mark may open a good frame
        out.append(message)
        self._closed = raw[0] == MARK
        return stop + 1

    def _take_text(self, buffer: bytes, at: int, stop: int, out: list[Message]) -> int:
        """`(id,…)`: sentences of a vendor's electronic locks on the same port."""
        raw = bytes(buffer[at : stop + 1])
        sentence = raw.decode("ascii")
        ident = sentence[1:-1].split(",")[0]
        device = f"jt808:{ident}" if ident.isalnum() else None
        out.append(Message([], [], device, {"text": sentence}, raw))
        self._closed = False
        return stop + 1

    def _take_junk(self, buffer: bytes, at: int, stop: int, out: list[Message]) -> int:
        """Bytes before a mark: junk, unless the mark that closed the last frame opens this one too."""
        shared = self._closed
        self._closed = False
        junk = bytes(buffer[at:stop])
        if shared:
            message = self._decode(b"\x7e" + junk + b"\x7e", unescape(junk))
            if message is not None:
                out.append(message)
                self._closed = True
                return stop + 1
        out.append(_bad(FaultKind.FRAME, f"{len(junk)} bytes before the 7E mark that are no JT/T 808 frame", junk))
        return stop

    def _oversize(self, raw: bytes) -> Message:
        detail = f"no end mark within {MAX_FRAME} bytes; what follows is skipped up to the next 7E"
        return _bad(FaultKind.OVERSIZE, detail, raw)

    def _explain(self, raw: bytes, content: bytes) -> Message:
        """Why a frame between two marks cannot be used."""
        header = stated_header(content, raw[0])
        if header is None:
            return _bad(FaultKind.FRAME, f"{len(content)} bytes between the marks are too few for a header", raw)
        checksum, computed = content[-1], xor(content[:-1])
        frame = Frame(header, content[header.start : -1], self._dialect.zone, checksum, computed)
        carried = len(content) - header.start - 1
        length = f"; the header declares {header.declared} bytes of body, the frame carries {carried}"
        if checksum != computed:
            detail = f"the frame says checksum {checksum:02x}, its bytes give {computed:02x}"
            if carried != header.declared and header.msg_id not in _LOCK_FRAMES:
                detail += length
            return _bad(FaultKind.CHECKSUM, detail, raw, frame)
        if header.msg_id in _LOCK_FRAMES:
            detail = f"a vendor's electronic lock frame 0x{header.msg_id:04x}, which JT/T 808 does not describe"
            return _bad(FaultKind.UNSUPPORTED, detail, raw, frame, header.terminal.device)
        kind = FaultKind.TRUNCATED if carried < header.declared else FaultKind.SYNTAX
        return _bad(kind, "the length does not fit" + length, raw, frame)

    # ------------------------------------------------------------------------------------------------- messages

    def _decode(self, raw: bytes, content: bytes) -> Message | None:
        """The message in one frame, None where its checksum or its length is wrong."""
        if len(content) < 13 or xor(content):
            return None
        msg_id, props, phone, serial = SHORT_HEADER.unpack_from(content)
        terminal = self.terminal
        if props + 13 == len(content) and terminal is not None and phone == terminal.phone and raw[0] == terminal.mark:
            header = Header(msg_id, props, terminal, serial, 12)  # the short form of whom we know, whole, in clear
        else:
            found = read_header(content, raw[0])
            if found is None:
                return None
            header = found
            if header.terminal != terminal:
                self.terminal = header.terminal
                self._device = header.terminal.device
        body = content[header.start : -1]
        checksum = content[-1]
        frame = Frame(header, body, self._dialect.zone, checksum, checksum)
        if header.props & 0x3C00:
            return self._special(frame, raw)
        return self._message(frame, raw)

    def _special(self, frame: Frame, raw: bytes) -> Message:
        """Encrypted messages, and messages in pieces."""
        header = frame.header
        if header.encryption:
            how = "RSA" if header.encryption == 1 else f"method {header.encryption}"
            return _bad(FaultKind.ENCRYPTED, f"the body is encrypted ({how})", raw, frame, self._device)
        if not 1 <= header.number <= header.total <= MAX_PIECES:
            detail = (
                f"sub-package {header.number} of {header.total}: numbers go from 1 to the total, at most {MAX_PIECES}"
            )
            return _bad(FaultKind.SYNTAX, detail, raw, frame, self._device)
        assembly, given_up = self._subpackages.add(header, frame.body, self._received_at)
        faults = [self._given_up(one) for one in given_up]
        if not assembly.complete:
            frame.complete = False
            if header.number == header.total:
                frame.missing = assembly.missing
            return Message([], faults, self._device, frame, raw)
        frame.body = assembly.body
        frame.serials = assembly.all_serials
        message = self._message(frame, raw)
        message.faults[:0] = faults
        return message

    def _message(self, frame: Frame, raw: bytes) -> Message:
        msg_id = frame.header.msg_id
        handler = self._handlers.get(msg_id)
        faults: list[Fault] = []
        if handler is not None:
            message = handler(frame, self._device, faults)
            message.raw = raw
        else:
            message = Message([], faults, self._device, frame, raw)
            if msg_id < 0x8000 and msg_id not in bodies.NAMES:
                detail = f"message 0x{msg_id:04x} is none that JT/T 808 or its common companions define"
                faults.append(Fault(FaultKind.UNSUPPORTED, detail))
            elif msg_id in bodies.READERS:
                self._fields(frame, faults)
        for fault in faults:
            fault.raw, fault.device = raw, self._device
        return message

    def _fields(self, frame: Frame, faults: list[Fault]) -> bodies.Body:
        """The body's fields; a body that is too short becomes a fault."""
        header = frame.header
        new = header.terminal.version is not None
        try:
            return bodies.read(header.msg_id, frame.body, new, frame.zone)
        except bodies.ShortBody as short:
            name = bodies.NAMES.get(header.msg_id, "platform message")
            faults.append(Fault(FaultKind.SYNTAX, f"{name} 0x{header.msg_id:04x}: {short}"))
            return {}

    def _read(self, frame: Frame, body: bytes, faults: list[Fault]) -> list[Reading]:
        new = frame.header.terminal.version is not None
        reading = location.read(self._device, body, 0, len(body), new, self._dialect, faults, self._received_at)
        return [] if reading is None else [reading]

    def _location(self, frame: Frame, device: str, faults: list[Fault]) -> Message:
        return Message(self._read(frame, frame.body, faults), faults, device, frame)

    def _answered_location(self, frame: Frame, device: str, faults: list[Fault]) -> Message:
        return Message(self._read(frame, frame.body[2:], faults), faults, device, frame)

    def _batch(self, frame: Frame, device: str, faults: list[Fault]) -> Message:
        readings: list[Reading] = []
        body = frame.body
        count = int.from_bytes(body[:2], "big")
        at, taken = 3, 0
        while at + 2 <= len(body):
            size = body[at] << 8 | body[at + 1]
            if at + 2 + size > len(body):
                break
            readings += self._read(frame, body[at + 2 : at + 2 + size], faults)
            at += 2 + size
            taken += 1
        if taken != count or at != len(body):
            detail = f"the batch announces {count} locations in {len(body)} bytes, {taken} can be told apart"
            faults.append(Fault(FaultKind.SYNTAX, detail, readings=max(count - taken, 0)))
        location.in_order(self._dialect.zone, readings, self._received_at)
        return Message(readings, faults, device, frame)

    def _vendor_batch(self, frame: Frame, device: str, faults: list[Fault]) -> Message:
        """0x0210, a vendor's: battery and time in 7 bytes, or locations each after one length byte."""
        body = frame.body
        readings: list[Reading] = []
        if len(body) == 7:
            values: dict[str, Value] = {"battery": body[0]}
            return Message(self._dated(device, body[1:], values, faults), faults, device, frame)
        at = 0
        while at < len(body) and body[at] >= location.SIZE and at + 1 + body[at] <= len(body):
            readings += self._read(frame, body[at + 1 : at + 1 + body[at]], faults)
            at += 1 + body[at]
        if at != len(body):
            faults.append(Fault(FaultKind.UNSUPPORTED, "a vendor's message 0x0210 of a form not known here"))
            readings = []
        location.in_order(self._dialect.zone, readings, self._received_at)
        return Message(readings, faults, device, frame)

    def _authentication(self, frame: Frame, device: str, faults: list[Fault]) -> Message:
        code = str(self._fields(frame, faults).get("auth_code", ""))
        if self._check_codes and not faults:
            expected = self._authority(frame.header.terminal)
            if not hmac.compare_digest(code.encode(), expected.encode()):
                detail = f"{device} authenticates with a code that it was not given here"
                faults.append(Fault(FaultKind.UNAUTHORISED, detail))
        return Message([], faults, device, frame, login=not faults, credential=code)

    def _driver(self, frame: Frame, device: str, faults: list[Fault]) -> Message:
        fields = self._fields(frame, faults)
        if faults:
            return Message([], faults, device, frame)
        inserted = fields["status"] == 1
        values: dict[str, Value] = {"events": ["driver card in" if inserted else "driver card out"]}
        if fields.get("driver"):
            values["driver"] = fields["driver"]
        return Message(self._dated(device, frame.body[1:7], values, faults), faults, device, frame)

    def _media(self, frame: Frame, device: str, faults: list[Fault]) -> Message:
        self._fields(frame, faults)
        readings: list[Reading] = []
        if len(frame.body) >= 8 + location.SIZE:
            readings = self._read(frame, frame.body[8 : 8 + location.SIZE], faults)
        return Message(readings, faults, device, frame)

    def _dated(self, device: str, bcd: bytes, values: dict[str, Value], faults: list[Fault]) -> list[Reading]:
        reading = Reading(device, None, values, kind="vehicle")
        found = location.dated(reading, bcd, self._dialect.zone, self._received_at, faults)
        return [] if found is None else [found]

    def _given_up(self, assembly: Assembly) -> Fault:
        header = assembly.header
        have = len(assembly.pieces)
        detail = f"message 0x{header.msg_id:04x}: {have} of {header.total} sub-packages came, the others did not"
        return Fault(FaultKind.INCOMPLETE, detail, assembly.pieces[min(assembly.pieces)], header.terminal.device)

    def _incomplete(self, assembly: Assembly) -> Message:
        return Message([], [self._given_up(assembly)], assembly.header.terminal.device)

    # -------------------------------------------------------------------------------------------------- answers

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        """0x8001 (0x8100 to a registration, 0x8800 to media, 0x8004 to a time request); nothing where the hub is busy,
        the frame was broken, or the message itself answers one of ours. The terminal then sends it again."""
        frame = message.body
        if not isinstance(frame, Frame) or message.device is None or verdict is Verdict.BUSY:
            return None
        header = frame.header
        if header.msg_id >= 0x8000 or header.msg_id in _LOCK_FRAMES or frame.checksum != frame.computed:
            return None
        if not frame.complete:
            return self._reply_to_piece(frame, verdict)
        if header.msg_id in bodies.ANSWERS:
            return None
        result = _result(message, verdict)
        if header.msg_id == 0x0100:
            return self._reply_to_registration(header, result)
        if header.msg_id == 0x0004 and result == _OK:
            return self.send(header.terminal, _SERVER_TIME, location.server_time(now))
        if header.msg_id == 0x0801 and result == _OK:
            return self.send(header.terminal, _MEDIA_TAKEN, frame.body[:4])
        serials = frame.serials if frame.serials and not self._ack_singly else (header.serial,)
        return b"".join(self._acknowledge(header, serial, result) for serial in serials)

    def _reply_to_piece(self, frame: Frame, verdict: Verdict) -> bytes | None:
        """A piece is answered with its message (law 1), unless wanted singly; the last one asks for those missing."""
        header = frame.header
        if frame.missing:
            missing = frame.missing[:255]
            first = (header.serial - (header.number - 1)) & 0xFFFF
            size = 1 if header.terminal.version is None else 2
            body = first.to_bytes(2, "big") + len(missing).to_bytes(size, "big")
            return self.send(header.terminal, _RESEND, body + b"".join(n.to_bytes(2, "big") for n in missing))
        if self._ack_singly and header.msg_id not in bodies.ANSWERS:
            return self._acknowledge(header, header.serial, _OK if verdict is Verdict.STORED else _FAILURE)
        return None

    def _reply_to_registration(self, header: Header, result: int) -> bytes:
        body = header.serial.to_bytes(2, "big")
        if result == _OK:
            body += b"\0" + self._authority(header.terminal).encode("gbk")
        else:
            body += bytes([_NO_SUCH_TERMINAL])
        return self.send(header.terminal, _REGISTERED, body)

    def _acknowledge(self, header: Header, serial: int, result: int) -> bytes:
        body = serial.to_bytes(2, "big") + header.msg_id.to_bytes(2, "big") + bytes([result])
        return self.send(header.terminal, _ANSWER, body)

    @property
    def speaker(self) -> str:
        """The device that `terminal` is."""
        return self._device

    @property
    def serial(self) -> int:
        """The serial that the next frame down will have."""
        return self._serial

    def send(self, terminal: Terminal, msg_id: int, body: bytes) -> bytes:
        """A frame to the terminal under the platform's next serial, which starts at 0."""
        serial = self._serial
        self._serial = serial + 1 & 0xFFFF
        return encode(terminal, msg_id, serial, body)


def _result(message: Message, verdict: Verdict) -> int:
    kinds = {fault.kind for fault in message.faults}
    if kinds & {FaultKind.UNSUPPORTED, FaultKind.ENCRYPTED} and not message.readings:
        return _UNSUPPORTED
    if FaultKind.UNAUTHORISED in kinds:
        return _FAILURE
    if verdict is Verdict.STORED:
        return _OK
    return _BAD_MESSAGE if kinds & {FaultKind.SYNTAX, FaultKind.TIME, FaultKind.VALUE} else _FAILURE


def _bad(kind: FaultKind, detail: str, raw: bytes, frame: Frame | None = None, device: str | None = None) -> Message:
    return Message([], [Fault(kind, detail, raw, device)], device, frame, raw)
