"""Teltonika: the vectors, every element kind, logins, answers, commands, and the laws of codecs."""

from __future__ import annotations

import json
from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.teltonika import PLUGIN, commands
from adapters.teltonika.codec import TeltonikaCodec
from adapters.teltonika.elements import BY_WIDTH
from adapters.teltonika.packet import WINDOW, crc
from hub.metrics import vocabulary
from hub.model import Message, Position, Reading, Verdict
from hub.moment import from_text
from hub.ports import Codec
from tests.adapters.messages import decoded
from tests.shared import shared_path

IMEI = "356307042441013"
DEVICE = f"teltonika:{IMEI}"
LOGIN = b"\0\x0f" + IMEI.encode()
AT = "2026-11-22T08:00:00.25Z"

Io = dict[int, tuple[int, int]]
"""id → (width in bytes, unsigned number)"""


def fixed(
    priority: int = 0, lon: float = 121.4737, lat: float = 31.2304, satellites: int = 9, ms: int | None = None
) -> bytes:
    at = from_text(AT) // 1_000_000 if ms is None else ms
    return pack(">QBiihHBH", at, priority, round(lon * 1e7), round(lat * 1e7), 12, 90, satellites, 45)


def groups(io: Io, ids: str, counts: str) -> bytes:
    out = b""
    for width in (1, 2, 4, 8):
        members = [(ident, number) for ident, (size, number) in io.items() if size == width]
        out += pack(f">{counts}", len(members))
        for ident, number in members:
            out += pack(f">{ids}", ident) + number.to_bytes(width, "big")
    return out


def record(
    io: Io | None = None, form: int = 0x08, event: int = 0, long: dict[int, bytes] | None = None, **place: Any
) -> bytes:
    io = io or {}
    total = len(io) + len(long or {})
    if form == 0x08:
        return fixed(**place) + pack(">BB", event, total) + groups(io, "B", "B")
    if form == 0x10:
        return fixed(**place) + pack(">HBB", event, 5, total) + groups(io, "H", "B")
    tail = pack(">H", len(long or {}))
    for ident, value in (long or {}).items():
        tail += pack(">HH", ident, len(value)) + value
    return fixed(**place) + pack(">HH", event, total) + groups(io, "H", "H") + tail


def data(records: list[bytes], form: int = 0x08, count2: int | None = None) -> bytes:
    return bytes([form, len(records)]) + b"".join(records) + bytes([len(records) if count2 is None else count2])


def tcp(content: bytes) -> bytes:
    return bytes(4) + pack(">I", len(content)) + content + pack(">I", crc(content))


def udp(content: bytes, imei: str = IMEI) -> bytes:
    body = b"\xca\xfe\x01\x05\0\x0f" + imei.encode() + content
    return pack(">H", len(body)) + body


def one(raw: bytes, using: Codec | None = None) -> Message:
    messages = decoded(using or TeltonikaCodec(), [raw])
    assert len(messages) == 1, messages
    return messages[0]


def reading_of(io: Io | None = None, form: int = 0x08, **more: Any) -> Reading:
    message = one(tcp(data([record(io, form, **more)], form)))
    assert not message.faults
    (reading,) = message.readings
    return reading


def kinds(messages: list[Message]) -> list[str]:
    return [fault.kind.value for message in messages for fault in message.faults]


# --------------------------------------------------------------------------------------------------------- vectors


def vectors() -> list[dict[str, Any]]:
    return [json.loads(line) for line in shared_path("vectors/teltonika.jsonl").read_text("utf-8").splitlines()]


def test_every_sound_vector_is_decoded_to_what_it_holds_and_answered() -> None:
    checked = 0
    for vector in vectors():
        expected = vector["expected"]
        if expected.get("crc_ok") is False:
            continue
        using = TeltonikaCodec()
        message = one(bytes.fromhex(vector["raw_hex"]), using)
        detail = message.body.detail()
        records = expected.pop("records", [])
        reply = expected.pop("server_reply_hex", None)
        for key in ("note", "asserted", "server_reject_hex"):
            expected.pop(key, None)
        assert expected == {key: detail.get(key) for key in expected}
        assert len(records) == len(detail.get("records", [])) == len(message.readings)
        for wanted, got, reading in zip(records, detail.get("records", []), message.readings, strict=True):
            assert wanted == {key: got.get(key) for key in wanted}
            assert reading.observed_at == from_text(wanted["timestamp"])
            assert reading.values["speed"] == wanted["speed_kmh"]
            assert (reading.position is None) == (wanted["satellites"] == 0)
            if reading.position:
                assert (reading.position.lon, reading.position.lat) == (wanted["lon"], wanted["lat"])
        answer = using.reply(message, Verdict.STORED, 0)
        assert (answer.hex() if answer else None) == reply
        checked += 1
    assert checked == 26


