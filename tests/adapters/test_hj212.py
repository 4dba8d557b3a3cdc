"""HJ 212: vectors, the field's quirks, answers, and the laws of codecs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hj212.checksum import crc16
from adapters.hj212.codec import Hj212Codec, Hj212CodecOptions
from hub.model import FaultKind, Mark, Message, Verdict
from hub.moment import from_text, to_text
from simulators.devices.hj212 import real_time
from simulators.devices.report import Report
from tests.adapters.messages import decoded
from tests.shared import shared_path


def frame(segment: str, ending: str = "\r\n") -> bytes:
    data = segment.encode()
    return b"##%04d%b%04X" % (len(data), data, crc16(data)) + ending.encode()


def decode(data: bytes, **options: Any) -> list[Message]:
    codec = Hj212Codec(Hj212CodecOptions(**options))
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
            assert {fault.kind for fault in message.faults} <= {FaultKind.UNKNOWN_METRIC}
            continue
        assert [fault.kind for fault in message.faults] == [FaultKind.CHECKSUM]
        assert expected["crc_computed"] in message.faults[0].detail
        assert not message.readings
        assert Hj212Codec(Hj212CodecOptions()).reply(message, Verdict.STORED, 0) is None
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
    assert reading.marks == {"co": Mark.CALIBRATION, "o3": Mark.FAULT}  # no value, and the reason
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


def test_a_flag_without_a_value_is_news() -> None:
    """An analyser that is ill sends its flag alone: the device has spoken, and says so itself."""
    (reading,) = one(HOUR.replace("a34004-Avg=35.5,a34004-Flag=N", "a34004-Flag=D")).readings
    assert (reading.values, reading.marks) == ({}, {"pm25": Mark.FAULT})


def test_a_stations_own_unit() -> None:
    segment = "ST=22;CN=2011;PW=1;MN=M;CP=&&DataTime=20240501120000;a01006-Rtd=1010.2&&"
    assert one(segment, units={"a01006": "hPa"}).readings[0].values == {"air_pressure": 1010.2}


@pytest.mark.parametrize(
    ("command", "answer"),
    [("2011", "9014"), ("2051", "9014"), ("2081", "9014"), ("3019", "9014"), ("1013", "9013"), ("9014", None)],
)
def test_answers(command: str, answer: str | None) -> None:
    codec = Hj212Codec(Hj212CodecOptions())
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
    codec = Hj212Codec(Hj212CodecOptions())
    (quiet,) = codec.feed(frame(HOUR.replace("Flag=5", "Flag=4")))
    assert codec.reply(quiet, Verdict.STORED, 0) is None
    (new,) = codec.feed(frame(HOUR.replace("Flag=5", "Flag=9")))
    assert b";Flag=8;" in (codec.reply(new, Verdict.STORED, 0) or b"")


def test_an_encrypted_payload_is_said_to_be_one() -> None:
    message = one("QN=20260801085857223;ST=32;CN=2011;PW=1;MN=M;Flag=9;CP=&&8F2A99C0FFEE&&")
    assert [fault.kind for fault in message.faults] == [FaultKind.ENCRYPTED]
    assert "its CRC is that of the text as sent" in message.faults[0].detail
    message.refused = message.faults
    assert message.spent
    for verdict in Verdict:  # "we have it" would be untrue: nothing of it is known
        assert Hj212Codec(Hj212CodecOptions()).reply(message, verdict, 0) is None


@pytest.mark.parametrize("length", ["0001", "0131", "9999", "453"])
def test_a_wrong_length_does_no_harm(length: str) -> None:
    data = frame(HOUR)
    (message,) = decode(b"##" + length.encode() + data[6:])
    assert message.readings[0].values == {"pm25": 35.5}
    assert message.body.detail()["length_ok"] is False


def test_a_wrong_length_does_not_hold_the_answer_back() -> None:
    codec = Hj212Codec(Hj212CodecOptions())
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


def test_a_closing_mark_inside_a_text_ends_no_frame_whose_length_is_right() -> None:
    message = one(DATED + "i13001-Info=//door&&lamp//;a34004-Rtd=1&&")
    assert message.readings[0].values == {"pm25": 1.0}


def test_texts_of_stations_that_write_gbk_are_read() -> None:
    data = (DATED + "a34004-Rtd=1;i13001-Info=//停电//&&").encode("gb18030")
    (message,) = decode(b"##%04d%b%04X\r\n" % (len(data), data, crc16(data)))
    detail = detail_of(message)
    assert (detail["cp"]["i13001-Info"], detail["command"]) == ("//停电//", "real-time data")
    assert message.readings[0].values == {"pm25": 1.0}


def test_a_time_that_is_none_keeps_one_reading_out_and_a_wrong_check_keeps_its_bytes() -> None:
    (fault,) = one(DATED.replace("20240501120000", "00000000000000") + "a34004-Rtd=1&&").faults
    assert (fault.kind, fault.readings) == (FaultKind.TIME, 1)
    (message,) = decode(frame(HOUR).replace(b"35.5", b"36.5"))
    assert message.faults[0].raw == message.raw == frame(HOUR).replace(b"35.5", b"36.5").rstrip()


def test_of_a_factor_told_twice_only_the_flag_of_the_one_taken_counts() -> None:
    values, marks, _ = told("w01018-Rtd=12,w01018-Flag=D;w01018-Rtd=13,w01018-Flag=N;w21003-Rtd=1,w21003-Flag=M")
    assert (values, marks) == (
        {"cod": 12.0, "ammonia_nitrogen": 1.0}, {"cod": Mark.FAULT, "ammonia_nitrogen": Mark.MAINTENANCE},
    )  # fmt: skip


def test_bad_values_times_and_items_have_their_own_faults() -> None:
    message = one("ST=22;CN=2011;PW=1;MN=M;CP=&&DataTime=20240501120000;a34004-Rtd=abc;a34002-Rtd=5;rubbish&&")
    assert [fault.kind for fault in message.faults] == [FaultKind.SYNTAX, FaultKind.VALUE]
    assert message.readings[0].values == {"pm10": 5.0}
    message = one("ST=22;CN=2011;PW=1;MN=M;CP=&&DataTime=20241301120000;a34002-Rtd=5&&")
    assert [fault.kind for fault in message.faults] == [FaultKind.TIME]
    assert not message.readings


DATED = "ST=22;CN=2011;PW=123456;MN=S1;Flag=5;CP=&&DataTime=20240501120000;"


@pytest.mark.parametrize(
    ("segment", "kind", "said"),
    [
        ("ST=22;PW=123456;MN=S1;CP=&&DataTime=20240501120000;a34004-Rtd=1&&", FaultKind.SYNTAX, "no command number"),
        (DATED + "a34004-Rtd=1;nonsense&&", FaultKind.SYNTAX, "'nonsense', which is no item=value"),
        (DATED.replace("Flag=5", "Flag=9") + "a34004-Rtd=1;nonsense&&", FaultKind.SYNTAX, "'nonsense', which is no item=value"),
        (DATED + "zz9-Rtd=1&&", FaultKind.UNKNOWN_METRIC, "'zz9'"),
        (DATED + "a34004-Rtd=dry&&", FaultKind.VALUE, "a34004-Rtd='dry' is no number"),
        (DATED.replace("20240501120000", "20240530250000") + "a34004-Rtd=1&&", FaultKind.TIME, "20240530250000"),
    ],
)  # fmt: skip
def test_a_fault_has_its_frame_its_device_and_a_sentence(segment: str, kind: FaultKind, said: str) -> None:
    message = one(segment)
    assert message.raw.rstrip() == frame(segment).rstrip()
    (fault,) = message.faults
    assert (fault.kind, fault.device, fault.raw) == (kind, "hj212:S1", message.raw)
    assert said in fault.detail


def test_of_a_factor_told_twice_the_one_left_out_is_a_fault_of_its_device() -> None:
    message = one(DATED + "a34004-Rtd=1;a34004-Rtd=2&&")
    assert [(fault.kind, fault.device, fault.raw) for fault in message.faults] == [
        (FaultKind.VALUE, "hj212:S1", message.raw)
    ]


@pytest.mark.parametrize("ending", ["", "\r\n"])
def test_the_last_frame_of_a_connection_with_a_wrong_check_is_said_to_have_one(ending: str) -> None:
    """Not to be cut off: it is all there, whatever length it declares."""
    good = frame(HOUR, ending)
    for wrong in (good.replace(b"35.5", b"36.5"), b"##0999" + good[6:].replace(b"35.5", b"36.5")):
        faults = [fault for message in decode(wrong) for fault in message.faults]
        assert [fault.kind for fault in faults] == [FaultKind.CHECKSUM]
    cut = [fault for message in decode(good[:60]) for fault in message.faults]
    assert [(fault.kind, fault.raw) for fault in cut] == [(FaultKind.TRUNCATED, good[:60])]
    assert f"declares {len(HOUR)} bytes of data and ends after 54" in cut[0].detail


@pytest.mark.parametrize(("flag", "mark"), [("D", "fault"), ("d", "fault"), ("?", "invalid"), ("N", None)])
def test_a_flag_alone_that_nobody_knows_denies(flag: str, mark: str | None) -> None:
    readings = one(DATED + f"a34004-Flag={flag}&&").readings
    assert [reading.marks for reading in readings] == ([{"pm25": mark}] if mark else [])


def test_a_local_code_has_values_of_the_standards_figures_only() -> None:
    local = {"map": {"x1": "pm25"}}
    assert one(DATED + "x1-Rtd=5&&", **local).readings[0].values == {"pm25": 5.0}
    assert one(DATED + "x1-Cou=5&&", **local).readings == []


@pytest.mark.parametrize(
    ("items", "values"),
    [
        ("SB1-RS=1", {"state": "SB1 running", "running": True}),
        ("SB1-RS=0", {"state": "SB1 stopped", "running": False}),
        ("SB1-RS=7", {"state": "SB1 state 7"}),
        ("SB1-RS=1;SB2-RS=0", {"state": "SB1 running, SB2 stopped"}),
    ],
)
def test_one_piece_of_equipment_runs_or_stands_and_several_are_told_in_words(
    items: str, values: dict[str, Any]
) -> None:
    (reading,) = one(DATED.replace("CN=2011", "CN=2021") + items + "&&").readings
    assert reading.values == values


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
    codec = Hj212Codec(Hj212CodecOptions())
    for message in codec.feed(data) + codec.feed(frame(data.decode("latin-1"))) + codec.end():
        codec.reply(message, Verdict.STORED, 0)
        if message.body is not None:
            assert detail_of(message)


# ------------------------------------------------------------------------------------------------- annex B and 2025


def readings_of(body: str, **options: Any) -> tuple[dict[str, Any], dict[str, str], list[tuple[str, str]]]:
    (message,) = [m for m in decoded(Hj212Codec(Hj212CodecOptions(**options)), [frame(body)])]
    values = dict(message.readings[0].values) if message.readings else {}
    marks = dict(message.readings[0].marks or {}) if message.readings else {}
    return values, marks, [(fault.kind, fault.detail) for fault in message.faults]


def test_annex_b_by_system_code() -> None:
    """HJ 212-2017 annex B: NMHC, hydrogen fluoride, mercury in stacks; coliforms in water; L90 of noise."""
    stack, _, faults = readings_of(
        "ST=31;CN=2061;PW=1;MN=M;CP=&&DataTime=20261129000000;a24088-Avg=12.5,a24088-Flag=N;a21018-Avg=1.5;a20057-Avg=0.02;a21003-Avg=120.0&&"
    )
    assert not faults
    assert stack == {"stack_nmhc": 12.5, "stack_fluoride": 1.5, "stack_mercury_compounds": 0.02, "stack_no": 120.0}
    outside, _, faults = readings_of(
        "ST=22;CN=2011;PW=1;MN=M;CP=&&DataTime=20261129000000;a25002-Rtd=0.01;a21003-Rtd=120;a20044-Rtd=5&&"
    )
    assert not faults
    assert outside == {"air_benzene": 0.01, "no": 120.0, "air_lead": 5e-6}
    water, _, faults = readings_of(
        "ST=32;CN=2011;PW=1;MN=M;CP=&&DataTime=20261129000000;w02003-Rtd=1000;w20089-Rtd=50;550-Rtd=7&&"
    )
    assert [kind for kind, _ in faults] == ["value"]  # 550 is the former code of w02003
    assert water["faecal_coliforms"] == 1000.0
    assert water["thallium"] == 5e-5
    noise, _, faults = readings_of("ST=23;CN=2011;PW=1;MN=M;CP=&&DataTime=20261129000000;L90-Data=45.5;Leq-Data=52.0&&")
    assert not faults
    assert noise == {"noise_l90": 45.5, "noise": 52.0}


def test_under_a_stack_no_code_means_ambient_air() -> None:
    from adapters.hj212 import annex_b
    from adapters.hj212.factors import _AMBIENT, factor

    for code in {**_AMBIENT, **annex_b.SUBSTANCES, **annex_b.STACK_GASES}:
        meaning = factor(code, "Rtd", "31")
        assert meaning is not None
        assert meaning.metric.startswith(("stack_", "smoke_")) or code.startswith("a010") or code == "a01901", code


def test_an_unknown_code_is_a_fault_that_keeps_its_value_unless_the_map_knows_it() -> None:
    body = "ST=32;CN=2011;PW=1;MN=M;CP=&&DataTime=20261129000000;x10001-Rtd=5.5;w01018-Rtd=50&&"
    values, _, faults = readings_of(body)
    assert values == {"cod": 50.0}
    assert [kind for kind, _ in faults] == ["unknown-metric"]
    assert "x10001-Rtd=5.5" in faults[0][1]
    values, _, faults = readings_of(body, map={"x10001": "chlorophyll"}, units={"x10001": "mg/L"})
    assert values == {"cod": 50.0, "chlorophyll": 5500.0}
    assert not faults
    with pytest.raises(ValueError, match="no metric"):
        Hj212Codec(Hj212CodecOptions(map={"x1": "nonsense"}))


def test_a_factor_twice_in_a_frame_keeps_the_first() -> None:
    values, _, faults = readings_of(
        "ST=32;CN=2061;PW=1;MN=M;CP=&&DataTime=20261129000000;w00000-Avg=66.09;w01001-Avg=7;w00000-Avg=19796346.00&&"
    )
    assert values["flow"] == pytest.approx(66.09 * 3.6)
    assert [kind for kind, _ in faults] == ["value"]
    assert "19796346.00" in faults[0][1]


def test_below_detection_is_a_value_with_a_mark() -> None:
    values, marks, faults = readings_of(
        "ST=32;CN=2011;PW=1;MN=M;CP=&&DataTime=20261129000000;w01018-Rtd=<0.5;w21003-Rtd=ND;w01001-Rtd=7&&"
    )
    assert not faults
    assert values == {"cod": 0.5, "ammonia_nitrogen": 0.0, "ph": 7.0}
    assert marks == {"cod": "estimated", "ammonia_nitrogen": "estimated"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<0.5", 0.5),
        ("< 0.5", 0.5),
        ("＜0.5", 0.5),
        ("<=0.5", 0.5),
        ("≤0.5", 0.5),
        ("0.5L", 0.5),
        (".5l", 0.5),
        ("<0.5L", 0.5),
        ("5. L", 5.0),
    ]
    + [(word, 0.0) for word in ("ND", "nd", "未检出", "<DL", "< MDL", "L", "BDL")],
)
def test_every_way_to_write_below_detection(text: str, value: float) -> None:
    """HJ/T 91-2002: the limit and the letter L; SL 219: <DL; HJ/T 166: the words."""
    values, marks, faults = readings_of(f"ST=32;CN=2011;PW=1;MN=M;CP=&&DataTime=20261129000000;w01018-Rtd={text}&&")
    assert (values, marks, faults) == ({"cod": value}, {"cod": "estimated"}, [])


@pytest.mark.parametrize("text", ["<", "L5", "<<0.5", "0.5LL", "<x", "1e999", "<1e999"])
def test_what_only_looks_like_below_detection_is_a_fault(text: str) -> None:
    values, _, faults = readings_of(
        f"ST=32;CN=2011;PW=1;MN=M;CP=&&DataTime=20261129000000;w01018-Rtd={text};w01001-Rtd=7&&"
    )
    assert values == {"ph": 7.0}
    assert [kind for kind, _ in faults] == ["value"]


@pytest.mark.parametrize(
    ("command", "items", "flow", "left"),
    [
        ("2061", "w00000-Avg=19796346.00,w00000-Cou=238;w00000-Avg=66.09", 66.09, "19796346.00"),
        ("2061", "w00000-Avg=66.09,w00000-Cou=238;w00000-Avg=19796346.00", 66.09, "19796346.00"),
        ("2031", "w00000-Cou=5710;w00000-Avg=19796346.00;w00000-Avg=66.09", 66.09, "19796346.00"),
        ("2061", "w00000-Avg=19796346.00,w00000-Cou=5;w00000-Avg=66.09", 19796346.0, "66.09"),
        ("2051", "w00000-Avg=5.0,w00000-Cou=238;w00000-Avg=66.09", 5.0, "66.09"),
    ],
)
def test_of_a_flow_told_twice_the_one_that_fits_the_total_counts(
    command: str, items: str, flow: float, left: str
) -> None:
    """Where none fits, or the period is the station's own, it is the first."""
    values, _, faults = readings_of(f"ST=32;CN={command};PW=1;MN=M;CP=&&DataTime=20261129000000;{items}&&")
    assert values["flow"] == pytest.approx(flow * 3.6)
    assert [kind for kind, _ in faults] == ["value"]
    assert f"={left} stands in the frame again" in faults[0][1]


