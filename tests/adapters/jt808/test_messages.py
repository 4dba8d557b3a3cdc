"""JT/T 808: batches, logins, drivers, locks, and sub-packages."""

from __future__ import annotations

import pytest

from adapters.jt808 import Jt808CodecOptions, codec
from adapters.jt808.subpackages import MAX_AGE_NS, MAX_BYTES, MAX_MESSAGES
from adapters.jt808.wire import Terminal, encode, escape, unescape, xor
from hub.model import FaultKind, Verdict
from hub.moment import from_text, to_text
from tests.adapters.jt808.frames import (
    DEVICE,
    NEW,
    NOW,
    OLD,
    item,
    kinds,
    location,
    one,
)
from tests.adapters.messages import decoded


def batch(bodies: list[bytes], kind: int = 1) -> bytes:
    head = len(bodies).to_bytes(2, "big") + bytes([kind])
    return head + b"".join(len(body).to_bytes(2, "big") + body for body in bodies)


@pytest.mark.parametrize("terminal", [OLD, NEW])
@pytest.mark.parametrize(("maker", "model", "ident"), [(5, 20, 7), (5, 8, 7), (5, 30, 30), (11, 30, 30)])
def test_attributes_are_read_in_the_layout_that_ends_exactly(
    terminal: Terminal, maker: int, model: int, ident: int
) -> None:
    def padded(text: str, size: int) -> bytes:
        return text.encode().ljust(size, b"\0")

    names = padded("MAKER", maker) + padded("M-7", model) + padded("T1", ident)
    body = b"\0\x7f" + names + bytes.fromhex("89860117801086222165") + b"\x02H2" + b"\x0afirmware-9" + b"\x03\x01"
    message = one(encode(terminal, 0x0107, 1, body))
    assert not message.faults
    detail = message.body.detail()
    expected = {
        "manufacturer": "MAKER",
        "model": "M-7",
        "terminal_id": "T1",
        "iccid": "89860117801086222165",
        "hardware": "H2",
        "firmware": "firmware-9",
        "gnss": 3,
    }
    assert {key: detail[key] for key in expected} == expected
    assert kinds([one(encode(terminal, 0x0107, 1, body[:40]))]) == ["syntax"]


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
    messages = decoded(codec(Jt808CodecOptions()), [frame + b"(740190311185,1)" + frame])
    assert [message.device for message in messages] == [DEVICE, "jt808:740190311185", DEVICE]


def test_the_vendor_variant_framed_by_e7() -> None:
    terminal = Terminal(bytes.fromhex("01234567890123"), None, 0xE7)
    raw = encode(terminal, 0x0200, 1, location(lon=0x3DE63EE7 % 180_000_000, items=item(0xE0, b"\x3d\x3e\xe6\xe7\x7e")))
    assert raw[0] == raw[-1] == 0xE7
    using = codec(Jt808CodecOptions())
    message = one(raw, using)
    assert message.device == "jt808:01234567890123"
    assert len(message.readings) == 1
    reply = using.reply(message, Verdict.STORED, NOW)
    assert reply is not None
    assert reply[0] == 0xE7
    assert unescape(reply[1:-1], 0xE7)[4:11] == terminal.phone


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


@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize("msg_id", [0x0704, 0x0210])
def test_a_batch_that_reaches_over_the_hour_that_comes_twice_keeps_its_places_apart(msg_id: int, falling: bool) -> None:
    """All stood in the second hour, so the places of the first took those of the second for their own."""
    shown = ["0150", "0210", "0230", "0230", "0250", "0210", "0230", "0250", "0310"]
    meant = ["23:50", "00:10", "00:30", "00:30", "00:50", "01:10", "01:30", "01:50", "02:10"]
    if falling:
        shown, meant = shown[::-1], meant[::-1]
    bodies = [location(time=f"261025{time}00") for time in shown]
    body = batch(bodies) if msg_id == 0x0704 else b"".join(bytes([len(one)]) + one for one in bodies)
    using = codec(Jt808CodecOptions(zone="Europe/Zurich"))
    (message,) = using.feed(encode(OLD, msg_id, 7, body), from_text("2026-10-25T02:11:00Z"))
    assert not message.faults
    assert [to_text(reading.observed_at or 0)[11:16] for reading in message.readings] == meant


