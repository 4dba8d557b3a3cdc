"""The simulators' own encoders against published frames, and against decoders by other hands."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from random import Random

import pytest
from pyais import decode

from adapters.sl651.codec import Sl651Codec, Sl651CodecOptions
from adapters.sparkplug.host import Host
from hub.model import Verdict
from simulators.devices import ais, gb26875, gb32960, gt06, hj212, jt808, modbus, sl651, sparkplug, teltonika
from simulators.devices.checks import crc_hj212, crc_ibm, crc_modbus, crc_x25
from simulators.devices.coap import pack
from simulators.devices.faults import Faults
from simulators.devices.mqtt import payload
from simulators.devices.report import Outbox, Report
from simulators.devices.web import osmand_query
from simulators.world.geography import to_degrees
from simulators.world.sea import Sea

BEIJING = timezone(timedelta(hours=8))
AT = 1_763_798_400_000_000_000  # 2025-11-22T08:00:00Z


def test_check_sums_of_the_standards() -> None:
    assert crc_modbus(b"123456789") == 0x4B37
    assert crc_ibm(b"123456789") == 0xBB3D
    assert crc_x25(b"123456789") == 0x906E
    assert crc_hj212(b"123456789") == 0x2F80


def test_hj212_frame_of_annex_a() -> None:
    segment = "QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&"
    assert hj212.frame(segment) == f"##0101{segment}1C80\r\n".encode()


def test_hj212_station_hears_its_acknowledgement() -> None:
    station = hj212.Hj212("330900000000000000000001", "22")
    key, frame = station.frame([Report(AT + 250_000_000, {"pm25": 35.0, "co": 0.61})])
    assert key == "20251122160000250"
    assert b"CP=&&DataTime=20251122160000;a34004-Rtd=35,a34004-Flag=N;a21005-Rtd=0.61,a21005-Flag=N&&" in frame
    answer = hj212.frame(f"QN={key};ST=91;CN=9014;PW=123456;MN=330900000000000000000001;Flag=4;CP=&&&&")
    assert station.hear(answer[:30]).acknowledged == []
    assert station.hear(answer[30:]).acknowledged == [key]


def test_gb26875_fire_of_the_standards_appendix() -> None:
    at = datetime(2012, 9, 26, 9, 58, 2, tzinfo=BEIJING)
    data = gb26875.part_state(gb26875.FIRE, at, 2, 10, " " * 30)
    frame = gb26875.frame(1, at.replace(second=32), 889, 88888, gb26875.SEND, data)
    assert frame.hex() == (
        "404001000101203a091a090c790300000000385b0100000030000202010101280a000200020020202020202020202020202020202020202020"
        "202020202020202020202000023a091a090c462323"
    )


def test_gb26875_device_hears_the_confirmation() -> None:
    device = gb26875.Gb26875(889)
    key, _ = device.frame([Report(AT, {"fire_alarm": True})])
    at = datetime(2025, 11, 22, 16, 0, 1, tzinfo=BEIJING)
    answer = gb26875.frame(1, at, 1, 889, gb26875.CONFIRM)
    assert key == 1
    assert [device.hear(answer[i : i + 1]).acknowledged for i in range(len(answer))][-1] == [1]


def test_sl651_timed_report_of_a_river_station() -> None:
    """The element and frame layout of a published capture, rebuilt from its values."""
    captured = "7e7e011000000006000032002b022f7c221202133716f1f1100000000648f0f02212021335201900000026190031963923000289603812131203367c"
    report = Report(
        round(datetime(2022, 12, 2, 13, 37, 16, tzinfo=BEIJING).timestamp()) * 10**9,
        {"rainfall": 0.0, "rainfall_total": 319.6, "water_level": 28.96, "battery_voltage": 13.12},
    )
    built = sl651.up("1000000006", 12156, report, 0x48)
    # the capture was observed two minutes before it was sent; ours are observed and sent in one minute
    assert built[:-3].hex() == captured[:-6].replace("2212021335", "2212021337")
    assert crc_modbus(built[:-2]) == int.from_bytes(built[-2:])
    assert crc_modbus(bytes.fromhex(captured)[:-2]) == int(captured[-4:], 16)


def test_sl651_negative_values_begin_with_ff() -> None:
    assert sl651.element(0x39, 4, 3, -1.25).hex() == "392bff00001250"


def test_sl651_ascii_report_read_by_the_hub_and_its_confirmation_heard() -> None:
    """No capture of the ASCII form is public: it is held against the hub's decoder, which another hand wrote."""
    station = sl651.Sl651("0051000102", 0x48, ascii_form=True)
    key, sent = station.frame([Report(AT, {"water_level": -1.25, "water_flow": 38.5})])
    assert sent.startswith(b"\x010100510001020000320")
    codec = Sl651Codec(Sl651CodecOptions())
    (message,) = codec.feed(sent, AT)
    assert not message.faults
    assert message.readings[0].values == {"water_level": -1.25, "water_flow": 38.5}
    assert message.readings[0].observed_at == AT
    assert message.device == "sl651:0051000102"
    answer = codec.reply(message, Verdict.STORED, AT)
    assert answer
    assert [station.hear(answer[at : at + 1]).acknowledged for at in range(len(answer))][-1] == [key]


