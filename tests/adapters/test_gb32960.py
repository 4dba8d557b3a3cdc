"""GB/T 32960.3 against vectors, hand-made frames and the laws of codecs."""

from __future__ import annotations

import asyncio
import json
from functools import reduce
from operator import xor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gb32960 import PLUGIN, Gb32960Options
from adapters.gb32960.codec import Gb32960Codec, check_code
from adapters.gb32960.items import walk
from adapters.gb32960.vocabulary import quick, thorough
from adapters.gcj02 import to_wgs84
from adapters.transport import StreamAdapter
from hub.metrics import vocabulary
from hub.model import FaultKind, Message, Verdict
from hub.moment import from_text, to_text
from tests.adapters import messages as read
from tests.adapters.intake import FakeIntake
from tests.shared import shared_path

VIN = b"LTEST000000000001"
STAMP = bytes.fromhex("190a1b140202")  # 2025-10-27 20:02:02
NOW = from_text("2026-11-22T08:00:00Z")
VEHICLE_2016 = bytes.fromhex("01010301007a00000a1d1e81274355011e19990010")
POSITION_2016 = bytes.fromhex("0500") + (120_009_633).to_bytes(4, "big") + (30_344_348).to_bytes(4, "big")


def frame(
    command: int, data: bytes, *, start: bytes = b"##", answer: int = 0xFE, encryption: int = 1, vin: bytes = VIN
) -> bytes:
    body = bytes((command, answer)) + vin + bytes((encryption,)) + len(data).to_bytes(2, "big") + data
    return start + body + bytes((reduce(xor, body),))


def decode(data: bytes, **options: Any) -> list[Message]:
    return read.decoded(Gb32960Codec(options), [data])


def one(data: bytes, **options: Any) -> Message:
    (message,) = decode(data, **options)
    return message


def vectors() -> list[dict[str, Any]]:
    return [json.loads(line) for line in shared_path("vectors/gb32960.jsonl").read_text("utf-8").splitlines()]


