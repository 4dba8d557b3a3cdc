"""JT/T 808: what `cityhub decode` shows of every kind of message and item, whole, so that no field is renamed, moved or left out unseen.

The bodies are put together here from the tables of JT/T 808-2019 (clause 8) and T/JSATL 12-2017, field by field.
"""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

import pytest

from adapters.jt808 import Jt808CodecOptions, bodies, codec, commands, safety
from adapters.jt808.codec import Jt808Codec
from adapters.jt808.items import vendor_items
from adapters.jt808.location import clock, describe, inner_items
from adapters.jt808.wire import encode, escape, unescape, xor
from hub.ports import DeviceCommand
from tests.adapters.jt808.frames import NEW, NOW, OLD, item, location, one, reading_of
from tests.adapters.jt808.test_messages import pieces

CHINA = timezone(timedelta(hours=8))
PLACE = {
    "alarm": 0, "alarms": [], "status": 3, "status_names": ["ACC on", "fixed"], "load": "empty", "acc": True, "fixed": True, "lat": 31.230416, "lon": 121.473701, "coordinates_encrypted": False,
    "altitude_m": 12, "speed_kmh": 45.6, "course": 90, "time_bcd": "261122160000", "time": "2026-11-22T16:00:00+08:00", "extra_tlv_hex": {}, "extra_tlv_parse_clean": True,
}  # fmt: skip
HERE = location().hex()
TYPE_AND_MAKER = "0007" + "4142430000"
REST_OF_ATTRIBUTES = "89860012345678901234" + "02" + "4831" + "03" + "463432" + "05" + "09"
ATTRIBUTES = {"terminal_type": 7, "manufacturer": "ABC", "iccid": "89860012345678901234", "hardware": "H1", "firmware": "F42", "gnss": 5, "modem": 9}  # fmt: skip


def padded(text: str, size: int) -> str:
    return text.encode("gbk").ljust(size, b"\0").hex()


