"""GT06 against captured frames, hand-made ones and the laws of codecs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastcrc.crc16 import ibm_sdlc
from hypothesis import given
from hypothesis import strategies as st

from adapters.gt06 import PLUGIN, Gt06Options
from adapters.gt06.codec import Gt06Codec
from adapters.transport import StreamAdapter
from hub.metrics import vocabulary
from hub.model import FaultKind, Message, Verdict
from hub.moment import from_text, to_text
from tests.adapters import messages as read
from tests.adapters.intake import FakeIntake
from tests.shared import shared_path

NOW = from_text("2026-11-22T08:00:05Z")
LOGIN = bytes.fromhex("78780d01012345678901234500018cdd0d0a")
LOCATION = bytes.fromhex("787822221607160f1000cf0225e03f0bd723182c149701cc0075c300933301000002a5f0860d0a")
GPS = bytes.fromhex("1607160f1000cf0225e03f0bd723182c1497")
LBS = bytes.fromhex("01cc0075c3009333")


def frame(number: int, content: bytes, serial: int = 1, long_frame: bool = False) -> bytes:
    length = (5 + len(content)).to_bytes(2 if long_frame else 1, "big")
    body = length + bytes((number,)) + content + serial.to_bytes(2, "big")
    return (b"yy" if long_frame else b"xx") + body + ibm_sdlc(body).to_bytes(2, "big") + b"\r\n"


def decode(data: bytes, **options: Any) -> list[Message]:
    return read.decoded(Gt06Codec(options), [data])


def one(data: bytes, **options: Any) -> Message:
    (message,) = decode(data, **options)
    return message


def test_vectors_hold_what_they_say() -> None:
    plain = ("start", "declared_length", "protocol_number", "crc", "serial", "imei", "login_extra_hex", "satellites")
    more = ("datetime", "gps_info_len", "positioned", "course", "speed_kmh", "terminal_info_bits", "oil_cut", "gps_on")
    for line in shared_path("vectors/gt06.jsonl").read_text("utf-8").splitlines():
        vector = json.loads(line)
        expected = vector["expected"]
        message = decode(bytes.fromhex(vector["raw_hex"]))[0]
        if expected.get("negative"):
            assert message.faults
            assert not message.readings
            continue
        if not expected["length_ok"] and expected["protocol_number"] == "0x11":
            assert [fault.kind for fault in message.faults] == [FaultKind.FRAME]
            continue
        found = read.detail(message)
        for key in (*plain, *more):
            if key in expected:
                assert found[key] == expected[key], (key, vector["raw_hex"])
        if "lat" in expected:
            assert found["lat"] == pytest.approx(expected["lat"], abs=1e-6)
            assert found["lon"] == pytest.approx(expected["lon"], abs=1e-6)
            position = message.readings[0].position
            assert (position is not None) == expected["positioned"]
        if "server_reply_hex" in expected:
            reply = Gt06Codec({}).reply(message, Verdict.STORED, NOW)
            assert reply is not None
            assert reply.hex() == expected["server_reply_hex"]
        for reading in message.readings:
            assert set(reading.values) <= set(vocabulary())


def test_a_session_names_its_readings() -> None:
    login, location = decode(LOGIN + LOCATION)
    assert (login.device, login.login) == ("gt06:123456789012345", True)
    (reading,) = location.readings
    assert (reading.device, reading.kind) == ("gt06:123456789012345", "vehicle")
    assert reading.observed_at is not None
    assert to_text(reading.observed_at) == "2022-07-22T15:16:00Z"
    assert reading.values == {"satellites": 15, "speed": 44, "course": 151, "ignition": True}
    assert reading.position is not None
    assert reading.position.lon == pytest.approx(110.360333, abs=1e-6)


def test_without_a_login_readings_are_shown_unnamed() -> None:
    message = one(LOCATION)
    assert message.device is None
    assert message.readings[0].device == ""


def test_the_zone_is_an_option_and_may_come_from_the_login() -> None:
    east = one(LOCATION, zone="+08:00").readings[0].observed_at
    assert east is not None
    assert to_text(east) == "2022-07-22T07:16:00Z"
    west = bytes.fromhex("787811010864717003664467100f190a0002c6d20d0a")
    told = decode(west + LOCATION, zone="login")[1].readings[0].observed_at
    assert told is not None
    assert to_text(told) == "2022-07-22T19:16:00Z"
    assert read.detail(decode(west)[0])["zone"] == "UTC-04:00"
    with pytest.raises(ValueError, match="unknown time zone"):
        Gt06Codec({"zone": "Mars/Olympus"})


@pytest.mark.parametrize(
    ("status", "sign_lon", "sign_lat"), [(0x1497, 1, 1), (0x1897, -1, -1), (0x1C97, -1, 1), (0x1097, 1, -1)]
)
def test_hemispheres(status: int, sign_lon: int, sign_lat: int) -> None:
    position = one(frame(0x10, GPS[:-2] + status.to_bytes(2, "big"))).readings[0].position
    assert position is not None
    assert (position.lon > 0, position.lat > 0) == (sign_lon > 0, sign_lat > 0)


def test_no_fix_gives_no_position_and_an_impossible_one_a_fault() -> None:
    unfixed = one(frame(0x10, GPS[:-2] + b"\x04\x97"))
    assert unfixed.readings[0].position is None
    assert unfixed.readings[0].values["speed"] == 44
    beyond = one(frame(0x10, GPS[:7] + (91 * 1_800_000).to_bytes(4, "big") + GPS[11:]))
    assert [fault.kind for fault in beyond.faults] == [FaultKind.POSITION]
    assert beyond.readings[0].position is None


@pytest.mark.parametrize(
    ("status", "values"),
    [
        ("4604 0401 02", {"ignition": True, "charging": True, "alarms": ["sos"], "battery": 66.7, "signal": 100}),
        ("4400 0000 02", {"ignition": False, "charging": True, "alarms": [], "battery": 0.0, "signal": 0}),
        ("6006 0300 02", {"ignition": False, "charging": False, "alarms": ["sos"], "battery": 100.0, "signal": 75}),
        ("0006 03fe 02", {"ignition": True, "alarms": [], "events": ["ignition-on"]}),
        ("0006 0355 02", {"alarms": ["alarm-0x55"]}),
    ],
)
def test_alarms_are_named(status: str, values: dict[str, Any]) -> None:
    for number in (0x16, 0x26, 0x27, 0x32):
        message = one(frame(number, GPS + b"\x09" + LBS + bytes.fromhex(status)))
        found = message.readings[0].values
        assert {key: found[key] for key in values} == values


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("4406040002", {"ignition": False, "charging": True, "alarms": [], "battery": 100.0, "signal": 100}),
        ("0604ea0400", {"ignition": True, "charging": True, "alarms": []}),  # volts in hundredths: another layout
        ("4250120002", {"ignition": True, "battery": 80}),  # battery in percent, GSM in some other scale
    ],
)
def test_heartbeats(content: str, values: dict[str, Any]) -> None:
    found = one(frame(0x13, bytes.fromhex(content))).readings[0].values
    assert {key: found.get(key) for key in values} == values
    assert ("battery" in found) == ("battery" in values)


def test_an_imei_before_the_date_is_stepped_over() -> None:
    message = one(frame(0x38, bytes.fromhex("0356354871186947") + GPS))
    assert message.readings[0].values["speed"] == 44


def test_long_base_stations_and_camera_alarms() -> None:
    long_lbs = bytes.fromhex("02d4020000912900000000 07186b8f")
    found = one(frame(0xA0, GPS + long_lbs + b"\x01\x03\x00"))
    assert found.readings[0].values["ignition"] is True
    assert read.detail(found)["lbs"] == {"mcc": 724, "mnc": 2, "lac": 37161, "cell": 119040911}
    crash = one(frame(0x95, GPS[:6] + GPS[7:15] + GPS[16:18] + b"\x93"))
    assert crash.readings[0].values["alarms"] == ["collision"]
    assert crash.readings[0].position is not None


def test_replies_follow_number_and_verdict() -> None:
    codec = Gt06Codec({})
    for number in (0x13, 0x16, 0x26, 0x27):
        message = one(
            frame(number, bytes.fromhex("4406040002") if number == 0x13 else GPS + b"\x09" + LBS + bytes(5), 7)
        )
        assert codec.reply(message, Verdict.STORED, NOW) == frame(number, b"", 7)
        assert codec.reply(message, Verdict.REFUSED, NOW) is None
        assert codec.reply(message, Verdict.BUSY, NOW) is None
    assert codec.reply(one(LOCATION), Verdict.STORED, NOW) is None
    clock = codec.reply(one(frame(0x8A, b"", 6)), Verdict.STORED, NOW)
    assert clock == frame(0x8A, bytes((26, 11, 22, 8, 0, 5)), 6)
    for damaged in decode(LOGIN[:-3] + b"\0\r\n"):
        assert codec.reply(damaged, Verdict.STORED, NOW) is None


def test_faults_say_what_is_wrong() -> None:
    def kinds(data: bytes) -> list[FaultKind]:
        return [fault.kind for message in decode(data) for fault in message.faults]

    assert kinds(LOGIN[:-4] + b"\0\0\r\n") == [FaultKind.CHECKSUM]
    assert kinds(frame(0xEE, b"abc")) == [FaultKind.UNSUPPORTED]
    assert kinds(frame(0x12, GPS[:9])) == [FaultKind.SYNTAX]
    assert kinds(frame(0x12, b"")) == []
    assert kinds(frame(0x01, b"\xff" * 8)) == [FaultKind.SYNTAX]
    assert kinds(frame(0x10, b"\x16\x0d" + GPS[2:])) == [FaultKind.TIME]
    assert kinds(LOGIN[:9]) == [FaultKind.TRUNCATED]
    assert kinds(b"hello") == [FaultKind.FRAME]


def test_decoding_goes_on_behind_junk_and_behind_clipped_frames() -> None:
    wifi = bytes.fromhex("787800171710231108290200cc080c4e2fa5640c4e2fa5640d0a")
    found = decode(b"junk" + LOCATION + LOCATION[:20] + LOCATION + LOGIN[:12] + b"\r\n" + LOCATION + wifi + LOCATION)
    kinds = [fault.kind for message in found for fault in message.faults]
    assert kinds == [FaultKind.FRAME] * 3
    assert sum(len(message.readings) for message in found) == 4
    assert any(message.raw == wifi and not message.faults for message in found)


@given(st.binary(max_size=120), st.integers(0, 255), st.booleans())
def test_any_content_is_survived(content: bytes, number: int, long_frame: bool) -> None:
    codec = Gt06Codec({"zone": "login"})
    for message in read.decoded(codec, [frame(number, content, long_frame=long_frame)]):
        json.dumps(read.detail(message))
        for verdict in Verdict:
            codec.reply(message, verdict, NOW)


async def test_answers_over_a_real_socket() -> None:
    intake = FakeIntake()
    adapter = StreamAdapter("cars", Gt06Options(listen="tcp://127.0.0.1:0"), Gt06Codec)
    running = asyncio.create_task(adapter.run(intake))
    await intake.until(lambda: bool(adapter.bound))
    host, port = adapter.bound.removeprefix("tcp://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(LOGIN + frame(0x13, bytes.fromhex("4406040002"), 2))
        assert await asyncio.wait_for(reader.readexactly(20), 60) == frame(1, b"") + frame(0x13, b"", 2)
    finally:
        writer.close()
        await writer.wait_closed()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(intake.readings) == 1


def test_the_plugin_says_what_it_is() -> None:
    assert (PLUGIN.protocol, PLUGIN.binary, PLUGIN.kind) == ("gt06", True, "vehicle")
