"""The line layer of AIS: NMEA 0183 sentences (IEC 61162-1) with their checksum, tag blocks and what receivers add.

Checksums are the XOR of all characters between the start mark and `*`. Pure functions; faults are returned, never
raised.
"""

from __future__ import annotations

import operator
from datetime import UTC, datetime
from functools import lru_cache, reduce

import msgspec

from hub.model import Fault, FaultKind
from hub.moment import SECOND, from_datetime

ARMOUR = bytes(range(48, 88)) + bytes(range(96, 120))
"""The 64 characters that may carry six bits each (ITU-R M.1371, IEC 61162-1 table for encapsulation)."""
FRAGMENTS_MAX = 9
PAYLOAD_CHARACTERS_MAX = 82
"""One sentence is at most 82 characters long, so its payload is shorter."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """What stands beside a sentence: who heard it, when, and to what group of lines it belongs."""

    station: str | None = None
    at: int | None = None
    """ns UTC, from the tag block's `c`, a `$PGHP` line or the receiver's suffix."""
    group: tuple[int, int, str] | None = None
    """Line, lines, id of the tag block's group."""


NOWHERE = Origin()


class Header(msgspec.Struct, frozen=True, gc=False):
    """What stands in front of the payload; a stream has few different ones, so they are read once."""

    talker: str
    own_ship: bool
    count: int
    number: int
    sequence: str
    channel: str


class Sentence(msgspec.Struct, frozen=True, gc=False):
    """One VDM (heard) or VDO (own ship) sentence whose checksum holds."""

    header: Header
    payload: bytes
    fill_bits: int
    suffix: bytes


def xor(data: bytes) -> int:
    """XOR of all bytes. Folded as one big integer up to 128 bytes, which takes 1.0 us a sentence against 1.4."""
    if len(data) > 128:
        return reduce(operator.xor, data)
    value = int.from_bytes(data, "big")
    value ^= value >> 512
    value ^= value >> 256
    value ^= value >> 128
    value ^= value >> 64
    value ^= value >> 32
    value ^= value >> 16
    return (value ^ value >> 8) & 255


def parse_sentence(line: bytes) -> Sentence | Fault:
    """Read `!AIVDM,…*hh` and what follows the checksum. Sentences that are not AIS give UNSUPPORTED."""
    body, star, rest = line[1:].partition(b"*")
    fields = body.rsplit(b",", 2)
    header = parse_header(fields[0]) if len(fields) == 3 else "an AIS sentence has 7 fields"
    fault = checksum_fault(body, star, rest, line, "the sentence")
    if header is None:
        name = body.partition(b",")[0]
        return Fault(FaultKind.UNSUPPORTED, f"{_text(name)} is no AIS sentence (VDM or VDO)", line)
    if fault is not None:
        return fault
    if isinstance(header, str):
        return Fault(FaultKind.SYNTAX, header, line)
    payload, fill_text = fields[1], fields[2]
    if len(fill_text) != 1 or fill_text not in b"012345":
        return Fault(FaultKind.SYNTAX, f"{_text(fill_text)!r} fill bits cannot be; there are 0 to 5", line)
    if len(payload) > PAYLOAD_CHARACTERS_MAX:
        return Fault(FaultKind.SYNTAX, f"{len(payload)} characters of payload are more than a sentence carries", line)
    if payload.translate(None, ARMOUR):
        return Fault(FaultKind.SYNTAX, "the payload has characters that carry no six bits", line)
    if not payload and header.count == 1:
        return Fault(FaultKind.SYNTAX, "the sentence carries no payload", line)
    return Sentence(header, payload, fill_text[0] - 48, rest[2:])


@lru_cache(maxsize=4_096)
def parse_header(text: bytes) -> Header | str | None:
    """The header, a sentence saying why it cannot be one, or None where it is no VDM or VDO."""
    formatter, *fields = text.split(b",")
    formatter = formatter.upper()
    if len(formatter) != 5 or not formatter.endswith((b"VDM", b"VDO")):
        return None
    if len(fields) != 4:
        return f"an AIS sentence has 7 fields, this one has {len(fields) + 3}"
    count, number, sequence, channel = fields
    if not (len(count) == len(number) == 1 and b"1" <= count <= b"9" and b"1" <= number <= count):
        return f"sentence {_text(number)} of {_text(count)} cannot be: counts run from 1 to {FRAGMENTS_MAX}"
    if len(sequence) > 1 or len(channel) > 1:
        return "sequence id and channel are one character each"
    own_ship = formatter.endswith(b"O")
    return Header(_text(formatter[:2]), own_ship, int(count), int(number), _text(sequence), _text(channel))