def test_gt06_login_and_position_of_the_published_examples() -> None:
    """A login from Traccar's tests; the position of the maker's manual, rebuilt from its values."""
    assert gt06.login("864717003283581", 9).hex() == "78780d01086471700328358100093f040d0a"
    at = datetime(2011, 8, 29, 17, 46, 16, tzinfo=UTC)
    position = Report(
        round(at.timestamp()) * 10**9,
        {"speed": 0, "course": 143},
        0x0C465849 / 1_800_000,
        0x027AC7EB / 1_800_000,
        extra={"satellites": 15},
    )
    assert gt06.frame(gt06.LOCATION, gt06.location(position), 3).hex() == (
        "78781f120b081d112e10cf027ac7eb0c46584900148f01cc00287d001fb8000380810d0a"
    )


def test_gt06_tracker_waits_for_the_answer_to_its_login() -> None:
    tracker = gt06.Gt06("864717003283581")
    assert tracker.greet().hex().startswith("78780d010864717003283581")
    assert not tracker.hear(bytes.fromhex("787805010009")).ready
    assert tracker.hear(bytes.fromhex("55940d0a")).ready
    _, first = tracker.frame([Report(AT, {"speed": 30.0}, 122.0, 29.2)])
    _, second = tracker.frame([Report(AT, {"speed": 30.0}, 122.0, 29.2)])
    assert first.count(b"\x78\x78") == 2  # with a heartbeat
    assert second.count(b"\x78\x78") == 1


def test_teltonika_record_of_the_published_example() -> None:
    """The codec 8 frame of the wiki has I/O of its own; the head and the frame around it are compared."""
    published = bytes.fromhex(
        "000000000000003608010000016b40d8ea30010000000000000000000000000000000105021503010101425e0f01f10000601a014e0000000000000000010000c7cf"
    )
    start, end = 10, len(published) - 5
    assert teltonika.packet([published[start:end]]) == published
    head = teltonika.record(Report(1_560_161_086_000_000_000, {"speed": 0, "ignition": True}, 0.0, 0.0))
    assert head[:8] == published[start : start + 8]


def test_teltonika_tracker_waits_for_login_and_count() -> None:
    tracker = teltonika.Teltonika("356307042441013")
    assert tracker.greet().hex() == "000f333536333037303432343431303133"
    assert tracker.hear(b"\x01").ready
    tracker.frame([Report(AT, {}, 122.0, 29.0)])
    assert tracker.hear(b"\x00\x00").acknowledged == []
    assert tracker.hear(b"\x00\x01").acknowledged == ["packet"]
    assert tracker.hear(b"\x00\x00\x00\x00").acknowledged == []


def test_gb32960_login_of_a_public_capture() -> None:
    at = datetime(2018, 6, 5, 11, 44, 29, tzinfo=BEIJING)
    built = gb32960.login(at, "LFWADRJF011002346", 1, "83605337981605490187", ("10001", "10002"))
    assert built.hex() == (
        "232301fe4c46574144524a463031313030323334360100281206050b2c1d00013833363035333337393831363035343930313837"
        "020531303030313130303032c2"
    )


def test_gb32960_items_have_the_standards_lengths() -> None:
    data = gb32960.real_time(Report(AT, {"speed": 36.0, "odometer": 1200.5}, 122.02, 29.24))
    assert len(data) == 6 + 1 + 20 + 1 + 9
    assert data[6] == 1
    assert data[27] == 5


