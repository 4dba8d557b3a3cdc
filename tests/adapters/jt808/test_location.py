"""JT/T 808: locations, alarms and the items behind them."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.gcj02 import from_wgs84
from adapters.jt808 import Jt808CodecOptions, codec
from adapters.jt808.location import ALARMS_2013, ALARMS_2019
from adapters.jt808.wire import encode
from hub.model import Position, Reading
from hub.moment import from_text
from tests.adapters.jt808.frames import (
    DEVICE,
    NEW,
    OLD,
    item,
    kinds,
    location,
    one,
    reading_of,
)


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
        codec(Jt808CodecOptions(zone="Nowhere/Land"))


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
        codec(Jt808CodecOptions(coordinates="bd09"))


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


TRACKER = {
    "0xEB": {
        "inner": {
            "0x00B2": {"metric": "iccid", "type": "hex"},
            "0x002D": {"metric": "supply_voltage", "type": "u16", "scale": 0.001},
            "0x00A8": {"metric": "battery", "type": "u8"},
            "0x0089": {"metric": "tampered", "type": "u32", "bit": 12, "inverted": True},
            "0x00D5": {"metric": "text", "type": "text"},
        }
    }
}
"""As trackers of several makers fill 0xEB."""
ASKED = ("iccid", "supply_voltage", "battery", "tampered", "text")


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (
            "000c00b289882280666134274509 00060089ffffefff 000600c5ffffffef 0004002d0fa5 000300a85c",
            {"iccid": "89882280666134274509", "supply_voltage": 4.005, "battery": 92, "tampered": True},
        ),
        ("00060089ffffffff 000600d541423100", {"tampered": False, "text": "AB1"}),
        ("000300a8ff 0004002dffff", {}),  # no value
        ("000300a85c 0004002d0f", {}),  # does not end exactly: another layout
        ("5554432b30383a3030", {}),  # a text, as others use the id
        ("000200a8 000300a901", {}),  # an item without a value, and one that nobody asks for
        ("000100a85c", {}),
        ("", {}),
    ],
)
def test_items_inside_an_item_by_configuration(inner: str, expected: dict[str, Any]) -> None:
    body = location(items=item(0x01, b"\0\0\0\x0a") + item(0xEB, bytes.fromhex(inner)) + item(0x31, b"\x09"))
    values = reading_of(body, items=TRACKER).values
    assert {name: values[name] for name in ASKED if name in values} == expected
    assert values["satellites"] == 9


def test_items_inside_an_item_are_shown() -> None:
    def shown(inner: str) -> dict[str, Any]:
        raw = encode(OLD, 0x0200, 7, location(items=item(0xEB, bytes.fromhex(inner))))
        found: dict[str, Any] = one(raw).body.detail()["location"]
        return found

    assert shown("000300a85c 000300a85d 0004002d0fa5")["inner_eb"] == {"00a8": ["5c", "5d"], "002d": "0fa5"}
    assert "inner_eb" not in shown("5554432b30383a3030")


def test_one_item_may_hold_several_metrics() -> None:
    items = {
        "0x05": [
            {"metric": "tyre_pressure", "type": "u8", "unit": "bar", "scale": 0.1},
            {"metric": "cabin_temperature", "type": "i8", "at": 29},
        ]
    }
    values = reading_of(location(items=item(0x05, bytes([82]) + b"\xff" * 28 + b"\xf6")), items=items).values
    assert (values["tyre_pressure"], values["cabin_temperature"]) == (pytest.approx(820), -10)


@pytest.mark.parametrize(
    ("ident", "value", "event"),
    [
        (0x11, "00", "overspeed, anywhere"),
        (0x11, "0100000007", "overspeed, circle 7"),
        (0x12, "040000000c01", "left route 12"),
        (0x12, "020000000300", "entered rectangle 3"),
        (0x12, "090000000300", "entered type 9 3"),
        (0x13, "00000004005a00", "segment 4 driven in 90 s, too short"),
        (0x13, "00000004012c01", "segment 4 driven in 300 s, too long"),
    ],
)
def test_areas_and_routes_are_events(ident: int, value: str, event: str) -> None:
    assert reading_of(location(items=item(ident, bytes.fromhex(value)))).values["events"] == [event]
    assert "events" not in reading_of(location(items=item(ident, bytes.fromhex(value + "00")))).values


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ({"weight": {"metric": "cargo_weight"}}, "no item id"),
        ({"0x82": {"metric": "cargo_wieght"}}, "was cargo_weight meant"),
        ({"0x82": {"metric": "cargo_weight", "unit": "V"}}, "no conversion"),
        ({"0x82": {"metric": "cargo_weight", "type": "f32"}}, "f32"),
        ({"0x82": {"metric": "cargo_weight", "scael": 2}}, "scael"),
        ({"0x82": [{"metric": "battery"}, 3]}, "no table"),
        ({"0xEB": {"inner": {"0xA8": {"metric": "battery"}}, "metric": "battery"}}, "stands alone"),
        ({"0xEB": {"inner": {"A8h": {"metric": "battery"}}}}, "no item id"),
        ({"0xEB": {"inner": {"0x10000": {"metric": "battery"}}}}, "no item id"),
        ({"0x82": {"metric": "tampered", "type": "u8"}}, "0 the lowest, 7 the highest"),
        ({"0x82": {"metric": "tampered", "type": "u8", "bit": 8}}, "0 the lowest, 7 the highest"),
        ({"0x82": {"metric": "tampered", "type": "u8", "bit": 1, "inverted": "no"}}, "true or false"),
        ({"0x82": {"metric": "iccid"}}, "text or hex"),
        ({"0x82": {"metric": "battery", "type": "hex"}}, "battery is no text"),
        ({"0x82": {"metric": "events", "type": "text"}}, "events is no number"),
    ],
)
def test_mistakes_in_vendor_items_are_said_in_a_sentence(items: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        codec(Jt808CodecOptions(items=items))
