"""HJ 212 frames to messages: `##`, four digits of length, the data segment, four hex digits of CRC, CR LF.

Stations get the length, the line end and the optional header items wrong far more often than the CRC, so a frame is
what the CRC says it is: either at the declared length or at the closing `&&` of its CP, whichever comes first and fits.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from functools import lru_cache
from math import isfinite

import msgspec

from adapters.framing import Unchecked
from adapters.hj212.checksum import crc16
from adapters.hj212.encryption import decrypted, looks_encrypted, read_keys
from adapters.hj212.factors import (
    BELOW_DETECTION,
    ELECTRICITY,
    KINDS,
    MARKS,
    NO_VALUE,
    SENTINELS,
    SILENT_SUFFIXES,
    VALUE_SUFFIXES,
    Factor,
    factor,
    known_code,
    local_factor,
)
from adapters.hj212.frame import ITEM, Frame, frame_of, header_of
from adapters.wallclock import ClockOptions, zone_named
from hub.metrics import vocabulary
from hub.model import Fault, FaultKind, Mark, Message, Reading, Value, Verdict
from hub.moment import candidates, nearest

MAX_FRAME = 10_240
"""Bytes: four digits of length allow 9,999 and the frame's own overhead. 2005 and 2017 stay below 1,040."""

_HEAD = re.compile(rb"##(?:(\d{4})|(\d{3})(?=[A-Za-z]))")
_NEXT_HEAD = re.compile(rb"##\d{3,4}[A-Za-z]{2}")
_HEAD_BYTES, _NEXT_HEAD_BYTES = 6, 8
"""Bytes that tell the one or the other."""
_CP = b"CP=&&"
_HEX4 = re.compile(rb"[0-9A-Fa-f]{4}")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_BELOW = re.compile(r"([<＜≤]=?)?\s*(.*?)(?:(?<=[\d.])\s*([Ll]))?")
"""A value below the limit of detection: a sign before the limit, or the letter L behind it (HJ/T 91-2002)."""
_SPACE = b"\r\n\t \x00"

_DATA = frozenset({"2011", "2031", "2051", "2061", "2111"})
"""Commands whose CP holds factor values."""
_PERIODS_S = {"2061": 3600, "2031": 86_400}
"""Of the commands whose period the standard fixes; minute data have the station's own."""
_FLOWS = frozenset({"W00000", "B01"})
_NOTICES = frozenset({"1013", "2012", "2022"})
_ANSWERED = frozenset({"1001", "1011", "1013", "1061", "1063", "9015"})
"""What a station sends by itself or in answer to a query, beyond 2xxx and 3xxx."""


