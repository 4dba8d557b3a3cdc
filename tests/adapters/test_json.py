"""Native JSON and the maps for foreign JSON: what is kept, what is refused, and in which words."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.json import JsonCodecOptions, MapError, codec, decode_native, read_map
from hub.model import FaultKind, Mark, Message, Position, Verdict
from hub.moment import from_text

NOW = from_text("2026-11-22T09:00:00Z")
README = Path(__file__).resolve().parents[2] / "adapters" / "json" / "README.md"


def faults(message: Message) -> list[tuple[FaultKind, str]]:
    return [(fault.kind, fault.detail) for fault in message.faults]


def test_one_object_is_one_reading() -> None:
    payload = (
        b'{"device":"gauge-7","time":"2026-11-22T08:00:00+08:00","values":{"water_level":3.41,"door":true,'
        b'"alarms":["a"],"state":"ok"},"lon":8.5,"lat":47.3,"alt":408}'
    )
    message = decode_native(payload, NOW)
    (reading,) = message.readings
    assert reading.device == message.device == "gauge-7"
    assert reading.observed_at == from_text("2026-11-22T00:00:00Z")
    assert reading.values == {"water_level": 3.41, "door": True, "alarms": ["a"], "state": "ok"}
    assert reading.position == Position(8.5, 47.3, 408)
    assert message.faults == []


def test_an_array_is_many_readings_and_an_empty_one_is_nothing() -> None:
    message = decode_native(b'[{"device":"a","values":{"ph":7}},{"device":"b","values":{"ph":8}}]', NOW)
    assert [reading.device for reading in message.readings] == ["a", "b"]
    assert decode_native(b"[]", NOW) == Message([], [], None, [], b"[]")


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("1795334400", "2026-11-22T08:00:00Z"),
        ("1795334400.25", "2026-11-22T08:00:00.25Z"),
        ("1795334400250", "2026-11-22T08:00:00.25Z"),
        ("null", "2026-11-22T09:00:00Z"),
    ],
)
def test_times(time: str, expected: str) -> None:
    message = decode_native(f'{{"device":"a","time":{time},"values":{{"ph":7}}}}'.encode(), NOW)
    assert message.readings[0].observed_at == from_text(expected)


def test_a_mark_without_a_value_is_news() -> None:
    (reading,) = decode_native(b'{"device":"a","marks":{"water_level":"fault","no_such":"fault"}}', NOW).readings
    assert (reading.values, reading.marks) == ({}, {"water_level": Mark.FAULT})


def test_without_a_time_and_a_receive_time_the_moment_stays_open() -> None:
    assert decode_native(b'{"device":"a","values":{"ph":7}}').readings[0].observed_at is None


@pytest.mark.parametrize(
    ("item", "kind", "words"),
    [
        ('"values":{"pm25":NaN}', FaultKind.VALUE, "pm25 is nan"),
        ('"values":{"pm25":-Infinity}', FaultKind.VALUE, "pm25 is -inf"),
        ('"values":{"pm25":1e999}', FaultKind.VALUE, "pm25 is inf"),
        ('"values":{"pm25":"3.4"}', FaultKind.VALUE, "pm25 is a number, not '3.4'"),
        ('"values":{"pm25":true}', FaultKind.VALUE, "pm25 is a number, not True"),
        ('"values":{"pm25":null}', FaultKind.VALUE, "pm25 is a number, not None"),
        ('"values":{"pm25":{"v":1}}', FaultKind.VALUE, "pm25 is a number"),
        ('"values":{"imo":9321483}', FaultKind.VALUE, "imo is a text, not 9321483"),
        ('"values":{"door":"open"}', FaultKind.VALUE, "door is a flag (true or false), not 'open'"),
        ('"values":{"alarms":"a"}', FaultKind.VALUE, "alarms is a list"),
        ('"values":{"state":"\\ud800"}', FaultKind.VALUE, "surrogate"),
        ('"values":{"wtaer_level":1}', FaultKind.UNKNOWN_METRIC, "was water_level meant?"),
        ('"values":[1]', FaultKind.SYNTAX, "values must be an object"),
        ('"lon":181,"lat":3', FaultKind.POSITION, "lon must be degrees of at most 180, not 181"),
        ('"lon":8', FaultKind.POSITION, "lat is missing beside the other"),
        ('"values":{}', FaultKind.SYNTAX, "neither values, a position nor marks"),
        ('"speed":3', FaultKind.SYNTAX, "'speed' is no key of a reading"),
        ('"values":{"ph":7},"time":"yesterday"', FaultKind.TIME, "'yesterday' is not an ISO 8601 time"),
        ('"values":{"ph":7},"time":"2026-11-22T08:00:00"', FaultKind.TIME, "no time zone"),
        ('"values":{"ph":7},"time":true', FaultKind.TIME, "not True"),
        ('"values":{"ph":7},"time":"0001-01-01T00:00:00Z"', FaultKind.TIME, "1677"),
        ('"values":{"ph":7},"time":1e300', FaultKind.TIME, "1677"),
        ('"values":{"ph":7},"time":9223372036855', FaultKind.TIME, "1677"),
    ],
)
def test_what_is_wrong_is_named(item: str, kind: FaultKind, words: str) -> None:
    message = decode_native(f'{{"device":"a",{item}}}'.encode(), NOW)
    assert message.readings == []
    fault = message.faults[0]
    assert (fault.kind, fault.readings) == (kind, 1)
    assert words in fault.detail
    assert fault.device == "a"
    assert fault.raw


@pytest.mark.parametrize(
    ("payload", "kind", "words"),
    [
        (b'{"values":{"ph":7}}', FaultKind.SYNTAX, "device is missing"),
        (b'{"device":7,"values":{"ph":7}}', FaultKind.SYNTAX, "device must be a text"),
        (b'{"device":"","values":{"ph":7}}', FaultKind.SYNTAX, "device is empty"),
        (b'{"device":"a\\nb","values":{"ph":7}}', FaultKind.SYNTAX, "unprintable"),
        (b"17", FaultKind.SYNTAX, "not 17"),
        (b'["x"]', FaultKind.SYNTAX, "reading 1 of the array"),
        (b"", FaultKind.SYNTAX, "not JSON"),
        (b"\xff\xfe", FaultKind.SYNTAX, "not JSON"),
        (b"[" * 100_000, FaultKind.SYNTAX, "nested too deeply"),
        (
            b'{"device":"a","values":{"ph":1' + b"0" * 5000 + b"}}",
            FaultKind.SYNTAX,
            "not JSON: a whole number of more than 4,300 digits",
        ),
        (b" " * 1_048_577, FaultKind.OVERSIZE, "1048577 bytes"),
        (b"[" + b"0," * 10_000 + b"0]", FaultKind.OVERSIZE, "10001 readings"),
    ],
)
def test_payloads_of_the_wrong_shape(payload: bytes, kind: FaultKind, words: str) -> None:
    message = decode_native(payload, NOW)
    assert message.readings == []
    assert message.faults[0].kind == kind
    assert words in message.faults[0].detail


def test_good_values_stay_beside_bad_ones() -> None:
    message = decode_native(b'{"device":"a","values":{"ph":7,"pm25":NaN,"xx":1},"lon":200,"lat":0,"seq":5}', NOW)
    assert message.readings[0].values == {"ph": 7}
    assert [fault.kind for fault in message.faults] == ["value", "unknown-metric", "position", "syntax"]
    assert [fault.readings for fault in message.faults] == [0, 0, 0, 0]
    assert [bool(fault.raw) for fault in message.faults] == [True, False, False, False]


@pytest.mark.parametrize(
    "key", ['"unit":"cm"', '"Quality":"bad"', '"timestamp":"2026-11-21T08:00:00Z"', '"ts":1795248000']
)
def test_values_whose_meaning_an_unknown_key_may_change_are_kept_out(key: str) -> None:
    """45 with a unit of "cm" was 45 m, and yesterday's flood under `timestamp` was of now."""
    item = f'{{"device":"a","values":{{"water_depth":45}},{key}}}'
    message = decode_native(item.encode(), NOW)
    ((kind, words),) = faults(message)
    assert (message.readings, kind, message.faults[0].readings, message.faults[0].device) == (
        [],
        FaultKind.SYNTAX,
        1,
        "a",
    )
    assert "so they are kept out" in words
    beside = f'[{item},{{"device":"b","values":{{"water_depth":0.1}},"seq":7}}]'
    assert [reading.device for reading in decode_native(beside.encode(), NOW).readings] == ["b"]