KEY = "0123456789abcdeffedcba9876543210"


def encrypted_frame(body: str) -> bytes:
    """By the rule of HJ 212-2025, with the length and CRC of the plain text."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    head, _, rest = body.partition("CP=&&")
    content = rest.removesuffix("&&").encode()
    whole = len(content) // 16 * 16
    secret = Cipher(algorithms.SM4(bytes.fromhex(KEY)), modes.ECB()).encryptor().update(content[:whole])
    listed = b"{" + b",".join(b"0x%02X" % byte for byte in secret) + b"}"
    plain = body.encode()
    return b"##%04d%bCP=&&%b%b&&%04X\r\n" % (len(plain), head.encode(), listed, content[whole:], crc16(plain))


def test_sm4_as_published() -> None:
    """GB/T 32907-2016, example A.1."""
    from adapters.hj212.encryption import decrypted

    listed = b"{" + b",".join(b"0x%02X" % byte for byte in bytes.fromhex("681edf34d206965e86b3e94f536e4246")) + b"}tail"
    assert decrypted(listed, bytes.fromhex(KEY)) == bytes.fromhex(KEY) + b"tail"


def test_an_encrypted_frame_is_read_with_the_stations_key(tmp_path: Path) -> None:
    body = "QN=20261129000001000;ST=32;CN=2011;PW=1;MN=S9;Flag=9;CP=&&DataTime=20261129000000;w01018-Rtd=50.5,w01018-Flag=N&&"
    keys = tmp_path / "keys.toml"
    keys.write_text(f'"S9" = "{KEY}"\n')
    raw = encrypted_frame(body)
    for chunks in ([raw + raw], [bytes([byte]) for byte in raw + raw]):
        messages = decoded(Hj212Codec(Hj212CodecOptions(keys_file=str(keys))), chunks)
        assert [dict(m.readings[0].values) for m in messages] == [{"cod": 50.5}] * 2
    (unknown,) = decoded(Hj212Codec(Hj212CodecOptions()), [raw])
    assert [fault.kind for fault in unknown.faults] == ["encrypted"]
    assert not unknown.readings
    keys.write_text('"S9" = "00112233445566778899aabbccddeeff"\n')
    (wrong,) = decoded(Hj212Codec(Hj212CodecOptions(keys_file=str(keys))), [raw])
    assert [fault.kind for fault in wrong.faults] == ["encrypted"]


# ------------------------------------------------------------------------------------------------- figures that HJ 212 lacks


def told(items: str) -> tuple[dict[str, Any], dict[str, str], list[tuple[str, str]]]:
    return readings_of(f"ST=32;CN=2011;PW=1;MN=M;CP=&&DataTime=20261129000000;{items}&&")


def test_noise_told_behind_la_is_read() -> None:
    values, marks, faults = told("LA-Leq=55.1,LA-L10=60,LA-Max=71,LA-Min=40,LA-DayData=57,LA-NightData=48,LA-Flag=D")
    assert values == {
        "noise": 55.1,
        "noise_l10": 60.0,
        "noise_max": 71.0,
        "noise_min": 40.0,
        "noise_ld": 57.0,
        "noise_ln": 48.0,
    }
    assert marks["noise"] == Mark.FAULT
    assert faults == []


@pytest.mark.parametrize("item", ["w01018-Qwe=9", "LA-Loud=9", "zz1-Mean=9", "w01018=9"])
def test_a_figure_that_nobody_knows_is_told_with_its_value(item: str) -> None:
    values, _, [(kind, said)] = told(f"w21003-Rtd=1.5;{item}")
    assert (values, kind) == ({"ammonia_nitrogen": 1.5}, FaultKind.UNKNOWN_METRIC)
    assert said.startswith(f"{item}: ")


def test_figures_of_the_standard_without_a_metric_are_no_faults() -> None:
    items = "w01018-Min=1,w01018-Avg=2,w01018-Max=3,w01018-Cou=4,w01018-SampleTime=20240501120000,w01018-EFlag=A01,w01018-Flag=N"
    assert told(items) == ({"cod": 2.0}, {}, [])


def test_a_factor_twice_in_a_frame_keeps_its_own_flag() -> None:
    values, marks, _ = told("w01018-Rtd=12,w01018-Flag=D;w01018-Rtd=13,w01018-Flag=N")
    assert (values, marks) == ({"cod": 12.0}, {"cod": Mark.FAULT})
