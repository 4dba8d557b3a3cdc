"""Teltonika packets as bytes: what starts where, AVL records of codec 8, 8 Extended and 16, messages of codec 12 to 15.

Teltonika wiki, "Teltonika Data Sending Protocols". TCP: four zero bytes, length, data, CRC-16/IBM of the data. UDP: length,
packet id, 01, AVL packet id, IMEI, data without CRC. Data is codec id, count, records, count again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum
from struct import Struct, error
from typing import Any

import msgspec
from fastcrc import crc16

from adapters.teltonika.elements import BY_WIDTH, NAMES
from hub.model import Fault, FaultKind, Position, Reading, Value

MAX_DATA = 8192
"""Bytes of one packet's data; devices send up to 1280."""
WINDOW = 23
"""Bytes after which every start is told from junk: a UDP packet's head with its IMEI."""

CODEC_8, CODEC_8E, CODEC_16 = 0x08, 0x8E, 0x10
AVL_CODECS = frozenset({CODEC_8, CODEC_8E, CODEC_16})
TEXT_CODECS = frozenset({0x0C, 0x0D, 0x0E, 0x0F})
CODECS = AVL_CODECS | TEXT_CODECS | {0x07}

HEAD_ZEROS = 7
"""Zeros at the head of a TCP packet: four, and the upper bytes of its length."""
_TCP_HEAD = Struct(">IIB")
_CRC = Struct(">I")
_MS = 1_000_000
_TIME_MS_MAX = 2**63 // _MS
"""What 64 bits of nanoseconds hold: the year 2262."""


class Start(Enum):
    """What begins at a place."""

    PING = "ping"
    LOGIN = "imei"
    TCP = "tcp"
    UDP = "udp"


def starts(b: bytes, at: int) -> tuple[Start, int] | None:
    """What begins at `b[at]` and its size in bytes; None where nothing does, or too few bytes are there to tell.

    `WINDOW` bytes always tell, and where one thing begins no other can begin inside its first `WINDOW` bytes.
    """
    first = b[at]
    if first == 0xFF:
        return Start.PING, 1
    if len(b) < at + _TCP_HEAD.size:
        return None
    zeros, length, codec = _TCP_HEAD.unpack_from(b, at)
    if zeros == 0:
        return (Start.TCP, 12 + length) if codec in CODECS and 3 <= length <= MAX_DATA else None
    if zeros >> 16 == 0x000F:
        return (Start.LOGIN, 17) if _imei(b[at + 2 : at + 17]) else None
    if b[at + 4] == 1 and b[at + 6 : at + 8] == b"\0\x0f" and _imei(b[at + 8 : at + 23]):
        return (Start.UDP, 2 + (zeros >> 16)) if 24 <= zeros >> 16 <= MAX_DATA else None
    return None


_ANY = re.compile(
    rb"\0{6}[\x00-\x20].[\x07\x08\x8e\x10\x0c-\x0f]|\0\x0f[0-9]{15}|[\x00-\x20].{3}\x01.\0\x0f[0-9]{15}", re.DOTALL
)


def next_start(b: bytes, at: int) -> int:
    """Where the next login or data packet begins at or behind `at`; -1 where none is to be seen yet."""
    while found := _ANY.search(b, at):
        at = found.start()
        if starts(b, at) is not None:
            return at
        at += 1
    return -1


def _imei(raw: bytes) -> bool:
    return len(raw) == 15 and raw.isdigit()


def crc(data: bytes) -> int:
    """CRC-16/IBM (ARC): polynomial A001 reflected, initial 0."""
    return int(crc16.arc(data))