@pytest.mark.parametrize("key", ['"unit":"m"', '"quality":"Good"', '"valid":true'])
def test_values_that_an_unknown_key_says_are_what_they_seem_are_taken(key: str) -> None:
    message = decode_native(f'{{"device":"a","values":{{"water_depth":0.4}},{key}}}'.encode(), NOW)
    assert [reading.values for reading in message.readings] == [{"water_depth": 0.4}]
    assert len(message.faults) == 1


def test_an_unknown_moment_beside_a_known_one_changes_nothing() -> None:
    item = b'{"device":"a","time":"2026-11-22T08:00:00Z","ts":5,"values":{"water_depth":0.4}}'
    message = decode_native(item, NOW)
    assert len(message.readings) == len(message.faults) == 1


def test_marks_say_what_the_device_doubts() -> None:
    message = decode_native(b'{"device":"a","values":{"ph":7},"marks":{"ph":"calibration","cod":"odd"}}', NOW)
    assert message.readings[0].marks == {"ph": Mark.CALIBRATION}
    assert "'cod' is marked 'odd'" in message.faults[0].detail


@given(st.binary(max_size=200))
def test_no_bytes_raise(payload: bytes) -> None:
    decode_native(payload, NOW)
    for map in (TASMOTA, EXPLODED):
        map.decode(payload, NOW, "tele/x/SENSOR")
        map.decode_line(payload, NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["device", "time", "values", "lon", "lat", "alt", "marks", "ph", "state", "door", "samples", "Time"]
            ),
            inner,
            max_size=6,
        )
    ),
)