class Hj212CodecOptions(ClockOptions, kw_only=True, frozen=True):
    """How stations mean what they send."""

    zone: str = "Asia/Shanghai"
    """The zone of DataTime, which the frame does not carry."""
    units: dict[str, str] = msgspec.field(default_factory=dict)
    """Factor codes whose unit is not the standard's: { a01006 = "hPa" }."""
    map: dict[str, str] = msgspec.field(default_factory=dict)
    """Local factor codes and the metrics they mean: { x10001 = "cod" }. The unit is the metric's, or that of `units`."""
    keys_file: str = ""
    """A TOML file outside of the city's folder, "MN" = "32 hexadecimal digits": SM4 keys of stations that encrypt (HJ 212-2025)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for code, metric in self.map.items():
            if metric not in vocabulary():
                raise ValueError(f"map: {code} = {metric!r} is no metric of the vocabulary")
            local_factor(metric, "Rtd", self.units.get(code, ""))
        for code, unit in self.units.items():
            if code not in self.map and factor(code, "Rtd", "", unit) is None:
                raise ValueError(f"units: no metric is known for the factor {code!r}")


class Hj212Codec:
    """HJ/T 212-2005, HJ 212-2017 and the known part of HJ 212-2025 for one connection."""

    def __init__(self, options: Hj212CodecOptions) -> None:
        self._zone = zone_named(options.zone)
        self._units = options.units
        self._map = options.map
        self._keys = read_keys(options.keys_file) if options.keys_file else {}
        self._buffer = bytearray()
        self._received_at: int | None = None
        self._searched = 0
        """Bytes at the head of the buffer in which no frame begins."""
        self._ends = _Ends(0)
        """What has been found of the frame at the head of the buffer."""

    # ------------------------------------------------------------------------------------------------- framing

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        self._buffer += data
        self._received_at = received_at
        messages: list[Message] = []
        at = 0
        while True:
            step = self._next(at, messages)
            if step == at:
                break
            at = self._searched = step
            self._ends = _Ends(0)
        if at:
            del self._buffer[:at]
            self._searched -= at
        return messages

    def end(self, received_at: int | None = None) -> list[Message]:
        """What is left: a frame that the end cuts off, and whole frames that its wrong length had swallowed."""
        messages: list[Message] = []
        while rest := bytes(self._buffer).strip(_SPACE):
            head = _HEAD.match(rest)
            following = _NEXT_HEAD.search(rest, head.end() if head else 1)
            behind = following.start() if following else len(rest)
            messages.append(_left_over(rest[:behind].rstrip(_SPACE), head))
            self._buffer, self._searched, self._ends = bytearray(), 0, _Ends(0)
            messages += self.feed(rest[behind:], received_at)
        self._buffer, self._searched, self._ends = bytearray(), 0, _Ends(0)
        return messages

    def _next(self, at: int, messages: list[Message]) -> int:
        """Take one frame, or what is no frame, from the buffer at `at`; the same `at` when more bytes are needed."""
        buffer = self._buffer
        begin = at
        while at < len(buffer) and buffer[at] in _SPACE:
            at += 1
        if at > begin:
            return at
        head = _HEAD.search(buffer, max(at, self._searched), at + MAX_FRAME + _HEAD_BYTES)
        if head is None or head.start() > at:
            self._searched = max(at, head.start() if head else len(buffer) - _HEAD_BYTES)
            return self._skip_junk(at, head.start() if head else None, messages)
        return self._frame(at, head, messages)

    def _skip_junk(self, at: int, start: int | None, messages: list[Message]) -> int:
        buffer = self._buffer
        end = min(start, at + MAX_FRAME) if start is not None else at + MAX_FRAME
        if end > len(buffer) or end == at:
            return at
        junk = bytes(buffer[at:end]).strip(_SPACE)
        if junk:
            messages.append(_junk(junk))
        return end

    def _frame(self, at: int, head: re.Match[bytes], messages: list[Message]) -> int:
        """Judge the marks that may end this frame in stream order, so that chunking cannot change the outcome."""
        buffer, start = self._buffer, head.end()
        declared = int(head[1] or head[2])
        by_length = start + declared + 4
        limit = at + MAX_FRAME
        self._ends.look(buffer, at, start - at, limit)
        close, following = self._ends.close(at), self._ends.following(at)
        by_search = close + 4 if close is not None else None
        marks = {by_length, limit}
        if by_search is not None:
            marks |= {by_search, by_search + 1}
        if following:
            marks.add(following[1])

        for mark in sorted(marks):
            if mark > len(buffer):
                break
            if mark in (by_length, by_search):
                found = _checked(buffer, start, mark)
                if found is None and mark == by_search and close is not None:
                    secret = self._opened(bytes(buffer[start:close]), bytes(buffer[close:mark]))
                    if secret is not None:
                        kind, content = secret
                        raw = bytes(buffer[at:mark])
                        if kind:
                            messages.append(_fault(FaultKind.ENCRYPTED, kind, raw))
                            return mark
                        found = (content, raw[-4:].decode(), crc16(content))
                if found is not None:
                    messages.append(self._message(*found, declared, bytes(buffer[at:mark])))
                    return mark
            if by_search is not None and (
                mark == by_search == by_length or (mark == by_search + 1 and buffer[by_search] in b"\r\n")
            ):
                # Closed, and the length agrees or the line ends here: whatever else it says, this frame is over.
                return self._reject(at, by_search, start, close, "", messages)
            if following and mark == following[1]:
                said = f"the next frame begins before the {declared} bytes of data declared here were complete"
                return self._reject(at, following[0], start, close, said, messages)
            if mark == limit:
                return self._reject(at, mark, start, close, f"no end of frame within {MAX_FRAME} bytes", messages)
        return at

    def _opened(self, segment: bytes, crc_text: bytes) -> tuple[str, bytes] | None:
        """A sentence why an encrypted segment cannot be read, or "" and the plain segment; None where it is not encrypted."""
        head, mark, content = segment.partition(_CP)
        if not looks_encrypted(content):
            return None
        mn = header_of(head.decode("ascii", "replace"))[1].get("MN", "")
        key = self._keys.get(mn)
        if key is None:
            return f"CP is encrypted (HJ 212-2025) and keys_file has no key for the station {mn!r}", b""
        plain = decrypted(content[:-2], key)
        whole = head + mark + (plain or b"") + b"&&"
        if plain is None or not _HEX4.fullmatch(crc_text) or int(crc_text, 16) != crc16(whole):
            return f"CP is encrypted (HJ 212-2025) and does not open with the key of the station {mn!r}", b""
        return "", whole

    def _reject(self, at: int, end: int, start: int, close: int | None, sentence: str, messages: list[Message]) -> int:
        raw = bytes(self._buffer[at:end]).rstrip(_SPACE)
        if close is not None and close + 4 <= end and _HEX4.fullmatch(self._buffer, close, close + 4):
            messages.append(_checksum_fault(raw, start - at, close - at))
        else:
            messages.append(_fault(FaultKind.TRUNCATED, sentence, raw))
        return end

    # ------------------------------------------------------------------------------------------------- content

    def _message(self, segment: bytes, crc_text: str, computed: int, declared: int, raw: bytes) -> Message:
        frame, content = frame_of(segment, crc_text, computed, declared)
        number = frame.number
        mn = number.get("MN", "")
        message = Message([], [], f"hj212:{mn}" if mn else None, frame, raw, credential=number.get("PW", ""))
        if not number.get("CN", "").isdecimal():
            message.faults.append(
                Fault(FaultKind.SYNTAX, "the frame has no command number CN", raw, device=message.device)
            )
            return message
        self._check_items(frame, content, message)
        self._read(frame, message)
        return message

    def _check_items(self, frame: Frame, content: str, message: Message) -> None:
        broken = [part for part in re.split(r"[;,]", ITEM.sub("", content)) if part.strip()]
        if not broken:
            return
        if frame.version >= 2 and not frame.cp:
            kind, sentence = (
                FaultKind.ENCRYPTED,
                "CP holds no item=value: it looks encrypted, but its CRC is that of the text as sent, where HJ 212-2025 has that of the plain text",
            )
        else:
            kind, sentence = FaultKind.SYNTAX, f"CP holds {broken[0]!r}, which is no item=value"
        message.faults.append(Fault(kind, sentence, message.raw, device=message.device))

    def _read(self, frame: Frame, message: Message) -> None:
        """Turn a data command's CP into one reading."""
        command = frame.number["CN"]
        if command in _DATA:
            values, marks = self._values(frame, message)
        elif command == "2021":
            values, marks = _device_states(frame), {}
        elif command == "2081":
            values, marks = {"events": ["logger-started"]}, {}
        else:
            return
        if not values and not marks:
            return
        stamp = next((value for key, value in frame.cp if key == "DataTime"), None)
        observed_at, what = self._moment(stamp)
        device = message.device or "hj212:"  # no MN on the wire; the registry may still list that one station
        kind = KINDS.get(frame.number.get("ST", ""), "")
        reading = Reading(device, observed_at, values, marks=marks or None, kind=kind)
        if observed_at is None:
            message.faults.append(Fault(FaultKind.TIME, what, message.raw, message.device, readings=1, reading=reading))
        else:
            message.readings.append(reading)

    def _moment(self, stamp: str | None) -> tuple[int | None, str]:
        """When the data are from, or why that cannot be told."""
        if not stamp:
            return None, "the data have no DataTime"
        try:
            moments = _moments(stamp, self._zone)
            at = nearest(moments, self._received_at) if moments else None
        except ValueError as error:
            return None, f"DataTime {stamp!r}: {error}"
        if at is None or at >= 1 << 63:
            return None, f"DataTime {stamp!r} is no yyyyMMddHHmmss"
        return at, ""

    def _values(self, frame: Frame, message: Message) -> tuple[dict[str, Value], dict[str, str]]:
        system = frame.number.get("ST", "")
        flags: dict[str, str] = {}
        found: dict[str, tuple[int, str, float]] = {}
        told = _repeated_as_totals_tell(frame)
        taken: set[str] = set()
        limited: set[str] = set()
        passed_over: set[str] = set()  # codes of which the value before was not taken, nor is the flag behind it
        for key, text in frame.cp:
            code, dash, suffix = key.rpartition("-")
            if suffix == "Flag":
                if code not in passed_over or code not in flags:
                    flags[code] = text.strip()
                continue
            meaning = self._meaning(code, suffix, system) if dash else None
            if meaning is None:
                if wrong := self._not_known(code, suffix) if dash else _without_suffix(key):
                    said = f"{key}={text.strip()}: {wrong}"
                    message.faults.append(Fault(FaultKind.UNKNOWN_METRIC, said, message.raw, message.device))
                continue
            number, below = self._number(key, text, message)
            if number is None:
                continue
            if key in taken or told.get(key, text) != text:
                said = f"{key}={text.strip()} stands in the frame again; its value {told[key].strip()} was taken"
                message.faults.append(Fault(FaultKind.VALUE, said, message.raw, message.device))
                passed_over.add(code)
                continue
            passed_over.discard(code)
            taken.add(key)
            told[key] = text
            rank = VALUE_SUFFIXES.index(suffix) if suffix in VALUE_SUFFIXES else len(VALUE_SUFFIXES)
            if meaning.metric in found and found[meaning.metric][0] <= rank:
                if found[meaning.metric][0] == rank:
                    said = f"{key}={text.strip()} means {meaning.metric}, as {found[meaning.metric][1]} before it, which was taken"
                    message.faults.append(Fault(FaultKind.VALUE, said, message.raw, message.device))
                continue
            value = number * meaning.scale + meaning.shift
            # A conversion leaves dust in the last digits (101.02 kPa * 10); what was measured has fewer than 12.
            if below:
                limited.add(meaning.metric)
            else:
                limited.discard(meaning.metric)
            found[meaning.metric] = (rank, code, value if meaning.scale == 1.0 else float(f"{value:.12g}"))
        values: dict[str, Value] = {}
        marks: dict[str, str] = {}
        for metric, (_, code, value) in found.items():
            values[metric] = value
            flag = flags.get(code)
            if flag:
                mark = MARKS.get(flag.upper(), Mark.INVALID)
                if mark is not None:
                    marks[metric] = mark
            if metric in limited and metric not in marks:
                marks[metric] = Mark.ESTIMATED
        return values, self._marks_alone(flags, system, values) | marks

    def _marks_alone(self, flags: dict[str, str], system: str, values: dict[str, Value]) -> dict[str, str]:
        """Marks by metric of flags that came without a value: the instrument says that it is ill."""
        marks: dict[str, str] = {}
        for code, flag in flags.items():
            meaning = self._meaning(code, VALUE_SUFFIXES[0], system)
            if flag and meaning is not None and meaning.metric not in values:
                mark = MARKS.get(flag.upper(), Mark.INVALID)
                if mark is not None:
                    marks[meaning.metric] = mark
        return marks

    def _not_known(self, code: str, suffix: str) -> str:
        """Why nothing comes of this item; "" where that is as it should be: figures that no metric stands for."""
        if suffix in VALUE_SUFFIXES:
            if code in self._map or known_code(code):
                return ""
            return f"no factor of HJ 212 has the code {code!r}; `map` can say what it means"
        if suffix in SILENT_SUFFIXES or code == ELECTRICITY:
            return ""
        return f"{suffix!r} is no figure that HJ 212 has of {code!r}"

    def _meaning(self, code: str, suffix: str, system: str) -> Factor | None:
        unit = self._units.get(code, "")
        metric = self._map.get(code)
        return local_factor(metric, suffix, unit) if metric else factor(code, suffix, system, unit)

    def _number(self, key: str, text: str, message: Message) -> tuple[float | None, bool]:
        """The value, None where there is none, and whether it lies below the limit of detection: then it is that limit, or 0
        where the station does not tell it."""
        text = text.strip()
        if text.upper() in NO_VALUE:
            return None, False
        found = _BELOW.fullmatch(text)
        sign, text, letter = found.groups() if found else (None, text, None)
        if text.upper() in BELOW_DETECTION:
            return 0.0, True
        if not _NUMBER.fullmatch(text) or not isfinite(float(text)):
            message.faults.append(
                Fault(FaultKind.VALUE, f"{key}={text!r} is no number", message.raw, device=message.device)
            )
            return None, False
        number = float(text)
        return (None, False) if number in SENTINELS else (number, bool(sign or letter))

    # --------------------------------------------------------------------------------------------------- reply

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        """9014 (data) or 9013 (notice) where the frame's Flag asks for it and the hub has it. The standard
        knows no refusal: what is in quarantine for good is answered too, so that the station goes on."""
        frame = message.body
        has_it = verdict is Verdict.STORED or (verdict is Verdict.REFUSED and message.spent)
        if not has_it or not isinstance(frame, Frame) or not frame.ack_required:
            return None
        if any(fault.kind is FaultKind.ENCRYPTED for fault in message.faults):
            return None  # nothing of it is known here, and it may be readable once the station or a key is set right
        command = frame.number.get("CN", "")
        if not command.startswith(("2", "3")) and command not in _ANSWERED:
            return None
        answer = "9013" if command in _NOTICES else "9014"
        items = [("QN", frame.number.get("QN")), ("ST", "91"), ("CN", answer)]
        items += [("PW", frame.number.get("PW")), ("MN", frame.number.get("MN")), ("Flag", str(frame.version << 2))]
        segment = (";".join(f"{key}={value}" for key, value in items if value is not None) + ";CP=&&&&").encode()
        return b"##%04d%b%04X\r\n" % (len(segment), segment, crc16(segment))


