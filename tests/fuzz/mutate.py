"""Mutations: a good input with a few things changed, as damaged lines, careless hands and strangers change them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from adapters.nmea0183.line import xor

DIGITS = b"0123456789.,-+*&=;/ \xff"
WORDS = (
    b"null", b"true", b"NaN", b"1e999", b"-1", b"0", b"99999999999999999999", b"1e-320", b'""', b"[]", b"{}", b"[[", b"\x00", b"\xff\xff\xff\xff", b"\xef\xbb\xbf",
    "水é\u202e".encode(), b"\xed\xa0\x80", b"\r\n", b"'", b'"', b"\\", b"#", b"%", b"$", b"2026-02-30T25:61:61Z", b"0001-01-01", b"9999-12-31T23:59:59Z", b"&a", b"*a", b"!!x ",
    b"<<: *a", b"for 10 min", b"within 1e99 km", b" or ", b" and not ", b"((((((((", b" / 0", b"delta(", b"mean(x, 1 h)",
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(\.\d+)?")


def mutants(seeds: Sequence[bytes], chance: random.Random, sealed: bool = False) -> Iterator[bytes]:
    """For ever. `sealed`: most sentences get a right NMEA checksum, so that they are read further."""
    good = [seed for seed in seeds if seed]
    while True:
        data = bytearray(chance.choice(good))
        for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4, 8))):
            _change(data, good, chance)
        raw = bytes(data)
        if sealed and raw[:1] in (b"$", b"!") and chance.random() < 0.8:
            body = raw[1:].partition(b"*")[0].rstrip()
            raw = raw[:1] + body + b"*%02X\r\n" % xor(body)
        yield raw


def _change(data: bytearray, good: Sequence[bytes], chance: random.Random) -> None:
    at, kind = chance.randrange(len(data) + 1), chance.randrange(10)
    if kind == 0 and at < len(data):
        data[at] = chance.randrange(256)
    elif kind == 1:
        data[at:at] = bytes([chance.choice(DIGITS)]) * chance.choice((1, 1, 2, 26))
    elif kind == 2:
        del data[at : at + chance.choice((1, 1, 2, 8, 40))]
    elif kind == 3 and at < len(data):
        data[at] = chance.choice(DIGITS)
    elif kind == 4:  # a piece of another, or of itself
        other = chance.choice(good)
        begin = chance.randrange(len(other) + 1)
        data[at:at] = other[begin : begin + chance.randint(1, 30)]
    elif kind == 5 and chance.random() < 0.3:
        del data[at:]
    elif kind == 6:
        data[at:at] = chance.choice(WORDS)
    elif kind == 7 and (found := list(_NUMBER.finditer(bytes(data)))):  # another number, or what is none
        one = chance.choice(found)
        data[one.start() : one.end()] = chance.choice(WORDS)
    elif kind == 8:  # two stretches change places
        other_at, size = chance.randrange(len(data) + 1), chance.randint(1, 12)
        here, there = bytes(data[at : at + size]), bytes(data[other_at : other_at + size])
        data[at : at + size] = there
        data[other_at : other_at + size] = here
    elif data:
        data[at : at + chance.randint(1, 4)] = bytes([chance.choice((0, 0x7F, 0x80, 0xFF))]) * chance.randint(1, 4)