@given(JSON)
def test_no_document_raises_and_what_comes_out_can_be_logged(document: object) -> None:
    import json

    payload = json.dumps(document).encode()
    for message in (
        decode_native(payload, NOW),
        EXPLODED.decode(payload, NOW),
        TASMOTA.decode(payload, NOW, "tele/x/SENSOR"),
    ):
        assert message.readings or message.faults or document == []
        msgspec.msgpack.encode(message.readings)
        msgspec.msgpack.encode(message.faults)


@given(st.lists(st.integers(1, 60), max_size=20))
def test_lines_do_not_depend_on_chunks(cuts: list[int]) -> None:
    data = b'{"device":"a","values":{"ph":7}}\r\n\n{"device":\n[{"device":"b","values":{"ph":"x"}}]'
    whole, parts = codec(JsonCodecOptions()), codec(JsonCodecOptions())
    expected = whole.feed(data, NOW) + whole.end(NOW)
    got, at = [], 0
    for cut in cuts:
        got += parts.feed(data[at : at + cut], NOW)
        at += cut
    got += parts.feed(data[at:], NOW) + parts.end(NOW)
    assert got == expected
    assert [len(message.readings) for message in got] == [1, 0, 0]
    assert parts.reply(got[0], Verdict.STORED, NOW) is None


def test_an_endless_line_is_one_fault_and_the_next_line_counts() -> None:
    lines = codec(JsonCodecOptions())
    messages = []
    for _ in range(20):
        messages += lines.feed(b"x" * 100_000, NOW)
    messages += lines.feed(b'\n{"device":"a","values":{"ph":7}}\n', NOW)
    assert [fault.kind for fault in messages[0].faults] == [FaultKind.OVERSIZE]
    assert messages[1].readings[0].values == {"ph": 7}
    assert len(messages) == 2


# ------------------------------------------------------------------------------------------------------------- maps

TASMOTA = read_map(
    {
        "topic": "tele/{device}/SENSOR",
        "device": "tasmota:{device}",
        "time": {"path": "Time", "zone": "+01:00"},
        "values": {
            "air_temperature": {"path": "AM2301.Temperature", "unit": "degF"},
            "running": {"path": "POWER", "values": {"ON": True, "OFF": False}},
            "water_level": {"path": "level", "unit": "mm", "scale": 10.0, "offset": 5.0, "missing": [-999]},
        },
        "constants": {"firmware": "tasmota"},
    }
)
EXPLODED = read_map(
    {
        "device": "st:{$.station.id}-{n}",
        "each": "samples[*]",
        "time": {"path": "at", "format": "unix_ms"},
        "position": {"lon": "$.station.lon", "lat": "$.station.lat"},
        "values": {"ph": "v.ph", "state": '"a.b"'},
    }
)


def readme_maps() -> list[str]:
    return re.findall(r"```toml\n(.*?)```", README.read_text("utf-8"), re.S)


