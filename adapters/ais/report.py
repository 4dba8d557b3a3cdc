"""From the payload bits (ITU-R M.1371-5/-6, taken apart by pyais) to a reading in the vocabulary's words and units.

"Not available" values of the standard never become data; values at the end of a scale ("102.2 knots or more") keep
their number and the mark `over-range`; values that cannot be are faults and the rest of the report stays.
"""

from __future__ import annotations

import math
from binascii import a2b_base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pyais.bit_vector import bit_vector
from pyais.exceptions import UnknownPartNoException
from pyais.messages import MSG_CLASS

from adapters.ais.weather import fill_weather
from adapters.nmea0183.epoch import YEAR_MAX
from hub.model import Fault, FaultKind, Mark, Position, Reading, Value
from hub.moment import SECOND, from_datetime

NAV_STATUS = (
    "under way using engine",
    "at anchor",
    "not under command",
    "restricted manoeuvrability",
    "constrained by her draught",
    "moored",
    "aground",
    "engaged in fishing",
    "under way sailing",
    "reserved for high-speed craft",
    "reserved for wing in ground",
    "power-driven vessel towing astern",
    "power-driven vessel pushing ahead or towing alongside",
    "reserved for future use",
    "AIS-SART is active",
    None,
)
"""Navigational status, ITU-R M.1371-5 table 48; 15 is "not defined"."""

BITS_MIN = {
    0: 143, 1: 143, 2: 143, 3: 143, 4: 134, 5: 302, 9: 134, 11: 134, 14: 40,
    18: 139, 19: 301, 21: 260, 24: 160, 27: 94, 28: 99,
}  # fmt: skip
"""Bits up to the last field a reading needs; some transmitters leave out what follows."""

MMSI_MAX = 999_999_999
DESTINATION_BITS = 422
"""A type 5 report shorter than this has lost letters of its destination."""


Parsed: TypeAlias = tuple[str | None, list[Reading], list[Fault]]
"""Of whom a report speaks, what it says, and what in it could not be used."""


def parse_report(payload: bytes, fill_bits: int, at: int | None, raw: bytes) -> Parsed:
    """Decode a whole payload. `at` (ns) is when it was heard; the report's own second refines it."""
    if len(payload) == 28 and not fill_bits:
        quick = parse_position(payload, at)
        if quick is not None:
            return quick.device, [quick], []
    return parse_any(payload, fill_bits, at, raw)


def parse_any(payload: bytes, fill_bits: int, at: int | None, raw: bytes) -> Parsed:
    """Every message type, by pyais."""
    bits = bit_vector(payload, fill_bits)
    length = len(bits)
    number = bits.get(0, 6)
    if length < 38:
        return None, [], [Fault(FaultKind.TRUNCATED, f"{length} bits are too few for any AIS message", raw)]
    mmsi = bits.get(8, 30)
    if not 0 < mmsi <= MMSI_MAX:
        return None, [], [Fault(FaultKind.VALUE, f"{mmsi} is no MMSI: it has one to nine digits", raw)]
    device = f"ais:{mmsi:09d}"
    if length < BITS_MIN.get(number, 38):
        why = f"AIS message {number} needs {BITS_MIN[number]} bits, this one has {length}"
        return device, [], [Fault(FaultKind.TRUNCATED, why, raw, device)]
    try:
        decoded = MSG_CLASS[number].from_vector(bits)
    except KeyError:
        return device, [], [Fault(FaultKind.UNSUPPORTED, f"AIS has no message type {number}", raw, device)]
    except UnknownPartNoException:
        why = f"AIS message 24 has parts A and B (0 and 1), not {bits.get(38, 2)}"
        return device, [], [Fault(FaultKind.UNSUPPORTED, why, raw, device)]
    except MemoryError:
        raise
    except Exception as error:  # one malformed message never ends a stream
        why = f"AIS message {number} could not be taken apart: {error}"
        return device, [], [Fault(FaultKind.SYNTAX, why, raw, device)]
    fill = _READERS.get(number)
    if fill is None:
        return device, [], []
    reading = Reading(device, at, {}, kind=_KINDS.get(number) or kind_of(mmsi))
    faults: list[Fault] = []
    fill(decoded, reading, faults, length)
    if number == 21:
        _name(reading.values, "name", aid_name(bits, length))
    for fault in faults:
        fault.raw = raw
    useful = reading.values or reading.position is not None
    return device, [reading] if useful else [], faults