@pytest.mark.parametrize("terminal", [OLD, NEW])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 1, 2, 0]])
def test_subpackages_in_any_order_make_one_message(terminal: Terminal, order: list[int]) -> None:
    frames = pieces(0x0704, batch(locations(6)), 3, terminal=terminal)
    using = codec(Jt808CodecOptions())
    messages = [message for index in order for message in using.feed(frames[index], NOW)]
    assert [len(message.readings) for message in messages] == [0] * (len(order) - 1) + [6]
    assert not kinds(messages)
    assert messages[-1].body.detail()["count"] == 6


def test_subpackages_are_answered_together_when_all_are_stored() -> None:
    using = codec(Jt808CodecOptions())
    messages = [using.feed(frame, NOW)[0] for frame in pieces(0x0704, batch(locations(6)), 3)]
    replies = [using.reply(message, Verdict.STORED, NOW) for message in messages]
    assert replies[:2] == [None, None]
    assert replies[2] is not None
    answers = [message.body.detail() for message in decoded(codec(Jt808CodecOptions()), [replies[2]])]
    assert [answer["reply_serial"] for answer in answers] == [10, 11, 12]
    assert [answer["serial"] for answer in answers] == [0, 1, 2]
    assert {answer["result"] for answer in answers} == {0}


def test_pieces_of_which_nobody_says_when_they_came_are_not_given_up_for_their_age() -> None:
    first, second = pieces(0x0704, batch(locations(2)), 2)
    using = codec(Jt808CodecOptions())
    using.feed(first)
    assert [len(message.readings) for message in using.feed(second, NOW)] == [2]


def test_subpackages_answered_singly_by_option() -> None:
    using = codec(Jt808CodecOptions(subpackage_ack="singly"))
    messages = [using.feed(frame, NOW)[0] for frame in pieces(0x0704, batch(locations(6)), 3)]
    answers = [one(using.reply(message, Verdict.STORED, NOW) or b"").body.detail() for message in messages]
    assert [answer["reply_serial"] for answer in answers] == [10, 11, 12]


@pytest.mark.parametrize(("terminal", "count"), [(OLD, "02"), (NEW, "0002")])
def test_missing_subpackages_are_asked_for(terminal: Terminal, count: str) -> None:
    using = codec(Jt808CodecOptions())
    frames = pieces(0x0704, batch(locations(8)), 4, terminal=terminal)
    using.feed(frames[1], NOW)
    (last,) = using.feed(frames[3], NOW)
    reply = one(using.reply(last, Verdict.STORED, NOW) or b"").body
    assert reply.header.msg_id == 0x8003
    assert reply.body.hex() == "000a" + count + "00010003"


def test_a_piece_repeated_under_a_fresh_serial_finds_its_message() -> None:
    using = codec(Jt808CodecOptions())
    body = batch(locations(4))
    first, _ = pieces(0x0704, body, 2, serial=1233)
    _, second = pieces(0x0704, body, 2, serial=1249)
    messages = [*using.feed(first, NOW), *using.feed(second, NOW)]
    assert [len(message.readings) for message in messages] == [0, 4]


def test_messages_that_stay_in_pieces_are_given_up_and_said() -> None:
    using = codec(Jt808CodecOptions())
    first = pieces(0x0704, batch(locations(4)), 2)[0]
    using.feed(first, NOW)
    assert using.end(NOW) == []
    later = using.feed(encode(OLD, 0x0002, 99, b""), NOW + MAX_AGE_NS + 1)
    assert kinds(later) == ["incomplete"]
    assert later[0].faults[0].device == DEVICE


def test_assembly_is_bounded_in_number_and_bytes() -> None:
    using = codec(Jt808CodecOptions())
    given_up = []
    for n in range(MAX_MESSAGES + 5):
        given_up += using.feed(pieces(0x0704, batch(locations(4)), 2, serial=100 * n)[0], NOW + n)
    assert kinds(given_up) == ["incomplete"] * 5
    using = codec(Jt808CodecOptions())
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


def test_a_terminal_that_begins_anew_has_no_pieces_of_the_message_before() -> None:
    """With the serials of before, as after a restart: the last piece of the first message would have ended the second."""
    using = codec(Jt808CodecOptions())
    first, second = (pieces(0x0704, batch(locations(count)), 3) for count in (6, 9))
    using.feed(first[0], NOW)
    using.feed(first[2], NOW)
    messages = [message for frame in second for message in using.feed(frame, NOW)]
    assert [len(message.readings) for message in messages if not message.faults] == [0, 9]
    given_up = [fault for message in messages for fault in message.faults]
    assert [fault.kind for fault in given_up] == [FaultKind.INCOMPLETE]
