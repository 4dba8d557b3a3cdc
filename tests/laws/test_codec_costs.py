"""Law 2: no chunk of bytes costs more than its length, for every codec.

A stranger sends the beginning of a frame again and again, with lengths that lie. Whatever the chunks, a byte costs a bounded time,
twice as many bytes cost about twice as much, memory stays bounded, and nothing raises.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from adapters.transport.connection import SLICE_BYTES
from hub.app.plugins import Plugins
from tests.laws.seeds import SEEDS, make
from tests.laws.test_codecs import NOW, PROTOCOLS

CPU_S_PER_BYTE = 20e-6
MEMORY_BYTES = 64 << 20
"""What one codec may hold at any moment."""
MEMORY_BYTES_PER_BYTE = 1 << 10
"""Of a flood in one chunk: 64 KiB, the most that a connection reads at once, stay within `MEMORY_BYTES`."""
FEED_S = 0.1
"""What one slice of a stream may hold the event loop."""
SIZES = {1: 4 << 10, 4096: 16 << 10, 65_536: 64 << 10}
"""Chunk → bytes fed in all."""
LONG_SIZES = {1: 64 << 10, 4096: 1 << 20, 65_536: 1 << 20}
"""The same for the slow run."""
FLOOD_BYTES, LONG_FLOOD_BYTES = 6 << 10, 256 << 10
"""Bytes of each flood whose memory is traced (which makes them ten times as slow)."""
ATTEMPTS = 5
"""A busy machine may disturb one measurement, not each: the best of them counts."""
GRAIN_S = 0.1
"""What takes less is not compared with the half of it: the clock's own grain counts there."""
PLUGINS = Plugins()

_hex = bytes.fromhex
_POST = b"POST / HTTP/1.1\r\n"