class _Ends:
    """What may end the frame that begins at the head of what is held, as far as bytes have come: none is searched twice.

    Places are counted from the frame's beginning.
    """

    __slots__ = ("_closing", "_following", "_looked", "_opening")

    def __init__(self, looked: int) -> None:
        self._looked = looked
        self._opening = self._closing = -1
        self._following: tuple[int, int] | None = None

    def look(self, buffer: bytes | bytearray, at: int, start: int, limit: int) -> None:
        """Search what came since; the data segment begins at `at + start`, and nothing counts behind `limit`."""
        end = min(limit, len(buffer))
        begin, looked = at + start, max(at + start, at + self._looked)
        if self._opening < 0:
            self._opening = buffer.find(_CP, max(begin, looked - len(_CP) + 1), end) - at
        if self._opening >= 0 and self._closing < 0:
            behind = at + self._opening + len(_CP)
            self._closing = buffer.find(b"&&", max(behind, looked - 1), end) - at
        if self._following is None:
            found = _NEXT_HEAD.search(buffer, max(begin, looked - _NEXT_HEAD_BYTES + 1), end)
            self._following = (found.start() - at, found.end() - at) if found else None
        self._looked = end - at

    def close(self, at: int) -> int | None:
        """Where the CRC begins by the closing `&&` of CP, if that has come."""
        return at + self._closing + 2 if self._closing >= 0 else None

    def following(self, at: int) -> tuple[int, int] | None:
        """Begin and end of the next frame's head."""
        return (at + self._following[0], at + self._following[1]) if self._following else None


