"""SenML: RFC 8428's resolution by vectors, then readings in the vocabulary's units."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.senml import PLUGINS, decode_any_json, decode_cbor, decode_json
from adapters.senml.codec import CborCodec
from hub.model import FaultKind, Message, Position, Verdict
from hub.moment import SECOND
from tests.shared import shared_path

NOW = 1_700_000_000 * SECOND


def pack(*records: dict[str, Any], received_at: int | None = NOW) -> Message:
    return decode_json(json.dumps(records).encode(), received_at)


def detail(message: Message) -> list[dict[str, Any]]:
    resolved: list[dict[str, Any]] = message.body.detail()["resolved"]
    return resolved


@pytest.mark.recordings
def test_vectors() -> None:
    lines = shared_path("vectors/senml.jsonl").read_text().splitlines()
    for line in lines:
        vector = json.loads(line)
        received_at = vector["expected"].get("received_at")
        at = received_at * SECOND if received_at else NOW
        if "raw_text" in vector:
            message = decode_json(vector["raw_text"].encode(), at)
        else:
            message = decode_cbor(bytes.fromhex(vector["raw_hex"]), at)
        expected = vector["expected"]["resolved"]
        if expected is None:
            assert message.readings == []
            assert bool(message.faults) == (vector.get("raw_text") != "[]"), line
            continue
        got = detail(message)
        assert len(got) == len(expected), line
        for ours, theirs in zip(got, expected, strict=True):
            assert _same(ours, theirs), line
    assert len(lines) >= 20


def _same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    return ours.keys() == theirs.keys() and all(
        ours[key] == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value)
        for key, value in theirs.items()
    )


def test_records_of_one_device_and_time_are_one_reading() -> None:
    message = pack(
        {"bn": "city:gauge-7/", "bt": 1.6e9, "n": "air_temperature", "u": "K", "v": 293.15},
        {"n": "speed", "u": "m/s", "v": 10},
        {"n": "rainfall", "t": -60, "v": 1.5},
        {"n": "lat", "u": "lat", "v": 47.3},
        {"n": "lon", "u": "lon", "v": 8.5},
        {"n": "running", "vb": True},
        {"n": "state", "vs": "idle"},
        {"n": "battery", "u": "EL", "v": 0.5},
    )
    now, before = message.readings
    assert (now.device, now.observed_at, now.position) == ("city:gauge-7", 1_600_000_000 * SECOND, Position(8.5, 47.3))
    assert now.values == {
        "air_temperature": pytest.approx(20),
        "speed": pytest.approx(36),
        "running": True,
        "state": "idle",
        "battery": pytest.approx(50),
    }
    assert (before.observed_at, before.values) == (1_599_999_940 * SECOND, {"rainfall": 1.5})
    assert message.faults == []


def test_relative_times_without_a_receive_time_stay_open_and_apart() -> None:
    message = pack({"bn": "a/", "n": "ph", "t": -60, "v": 7}, {"n": "ph", "v": 8}, received_at=None)
    assert [(reading.observed_at, reading.values) for reading in message.readings] == [
        (None, {"ph": 7}),
        (None, {"ph": 8}),
    ]


@pytest.mark.parametrize("received_at", [None, NOW])
@pytest.mark.parametrize("after", [-12_000_000_000, -1e299])
def test_nothing_was_measured_before_1677(after: float, received_at: int | None) -> None:
    """Also where nobody said when the pack was received, as in `cityhub decode`."""
    message = pack(
        {"bn": "a/", "bt": after, "n": "ph", "v": 7}, {"n": "ph", "t": -after, "v": 8}, received_at=received_at
    )
    assert [(fault.kind, fault.device) for fault in message.faults] == [(FaultKind.TIME, None)]
    assert "outside the years 1677 to 2262" in message.faults[0].detail
    assert [reading.values for reading in message.readings] == [{"ph": 8}]


def test_base_fields_last_until_replaced_and_may_stand_alone() -> None:
    message = pack(
        {"bn": "a/", "bv": 5, "bu": "ug/L"}, {"n": "cod", "v": 1000}, {"bn": "b/", "bu": "mg/L", "n": "cod", "v": 1}
    )
    assert [(reading.device, reading.values) for reading in message.readings] == [
        ("a", {"cod": pytest.approx(1.005)}),
        ("b", {"cod": 6}),
    ]


def test_sums_feed_counters() -> None:
    message = pack(
        {"bn": "m/", "n": "active_power", "u": "W", "v": 500, "s": 7.2e6}, {"n": "flow_total", "bu": "m3", "s": 12}
    )
    assert message.readings[0].values == {"active_power": 0.5, "energy": pytest.approx(2.0), "flow_total": 12}


@pytest.mark.parametrize(
    ("record", "kind", "words"),
    [
        ({"n": "ph", "v": "7"}, FaultKind.VALUE, "v must be a number, not '7'"),
        ({"n": "ph", "v": True}, FaultKind.VALUE, "v must be a number"),
        ({"n": "ph", "v": float("nan")}, FaultKind.VALUE, "v must be a number, not nan"),
        ({"n": "ph"}, FaultKind.SYNTAX, "no value"),
        ({"n": "ph", "v": 1, "vb": True}, FaultKind.SYNTAX, "2 values"),
        ({"n": "p h", "v": 1}, FaultKind.SYNTAX, "may hold only"),
        ({"n": 7, "v": 1}, FaultKind.SYNTAX, "n must be a text"),
        ({"n": "phh", "v": 1}, FaultKind.UNKNOWN_METRIC, "was ph meant?"),
        ({"n": "ph", "u": "Cel", "v": 1}, FaultKind.VALUE, "no conversion"),
        ({"n": "cod", "u": "xyz", "v": 1}, FaultKind.VALUE, "unknown unit 'xyz'"),
        ({"n": "ph", "vs": "7"}, FaultKind.VALUE, "ph is a number, not '7'"),
        ({"n": "state", "vd": "aGkgCg"}, FaultKind.VALUE, "binary data"),
        ({"n": "state", "vd": "a"}, FaultKind.VALUE, "vd must be binary"),
        ({"n": "ph", "v": 1, "t": 1e200}, FaultKind.TIME, "outside the years"),
        ({"n": "ph", "v": 1, "t": "now"}, FaultKind.VALUE, "t must be a number"),
        ({"n": "lat", "v": 91}, FaultKind.POSITION, "lon is missing"),
        ({"n": "toc", "v": 2}, FaultKind.VALUE, "stands twice"),
        (17, FaultKind.SYNTAX, "a record is an object"),
    ],
)
def test_a_bad_record_is_named_and_the_others_stay(record: Any, kind: FaultKind, words: str) -> None:
    message = pack({"bn": "a/", "n": "toc", "v": 1}, record)
    assert message.readings[0].values == {"toc": 1}
    (fault,) = message.faults
    assert fault.kind == kind
    assert words in fault.detail
    assert fault.raw == message.raw


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"bver": 11}, FaultKind.UNSUPPORTED),
        ({"bver": "1"}, FaultKind.SYNTAX),
        ({"next_": 1}, FaultKind.UNSUPPORTED),
        ({"bn": 5}, FaultKind.SYNTAX),
        ({"bt": "x"}, FaultKind.VALUE),
    ],
)
def test_a_bad_base_refuses_the_pack(record: dict[str, Any], kind: FaultKind) -> None:
    message = pack({"bn": "a/", "n": "ph", "v": 7}, record)
    assert message.readings == []
    assert [(fault.kind, fault.readings) for fault in message.faults] == [(kind, 1)]
    assert "the pack is refused" in message.faults[0].detail


def test_names_without_a_device_and_unknown_plain_labels() -> None:
    assert "names no device" in pack({"n": "ph", "v": 7}).faults[0].detail
    assert pack({"n": "a/ph", "v": 7, "foo": 1}).readings[0].values == {"ph": 7}
    assert pack() == Message([], [], None, pack().body, b"[]")


def test_limits() -> None:
    assert decode_json(json.dumps([{"v": 1}] * 10_001).encode(), NOW).faults[0].kind == FaultKind.OVERSIZE
    assert decode_json(b" " * 1_048_577, NOW).faults[0].kind == FaultKind.OVERSIZE
    assert decode_cbor(b"\x00" * 1_048_577, NOW).faults[0].kind == FaultKind.OVERSIZE


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("f94700", 7.0),
        ("c48220181b", 2.7),
        ("c482010a", 100),
        ("fa40e00000", 7.0),
        ("c5822003", 1.5),
        ("07", 7),
        ("26", -7),
    ],
)
def test_cbor_numbers(value: str, expected: float) -> None:
    message = decode_cbor(_cbor(value), NOW)
    assert message.readings[0].values == {"redox": expected}


def _cbor(value: str) -> bytes:
    return bytes.fromhex("81a20067") + b"a/redox" + bytes.fromhex("02" + value)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ("", None),
        ("81", FaultKind.TRUNCATED),
        ("a0", FaultKind.SYNTAX),
        ("81" * 1000, FaultKind.SYNTAX),
        ("d81c81d81d00", FaultKind.SYNTAX),
        ("81a20067612f7265646f7802c4821a7fffffff01", FaultKind.VALUE),
        ("81a20067612f7265646f7802f97e00", FaultKind.VALUE),
        ("81a20067612f7265646f7802c24a01020304050607080910", FaultKind.VALUE),
        ("81a20067612f7265646f7802f7", FaultKind.VALUE),
        ("81a3007161a6", FaultKind.TRUNCATED),
        ("c0613a", FaultKind.SYNTAX),
    ],
)
def test_bad_cbor(frame: str, kind: FaultKind | None) -> None:
    codec = CborCodec()
    messages = codec.feed(bytes.fromhex(frame), NOW) + codec.end(NOW)
    assert [message.faults[0].kind for message in messages] == ([kind] if kind else [])
    assert not any(message.readings for message in messages)
    assert all(codec.reply(message, Verdict.STORED, NOW) is None for message in messages)


def test_cbor_with_text_labels_is_understood() -> None:
    assert decode_cbor(cbor2.dumps([{"n": "a/ph", "v": 7}]), NOW).readings[0].values == {"ph": 7}


def test_unlabelled_json_is_told_by_its_shape() -> None:
    assert decode_any_json(b'[{"bn":"a/","n":"ph","v":7}]', NOW).readings[0].device == "a"
    assert decode_any_json(b'{"device":"b","values":{"ph":7}}', NOW).readings[0].device == "b"
    assert decode_any_json(b'[{"device":"b","values":{"ph":7}}]', NOW).readings[0].device == "b"
    assert decode_any_json(b"{", NOW).faults[0].kind == FaultKind.SYNTAX


LABELS = st.sampled_from(
    ["bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut", "x_", "x"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["a/ph", "ph", "lat", "kW", ""])
    | st.binary(max_size=4)
)


@given(st.lists(st.dictionaries(LABELS, LEAVES, max_size=6), min_size=1, max_size=5))
def test_no_pack_raises_and_what_comes_out_can_be_logged(records: list[dict[str, Any]]) -> None:
    message = decode_cbor(cbor2.dumps(records), NOW)
    msgspec.msgpack.encode(message.readings)
    msgspec.json.encode(message.body.detail() if message.body else None)
    for reading in message.readings:
        assert reading.values or reading.position


@given(st.binary(max_size=100), st.integers(0, 100))
def test_no_bytes_raise_and_chunks_do_not_matter(data: bytes, cut: int) -> None:
    decode_json(data, NOW)
    for plugin in PLUGINS:
        assert plugin.codec is not None
        whole, parts = plugin.codec(plugin.codec_options()), plugin.codec(plugin.codec_options())
        expected = whole.feed(data, NOW) + whole.end(NOW)
        got = parts.feed(data[:cut], NOW) + parts.feed(data[cut:], NOW) + parts.end(NOW)
        assert len(got) == len(expected)
        assert [m.readings for m in got] == [m.readings for m in expected]