def test_the_readme_examples_read_what_those_devices_send() -> None:
    tasmota, zigbee, ttn = (read_map(tomllib.loads(text)) for text in readme_maps())
    message = tasmota.decode(
        b'{"Time":"2026-07-01T12:00:00","AM2301":{"Temperature":21.5,"Humidity":40.1},"ENERGY":{"Power":150,"Total":3.2}}',
        NOW,
        "tele/kitchen/SENSOR",
    )
    (reading,) = message.readings
    assert (reading.device, reading.observed_at) == ("tasmota:kitchen", from_text("2026-07-01T10:00:00Z"))
    assert reading.values == {"air_temperature": 21.5, "relative_humidity": 40.1, "active_power": 0.15, "energy": 3.2}
    message = zigbee.decode(
        b'{"temperature":"21.5","voltage":3000,"contact":true,"last_seen":1795334400000}', NOW, "zigbee2mqtt/hall"
    )
    (reading,) = message.readings
    assert reading.values == {"air_temperature": 21.5, "battery_voltage": 3.0, "open": False}
    assert reading.observed_at == from_text("2026-11-22T08:00:00Z")
    message = ttn.decode(
        b'{"received_at":"2026-11-22T08:00:00.123456789Z","uplink_message":{"decoded_payload":{"level_mm":3410,"battery":3.6},'
        b'"rx_metadata":[{"rssi":-97,"snr":7.5}],"locations":{"user":{"latitude":47.3,"longitude":8.5}}}}',
        NOW,
        "v3/city@ttn/devices/gauge-7/up",
    )
    (reading,) = message.readings
    assert reading.device == "ttn:gauge-7"
    assert reading.values == {"water_level": 3.41, "battery_voltage": 3.6, "rssi": -97, "snr": 7.5}
    assert reading.position == Position(8.5, 47.3)


def test_units_words_scales_and_constants() -> None:
    message = TASMOTA.decode(b'{"AM2301":{"Temperature":68},"POWER":"ON","level":20}', NOW, "tele/a/SENSOR")
    values = message.readings[0].values
    assert values["air_temperature"] == pytest.approx(20)
    assert (values["running"], values["firmware"]) == (True, "tasmota")
    assert values["water_level"] == pytest.approx(0.205)
    assert TASMOTA.decode(b'{"POWER":"OFF","level":-999}', NOW, "tele/a/SENSOR").readings[0].values == {
        "running": False,
        "firmware": "tasmota",
    }


def test_arrays_become_readings() -> None:
    payload = (
        b'{"station":{"id":9,"lon":8.5,"lat":47.3},"samples":[{"n":"a","at":1795334400000,"v":{"ph":7}},'
        b'{"n":"b","at":"x","v":{"ph":7}},{"n":"c","v":{"ph":"bad"},"a.b":"odd"},{"v":{"ph":7}}]}'
    )
    message = EXPLODED.decode(payload, NOW)
    assert [(reading.device, reading.values) for reading in message.readings] == [
        ("st:9-a", {"ph": 7}),
        ("st:9-c", {"state": "odd"}),
    ]
    assert message.readings[0].position == Position(8.5, 47.3)
    assert [fault.kind for fault in message.faults] == ["time", "value", "syntax"]
    assert [fault.readings for fault in message.faults] == [1, 0, 1]
    assert "'n', which is missing" in message.faults[2].detail


@pytest.mark.parametrize(
    ("topic", "payload", "kind", "words"),
    [
        ("other/a", b"{}", FaultKind.UNSUPPORTED, "no map reads the topic 'other/a'"),
        ("tele/a/SENSOR", b'{"POWER":"half"}', FaultKind.VALUE, "'half' at POWER is none of ON, OFF"),
        ("tele/a/SENSOR", b'{"level":NaN}', FaultKind.VALUE, "water_level is nan"),
        ("tele/a/SENSOR", b'{"Time":"noon","level":1}', FaultKind.TIME, "noon"),
        ("tele/a/SENSOR", b"{", FaultKind.SYNTAX, "not JSON"),
    ],
)
def test_foreign_payloads_that_cannot_be_used(topic: str, payload: bytes, kind: FaultKind, words: str) -> None:
    message = TASMOTA.decode(payload, NOW, topic)
    assert message.readings == []
    assert message.faults[0].kind == kind
    assert words in message.faults[0].detail
    assert message.faults[0].raw == payload


def test_a_payload_without_any_mapped_field_is_a_fault() -> None:
    message = EXPLODED.decode(b'{"station":{"id":9},"samples":[{"n":"a"}]}', NOW)
    assert faults(message) == [(FaultKind.SYNTAX, 'none of the map\'s fields stands in this payload (v.ph, "a.b")')]
    assert "no readings at samples" in EXPLODED.decode(b'{"samples":[]}', NOW).faults[0].detail