def _left_over(rest: bytes, head: re.Match[bytes] | None) -> Message:
    """The fault of a frame, or of junk, that the end of the stream cuts off."""
    if head is None:
        return _junk(rest)
    ends = _Ends(0)
    ends.look(rest, 0, head.end(), len(rest))
    close = ends.close(0)
    if close is not None and _HEX4.fullmatch(rest, close, close + 4):
        return _checksum_fault(rest, head.end(), close)
    said = int(head[1] or head[2])
    had = len(rest) - head.end()
    return _fault(FaultKind.TRUNCATED, f"the frame declares {said} bytes of data and ends after {had}", rest)


def _checked(buffer: bytearray, start: int, end: int) -> tuple[bytes, str, int] | None:
    """(segment, CRC as sent, CRC computed) if a CP-bearing segment with a fitting CRC ends at `end`."""
    segment, text = bytes(buffer[start : end - 4]), bytes(buffer[end - 4 : end])
    opening = segment.find(_CP)
    if opening < 0 or not segment.endswith(b"&&", opening + len(_CP)) or not _HEX4.fullmatch(text):
        return None
    computed = crc16(segment)
    return (segment, text.decode(), computed) if int(text, 16) == computed else None


def _repeated_as_totals_tell(frame: Frame) -> dict[str, str]:
    """Of keys that stand in the frame more than once with different values: the value that the period's total (`-Cou`) fits.

    A flow (L/s) kept up for the period gives the total (m3), a mean concentration does not; so this tells flows only. Where no value
    comes within a tenth of the total the frame is left to its order.
    """
    period_s = _PERIODS_S.get(frame.number.get("CN", ""), 0)
    totals = {key[: -len("-Cou")]: text for key, text in frame.cp if key.endswith("-Cou")}
    fitting: dict[str, str] = {}
    for key, text in frame.cp if period_s else ():
        code, _, suffix = key.rpartition("-")
        total = totals.get(code, "")
        if suffix != "Avg" or code.upper() not in _FLOWS or not (_NUMBER.fullmatch(total) and _NUMBER.fullmatch(text)):
            continue
        expected = float(text) * period_s / 1000
        if key not in fitting and abs(expected - float(total)) <= 0.1 * abs(float(total)):
            fitting[key] = text
    return fitting