@pytest.mark.parametrize(
    ("msg_id", "body", "new", "fields"),
    [
        (0x0001, "0102 8103 04", False, {"reply_serial": 0x0102, "reply_id": "0x8103", "result": 4}),
        (0x8001, "0102 0200 00", True, {"reply_serial": 0x0102, "reply_id": "0x0200", "result": 0}),
        (0x0001, "", False, {}),
        (0x0005, "0102 02 0003 0004", False, {"first_serial": 0x0102, "numbers": [3, 4]}),
        (0x8003, "0102 0002 0003 0004", True, {"first_serial": 0x0102, "numbers": [3, 4]}),
        (0x0005, "0102 05 0003", False, {"first_serial": 0x0102, "numbers": [3]}),
        (0x0102, "6162", False, {"auth_code": "ab"}),
        (0x0102, "02 6162" + padded("123456789012345", 15) + padded("v1.0", 20), True, {"auth_code": "ab", "imei": "123456789012345", "software": "v1.0"}),
        (0x0102, "02 6162" + padded("123456789012345", 15), True, {"auth_code": "ab", "imei": "123456789012345", "software": ""}),
        (0x8100, "0102 00 6b6579", False, {"reply_serial": 0x0102, "result": 0, "auth_code": "key"}),
        (0x8100, "0102 03 6b6579", False, {"reply_serial": 0x0102, "result": 3}),
        (0x8100, "", False, {}),
        (0x0100, "0020 0064" + padded("MAKER", 5) + padded("MODEL-8", 8) + padded("ID7", 7) + "01" + "沪A1".encode("gbk").hex(), False,
         {"version": "2011 (short register body)", "province": 0x20, "city": 0x64, "manufacturer": "MAKER", "model": "MODEL-8", "terminal_id": "ID7", "plate_color": 1, "plate": "沪A1"}),
        (0x0100, "0020 0064" + padded("MAKER", 5) + padded("MODEL-20", 20) + padded("ID7", 7) + "02" + "沪A1".encode("gbk").hex(), False,
         {"province": 0x20, "city": 0x64, "manufacturer": "MAKER", "model": "MODEL-20", "terminal_id": "ID7", "plate_color": 2, "plate": "沪A1"}),
        (0x0100, "0020 0064" + padded("MAKER-OF-11", 11) + padded("MODEL-30", 30) + padded("ID30", 30) + "02" + "沪A1".encode("gbk").hex(), True,
         {"province": 0x20, "city": 0x64, "manufacturer": "MAKER-OF-11", "model": "MODEL-30", "terminal_id": "ID30", "plate_color": 2, "plate": "沪A1"}),
        (0x0104, "0102 05" + "00000001 04 0000003c" + "00000013 03 612e62" + "00000018 04 00001b39" + "00000032 04 16000600" + "00000110 08 0000000000000001", False,
         {"reply_serial": 0x0102, "count": 5,
          "parameters": {"0x0001": 60, "0x0013": "a.b", "0x0018": 6969, "0x0032": "16000600", "0x0110": "0000000000000001"},
          "named_parameters": {"heartbeat_interval_s": 60, "server": "a.b", "tcp_port": 6969}}),
        (0x0107, TYPE_AND_MAKER + padded("M8", 8) + padded("ID7", 7) + REST_OF_ATTRIBUTES, False, ATTRIBUTES | {"model": "M8", "terminal_id": "ID7"}),
        (0x0107, TYPE_AND_MAKER + padded("M20", 20) + padded("ID7", 7) + REST_OF_ATTRIBUTES, False, ATTRIBUTES | {"model": "M20", "terminal_id": "ID7"}),
        (0x0107, TYPE_AND_MAKER + padded("M30", 30) + padded("ID30", 30) + REST_OF_ATTRIBUTES, True, ATTRIBUTES | {"model": "M30", "terminal_id": "ID30"}),
        (0x0108, "34 01", True, {"upgrade_type": 0x34, "result": 1}),
        (0x0200, HERE, False, {"location": PLACE}),
        (0x0201, "0102" + HERE, False, {"reply_serial": 0x0102, "location": PLACE}),
        (0x0500, "0102" + HERE, False, {"reply_serial": 0x0102, "location": PLACE}),
        (0x0301, "07", False, {"event_id": 7}),
        (0x0302, "0102 03", False, {"reply_serial": 0x0102, "answer_id": 3}),
        (0x0303, "02 01", False, {"menu_type": 2, "wanted": 1}),
        (0x0701, "00000003 616263", False, {"waybill_hex": "616263"}),
        (0x0702, "02 261122160000", False, {"status": 2, "time": "2026-11-22T16:00:00+08:00"}),
        (0x0702, "01 261122160000 00 04" + padded("张三", 4) + padded("C-20", 20) + "02" + "4742" + "20300131", False,
         {"status": 1, "time": "2026-11-22T16:00:00+08:00", "card_result": 0, "driver": "张三", "certificate": "C-20", "issuer": "GB", "expiry": "20300131"}),
        (0x0702, "01 261122160000 00 04" + padded("张三", 4) + padded("C-20", 20) + "02" + "4742" + "20300131" + padded("310101199001011234", 20), True,
         {"status": 1, "time": "2026-11-22T16:00:00+08:00", "card_result": 0, "driver": "张三", "certificate": "C-20", "issuer": "GB", "expiry": "20300131", "identity_card": "310101199001011234"}),
        (0x0704, "0002 01 001c" + HERE + "001c" + HERE, False, {"count": 2, "batch_type": 1, "locations": [PLACE, PLACE]}),
        (0x0705, "0002 1600000001" + "18feca00 0102030405060708" + "18feca01 1112131415161718", False,
         {"count": 2, "time_bcd": "1600000001", "frames": [{"id": "18feca00", "data": "0102030405060708"}, {"id": "18feca01", "data": "1112131415161718"}]}),
        (0x0800, "00000009 01 02 03 04", False, {"media_id": 9, "media_type": 1, "media_format": 2, "event": 3, "channel": 4}),
        (0x0801, "00000009 01 02 03 04" + HERE + "ffd8", False, {"media_id": 9, "media_type": 1, "media_format": 2, "event": 3, "channel": 4, "location": PLACE, "media_bytes": 2}),
        (0x0801, "00000009 01 02 03 04 ffd8", False, {"media_id": 9, "media_type": 1, "media_format": 2, "event": 3, "channel": 4, "media_bytes": 2}),
        (0x0802, "0102 0001 00000009 01 04 03" + HERE, False, {"reply_serial": 0x0102, "count": 1, "items": [{"media_id": 9, "media_type": 1, "channel": 4, "event": 3, "location": PLACE}]}),
        (0x0805, "0102 00 0002 00000009 0000000a", False, {"reply_serial": 0x0102, "result": 0, "media_ids": [9, 10]}),
        (0x0805, "0102 01", False, {"reply_serial": 0x0102, "result": 1}),
        (0x0900, "f1 0102", False, {"passthrough_type": 0xF1, "payload_hex": "0102"}),
        (0x0901, "00000002 0102", False, {"compressed_bytes": 2, "payload_hex": "0102"}),
        (0x8300, "01" + padded("注意", 4), False, {"flags": 1, "text": "注意"}),
        (0x8300, "01 02" + padded("注意", 4), True, {"flags": 1, "text_type": 2, "text": "注意"}),
    ],
)  # fmt: skip
def test_every_body_is_shown_whole(msg_id: int, body: str, new: bool, fields: dict[str, Any]) -> None:
    assert bodies.read(msg_id, bytes.fromhex(body), new, CHINA) == fields


