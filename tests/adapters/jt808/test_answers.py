"""JT/T 808: what the platform says, and commands down."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.jt808 import Jt808CodecOptions, codec, commands
from adapters.jt808.codec import Jt808Codec
from adapters.jt808.wire import Terminal, encode, escape, xor
from hub.model import Verdict
from tests.adapters.jt808.frames import (
    NEW,
    NOW,
    OLD,
    kinds,
    location,
    one,
)


def answer(raw: bytes, verdict: Verdict = Verdict.STORED, **options: Any) -> dict[str, Any] | None:
    using = codec(Jt808CodecOptions(**options))
    reply = using.reply(one(raw, using), verdict, NOW)
    if reply is None:
        return None
    detail: dict[str, Any] = one(reply).body.detail()
    return detail


def test_the_example_of_the_contract() -> None:
    raw = bytes.fromhex("7e0002000012345678201100013a7e")
    using = codec(Jt808CodecOptions())
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


def test_with_a_secret_only_the_code_given_here_logs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYHUB_TEST_SECRET", "s3cret")
    given_code = answer(encode(OLD, 0x0100, 5, bytes(25)), auth_secret_env="CITYHUB_TEST_SECRET")
    assert given_code is not None
    code = given_code["auth_code"]
    assert len(code) == 32
    using = codec(Jt808CodecOptions(auth_secret_env="CITYHUB_TEST_SECRET"))
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
    for msg_id in (0x5501, 0x5502):  # a vendor's electronic locks
        whole, longer = (
            encode(OLD, msg_id, 1, b""),
            b"\x7e"
            + escape(content := bytes([msg_id >> 8, msg_id & 255, 0, 9]) + OLD.phone + b"\1ab")
            + bytes([xor(content)])
            + b"\x7e",
        )
        assert answer(whole) is None
        assert answer(longer) is None
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
    using = codec(Jt808CodecOptions())
    message = one(encode(OLD, 0x0002, 9, b""), using)
    serials = []
    for _ in range(65537):
        reply = using.reply(message, Verdict.STORED, NOW)
        assert reply is not None
        serials.append(reply)
    assert one(serials[0]).body.header.serial == 0
    assert one(serials[65535]).body.header.serial == 65535
    assert one(serials[65536]).body.header.serial == 0


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


@pytest.mark.parametrize(
    ("urgent", "show", "speak", "old", "new"),
    [
        (False, False, False, 0x00, 0x03),
        (False, True, False, 0x04, 0x07),
        (False, False, True, 0x08, 0x0B),
        (False, True, True, 0x0C, 0x0F),
        (True, False, False, 0x01, 0x02),
        (True, True, True, 0x0D, 0x0E),
    ],
)
def test_a_text_says_how_it_is_told(urgent: bool, show: bool, speak: bool, old: int, new: int) -> None:
    told = {"urgent": urgent, "show": show, "speak": speak}
    assert commands.say(OLD, "a", **told) == (0x8300, bytes([old]) + b"a")
    assert commands.say(NEW, "a", **told) == (0x8300, bytes([new, 1]) + b"a")


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