def detail(payload: bytes, fill_bits: int) -> dict[str, Any]:
    """The payload's fields by pyais's names, as plain values; nothing where it cannot be taken apart."""
    bits = bit_vector(payload, fill_bits)
    try:
        decoded = MSG_CLASS[bits.get(0, 6)].from_vector(bits)
        told = {
            name: "0x" + value.hex() if isinstance(value, bytes) else value
            for name, value in decoded.asdict(enum_as_int=True).items()
        }
        if bits.get(0, 6) == 21:
            told["full_name"] = aid_name(bits, len(bits))
    except Exception as error:
        return {"msg_type": bits.get(0, 6), "payload": payload.decode("ascii", "replace"), "problem": str(error)}
    return told


# ------------------------------------------------------------------------------------------------------------- who


_KINDS = {4: "ais-base-station", 9: "sar-aircraft", 21: "aid-to-navigation", 28: "aid-to-navigation"}


def kind_of(mmsi: int) -> str:
    """The kind of station by its MMSI, as ITU-R M.585-9 hands them out."""
    if mmsi < 10_000_000:
        return "ais-base-station"  # 00MIDxxxx
    leading = mmsi // 1_000_000
    if leading == 111:
        return "sar-aircraft"
    if leading == 970:
        return "ais-sart"
    if leading == 972:
        return "ais-man-overboard"
    if leading == 974:
        return "ais-epirb"
    if leading >= 990:
        return "aid-to-navigation"
    if leading >= 980:
        return "craft"  # belongs to a parent ship
    return "vessel"


# ------------------------------------------------------------------------------------------------------------ where


def _place(reading: Reading, faults: list[Fault], lon: float, lat: float, alt: float | None = None) -> None:
    if -180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0:
        reading.position = Position(lon, lat, alt)
    elif lon != 181.0 and lat != 91.0:
        why = f"longitude {lon}, latitude {lat} is no place on earth"
        faults.append(Fault(FaultKind.POSITION, why, device=reading.device))


def _move(reading: Reading, faults: list[Fault], sog: float, cog: float) -> None:
    """Speed in knots, 1023 tenths = not available, 1022 tenths = 102.2 or more; course in degrees, 360 = not available."""
    values = reading.values
    if sog < 102.2:
        values["sog"] = sog
    elif sog == 102.2:
        values["sog"] = sog
        _mark(reading, "sog")
    if cog < 360.0:
        values["cog"] = cog
    elif cog != 360.0:
        faults.append(Fault(FaultKind.VALUE, f"course over ground {cog} deg cannot be", device=reading.device))


def _head(reading: Reading, faults: list[Fault], heading: int) -> None:
    if heading < 360:
        reading.values["heading"] = heading
    elif heading != 511:
        faults.append(Fault(FaultKind.VALUE, f"heading {heading} deg cannot be", device=reading.device))


def _mark(reading: Reading, metric: str) -> None:
    if reading.marks is None:
        reading.marks = {}
    reading.marks[metric] = Mark.OVER_RANGE


def _refine(reading: Reading, second: int) -> None:
    """The moment nearest to the time of reception that has this UTC second; 60 to 63 say that there is none."""
    at = reading.observed_at
    if at is None or second > 59:
        return
    heard_s = at // SECOND
    reading.observed_at = (heard_s + (second - heard_s + 30) % 60 - 30) * SECOND


