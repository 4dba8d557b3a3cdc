"""MQTT packets of versions 3.1.1 and 5 as bytes: what is read, what is sent, and what broken ones say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt import codec
from adapters.mqtt.codec import V5, V311, Connack, Decoder, Disconnect, Pingresp, Publish, Pubrel, Suback
from hub.moment import from_text

NOW = from_text("2026-11-22T09:00:00Z")
READING = b'{"device":"gauge-7","time":"2026-11-22T08:00:00Z","values":{"water_level":3.41}}'


def test_packets_of_version_5() -> None:
    decoder = Decoder(V5)
    data = bytes.fromhex(
        "20 09 01 00 06 21 0014 13 003c"  # CONNACK, session present, receive maximum 20, keep alive 60
        "90 05 0001 00 01 87"  # SUBACK: QoS 1, not authorised
        "d0 00"
        "62 02 0007"
        "e0 07 8b 05 1f 0002 6869"  # DISCONNECT: shutting down, "hi"
        "40 02 0001"
    )
    connack, suback, pingresp, pubrel, disconnect, ignored = decoder.feed(data)
    assert connack == Connack(True, 0, {"receive_max": 20, "server_keep_alive_s": 60})
    assert suback == Suback(1, [1, 0x87], {})
    assert (pingresp, pubrel) == (Pingresp(), Pubrel(7))
    assert isinstance(disconnect, Disconnect)
    assert str(codec.reason(disconnect.code, disconnect.properties)) == "the broker is shutting down (hi)"
    assert ignored == codec.Ignored(4)
    assert decoder.error is None


def test_a_message_of_version_5_with_every_property() -> None:
    properties = (
        bytes.fromhex("01 01 02 00000e10 03 0016")
        + b"application/senml+json"
        + bytes.fromhex("08 0001 72 09 0002 ffff 0b 8101 26 0001 6b 0001 76 26 0001 6c 0001 77 23 0000")
    )
    body = b"\x00\x03a/b" + b"\x00\x05" + bytes([len(properties)]) + properties + b"payload"
    (message,) = Decoder(V5).feed(bytes([0x3B, len(body)]) + body)
    assert message == Publish(
        "a/b",
        b"payload",
        1,
        5,
        True,
        True,
        {
            "payload_format": 1,
            "message_expiry_s": 3600,
            "content_type": "application/senml+json",
            "response_topic": "r",
            "correlation_data": b"\xff\xff",
            "subscription_id": 129,
            "user": {"k": "v", "l": "w"},
            "topic_alias": 0,
        },
        7,
    )


def test_packets_of_version_3_1_1() -> None:
    data = bytes.fromhex("20 02 00 05 90 04 0001 01 80") + codec.publish("a", b"x" * 300, 1, 9, V311)
    connack, suback, message = Decoder(V311).feed(data)
    assert connack == Connack(False, 5, {})
    assert str(codec.reason(5)) == "not authorised"
    assert suback == Suback(1, [1, 0x80], {})
    assert message == Publish("a", b"x" * 300, 1, 9, False, False, {}, 300)


def test_what_we_send() -> None:
    assert codec.connect("c", V5, 30, session_expiry_s=60, receive_max=100, username="u", password="p").hex(" ") == (
        "10 1c 00 04 4d 51 54 54 05 c0 00 1e 08 11 00 00 00 3c 21 00 64 00 01 63 00 01 75 00 01 70"
    )
    assert codec.connect("c", V311, 30).hex(" ") == "10 0d 00 04 4d 51 54 54 04 00 00 1e 00 01 63"
    assert codec.subscribe(1, ["a/#"], V5).hex(" ") == "82 09 00 01 00 00 03 61 2f 23 11"
    assert codec.subscribe(1, ["a/#"], V311).hex(" ") == "82 08 00 01 00 03 61 2f 23 01"
    assert codec.puback(258) == b"\x40\x02\x01\x02"
    assert codec.disconnect(V5, 0x81) == b"\xe0\x01\x81"
    assert codec.disconnect(V5) == codec.disconnect(V311) == b"\xe0\x00"
    assert [codec.encode_varint(n).hex() for n in (0, 127, 128, 16_383, 16_384, 268_435_455)] == [
        "00",
        "7f",
        "8001",
        "ff7f",
        "808001",
        "ffffff7f",
    ]


STREAM = (
    bytes.fromhex("20 03 00 00 00")
    + codec.publish("a/b", b"x" * 200, 1, 7, content_type="t/x")
    + codec.publish("long", b"y" * 70_000, 1, 8)
    + bytes.fromhex("d000")
    + codec.publish("a", b"", 0)
)


@given(st.lists(st.integers(1, 20_000), max_size=12))
def test_any_chunks_give_the_same_packets(cuts: list[int]) -> None:
    for limit in (1_000, 1_048_576):
        expected = Decoder(V5, limit).feed(STREAM)
        decoder, got, at = Decoder(V5, limit), [], 0
        for cut in [*cuts, len(STREAM)]:
            got += decoder.feed(STREAM[at : at + cut])
            at += cut
        assert got == expected
        assert len(got) == 5
        assert decoder.error is None


def test_byte_by_byte() -> None:
    decoder = Decoder(V5, 1_000)
    got = [packet for at in range(len(STREAM)) for packet in decoder.feed(STREAM[at : at + 1])]
    assert got == Decoder(V5, 1_000).feed(STREAM)


@given(st.binary(max_size=300), st.sampled_from([V5, V311]), st.integers(0, 300))
def test_no_bytes_raise_and_an_error_is_final(data: bytes, version: int, cut: int) -> None:
    decoder = Decoder(version, 64)
    decoder.feed(data[:cut])
    decoder.feed(data[cut:])
    if decoder.error is not None:
        assert decoder.feed(STREAM) == []


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_a_flipped_byte_does_not_raise(at: int, flip: int) -> None:
    data = bytearray(STREAM)
    data[at] ^= flip
    Decoder(V5).feed(bytes(data))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("30 ff ff ff ff 01", "more than four bytes"),
        ("00 00", "type 0"),
        ("10 00", "type 1"),
        ("32 05 0001 61 0000", "without a packet id"),
        ("36 06 0001 61 0001 00", "QoS 3"),
        ("30 04 00ff 61 00", "shorter than its fields"),
        ("30 05 0002 c328 00", "not UTF-8"),
        ("30 06 0001 61 02 7f 00", "property 0x7f"),
        ("30 05 0001 61 09 01", "properties longer"),
        ("20 00", "shorter"),
        ("d0 ff ff 7f", "type 13 with"),
    ],
)
def test_broken_packets_are_said_in_words(data: str, words: str) -> None:
    decoder = Decoder(V5)
    decoder.feed(bytes.fromhex(data))
    assert words in (decoder.error or "")


def test_a_message_over_the_limit_keeps_its_head_and_the_next_one_comes() -> None:
    data = codec.publish("a/big", b"z" * 3_000_000, 1, 8) + codec.publish("a", b"x", 1, 9)
    decoder = Decoder(V5, 10_000)
    packets: list[Any] = []
    held = 0
    for at in range(0, len(data), 50_000):
        packets += decoder.feed(data[at : at + 50_000])
        held = max(held, len(decoder._held))
    assert [(packet.topic, packet.packet_id, packet.size) for packet in packets] == [
        ("a/big", 8, 3_000_000),
        ("a", 9, 1),
    ]
    assert len(packets[0].payload) < 70_000
    assert held < 100_000
