"""JT/T 808: framing and the laws of codecs."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.jt808 import PLUGIN, Jt808CodecOptions, codec
from adapters.jt808.location import Dialect
from adapters.jt808.wire import MAX_FRAME, encode, escape, unescape, xor
from hub.model import FaultKind, Verdict
from hub.ports import Codec
from tests.adapters.jt808.frames import (
    NEW,
    NOW,
    OLD,
    kinds,
    location,
    one,
)
from tests.adapters.messages import decoded


def test_junk_before_a_frame_is_one_fault_and_the_frame_is_found() -> None:
    frame = encode(OLD, 0x0200, 1, location())
    messages = decoded(codec(Jt808CodecOptions()), [b"$$hello" + frame + frame])
    assert kinds(messages) == ["frame"]
    assert messages[0].faults[0].raw == b"$$hello"
    assert [len(message.readings) for message in messages] == [0, 1, 1]


def test_two_frames_may_share_a_mark() -> None:
    frame = encode(OLD, 0x0200, 1, location())
    messages = decoded(codec(Jt808CodecOptions()), [frame + frame[1:] + frame[1:]])
    assert [len(message.readings) for message in messages] == [1, 1, 1]
    assert not kinds(messages)


def test_a_frame_that_lost_its_end_does_not_take_the_next_with_it() -> None:
    frame = encode(OLD, 0x0200, 1, location())
    messages = decoded(codec(Jt808CodecOptions()), [frame[:30] + frame + frame])
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
    using = codec(Jt808CodecOptions())
    flood = [b"\x7e" + b"a" * 5000] + [b"b" * 5000] * 10
    messages = [message for data in flood for message in using.feed(data)]
    assert kinds(messages) == ["oversize"]
    assert len(using._rest) <= MAX_FRAME
    frame = encode(OLD, 0x0200, 1, location())
    assert len(using.feed(frame)[0].readings) == 1


def test_junk_is_told_again_once_a_frame_without_end_is_over() -> None:
    frame = encode(OLD, 0x0200, 1, location())
    data = b"\x7e" + b"a" * 5000 + frame + b"junk" + frame
    assert kinds(decoded(codec(Jt808CodecOptions()), [data])) == ["oversize", "frame"]


def test_the_longest_frame_fits() -> None:
    frame = encode(NEW, 0x0900, 1, b"\xf0" + b"\x7e" * 1022)
    assert one(frame).body.detail()["passthrough_type"] == 0xF0
    with pytest.raises(ValueError, match="1023"):
        encode(NEW, 0x0900, 1, bytes(1024))


@pytest.mark.parametrize("mark", [b"\x7e", b"\xe7"])
@pytest.mark.parametrize("chunk", [1, 1_000, 1 << 20])
@pytest.mark.parametrize(("more", "kind"), [(0, "syntax"), (1, "oversize")])
def test_a_frame_has_at_most_every_byte_escaped(more: int, kind: str, chunk: int, mark: bytes) -> None:
    longest = mark + b"\x01" * (MAX_FRAME - 2 + more) + mark
    using = codec(Jt808CodecOptions())
    found = [message for at in range(0, len(longest), chunk) for message in using.feed(longest[at : at + chunk], NOW)]
    assert kinds(found)[:1] == [kind]


def test_the_layout_is_the_one_whose_length_fits() -> None:
    claims_2019 = one(bytes.fromhex("7e0102400c01003000068109024a3130303330303030363831857e"))
    assert claims_2019.device == "jt808:010030000681"
    assert claims_2019.credential == "J10030000681"


@given(st.integers(0, 0xFFFF), st.binary(max_size=200), st.booleans())
@settings(max_examples=300)
def test_arbitrary_bodies_never_raise(msg_id: int, body: bytes, new: bool) -> None:
    using = codec(Jt808CodecOptions())
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
    left = codec(Jt808CodecOptions())
    left.feed(encode(NEW, 0x0200, 3, location())[:-1])
    assert kinds(left.end()) == ["truncated"]
    assert left.end() == []


HIDDEN = bytes.fromhex("7d7e e6e7 3d3e 0102")


@given(st.lists(st.sampled_from(HIDDEN) | st.integers(0, 255), max_size=60).map(bytes))
@example(HIDDEN)
@example(HIDDEN[::-1])
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
    assert isinstance(PLUGIN.codec(Jt808CodecOptions(zone="Asia/Shanghai")), Codec)
    assert Dialect(zone=ZoneInfo("UTC")).coordinates == "wgs84"
    assert FaultKind.TIME.value == "time"
