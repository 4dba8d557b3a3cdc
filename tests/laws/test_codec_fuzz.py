"""Law 2: no bytes raise. Good frames of every protocol, mutated, and sealed again so that they pass their checksums.

`CITYHUB_FUZZ=200000` sets how many for each codec; the seed is fixed, so a failure comes again.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from adapters.nmea0183.line import xor
from cityhub.testing.codecs import NOW, usable
from hub.model import Message, Reading
from tests.laws.seeds import SEEDS, make
from tests.laws.test_codecs import PROTOCOLS, vectors

MUTANTS = int(os.environ.get("CITYHUB_FUZZ", "150"))
WITHOUT_VECTORS = {
    "coap-json",
    "hub",
    "json",
    "modbus-rtu",
    "modbus-tcp",
    "nmea0183",
    "senml-cbor",
    "senml-json",
    "sparkplug",
}
"""Protocols of whose frames no file is kept beside the project; their own seeds serve."""
_DIGITS = b"0123456789.,-+*&=;/ \xff"
_SENTENCES = (
    "GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W", "GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,",
    "GPZDA,201530.00,04,07,2002,00,00", "GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1", "GPGSV,2,1,08,01,40,083,46", "GPVTG,054.7,T,034.4,M,005.5,N,010.2,K",
    "GPGLL,4916.45,N,12311.12,W,225444,A", "GPHDT,123.4,T", "PGHP,1,2026,11,22,12,0,0,0,316,,2,,1,55",
)  # fmt: skip


def readings(messages: list[Message]) -> list[Reading]:
    return [reading for message in messages for reading in message.readings]


def frames(protocol: str) -> list[bytes]:
    seed = SEEDS[protocol]
    found = [*seed.reports, *seed.pieces, *([seed.before] if seed.before else [])]
    if protocol in ("nmea0183", "ais"):
        found += [_sealed(text.encode()) for text in _SENTENCES]
    if protocol not in WITHOUT_VECTORS:
        found += list(vectors(protocol))[:200]
    return [frame for frame in found if frame]


def _sealed(body: bytes) -> bytes:
    return b"$" + body + b"*%02X\r\n" % xor(body)


def mutants(protocol: str, count: int) -> Iterator[bytes]:
    chance = random.Random(protocol)
    good = frames(protocol)
    for _ in range(count):
        frame = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(frame) + 1)
            kind = chance.randrange(6)
            if kind == 0 and at < len(frame):
                frame[at] = chance.randrange(256)
            elif kind == 1:
                frame[at:at] = bytes([chance.choice(_DIGITS)]) * chance.choice((1, 1, 2, 26))
            elif kind == 2:
                del frame[at : at + chance.choice((1, 1, 2, 8))]
            elif kind == 3 and at < len(frame):
                frame[at] = chance.choice(_DIGITS)
            elif kind == 4:
                other = chance.choice(good)
                begin = chance.randrange(len(other) + 1)
                frame[at:at] = other[begin : begin + chance.randint(1, 30)]
            else:
                del frame[at:]
            if not frame:
                frame = bytearray(chance.choice(good))
        raw = bytes(frame)
        if raw[:1] in (b"$", b"!") and chance.random() < 0.8:
            body = raw[1:].partition(b"*")[0].rstrip()
            raw = raw[:1] + body + b"*%02X\r\n" % xor(body)
        yield raw


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_mutated_frames_never_raise(protocol: str) -> None:
    codec = make(protocol)
    for number, raw in enumerate(mutants(protocol, MUTANTS)):
        if number % 50 == 0:
            codec = make(protocol)
        try:
            for message in [*codec.feed(raw, NOW if number % 2 else None), *(codec.end() if number % 3 else [])]:
                usable(codec, message)
        except Exception as error:
            raise AssertionError(f"{raw!r} made {protocol} raise {error!r}") from error


# ------------------------------------------------------------------------------------------------- what fuzzing found


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("nmea0183", "GPRMC,123520,A,4807.038,N,01131.000,E,022.4,084.4,23031994567890123456789012,003.1,W"),
        ("nmea0183", "GPGGA,123520,4807.038,N,01131.000,E,-20,08,0.9,545.4,M"),
        ("nmea0183", "GPGGA,123520,4807.038,N,01131.000,E,1,99999999999999999999,0.9,545.4,M,46.9,M,,"),
        ("nmea0183", "GPZDA,201530.00,31,12,9999,00,00"),
        ("ais", "PGHP,1,20261122222222222222,11,22,12,0,0,0,316,,2,,1,55"),
        ("ais", "PGHP,1,9999,12,31,23,59,59,0,316,,2,,1,55"),
    ],
)
def test_good_sentences_before_a_bad_one_are_kept(protocol: str, body: str) -> None:
    good = SEEDS[protocol].reports[0]
    codec = make(protocol)
    messages: list[Message] = [
        *codec.feed(good + _sealed(body.encode()) + SEEDS[protocol].reports[1], NOW),
        *codec.end(NOW),
    ]
    assert len(readings(messages)) >= 2
    assert any(message.faults for message in messages)


@pytest.mark.parametrize("protocol", ["nmea0183", "ais"])
@pytest.mark.parametrize("quality", [b"1", b"-20"])
def test_a_cut_gga_takes_nothing_from_the_sentences_around_it(protocol: str, quality: bytes) -> None:
    """Cut behind each of its characters, with a right checksum and with none (a fix quality of -20 raised in eleven of them)."""
    first, second = SEEDS[protocol].reports[:2]
    alone = told(protocol, first + second)
    whole = b"GPGGA,235958,4807.038,N,01131.000,E,%b,08,0.9,545.4,M,46.9,M,," % quality
    for size in range(1, len(whole) + 1):
        for cut in (_sealed(whole[:size]), b"$" + whole[:size] + b"\r\n"):
            assert told(protocol, first + cut + second) >= alone, cut


def told(protocol: str, data: bytes) -> set[tuple[str, int | None, str]]:
    """(device, time, position) of each reading."""
    codec = make(protocol)
    found = readings([*codec.feed(data, NOW), *codec.end(NOW)])
    return {(reading.device, reading.observed_at, str(reading.position)) for reading in found}
