"""SL 651-2014: vectors, both codings, packets, confirmations, and the laws of codecs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastcrc.crc16 import modbus as crc16
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.sl651.codec import ASSEMBLY_AGE_S, Sl651Codec, Sl651CodecOptions
from hub.model import FaultKind, Message, Verdict
from hub.moment import SECOND, from_text, to_text
from tests.shared import shared_path

STATION = "0012345678"
NOW = from_text("2024-05-01T00:00:00Z")


def frame(function: int, body: str, *, packet: tuple[int, int] | None = None, end: int = 0x03) -> bytes:
    data = bytes.fromhex(body.replace(" ", ""))
    if packet:
        data = (packet[0] << 12 | packet[1]).to_bytes(3, "big") + data
    start = 0x16 if packet else 0x02
    head = bytes.fromhex("7e7e01" + STATION + "1234") + bytes([function]) + len(data).to_bytes(2, "big")
    raw = head + bytes([start]) + data + bytes([end])
    return raw + crc16(raw).to_bytes(2, "big")


def text_frame(function: int, body: str) -> bytes:
    raw = b"\x01" + f"01{STATION}1234{function:02X}0{len(body):03X}".encode() + b"\x02" + body.encode() + b"\x03"
    return raw + b"%04X" % crc16(raw)


def decode(data: bytes, **options: Any) -> list[Message]:
    codec = Sl651Codec(Sl651CodecOptions(**options))
    return codec.feed(data) + codec.end()


def values(message: Message) -> list[tuple[str, dict[str, Any]]]:
    return [(to_text(reading.observed_at or 0), dict(reading.values)) for reading in message.readings]


HEAD = "0003 240501080000 f1f1 0012345678 48 f0f0 2405010800 "
HOUR = "0003 240501090000 f1f1 0012345678 48 f0f0 2405010800 "
"""Sent at the end of the hour whose twelve groups it holds."""
TIMED = frame(0x32, HEAD + "20 19 000125 26 19 003196 39 23 00028960 38 12 1312")


def test_vectors() -> None:
    seen = 0
    for line in shared_path("vectors/sl651.jsonl").read_text().splitlines():
        vector = json.loads(line)
        (message,) = decode(bytes.fromhex(vector["raw_hex"]))
        assert not message.faults
        detail = message.body.detail()
        for key, expected in vector["expected"].items():
            if key != "note":
                assert detail[key] == expected, (key, vector["raw_hex"])
        seen += 1
    assert seen == 40


def test_a_timed_report() -> None:
    (message,) = decode(TIMED)
    expected = {"rainfall_day": 12.5, "rainfall_total": 319.6, "water_level": 28.96, "battery_voltage": 13.12}
    assert values(message) == [("2024-05-01T00:00:00Z", expected)]
    assert message.device == "sl651:0012345678"
    assert message.credential == "1234"
    assert message.readings[0].kind == "river-gauge"


def test_the_same_report_in_ascii() -> None:
    (message,) = decode(
        text_frame(0x32, "0003240501080000ST 0012345678 H TT 2405010800 PJ 12.5 PT 319.6 Z 28.96 VT 13.12")
    )
    assert message.readings == decode(TIMED)[0].readings
    assert message.body.detail()["station_type"] == "H river"


def test_a_length_that_promises_too_much_keeps_good_frames_waiting_for_a_minute_at_most() -> None:
    liar = TIMED[:11] + (0x0FFF).to_bytes(2) + TIMED[13:]
    codec = Sl651Codec(Sl651CodecOptions())
    assert codec.feed(liar, NOW) == []
    assert codec.feed(TIMED, NOW + 30 * SECOND) == [], "its end may still come"
    assert codec.feed(TIMED[:20], NOW + 61 * SECOND) != [], "a whole one stands behind it"
    (good,) = codec.feed(TIMED[20:], NOW + 62 * SECOND)
    assert good.readings
    codec = Sl651Codec(Sl651CodecOptions())
    found = (
        codec.feed(liar, NOW) + codec.feed(TIMED[:20], NOW + 61 * SECOND) + codec.feed(TIMED[20:], NOW + 63 * SECOND)
    )
    assert [fault.kind for message in found for fault in message.faults] == [FaultKind.TRUNCATED]
    assert sum(bool(message.readings) for message in found) == 1
    assert codec.end() == []


@pytest.mark.parametrize("pause_s", [10, 600, -600])
def test_a_frame_that_comes_slowly_is_whole_all_the_same(pause_s: int) -> None:
    codec = Sl651Codec(Sl651CodecOptions())
    (message,) = [
        found
        for at in range(0, len(TIMED), 7)
        for found in codec.feed(TIMED[at : at + 7], NOW + at // 7 * pause_s * SECOND)
    ]
    assert message.readings
    assert not message.faults


def test_an_hour_of_rain_becomes_readings_five_minutes_apart() -> None:
    (message,) = decode(frame(0x34, HOUR + "f4 60 05 00 ff ff ff ff ff ff ff ff ff 14"))
    assert values(message) == [
        ("2024-05-01T00:00:00Z", {"rainfall": 0.5}),
        ("2024-05-01T00:05:00Z", {"rainfall": 0.0}),
        ("2024-05-01T00:55:00Z", {"rainfall": 2.0}),
    ]
    (ascii_form,) = decode(
        text_frame(0x34, "0003 240501090000 ST 0012345678 P TT 2405010800 DRP 0500FFFFFFFFFFFFFFFFFF14")
    )
    assert [(r.observed_at, r.values) for r in ascii_form.readings] == [
        (r.observed_at, r.values) for r in message.readings
    ]


def test_hourly_levels_stand_on_the_stations_base() -> None:
    groups = "f5 c0 0031 0032" + "ffff" * 10
    relative = frame(0x34, HOUR + groups + "39 23 00010490")
    assert [v["water_level"] for _, v in values(decode(relative)[0])] == [10.49, 10.5]
    bare = frame(0x34, HOUR + groups)
    assert [v["water_level"] for _, v in values(decode(bare)[0])] == [0.49, 0.5]
    assert [v["water_level"] for _, v in values(decode(bare, level_base={STATION: 7.0})[0])] == [7.49, 7.5]


def test_an_hourly_report_that_gives_its_time_of_sending_tells_of_the_hour_before() -> None:
    """Observation time 08:00, sent 08:00: the last of twelve groups cannot be from 08:55, so it is the one of 08:00."""
    (message,) = decode(frame(0x34, HEAD + "f4 60 05 00 ff ff ff ff ff ff ff ff ff 14"))
    assert [at for at, _ in values(message)] == ["2024-04-30T23:05:00Z", "2024-04-30T23:10:00Z", "2024-05-01T00:00:00Z"]
    (levels,) = decode(frame(0x34, HEAD + "f5 c0 0031" + "ffff" * 10 + "0032"))
    assert [at for at, _ in values(levels)] == ["2024-04-30T23:05:00Z", "2024-05-01T00:00:00Z"]


@pytest.mark.parametrize("coding", ["hex", "ascii"])
@pytest.mark.parametrize(
    ("sent", "observed", "first"),
    [
        ("240501080000", "2405010800", "2024-04-30T23:35:00Z"),  # sent when the last of six was taken
        ("240501081000", "2405010800", "2024-04-30T23:35:00Z"),  # a little later
        ("240501082500", "2405010800", "2024-05-01T00:00:00Z"),  # as the standard has it
        ("990000000000", "2405010800", "2024-04-30T23:35:00Z"),  # no send time: when it was received, 08:00
    ],
)
def test_a_series_that_gives_its_time_of_sending_ends_there(coding: str, sent: str, observed: str, first: str) -> None:
    """Reports at equal steps have the fault of the hourly ones: nothing is from later than it was sent."""
    if coding == "hex":
        body = f"0003 {sent} f1f1 0012345678 48 f0f0 {observed} 04 18 000005 39 23" + "00001000" * 6
        raw = frame(0x31, body)
    else:
        raw = text_frame(0x31, f"0003{sent} ST 0012345678 H TT {observed} DRN05 Z" + " 1.000" * 6)
    (message,) = Sl651Codec(Sl651CodecOptions()).feed(raw, NOW)
    assert [fault.kind for fault in message.faults] == []
    times = [at for at, _ in values(message)]
    assert (len(times), times[0]) == (6, first)


def test_frames_behind_a_wrong_length_are_read_at_the_end() -> None:
    lying = bytearray(TIMED)
    lying[12] = 0xFF
    lying[11] = 0x0F
    messages = decode(bytes(lying) + TIMED + TIMED)
    assert [len(message.readings) for message in messages] == [0, 1, 1]
    assert [fault.kind for message in messages for fault in message.faults] == ["truncated"]


def test_an_element_repeated_at_a_step() -> None:
    (message,) = decode(frame(0x31, HOUR + "04 18 000010 39 23 00001000 ffffffff ff001500"))
    assert values(message) == [
        ("2024-05-01T00:00:00Z", {"water_level": 1.0}),
        ("2024-05-01T00:20:00Z", {"water_level": -1.5}),
    ]
    (ascii_form,) = decode(text_frame(0x31, "0003240501090000 ST 0012345678 H TT 2405010800 DRN10 Z 1.000 M -1.500"))
    assert ascii_form.readings == message.readings


def test_status_bits_are_alarms() -> None:
    (message,) = decode(frame(0x32, HEAD + "45 20 00000083"))
    assert values(message)[0][1] == {"alarms": ["mains-failure", "battery-low"], "door": False}


def test_parameters_are_no_elements() -> None:
    (message,) = decode(frame(0x42, "0003 240501080000 f1f1 0012345678 39 23 00010000"))
    assert not message.readings
    assert message.body.detail()["parameters"] == [{"id": "39", "bytes": 4, "hex": "00010000"}]


def test_what_cannot_be_read_leaves_the_rest() -> None:
    (message,) = decode(frame(0x32, HEAD + "20 19 0a0000 38 12 1312 39 23 0001"))
    assert values(message)[0][1] == {"battery_voltage": 13.12}
    assert [fault.kind for fault in message.faults] == [FaultKind.VALUE, FaultKind.SYNTAX]
    (message,) = decode(frame(0x32, "0003 240501080000 f1f1 0012345678 48 f0f0 2413010800 38 12 1312"))
    assert not message.readings
    assert [fault.kind for fault in message.faults] == [FaultKind.TIME]


@pytest.mark.parametrize(("options", "ending"), [({}, "04"), ({"stay_online": True}, "1b")])
def test_a_stored_report_is_confirmed(options: dict[str, Any], ending: str) -> None:
    codec = Sl651Codec(Sl651CodecOptions(**options))
    (message,) = codec.feed(TIMED)
    data = bytes.fromhex("7e7e" + STATION + "01" + "1234" + "32" + "8008" + "02" + "0003" + "240501080000" + ending)
    assert codec.reply(message, Verdict.STORED, NOW) == data + crc16(data).to_bytes(2, "big")
    refused = codec.reply(message, Verdict.REFUSED, NOW)
    assert refused is not None
    assert refused[-3] == 0x15
    assert codec.reply(message, Verdict.BUSY, NOW) is None


def test_an_ascii_report_is_confirmed_in_ascii() -> None:
    codec = Sl651Codec(Sl651CodecOptions())
    (message,) = codec.feed(text_frame(0x32, "0003240501080000 ST 0012345678 H TT 2405010800 Z 1.0"))
    data = b"\x01" + b"0012345678" + b"01" + b"1234" + b"32" + b"8010" + b"\x02" + b"0003240501080000" + b"\x04"
    assert codec.reply(message, Verdict.STORED, NOW) == data + b"%04X" % crc16(data)


@pytest.mark.parametrize("function", [0x2F, 0x37, 0x3A, 0x45])
def test_keep_alives_and_answers_are_not_confirmed(function: int) -> None:
    codec = Sl651Codec(Sl651CodecOptions())
    (message,) = codec.feed(frame(function, "0003 240501080000"))
    assert codec.reply(message, Verdict.STORED, NOW) is None


def test_mode_m1_confirms_nothing() -> None:
    codec = Sl651Codec(Sl651CodecOptions(mode="M1"))
    (message,) = codec.feed(TIMED)
    assert codec.reply(message, Verdict.STORED, NOW) is None


PICTURE = [
    frame(0x36, HEAD + "f3f3 ffd8ffe0", packet=(3, 1), end=0x17),
    frame(0x36, "0102030405", packet=(3, 2), end=0x17),
    frame(0x36, "ffd9", packet=(3, 3)),
]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])
def test_packets_make_one_message_confirmed_once(order: tuple[int, ...]) -> None:
    codec = Sl651Codec(Sl651CodecOptions())
    messages = [message for i in order for message in codec.feed(PICTURE[i])]
    assert [len(message.readings) for message in messages] == [0, 0, 1]
    assert messages[-1].readings[0].values == {"events": ["picture"]}
    assert messages[-1].body.detail()["elements"][1]["bytes"] == 11
    replies = [codec.reply(message, Verdict.STORED, NOW) for message in messages]
    assert replies[:2] == [None, None]
    assert replies[2] is not None
    assert replies[2][-3] == 0x04


def test_a_missing_packet_is_asked_for() -> None:
    codec = Sl651Codec(Sl651CodecOptions())
    codec.feed(PICTURE[0])
    (last,) = codec.feed(PICTURE[2])
    answer = codec.reply(last, Verdict.STORED, NOW)
    assert answer is not None
    assert (answer[13], answer[14:17].hex(), answer[-3]) == (0x16, "003002", 0x15)
    (late,) = codec.feed(PICTURE[1])
    assert late.readings


def test_packets_that_never_come_are_a_fault() -> None:
    codec = Sl651Codec(Sl651CodecOptions())
    codec.feed(PICTURE[0], NOW)
    assert codec.feed(b"", NOW + ASSEMBLY_AGE_S * SECOND) == []
    (expired,) = codec.feed(b"", NOW + (ASSEMBLY_AGE_S + 1) * SECOND)
    assert [fault.kind for fault in expired.faults] == [FaultKind.INCOMPLETE]


def test_a_bad_checksum_gives_both_values_and_the_next_frame_is_read() -> None:
    broken = bytearray(TIMED)
    broken[20] ^= 1
    bad, good = decode(bytes(broken) + TIMED)
    assert [fault.kind for fault in bad.faults] == [FaultKind.CHECKSUM]
    assert bad.raw == bytes(broken)
    assert good.readings


def test_a_wrong_length_loses_only_its_own_frame() -> None:
    broken = bytearray(TIMED)
    broken[12] += 20
    messages = decode(bytes(broken) + TIMED + TIMED)
    assert [len(message.readings) for message in messages] == [0, 1, 1]


def test_junk_and_a_lone_7e() -> None:
    messages = decode(b"\x7e" + TIMED + b"junk\x7e" + TIMED + b"\x7e")
    assert [len(message.readings) for message in messages] == [1, 0, 1]
    assert [fault.kind for fault in messages[1].faults] == [FaultKind.FRAME]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 255))
def test_arbitrary_bytes_never_raise(data: bytes, function: int) -> None:
    codec = Sl651Codec(Sl651CodecOptions())
    text = data.decode("latin-1").encode("ascii", "replace").decode()
    pieces = [
        data,
        frame(function, data.hex()),
        text_frame(function, text),
        frame(function, (bytes.fromhex(HEAD.replace(" ", "")) + data).hex()),
    ]
    for piece in pieces:
        for message in codec.feed(piece):
            codec.reply(message, Verdict.STORED, NOW)
            if message.body is not None:
                json.dumps(message.body if isinstance(message.body, dict) else message.body.detail())
    codec.end()


@pytest.mark.parametrize("falling", [False, True])
def test_a_report_that_reaches_over_the_hour_that_comes_twice_keeps_its_groups_apart(falling: bool) -> None:
    """All were put into the hour nearest to the moment of receiving: four of six levels were left."""
    shown = ["0150", "0210", "0240", "0210", "0240", "0310"]
    meant = ["23:50", "00:10", "00:40", "01:10", "01:40", "02:10"]
    groups = list(enumerate(zip(shown, meant, strict=True), 1))[:: -1 if falling else 1]
    body = "0003 261025031500 f1f1 0012345678 48 " + " ".join(
        f"f0f0 261025{time} 39 23 {number:08d} 38 12 1312" for number, (time, _) in groups
    )
    codec = Sl651Codec(Sl651CodecOptions(zone="Europe/Zurich"))
    (message,) = codec.feed(frame(0x32, body), from_text("2026-10-25T02:15:00Z"))
    assert not message.faults
    found = {to_text(one.observed_at or 0)[11:16]: one.values["water_level"] for one in message.readings}
    assert found == {time: number / 1000 for number, (_, time) in groups}


def test_a_station_that_begins_anew_has_no_packets_of_the_message_before() -> None:
    """The last packet of a message whose second never came would have ended the next one."""
    codec = Sl651Codec(Sl651CodecOptions())
    other = frame(0x36, "0a0b0c", packet=(3, 2), end=0x17), frame(0x36, "0d0e", packet=(3, 3))
    for raw in (PICTURE[1], PICTURE[2]):
        codec.feed(raw)
    (anew,) = codec.feed(other[0])
    assert [fault.kind for fault in anew.faults] == [FaultKind.INCOMPLETE]
    (first,) = codec.feed(PICTURE[0])
    assert first.readings == []
    (last,) = codec.feed(other[1])
    assert last.body.detail()["elements"][1]["bytes"] == 4 + 3 + 2
