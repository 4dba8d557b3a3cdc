"""AIS sentences (VDM and VDO, IEC 61162-1) and what receivers add to them. Faults are returned, never raised."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from adapters.nmea0183.epoch import YEAR_MAX
from adapters.nmea0183.line import NOWHERE, Origin, checksum_fault, unix_time
from hub.model import Fault, FaultKind
from hub.moment import from_datetime

ARMOUR = bytes(range(48, 88)) + bytes(range(96, 120))
"""The 64 characters that may carry six bits each (ITU-R M.1371, IEC 61162-1 table for encapsulation)."""
FRAGMENTS_MAX = 9
PAYLOAD_CHARACTERS_MAX = 82
"""One sentence is at most 82 characters long, so its payload is shorter."""


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


# --------------------------------------------------------------------------------------------- what receivers add


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
        if not 1970 <= year <= YEAR_MAX:
            raise ValueError(f"the year {year}")
        moment = datetime(year, month, day, hour, minute, second, millisecond * 1000, tzinfo=UTC)
    except (ValueError, OverflowError):  # OverflowError: a number of 20 digits
        return NOWHERE, [Fault(FaultKind.TIME, "the $PGHP line has no date and time that can be", line)]
    station = "-".join(field for field in fields[9:12] if field) or None
    return Origin(station, from_datetime(moment)), []


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace")