class Packet(msgspec.Struct, gc=False):
    """One packet for people to look at; built from bytes only when somebody asks."""

    start: Start
    raw: bytes
    data: bytes
    """Codec id … count, without frame and CRC."""
    imei: str | None = None
    extended: bool = False
    """Codec 8 with the 16-byte group of old devices."""

    @property
    def codec(self) -> int:
        return self.data[0] if self.data else 0

    @property
    def count(self) -> int:
        return self.data[1] if len(self.data) > 1 else 0

    @property
    def stated_crc(self) -> int:
        stated: int = _CRC.unpack_from(self.raw, len(self.raw) - 4)[0]
        return stated

    def detail(self) -> dict[str, Any]:
        """Frame, codec and every element by its id."""
        found: dict[str, Any] = {"kind": self.start.value}
        if self.start is Start.PING:
            return found
        if self.start is Start.LOGIN:
            return found | {"imei": self.imei}
        if self.start is Start.UDP:
            found |= {"declared_length": self.raw[0] << 8 | self.raw[1], "length_ok": True}
            found |= {"channel_packet_id": self.raw[2:4].hex(), "unusable_byte": self.raw[4]}
            found |= {"avl_packet_id": self.raw[5], "imei": self.imei}
        else:
            stated = self.stated_crc
            found |= {"declared_length": int.from_bytes(self.raw[4:8], "big"), "length_ok": True}
            found |= {"crc": f"{stated:04x}", "crc_ok": stated == crc(self.data)}
        found |= {"codec": f"0x{self.codec:02x}", "count": self.count, "count2": self.data[-1]}
        try:
            if self.codec in AVL_CODECS:
                found["records"] = [record.detail() for record in records(self.data, self.extended)]
                found["trailing_bytes"] = 0
            elif self.codec in TEXT_CODECS:
                messages = texts(self.data)
                found |= messages[0]
                if len(messages) > 1:
                    found["messages"] = messages
            else:
                found["data_hex"] = self.data.hex()
        except (BrokenPacket, error, IndexError):
            found["data_hex"] = self.data.hex()
        return found


# --------------------------------------------------------------------------------------------------------- records


class BrokenPacket(ValueError):
    """The data ends inside a record, or does not end with one."""


class Record(msgspec.Struct, gc=False):
    """One AVL record: where, when, why, and its I/O elements by width (1, 2, 4, 8 bytes)."""

    head: tuple[int, ...]
    """Time in ms, priority, longitude, latitude, altitude, angle, satellites, speed, then event id and so on."""
    groups: list[list[tuple[int, int]]]
    long: list[tuple[int, bytes]]

    def reading(self, device: str, faults: list[Fault]) -> Reading | None:
        """The record in the vocabulary; what cannot be used is appended to `faults`."""
        ms, priority, lon, lat, altitude, angle, satellites, speed = self.head[:8]
        values: dict[str, Value] = {
            "speed": speed,
            "course": angle,
            "satellites": satellites,
            "panic": priority == 2,
        }
        for elements, group in zip(BY_WIDTH, self.groups, strict=True):
            for ident, number in group:
                if ident in elements:
                    elements[ident](values, number)
        for ident, raw in self.long:
            if ident == 256 and (vin := raw.strip(b"\0").decode("ascii", "replace")):
                values["vin"] = vin
        position = None
        if satellites and (lat or lon):  # else there is no fix: the coordinates are those of the last one, or zero
            if -900_000_000 <= lat <= 900_000_000 and -1_800_000_000 <= lon <= 1_800_000_000:
                position = Position(lon / 1e7, lat / 1e7, altitude)
            else:
                detail = f"latitude {lat / 1e7}°, longitude {lon / 1e7}° is no place on Earth"
                faults.append(Fault(FaultKind.POSITION, detail))
        reading = Reading(device, None, values, position, None, 0, "", "vehicle")
        if ms >= _TIME_MS_MAX:
            faults.append(Fault(FaultKind.TIME, f"{ms} ms since 1970 is no time", readings=1, reading=reading))
            return None
        reading.observed_at = ms * _MS
        return reading

    def detail(self) -> dict[str, Any]:
        ms, priority, lon, lat, altitude, angle, satellites, speed, event, *kind, total = self.head
        io: dict[str, int | str] = {str(ident): number for group in self.groups for ident, number in group}
        io |= {str(ident): f"0x{raw.hex()}" for ident, raw in self.long}
        found: dict[str, Any] = {
            "timestamp": _iso(ms),
            "priority": priority,
            "lon": lon / 1e7,
            "lat": lat / 1e7,
            "altitude_m": altitude,
            "angle": angle,
            "satellites": satellites,
            "speed_kmh": speed,
            "event_io_id": event,
            "io_total": total,
            "io": io,
            "io_names": {key: NAMES[int(key)] for key in io if int(key) in NAMES},
        }
        return found | ({"generation_type": kind[0]} if kind else {})


def _iso(ms: int) -> str | None:
    if ms >= _TIME_MS_MAX:
        return None
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


