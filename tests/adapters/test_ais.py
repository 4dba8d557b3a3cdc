"""AIS: the vectors, the recordings, the laws of codecs, and what receivers do to a stream."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyais.encode import encode_dict

from adapters.ais import PLUGIN, AisOptions
from adapters.ais.codec import AisCodec
from adapters.ais.fragments import WAITING_MAX
from adapters.ais.report import kind_of, parse_any, parse_position, ship_type
from adapters.ais.sentence import parse_suffix
from adapters.nmea0183.line import LINE_BYTES_MAX, parse_tag_block, unix_time, xor
from adapters.transport import StreamAdapter
from hub.metrics import vocabulary
from hub.model import FaultKind, Message, Reading, Verdict
from hub.moment import SECOND, from_text, to_text
from tests.adapters.transport.peers import Hub, port_of, until
from tests.shared import shared_path

NOON = from_text("2026-11-22T12:00:05Z")
MOORED = b"!AIVDM,1,1,,B,15M67FC000G?ufbE`FepT@3n00Sa,0*5C\r\n"
FERRY = (
    b"!AIVDM,2,1,4,A,55O0W7`00001L@gCWGA2uItLth@DqtL5@F22220j1h742t0Ht0000000,0*08\r\n",
    b"!AIVDM,2,2,4,A,000000000000000,2*20\r\n",
)
DIADEM = (
    b"!AIVDM,2,1,4,A,55?MbV02;H;s<HtKR20EHE:0@T4@Dn2222222216L961O5Gf0NSQEp6ClRp8,0*19\r\n",
    b"!AIVDM,2,2,4,A,88888888880,2*20\r\n",
)


def decode(*lines: bytes, received_at: int | None = None, codec: AisCodec | None = None) -> list[Message]:
    codec = codec or AisCodec()
    messages: list[Message] = []
    for line in lines:
        messages += codec.feed(line, received_at)
    return messages + codec.end(received_at)


def readings(messages: list[Message]) -> list[Reading]:
    return [reading for message in messages for reading in message.readings]


def kinds(messages: list[Message]) -> list[FaultKind]:
    return [fault.kind for message in messages for fault in message.faults]


def sealed(text: str) -> bytes:
    """A sentence with its checksum."""
    return f"{text}*{xor(text[1:].encode()):02X}\r\n".encode()


def tagged(tag: str, line: bytes) -> bytes:
    return f"\\{tag}*{xor(tag.encode()):02X}\\".encode() + line


def encoded(**fields: Any) -> list[bytes]:
    return [line.encode() + b"\r\n" for line in encode_dict(fields, talker_id="AI")]


# --------------------------------------------------------------------------------------------------------- vectors


def vectors() -> Iterator[dict[str, Any]]:
    for line in shared_path("vectors/ais.jsonl").read_text().splitlines():
        yield json.loads(line)


def test_every_vector_shows_what_pyais_shows_or_says_why_not() -> None:
    count = 0
    for vector in vectors():
        expected = vector["expected"]
        messages = decode(vector["raw_text"].encode())
        wanted = expected.get("pyais_3_3_1_decode")
        if wanted is None:
            continue
        count += 1
        if not all(expected["checksums_ok"]):
            assert not readings(messages), vector
            assert FaultKind.CHECKSUM in kinds(messages), vector
            continue
        assert messages[-1].body is not None, vector
        detail = messages[-1].body.detail()
        assert {name: detail.get(name) for name in wanted} == wanted, vector
        for reading in readings(messages):
            assert reading.device.partition("@")[0] == f"ais:{wanted['mmsi']:09d}"
            assert_sentinels_are_absent(reading, wanted)
    assert count > 80


def assert_sentinels_are_absent(reading: Reading, fields: dict[str, Any]) -> None:
    values = reading.values
    if fields.get("lon") in (None, 181.0) or fields.get("lat") in (None, 91.0):
        assert reading.position is None
    elif abs(fields["lon"]) <= 180 and abs(fields["lat"]) <= 90:
        assert reading.position is not None
        assert (reading.position.lon, reading.position.lat) == (fields["lon"], fields["lat"])
    if "speed" in fields and fields["msg_type"] in (1, 2, 3, 18, 19):
        assert values.get("sog") == (None if fields["speed"] == 102.3 else fields["speed"])
        assert values.get("cog") == (None if fields["course"] == 360.0 else fields["course"])
        assert values.get("heading") == (None if fields["heading"] == 511 else fields["heading"])
    if "turn" in fields:
        assert values.get("rot") == (None if fields["turn"] in (-128.0, 127.0, -127.0) else fields["turn"])
    if fields["msg_type"] == 5:
        assert values.get("draught") == (fields["draught"] or None)
        assert values.get("name") == (fields["shipname"] or None)
        assert ("eta" in values) == (fields["month"] != 0)
    assert all(metric in vocabulary() for metric in values)


def test_the_vectors_with_a_behaviour() -> None:
    seen = 0
    for vector in vectors():
        expected = vector["expected"]
        behaviour = expected.get("behaviour", "")
        messages = decode(vector["raw_text"].encode())
        if "fragment count 0" in behaviour:
            assert FaultKind.SYNTAX in kinds(messages)
        elif "first half only" in behaviour or "orphan second" in behaviour:
            codec = AisCodec()
            assert readings(decode(vector["raw_text"].encode(), received_at=NOON, codec=codec)) == []
            assert kinds(codec.feed(b"", NOON + 31 * SECOND)) == [FaultKind.INCOMPLETE]
        elif "reversed" in vector["source"]:
            assert [reading.device for reading in readings(messages)] == ["ais:368060190"]
        elif "emit once" in behaviour:
            assert [reading.device for reading in readings(messages)] == ["ais:368060190"]
            assert messages[-1].body.detail()["duplicate"] is True
        elif "crossed" in behaviour:
            told = [[int(reading.device[4:]), reading.values["name"]] for reading in readings(messages)]
            assert told == expected["truth"]
        else:
            continue
        seen += 1
    assert seen >= 6


# ------------------------------------------------------------------------------------------------------ recordings


@pytest.mark.parametrize(
    ("name", "sentences", "reports", "with_reading", "devices"),
    [
        ("dma_stream_example_20100611.txt.gz", 4500, 4051, 3665, 1932),
        ("norwegian_20241209.raw", 223, 196, 193, 187),
        ("pyais_nmea_data_sample.txt", 898, 778, 766, 167),
    ],
)
def test_every_line_of_a_recording_is_accounted_for(
    name: str, sentences: int, reports: int, with_reading: int, devices: int
) -> None:
    path = shared_path(f"data/ais_raw_nmea/{name}")
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    codec = AisCodec()
    messages = decode(data, received_at=NOON, codec=codec)
    waiting = codec.feed(b"", NOON + 3600 * SECOND)
    assert len(messages) - sum(FaultKind.INCOMPLETE in kinds([message]) for message in messages) <= sentences
    whole = [message for message in messages if message.body is not None and not message.body.note]
    parts = [message for message in messages if message.body is not None and message.body.note]
    faulty = [message for message in messages if message.body is None]
    assert len(whole) + len(parts) + len(faulty) == sentences
    assert len(whole) == reports
    assert len(readings(messages)) + codec.duplicates == with_reading
    assert len({message.device for message in messages if message.device}) == devices
    assert all(message.readings or message.faults or message.body is not None for message in messages)
    assert set(kinds(waiting)) <= {FaultKind.INCOMPLETE}
    for message in whole:
        json.dumps(message.body.detail())


def test_a_receive_line_dates_and_places_what_follows_it() -> None:
    path = shared_path("data/ais_raw_nmea/dma_stream_example_20100611.txt.gz")
    messages = decode(gzip.decompress(path.read_bytes()))
    times = [reading.observed_at for reading in readings(messages) if reading.kind == "vessel"]
    assert None not in times
    assert {to_text(at)[:10] for at in times if at is not None} == {"2010-06-11"}
    assert messages[0].body.detail()["station"] == "231-45-992190934"
    assert messages[0].body.detail()["station_time"] == "2010-06-11T11:46:11.39Z"


# ---------------------------------------------------------------------------------------------------------- fields


def test_a_position_report_in_the_words_of_the_vocabulary() -> None:
    (message,) = decode(MOORED)
    assert message.device == "ais:366053209"
    assert message.raw == MOORED.strip()
    (reading,) = message.readings
    assert reading.observed_at is None
    assert reading.kind == "vessel"
    assert reading.position is not None
    assert (reading.position.lon, reading.position.lat) == (-122.341618, 37.802118)
    assert reading.values == {
        "sog": 0.0,
        "cog": 219.3,
        "heading": 1,
        "rot": 0.0,
        "nav_status": "restricted manoeuvrability",
    }
    assert AisCodec().reply(message, Verdict.STORED, 0) is None


@pytest.mark.parametrize(
    ("received", "observed"),
    [
        ("2026-11-22T12:00:05Z", "2026-11-22T11:59:59Z"),
        ("2026-11-22T12:00:59.7Z", "2026-11-22T12:00:59Z"),
        ("2026-11-22T11:59:57.2Z", "2026-11-22T11:59:59Z"),
        ("2026-11-22T12:00:25Z", "2026-11-22T11:59:59Z"),
    ],
)
def test_the_second_of_a_report_refines_its_receive_time(received: str, observed: str) -> None:
    (message,) = decode(MOORED, received_at=from_text(received))  # its second is 59
    at = message.readings[0].observed_at
    assert at is not None
    assert to_text(at) == observed


def test_seconds_that_are_no_seconds_leave_the_receive_time() -> None:
    for vector in vectors():
        if "not a time" in vector["expected"].get("note", "") or "second 60" in vector["expected"].get("note", ""):
            messages = decode(vector["raw_text"].encode(), received_at=NOON + 123)
            assert all(reading.observed_at == NOON + 123 for reading in readings(messages))


def test_a_static_report_is_a_reading_without_a_position() -> None:
    lines = encoded(
        msg_type=5, mmsi=413123456, imo=9811000, callsign="BQXY", shipname="EVER GIVEN", ship_type=71, to_bow=200,
        to_stern=199, to_port=30, to_starboard=29, month=3, day=24, hour=6, minute=30, draught=15.7,
        destination="ROTTERDAM",
    )  # fmt: skip
    (reading,) = readings(decode(*lines))
    assert reading.position is None
    assert reading.values == {
        "name": "EVER GIVEN",
        "callsign": "BQXY",
        "imo": "9811000",
        "ship_type": "cargo, hazardous category A",
        "length": 399.0,
        "beam": 59.0,
        "to_bow": 200.0,
        "to_port": 30.0,
        "draught": 15.7,
        "eta": "03-24T06:30Z",
        "destination": "ROTTERDAM",
    }


def test_a_size_without_the_place_of_the_antenna() -> None:
    """ITU-R M.1371-5, annex 8, 3.3.3: bow and port 0, stern and starboard not."""
    (reading,) = readings(decode(*encoded(msg_type=5, mmsi=413123456, to_stern=180, to_starboard=28)))
    assert {name: reading.values.get(name) for name in ("length", "beam", "to_bow", "to_port")} == {
        "length": 180.0,
        "beam": 28.0,
        "to_bow": None,
        "to_port": None,
    }


def test_class_b_static_parts_join_their_vessel_and_a_tender_keeps_its_size_to_itself() -> None:
    part_a = encoded(msg_type=24, mmsi=338091445, partno=0, shipname="FEC TEST")
    part_b = encoded(msg_type=24, mmsi=338091445, partno=1, ship_type=37, callsign="WX1", to_bow=6, to_stern=4)
    first, second = readings(decode(*part_a, *part_b))
    assert (first.device, first.values) == ("ais:338091445", {"name": "FEC TEST"})
    assert second.device == "ais:338091445"
    assert second.values == {"callsign": "WX1", "ship_type": "pleasure craft", "length": 10.0, "to_bow": 6.0}
    (tender,) = readings(decode(b"!AIVDO,1,1,,A,H>W@vFTe6??406t2??21J0Wg8Jb0,0*6F\r\n"))
    assert (tender.kind, tender.values) == ("craft", {"callsign": "BOOBAZ", "ship_type": "high-speed craft"})


def test_other_stations_have_their_own_kinds() -> None:
    (base,) = readings(decode(b"!AIVDM,1,1,,A,403OviQuMGCqWrRO9>E6fE700@GO,0*4D\r\n", received_at=NOON))
    assert (base.device, base.kind) == ("ais:003669702", "ais-base-station")
    assert base.observed_at == from_text("2007-05-14T19:57:39Z")
    (aircraft,) = readings(decode(b"!AIVDM,1,1,,A,91b55vRCQvOo4PLLww<3cGh20@Br,0*79\r\n"))
    assert aircraft.kind == "sar-aircraft"
    assert aircraft.position is not None
    assert aircraft.position.alt == 590
    assert aircraft.values == {"sog": 126.0, "cog": 94.1}
    (aid,) = readings(
        decode(b"!AIVDM,1,1,,B,E>jHDL1W73nWaanah7S39T7a2h;wror=@5nL`A2AISd002CQ1PDS@0,4*39\r\n", received_at=NOON)
    )
    assert aid.kind == "aid-to-navigation"
    assert aid.values == {"name": "NNG-OSS-S OFFSHORE WINDFARM", "off_position": False}
    (far,) = readings(decode(b"!AIVDM,1,1,,B,KC5E2b@U19PFdLbMuc5=ROv62<7m,0*16\r\n", received_at=NOON))
    assert far.values == {"sog": 57.0, "cog": 167.0, "nav_status": "not under command"}
    (alarm,) = readings(decode(*encoded(msg_type=14, mmsi=972123456, text="MOB ACTIVE")))
    assert (alarm.kind, alarm.values) == ("ais-man-overboard", {"text": "MOB ACTIVE"})
    assert kind_of(970123456) == "ais-sart"
    assert kind_of(974123456) == "ais-epirb"
    assert kind_of(111232506) == "sar-aircraft"
    assert [ship_type(number) for number in (0, 38, 57, 60, 89, 255)] == ["", "", "", "passenger", "tanker", ""]


@pytest.mark.parametrize("msg_type", [4, 11])
@pytest.mark.parametrize(
    ("year", "own"),
    [
        (1, False),
        (1254, False),
        (1969, False),
        (1970, True),
        (2261, True),
        (2262, False),
        (2263, False),
        (9999, False),
        (16383, False),
    ],
)
def test_a_base_station_beyond_the_year_2261_has_no_time_of_its_own(msg_type: int, year: int, own: bool) -> None:
    """Its 14 bits of year reach 16383, 64 bits of nanoseconds only 2262: the report counts, at the time it was received."""
    lines = encoded(
        msg_type=msg_type, mmsi=3669702, year=year, month=12, day=31, hour=23, minute=59, second=58, lon=1, lat=2
    )
    (reading,) = readings(decode(*lines, received_at=NOON))
    assert reading.position is not None
    assert reading.observed_at == (from_text(f"{year}-12-31T23:59:58Z") if own else NOON)


def test_the_end_of_a_scale_is_marked_and_what_cannot_be_is_a_fault() -> None:
    (fast,) = readings(decode(*encoded(msg_type=1, mmsi=413123456, speed=102.2, lon=1, lat=1)))
    assert fast.values["sog"] == 102.2
    assert fast.marks == {"sog": "over-range"}
    (message,) = decode(*encoded(msg_type=18, mmsi=413123456, speed=5, lon=200, lat=95, course=370, heading=400))
    assert [fault.kind for fault in message.faults] == [FaultKind.POSITION, FaultKind.VALUE, FaultKind.VALUE]
    assert message.readings[0].values == {"sog": 5.0}
    assert message.readings[0].position is None
    (nobody,) = decode(*encoded(msg_type=1, mmsi=0, lon=1, lat=1))
    assert kinds([nobody]) == [FaultKind.VALUE]


def test_a_weather_broadcast_is_converted_and_dated_by_its_station() -> None:
    lines = encoded(
        msg_type=8, mmsi=2655619, dac=1, fid=31, lon=18.931983, lat=59.66375, day=21, hour=23, minute=50, wspeed=20,
        wgust=127, wdir=270, airtemp=-3.4, humidity=101, dewpoint=50.1, pressure=1013, visibility=5.0,
        waterlevel=-0.25, watertemp=50.1,
    )  # fmt: skip
    (reading,) = readings(decode(*lines, received_at=from_text("2026-11-22T00:04:00Z")))
    assert (reading.device, reading.kind) == ("ais:002655619@59.6638N18.9320E", "weather-station")
    assert reading.observed_at == from_text("2026-11-21T23:50:00Z")
    assert reading.position is not None
    assert reading.values == {
        "wind_speed": 10.289,
        "wind_direction": 270,
        "air_temperature": -3.4,
        "air_pressure": 1013,
        "visibility": 9260.0,
        "water_level": -0.25,
    }


@pytest.mark.parametrize("number", [1, 2, 3, 18])
@given(random=st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_the_quick_way_and_pyais_agree(number: int, random: Any) -> None:
    bits = number << 162 | random.getrandbits(2) << 160 | random.randrange(100_000_000, 999_999_999) << 130
    bits |= random.getrandbits(130)
    payload = bytes(
        code + 48 if code < 40 else code + 56 for code in (bits >> shift & 63 for shift in range(162, -6, -6))
    )
    quick = parse_position(payload, NOON)
    _, general, faults = parse_any(payload, 0, NOON, b"")
    if quick is None:
        assert faults or general[0].marks or general[0].position is None
    else:
        assert not faults
        assert general == [quick]


# -------------------------------------------------------------------------------------------- receivers and streams


def test_tag_blocks_give_station_and_time_in_seconds_or_milliseconds() -> None:
    for stamp in ("1763812805", "1763812805000"):
        (message,) = decode(tagged(f"s:r17,c:{stamp}", MOORED), received_at=NOON)
        assert message.readings[0].observed_at == from_text("2025-11-22T11:59:59Z")
        assert message.body.detail()["station"] == "r17"
    assert parse_tag_block(b"1G2:58944,s:2573225,c:1733782037*63")[0].group == (1, 2, "58944")
    assert unix_time("1733782037.25") == 1_733_782_037_250_000_000
    assert unix_time("88888888880") is None, "the year 4786 is beyond 64 bits of ns"
    assert unix_time("88888888880000") is None
    assert parse_suffix(b",rMHTS99,x,1276256770").station == "rMHTS99"


def test_a_bad_tag_block_is_a_fault_and_its_sentence_is_dated_by_reception() -> None:
    (message,) = decode(b"\\s:r17,c:1763812805*00\\" + MOORED, received_at=NOON)
    assert kinds([message]) == [FaultKind.CHECKSUM]
    assert message.readings[0].observed_at == from_text("2026-11-22T11:59:59Z")
    (message,) = decode(tagged("c:soon", MOORED), received_at=NOON)
    assert kinds([message]) == [FaultKind.TIME]
    assert message.readings


def test_a_suffix_of_the_receiver_is_understood() -> None:
    (message,) = decode(MOORED.strip() + b",r003669945,1763812805\r\n", received_at=NOON)
    assert message.readings[0].observed_at == from_text("2025-11-22T11:59:59Z")
    assert message.body.detail()["station"] == "r003669945"


def test_interleaved_stations_never_cross_their_fragments() -> None:
    wanted = {"ais:368060190": "P/V_GOLDEN_GATE", "ais:351759000": "EVER DIADEM"}
    a, b = "s:north", "s:south"
    lines = [
        (tagged(a, FERRY[0]), tagged(b, DIADEM[0]), tagged(b, DIADEM[1]), tagged(a, FERRY[1])),
        (tagged(a, FERRY[1]), tagged(b, DIADEM[0]), tagged(a, FERRY[0]), tagged(b, DIADEM[1])),
        (
            tagged("g:1-2-71,s:north", FERRY[0]),
            tagged("g:1-2-72,s:south", DIADEM[0]),
            tagged("g:2-2-71", FERRY[1]),
            tagged("g:2-2-72", DIADEM[1]),
        ),
    ]
    for stream in lines:
        got = readings(decode(*stream))
        assert {reading.device: reading.values["name"] for reading in got} == wanted


def test_fragments_of_one_key_join_only_where_their_length_proves_it() -> None:
    wanted = {"ais:368060190": "P/V_GOLDEN_GATE", "ais:351759000": "EVER DIADEM"}
    for order in ((FERRY[0], DIADEM[0], FERRY[1], DIADEM[1]), (FERRY[0], DIADEM[0], DIADEM[1], FERRY[1])):
        messages = decode(*order, received_at=NOON)
        assert {reading.device: reading.values["name"] for reading in readings(messages)} == wanted
    fields = {"msg_type": 5, "shipname": "TWIN", "seq_id": 4}
    twins = [encoded(mmsi=mmsi, destination=f"PORT {mmsi}", **fields) for mmsi in (413000001, 413000002)]
    codec = AisCodec()
    messages = decode(twins[0][0], twins[1][0], twins[1][1], twins[0][1], received_at=NOON, codec=codec)
    assert readings(messages) == []
    assert kinds(messages) == [FaultKind.INCOMPLETE] * 2
    assert kinds(codec.feed(b"", NOON + 31 * SECOND)) == [FaultKind.INCOMPLETE] * 2


def test_a_lost_fragment_gives_no_ship_the_half_of_another() -> None:
    orphan = encoded(msg_type=5, mmsi=413000001, shipname="LOST", destination="NOWHERE", seq_id=4)[1]
    for pause_s in (0, 5, 20, 40):
        codec = AisCodec()
        decode(orphan, received_at=NOON, codec=codec)
        decode(*[MOORED] * (10 * pause_s), received_at=NOON, codec=codec)
        fresh = encoded(msg_type=5, mmsi=413000002, shipname="FRESH", destination="HOME", seq_id=4)
        for reading in readings(decode(*fresh, received_at=NOON + pause_s * SECOND, codec=codec)):
            if pause_s:  # at the same moment, only the length can tell
                assert (reading.device, reading.values["destination"]) == ("ais:413000002", "HOME")
    codec = AisCodec()
    decode(FERRY[0], received_at=NOON, codec=codec)
    decode(*[MOORED] * 250, received_at=NOON, codec=codec)
    assert readings(decode(FERRY[1], received_at=NOON + SECOND, codec=codec)) == []


def test_a_key_used_anew_is_not_shared() -> None:
    codec = AisCodec()
    assert not readings(decode(FERRY[0], received_at=NOON, codec=codec))
    later = decode(*DIADEM, received_at=NOON + 20 * SECOND, codec=codec)  # the key is used anew, not shared
    assert kinds(later) == [FaultKind.INCOMPLETE]
    assert [reading.device for reading in readings(later)] == ["ais:351759000"]


def test_what_waits_for_fragments_is_bounded() -> None:
    codec = AisCodec()
    messages = decode(*(tagged(f"s:{number}", FERRY[0]) for number in range(WAITING_MAX + 10)), codec=codec)
    assert kinds(messages) == [FaultKind.INCOMPLETE] * 10


def test_a_report_heard_twice_is_told_once() -> None:
    codec = AisCodec()
    (first,) = decode(tagged("s:north,c:1763812800", MOORED), codec=codec)
    (second,) = decode(tagged("s:south,c:1763812803", MOORED), codec=codec)
    (third,) = decode(tagged("s:south,c:1763812830", MOORED), codec=codec)
    assert first.readings
    assert second.readings == []
    assert second.body.detail()["duplicate"] is True
    assert second.body.detail()["first_heard"] == "2025-11-22T12:00:00Z"
    assert third.readings
    assert codec.duplicates == 1


def test_other_lines_are_counted_and_junk_is_a_fault_once() -> None:
    codec = AisCodec()
    noise = b"\x00\xff\x10 half a line without any mark\r\n"
    messages = decode(b"$GPRMC,1,2,3*00\r\n", noise, b"\r\n", b"noise" + MOORED, codec=codec)
    assert codec.ignored == 1
    assert kinds(messages) == [FaultKind.FRAME, FaultKind.FRAME]
    assert len(readings(messages)) == 1
    broken = decode(b"!AIVDM,1,1,,B,15M67FC000G?u" + MOORED)
    assert kinds(broken) == [FaultKind.TRUNCATED]
    assert len(readings(broken)) == 1


def test_a_line_without_end_is_one_fault_and_bounded() -> None:
    codec = AisCodec()
    messages = [message for _ in range(100) for message in codec.feed(b"x" * 10_000)]
    messages += codec.feed(b"x\r\n" + MOORED)
    assert kinds(messages) == [FaultKind.OVERSIZE]
    assert len(readings(messages)) == 1
    assert len(messages[0].raw) == LINE_BYTES_MAX


# ------------------------------------------------------------------------------------------------------------- laws


@given(st.binary(max_size=3000), st.sampled_from([b"", b"!AIVDM,", b"\\s:", b"$PGHP,1,", b"!AIVDM,2,1,4,A,"]))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_never_raise_and_decoding_goes_on_behind_them(data: bytes, start: bytes) -> None:
    codec = AisCodec()
    messages = codec.feed(start + data + b"\n", NOON) + codec.end(NOON)
    for message in messages:
        if message.body is not None:
            json.dumps(message.body.detail())
    assert len(readings(decode(MOORED, received_at=NOON + 3600 * SECOND, codec=codec))) == 1


@given(
    st.text("0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVW`abcdefghijklmnopqrstuvw", min_size=1, max_size=70),
    st.integers(0, 5),
)
@settings(max_examples=500, deadline=None)
def test_any_payload_gives_readings_or_faults(payload: str, fill: int) -> None:
    for message in decode(sealed(f"!AIVDM,1,1,,A,{payload},{fill}"), received_at=NOON):
        assert message.readings or message.faults or message.body is not None
        if message.body is not None:
            json.dumps(message.body.detail())
        for reading in message.readings:
            assert set(reading.values) <= set(vocabulary())


STREAM = b"".join(
    [
        MOORED, tagged("s:a,c:1763812805", FERRY[0]), b"junk\r\n", tagged("s:a,c:1763812805", FERRY[1]), b"$GPRMC,1*00\n",
        b"!AIVDM,1,1,,B,,0*25\r\n", b"!AIVDM,1,1,,B,15M67FC000", MOORED, tagged("g:1-2-7", DIADEM[0]), b"y" * 1500, b"\n",
        tagged("g:2-2-7", DIADEM[1]), MOORED.strip(),
    ]
)  # fmt: skip


def test_the_kinds_of_line_in_a_mixed_stream() -> None:
    got = Counter(kinds(decode(STREAM, received_at=NOON)))
    assert got == {FaultKind.FRAME: 1, FaultKind.SYNTAX: 1, FaultKind.TRUNCATED: 1, FaultKind.OVERSIZE: 1}


async def test_fragments_in_datagrams_of_their_own_are_put_together() -> None:
    hub = Hub()
    adapter = StreamAdapter("coast", AisOptions(listen="udp://127.0.0.1:0"), AisCodec)
    task = asyncio.create_task(adapter.run(hub))
    try:
        await until(lambda: adapter.bound)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            for line in (MOORED.strip(), *FERRY):
                receiver.sendto(line, ("127.0.0.1", port_of(adapter)))
            await until(lambda: len(readings(hub.messages)) == 2)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [reading.device for reading in readings(hub.messages)] == ["ais:366053209", "ais:368060190"]


def test_the_plugin() -> None:
    assert PLUGIN.protocol == "ais"
    assert PLUGIN.options is not None
    assert PLUGIN.codec is not None
    assert PLUGIN.adapter is not None
    assert PLUGIN.adapter("coast", PLUGIN.options(listen="udp://127.0.0.1:0")) is not None