def test_lines_with_topics() -> None:
    assert TASMOTA.decode_line(b'tele/a/SENSOR\t{"POWER":"ON"}', NOW).readings[0].device == "tasmota:a"
    assert TASMOTA.decode_line(b'{"POWER":"ON"}', NOW).faults[0].kind == FaultKind.FRAME


def test_the_first_map_that_fits_reads_the_payload() -> None:
    maps = read_map(
        {
            "map": [
                {"device": "up:{id}", "when": {"type": "up"}, "values": {"ph": "ph"}},
                {"device": "other:{id}", "values": {"ph": {"path": "ph", "required": True}}},
            ]
        }
    )
    assert maps.decode(b'{"type":"up","id":1,"ph":7}').readings[0].device == "up:1"
    assert maps.decode(b'{"id":1,"ph":7}').readings[0].device == "other:1"
    assert "nothing at ph" in maps.decode(b'{"id":1}').faults[0].detail


@pytest.mark.parametrize(
    ("format", "value", "expected"),
    [
        ("unix", '"1795334400"', "2026-11-22T08:00:00Z"),
        ("unix_us", "1795334400000001", "2026-11-22T08:00:00.000001Z"),
        ("unix_ns", "1795334400000001000", "2026-11-22T08:00:00.000001Z"),
        ("%d.%m.%Y %H:%M", '"22.11.2026 16:00"', "2026-11-22T08:00:00Z"),
        ("%Y%m%d%H%M%S", "20261122160000", "2026-11-22T08:00:00Z"),
    ],
)
def test_time_formats(format: str, value: str, expected: str) -> None:
    maps = read_map(
        {"device": "a", "time": {"path": "t", "format": format, "zone": "Asia/Shanghai"}, "values": {"ph": "ph"}}
    )
    assert maps.decode(f'{{"t":{value},"ph":7}}'.encode()).readings[0].observed_at == from_text(expected)


def test_every_mistake_of_a_map_is_reported_at_once() -> None:
    with pytest.raises(MapError) as caught:
        read_map(
            {
                "topic": "a/{x}/b{y}",
                "device": "{a",
                "time": {"path": "t", "format": "noon", "zone": "Mars/Base"},
                "values": {"phh": "a", "ph": "a..b[", "water_level": {"path": "a", "unit": "kg"}},
                "constants": {"ph": "x"},
            }
        )
    text = str(caught.value)
    for words in (
        "topic:",
        "device:",
        "time: zone 'Mars/Base'",
        "values.phh",
        "values.ph:",
        "'kg' is a mass",
        "constants.ph",
    ):
        assert words in text
    with pytest.raises(MapError, match="colour"):
        read_map({"device": "a", "colour": 1})
    with pytest.raises(MapError, match="no metric and no position"):
        read_map({"device": "a"})


@pytest.mark.parametrize(
    ("options", "text", "value"),
    [
        ({"decimal": ","}, "21,5", 21.5), ({"decimal": ","}, "1.554,25", 1554.25), ({"decimal": ","}, "1.5", None), ({"decimal": ","}, 21.5, 21.5),
        ({"suffix": " ?dBm"}, "-76 dBm", -76.0), ({"suffix": " ?dBm"}, "-76", -76.0), ({"suffix": " ?dBm"}, "-76 dB", None),
        ({"suffix": r"\.?[A-Z0-9]{3}"}, "1554.N0N", 1554.0), ({}, "21,5", None), ({"suffix": "x"}, "nan", None), ({"suffix": "x"}, "1" * 300, None),
        ({"decimal": ",", "suffix": " ?m", "scale": 10.0}, "1,5 m", 15.0),
    ],
)  # fmt: skip
def test_numbers_as_others_write_them(options: dict[str, object], text: object, value: float | None) -> None:
    maps = read_map({"device": "a", "values": {"count": {"path": "v", **options}}})
    message = maps.decode(msgspec.json.encode({"v": text}), NOW, "")
    assert [reading.values for reading in message.readings] == ([{"count": value}] if value is not None else [])
    assert [fault.kind for fault in message.faults] == ([] if value is not None else [FaultKind.VALUE])


@pytest.mark.parametrize(
    ("options", "words"), [({"decimal": ";"}, "decimal is ';'"), ({"suffix": "("}, "suffix is no pattern")]
)
def test_how_numbers_are_written_is_checked(options: dict[str, object], words: str) -> None:
    with pytest.raises(MapError, match=words):
        read_map({"device": "a", "values": {"count": {"path": "v", **options}}})