def test_jt808_escapes_and_checks() -> None:
    frame = jt808.frame(0x0002, "013900000001", 0x7D7E, b"")
    assert frame[0] == frame[-1] == 0x7E
    assert 0x7E not in frame[1:-1]
    assert jt808.unescape(frame)[10:12] == b"\x7d\x7e"


def test_jt808_location_by_the_tables() -> None:
    body = jt808.location(
        Report(
            AT,
            {"speed": 36.5, "course": 149.0, "odometer": 1234.5, "alarms": ["rollover"]},
            116.954088,
            33.697808,
            29.0,
        )
    )
    assert body.hex().startswith("40000000000000030202301006f893e8001d016d0095251122160000010400003039")


@pytest.mark.parametrize("phone", ["013900000001", "00000000013800000001"])
def test_jt808_terminal_registers_authenticates_and_hears_acks(phone: str) -> None:
    terminal = jt808.Jt808(phone, "浙L1007B")
    registration = jt808.unescape(terminal.greet())
    assert registration[:2] == b"\x01\x00"
    heard = terminal.hear(jt808.frame(0x8100, phone, 0, b"\x00\x00\x00code"))
    assert b"code" in heard.send
    assert not heard.ready
    assert terminal.hear(jt808.frame(0x8001, phone, 1, b"\x00\x01\x01\x02\x00")).ready
    key, _ = terminal.frame([Report(AT, {"speed": 1.0}, 122.0, 29.0)])
    assert terminal.hear(jt808.frame(0x8001, phone, 2, bytes((0, int(str(key)), 2, 0, 0)))).acknowledged == [key]
    assert jt808.unescape(terminal.greet())[:2] == b"\x01\x02"  # registered once, authenticated on every connection


def test_jt808_sends_what_it_gathered_in_a_blind_zone_as_one_batch() -> None:
    terminal = jt808.Jt808("013900000001")
    gathered = [Report(AT + n * 10**9, {"speed": 30.0 + n}, 122.0, 29.0) for n in range(terminal.batch_max)]
    key, sent = terminal.frame(gathered)
    content = jt808.unescape(sent)
    assert content[:2] == b"\x07\x04"
    size = int.from_bytes(content[2:4]) & 0x3FF
    body = content[12 : 12 + size]
    assert len(content) == 12 + size + 1
    assert body[:3] == bytes((0, terminal.batch_max, 1))
    assert body[3:5] == len(jt808.location(gathered[0])).to_bytes(2)
    assert body[5:].startswith(jt808.location(gathered[0]))
    assert body.endswith(jt808.location(gathered[-1]))
    acknowledged = jt808.frame(0x8001, terminal.phone, 2, bytes((0, int(str(key)), 7, 4, 0)))
    assert terminal.hear(acknowledged).acknowledged == [key]


def test_ais_position_and_voyage_read_by_pyais() -> None:
    sea = Sea(Random(3))
    vessel = sea.add(1)
    lon, lat = to_degrees(vessel.x, vessel.y)
    (line,) = ais.sentences(ais.position(vessel, 42))
    read = decode(line.encode(), error_if_checksum_invalid=True)
    assert read.msg_type == 1
    assert read.mmsi == vessel.mmsi
    assert read.lon == pytest.approx(lon, abs=2e-6)
    assert read.lat == pytest.approx(lat, abs=2e-6)
    assert read.speed == pytest.approx(vessel.sog, abs=0.051)
    assert read.second == 42
    lines = ais.sentences(ais.voyage(vessel), sequence=3)
    voyage = decode(*(line.encode() for line in lines), error_if_checksum_invalid=True)
    assert len(lines) == 2
    assert voyage.shipname == vessel.name
    assert voyage.ship_type == vessel.ship_type
    assert voyage.to_bow + voyage.to_stern == vessel.length_m
    assert voyage.destination == "HARBOUR CITY"


def test_ais_class_b_and_buoy_read_by_pyais() -> None:
    vessel = Sea(Random(3)).add(3)
    assert vessel.class_b
    assert decode(ais.sentences(ais.position(vessel, 5))[0].encode()).msg_type == 18
    part_a, part_b = (decode(ais.sentences(bits)[0].encode()) for bits in ais.static_b(vessel))
    assert part_a.shipname == vessel.name
    assert part_b.to_bow + part_b.to_stern == vessel.length_m
    buoy = decode(*(line.encode() for line in ais.sentences(ais.buoy(994131234, "GATE 1", 122.05, 29.21, 7, True))))
    assert buoy.name == "GATE 1"
    assert buoy.off_position