def test_every_reader_is_tried_above() -> None:
    [parameters] = [mark for mark in test_every_body_is_shown_whole.pytestmark if mark.name == "parametrize"]
    assert {case[0] for case in parameters.args[1]} == bodies.READERS.keys()


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize(
    ("msg_id", "before", "found"),
    [
        (0x0200, "", ["location"]),
        (0x0201, "0102", ["location"]),
        (0x0500, "0102", ["location"]),
        (0x0704, "0001 01 001c", ["locations", 0]),
        (0x0801, "00000009 01 02 03 04", ["location"]),
        (0x0802, "0102 0001 00000009 01 04 03", ["items", 0, "location"]),
    ],
)
def test_alarms_are_named_by_the_edition_that_the_terminal_speaks(
    msg_id: int, before: str, found: list[Any], new: bool
) -> None:
    shown: Any = bodies.read(msg_id, bytes.fromhex(before) + location(alarm=1 << 16 | 1 << 31), new, CHINA)
    for step in found:
        shown = shown[step]
    assert shown["alarms"] == (["tyre"] if new else ["illegal door"])


def test_a_body_that_ends_too_early_says_so_beside_its_header() -> None:
    shown = one(encode(OLD, 0x0805, 1, b"\1")).body.detail()
    assert shown["body_hex"] == "01"
    assert "1" in shown["body_error"]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (item(0x01, bytes.fromhex("000003e9")), {"mileage_km": 100.1}),
        (item(0x02, bytes.fromhex("01f5")), {"fuel_l": 50.1}),
        (item(0x03, bytes.fromhex("01f5")), {"recorder_speed_kmh": 50.1}),
        (item(0x04, bytes.fromhex("0102")), {"alarm_event_id": 0x0102}),
        (item(0x05, bytes([25, 0xFF] * 15)), {"tyre_pressures": [25, None] * 15}),
        (item(0x06, bytes.fromhex("fffb")), {"cabin_temperature_c": -5}),
        (item(0x11, b"\0"), {"overspeed": {"where": "none"}}),
        (item(0x11, bytes.fromhex("0100000007")), {"overspeed": {"where": "circle", "id": 7}}),
        (item(0x12, bytes.fromhex("020000000700")), {"area": {"where": "rectangle", "id": 7, "direction": "in"}}),
        (item(0x12, bytes.fromhex("030000000701")), {"area": {"where": "polygon", "id": 7, "direction": "out"}}),
        (item(0x12, bytes.fromhex("090000000701")), {"area": {"where": "type 9", "id": 7, "direction": "out"}}),
        (item(0x13, bytes.fromhex("00000007010200")), {"route": {"id": 7, "driven_s": 0x0102, "result": "too short"}}),
        (item(0x13, bytes.fromhex("00000007010201")), {"route": {"id": 7, "driven_s": 0x0102, "result": "too long"}}),
        (item(0x15, bytes.fromhex("80000001")), {"video_lost_channels": [1, 32]}),
        (item(0x16, bytes.fromhex("00000006")), {"video_blocked_channels": [2, 3]}),
        (item(0x17, bytes.fromhex("0102")), {"storage_fault": 0x0102}),
        (item(0x18, bytes.fromhex("000132")), {"abnormal_driving": ["abnormal driving: fatigue"], "fatigue_degree": 50}),
        (item(0x25, bytes.fromhex("00000111")), {"signals": ["low beam", "brake", "horn"]}),
        (item(0x2A, bytes.fromhex("0003")), {"io": ["deep sleep", "sleep"]}),
        (item(0x2B, bytes.fromhex("01020304")), {"analog": [0x0304, 0x0102]}),
        (item(0x30, b"\x1f"), {"rssi": 31}),
        (item(0x31, b"\x09"), {"satellites": 9}),
        (item(0xEB, bytes.fromhex("0003 00a8 32 0002 00b2")), {"inner_eb": {"00a8": "32", "00b2": ""}}),
        (item(0xEB, bytes.fromhex("0003 00a8 32 0003 00a8 33 0003 00a8 34")), {"inner_eb": {"00a8": ["32", "33", "34"]}}),
    ],
)  # fmt: skip
def test_every_item_is_shown_whole(body: bytes, shown: dict[str, Any]) -> None:
    found = describe(location(items=body), False, CHINA)
    assert found == PLACE | {"extra_tlv_hex": {f"{body[0]:02x}": body[2:].hex()}} | shown


