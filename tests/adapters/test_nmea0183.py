"""NMEA 0183 GNSS: moments out of sentences, dates out of little, and the laws of codecs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.nmea0183 import PLUGIN, Nmea0183Options
from adapters.nmea0183.codec import SENTENCES_MAX, SOURCES_MAX, Nmea0183Codec, Nmea0183CodecOptions
from adapters.nmea0183.line import xor
from hub.metrics import vocabulary
from hub.model import FaultKind, Message, Reading, Verdict
from hub.moment import SECOND, from_text, to_text

NOON = from_text("2026-11-22T12:00:00Z")
RMC = b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n"
GGA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"


def sealed(text: str) -> bytes:
    return f"${text}*{xor(text.encode()):02X}\r\n".encode()


def tagged(tag: str, line: bytes) -> bytes:
    return f"\\{tag}*{xor(tag.encode()):02X}\\".encode() + line


def decode(*lines: bytes, received_at: int | None = None, **options: Any) -> list[Message]:
    codec = Nmea0183Codec(Nmea0183CodecOptions(**options))
    messages = [message for line in lines for message in codec.feed(line, received_at)]
    return messages + codec.end(received_at)


def readings(messages: list[Message]) -> list[Reading]:
    return [reading for message in messages for reading in message.readings]


def kinds(messages: list[Message]) -> list[FaultKind]:
    return [fault.kind for message in messages for fault in message.faults]


def test_the_sentences_of_a_moment_are_one_reading() -> None:
    vtg, hdt = sealed("GPVTG,084.4,T,081.3,M,022.4,N,041.5,K,A"), sealed("GPHDT,86.1,T")
    gsa = sealed("GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1")
    gsv = sealed("GPGSV,2,1,08,01,40,083,46,02,17,308,41,12,07,344,39,14,22,228,45")
    (message,) = decode(RMC, GGA, vtg, hdt, gsa, gsv)
    (reading,) = message.readings
    assert message.device == reading.device == "nmea0183:GP"
    assert reading.kind == "vehicle"
    assert reading.observed_at == from_text("1994-03-23T12:35:19Z")
    assert reading.values == {
        "speed": 41.5,
        "course": 84.4,
        "satellites": 8,
        "hdop": 0.9,
        "heading": 86.1,
    }
    assert reading.position is not None
    assert reading.position.lat == pytest.approx(48.1173)
    assert reading.position.lon == pytest.approx(11.516667, abs=1e-6)
    assert reading.position.alt == 545.4
    assert message.body.detail()["satellites_used"] == ["04", "05", "09", "12", "24"]
    assert message.body.detail()["satellites_in_view"] == {"GP": 8}
    assert message.body.detail()["fix"] == "GNSS"
    assert message.raw.count(b"$") == 6
    assert Nmea0183Codec(Nmea0183CodecOptions()).reply(message, Verdict.STORED, 0) is None


def test_one_sentence_alone_is_a_reading_in_either_kind_of_words() -> None:
    (reading,) = readings(decode(RMC))
    assert reading.values == {"speed": 41.485, "course": 84.4}
    (reading,) = readings(decode(RMC, kind="vessel", device="ferry-3"))
    assert reading.values == {"sog": 22.4, "cog": 84.4}
    assert (reading.device, reading.kind) == ("ferry-3", "vessel")


def test_another_time_begins_another_moment_and_so_does_a_repeated_sentence() -> None:
    codec = Nmea0183Codec(Nmea0183CodecOptions())
    stream = b"".join(sealed(f"GNGLL,4807.038,N,01131.000,E,1235{second}.00,A,A") for second in range(10, 14))
    assert len(codec.feed(stream)) == 3
    assert len(codec.end()) == 1
    assert len(readings(decode(sealed("HEHDT,1.0,T"), sealed("HEHDT,2.0,T")))) == 2


def test_silence_completes_a_moment() -> None:
    codec = Nmea0183Codec(Nmea0183CodecOptions())
    assert codec.feed(RMC, NOON) == []
    assert codec.feed(b"", NOON + 2 * SECOND) == []
    assert len(readings(codec.feed(b"", NOON + 3 * SECOND))) == 1


@pytest.mark.parametrize(
    ("received", "clock", "observed"),
    [
        ("2026-11-22T12:00:01Z", "115959", "2026-11-22T11:59:59Z"),
        ("2026-11-22T00:00:01Z", "235959.5", "2026-11-21T23:59:59.5Z"),
        ("2026-11-21T23:59:59Z", "000001", "2026-11-22T00:00:01Z"),
    ],
)
def test_a_time_without_a_date_takes_the_day_nearest_to_its_reception(received: str, clock: str, observed: str) -> None:
    gga = sealed(f"GPGGA,{clock},4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,")
    (reading,) = readings(decode(gga, received_at=from_text(received)))
    assert reading.observed_at is not None
    assert to_text(reading.observed_at) == observed


def test_the_receivers_own_date_goes_on_over_midnight() -> None:
    lines = [
        sealed("GPZDA,235959.00,31,12,2025,00,00"),
        sealed("GPGLL,4807.038,N,01131.000,E,235959.00,A"),
        sealed("GPGLL,4807.038,N,01131.000,E,000000.00,A"),
    ]
    times = [reading.observed_at for reading in readings(decode(*lines, received_at=NOON))]
    assert times == [from_text("2025-12-31T23:59:59Z"), from_text("2026-01-01T00:00:00Z")]


def test_without_date_and_reception_there_is_no_time() -> None:
    (reading,) = readings(decode(GGA))
    assert reading.observed_at is None
    (reading,) = readings(decode(sealed("HEHDT,17.5,T"), received_at=NOON))
    assert (reading.device, reading.observed_at) == ("nmea0183:HE", NOON)


def test_no_fix_is_no_position_and_its_speed_is_marked() -> None:
    (reading,) = readings(decode(sealed("GPRMC,123519,V,4807.038,N,01131.000,E,022.4,084.4,230394,,,N")))
    assert reading.position is None
    assert reading.marks == {"speed": "invalid", "course": "invalid"}
    (reading,) = readings(decode(sealed("GPGGA,123519,,,,,0,00,99.9,,M,,M,,")))
    assert reading.position is None
    (empty,) = decode(sealed("GPRMC,,V,,,,,,,,,,N"))
    assert (empty.readings, empty.faults) == ([], [])
    (reading,) = readings(decode(sealed("GPRMC,123519,A,4807.038,N,01131.000,E,022.4,,230394,,,E")))
    assert reading.position is not None
    assert reading.marks == {"speed": "estimated"}


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("GPRMC,123519,A,4867.038,N,01131.000,E,022.4,084.4,230394,,", FaultKind.POSITION),
        ("GPRMC,123519,A,4807.038,E,01131.000,N,022.4,084.4,230394,,", FaultKind.POSITION),
        ("GPRMC,123519,A,9107.038,N,01131.000,E,022.4,084.4,230394,,", FaultKind.POSITION),
        ("GPRMC,123519,A,4807.038,N,01131.000,E,fast,084.4,230394,,", FaultKind.VALUE),
        ("GPRMC,123519,A,4807.038,N,01131.000,E,nan,084.4,230394,,", FaultKind.VALUE),
        ("GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,310294,,", FaultKind.TIME),
        ("GPRMC,253519,A,4807.038,N,01131.000,E,022.4,084.4,230394,,", FaultKind.TIME),
        ("GPRMC,123519,A", FaultKind.SYNTAX),
    ],
)
def test_what_cannot_be_is_a_fault(sentence: str, kind: FaultKind) -> None:
    assert kinds(decode(sealed(sentence))) == [kind]


def test_checksums_and_other_sentences() -> None:
    (message,) = decode(RMC.replace(b"*6A", b"*6B"))
    assert kinds([message]) == [FaultKind.CHECKSUM]
    assert "6B" in message.faults[0].detail
    assert "6A" in message.faults[0].detail
    assert kinds(decode(b"$GPRMC,123519,A,48")) == [FaultKind.TRUNCATED]
    assert kinds(decode(b"\x00\x01\x02\r\n")) == [FaultKind.FRAME]
    codec = Nmea0183Codec(Nmea0183CodecOptions())
    codec.feed(sealed("SDDBT,7.8,f,2.4,M,1.3,F") + b"!AIVDM,1,1,,B,15M67FC000G?ufbE`FepT@3n00Sa,0*5C\r\n")
    assert codec.ignored == 2


def test_tag_blocks_tell_receivers_apart() -> None:
    a, b = tagged("s:bus-1,c:764426119", RMC), tagged("s:bus-2,c:764426119", RMC)
    got = readings(decode(a, b, tagged("s:bus-1", GGA), tagged("s:bus-2", GGA)))
    assert [reading.device for reading in got] == ["nmea0183:bus-1", "nmea0183:bus-2"]
    assert all(reading.values["satellites"] == 8 for reading in got)


def test_everything_is_bounded() -> None:
    codec = Nmea0183Codec(Nmea0183CodecOptions())
    for number in range(SOURCES_MAX + 50):
        codec.feed(tagged(f"s:r{number}", RMC))
    assert len(codec.end()) == SOURCES_MAX
    codec.feed(sealed("GPGSV,1,1,08") * (SENTENCES_MAX + 1))
    assert len(codec.end()[0].raw.split(b"\r\n")) == 1
    assert kinds(codec.feed(b"x" * 5000)) == [FaultKind.OVERSIZE]
    assert codec.feed(b"x" * 5000) == []
    assert len(codec.feed(b"\n" + RMC) + codec.end()) == 1


@given(st.binary(max_size=2000), st.sampled_from([b"", b"$GPRMC,", b"\\s:", b"$GPGGA,123519,4807.038,N,"]))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_never_raise_and_decoding_goes_on_behind_them(data: bytes, start: bytes) -> None:
    codec = Nmea0183Codec(Nmea0183CodecOptions())
    codec.feed(start + data + b"\n", NOON)
    codec.end(NOON)
    messages = codec.feed(RMC, NOON + 60 * SECOND) + codec.end(NOON + 60 * SECOND)
    assert len(readings(messages)) == 1


FIELDS = st.text("0123456789.,-+ANESWVKMT", max_size=60)


@given(st.sampled_from(["RMC", "GGA", "GLL", "VTG", "ZDA", "HDT", "GSA", "GSV"]), FIELDS)
@settings(max_examples=500, deadline=None)
def test_any_fields_give_readings_or_faults(name: str, fields: str) -> None:
    for message in decode(sealed(f"GP{name},{fields}"), received_at=NOON):
        if message.body is not None and hasattr(message.body, "detail"):
            json.dumps(message.body.detail())
        for reading in message.readings:
            assert set(reading.values) <= set(vocabulary())
            assert reading.observed_at is not None


def test_the_plugin() -> None:
    options = Nmea0183Options(connect="serial:///dev/ttyUSB0?baud=4800")
    assert PLUGIN.source("gps", options, Nmea0183CodecOptions(kind="vessel")) is not None
    with pytest.raises(ValueError, match="vehicle"):
        Nmea0183CodecOptions(kind="boat")