def test_every_sentence_is_at_most_82_characters() -> None:
    sea = Sea(Random(3))
    vessels = [sea.add(number) for number in range(40)]
    lines = [line for vessel in vessels for line in ais.of_vessel(vessel, 59, True, 7)]
    assert max(len(line) + 2 for line in lines) <= 82


def test_modbus_answers_and_exceptions() -> None:
    registers = modbus.substation_registers(10_050, 221.7, 3_623.0, 49.981)
    request = bytes.fromhex("000100000006010300000005")
    assert modbus.answer(request, registers, 1) == bytes.fromhex("00010000000d01030a274208a900374858c33d")
    beyond = bytes.fromhex("000200000006010300040002")
    assert modbus.answer(beyond, registers, 1) == bytes.fromhex("000200000003018302")
    assert modbus.answer(bytes.fromhex("000300000006020300000001"), registers, 1) is None


def test_json_senml_and_osmand() -> None:
    report = Report(AT, {"wind_speed": 4.2, "running": True}, 122.02, 29.24)
    assert json.loads(payload("mast", report)) == {
        "device": "mast", "time": "2025-11-22T08:00:00Z", "values": {"wind_speed": 4.2, "running": True}, "lon": 122.02, "lat": 29.24,
    }  # fmt: skip
    first, second = json.loads(pack("mast", report))
    assert first == {"bn": "mast/", "bt": AT / 1e9, "n": "wind_speed", "u": "m/s", "v": 4.2}
    assert second == {"n": "running", "vb": True}
    assert "speed=10.00" in osmand_query("p", Report(AT, {"speed": 18.52}, 122.0, 29.0))


def test_an_outbox_keeps_what_is_not_acknowledged_and_counts_what_it_loses() -> None:
    box = Outbox(limit=2)
    reports = [Report(AT + number, {}) for number in range(3)]
    for report in reports:
        box.put(report)
    assert box.lost == 1
    box.take_back(reports[1])
    box.take_back(reports[1])
    assert list(box) == [reports[2]]
    assert box.acknowledged == 1


def test_faults_are_drawn_from_their_seed() -> None:
    frames = [bytes((number, 0x55)) for number in range(200)]

    def carried() -> list[bytes]:
        return Faults(loss=0.1, duplicate=0.1, reorder=0.1, corrupt=0.1, random=Random(4)).line().carry(list(frames))

    assert carried() == carried()
    assert carried() != frames
    assert Faults().line().carry(list(frames)) == frames
    one_by_one = Faults(reorder=1.0).line()
    assert [one_by_one.carry([frame]) for frame in (b"a", b"b", b"c")] == [[], [b"b", b"a"], []]
    with pytest.raises(ValueError, match="share from 0 to 1"):
        Faults(loss=2)


def test_sparkplug_births_and_data_read_by_the_host() -> None:
    host, births = Host(), sparkplug.Births()
    births.session = 0
    values: dict[str, float | bool | str] = {"flow": 252.5, "running": True, "state": "auto"}
    at_ms = AT // 1_000_000
    birth = host.read("spBv1.0/harbour/NBIRTH/mill", births.node(at_ms))
    device = host.read("spBv1.0/harbour/DBIRTH/mill/pump", births.device(at_ms, values))
    data = host.read("spBv1.0/harbour/DDATA/mill/pump", births.data(at_ms + 2000, values | {"flow": 13.0}))
    assert not birth.faults + device.faults + data.faults
    assert device.readings[-1].values.items() >= values.items()
    (reading,) = data.readings
    assert reading.device == "sparkplug:harbour/mill/pump"
    assert reading.values == {"flow": 13.0, "running": True, "state": "auto"}
    assert reading.observed_at == AT + 2_000_000_000
    death = host.read("spBv1.0/harbour/NDEATH/mill", births.death())
    assert any(reading.values.get("online") is False for reading in death.readings)


def test_sparkplug_numbers_are_protobuf_varints() -> None:
    assert sparkplug.varint(0) == b"\x00"
    assert sparkplug.varint(300) == b"\xac\x02"
    assert sparkplug.field(13, 1.5).hex() == "69000000000000f83f"
