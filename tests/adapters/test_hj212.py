"""HJ 212: vectors, the field's quirks, answers, and the laws of codecs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hj212.checksum import crc16
from adapters.hj212.codec import Hj212Codec
from hub.model import FaultKind, Mark, Message, Verdict
from hub.moment import from_text, to_text
from simulators.devices.hj212 import real_time
from simulators.devices.report import Report
from tests.shared import shared_path


def frame(segment: str, ending: str = "\r\n") -> bytes:
    data = segment.encode()
    return b"##%04d%b%04X" % (len(data), data, crc16(data)) + ending.encode()


def decode(data: bytes, **options: Any) -> list[Message]:
    codec = Hj212Codec(options)
    return codec.feed(data) + codec.end()


def one(segment: str, **options: Any) -> Message:
    (message,) = decode(frame(segment), **options)
    return message


def detail_of(message: Message) -> dict[str, Any]:
    body: Any = message.body
    return body if isinstance(body, dict) else body.detail()


HOUR = "QN=20240501130000123;ST=22;CN=2061;PW=123456;MN=S1;Flag=5;CP=&&DataTime=20240501120000;a34004-Avg=35.5,a34004-Flag=N&&"


def test_the_standards_crc() -> None:
    assert crc16(b"123456789") == 0x2F80
    assert crc16(b"") == 0xFFFF


@given(st.binary(max_size=80))
def test_folding_changes_nothing(data: bytes) -> None:
    register = 0xFFFF
    for byte in data:
        register = (register >> 8) ^ byte
        for _ in range(8):
            register = (register >> 1) ^ 0xA001 if register & 1 else register >> 1
    assert crc16(data) == register


def test_vectors() -> None:
    seen = 0
    for line in shared_path("vectors/hj212.jsonl").read_text().splitlines():
        vector = json.loads(line)
        expected = vector["expected"]
        (message,) = decode(vector["raw_text"].encode())
        seen += 1
        detail = detail_of(message)
        keys = [
            "declared_length",
            "segment_length",
            "length_ok",
            "crc_in_frame",
            "crc_computed",
            "crc_ok",
            "header",
            "cp",
            "flag",
        ]
        for key in keys:
            if key in expected:
                assert detail[key] == expected[key], key
        if expected["crc_ok"]:
            assert not message.faults
            continue
        assert [fault.kind for fault in message.faults] == [FaultKind.CHECKSUM]
        assert expected["crc_computed"] in message.faults[0].detail
        assert not message.readings
        assert Hj212Codec({}).reply(message, Verdict.STORED, 0) is None
    assert seen == 27


def test_a_real_time_frame_of_an_air_station() -> None:
    message = one(
        "QN=20160801085857223;ST=22;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&DataTime=20160801085857;"
        "a34004-Rtd=35.5,a34004-Flag=N;a21005-Rtd=0.8,a21005-Flag=C;a01006-Rtd=101.02,a01006-Flag=N;a05024-Rtd=-99,a05024-Flag=D&&"
    )
    (reading,) = message.readings
    assert reading.device == message.device == "hj212:010000A8900016F000169DC0"
    assert reading.observed_at is not None
    assert to_text(reading.observed_at) == "2016-08-01T00:58:57Z"
    assert reading.values == {"pm25": 35.5, "co": 0.8, "air_pressure": 1010.2}
    assert reading.marks == {"co": Mark.CALIBRATION}
    assert message.credential == "123456"
    assert reading.kind == "air-station"


def test_the_stack_and_the_ambient_station_share_codes_but_not_metrics() -> None:
    body = "CN=2011;PW=1;MN=M;Flag=4;CP=&&DataTime=20240501120000;a21026-Rtd=20,a21026-ZsRtd=25,a21026-Flag=N&&"
    assert one("ST=31;" + body).readings[0].values == {"stack_so2": 20.0, "stack_so2_converted": 25.0}
    assert one("ST=22;" + body).readings[0].values == {"so2": 20.0}


def test_water_with_the_codes_of_2005_and_of_2017() -> None:
    old = one(
        "ST=32;CN=2011;PW=1;MN=M;CP=&&DataTime=20240501120000;011-Rtd=50;060-Rtd=5;101-Rtd=0.5;001-Rtd=7;B01-Rtd=10&&"
    )
    new = one(
        "ST=32;CN=2011;PW=1;MN=M;Flag=4;CP=&&DataTime=20240501120000;w01018-Rtd=50;w21003-Rtd=5;w21011-Rtd=0.5;w01001-Rtd=7;w00000-Rtd=10&&"
    )
    expected = {"cod": 50.0, "ammonia_nitrogen": 5.0, "total_phosphorus": 0.5, "ph": 7.0, "flow": 36.0}
    assert old.readings[0].values == new.readings[0].values == expected


def test_period_data_stand_at_the_start_of_the_period_and_repeat_exactly() -> None:
    first, again = one(HOUR), one(HOUR.replace("QN=20240501130000123", "QN=20240503080000000"))
    assert to_text(first.readings[0].observed_at or 0) == "2024-05-01T04:00:00Z"
    assert first.readings == again.readings


def test_marks_keep_the_value() -> None:
    flags = {
        "F": Mark.STOPPED,
        "M": Mark.MAINTENANCE,
        "S": Mark.MANUAL,
        "D": Mark.FAULT,
        "T": Mark.OVER_RANGE,
        "B": Mark.COMMS,
    }
    for flag, mark in flags.items():
        (reading,) = one(HOUR.replace("a34004-Flag=N", f"a34004-Flag={flag}")).readings
        assert (reading.values, reading.marks) == ({"pm25": 35.5}, {"pm25": mark})
    assert one(HOUR.replace("a34004-Flag=N", "a34004-Flag=?")).readings[0].marks == {"pm25": Mark.INVALID}


def test_a_stations_own_unit() -> None:
    segment = "ST=22;CN=2011;PW=1;MN=M;CP=&&DataTime=20240501120000;a01006-Rtd=1010.2&&"
    assert one(segment, units={"a01006": "hPa"}).readings[0].values == {"air_pressure": 1010.2}


@pytest.mark.parametrize(
    ("command", "answer"),
    [("2011", "9014"), ("2051", "9014"), ("2081", "9014"), ("3019", "9014"), ("1013", "9013"), ("9014", None)],
)
def test_answers(command: str, answer: str | None) -> None:
    codec = Hj212Codec({})
    segment = f"QN=20160801085857223;ST=32;CN={command};PW=123456;MN=M1;Flag=5;CP=&&DataTime=20160801085857&&"
    (message,) = codec.feed(frame(segment))
    if answer is None:
        assert codec.reply(message, Verdict.STORED, 0) is None
        return
    expected = f"QN=20160801085857223;ST=91;CN={answer};PW=123456;MN=M1;Flag=4;CP=&&&&"
    assert codec.reply(message, Verdict.STORED, 0) == frame(expected)
    assert codec.reply(message, Verdict.BUSY, 0) is None
    assert codec.reply(message, Verdict.REFUSED, 0) is None


def test_no_answer_where_flag_asks_for_none_and_the_answer_of_2025() -> None:
    codec = Hj212Codec({})
    (quiet,) = codec.feed(frame(HOUR.replace("Flag=5", "Flag=4")))
    assert codec.reply(quiet, Verdict.STORED, 0) is None
    (new,) = codec.feed(frame(HOUR.replace("Flag=5", "Flag=9")))
    assert b";Flag=8;" in (codec.reply(new, Verdict.STORED, 0) or b"")


def test_an_encrypted_payload_is_said_to_be_one() -> None:
    message = one("QN=20260801085857223;ST=32;CN=2011;PW=1;MN=M;Flag=9;CP=&&8F2A99C0FFEE&&")
    assert [fault.kind for fault in message.faults] == [FaultKind.ENCRYPTED]


@pytest.mark.parametrize("length", ["0001", "0131", "9999", "453"])
def test_a_wrong_length_does_no_harm(length: str) -> None:
    data = frame(HOUR)
    (message,) = decode(b"##" + length.encode() + data[6:])
    assert message.readings[0].values == {"pm25": 35.5}
    assert message.body.detail()["length_ok"] is False


def test_a_wrong_length_does_not_hold_the_answer_back() -> None:
    codec = Hj212Codec({})
    assert len(codec.feed(b"##9999" + frame(HOUR)[6:])) == 1


def test_junk_becomes_one_fault_and_the_next_frame_is_read() -> None:
    messages = decode(b"\x00\xffhello##12" + frame(HOUR) + b"tail")
    assert [fault.kind for message in messages for fault in message.faults] == [FaultKind.FRAME, FaultKind.FRAME]
    assert messages[0].raw == b"\xffhello##12"
    assert len(messages[1].readings) == 1


def test_a_cut_frame_is_a_fault_and_the_next_one_is_read() -> None:
    cut, whole = decode(frame(HOUR)[:60] + frame(HOUR))
    assert [fault.kind for fault in cut.faults] == [FaultKind.TRUNCATED]
    assert whole.readings


def test_bad_values_times_and_items_have_their_own_faults() -> None:
    message = one("ST=22;CN=2011;PW=1;MN=M;CP=&&DataTime=20240501120000;a34004-Rtd=abc;a34002-Rtd=5;rubbish&&")
    assert [fault.kind for fault in message.faults] == [FaultKind.SYNTAX, FaultKind.VALUE]
    assert message.readings[0].values == {"pm10": 5.0}
    message = one("ST=22;CN=2011;PW=1;MN=M;CP=&&DataTime=20241301120000;a34002-Rtd=5&&")
    assert [fault.kind for fault in message.faults] == [FaultKind.TIME]
    assert not message.readings


def test_equipment_states() -> None:
    message = one("ST=32;CN=2021;PW=1;MN=M;CP=&&DataTime=20240501120000;SB1-RS=1;SB2-RS=0&&")
    assert message.readings[0].values == {"state": "SB1 running, SB2 stopped"}


@pytest.mark.parametrize(
    ("system", "values"),
    [("22", {"pm25": 35.0, "co": 0.8, "wind_direction": 270.0}), ("32", {"cod": 41.5, "flow": 36.0})],
)
def test_what_a_simulated_station_says_is_what_is_read(system: str, values: dict[str, Any]) -> None:
    report = Report(from_text("2024-05-01T04:00:00Z"), values)
    _, data = real_time(report, "S1", system)
    (message,) = decode(data)
    assert [(reading.observed_at, reading.values) for reading in message.readings] == [(report.at, values)]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    codec = Hj212Codec({})
    for message in codec.feed(data) + codec.feed(frame(data.decode("latin-1"))) + codec.end():
        codec.reply(message, Verdict.STORED, 0)
        if message.body is not None:
            assert detail_of(message)