# ------------------------------------------------------------------------------------------------- message by message


def _class_a(m: Any, reading: Reading, faults: list[Fault], length: int) -> None:
    _place(reading, faults, m.lon, m.lat)
    _move(reading, faults, m.speed, m.course)
    _head(reading, faults, m.heading)
    turn = m.turn
    if turn.__class__ is float:  # -128 and +-127 are pyais.TurnRate: no turn indicator, so no rate
        reading.values["rot"] = turn
    status = NAV_STATUS[m.status]
    if status is not None:
        reading.values["nav_status"] = status
    _refine(reading, m.second)


def _class_b(m: Any, reading: Reading, faults: list[Fault], length: int) -> None:
    _place(reading, faults, m.lon, m.lat)
    _move(reading, faults, m.speed, m.course)
    _head(reading, faults, m.heading)
    _refine(reading, m.second)


def _class_b_extended(m: Any, reading: Reading, faults: list[Fault], length: int) -> None:
    _class_b(m, reading, faults, length)
    _name(reading.values, "name", m.shipname)
    _build(reading.values, m)


def _utc(m: Any, reading: Reading, faults: list[Fault], length: int) -> None:
    """Base station report and UTC response carry date and time in full; a date that cannot be is "not available"."""
    _place(reading, faults, m.lon, m.lat)
    if not 1970 <= m.year <= YEAR_MAX:
        return
    try:
        reading.observed_at = from_datetime(datetime(m.year, m.month, m.day, m.hour, m.minute, m.second, tzinfo=UTC))
    except ValueError:
        return


def _voyage(m: Any, reading: Reading, faults: list[Fault], length: int) -> None:
    values = reading.values
    _name(values, "name", m.shipname)
    _name(values, "callsign", m.callsign)
    if 1_000_000 <= m.imo <= 9_999_999:  # other numbers are official numbers of a flag state, or none
        values["imo"] = str(m.imo)
    _build(values, m)
    if m.draught:
        values["draught"] = m.draught
        if m.draught == 25.5:
            _mark(reading, "draught")
    if 1 <= m.month <= 12 and 1 <= m.day <= 31:
        clock = f"T{m.hour:02d}:{m.minute:02d}Z" if m.hour <= 23 and m.minute <= 59 else ""
        values["eta"] = f"{m.month:02d}-{m.day:02d}{clock}"
    if length >= DESTINATION_BITS:
        _name(values, "destination", m.destination)


def _aircraft(m: Any, reading: Reading, faults: list[Fault], length: int) -> None:
    alt = float(m.alt) if m.alt < 4095 else None
    _place(reading, faults, m.lon, m.lat, alt)
    if m.speed < 1023:  # whole knots here; 1022 says that or more
        reading.values["sog"] = float(m.speed)
        if m.speed == 1022:
            _mark(reading, "sog")
    _move(reading, faults, 102.3, m.course)
    _refine(reading, m.second)


def _aid(m: Any, reading: Reading, faults: list[Fault], length: int) -> None:
    _place(reading, faults, m.lon, m.lat)
    if m.second <= 59:  # the indicator holds only then
        reading.values["off_position"] = bool(m.off_position)
    _refine(reading, m.second)