def _without_suffix(key: str) -> str:
    """Why nothing comes of an item without a dash; "" where it is none of a factor (DataTime)."""
    return f"what figure of it this is does not stand behind the code ({key}-Rtd, {key}-Avg)" if known_code(key) else ""


def _device_states(frame: Frame) -> dict[str, Value]:
    """2021: `SB1-RS=1`: state (RS) of each piece of pollution-control equipment; 1 runs, 0 stands."""
    states = [(key[:-3], value) for key, value in frame.cp if key.endswith("-RS")]
    if not states:
        return {}
    words = {"0": "stopped", "1": "running"}
    values: dict[str, Value] = {
        "state": ", ".join(f"{name} {words.get(value, f'state {value}')}" for name, value in states)
    }
    if len(states) == 1 and states[0][1] in words:
        values["running"] = states[0][1] == "1"
    return values


@lru_cache(maxsize=4096)
def _moments(text: str, zone: tzinfo) -> tuple[int, ...]:
    """`candidates` of yyyyMMddHHmmss, with or without milliseconds; none where it is no such time. Raises ValueError for the
    hour that spring leaves out."""
    if len(text) not in (14, 17) or not (text.isascii() and text.isdecimal()):
        return ()
    try:
        local = datetime.strptime(text[:14], "%Y%m%d%H%M%S")  # noqa: DTZ007 - the zone goes with it
    except ValueError:
        return ()
    return tuple(at + int(text[14:] or 0) * 1_000_000 for at in candidates(local, zone))


def _fault(kind: FaultKind, sentence: str, raw: bytes) -> Message:
    return Message([], [Fault(kind, sentence, raw)], raw=raw)


def _junk(raw: bytes) -> Message:
    return _fault(
        FaultKind.FRAME, f"{len(raw)} bytes that belong to no HJ 212 frame (## and four digits of length)", raw
    )


def _checksum_fault(raw: bytes, start: int, close: int) -> Message:
    """What the frame would have said stands in the detail, for the engineer; no reading and no device come of it."""
    text, segment = raw[close : close + 4].decode("ascii", "replace"), raw[start:close]
    declared, computed = int(raw[2:start]), crc16(segment)
    sentence = f"the frame says CRC {text}, its data give {computed:04X}"
    if declared != close - start:
        sentence += f"; it declares {declared} bytes of data and has {close - start}"
    message = _fault(FaultKind.CHECKSUM, sentence, raw)
    message.body = Unchecked(lambda: frame_of(segment, text, computed, declared)[0])
    return message