HALF_FRAMES: dict[str, tuple[bytes, ...]] = {
    "sl651": (
        _hex("7e7e0100000000000000300fff02"), _hex("7e7e0100000000000000300fff16"), _hex("7e7e01000000000000003000ff02"),
        b"\x01" + b"0" * 19 + b"fff\x02", b"\x7e", b"\x01", b"\x01" + b"0" * 17 + b"8", _hex("7e7e0100000000000000300fff02") + b"\x01" + b"0" * 19 + b"fff\x02",
    ),
    "gt06": (
        b"yy\xff\xff", b"yy\x0f\xff", b"yy\x0f\xf0", b"yy\x00\x10\r\n", b"xx\xff", b"xx", b"x", b"xx\x22\x17", b"xx\xff\x69\x00\xff", b"xx\x22\x22\r\n",
        b"xx\x05" + b"a" * 5000, b"yy\x08\x00" + b"z" * 60,
    ),
    "hj212": (
        b"##9999QN", b"##9999", b"##0100QN", b"##0010CP=&&", b"##9999QN=1;CP=&&", b"##9999CP=&&&&", b"##", b"#", b"##999Q", b"&&", b"CP=&&",
        b"##0020CP=&&&&0000", b"##0004\r\n", b"##9999\r\n", b"##0200CP=&&" + b"a=1;" * 40 + b"&&0000\r\n", b" \r\n",
    ),
    "gb32960": (
        _hex("232302fe"), b"##", b"$$", b"#", b"#$", _hex("232302fe") + b"1" * 17 + b"\x01\xff\xff", _hex("232302fe") + b"1" * 17 + b"\x01\x00\xff",
        _hex("242402fe") + b"1" * 17 + b"\x01\xff\xff", b"##\x02\xfe####\x01", _hex("23239afe") + b"1" * 17 + b"\x01\x10\x00",
    ),
    "gb26875": (
        b"@@", b"@", b"@@\x01", _hex("404001000101203a091a090c790300000000385b01000000000402"), _hex("404001000101203a091a090c790300000000385b01000000300002"),
        b"@@" + bytes(22) + b"\0\4\2",
    ),
    "jt808": (
        b"\x7e", b"\x7e\x7e", b"\x7e\x02\x00\x00\x25", b"\xe7\x02", b"\xe7", b"(", b"(a)", b"(1,\x7e", b"\x7e\x7d", b"\xe7\x02\x7e",
        b"\x7e\x02\x00\x20\x25" + b"\1" * 12, b"\x28\xe7\x02",
    ),
    "teltonika": (
        b"\0\0\0\0\0\0\x05\x00\x08\xff", b"\0\0\0\0\0\0\x20\x00\x08\x01", b"\0\0\0\0\0\0\x00\x10\x08\x01", b"\0", b"\0\x0f", b"\xff", b"\xff\xff\xca\xfe",
        b"\0\x0f35", b"\x05\x00\xca\xfe\x01\x05\x00\x0f123456789012345\x08\x01", b"\x20\x00\xca\xfe\x01\x05\x00\x0f123456789012345\x08\xff", b"\0\0\0\0\0\0\x00\x05",
    ),
    "ais": (
        b"!AIVDM", b"!AIVDM,", b"!AIVDM,2,1,1,A,5,0*00\r\n", b"\\", b"\\s:", b"\\g:1-2-7*55\\", b"!", b"!AIVDM,1,1,,B,,0*25\r\n", b"\n", b"$", b"*",
        b"!AIVDM,2,1,4,A,55O0W7`00001L@gCWGA2uItLth@DqtL5@F22220j1h742t0Ht0000000,0*08\r\n",
    ),
    "nmea0183": (
        b"$", b"$GPRMC", b"$GPRMC,", b"\\s:", b"\\", b"$GPGGA,1\n", b"!", b"\n", b"*",
        b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n",
    ),
    "json": (b"[", b"{", b'{"a":', b"[{", b'"', b"[\n", b"{}\n", b"[]\n", b'{"device":"a","values":{"ph":', b"\\", b"\n", b"1", b"{},", b'{"device":"a","values":{"ph":7}},'),
    "senml-json": (b"[", b"{", b'[{"n":', b"[\n", b"[{}]\n", b'{"n":"a","v":1},', b"1", b"{},"),
    "coap-json": (b"[", b"{", b'[{"n":', b"[\n", b"[{}]\n", b"1", b"{},"),
    "senml-cbor": (b"\x81", b"\x9f", b"\xbf", b"\x5f", b"\xff", b"\x1b", b"\xa1", b"\xc1", b"\x5f\x5a\xff\xff\xff\xff", b"\x9a\xff\xff\xff\xff", b"\x82\x01", b"\x9f\xbf", b"\x80", b"\xd8\x1c\x81"),
    "sparkplug": (b"spBv1.0/G/NDATA/E\t", b"\t", b"\n", b"spBv1.0/G/NDATA/E\t08\n", b"spBv1.0/G/NBIRTH/E\t0880\n", b"08", b"spBv1.0/G/NBIRTH/E\t" + b"1200" * 100 + b"\n"),
    "modbus-tcp": (b"\0\1\0\0\0\x06\x11\x03\0\x64\0\2", b"\0\1\0\0\0\xff\x11\x03", b"\0\0", b"\0\0\0\0\0\xfe\x01", b"\0\1\0\0\0\3\x11\x83\2", b"\0\1\0\0\0"),
    "modbus-rtu": (
        _hex("110300640002"), b"\x11\x03\xff", b"\x11\x10\0\0\0\x7b\xf6", b"\x11\x2b\x0e", b"\x2b", b"\x2b\0", b"\x01", b"\x11\x03", b"\x11\x03\xfa", _hex("1110000100ff"),
        b"\x11\x18\0\xff", b"\x17",
    ),
    "osmand": (
        b"GET /?", b"G", b"GET /?id=7 HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n\r\n", _POST + b"Content-Length: 60000\r\n\r\n", b"\r\n", b"A: b\r\n", b"a=&",
        _POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n",
    ),
    "hub": (b"POST ", _POST + b"Content-Length: 1000000\r\n\r\n", b"\r\n", b"A: b\r\n", _POST + b"Content-Length: 2\r\n\r\n{}", _POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n"),
}  # fmt: skip
"""Beginnings of frames whose lengths lie, for each protocol: what is sent again and again."""

OPENINGS: dict[str, tuple[tuple[bytes, bytes], ...]] = {
    "osmand": (
        (_POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (_POST + b"A: b\r\n" * 2000 + b"Content-Length: 60000\r\n\r\n", b"a"),
        (_POST, b"A: b\r\n"),
        (_POST + b"A: b\r\n" * 2000 + b"\r\n", b"a"),
    ),
    "hub": (
        (_POST + b"Authorization: Bearer x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (_POST + b"Authorization: Bearer x\r\nContent-Length: 4000000\r\n\r\n", b"a"),
    ),
    "json": ((b"[", b"{},"), (b"[", b'{"device":"a","values":{"ph":7}},')),
    "senml-json": ((b"[", b'{"n":"a","v":1},'), (b"[", b"{},")),
    "coap-json": ((b"[", b'{"n":"a","v":1},'), (b"[", b"{},")),
    "nmea0183": ((b"".join(b"\\s:%d*%02x\\$GPHDT,1,T*16\n" % (n, 0) for n in range(900)), b"$"),),
}  # fmt: skip
"""(what comes first, what then comes again and again)."""


def floods(protocol: str) -> Iterator[tuple[bytes, bytes]]:
    """(what comes first, what then comes again and again): half frames, and the seeds cut at several places."""
    seed = SEEDS[protocol]
    yield from OPENINGS.get(protocol, ())
    for unit in HALF_FRAMES[protocol]:
        yield b"", unit
    frame = seed.reports[0]
    for size in {4, len(frame) // 2, len(frame) - 1}:
        yield b"", frame[:size]


def flood(opening: bytes, unit: bytes, size: int) -> bytes:
    return (opening + unit * (size // len(unit) + 1))[:size]


def spent(protocol: str, data: bytes, chunk: int) -> tuple[float, float]:
    """CPU seconds of this thread for all feeds and the end, and for the longest single feed: what others do does not count."""
    codec = make(protocol)
    longest = 0.0
    gc.disable()  # a collection's length is that of everything the test run holds
    try:
        began = last = time.thread_time()
        for at in range(0, len(data), chunk):
            codec.feed(data[at : at + chunk], NOW)
            if chunk > 1:
                now = time.thread_time()
                longest, last = max(longest, now - last), now
        codec.end(NOW)
        return time.thread_time() - began, longest
    finally:
        gc.enable()


def complaint(protocol: str, data: bytes, chunk: int) -> str:
    """What is too slow in the best of several attempts, "" where nothing is."""
    size = len(data)
    half = whole = longest = float("inf")
    for _ in range(ATTEMPTS):
        whole_now, longest_now = spent(protocol, data, chunk)
        whole, longest = min(whole, whole_now), min(longest, longest_now)
        if whole > GRAIN_S:
            half = min(half, spent(protocol, data[: size // 2], chunk)[0])
        why = judged(size, half, whole, longest if chunk == SLICE_BYTES else 0.0)
        if not why:
            break
    return why


def judged(size: int, half: float, whole: float, longest: float) -> str:
    """What is too slow of the CPU seconds for half of `size` bytes, for all of them, and for the longest feed of a slice."""
    if whole >= size * CPU_S_PER_BYTE:
        return f"{whole / size * 1e6:.1f} us a byte"
    if whole > GRAIN_S and whole >= 3 * half + 0.05:
        return f"{half:.3f} s for half of it, {whole:.3f} s for all"
    if longest >= FEED_S:
        return f"one feed took {longest:.3f} s"
    return ""


def check_cost(protocol: str, chunk: int, size: int) -> None:
    for opening, unit in floods(protocol):
        why = complaint(protocol, flood(opening, unit, size), chunk)
        assert not why, f"{opening[:20]!r} then {unit[:40]!r} in chunks of {chunk}: {why}"


def check_memory(protocol: str, size: int) -> None:
    """In chunks of 64 KiB; what was handed out is let go, as the hub does."""
    most = min(MEMORY_BYTES, size * MEMORY_BYTES_PER_BYTE)
    for opening, unit in floods(protocol):
        data = flood(opening, unit, size)
        codec = make(protocol)
        tracemalloc.start()
        try:
            for at in range(0, len(data), 65_536):
                codec.feed(data[at : at + 65_536], NOW)
            codec.end(NOW)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < most, f"{opening[:20]!r} then {unit[:40]!r}: {peak >> 10} KiB for {size >> 10} KiB"


def test_every_codec_is_flooded() -> None:
    assert set(HALF_FRAMES) == set(PROTOCOLS)


@pytest.mark.parametrize(
    ("half", "whole", "longest", "what"),
    [
        (0.3, 0.6, 0.05, ""),
        (0.7, 1.4, 0.05, "21.4 us a byte"),
        (0.2, 0.8, 0.05, "for half of it"),
        (0.3, 0.6, 0.2, "one feed took"),
    ],
)
def test_the_law_sees_what_is_too_slow(half: float, whole: float, longest: float, what: str) -> None:
    why = judged(65_536, half, whole, longest)
    assert what in why
    assert bool(why) == bool(what)


@pytest.mark.long
@pytest.mark.parametrize("chunk", SIZES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_byte_costs_more_than_its_share(protocol: str, chunk: int) -> None:
    check_cost(protocol, chunk, SIZES[chunk])


@pytest.mark.long
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_flood_needs_much_memory(protocol: str) -> None:
    check_memory(protocol, FLOOD_BYTES)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("chunk", LONG_SIZES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_byte_of_a_long_flood_costs_more_than_its_share(protocol: str, chunk: int) -> None:
    check_cost(protocol, chunk, LONG_SIZES[chunk])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_long_flood_needs_much_memory(protocol: str) -> None:
    check_memory(protocol, LONG_FLOOD_BYTES)