def checksum_fault(body: bytes, star: bytes, rest: bytes, line: bytes, what: str) -> Fault | None:
    """None where the two hexadecimal digits in front of `rest` are the XOR of `body`."""
    if not star or len(rest) < 2:
        return Fault(FaultKind.TRUNCATED, f"{what} ends before its checksum", line)
    try:
        stated = int(rest[:2], 16)
    except ValueError:
        return Fault(FaultKind.CHECKSUM, f"{what} states {_text(rest[:2])!r} as its checksum, which is no number", line)
    found = xor(body)
    if stated != found:
        return Fault(FaultKind.CHECKSUM, f"{what} states checksum {stated:02X}, its characters give {found:02X}", line)
    return None


# ------------------------------------------------------------------------------------------- tag blocks and the like


def parse_tag_block(block: bytes) -> tuple[Origin, list[Fault]]:
    r"""Read what stands between two backslashes: `s:station,c:time,g:1-2-77*hh` (NMEA 0183 v4, IEC 61162-450)."""
    body, star, rest = block.partition(b"*")
    fault = checksum_fault(body, star, rest, block, "the tag block")
    if fault is not None:
        return NOWHERE, [fault]
    station: str | None = None
    at: int | None = None
    group: tuple[int, int, str] | None = None
    faults = []
    for field in _text(body).split(","):
        code, _, value = field.partition(":")
        if code == "s":
            station = value
        elif code == "c":
            at = unix_time(value)
            if at is None:
                faults.append(Fault(FaultKind.TIME, f"the tag block's time {value!r} is no UNIX time", block))
        elif code == "g":
            group = _group(value.split("-"))
        elif "G" in code:  # the older form 1G2:77
            group = _group([*code.split("G"), value])
    return Origin(station, at, group), faults


def _group(parts: list[str]) -> tuple[int, int, str] | None:
    if len(parts) == 3 and parts[0].isdecimal() and parts[1].isdecimal() and len(parts[0]) + len(parts[1]) <= 4:
        return int(parts[0]), int(parts[1]), parts[2]
    return None


def unix_time(text: str) -> int | None:
    """ns from UNIX seconds or milliseconds, told apart by size: 10^11 s is in the year 5138."""
    try:
        value = float(text)
    except ValueError:
        return None
    if not 0 < value < 1e14:
        return None
    if value >= 1e11:
        return int(value) * 1_000_000
    return int(value) * SECOND + round((value % 1) * 1000) * 1_000_000


def parse_suffix(suffix: bytes) -> Origin:
    """What receivers append behind the checksum: `,rSTATION,…,UNIXTIME` (US Coast Guard) or the time alone."""
    station: str | None = None
    at: int | None = None
    for field in _text(suffix).split(","):
        if field.isdecimal() and len(field) >= 9:
            at = unix_time(field)
        elif len(field) > 1 and field[0] in "rb" and field[1:].isalnum():
            station = field
    return Origin(station, at)


def parse_receive_line(line: bytes) -> tuple[Origin, list[Fault]]:
    """Read `$PGHP,1,year,month,day,hour,minute,second,ms,country,region,station,…*hh` (Gatehouse): the receive time and
    station of the AIS sentences that follow."""
    body, star, rest = line[1:].partition(b"*")
    fault = checksum_fault(body, star, rest, line, "the $PGHP line")
    if fault is not None:
        return NOWHERE, [fault]
    fields = _text(body).split(",")
    if len(fields) < 12 or fields[1] != "1":
        return NOWHERE, [Fault(FaultKind.UNSUPPORTED, "only $PGHP lines of type 1 are read", line)]
    try:
        year, month, day, hour, minute, second, millisecond = (int(field) for field in fields[2:9])
        moment = datetime(year, month, day, hour, minute, second, millisecond * 1000, tzinfo=UTC)
    except ValueError:
        return NOWHERE, [Fault(FaultKind.TIME, "the $PGHP line has no date and time that can be", line)]
    station = "-".join(field for field in fields[9:12] if field) or None
    return Origin(station, from_datetime(moment)), []


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace")