_HEADS = {CODEC_8: Struct(">QBiihHBHBB"), CODEC_8E: Struct(">QBiihHBHHH"), CODEC_16: Struct(">QBiihHBHHBB")}
"""Time, priority, longitude, latitude, altitude, angle, satellites, speed; event id, (generation type,) element count."""
_PAIRS_BYTE = tuple((pair, pair.size) for pair in map(Struct, (">BB", ">BH", ">BI", ">BQ")))
_PAIRS_WORD = tuple((pair, pair.size) for pair in map(Struct, (">HB", ">HH", ">HI", ">HQ")))
_ELEMENT = Struct(">HH")


def records(data: bytes, extended: bool = False) -> list[Record]:
    """The records in codec id … count. `extended`: codec 8 with a group of 16-byte values. Raises `BrokenPacket`."""
    codec, count = data[0], data[1]
    found: list[Record] = []
    at = 2
    end = len(data) - 1  # the second count
    try:
        for _ in range(count):
            record, at = _record(data, at, codec, extended)
            if at > end:
                raise BrokenPacket(f"record {len(found) + 1} of {count} runs past the end of the data")
            found.append(record)
    except (error, IndexError):
        raise BrokenPacket(f"record {len(found) + 1} of {count} runs past the end of the data") from None
    if at != end:
        raise BrokenPacket(f"{end - at} bytes are left over behind {count} records")
    return found


def _record(b: bytes, at: int, codec: int, extended: bool) -> tuple[Record, int]:
    form = _HEADS[codec]
    head = form.unpack_from(b, at)
    at += form.size
    wide = codec == CODEC_8E
    groups = []
    for pair, size in _PAIRS_BYTE if codec == CODEC_8 else _PAIRS_WORD:
        if wide:
            size *= b[at] << 8 | b[at + 1]
            at += 2
        else:
            size *= b[at]
            at += 1
        groups.append([*pair.iter_unpack(b[at : at + size])] if size else [])
        at += size
    long: list[tuple[int, bytes]] = []
    if wide:
        long = list(_variable(b, at))
        at += 2 + sum(4 + len(value) for _, value in long)
    elif extended:
        count, at = b[at], at + 1
        long = [(b[place], b[place + 1 : place + 17]) for place in range(at, at + 17 * count, 17)]
        at += 17 * count
    return Record(head, groups, long), at


def _variable(b: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    count = b[at] << 8 | b[at + 1]
    at += 2
    for _ in range(count):
        ident, size = _ELEMENT.unpack_from(b, at)
        value = b[at + 4 : at + 4 + size]
        if len(value) < size:
            raise BrokenPacket(f"element {ident} runs past the end of the data")
        yield ident, value
        at += 4 + size


# ------------------------------------------------------------------------------------------------------------ texts

_TYPES = {0x05: "command", 0x06: "response", 0x0B: "message", 0x0D: "camera", 0x11: "refused: other IMEI"}


def texts(data: bytes) -> list[dict[str, Any]]:
    """The messages of codec 12 (text), 13 (time, text), 14 (IMEI, text), 15 (time, IMEI, text). Raises `BrokenPacket`."""
    codec, count = data[0], data[1]
    found = []
    at, end = 2, len(data) - 1
    for number in range(1, max(count, 1) + 1):
        size = int.from_bytes(data[at + 1 : at + 5], "big")
        if at + 5 + size > end:
            raise BrokenPacket(f"message {number} of {count} runs past the end of the data")
        found.append(_text(codec, data[at], data[at + 5 : at + 5 + size]))
        at += 5 + size
    if at != end:
        raise BrokenPacket(f"{end - at} bytes are left over behind {count} messages")
    return found


def _text(codec: int, kind: int, payload: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"type": _TYPES.get(kind, f"type 0x{kind:02x}"), "payload_size": len(payload)}
    text = payload
    if codec in (0x0D, 0x0F) and len(text) >= 4:
        found["timestamp"] = _iso(int.from_bytes(text[:4], "big") * 1000)
        text = text[4:]
    if codec in (0x0E, 0x0F) and len(text) >= 8:
        found["imei"] = text[:8].hex().lstrip("0")
        text = text[8:]
    readable = text.isascii() and all(byte >= 0x20 or byte in b"\r\n\t" for byte in text)
    return found | {"payload_hex": payload.hex(), "payload_text": text.decode("ascii") if readable else None}
