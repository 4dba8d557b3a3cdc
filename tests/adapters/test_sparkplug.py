"""Sparkplug B with an encoder of the test's own: births, aliases, gaps, deaths, and bytes that are none of these."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.json import MapError
from adapters.mqtt import codec as mqtt
from adapters.sparkplug import SparkplugCodec
from adapters.sparkplug.host import Host
from adapters.sparkplug.metrics import read_metrics
from adapters.sparkplug.payload import decode, rebirth_command
from hub.model import FaultKind, Mark, Message, Position, Verdict
from hub.moment import SECOND, from_text
from tests.adapters.intake import FakeIntake
from tests.adapters.test_mqtt import Broker, playing

AT = from_text("2026-11-22T08:00:00Z")
MS = AT // 1_000_000


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def metric(
    name: str = "", value: Any = None, kind: int = 0, alias: int | None = None, at: int | None = None, **properties: Any
) -> bytes:
    out = block(1, name.encode()) if name else b""
    out += number(2, alias) if alias is not None else b""
    out += number(3, at) if at is not None else b""
    out += number(4, kind) if kind else b""
    if properties:
        keys = b"".join(block(1, key.encode()) for key in properties)
        values = b"".join(
            block(
                2,
                number(1, 12) + block(8, value.encode()) if isinstance(value, str) else number(1, 3) + number(3, value),
            )
            for value in properties.values()
        )
        out += block(9, keys + values)
    if value is None:
        return block(2, out + number(7, 1))
    if isinstance(value, bool):
        return block(2, out + number(14, value))
    if isinstance(value, str):
        return block(2, out + block(15, value.encode()))
    if isinstance(value, float):
        return block(2, out + (b"\x65" + struct.pack("<f", value) if kind == 9 else b"\x69" + struct.pack("<d", value)))
    return block(2, out + number(11 if kind in (4, 8) else 10, value))


def payload(seq: int | None, *metrics: bytes, at: int = MS) -> bytes:
    return number(1, at) + b"".join(metrics) + (number(3, seq) if seq is not None else b"")


NBIRTH = payload(
    0,
    metric("bdSeq", 7, 4),
    metric("Node Control/Rebirth", False, 11),
    metric("Tank/Level", 3.5, 10, alias=1, engUnit="mm"),
    metric("Tank/Temperature", 20.5, 9, alias=2),
    metric("Odd", 1, 3, alias=3),
)


def test_a_birth_tells_names_types_units_and_values() -> None:
    message = Host().read("spBv1.0/G/NBIRTH/E", NBIRTH, AT)
    (reading,) = message.readings
    assert (reading.device, reading.observed_at) == ("sparkplug:G/E", AT)
    assert reading.values == {"online": True, "level": 0.0035, "temperature": 20.5}
    (fault,) = message.faults
    assert (fault.kind, fault.readings) == (FaultKind.UNKNOWN_METRIC, 0)
    assert "1 metrics have no place in the vocabulary; map them or let them be: 'Odd'" in fault.detail
    assert message.body.detail()["metrics"][2] == {"name": "Tank/Level", "alias": 1, "type": "Double", "value": 3.5}


def test_data_by_alias_in_groups_of_time_with_marks() -> None:
    host = Host()
    host.read("spBv1.0/G/NBIRTH/E", NBIRTH, AT)
    data = payload(
        1,
        metric(value=4.0, alias=1, kind=10),
        metric(value=21.0, alias=2, kind=9, Quality=0),
        metric(value=5.0, alias=1, kind=10, at=MS - 1000),
        metric(value=2, alias=3, kind=3),
        metric(value=None, alias=2, kind=9),
    )
    message = host.read("spBv1.0/G/NDATA/E", data, AT)
    now, before = message.readings
    assert (now.observed_at, now.values, now.marks) == (
        AT,
        {"level": 0.004, "temperature": 21.0},
        {"temperature": Mark.INVALID},
    )
    assert (before.observed_at, before.values) == (AT - SECOND, {"level": 0.005})
    assert message.faults == []
    assert message.body.rebirth == ""


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        (1, 0xFF, -1),
        (1, 0xFFFF_FFFF, -1),
        (2, 0x8000, -32768),
        (3, 0xFFFF_FFFE, -2),
        (4, 2**64 - 5, -5),
        (5, 200, 200),
        (8, 2**40, 2**40),
    ],
)
def test_integers_of_every_width(kind: int, raw: int, expected: int) -> None:
    message = Host().read(
        "spBv1.0/G/NBIRTH/E", payload(0, metric("redox" if abs(expected) < 2000 else "count", raw, kind)), AT
    )
    values = message.readings[0].values
    assert values.get("redox", values.get("count")) == expected


def test_gaps_unknown_aliases_and_data_before_birth_ask_for_a_rebirth() -> None:
    host = Host()
    early = host.read("spBv1.0/G/NDATA/E", payload(4, metric(value=4.0, alias=1)), AT)
    assert early.body.rebirth == "spBv1.0/G/NCMD/E"
    assert [(fault.kind, "alias 1 has no name yet" in fault.detail) for fault in early.faults] == [
        (FaultKind.INCOMPLETE, True)
    ]
    again = host.read("spBv1.0/G/NDATA/E", payload(5, metric(value=4.0, alias=1)), AT + SECOND)
    assert again.body.rebirth == "", "asked a second ago"
    host.read("spBv1.0/G/NBIRTH/E", NBIRTH, AT)
    gap = host.read("spBv1.0/G/NDATA/E", payload(3, metric(value=4.0, alias=1)), AT)
    assert gap.readings[0].values == {"level": 0.004}
    assert "seq 3 came after 0" in gap.faults[0].detail
    assert gap.body.rebirth == "spBv1.0/G/NCMD/E"
    assert host.read("spBv1.0/G/NDATA/E", payload(3, metric(value=4.0, alias=1)), AT).faults == [], "the same once more"
    host.read("spBv1.0/G/NBIRTH/E", payload(255), AT)
    assert host.read("spBv1.0/G/NDATA/E", payload(0), AT).faults == []


def test_deaths_take_the_devices_along_and_old_wills_do_not_count() -> None:
    host = Host()
    host.read("spBv1.0/G/NBIRTH/E", NBIRTH, AT)
    birth = host.read(
        "spBv1.0/G/DBIRTH/E/D",
        payload(1, metric("ph", 7.0, 10, alias=9), metric("Latitude", 47.3, 10), metric("Longitude", 8.5, 10)),
        AT,
    )
    assert (birth.readings[0].device, birth.readings[0].values) == ("sparkplug:G/E/D", {"online": True, "ph": 7.0})
    assert birth.readings[0].position == Position(8.5, 47.3)
    host.read("spBv1.0/G/DBIRTH/E/F", payload(2), AT)
    gone = host.read("spBv1.0/G/DDEATH/E/F", payload(3), AT)
    assert [(r.device, r.values) for r in gone.readings] == [("sparkplug:G/E/F", {"online": False})]
    assert host.read("spBv1.0/G/NDEATH/E", payload(None, metric("bdSeq", 6, 4)), AT).readings == []
    dead = host.read("spBv1.0/G/NDEATH/E", payload(None, metric("bdSeq", 7, 4), at=1), AT + SECOND)
    assert [(r.device, r.observed_at, r.values) for r in dead.readings] == [
        ("sparkplug:G/E", AT + SECOND, {"online": False}),
        ("sparkplug:G/E/D", AT + SECOND, {"online": False}),
    ]


@pytest.mark.parametrize(
    ("topic", "data", "kind", "words"),
    [
        ("city/a", b"", FaultKind.FRAME, "no Sparkplug B topic"),
        ("spBv1.0/G/NHELLO/E", b"", FaultKind.UNSUPPORTED, "'NHELLO'"),
        ("spBv1.0/G/DDATA/E", b"", FaultKind.UNSUPPORTED, "message type here"),
        ("spBv1.0/G/NDATA/E", b"\x12\x50", FaultKind.SYNTAX, "ends too early"),
        ("spBv1.0/G/NDATA/E", b"\x0b", FaultKind.SYNTAX, "wire type 3"),
        ("spBv1.0/G/NDATA/E", b"\x08" + b"\xff" * 11, FaultKind.SYNTAX, "ten bytes"),
        ("spBv1.0/G/NDATA/E", b"x" * 1_048_577, FaultKind.OVERSIZE, "1048577"),
        ("spBv1.0/G/NDATA/E", payload(0, metric("ph", "x", 12)), FaultKind.VALUE, "ph is a number"),
        ("spBv1.0/G/NDATA/E", payload(0, metric("ph", float("nan"), 10)), FaultKind.VALUE, "ph is nan"),
        ("spBv1.0/G/NDATA/E", payload(0, metric("ph", 7, 13)), FaultKind.UNSUPPORTED, "a time"),
        ("spBv1.0/G/NDATA/E", payload(0, metric("ph", 7.0, 10), at=2**63), FaultKind.TIME, "2262"),
        ("spBv1.0/G/NDATA/E", payload(0, metric("ph", 7.0, 10, engUnit="kg")), FaultKind.VALUE, "no conversion"),
        (
            "spBv1.0/G/NDATA/E",
            payload(0, metric("lat", 99.0, 10), metric("lon", 9.0, 10)),
            FaultKind.POSITION,
            "lat must be",
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_words(topic: str, data: bytes, kind: FaultKind, words: str) -> None:
    message = Host().read(topic, data, AT)
    assert message.faults[0].kind == kind
    assert words in message.faults[0].detail


def test_commands_and_state_are_not_ours() -> None:
    for topic in ("spBv1.0/G/NCMD/E", "spBv1.0/G/DCMD/E/D", "spBv1.0/STATE/host"):
        message = Host().read(topic, b'{"online":true}', AT)
        assert (message.readings, message.faults) == ([], [])


def test_a_map_names_metrics(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text('[metrics]\n"Odd" = { metric = "water_level", unit = "mm", scale = 10.0 }\n"Tank/Level" = "ph"\n')
    message = Host(read_metrics(str(path))).read("spBv1.0/G/NBIRTH/E", payload(0, metric("Odd", 2, 3)), AT)
    assert message.readings[0].values == {"online": True, "water_level": 0.02}
    path.write_text('a = 1\n[metrics]\n"x" = "phh"\n"y" = { metric = "ph", unit = "kg" }\n"z" = 3\n')
    with pytest.raises(MapError) as caught:
        read_metrics(str(path))
    for words in ("unknown key 'a'", "was ph meant?", "'kg' is a mass", "z:"):
        assert words in str(caught.value)


def test_lines() -> None:
    codec = SparkplugCodec({})
    data = payload(4, metric(value=4.0, alias=1))
    (message,) = codec.feed(b"spBv1.0/G/NDATA/E\t" + data.hex().encode() + b"\n", AT)
    reply = codec.reply(message, Verdict.STORED, AT)
    assert reply is not None
    topic, _, text = reply.partition(b"\t")
    assert topic == b"spBv1.0/G/NCMD/E"
    (command,) = decode(bytes.fromhex(text.decode())).metrics
    assert (command.name, command.raw, command.datatype) == ("Node Control/Rebirth", True, 11)
    for line in (b"x\n", b"a\tzz\n"):
        assert codec.feed(line, AT)[0].faults[0].kind == FaultKind.FRAME


async def test_over_a_broker_the_node_is_asked_for_its_births() -> None:
    intake, done = FakeIntake(), asyncio.Event()

    async def play(broker: Broker) -> None:
        await broker.greet()
        broker.writer.write(mqtt.publish("spBv1.0/G/NDATA/E", payload(4, metric(value=4.0, alias=1))))
        asked = await broker.packet()
        assert asked[0] == 0x30
        assert b"spBv1.0/G/NCMD/E" in asked
        assert b"Node Control/Rebirth" in asked
        broker.writer.write(mqtt.publish("spBv1.0/G/NBIRTH/E", NBIRTH))
        await intake.until(lambda: bool(intake.readings))
        done.set()
        await broker.reader.read()

    async with playing(play, intake, format="sparkplug", topics=["spBv1.0/#"]):
        await asyncio.wait_for(done.wait(), 60)
    assert intake.readings[0].values["level"] == 0.0035


TOPICS = st.sampled_from(
    ["spBv1.0/G/NBIRTH/E", "spBv1.0/G/NDATA/E", "spBv1.0/G/DBIRTH/E/D", "spBv1.0/G/NDEATH/E", "spBv1.0/G/DDATA/E/D"]
)
METRICS = st.builds(
    metric,
    st.sampled_from(["", "ph", "state", "door", "lat", "bdSeq", "x"]),
    st.none() | st.booleans() | st.floats(width=32) | st.integers(0, 2**32 - 1) | st.text(max_size=5),
    st.integers(0, 40),
    st.none() | st.integers(0, 5),
    st.none() | st.integers(0, 2**64 - 1),
)


@given(
    st.lists(
        st.tuples(
            TOPICS,
            st.binary(max_size=60)
            | st.builds(lambda seq, ms: payload(seq, *ms), st.integers(0, 300), st.lists(METRICS, max_size=5)),
        ),
        max_size=6,
    )
)
def test_nothing_raises_and_what_comes_out_can_be_logged(messages: list[tuple[str, bytes]]) -> None:
    host = Host()
    for topic, data in messages:
        message: Message = host.read(topic, data, AT)
        msgspec.msgpack.encode(message.readings)
        msgspec.json.encode(message.body.detail())


def test_a_lost_request_for_births_costs_seconds_and_a_deaf_node_is_asked_ever_less_often() -> None:
    host = Host()
    asked = [
        second
        for second in range(200)
        if host.read(
            "spBv1.0/G/NDATA/E", payload(second, metric(value=1.0, alias=1)), AT + second * SECOND
        ).body.rebirth
    ]
    assert asked == [0, 2, 6, 14, 30, 60, 90, 120, 150, 180]
    host.read("spBv1.0/G/NBIRTH/E", NBIRTH, AT + 200 * SECOND)
    again = [
        second
        for second in range(201, 206)
        if host.read("spBv1.0/G/NDATA/E", payload(2, metric(value=1.0, alias=9)), AT + second * SECOND).body.rebirth
    ]
    assert again == [201, 203]


def test_rebirth_command_is_what_the_standard_says() -> None:
    (command,) = decode(rebirth_command(MS)).metrics
    assert (command.name, command.timestamp, command.datatype, command.raw) == ("Node Control/Rebirth", MS, 11, True)
