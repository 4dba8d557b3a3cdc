"""Cases from the field that several protocols share: positions without a fix, clocks that are useless, names and epochs in pieces."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.ais.codec import AisCodec
from adapters.gt06.codec import Gt06Codec, Gt06CodecOptions
from adapters.nmea0183.codec import Nmea0183Codec, Nmea0183CodecOptions
from adapters.osmand.codec import OsmandCodec, OsmandCodecOptions
from adapters.transport import StreamOptions
from hub.device_clock import ROLLOVER_NS, without_rollover
from hub.ingest import Ingest
from hub.ledger import Ledger
from hub.log import Log
from hub.model import Device, Fault, FaultKind, Message, Position, Reading, Verdict
from hub.moment import SECOND, from_text
from hub.options import IngestOptions
from hub.registry import Registry
from hub.validation import Validator
from tests.adapters.test_gt06 import GPS, LOGIN, frame

NOW = from_text("2026-11-22T08:00:10Z")


def nmea(*bodies: str) -> bytes:
    lines = []
    for body in bodies:
        check = 0
        for character in body.encode():
            check ^= character
        lines.append(f"${body}*{check:02X}\r\n")
    return "".join(lines).encode()


def gga(talker: str, satellites: int, lat: str = "3114.0000", quality: int = 1, second: int = 1) -> str:
    return f"{talker}GGA,0800{second:02d}.00,{lat},N,12129.0000,E,{quality},{satellites:02d},1.0,5.0,M,0.0,M,,"


# ---------------------------------------------------------------------------------------- 0/0 with a valid flag (5.12)


def of_osmand() -> list[Message]:
    return OsmandCodec(OsmandCodecOptions()).feed(
        b"GET /?id=7&lat=0&lon=0&speed=10&timestamp=1795334400 HTTP/1.1\r\n\r\n"
    )


def of_gt06() -> list[Message]:
    codec = Gt06Codec(Gt06CodecOptions())
    codec.feed(LOGIN)
    zero = bytes.fromhex("1a0b16080000") + b"\xcf" + bytes(8) + b"\x2c\x14\x97"
    return codec.feed(frame(0x22, zero + bytes.fromhex("01cc0075c3009333010000")))


def of_nmea() -> list[Message]:
    codec = Nmea0183Codec(Nmea0183CodecOptions())
    body = "GPRMC,080000.00,A,0000.0000,N,00000.0000,E,10.0,90.0,221126,,,A"
    return [*codec.feed(nmea(body), NOW), *codec.end(NOW)]


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    log = Log(tmp_path / "log")
    yield log
    await log.close()


@pytest.mark.parametrize("of", [of_osmand, of_gt06, of_nmea])
@pytest.mark.parametrize("keep", [False, True])
async def test_nobody_is_in_the_gulf_of_guinea(log: Log, of: Any, keep: bool) -> None:
    ingest = Ingest(log, Registry(), Ledger(), lambda: NOW, IngestOptions(zero_position=keep))
    verdicts = await ingest.door("trackers", unknown_devices="admit").submit(of())
    assert verdicts[-1] is Verdict.STORED
    (stored,) = log.events.read_now(0, 10).entries
    assert "speed" in stored.values
    faults = log.quarantine.read_now(0, 10).entries
    if keep:
        assert (stored.position.lon, stored.position.lat) == (0, 0)
        assert not faults
    else:
        assert stored.position is None
        assert [fault.kind for fault in faults] == [FaultKind.POSITION]
        assert "lon 0, lat 0 is no fix" in faults[0].detail
    counts = ingest.ledger.of("trackers")
    assert counts.faults.get("position", 0) == (0 if keep else 1)
    assert counts.balances()


async def test_a_position_of_nowhere_alone_is_refused_whole(log: Log) -> None:
    ingest = Ingest(log, Registry(), Ledger(), lambda: NOW, IngestOptions())
    door = ingest.door("trackers", unknown_devices="admit")
    assert await door.submit([Message([Reading("a", NOW, {}, Position(0.0, 0.0))], [], "a")]) == [Verdict.REFUSED]
    assert await door.submit([Message([Reading("a", NOW, {}, Position(0.0, 5.0))], [], "a")]) == [Verdict.STORED]


def test_decode_says_so_too() -> None:
    line = "GET /?id=7&lat=0&lon=0&speed=10 HTTP/1.1\\r\\n\\r\\n"
    done = subprocess.run(
        [sys.executable, "-m", "hub.cli", "decode", "osmand"], input=line, capture_output=True, text=True
    )
    assert '"lon"' not in done.stdout.partition('"detail"')[0]
    assert '"kind":"position"' in done.stdout
    assert '"speed":18.52' in done.stdout


# --------------------------------------------------------------------------------------------- clocks of devices (5.15)


@pytest.mark.parametrize("turns", [1, 2])
def test_a_clock_that_rolled_over_is_moved_on_where_that_is_certain(turns: int) -> None:
    behind = NOW - turns * ROLLOVER_NS
    assert without_rollover(behind, NOW) == NOW
    assert without_rollover(behind - 20 * 86_400 * SECOND, NOW) == NOW - 20 * 86_400 * SECOND
    assert without_rollover(behind + 300 * SECOND, NOW) == NOW + 300 * SECOND


@pytest.mark.parametrize(
    ("observed", "remedy"),
    [
        (NOW - ROLLOVER_NS, 'the week number of its receiver has rolled over; clock = "gps-week" on its adapter'),
        (
            NOW - 12 * 365 * 86_400 * SECOND,
            "set the device's clock, or let the hub's count: clock = \"hub\" on its adapter",
        ),
        (NOW + ROLLOVER_NS, "set the device's clock (or its time zone), or let the hub's count"),
    ],
)
def test_who_keeps_a_wrong_clock_out_says_what_can_be_done(observed: int, remedy: str) -> None:
    """Nobody can set the clock of a receiver that has rolled over."""
    [finding] = Validator(IngestOptions()).check(Reading("g", observed, {"water_level": 1.0}), NOW) or []
    assert remedy in finding.detail


def test_other_clocks_are_left_alone() -> None:
    for observed in (
        NOW,
        NOW - 3600 * SECOND,
        NOW + 700 * SECOND,
        NOW - ROLLOVER_NS // 2,
        NOW - ROLLOVER_NS - 40 * 86_400 * SECOND,
    ):
        assert without_rollover(observed, NOW) == observed


@pytest.mark.parametrize(
    ("door", "of_device"), [("hub", None), ("device", "hub"), ("gps-week", None), ("device", "gps-week")]
)
async def test_the_hubs_time_for_a_device_or_a_door(log: Log, door: str, of_device: str | None) -> None:
    attributes: dict[str, float | str] = {"clock": of_device} if of_device else {}
    registry = Registry(devices={"truck": Device("truck", attributes=attributes)})
    ingest = Ingest(log, registry, Ledger(), lambda: NOW, IngestOptions())
    wrong = NOW - ROLLOVER_NS
    taken = await ingest.door("trackers", clock=door).submit(
        [Message([Reading("truck", wrong, {"speed": 1.0})], [], "truck")]
    )
    assert taken == [Verdict.STORED]
    (stored,) = log.events.read_now(0, 10).entries
    assert stored.observed_at == NOW


def of_jt808() -> list[Message]:
    from adapters.jt808 import Jt808CodecOptions, codec
    from adapters.jt808.wire import encode
    from tests.adapters.jt808.frames import OLD, location

    using = codec(Jt808CodecOptions())
    frames = [
        encode(OLD, 0x0200, 7, location(time="000000000000")),
        encode(OLD, 0x0200, 8, location(time="261332256199")),
    ]
    return [message for raw in frames for message in using.feed(raw, NOW)]


def of_gt06() -> list[Message]:
    codec = Gt06Codec(Gt06CodecOptions())
    return [*codec.feed(LOGIN + frame(0x12, bytes(6) + GPS[6:]), NOW)][1:]


def of_hj212() -> list[Message]:
    from adapters.hj212.codec import Hj212Codec, Hj212CodecOptions
    from tests.adapters.test_hj212 import frame

    said = "ST=22;CN=2011;MN=S1;CP=&&DataTime=00000000000000;a34004-Rtd=35&&"
    return Hj212Codec(Hj212CodecOptions()).feed(frame(said), NOW)


def of_teltonika() -> list[Message]:
    from adapters.teltonika.packet import Record

    faults: list[Fault] = []
    record = Record((1 << 63, 0, 0, 0, 0, 90, 0, 30, 0, 0), [[], [], [], []], [])
    assert record.reading("teltonika:1", faults) is None
    return [Message([], faults, "teltonika:1")]


def of_gb32960() -> list[Message]:
    from tests.adapters.test_gb32960 import VEHICLE_2016, decode, frame

    return decode(frame(2, bytes(6) + VEHICLE_2016), coordinates="wgs84")


def of_gb26875() -> list[Message]:
    from tests.adapters.test_gb26875 import TIME, decode, frame, part

    return decode(frame("0201" + part(2).replace(TIME, "3f3f1f00000c")))


def of_sl651() -> list[Message]:
    from tests.adapters.test_sl651 import HEAD, decode, frame

    return decode(frame(0x32, HEAD.replace("2405010800", "0000000000") + "20 19 000125 38 12 1312"))


def of_sl651_without_an_observation_time() -> list[Message]:
    from tests.adapters.test_sl651 import decode, frame

    return decode(frame(0x32, "0003 000000000000 20 19 000125 39 23 00028960"))


def of_nmea0183() -> list[Message]:
    codec = Nmea0183Codec(Nmea0183CodecOptions())
    said = nmea("GPRMC,999999.99,V,,,,,12.0,90.0,000000,,,A", "GPGGA,999999.99,,,,,0,03,2.5,,M,,M,,")
    return [*codec.feed(said, NOW), *codec.end(NOW)]


def of_osmand_in_a_query() -> list[Message]:
    return OsmandCodec(OsmandCodecOptions()).feed(b"GET /?id=7&batt=50&timestamp=0000-00-00T00:00:00Z HTTP/1.1\r\n\r\n")


def of_osmand_in_json() -> list[Message]:
    body = b'{"device_id":"7","location":{"timestamp":"never","battery":{"level":0.5}}}'
    head = b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return OsmandCodec(OsmandCodecOptions()).feed(head + body)


def of_json() -> list[Message]:
    from adapters.json import decode_native

    return [decode_native(b'{"device":"a","time":"1970-00-00 00:00:00","values":{"water_level":1.5}}', NOW)]


def of_mapped_json() -> list[Message]:
    from adapters.json import read_map

    maps = read_map({"device": "{id}", "time": {"path": "t", "format": "%Y"}, "values": {"water_level": "h"}})
    return [maps.decode(b'{"id":"a","t":"not set","h":1.5}', NOW)]


WITHOUT_A_CLOCK = [
    of_jt808, of_gt06, of_hj212, of_teltonika, of_gb32960, of_gb26875, of_sl651, of_sl651_without_an_observation_time, of_nmea0183,
    of_osmand_in_a_query, of_osmand_in_json, of_json, of_mapped_json,
]  # fmt: skip


@pytest.mark.parametrize("said", WITHOUT_A_CLOCK)
@pytest.mark.parametrize("clock", ["hub", "device"])
async def test_a_clock_that_shows_no_time_at_all_keeps_nothing_out_where_the_hubs_counts(
    log: Log, said: Callable[[], list[Message]], clock: str
) -> None:
    """Zeros until the first fix are the most usual of all useless clocks, and were refused for ever with `clock = "hub"` too."""
    messages = said()
    assert [fault.kind for message in messages for fault in message.faults] == [FaultKind.TIME] * len(messages)
    ledger = Ledger()
    door = Ingest(log, Registry(), ledger, lambda: NOW, IngestOptions()).door("trackers", "", "admit", clock=clock)
    taken = await door.submit(messages)
    stored = log.events.read_now(0, 10).entries
    if clock == "device":
        assert taken == [Verdict.REFUSED] * len(messages)
        assert stored == []
        return
    assert taken == [Verdict.STORED] * len(messages)
    assert [entry.observed_at - NOW for entry in stored] == list(range(len(messages)))
    assert all(entry.values for entry in stored)
    counts = ledger.adapters["trackers"]
    assert (counts.received, counts.quarantined) == (len(messages), 0)


# ------------------------------------------------------------------------------------------- epochs and names (5.10 to 5.14)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_gga_of_two_talkers_in_one_second_is_one_epoch(order: tuple[int, int]) -> None:
    sentences = [gga("GP", 9), gga("GL", 2, "3114.9000")]
    codec = Nmea0183Codec(Nmea0183CodecOptions())
    messages = [*codec.feed(nmea(*(sentences[at] for at in order), gga("GP", 9, second=2)), NOW), *codec.end(NOW)]
    readings = [reading for message in messages for reading in message.readings]
    assert [reading.values["satellites"] for reading in readings] == [9, 9]
    assert readings[0].position is not None
    assert round(readings[0].position.lat, 4) == 31.2333
    assert not [fault for message in messages for fault in message.faults]


def test_a_constellation_without_a_fix_takes_none_away() -> None:
    codec = Nmea0183Codec(Nmea0183CodecOptions())
    (message,) = [*codec.feed(nmea(gga("GP", 7), gga("GA", 0, quality=0)), NOW), *codec.end(NOW)]
    assert message.readings[0].position is not None


def test_the_same_talker_twice_in_a_second_is_two_epochs() -> None:
    codec = Nmea0183Codec(Nmea0183CodecOptions())
    assert len([*codec.feed(nmea(gga("GP", 7), gga("GP", 8)), NOW), *codec.end(NOW)]) == 2


@pytest.mark.parametrize("imei", ["0357789648774484", "0104123456789012", "0899999999999999"])
def test_an_imei_in_front_of_the_date(imei: str) -> None:
    codec = Gt06Codec(Gt06CodecOptions())
    codec.feed(LOGIN)
    content = bytes.fromhex(imei) + bytes.fromhex("180c06142038") + GPS[6:] + bytes.fromhex("01cc0075c3009333010000")
    (message,) = codec.feed(frame(0x22, content))
    assert not message.faults
    assert message.readings[0].observed_at == from_text("2024-12-06T20:32:56Z")


def aid(name: str, extension: str) -> bytes:
    """A type 21 report by ITU-R M.1371-5, table 73: bits into 6-bit armour into a sentence."""

    def text(words: str, characters: int) -> str:
        codes = [ord(c) - 64 if ord(c) >= 64 else ord(c) for c in words.ljust(characters, "@")]
        return "".join(f"{code:06b}" for code in codes)

    def number(value: int, width: int) -> str:
        return f"{value & (1 << width) - 1:0{width}b}"

    bits = number(21, 6) + number(0, 2) + number(993_672_001, 30) + number(5, 5) + text(name, 20) + "0"
    bits += (
        number(int(-80.29 * 600_000), 28) + number(int(27.47 * 600_000), 27) + "0" * 30 + number(7, 4) + number(60, 6)
    )
    bits += "0" + "0" * 8 + "0000"
    assert len(bits) == 272
    bits += text(extension, len(extension))
    fill = -len(bits) % 6
    bits += "0" * fill
    armour = "".join(
        chr(code + 48 if code < 40 else code + 56)
        for code in (int(bits[at : at + 6], 2) for at in range(0, len(bits), 6))
    )
    parts = [armour[at : at + 60] for at in range(0, len(armour), 60)]
    lines = b""
    for at, part in enumerate(parts, 1):
        body = f"AIVDM,{len(parts)},{at},1,A,{part},{fill if at == len(parts) else 0}"
        check = 0
        for character in body.encode():
            check ^= character
        lines += f"!{body}*{check:02X}\r\n".encode()
    return lines


@pytest.mark.parametrize(
    ("name", "extension", "full"),
    [
        ("FORT PIERCE INLET LB", " 6", "FORT PIERCE INLET LB 6"),
        ("FORT PIERCE INLET LB", "", "FORT PIERCE INLET LB"),
        ("FORT PIERCE INLET L@", "XYZ", "FORT PIERCE INLET L"),
        ("BUOY 7", "GARBAGE", "BUOY 7"),
        ("A NAME THAT GOES ON ", "AND ON", "A NAME THAT GOES ON AND ON"),
        ("FORT PIERCE INLET LB", "OY 6@@@", "FORT PIERCE INLET LBOY 6"),
    ],
)
def test_names_of_aids_to_navigation(name: str, extension: str, full: str) -> None:
    messages = AisCodec().feed(aid(name, extension), NOW)
    (reading,) = [reading for message in messages for reading in message.readings]
    assert reading.values["name"] == full


def test_hello_is_for_connections_of_our_own() -> None:
    with pytest.raises(ValueError, match="hello is for connections"):
        StreamOptions(listen="tcp://127.0.0.1:0", hello="x")


async def test_hello_is_said_again_on_every_connection() -> None:
    from tests.adapters.transport.peers import Hub, running, until

    said: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.append(await reader.readline())
        writer.write(b"a 1\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running(Hub(), connect=f"tcp://127.0.0.1:{port}", hello="?WATCH\n", reconnect_min_s=0.01):
        await until(lambda: len(said) >= 2)
    server.close()
    # Only the first two: the adapter is stopped while it connects once more, and that connection may end unsaid.
    assert said[:2] == [b"?WATCH\r\n"] * 2