def agrees(expected: Any, found: Any, path: str = "") -> None:
    """Every expected field is found under the same name."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            if key.endswith("_first"):
                agrees(
                    value, found[{"cell_v_first": "cell_v", "temps_first": "temps"}[key]][: len(value)], f"{path}.{key}"
                )
            elif key == "cell_v_sum":
                assert sum(v for v in found["cell_v"] if not isinstance(v, str)) == pytest.approx(value)
            else:
                agrees(value, found[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert len(expected) == len(found), path
        for place, value in enumerate(expected):
            agrees(value, found[place], f"{path}[{place}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected), path
    else:
        assert found == expected, path


def test_vectors_hold_what_they_say() -> None:
    shown = ("version", "command", "command_name", "response", "vin", "encryption", "data_length", "bcc", "bcc_ok")
    for vector in vectors():
        expected = vector["expected"]
        message = one(bytes.fromhex(vector["raw_hex"]))
        if expected.get("negative"):
            assert [fault.kind for fault in message.faults] == [FaultKind.CHECKSUM]
            assert not message.readings
            continue
        assert message.device == f"gb32960:{expected['vin']}"
        for key in (*shown, "login", "data", "logout", "platform_logout", "time"):
            if key in expected and not (key == "login" and expected["version"] == "2025"):
                wanted = expected[key]
                if key == "login":
                    wanted = {name: value for name, value in wanted.items() if name != "asserted"}
                agrees(wanted, read.detail(message)[key], key)
        reply = Gb32960Codec({}).reply(message, Verdict.STORED, NOW)
        if "server_reply_hex_prefix" in expected:
            assert reply is not None
            assert reply.hex().startswith(expected["server_reply_hex_prefix"])
            assert reply[24:30].hex() == "1a0b16100000"  # 16:00 in Beijing
        for reading in message.readings:
            assert set(reading.values) <= set(vocabulary())


def test_a_report_becomes_one_reading_in_the_vocabulary() -> None:
    message = one(frame(2, STAMP + VEHICLE_2016 + POSITION_2016))
    (reading,) = message.readings
    assert reading.device == "gb32960:LTEST000000000001"
    assert reading.kind == "vehicle"
    assert reading.observed_at is not None
    assert to_text(reading.observed_at) == "2025-10-27T12:02:02Z"
    assert reading.values == {
        "speed": 12.2,
        "odometer": 258.9,
        "voltage": 780.9,
        "current": 5.1,
        "soc": 85,
        "insulation_resistance": 6553,
        "throttle": 0,
        "brake": 16,
        "ignition": True,
        "charging": False,
        "gear": "D",
    }
    assert reading.position is not None
    assert (reading.position.lon, reading.position.lat) == (120.009633, 30.344348)
    assert not message.faults


def test_signs_validity_and_shift_of_positions() -> None:
    place = POSITION_2016[2:]
    south_west = one(frame(2, STAMP + b"\x05\x06" + place)).readings[0].position
    assert south_west is not None
    assert (south_west.lon, south_west.lat) == (-120.009633, -30.344348)
    assert one(frame(2, STAMP + b"\x05\x01" + place)).readings == []
    nowhere = one(frame(2, STAMP + VEHICLE_2016 + b"\x05\x00" + (181_000_000).to_bytes(4, "big") + place[4:]))
    assert [fault.kind for fault in nowhere.faults] == [FaultKind.POSITION]
    assert nowhere.readings[0].position is None
    assert nowhere.readings[0].values["speed"] == 12.2
    other = one(frame(2, STAMP + b"\x05\x00\x03" + place, start=b"$$"))
    assert [fault.kind for fault in other.faults] == [FaultKind.POSITION]


def test_gcj02_is_taken_out_where_flagged_or_configured() -> None:
    place = POSITION_2016[2:]
    wanted = to_wgs84(120.009633, 30.344348)
    flagged = one(frame(2, STAMP + b"\x05\x00\x02" + place, start=b"$$")).readings[0].position
    plain = one(frame(2, STAMP + b"\x05\x00\x01" + place, start=b"$$"), coordinates="gcj02").readings[0].position
    configured = one(frame(2, STAMP + b"\x05\x00" + place), coordinates="gcj02").readings[0].position
    assert flagged is not None
    assert plain is not None
    assert configured is not None
    assert (flagged.lon, flagged.lat) == wanted
    assert (configured.lon, configured.lat) == wanted
    assert (plain.lon, plain.lat) == (120.009633, 30.344348)


def test_abnormal_and_invalid_codes_are_no_data() -> None:
    vehicle = bytes.fromhex("01 fe ff ff fffe ffffffff fffe ffff fe ff 00 fffe ff fe")
    message = one(frame(2, STAMP + vehicle))
    assert message.readings[0].values == {"gear": "N"}
    item = read.detail(message)["data"]["items"][0]
    assert (item["speed_kmh"], item["odometer_km"]) == ("abnormal", "invalid")


def test_2025_tables_are_chosen_by_the_start_bytes() -> None:
    vehicle = bytes.fromhex("01 010301 007a 00000a1d 1e81 7530 55 01 9e 1999")
    motors = bytes.fromhex("02 01 01 01 3b 8000 00030d40 3c")
    message = one(frame(2, STAMP + vehicle + motors, start=b"$$"))
    values = message.readings[0].values
    assert values["current"] == 0.0
    assert "gear" not in values  # its validity bit says no
    assert (values["motor_speed"], values["motor_torque"], values["motor_temperature"]) == (768, 0.0, 20)


def test_unconfirmed_items_are_shown_and_give_no_values() -> None:
    stack = bytes.fromhex("30 01 01 0fa0 03e8 044c 044c 41 0002 5050")
    capacitor = bytes.fromhex("31 01 0fa0 7530 0002 0a00 0a01 0001 50")
    extremes = bytes.fromhex("32 01 0001 0a01 01 0002 0a00 01 0001 50 01 0001 50")
    message = one(frame(2, STAMP + stack + capacitor + extremes, start=b"$$"))
    assert message.readings == []
    assert message.faults == []
    items = read.detail(message)["data"]["items"]
    assert [item["layout"] for item in items] == ["unconfirmed"] * 3
    assert items[0]["stacks"][0]["coolant_temps_c"] == [40, 40]
    assert items[2]["max_cell_v"] == 2.561


def test_what_has_no_layout_is_kept_and_said() -> None:
    message = one(frame(2, STAMP + VEHICLE_2016 + b"\x40\x01\x02"))
    assert [fault.kind for fault in message.faults] == [FaultKind.UNSUPPORTED]
    assert message.readings[0].values["speed"] == 12.2
    assert read.detail(message)["data"]["unread_hex"] == "400102"
    short = one(frame(2, STAMP + VEHICLE_2016 + b"\x09\x01\x01\x00\x09\x50"))
    assert [fault.kind for fault in short.faults] == [FaultKind.SYNTAX]


@pytest.mark.parametrize(
    ("code", "method", "refused"), [(2, "RSA", 2), (3, "AES-128", 2), (4, "SM2", 7), (5, "SM4", 7)]
)
def test_encrypted_units_are_faults_with_a_reason(code: int, method: str, refused: int) -> None:
    start = b"##" if refused == 2 else b"$$"
    message = one(frame(2, bytes(range(32)), encryption=code, start=start))
    assert [fault.kind for fault in message.faults] == [FaultKind.ENCRYPTED]
    assert method in message.faults[0].detail
    assert message.readings == []
    for verdict in (Verdict.REFUSED, Verdict.STORED):
        assert Gb32960Codec({}).reply(message, verdict, NOW) == frame(2, b"", answer=refused, start=start)


def test_replies_follow_the_verdict() -> None:
    codec = Gb32960Codec({})
    login = one(frame(1, STAMP + b"\0\x01" + b"8" * 20 + b"\x01\x00"))
    assert login.login
    assert codec.reply(login, Verdict.STORED, NOW) == frame(1, STAMP, answer=1)
    assert codec.reply(login, Verdict.REFUSED, NOW) == frame(1, STAMP, answer=2)
    assert codec.reply(login, Verdict.BUSY, NOW) is None
    unknown = one(frame(1, STAMP + b"\0\x01" + b"8" * 20 + b"\0", start=b"$$"))
    assert codec.reply(unknown, Verdict.REFUSED, NOW) == frame(1, STAMP, answer=4, start=b"$$")
    assert codec.reply(one(frame(7, b"")), Verdict.STORED, NOW) == frame(7, b"", answer=1)
    assert codec.reply(one(frame(2, STAMP, answer=1)), Verdict.STORED, NOW) is None


def test_platform_login_carries_its_credential_and_does_not_show_it() -> None:
    data = STAMP + b"\0\x01" + b"forwarder".ljust(12, b"\0") + b"open sesame".ljust(20, b"\0") + b"\x01"
    message = one(frame(5, data, vin=b"\0" * 17))
    assert (message.device, message.credential, message.login) == ("gb32960:forwarder", "open sesame", True)
    assert "sesame" not in json.dumps(read.detail(message))


def test_a_time_on_no_calendar_is_a_fault() -> None:
    message = one(frame(2, b"\x19\x0d\x01\0\0\0" + VEHICLE_2016))
    assert [(fault.kind, fault.readings) for fault in message.faults] == [(FaultKind.TIME, 1)]
    assert message.readings == []


def test_decoding_goes_on_behind_junk_and_behind_clipped_frames() -> None:
    good = frame(2, STAMP + VEHICLE_2016)
    found = decode(b"GET / HTTP/1.1\r\n" + good + good[:40] + good + good + good[:30])
    kinds = [fault.kind for message in found for fault in message.faults]
    assert kinds == [FaultKind.FRAME, FaultKind.CHECKSUM, FaultKind.TRUNCATED]
    assert sum(len(message.readings) for message in found) == 3


@given(st.binary(max_size=120), st.sampled_from([b"##", b"$$"]), st.sampled_from([1, 2, 3, 4, 5, 6, 9, 0x0B, 0x80]))
def test_any_data_unit_is_survived(data: bytes, start: bytes, command: int) -> None:
    codec = Gb32960Codec({})
    (message,) = read.decoded(codec, [frame(command, data, start=start)])
    json.dumps(read.detail(message))
    for verdict in Verdict:
        codec.reply(message, verdict, NOW)


@given(
    st.lists(st.tuples(st.sampled_from([1, 5]), st.binary(min_size=20, max_size=20)), max_size=4),
    st.sampled_from([2016, 2025]),
)
def test_the_quick_way_and_the_thorough_one_agree(items: list[tuple[int, bytes]], edition: int) -> None:
    sizes = {1: 20, 5: 9} if edition == 2016 else {1: 18, 5: 10}
    data = STAMP + b"".join(bytes([kind]) + body[: sizes[kind]] for kind, body in items)
    values, place = thorough(walk(data, 6, edition).items)
    found = quick(data, 6, edition == 2025)
    assert found is not None
    assert found[0] == values
    assert (found[1] and found[1].valid) == (place and place.valid)
    if place and place.valid:
        assert found[1] == place


@given(st.binary(min_size=1, max_size=700))
def test_the_check_code_is_the_xor_of_all_bytes(data: bytes) -> None:
    assert check_code(data) == reduce(xor, data)


async def test_answers_over_a_real_socket() -> None:
    intake = FakeIntake()
    adapter = StreamAdapter("cars", Gb32960Options(listen="tcp://127.0.0.1:0"), Gb32960Codec)
    running = asyncio.create_task(adapter.run(intake))
    await intake.until(lambda: bool(adapter.bound))
    host, port = adapter.bound.removeprefix("tcp://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(frame(1, STAMP + b"\0\x01" + b"8" * 20 + b"\x01\x00") + frame(2, STAMP + VEHICLE_2016))
        wanted = frame(1, STAMP, answer=1) + frame(2, STAMP, answer=1)
        assert await asyncio.wait_for(reader.readexactly(len(wanted)), 60) == wanted
    finally:
        writer.close()
        await writer.wait_closed()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(intake.readings) == 1


def test_the_plugin_says_what_it_is() -> None:
    assert (PLUGIN.protocol, PLUGIN.binary, PLUGIN.kind) == ("gb32960", True, "vehicle")


@pytest.mark.parametrize("data", [STAMP + b"CHIP000000000001" + b"\x00\x04KEY!", b"\x01"])
def test_an_activation_is_kept_whole_and_never_answered_by_guess(data: bytes) -> None:
    """GB/T 32960.3-2025: the vehicle sends 0x09 and waits for 0x0A, whose layout is in no public text."""
    activation = frame(0x09, data, start=b"$$")
    codec = Gb32960Codec({})
    (message,) = codec.feed(activation, NOW)
    assert [(fault.kind, fault.raw) for fault in message.faults] == [(FaultKind.UNSUPPORTED, activation)]
    assert "activation" in message.faults[0].detail
    assert (message.device, message.readings) == (f"gb32960:{VIN.decode()}", [])
    assert [codec.reply(message, verdict, NOW) for verdict in Verdict] == [None] * len(Verdict)


def test_frames_behind_a_wrong_length_are_read_at_the_end() -> None:
    from tests.laws.seeds import SEEDS

    good = SEEDS["gb32960"].reports[0]
    lying = bytearray(good)
    lying[22] = 0xFF
    messages = [*(codec := Gb32960Codec({})).feed(bytes(lying) + good + good), *codec.end()]
    assert sum(len(message.readings) for message in messages) == 2