def aid_name(bits: Any, length: int) -> str:
    """The name of an aid to navigation: 20 characters, and where none of them is @ up to 14 more at the end of the report, which may begin
    with a space (ITU-R M.1371-5, annex 8, 3.19: "name of AtoN extension")."""
    name = _six_bit(bits, 43, 20)
    if "@" not in name:
        name += _six_bit(bits, 272, min(14, max(0, length - 272) // 6))
    return name.partition("@")[0].rstrip()


def _six_bit(bits: Any, start: int, characters: int) -> str:
    """Text of the standard's 6-bit characters (table 47)."""
    codes = (bits.get(start + 6 * at, 6) for at in range(characters))
    return "".join(chr(code + 64 if code < 32 else code) for code in codes)


def _aid_single_slot(m: Any, reading: Reading, faults: list[Fault], length: int) -> None:
    _place(reading, faults, m.lon, m.lat)
    _refine(reading, m.second)


def _static(m: Any, reading: Reading, faults: list[Fault], length: int) -> None:
    if m.partno == 0:
        _name(reading.values, "name", m.shipname)
        return
    _name(reading.values, "callsign", m.callsign)
    if hasattr(m, "mothership_mmsi"):
        _type(reading.values, m.ship_type)
    else:
        _build(reading.values, m)


def _long_range(m: Any, reading: Reading, faults: list[Fault], length: int) -> None:
    """Whole knots, 63 = not available, 62 = 62 or more; course 511 = not available; no second."""
    _place(reading, faults, m.lon, m.lat)
    if m.speed < 63:
        reading.values["sog"] = float(m.speed)
        if m.speed == 62:
            _mark(reading, "sog")
    _move(reading, faults, 102.3, 360.0 if m.course == 511 else float(m.course))
    status = NAV_STATUS[m.status]
    if status is not None:
        reading.values["nav_status"] = status


def _broadcast(m: Any, reading: Reading, faults: list[Fault], length: int) -> None:
    fill_weather(m, reading)


def _safety(m: Any, reading: Reading, faults: list[Fault], length: int) -> None:
    _name(reading.values, "text", m.text)


_READERS: dict[int, Callable[[Any, Reading, list[Fault], int], None]] = {
    0: _class_a,  # no type of the standard, but sent by some class A sets in place of 1
    1: _class_a,
    2: _class_a,
    3: _class_a,
    4: _utc,
    5: _voyage,
    8: _broadcast,
    9: _aircraft,
    11: _utc,
    14: _safety,
    18: _class_b,
    19: _class_b_extended,
    21: _aid,
    24: _static,
    27: _long_range,
    28: _aid_single_slot,
}


# ---------------------------------------------------------------------------------------------------- static details


def _name(values: dict[str, Value], metric: str, text: str | None) -> None:
    text = (text or "").partition("@")[0].strip()
    if text:
        values[metric] = text


def _build(values: dict[str, Value], m: Any) -> None:
    """Type and size. The four distances run from the antenna; all 0 says that they are not known, and 0 to bow and port alone that the
    antenna's place is not (ITU-R M.1371-5, annex 8, 3.3.3)."""
    _type(values, m.ship_type)
    if m.to_bow is None or m.to_stern is None or m.to_port is None or m.to_starboard is None:
        return
    antenna_known = m.to_bow or m.to_port
    if m.to_bow or m.to_stern:
        values["length"] = float(m.to_bow + m.to_stern)
        if antenna_known:
            values["to_bow"] = float(m.to_bow)
    if m.to_port or m.to_starboard:
        values["beam"] = float(m.to_port + m.to_starboard)
        if antenna_known:
            values["to_port"] = float(m.to_port)


def _type(values: dict[str, Value], number: int | None) -> None:
    text = ship_type(int(number or 0))
    if text:
        values["ship_type"] = text


_SHIP_TYPES = {
    30: "fishing",
    31: "towing",
    32: "towing, length over 200 m or breadth over 25 m",
    33: "dredging or underwater operations",
    34: "diving operations",
    35: "military operations",
    36: "sailing",
    37: "pleasure craft",
    50: "pilot vessel",
    51: "search and rescue vessel",
    52: "tug",
    53: "port tender",
    54: "anti-pollution vessel",
    55: "law enforcement",
    58: "medical transport",
    59: "non-combatant ship",
}
_SHIP_FAMILIES = {
    2: "wing in ground", 4: "high-speed craft", 6: "passenger", 7: "cargo", 8: "tanker", 9: "other",
}  # fmt: skip
_HAZARDS = {1: "A", 2: "B", 3: "C", 4: "D"}


def ship_type(number: int) -> str:
    """The words for a ship type, ITU-R M.1371-5 table 53; empty where it is not available or reserved."""
    if number in _SHIP_TYPES:
        return _SHIP_TYPES[number]
    family = _SHIP_FAMILIES.get(number // 10)
    if family is None:
        return ""
    hazard = _HAZARDS.get(number % 10)
    return f"{family}, hazardous category {hazard}" if hazard else family


# --------------------------------------------------------------------------- the four messages that fill every stream

_SIX_BITS = bytes(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[code - 48 if code < 88 else code - 56]
    if 48 <= code < 88 or 96 <= code < 120
    else 65
    for code in range(256)
)
"""AIS's six-bit characters as base64's, so that C code packs the bits."""


def _rate_of_turn(indicated: int) -> float | None:
    """deg/min from ROT_AIS = 4.733 sqrt(rate), right positive (ITU-R M.1371-5 table 48); +-127 and -128 say no rate."""
    signed = indicated - 256 if indicated > 127 else indicated
    if abs(signed) >= 127:
        return None
    return math.copysign(round((signed / 4.733) ** 2), signed) if signed else 0.0


_RATES = tuple(_rate_of_turn(indicated) for indicated in range(256))


def parse_position(payload: bytes, at: int | None) -> Reading | None:
    """Messages 1, 2, 3 and 18 of full length (168 bits); None for every other and wherever anything is out of range,
    which is then `parse_any`'s.

    Nine tenths of all reports are these. Through pyais the whole codec read 50,000 a second on one core, so they are
    taken apart here; a test holds both ways equal.
    """
    bits = int.from_bytes(a2b_base64(payload.translate(_SIX_BITS)), "big")
    number = bits >> 162
    mmsi = bits >> 130 & 0x3FFFFFFF
    if not 99_999_999 < mmsi <= MMSI_MAX:
        return None
    if 1 <= number <= 3:
        sog, lon, lat, cog = bits >> 108 & 1023, bits >> 79 & 0xFFFFFFF, bits >> 52 & 0x7FFFFFF, bits >> 40 & 0xFFF
        heading, second = bits >> 31 & 511, bits >> 25 & 63
    elif number == 18:
        sog, lon, lat, cog = bits >> 112 & 1023, bits >> 83 & 0xFFFFFFF, bits >> 56 & 0x7FFFFFF, bits >> 44 & 0xFFF
        heading, second = bits >> 35 & 511, bits >> 29 & 63
    else:
        return None
    lon = (lon ^ 0x8000000) - 0x8000000  # two's complement
    lat = (lat ^ 0x4000000) - 0x4000000
    if not -108_000_000 <= lon <= 108_000_000 or not -54_000_000 <= lat <= 54_000_000:
        return None
    if sog == 1022 or cog > 3600 or 360 <= heading < 511:
        return None
    values: dict[str, Value] = {}
    if sog < 1022:
        values["sog"] = sog / 10.0
    if cog < 3600:
        values["cog"] = cog / 10.0
    if heading < 360:
        values["heading"] = heading
    if number != 18:
        rate = _RATES[bits >> 118 & 255]
        if rate is not None:
            values["rot"] = rate
        status = NAV_STATUS[bits >> 126 & 15]
        if status is not None:
            values["nav_status"] = status
    if at is not None and second < 60:
        heard_s = at // SECOND
        at = (heard_s + (second - heard_s + 30) % 60 - 30) * SECOND
    # Nearest millionth of a degree in whole numbers, as pyais rounds: n/600000 deg = (10 n / 6) millionths.
    position = Position((10 * lon + 3) // 6 / 1e6, (10 * lat + 3) // 6 / 1e6)
    kind = "vessel" if mmsi < 970_000_000 and mmsi // 1_000_000 != 111 else kind_of(mmsi)
    return Reading(f"ais:{mmsi}", at, values, position, kind=kind)