def test_unsound_vectors_are_refused_and_not_acknowledged() -> None:
    seen = []
    for vector in vectors():
        if vector["expected"].get("crc_ok") is not False:
            continue
        using = TeltonikaCodec()
        message = one(bytes.fromhex(vector["raw_hex"]), using)
        assert not message.readings
        assert using.reply(message, Verdict.STORED, 0) is None
        seen += kinds([message])
    assert sorted(seen) == ["checksum"] * 3 + ["frame"] + ["truncated"] * 2


def test_the_legacy_codec_is_unsupported() -> None:
    (legacy,) = [vector for vector in vectors() if vector["expected"].get("codec") == "0x07"]
    using = TeltonikaCodec()
    message = one(bytes.fromhex(legacy["raw_hex"]), using)
    assert kinds([message]) == ["unsupported"]
    assert using.reply(message, Verdict.STORED, 0) is None


# --------------------------------------------------------------------------------------------------------- records


@pytest.mark.parametrize("form", [0x08, 0x8E, 0x10])
def test_a_record_becomes_one_reading(form: int) -> None:
    io = {239: (1, 1), 240: (1, 0), 21: (1, 4), 113: (1, 87), 66: (2, 12800), 67: (2, 4012), 16: (4, 61383)}
    assert reading_of(io, form) == Reading(
        "",
        from_text(AT),
        {
            "speed": 45,
            "course": 90,
            "satellites": 9,
            "panic": False,
            "ignition": True,
            "moving": False,
            "signal": 80.0,
            "battery": 87,
            "supply_voltage": 12.8,
            "battery_voltage": 4.012,
            "odometer": 61.383,
        },
        Position(121.4737, 31.2304, 12),
        kind="vehicle",
    )


@pytest.mark.parametrize(
    ("ident", "width", "number", "metric", "value"),
    [
        (17, 2, 1000, "acceleration_x", 9.80665),
        (18, 2, 0x10000 - 500, "acceleration_y", -4.903325),
        (32, 1, 0xF6, "engine_temperature", -10),
        (36, 2, 2400, "engine_speed", 2400),
        (41, 1, 33, "throttle", 33),
        (48, 1, 60, "fuel_level", 60),
        (84, 2, 455, "fuel_volume", 45.5),
        (87, 4, 5000, "odometer", 5.0),
        (102, 4, 90, "engine_hours", 1.5),
        (12, 4, 1500, "fuel_used", 1.5),
        (72, 4, 0xFFFFFFFF - 99, "temperature", -10.0),
        (25, 2, 2150, "temperature", 21.5),
        (86, 2, 455, "humidity", 45.5),
        (182, 2, 12, "hdop", 1.2),
        (199, 4, 1200, "trip", 1.2),
        (90, 2, 256, "door", True),
        (78, 8, 0x01ABCDEF, "driver", "0000000001ABCDEF"),
        (246, 1, 1, "alarms", ["towing"]),
        (249, 1, 0, "alarms", []),
        (252, 1, 1, "alarms", ["unplugged"]),
        (253, 1, 2, "events", ["harsh braking"]),
        (247, 1, 1, "events", ["crash"]),
        (255, 1, 95, "events", ["overspeed"]),
    ],
)
def test_elements(ident: int, width: int, number: int, metric: str, value: object) -> None:
    got = reading_of({ident: (width, number)}).values[metric]
    assert got == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize(("ident", "width", "number"), [(72, 4, 3000), (25, 2, 3000), (86, 2, 4000), (78, 8, 0)])
def test_codes_for_no_value_are_no_data(ident: int, width: int, number: int) -> None:
    assert set(reading_of({ident: (width, number)}).values) == {"speed", "course", "satellites", "panic"}


def test_an_element_of_another_width_is_another_families_and_stays_in_detail() -> None:
    message = one(tcp(data([record({239: (2, 7), 66: (1, 3), 999 % 256: (1, 4)})])))
    assert set(message.readings[0].values) == {"speed", "course", "satellites", "panic"}
    assert message.body.detail()["records"][0]["io"] == {"239": 7, "66": 3, "231": 4}


def test_the_first_probe_that_is_there_counts() -> None:
    assert reading_of({72: (4, 3000), 73: (4, 215), 74: (4, 300)}).values["temperature"] == 21.5


def test_long_elements_of_8e() -> None:
    message = one(tcp(data([record({}, 0x8E, long={256: b"A11JC5444R7252367", 385: b"\x11!"})], 0x8E)))
    assert message.readings[0].values["vin"] == "A11JC5444R7252367"
    assert message.body.detail()["records"][0]["io"]["385"] == "0x1121"