def test_items_that_end_too_early_are_shown_as_they_are() -> None:
    found = describe(location(items=bytes.fromhex("3001 1f 0104 0000")), False, CHINA)
    assert found == PLACE | {
        "extra_tlv_hex": {"30": "1f"},
        "extra_tlv_parse_clean": False,
        "extra_rest_hex": "01040000",
        "rssi": 31,
    }
    assert describe(b"\x01\x02", False, CHINA) == {"body_hex": "0102"}


def test_the_smallest_item_inside_an_item_is_an_id_alone() -> None:
    assert inner_items(bytes.fromhex("0002 00b2")) == [(0xB2, b"")]
    assert inner_items(bytes.fromhex("0001 00b2")) == []
    assert inner_items(bytes.fromhex("0004 00b2 01")) == []


# Speed, altitude, latitude, longitude, time, vehicle state, and the alarm's tag.
TAIL = "32 000c 01dc8a10 073d8f65 261122160000 0102" + "0a" * 16
TAIL_SHOWN = {
    "speed_kmh": 50, "altitude_m": 12, "lat": 31.230480, "lon": 121.474917, "time": "2026-11-22T16:00:00+08:00", "vehicle_state": 0x0102, "alarm_tag_hex": "0a" * 16,
}  # fmt: skip
TYRE = {
    "position": 3,
    "alarms": ["pressure low", "slow leak"],
    "pressure_kpa": 800,
    "temperature_c": -5,
    "battery_percent": 60,
}


@pytest.mark.parametrize(
    ("ident", "value", "key", "shown"),
    [
        (0x64, "00000007 00 01 02 46 05 00 00 00" + TAIL, "adas",
         {"flag": "event", "type": 1, "level": 2, "front_speed_kmh": 70, "front_distance_100ms": 5, "deviation": 0, "sign_type": 0, "sign_data": 0, "events": ["ADAS: forward collision, level 2"]}),
        (0x64, "00000007 01 02 00 46 05 01 03 28" + TAIL, "adas",
         {"flag": "begins", "type": 2, "level": 0, "front_speed_kmh": 70, "front_distance_100ms": 5, "deviation": 1, "sign_type": 3, "sign_data": 40, "events": ["ADAS: lane departure"]}),
        (0x65, "00000007 02 01 01 08 00000000" + TAIL, "dsm", {"flag": "ends", "type": 1, "level": 1, "fatigue_degree": 8, "events": ["DSM: fatigue, level 1, ends"]}),
        (0x65, "00000007 03 63 01 08 00000000" + TAIL, "dsm", {"flag": 3, "type": 0x63, "level": 1, "fatigue_degree": 8, "events": ["DSM: type 99, level 1"]}),
        (0x66, "00000007 00" + TAIL + "01 03 0044 0320 fffb 003c", "tpms", {"flag": "event", "tyres": [TYRE], "events": ["TPMS: tyre 3 pressure low", "TPMS: tyre 3 slow leak"]}),
        (0x67, "00000007 00 02" + TAIL, "bsd", {"flag": "event", "type": 2, "events": ["BSD: approach from rear left"]}),
        (0x70, "00000007 00 03 00 00 00 00 00 00" + TAIL, "harsh_driving", {"flag": "event", "type": 3, "events": ["driving: harsh cornering"]}),
    ],
)  # fmt: skip
def test_active_safety_is_shown_whole(ident: int, value: str, key: str, shown: dict[str, Any]) -> None:
    raw = bytes.fromhex(value)
    assert safety.describe(ident, raw, lambda bcd: clock(CHINA, bcd)) == {key: TAIL_SHOWN | {"alarm_id": 7} | shown}
    assert safety.describe(ident, raw + b"\0", lambda bcd: None) == {}


# ------------------------------------------------------------------------------------------------- frames, readings, orders


