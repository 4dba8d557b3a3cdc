"""JT/T 808: the vectors, every message kind, sub-packages, answers, commands, and the laws of codecs."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.gcj02 import from_wgs84
from adapters.jt808 import PLUGIN, codec, commands
from adapters.jt808.codec import Jt808Codec
from adapters.jt808.location import ALARMS_2013, ALARMS_2019, Dialect
from adapters.jt808.subpackages import MAX_AGE_NS, MAX_BYTES, MAX_MESSAGES
from adapters.jt808.wire import MAX_FRAME, Terminal, encode, escape, unescape, xor
from hub.metrics import vocabulary
from hub.model import FaultKind, Message, Position, Reading, Verdict
from hub.moment import from_text
from hub.ports import Codec
from tests.adapters.messages import decoded
from tests.shared import shared_path

OLD = Terminal(bytes.fromhex("014450376202"))
NEW = Terminal(bytes.fromhex("00000000017299841738"), 1)
DEVICE = "jt808:014450376202"
NOW = from_text("2026-11-22T08:00:00Z")

UNESCAPED_MARK_INSIDE = {11, 24, 32, 44, 51}
"""Lines of the vectors whose source lost the escaping of a 7E: refused here, nothing is asserted of them."""


def location(
    alarm: int = 0,
    status: int = 3,
    lat: int = 31_230_416,
    lon: int = 121_473_701,
    alt: int = 12,
    speed: int = 456,
    course: int = 90,
    time: str = "261122160000",
    items: bytes = b"",
) -> bytes:
    fixed = b"".join(n.to_bytes(4, "big") for n in (alarm, status, lat & 0xFFFFFFFF, lon & 0xFFFFFFFF))
    return fixed + b"".join(n.to_bytes(2, "big") for n in (alt & 0xFFFF, speed, course)) + bytes.fromhex(time) + items


def item(ident: int, value: bytes) -> bytes:
    return bytes([ident, len(value)]) + value


def one(raw: bytes, using: Codec | None = None) -> Message:
    messages = decoded(using or codec({}), [raw])
    assert len(messages) == 1, messages
    return messages[0]


def reading_of(body: bytes, terminal: Terminal = OLD, **options: Any) -> Reading:
    message = one(encode(terminal, 0x0200, 7, body), codec(options))
    assert not message.faults
    (reading,) = message.readings
    return reading


def kinds(messages: list[Message]) -> list[str]:
    return [fault.kind.value for message in messages for fault in message.faults]


# --------------------------------------------------------------------------------------------------------- vectors


def vectors() -> list[tuple[int, dict[str, Any]]]:
    lines = shared_path("vectors/jt808.jsonl").read_text("utf-8").splitlines()
    return [(n, json.loads(line)) for n, line in enumerate(lines, 1)]


def differences(expected: dict[str, Any], got: dict[str, Any], path: str = "") -> list[str]:
    skip = {"note", "negative", "asserted_by_source", "terminal_id_note"}
    found = []
    for key, value in expected.items():
        if key in skip or (isinstance(value, str) and value.endswith("...")):
            continue
        if isinstance(value, dict) and key == "location":
            found += differences(value, got.get(key) or {}, f"{path}{key}.")
        elif key == "locations":
            assert len(got[key]) == len(value)
            for a, b in zip(value, got[key], strict=True):
                found += differences(a, b, f"{path}{key}.")
        elif got.get(key) != value:
            found.append(f"{path}{key}: {value!r} expected, {got.get(key)!r} decoded")
    return found


def test_every_vector_is_decoded_to_what_it_holds() -> None:
    wrong = {}
    checked = 0
    for n, vector in vectors():
        expected = vector["expected"]
        if n in UNESCAPED_MARK_INSIDE or "msg_id" not in expected or "negative" in expected:
            continue
        message = one(bytes.fromhex(vector["raw_hex"]))
        checked += 1
        if found := differences(expected, message.body.detail()):
            wrong[n] = found
    assert not wrong
    assert checked > 120


def test_locations_of_the_vectors_become_readings_in_vocabulary_units() -> None:
    checked = 0
    for n, vector in vectors():
        expected = vector["expected"]
        if n in UNESCAPED_MARK_INSIDE or "negative" in expected:
            continue
        places = [expected["location"]] if "location" in expected else expected.get("locations", [])
        if not places:
            continue
        readings = one(bytes.fromhex(vector["raw_hex"])).readings
        assert len(readings) == len(places)
        for place, reading in zip(places, readings, strict=True):
            assert reading.observed_at == from_text(place["time"]), n
            assert reading.values["speed"] == place["speed_kmh"]
            assert reading.values["ignition"] == place["acc"]
            if "mileage_km" in place:
                assert reading.values["odometer"] == place["mileage_km"]
            if "satellites" in place:
                assert reading.values["satellites"] == place["satellites"]
            real = place["fixed"] and (place["lat"] or place["lon"])
            assert (reading.position is not None) == bool(real and abs(place["lat"]) <= 90), n
            if reading.position:
                assert (reading.position.lon, reading.position.lat) == (place["lon"], place["lat"])
            checked += 1
    assert checked > 40


def test_vectors_with_a_wrong_checksum_are_refused_with_both_values() -> None:
    seen = 0
    for _, vector in vectors():
        if "negative" not in vector["expected"]:
            continue
        messages = decoded(codec({}), [bytes.fromhex(vector["raw_hex"])])
        assert not [reading for message in messages for reading in message.readings]
        assert set(kinds(messages)) == {"checksum"}
        seen += 1
    assert seen == 6


def test_metrics_are_in_the_vocabulary() -> None:
    names = {
        name
        for _, vector in vectors()
        for message in decoded(codec({}), [bytes.fromhex(vector["raw_hex"])])
        for reading in message.readings
        for name in reading.values
    }
    assert names <= set(vocabulary())
    assert {"speed", "course", "odometer", "alarms", "ignition", "fuel_volume", "recorder_speed", "rssi"} <= names


# -------------------------------------------------------------------------------------------------------- location


def test_a_location_becomes_one_reading() -> None:
    reading = reading_of(location(items=item(1, (14025).to_bytes(4, "big")) + item(0x31, b"\x0e")))
    assert reading == Reading(
        DEVICE,
        from_text("2026-11-22T08:00:00Z"),
        {
            "ignition": True,
            "door": False,
            "alarms": [],
            "speed": 45.6,
            "course": 90,
            "odometer": 1402.5,
            "satellites": 14,
        },
        Position(121.473701, 31.230416, 12),
        kind="vehicle",
    )


@pytest.mark.parametrize("bit", sorted(ALARMS_2013))
def test_alarm_bits_of_2013(bit: int) -> None:
    assert reading_of(location(alarm=1 << bit)).values["alarms"] == [ALARMS_2013[bit]]


@pytest.mark.parametrize("bit", sorted(ALARMS_2019))
def test_alarm_bits_of_2019(bit: int) -> None:
    assert reading_of(location(alarm=1 << bit), NEW).values["alarms"] == [ALARMS_2019[bit]]


def test_reserved_alarm_bits_have_no_name_but_stay_in_the_detail() -> None:
    message = one(encode(OLD, 0x0200, 1, location(alarm=1 << 16)))
    assert message.readings[0].values["alarms"] == []
    assert message.body.detail()["location"]["alarm"] == 1 << 16


def test_hemispheres_by_bits_and_by_twos_complement() -> None:
    south_west = Position(-46.853273, -23.404205, 12)
    by_bits = reading_of(location(status=0xF, lat=23_404_205, lon=46_853_273)).position
    by_sign = reading_of(location(status=0x3, lat=-23_404_205, lon=-46_853_273)).position
    assert by_bits == by_sign == south_west


@pytest.mark.parametrize("body", [location(status=1), location(lat=0, lon=0)])
def test_without_a_fix_the_other_values_stay(body: bytes) -> None:
    reading = reading_of(body)
    assert reading.position is None
    assert reading.values["speed"] == 45.6


def test_an_impossible_place_is_a_fault_of_the_position_only() -> None:
    message = one(encode(OLD, 0x0200, 1, location(lat=116_307_629, lon=40_058_359)))
    assert kinds([message]) == ["position"]
    assert message.readings[0].position is None
    assert message.readings[0].values["speed"] == 45.6


def test_an_unreadable_time_is_a_fault() -> None:
    for time in ("000000000000", "261322160000", "2611221600fa", "261122240000", "261122166000"):
        message = one(encode(OLD, 0x0200, 1, location(time=time)))
        assert kinds([message]) == ["time"]
        assert not message.readings
        assert message.faults[0].readings == 1


def test_zone_by_option() -> None:
    assert reading_of(location(), zone="UTC").observed_at == from_text("2026-11-22T16:00:00Z")
    assert reading_of(location(time="260722160000"), zone="Europe/Berlin").observed_at == from_text(
        "2026-07-22T16:00:00+02:00"
    )
    with pytest.raises(ValueError, match="Nowhere"):
        codec({"zone": "Nowhere/Land"})


def test_depth_below_the_sea_is_negative() -> None:
    position = reading_of(location(alt=-154)).position
    assert position is not None
    assert position.alt == -154


def test_coordinates_that_are_shifted() -> None:
    lon, lat = from_wgs84(121.473701, 31.230416)
    shifted = {"lat": round(lat * 1e6), "lon": round(lon * 1e6)}
    true = pytest.approx((121.473701, 31.230416), abs=2e-6)
    plug_in, plain = location(status=0x23, **shifted), location(**shifted)

    def place(body: bytes, coordinates: str) -> tuple[float, float]:
        position = reading_of(body, coordinates=coordinates).position
        assert position is not None
        return position.lon, position.lat

    assert place(plain, "gcj02") == true
    assert place(plug_in, "flagged") == true
    assert place(plain, "flagged") == place(plug_in, "wgs84") != true
    with pytest.raises(ValueError, match="bd09"):
        codec({"coordinates": "bd09"})


def test_items_of_the_standard() -> None:
    items = (
        item(0x01, b"\xff\xff\xff\xff")
        + item(0x02, (455).to_bytes(2, "big"))
        + item(0x03, (433).to_bytes(2, "big"))
        + item(0x06, b"\x80\x05")
        + item(0x14, b"\0\0\0\x11")
        + item(0x18, b"\0\x02\x50")
        + item(0x30, b"\x1f")
        + item(0x31, b"\xff")
        + item(0x51, b"\xff\xff" * 2 + b"\x01\x23" + b"\xff\xff" * 5)
    )
    assert reading_of(location(items=items), NEW).values == {
        "ignition": True,
        "door": False,
        "alarms": ["video signal lost", "overcrowding", "abnormal driving: phone"],
        "speed": 45.6,
        "course": 90,
        "fuel_volume": 45.5,
        "recorder_speed": 43.3,
        "cabin_temperature": -5,
        "rssi": -51,
        "temperature": 29.1,
    }


def test_detail_names_the_items_that_have_no_metric() -> None:
    items = (
        item(0x04, b"\0\x2c")
        + item(0x05, b"\x37\x38" + b"\xff" * 28)
        + item(0x11, b"\x04\0\0\0\x42")
        + item(0x12, b"\x03\0\0\0\x4d\x01")
        + item(0x13, b"\0\0\0\x58\0\x58\x01")
        + item(0x25, b"\0\0\0\x63")
        + item(0x2A, b"\0\x02")
        + item(0x2B, b"\0\x14\0\x0a")
        + item(0xE1, b"\x01")
        + item(0xE1, b"\x02")
    )
    detail = one(encode(NEW, 0x0200, 1, location(items=items))).body.detail()["location"]
    assert detail["alarm_event_id"] == 44
    assert detail["tyre_pressures"][:3] == [55, 56, None]
    assert detail["overspeed"] == {"where": "route", "id": 0x42}
    assert detail["area"] == {"where": "polygon", "id": 0x4D, "direction": "out"}
    assert detail["route"] == {"id": 0x58, "driven_s": 0x58, "result": "too long"}
    assert detail["signals"] == ["low beam", "high beam", "reverse", "fog light"]
    assert detail["io"] == ["sleep"]
    assert detail["analog"] == [10, 20]
    assert detail["extra_tlv_hex"]["e1"] == ["01", "02"]
    assert detail["extra_tlv_parse_clean"]


def safety_item(ident: int, flag: int, kind: int, level: int = 2) -> bytes:
    tail = b"\x3c\0\x0c" + (31_230_416).to_bytes(4, "big") + (121_473_701).to_bytes(4, "big")
    tail += bytes.fromhex("261122160000") + b"\0\x01" + b"T000001" + bytes.fromhex("261122160000") + b"\x01\x03\0"
    head = b"\0\0\0\x09" + bytes([flag])
    if ident == 0x64:
        return item(ident, head + bytes([kind, level, 50, 8, 0, 0, 0]) + tail)
    if ident == 0x65:
        return item(ident, head + bytes([kind, level, 7, 0, 0, 0, 0]) + tail)
    if ident == 0x70:
        return item(ident, head + bytes([kind, 0, 1, 0, 2, 0, 3]) + tail)
    if ident == 0x67:
        return item(ident, head + bytes([kind]) + tail)
    return item(ident, head + tail + b"\x01" + b"\x02\0" + bytes([1 << kind]) + b"\0\xc8\0\x2a\0\x50")


@pytest.mark.parametrize(
    ("ident", "flag", "kind", "name"),
    [
        (0x64, 1, 0x01, "ADAS: forward collision, level 2"),
        (0x64, 2, 0x02, "ADAS: lane departure, level 2, ends"),
        (0x65, 0, 0x01, "DSM: fatigue, level 2"),
        (0x65, 0, 0x7F, "DSM: type 127, level 2"),
        (0x66, 0, 2, "TPMS: tyre 2 pressure low"),
        (0x67, 1, 0x03, "BSD: approach from rear right"),
        (0x70, 1, 0x02, "driving: harsh braking"),
    ],
)
def test_active_safety_items_are_named_events(ident: int, flag: int, kind: int, name: str) -> None:
    message = one(encode(OLD, 0x0200, 1, location(items=safety_item(ident, flag, kind))))
    assert message.readings[0].values["events"] == [name]
    key = {0x64: "adas", 0x65: "dsm", 0x66: "tpms", 0x67: "bsd", 0x70: "harsh_driving"}[ident]
    detail = message.body.detail()["location"][key]
    assert detail["speed_kmh"] == 60
    assert detail["time"] == "2026-11-22T16:00:00+08:00"
    assert detail["events"] == [name]


def test_vendors_use_the_ids_of_active_safety_for_other_things() -> None:
    other = item(0x66, bytes.fromhex("01cc0000000c40f89f27b0")) + item(0x67, b"12342342") + item(0x64, b"")
    assert "events" not in reading_of(location(items=other)).values


def test_vendor_items_by_configuration() -> None:
    items = {
        "0x82": {"metric": "supply_voltage", "scale": 0.1},
        "0xE5": {"metric": "cargo_weight", "type": "u32", "unit": "t", "scale": 0.01, "at": 1},
        "0xE6": {"metric": "temperature", "type": "i16", "scale": 0.1},
    }
    body = location(items=item(0x82, b"\0\x92") + item(0xE5, b"\1\0\0\x04\xd2") + item(0xE6, b"\xff\x38"))
    values = reading_of(body, items=items).values
    assert values["supply_voltage"] == pytest.approx(14.6)
    assert values["cargo_weight"] == pytest.approx(12340)
    assert values["temperature"] == pytest.approx(-20)
    assert (
        reading_of(location(items=item(0x31, b"\x09")), items={"0x31": {"metric": "battery", "type": "u8"}}).values[
            "battery"
        ]
        == 9
    )
    short = location(items=item(0x82, b"\x92") + item(0xE5, b"\1\xff\xff\xff\xff"))
    assert not {"supply_voltage", "cargo_weight"} & set(reading_of(short, items=items).values)


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ({"weight": {"metric": "cargo_weight"}}, "no item id"),
        ({"0x82": {"metric": "cargo_wieght"}}, "was cargo_weight meant"),
        ({"0x82": {"metric": "cargo_weight", "unit": "V"}}, "no conversion"),
        ({"0x82": {"metric": "cargo_weight", "type": "f32"}}, "f32"),
        ({"0x82": {"metric": "cargo_weight", "scael": 2}}, "scael"),
    ],
)
def test_mistakes_in_vendor_items_are_said_in_a_sentence(items: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        codec({"items": items})


# ------------------------------------------------------------------------------------------------- other messages


def batch(bodies: list[bytes], kind: int = 1) -> bytes:
    head = len(bodies).to_bytes(2, "big") + bytes([kind])
    return head + b"".join(len(body).to_bytes(2, "big") + body for body in bodies)


def test_a_batch_holds_readings_and_the_bad_one_does_not_hurt_the_others() -> None:
    bodies = [location(time="261122160000"), location(time="000000000000"), location(time="261122160010")]
    message = one(encode(OLD, 0x0704, 3, batch(bodies)))
    assert [reading.observed_at for reading in message.readings] == [NOW, NOW + 10_000_000_000]
    assert kinds([message]) == ["time"]
    assert message.body.detail()["batch_type"] == 1


def test_a_batch_that_contradicts_itself_says_so() -> None:
    body = batch([location(), location()])
    message = one(encode(OLD, 0x0704, 3, body[:-1]))
    assert len(message.readings) == 1
    assert kinds([message]) == ["syntax"]
    assert message.faults[0].readings == 1


def test_driver_identity() -> None:
    name = "张三".encode("gbk")
    body = b"\x01" + bytes.fromhex("261122160000") + b"\0" + bytes([len(name)]) + name + b"310115".ljust(20, b"\0")
    body += b"\x04" + "交通".encode("gbk") + bytes.fromhex("20300101") + b"310115200001010000".ljust(20, b"\0")
    message = one(encode(NEW, 0x0702, 1, body))
    assert message.readings[0].values == {"events": ["driver card in"], "driver": "张三"}
    assert message.readings[0].observed_at == NOW
    detail = message.body.detail()
    assert (detail["certificate"], detail["issuer"], detail["expiry"]) == ("310115", "交通", "20300101")
    assert detail["identity_card"] == "310115200001010000"
    out = one(encode(OLD, 0x0702, 1, b"\x02" + bytes.fromhex("261122160000")))
    assert out.readings[0].values == {"events": ["driver card out"]}


def test_authentication_is_the_login() -> None:
    old = one(encode(OLD, 0x0102, 1, b"abc123"))
    assert (old.login, old.credential, old.device) == (True, "abc123", DEVICE)
    new = one(encode(NEW, 0x0102, 1, b"\x06abc123" + b"123456789012345" + b"V1.0".ljust(20, b"\0")))
    assert (new.login, new.credential) == (True, "abc123")
    assert new.body.detail()["software"] == "V1.0"
    empty = one(encode(OLD, 0x0102, 1, b""))
    assert kinds([empty]) == ["syntax"]
    assert not empty.login


def test_registration_is_no_login() -> None:
    plate = "沪A12345".encode("gbk")
    body = b"\0\x1f\0\x73" + b"MAKER" + b"MODEL-X".ljust(20, b"\0") + b"T000001" + b"\x02" + plate
    message = one(encode(OLD, 0x0100, 1, body))
    assert not message.login
    detail = message.body.detail()
    assert (detail["province"], detail["city"], detail["plate"]) == (31, 115, "沪A12345")
    assert kinds([one(encode(OLD, 0x0100, 1, b"\0\x1f"))]) == ["syntax"]


def test_an_id_that_is_no_bcd_holds_an_imei() -> None:
    message = one(encode(Terminal(bytes.fromhex("4eb6fb4afd9e")), 0x0002, 1, b""))
    detail = message.body.detail()
    assert detail["terminal_id_bcd"] == "4eb6fb4afd9e"
    assert message.device == f"jt808:{detail['imei']}"
    digits = [int(digit) for digit in detail["imei"]]
    doubled = [sum(divmod(digit * 2, 10)) if place % 2 else digit for place, digit in enumerate(digits)]
    assert len(digits) == 15
    assert sum(doubled) % 10 == 0


def test_encrypted_and_unknown_messages_are_faults_with_a_reason() -> None:
    content = bytes.fromhex("0200") + (0x0400 | 28).to_bytes(2, "big") + OLD.phone + b"\0\1" + location()
    message = one(b"\x7e" + escape(content + bytes([xor(content)])) + b"\x7e")
    assert kinds([message]) == ["encrypted"]
    assert message.device == DEVICE
    unknown = one(encode(OLD, 0x0F3A, 1, b"abc"))
    assert kinds([unknown]) == ["unsupported"]


def test_an_electronic_lock_on_the_same_port() -> None:
    sentence = one(b"(740190311185,1,001,ELOCK,3,529439)")
    assert sentence.device == "jt808:740190311185"
    assert sentence.body == {"text": "(740190311185,1,001,ELOCK,3,529439)"}
    assert not sentence.faults
    frame = encode(OLD, 0x0002, 1, b"")
    messages = decoded(codec({}), [frame + b"(740190311185,1)" + frame])
    assert [message.device for message in messages] == [DEVICE, "jt808:740190311185", DEVICE]


def test_the_vendor_variant_framed_by_e7() -> None:
    terminal = Terminal(bytes.fromhex("01234567890123"), None, 0xE7)
    raw = encode(terminal, 0x0200, 1, location(lon=0x3DE63EE7 % 180_000_000, items=item(0xE0, b"\x3d\x3e\xe6\xe7\x7e")))
    assert raw[0] == raw[-1] == 0xE7
    using = codec({})
    message = one(raw, using)
    assert message.device == "jt808:01234567890123"
    assert len(message.readings) == 1
    reply = using.reply(message, Verdict.STORED, NOW)
    assert reply is not None
    assert reply[0] == 0xE7
    assert unescape(reply[1:-1], 0xE7)[4:11] == terminal.phone


# ---------------------------------------------------------------------------------------------------- sub-packages


def pieces(msg_id: int, body: bytes, count: int, serial: int = 10, terminal: Terminal = OLD) -> list[bytes]:
    size = -(-len(body) // count)
    frames = []
    for number in range(1, count + 1):
        piece = body[(number - 1) * size : number * size]
        props = 0x2000 | len(piece) | (0x4000 if terminal.version is not None else 0)
        head = msg_id.to_bytes(2, "big") + props.to_bytes(2, "big")
        if terminal.version is not None:
            head += bytes([terminal.version])
        head += terminal.phone + (serial + number - 1).to_bytes(2, "big")
        content = head + count.to_bytes(2, "big") + number.to_bytes(2, "big") + piece
        frames.append(b"\x7e" + escape(content + bytes([xor(content)])) + b"\x7e")
    return frames


def locations(count: int) -> list[bytes]:
    return [location(time=f"2611221600{second:02d}") for second in range(count)]


@pytest.mark.parametrize("terminal", [OLD, NEW])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 1, 2, 0]])
def test_subpackages_in_any_order_make_one_message(terminal: Terminal, order: list[int]) -> None:
    frames = pieces(0x0704, batch(locations(6)), 3, terminal=terminal)
    using = codec({})
    messages = [message for index in order for message in using.feed(frames[index], NOW)]
    assert [len(message.readings) for message in messages] == [0] * (len(order) - 1) + [6]
    assert not kinds(messages)
    assert messages[-1].body.detail()["count"] == 6


def test_subpackages_are_answered_together_when_all_are_stored() -> None:
    using = codec({})
    messages = [using.feed(frame, NOW)[0] for frame in pieces(0x0704, batch(locations(6)), 3)]
    replies = [using.reply(message, Verdict.STORED, NOW) for message in messages]
    assert replies[:2] == [None, None]
    assert replies[2] is not None
    answers = [message.body.detail() for message in decoded(codec({}), [replies[2]])]
    assert [answer["reply_serial"] for answer in answers] == [10, 11, 12]
    assert [answer["serial"] for answer in answers] == [0, 1, 2]
    assert {answer["result"] for answer in answers} == {0}


def test_subpackages_answered_singly_by_option() -> None:
    using = codec({"subpackage_ack": "singly"})
    messages = [using.feed(frame, NOW)[0] for frame in pieces(0x0704, batch(locations(6)), 3)]
    answers = [one(using.reply(message, Verdict.STORED, NOW) or b"").body.detail() for message in messages]
    assert [answer["reply_serial"] for answer in answers] == [10, 11, 12]


@pytest.mark.parametrize(("terminal", "count"), [(OLD, "02"), (NEW, "0002")])
def test_missing_subpackages_are_asked_for(terminal: Terminal, count: str) -> None:
    using = codec({})
    frames = pieces(0x0704, batch(locations(8)), 4, terminal=terminal)
    using.feed(frames[1], NOW)
    (last,) = using.feed(frames[3], NOW)
    reply = one(using.reply(last, Verdict.STORED, NOW) or b"").body
    assert reply.header.msg_id == 0x8003
    assert reply.body.hex() == "000a" + count + "00010003"


def test_a_piece_repeated_under_a_fresh_serial_finds_its_message() -> None:
    using = codec({})
    body = batch(locations(4))
    first, _ = pieces(0x0704, body, 2, serial=1233)
    _, second = pieces(0x0704, body, 2, serial=1249)
    messages = [*using.feed(first, NOW), *using.feed(second, NOW)]
    assert [len(message.readings) for message in messages] == [0, 4]


def test_messages_that_stay_in_pieces_are_given_up_and_said() -> None:
    using = codec({})
    first = pieces(0x0704, batch(locations(4)), 2)[0]
    using.feed(first, NOW)
    assert using.end(NOW) == []
    later = using.feed(encode(OLD, 0x0002, 99, b""), NOW + MAX_AGE_NS + 1)
    assert kinds(later) == ["incomplete"]
    assert later[0].faults[0].device == DEVICE


def test_assembly_is_bounded_in_number_and_bytes() -> None:
    using = codec({})
    given_up = []
    for n in range(MAX_MESSAGES + 5):
        given_up += using.feed(pieces(0x0704, batch(locations(4)), 2, serial=100 * n)[0], NOW + n)
    assert kinds(given_up) == ["incomplete"] * 5
    using = codec({})
    frames = pieces(0x0801, bytes(4000 * 1000), 4000)
    found = kinds([message for frame in frames for message in using.feed(frame, NOW)])
    assert set(found) == {"incomplete"}
    assert using._subpackages._bytes <= MAX_BYTES


def test_impossible_piece_numbers_are_refused() -> None:
    raw = pieces(0x0704, b"x", 1)[0]
    content = bytearray(unescape(raw[1:-1])[:-1])
    for total, number in ((0, 0), (2, 0), (2, 3), (65535, 1)):
        content[12:16] = total.to_bytes(2, "big") + number.to_bytes(2, "big")
        message = one(b"\x7e" + escape(bytes(content) + bytes([xor(bytes(content))])) + b"\x7e")
        assert kinds([message]) == ["syntax"]


# --------------------------------------------------------------------------------------------------------- answers


def answer(raw: bytes, verdict: Verdict = Verdict.STORED, **options: Any) -> dict[str, Any] | None:
    using = codec(options)
    reply = using.reply(one(raw, using), verdict, NOW)
    if reply is None:
        return None
    detail: dict[str, Any] = one(reply).body.detail()
    return detail


def test_the_example_of_the_contract() -> None:
    raw = bytes.fromhex("7e0002000012345678201100013a7e")
    using = codec({})
    assert using.reply(one(raw, using), Verdict.STORED, NOW) == bytes.fromhex(
        "7e8001000512345678201100000001000200be7e"
    )


@pytest.mark.parametrize("terminal", [OLD, NEW])
@pytest.mark.parametrize(
    ("verdict", "result"), [(Verdict.STORED, 0), (Verdict.REFUSED, 1), (Verdict.BUSY, None)], ids=str
)
def test_locations_are_answered_by_verdict(terminal: Terminal, verdict: Verdict, result: int | None) -> None:
    got = answer(encode(terminal, 0x0200, 77, location()), verdict)
    if result is None:
        assert got is None
    else:
        assert got is not None
        assert got["msg_id"] == "0x8001"
        assert got["terminal_id_bcd"] == terminal.number
        assert (got["reply_serial"], got["reply_id"], got["result"]) == (77, "0x0200", result)


def test_a_refused_body_is_a_bad_message_and_an_unknown_one_unsupported() -> None:
    short = answer(encode(OLD, 0x0200, 1, b"abc"), Verdict.REFUSED)
    assert short is not None
    assert short["result"] == 2
    unknown = answer(encode(OLD, 0x0F3A, 1, b"abc"))
    assert unknown is not None
    assert unknown["result"] == 3


def test_registration_is_answered_with_a_code_or_no_such_terminal() -> None:
    raw = encode(OLD, 0x0100, 5, bytes(25))
    plain = answer(raw)
    assert plain is not None
    assert (plain["msg_id"], plain["reply_serial"], plain["result"]) == ("0x8100", 5, 0)
    assert plain["auth_code"] == "014450376202"
    refused = answer(raw, Verdict.REFUSED)
    assert refused is not None
    assert refused["result"] == 4
    assert "auth_code" not in refused


def test_with_a_secret_only_the_code_given_here_logs_in() -> None:
    given_code = answer(encode(OLD, 0x0100, 5, bytes(25)), auth_secret="s3cret")
    assert given_code is not None
    code = given_code["auth_code"]
    assert len(code) == 32
    using = codec({"auth_secret": "s3cret"})
    good = one(encode(OLD, 0x0102, 6, code.encode()), using)
    assert good.login
    assert not good.faults
    bad = one(encode(OLD, 0x0102, 6, b"014450376202"), using)
    assert kinds([bad]) == ["unauthorised"]
    assert not bad.login
    reply = using.reply(bad, Verdict.REFUSED, NOW)
    assert reply is not None
    assert one(reply).body.detail()["result"] == 1


def test_answers_and_platform_frames_are_not_answered() -> None:
    for msg_id, body in ((0x0001, b"\0\1\x82\x01\0"), (0x0201, b"\0\1" + location()), (0x8001, b"\0\1\0\2\0")):
        assert answer(encode(OLD, msg_id, 1, body)) is None
    broken = bytearray(encode(OLD, 0x0200, 1, location()))
    broken[20] ^= 1
    assert answer(bytes(broken)) is None


def test_media_and_time_requests_have_answers_of_their_own() -> None:
    media = answer(encode(OLD, 0x0801, 1, b"\0\0\0\x7b\0\0\x01\x01" + location() + b"jpeg"))
    assert media is not None
    assert (media["msg_id"], media["body_hex"]) == ("0x8800", "0000007b")
    time = answer(encode(NEW, 0x0004, 1, b""))
    assert time is not None
    assert (time["msg_id"], time["body_hex"]) == ("0x8004", "261122080000")


def test_the_platforms_serial_starts_at_0_and_wraps() -> None:
    using = codec({})
    message = one(encode(OLD, 0x0002, 9, b""), using)
    serials = []
    for _ in range(65537):
        reply = using.reply(message, Verdict.STORED, NOW)
        assert reply is not None
        serials.append(reply)
    assert one(serials[0]).body.header.serial == 0
    assert one(serials[65535]).body.header.serial == 65535
    assert one(serials[65536]).body.header.serial == 0


# -------------------------------------------------------------------------------------------------------- commands


def test_commands_down() -> None:
    using = Jt808Codec()
    one(encode(OLD, 0x0002, 1, b""), using)
    assert using.terminal == OLD
    interval = one(using.send(OLD, *commands.set_interval(30))).body
    assert (interval.header.msg_id, interval.header.serial) == (0x8103, 0)
    assert interval.body.hex() == "01" + "00000029" + "04" + "0000001e"
    locate = one(using.send(OLD, *commands.locate())).body
    assert (locate.header.msg_id, locate.header.serial, locate.body) == (0x8201, 1, b"")
    text = one(using.send(OLD, *commands.say(OLD, "请减速", urgent=True))).body.detail()
    assert (text["msg_id"], text["flags"], text["text"]) == ("0x8300", 0x0D, "请减速")
    new = one(using.send(NEW, *commands.say(NEW, "slow", speak=False))).body
    assert new.body == b"\x07\x01slow"
    assert commands.query_parameters() == (0x8104, b"")


def test_a_text_of_a_public_platform_is_encoded_alike() -> None:
    raw = "7e830000180123456789017fff09b2e2cad43132334034353623616263212e2e2ebde1caf8b17e"
    terminal = commands.terminal_of("jt808:012345678901")
    command = commands.say(terminal, "测试123@456#abc!...结束", urgent=True, show=False)
    assert encode(terminal, *(command[0], 0x7FFF, command[1])).hex() == raw


@pytest.mark.parametrize("seconds", [0, 86_401])
def test_intervals_have_limits(seconds: int) -> None:
    with pytest.raises(ValueError, match="86400"):
        commands.set_interval(seconds)


def test_commands_that_cannot_be_sent_say_why() -> None:
    with pytest.raises(ValueError, match="1023"):
        commands.say(OLD, "x" * 1100)
    with pytest.raises(ValueError, match="GBK"):
        commands.say(OLD, "🚒")
    with pytest.raises(ValueError, match="empty"):
        commands.say(OLD, "")
    with pytest.raises(ValueError, match="12 or 20"):
        commands.terminal_of("jt808:12345")
    with pytest.raises(ValueError, match="255"):
        commands.set_parameters({})
    assert commands.terminal_of("jt808:00000000017299841738") == NEW


# --------------------------------------------------------------------------------------------- framing and the laws


def test_junk_before_a_frame_is_one_fault_and_the_frame_is_found() -> None:
    frame = encode(OLD, 0x0200, 1, location())
    messages = decoded(codec({}), [b"$$hello" + frame + frame])
    assert kinds(messages) == ["frame"]
    assert messages[0].faults[0].raw == b"$$hello"
    assert [len(message.readings) for message in messages] == [0, 1, 1]


def test_two_frames_may_share_a_mark() -> None:
    frame = encode(OLD, 0x0200, 1, location())
    messages = decoded(codec({}), [frame + frame[1:] + frame[1:]])
    assert [len(message.readings) for message in messages] == [1, 1, 1]
    assert not kinds(messages)


def test_a_frame_that_lost_its_end_does_not_take_the_next_with_it() -> None:
    frame = encode(OLD, 0x0200, 1, location())
    messages = decoded(codec({}), [frame[:30] + frame + frame])
    assert kinds(messages) == ["checksum"]
    assert sum(len(message.readings) for message in messages) == 2


def test_lengths_that_do_not_fit_are_refused_although_the_checksum_does() -> None:
    content = bytes.fromhex("0200") + (40).to_bytes(2, "big") + OLD.phone + b"\0\1" + location()
    short = one(b"\x7e" + escape(content + bytes([xor(content)])) + b"\x7e")
    assert kinds([short]) == ["truncated"]
    content = bytes.fromhex("0200") + (20).to_bytes(2, "big") + OLD.phone + b"\0\1" + location()
    long = one(b"\x7e" + escape(content + bytes([xor(content)])) + b"\x7e")
    assert kinds([long]) == ["syntax"]
    assert "declares 20 bytes of body, the frame carries 28" in long.faults[0].detail


def test_a_frame_without_end_is_oversize_once() -> None:
    using = codec({})
    flood = [b"\x7e" + b"a" * 5000] + [b"b" * 5000] * 10
    messages = [message for data in flood for message in using.feed(data)]
    assert kinds(messages) == ["oversize"]
    assert len(using._rest) <= MAX_FRAME
    frame = encode(OLD, 0x0200, 1, location())
    assert len(using.feed(frame)[0].readings) == 1


def test_the_longest_frame_fits() -> None:
    frame = encode(NEW, 0x0900, 1, b"\xf0" + b"\x7e" * 1022)
    assert one(frame).body.detail()["passthrough_type"] == 0xF0
    with pytest.raises(ValueError, match="1023"):
        encode(NEW, 0x0900, 1, bytes(1024))


def test_the_layout_is_the_one_whose_length_fits() -> None:
    claims_2019 = one(bytes.fromhex("7e0102400c01003000068109024a3130303330303030363831857e"))
    assert claims_2019.device == "jt808:010030000681"
    assert claims_2019.credential == "J10030000681"


@given(st.integers(0, 0xFFFF), st.binary(max_size=200), st.booleans())
@settings(max_examples=300)
def test_arbitrary_bodies_never_raise(msg_id: int, body: bytes, new: bool) -> None:
    using = codec({})
    message = one(encode(NEW if new else OLD, msg_id, 1, body), using)
    message.body.detail()
    for verdict in Verdict:
        using.reply(message, verdict, NOW)


@pytest.mark.parametrize("msg_id", [0x0100, 0x0102, 0x0104, 0x0107, 0x0200, 0x0702, 0x0704, 0x0801, 0x0802, 0x0210])
@given(body=st.binary(max_size=120), new=st.booleans())
def test_arbitrary_bodies_of_known_messages_never_raise(msg_id: int, body: bytes, new: bool) -> None:
    message = one(encode(NEW if new else OLD, msg_id, 1, body))
    json.dumps(message.body.detail())


def test_a_frame_cut_short_is_told_at_the_end() -> None:
    left = codec({})
    left.feed(encode(NEW, 0x0200, 3, location())[:-1])
    assert kinds(left.end()) == ["truncated"]
    assert left.end() == []


@given(st.binary(max_size=60))
def test_escaping_comes_out_again(data: bytes) -> None:
    for mark in (0x7E, 0xE7):
        hidden = escape(data, mark)
        assert mark not in hidden
        assert unescape(hidden, mark) == data


@given(st.binary(max_size=2000))
def test_xor_folds_to_what_a_loop_gives(data: bytes) -> None:
    total = 0
    for byte in data:
        total ^= byte
    assert xor(data) == total


def test_the_plugin_names_itself() -> None:
    assert (PLUGIN.protocol, PLUGIN.binary, PLUGIN.kind) == ("jt808", True, "vehicle")
    assert PLUGIN.codec is not None
    assert isinstance(PLUGIN.codec({"zone": "Asia/Shanghai"}), Codec)
    assert Dialect(zone=ZoneInfo("UTC")).coordinates == "wgs84"
    assert FaultKind.TIME.value == "time"