def test_priority_2_is_panic() -> None:
    assert reading_of(priority=2).values["panic"] is True
    assert reading_of(priority=1).values["panic"] is False


@pytest.mark.parametrize("place", [{"satellites": 0}, {"lon": 0, "lat": 0}])
def test_without_a_fix_the_other_values_stay(place: dict[str, Any]) -> None:
    reading = reading_of({239: (1, 1)}, **place)
    assert reading.position is None
    assert reading.values["ignition"] is True


def test_an_impossible_place_or_time_is_a_fault() -> None:
    place = one(tcp(data([record(lat=136.2)])))
    assert kinds([place]) == ["position"]
    assert place.readings[0].position is None
    time = one(tcp(data([record(ms=2**63 // 1_000_000), record()])))
    assert kinds([time]) == ["time"]
    assert len(time.readings) == 1


def test_old_devices_add_a_group_of_16_byte_values() -> None:
    body = record({239: (1, 1)}) + b"\x01\x91" + bytes(range(16))
    message = one(tcp(data([body, body])))
    assert len(message.readings) == 2
    assert not message.faults
    assert message.body.detail()["records"][1]["io"]["145"] == "0x" + bytes(range(16)).hex()


def test_counts_that_differ_are_tolerated_when_the_records_fit() -> None:
    using = TeltonikaCodec()
    message = one(tcp(data([record(), record()], count2=3)), using)
    assert len(message.readings) == 2
    assert message.body.detail()["count2"] == 3
    assert using.reply(message, Verdict.STORED, 0) == b"\0\0\0\2"


def test_records_that_do_not_fit_are_refused_and_not_acknowledged() -> None:
    using = TeltonikaCodec()
    message = one(tcp(b"\x08\x03" + record() + record() + b"\x03"), using)
    assert kinds([message]) == ["syntax"]
    assert not message.readings
    assert using.reply(message, Verdict.STORED, 0) is None
    assert message.faults[0].readings == 3


def test_every_metric_is_in_the_vocabulary() -> None:
    for elements in BY_WIDTH:
        for element in elements.values():
            values: dict[str, Any] = {}
            element(values, 1)
            assert set(values) <= set(vocabulary())


# --------------------------------------------------------------------------------------------- sessions and answers


def test_a_session_over_tcp() -> None:
    using = TeltonikaCodec()
    login = one(LOGIN, using)
    assert (login.device, login.login, login.readings) == (DEVICE, True, [])
    assert using.reply(login, Verdict.STORED, 0) == b"\x01"
    assert using.reply(login, Verdict.REFUSED, 0) == b"\x00"
    assert using.reply(login, Verdict.BUSY, 0) == b"\x00"
    message = one(tcp(data([record(), record()])), using)
    assert message.device == DEVICE
    assert {reading.device for reading in message.readings} == {DEVICE}
    assert using.reply(message, Verdict.STORED, 0) == b"\0\0\0\2"
    assert using.reply(message, Verdict.BUSY, 0) is None
    assert using.reply(message, Verdict.REFUSED, 0) == b"\0\0\0\2"
    ping = one(b"\xff", using)
    assert (ping.device, ping.readings, ping.faults) == (DEVICE, [], [])
    assert using.reply(ping, Verdict.STORED, 0) is None


def test_without_a_login_readings_have_no_device_and_are_only_acknowledged_when_stored() -> None:
    using = TeltonikaCodec()
    message = one(tcp(data([record()])), using)
    assert message.device is None
    assert message.readings[0].device == ""
    assert using.reply(message, Verdict.REFUSED, 0) is None


def test_a_datagram_names_its_device_and_logs_in_by_itself() -> None:
    using = TeltonikaCodec()
    message = one(udp(data([record()])), using)
    assert (message.device, message.login) == (DEVICE, True)
    assert using.reply(message, Verdict.STORED, 0) == bytes.fromhex("0005cafe010501")
    assert using.reply(message, Verdict.BUSY, 0) is None


def test_two_packets_and_a_ping_in_one_chunk() -> None:
    messages = decoded(TeltonikaCodec(), [LOGIN + b"\xff" + tcp(data([record()])) + tcp(data([record()], 0x08))])
    assert [len(message.readings) for message in messages] == [0, 0, 1, 1]


# ------------------------------------------------------------------------------------------------ commands and texts


def test_the_command_of_the_wiki() -> None:
    assert commands.command("getinfo").hex() == "000000000000000f0c010500000007676574696e666f0100004312"


def test_responses_come_up_as_detail_and_are_not_answered() -> None:
    using = TeltonikaCodec()
    text = b"INI:2026/11/22"
    message = one(tcp(b"\x0c\x01\x06" + pack(">I", len(text)) + text + b"\x01"), using)
    detail = message.body.detail()
    assert (detail["type"], detail["payload_text"]) == ("response", text.decode())
    assert using.reply(message, Verdict.STORED, 0) is None
    timed = one(tcp(b"\x0d\x01\x06" + pack(">I", 6) + pack(">I", 1_700_000_000) + b"OK" + b"\x01"))
    assert timed.body.detail()["timestamp"] == "2023-11-14T22:13:20.000Z"
    assert timed.body.detail()["payload_text"] == "OK"
    named = one(tcp(b"\x0e\x01\x06" + pack(">I", 10) + bytes.fromhex("0356307042441013") + b"OK" + b"\x01"))
    assert named.body.detail()["imei"] == IMEI


@pytest.mark.parametrize("text", ["", "x" * 1001, "getinfo…"])
def test_commands_that_cannot_be_sent_say_why(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 1000 ASCII"):
        commands.command(text)


# --------------------------------------------------------------------------------------------- framing and the laws


def test_junk_is_one_fault_and_the_packet_behind_it_is_found() -> None:
    packet = tcp(data([record()]))
    messages = decoded(TeltonikaCodec(), [b"hello, junk!" + packet + packet])
    assert kinds(messages) == ["frame"]
    assert messages[0].faults[0].raw == b"hello, junk!"
    assert [len(message.readings) for message in messages] == [0, 1, 1]


@pytest.mark.parametrize("junk", [b"\0", b"\0\0\0", b"\0\x0f12", b"ab", bytes(8), b"\0\0\0\0\0\0\0\x36\x55"])
def test_a_short_packet_right_behind_junk_is_found(junk: bytes) -> None:
    messages = decoded(TeltonikaCodec(), [junk + commands.command("x")])
    assert kinds(messages) == ["frame"]
    assert messages[-1].body.detail()["payload_text"] == "x"


def test_a_flood_of_junk_is_oversize_once() -> None:
    using = TeltonikaCodec()
    messages = [message for _ in range(12) for message in using.feed(b"junk" * 500)]
    assert kinds(messages) == ["oversize"]
    assert len(using._waiting) < WINDOW
    assert len(using.feed(tcp(data([record()])))[0].readings) == 1


def test_a_packet_cut_short_is_told_at_the_end() -> None:
    packet = tcp(data([record()]))
    using = TeltonikaCodec()
    using.feed(packet[:-3])
    left = using.end()
    assert kinds(left) == ["truncated"]
    assert f"{len(packet) - 3} of its {len(packet)} bytes" in left[0].faults[0].detail
    assert using.end() == []


@given(form=st.sampled_from([0x07, 0x08, 0x8E, 0x10, 0x0C, 0x0D, 0x0E, 0x0F]), body=st.binary(min_size=2, max_size=120))
def test_arbitrary_data_under_a_good_crc_never_raises(form: int, body: bytes) -> None:
    for raw in (tcp(bytes([form]) + body), udp(bytes([form]) + body)):
        using = TeltonikaCodec()
        message = one(raw, using)
        json.dumps(message.body.detail())
        using.reply(message, Verdict.STORED, 0)


def test_the_plugin_names_itself() -> None:
    assert (PLUGIN.protocol, PLUGIN.binary, PLUGIN.kind) == ("teltonika", True, "vehicle")
    assert isinstance(TeltonikaCodec(), Codec)


def test_packets_behind_a_wrong_length_are_read_at_the_end() -> None:
    from tests.laws.seeds import SEEDS

    good = SEEDS["teltonika"].reports[0]
    lying = bytes.fromhex("0000000000001fff08010000")
    codec_ = TeltonikaCodec()
    messages = [*codec_.feed(lying + good + good), *codec_.end()]
    assert sum(len(message.readings) for message in messages) == 2


@pytest.mark.parametrize("chunk", [1, 4096])
@pytest.mark.parametrize("off_by", [*range(-8, 8), 30, 44, 60, 100])
def test_a_wrong_length_costs_its_own_packet_and_none_behind_it(off_by: int, chunk: int) -> None:
    """Also where it ends within the packet behind: among the zeros of its head, or later."""
    good = [tcp(data([record({239: (1, number)})])) for number in (0, 1, 2)]
    length = int.from_bytes(good[0][4:8], "big") + off_by
    lying = good[0][:4] + length.to_bytes(4, "big") + good[0][8:]
    sent = b"".join([good[0] if off_by == 0 else lying, *good])
    messages = decoded(TeltonikaCodec(), [sent[at : at + chunk] for at in range(0, len(sent), chunk)])
    assert sum(len(message.readings) for message in messages) == (4 if off_by == 0 else 3)