def test_a_frame_is_shown_with_its_header() -> None:
    using = Jt808Codec()
    shown = one(using.send(OLD, 0x8103, b"\x00"), using).body.detail()
    assert shown == {
        "msg_id": "0x8103", "name": "platform message", "body_props": "0x0001", "body_length_declared": 1, "body_length_actual": 1, "encryption": 0, "subpackaged": False,
        "version": OLD.edition, "terminal_id_bcd": OLD.number, "serial": 0, "checksum": shown["checksum"], "checksum_ok": True, "body_hex": "00",
    }  # fmt: skip
    assert one(encode(OLD, 0x0F3A, 1, b"")).body.detail()["name"] == "unknown"
    named = one(encode(NEW, 0x0002, 1, b"")).body.detail()
    assert (named["name"], named["protocol_version"]) == ("heartbeat", 1)


def test_a_last_piece_says_which_have_not_come() -> None:
    using = codec(Jt808CodecOptions())
    first, _, last = pieces(0x0801, bytes(range(9)), 3)
    using.feed(first, NOW)
    [message] = using.feed(last, NOW)
    shown = message.body.detail()
    assert (shown["package_total"], shown["package_no"], shown["complete"], shown["missing"]) == (3, 3, False, [2])
    assert shown["body_hex"] == "060708"


def test_refusals_quote_what_they_are_about() -> None:
    raw = pieces(0x0704, b"x", 1)[0]
    content = bytearray(unescape(raw[1:-1])[:-1])
    content[12:16] = bytes.fromhex("0002 0003")
    sent = b"\x7e" + escape(bytes(content) + bytes([xor(bytes(content))])) + b"\x7e"
    [fault] = one(sent).faults
    assert fault.detail.startswith("sub-package 3 of 2: numbers go from 1 to the total, at most ")
    assert (fault.raw, one(sent).device) == (sent, "jt808:014450376202")


def test_a_vendors_batch_has_locations_each_after_its_length() -> None:
    one_place, another = location(items=item(0x31, b"\x09")), location(time="261122160010")
    body = bytes([len(one_place)]) + one_place + bytes([len(another)]) + another
    message = one(encode(OLD, 0x0210, 1, body))
    assert [(reading.device, reading.values.get("satellites")) for reading in message.readings] == [(message.device, 9), (message.device, None)]  # fmt: skip
    for cut in (body[:-1], body + b"\x1c", body + b"\x01\x00"):
        broken = one(encode(OLD, 0x0210, 1, cut))
        assert (broken.readings, [fault.kind.value for fault in broken.faults]) == ([], ["unsupported"])
    battery = one(encode(OLD, 0x0210, 1, bytes([81]) + bytes.fromhex("261122160000")))
    assert [(reading.device, reading.values, reading.kind) for reading in battery.readings] == [("jt808:014450376202", {"battery": 81}, "vehicle")]  # fmt: skip


@pytest.mark.parametrize(("probes", "degrees"), [("8032", -5.0), ("0032", 5.0), ("ffff" * 7 + "8001", -0.1)])
def test_probes_have_a_sign_and_a_magnitude(probes: str, degrees: float) -> None:
    assert reading_of(location(items=item(0x51, bytes.fromhex(probes)))).values["temperature"] == degrees


def test_a_mistake_in_vendor_items_is_said_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"^items: 'weight' is no item id such as 0x82$"):
        vendor_items({"weight": {"metric": "cargo_weight"}})


@pytest.mark.parametrize(
    ("wanted", "msg_id", "body"),
    [
        (DeviceCommand("locate"), 0x8201, ""),
        (DeviceCommand("interval", seconds=30), 0x8103, "01 00000029 04 0000001e"),
        (DeviceCommand("raw", message="0x8105", data="70"), 0x8105, "70"),
    ],
)
def test_an_order_is_the_whole_command_and_knows_its_answer(wanted: DeviceCommand, msg_id: int, body: str) -> None:
    using = Jt808Codec()
    one(encode(OLD, 0x0002, 1, b""), using)
    using.send(OLD, 0x8104, b"")
    sent = commands.order(using, "jt808:014450376202", wanted)
    frame = one(sent.data).body
    assert (frame.header.msg_id, frame.header.serial, frame.body) == (msg_id, 1, bytes.fromhex(body))
    answers = [
        (0x0001, "0001 8201 00", True),
        (0x0201, "0001", True),
        (0x0001, "0000 8201 00", False),
        (0x0002, "0001", False),
    ]
    for answer, said, is_it in answers:
        assert sent.answers(one(encode(OLD, answer, 9, bytes.fromhex(said)))) is is_it
