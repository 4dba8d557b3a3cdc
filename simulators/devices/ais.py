"""AIS by ITU-R M.1371-5, written as NMEA 0183 sentences (IEC 61162-1): 6-bit text, fill bits, check sum, parts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import xor

from simulators.world.geography import to_degrees
from simulators.world.sea import Vessel

CHARACTERS_MAX = 60
"""Payload characters of one sentence: 82 characters a line allow no more than this with room for all fields."""
_TEXT = "@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_ !\"#$%&'()*+,-./0123456789:;<=>?"


class Bits:
    """A message's bits, filled from the left."""

    def __init__(self) -> None:
        self.value = 0
        self.length = 0

    def number(self, value: int, width: int) -> Bits:
        """Two's complement where negative; cut to `width` bits."""
        self.value = self.value << width | value & ((1 << width) - 1)
        self.length += width
        return self

    def text(self, text: str, characters: int) -> Bits:
        """6-bit ASCII (M.1371-5 table 47), filled with @."""
        for char in text.upper()[:characters].ljust(characters, "@"):
            self.number(max(0, _TEXT.find(char)), 6)
        return self

    def payload(self) -> tuple[str, int]:
        """(armoured characters, fill bits)."""
        fill = -self.length % 6
        value = self.value << fill
        count = (self.length + fill) // 6
        sixes = ((value >> 6 * (count - 1 - index)) & 63 for index in range(count))
        return "".join(chr(six + 48 if six < 40 else six + 56) for six in sixes), fill


def sentences(bits: Bits, channel: str = "A", sequence: int = 0) -> list[str]:
    """The !AIVDM lines of a message, without line ends."""
    payload, fill = bits.payload()
    parts = [payload[at : at + CHARACTERS_MAX] for at in range(0, len(payload), CHARACTERS_MAX)]
    lines = []
    for number, part in enumerate(parts, 1):
        identifier = str(sequence % 10) if len(parts) > 1 else ""
        last = number == len(parts)
        body = f"AIVDM,{len(parts)},{number},{identifier},{channel},{part},{fill if last else 0}"
        lines.append(f"!{body}*{reduce(xor, body.encode()):02X}")
    return lines


def position(vessel: Vessel, second: int) -> Bits:
    """Type 1 for class A, type 18 for class B."""
    lon, lat = to_degrees(vessel.x, vessel.y)
    return class_b(vessel, lon, lat, second) if vessel.class_b else class_a(vessel, lon, lat, second)


def class_a(vessel: Vessel, lon: float, lat: float, second: int) -> Bits:
    """Type 1, 168 bits."""
    bits = Bits().number(1, 6).number(0, 2).number(vessel.mmsi, 30).number(vessel.nav_status, 4).number(-128, 8)
    bits.number(min(1022, round(vessel.sog * 10)), 10).number(1, 1)
    bits.number(round(lon * 600_000), 28).number(round(lat * 600_000), 27)
    bits.number(round(vessel.cog * 10) % 3600, 12).number(round(vessel.cog) % 360, 9).number(second, 6)
    return bits.number(0, 2).number(0, 3).number(0, 1).number(0, 19)


def class_b(vessel: Vessel, lon: float, lat: float, second: int) -> Bits:
    """Type 18, 168 bits."""
    bits = Bits().number(18, 6).number(0, 2).number(vessel.mmsi, 30).number(0, 8)
    bits.number(min(1022, round(vessel.sog * 10)), 10).number(0, 1)
    bits.number(round(lon * 600_000), 28).number(round(lat * 600_000), 27)
    bits.number(round(vessel.cog * 10) % 3600, 12).number(511, 9).number(second, 6)
    return (
        bits.number(0, 2)
        .number(1, 1)
        .number(0, 1)
        .number(1, 1)
        .number(1, 1)
        .number(1, 1)
        .number(0, 1)
        .number(0, 1)
        .number(0, 20)
    )


def voyage(vessel: Vessel) -> Bits:
    """Type 5, 424 bits: static and voyage data of class A."""
    bow, side = vessel.length_m // 2, vessel.beam_m // 2
    bits = Bits().number(5, 6).number(0, 2).number(vessel.mmsi, 30).number(0, 2).number(0, 30)
    bits.text("BH" + str(vessel.mmsi)[-4:], 7).text(vessel.name, 20).number(vessel.ship_type, 8)
    bits.number(bow, 9).number(vessel.length_m - bow, 9).number(side, 6).number(vessel.beam_m - side, 6).number(1, 4)
    bits.number(0, 4).number(0, 5).number(24, 5).number(60, 6).number(round(vessel.draught_m * 10), 8)
    return bits.text("HARBOUR CITY", 20).number(0, 1).number(0, 1)


def static_b(vessel: Vessel) -> tuple[Bits, Bits]:
    """Type 24, parts A and B."""
    a = Bits().number(24, 6).number(0, 2).number(vessel.mmsi, 30).number(0, 2).text(vessel.name, 20).number(0, 8)
    bow, side = vessel.length_m // 2, vessel.beam_m // 2
    b = Bits().number(24, 6).number(0, 2).number(vessel.mmsi, 30).number(1, 2).number(vessel.ship_type, 8).text("", 3)
    b.number(0, 4).number(0, 20).text("BH" + str(vessel.mmsi)[-4:], 7)
    b.number(bow, 9).number(vessel.length_m - bow, 9).number(side, 6).number(vessel.beam_m - side, 6).number(0, 6)
    return a, b


def buoy(mmsi: int, name: str, lon: float, lat: float, second: int, off_position: bool = False) -> Bits:
    """Type 21, 272 bits: an aid to navigation (a port-hand mark)."""
    bits = Bits().number(21, 6).number(0, 2).number(mmsi, 30).number(24, 5).text(name, 20).number(1, 1)
    bits.number(round(lon * 600_000), 28).number(round(lat * 600_000), 27).number(0, 30).number(1, 4).number(second, 6)
    return bits.number(int(off_position), 1).number(0, 8).number(0, 1).number(0, 1).number(0, 1).number(0, 1)


def of_vessel(vessel: Vessel, second: int, static: bool, sequence: int) -> Iterable[str]:
    """All lines a vessel sends now."""
    channel = "AB"[sequence % 2]
    lines = sentences(position(vessel, second), channel)
    if static and vessel.class_b:
        for part in static_b(vessel):
            lines += sentences(part, channel)
    elif static:
        lines += sentences(voyage(vessel), channel, sequence)
    return lines
