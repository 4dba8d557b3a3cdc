"""GB 26875.3-2011: vectors, what burns and what does not, confirmations, and the laws of codecs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.gb26875.codec import Gb26875Codec
from adapters.wallclock import ClockOptions
from hub.model import FaultKind, Message, Verdict
from hub.moment import from_text, to_text
from tests.shared import shared_path

NOW = from_text("2012-09-26T01:58:35Z")
TIME = "023a091a090c"


def frame(app: str, command: int = 2, time: str = "203a091a090c") -> bytes:
    data = bytes.fromhex(app.replace(" ", ""))
    inner = bytes.fromhex("01000101" + time + "790300000000" + "385b01000000") + len(data).to_bytes(2, "little")
    inner += bytes([command]) + data
    return b"@@" + inner + bytes([sum(inner) & 0xFF]) + b"##"


def part(state: int, address: str = "0a000200", kind: int = 40, text: str = "") -> str:
    words = text.encode("gb18030").ljust(31, b"\x00").hex()
    return f"0101{kind:02x}{address}{state.to_bytes(2, 'little').hex()}{words}{TIME}"


FIRE = frame("0201" + part(2, text="三层走廊"))


def decode(data: bytes) -> list[Message]:
    codec = Gb26875Codec(ClockOptions())
    return codec.feed(data) + codec.end()


def test_vectors() -> None:
    seen = 0
    for line in shared_path("vectors/gb26875.jsonl").read_text().splitlines():
        vector = json.loads(line)
        (message,) = decode(bytes.fromhex(vector["raw_hex"]))
        seen += 1
        if vector["expected"].get("negative"):
            assert [fault.kind for fault in message.faults] == [FaultKind.CHECKSUM]
            continue
        assert not message.faults
        detail, expected = message.body.detail(), vector["expected"]
        for key in set(expected) - {"app", "meaning", "note"}:
            assert detail[key] == expected[key], key
        if "app" in expected:
            app = detail["app"]
            assert (app["type_flag"], app["objects"]) == (expected["app"]["type_flag"], expected["app"]["objects"])
            for item, wanted in zip(app["items"], expected["app"]["items"], strict=True):
                assert wanted.items() - {("note", wanted.get("note"))} <= item.items()
    assert seen == 13


def test_a_burning_part() -> None:
    (message,) = decode(FIRE)
    (reading,) = message.readings
    assert reading.device == message.device == "gb26875:889"
    assert to_text(reading.observed_at or 0) == "2012-09-26T01:58:02Z"
    assert reading.values == {
        "fire_alarm": True,
        "events": ["fire"],
        "text": "smoke detector, fire alarm system 1, zone 2, position 10: 三层走廊",
    }


def flags(messages: list[Message]) -> list[tuple[Any, Any]]:
    return [(r.values.get("fire_alarm"), r.values.get("fire_fault")) for m in messages for r in m.readings]


def test_one_part_that_is_well_does_not_hide_another_that_burns() -> None:
    other = "0b000200"
    data = [part(2), part(2, other), part(1), part(4, other), part(1, other)]
    assert flags(decode(b"".join(frame("0201" + one) for one in data))) == [
        (True, None),
        (True, None),
        (True, False),
        (False, True),  # it burns no more, and has a fault instead
        (False, False),
    ]


def test_a_report_that_says_nothing_of_fire_leaves_the_flag_out() -> None:
    shielded, heartbeat = frame("0201" + part(8)), frame("1501" + "01")
    assert flags(decode(shielded + heartbeat)) == [(None, None), (None, False)]
    assert flags(decode(FIRE + heartbeat)) == [(True, None), (True, False)]


def test_a_system_that_is_well_and_a_reset_end_the_alarm() -> None:
    system = frame("0101" + "0101" + "0100" + TIME)
    reset = frame("0401" + "0101" + "01" + "07" + TIME)
    assert flags(decode(FIRE + system)) == [(True, None), (False, False)]
    assert flags(decode(FIRE + reset)) == [(True, None), (False, None)]


def test_a_manual_alarm() -> None:
    (message,) = decode(frame("1801" + "04" + "07" + TIME))
    assert message.readings[0].values == {"events": ["manual-alarm"], "fire_alarm": True}


@pytest.mark.parametrize(
    ("kind", "raw", "metric", "value"),
    [
        (3, -55, "temperature", -5.5),
        (4, 3, "pressure", 300.0),
        (6, 105, "methane_lel", 10.5),
        (10, 10, "flow", 3.6),
        (2, 250, "level", 2.5),
    ],
)
def test_analog_values(kind: int, raw: int, metric: str, value: float) -> None:
    body = f"01011e0a000200{kind:02x}{raw.to_bytes(2, 'little', signed=True).hex()}{TIME}"
    (message,) = decode(frame("0301" + body))
    assert message.readings[0].values[metric] == value


def test_several_objects_of_one_moment_make_one_reading() -> None:
    (message,) = decode(frame("0202" + part(2) + part(4, "0b000200")))
    (reading,) = message.readings
    assert reading.values["events"] == ["fire", "fault"]
    assert (reading.values["fire_alarm"], reading.values["fire_fault"]) == (True, True)


def test_objects_that_do_not_fit_and_times_that_are_none() -> None:
    (short,) = decode(frame("0202" + part(2)))
    assert [fault.kind for fault in short.faults] == [FaultKind.SYNTAX]
    assert short.readings[0].values["fire_alarm"] is True
    (bad,) = decode(frame("1501" + "02" + "ffffffffffff"))
    assert [fault.kind for fault in bad.faults] == [FaultKind.TIME]
    (unset,) = decode(frame("1501" + "02" + "000000000000", time="000000000000"))
    assert unset.readings[0].observed_at is None


def test_configuration_texts() -> None:
    text = "二号楼".encode("gb18030")
    (message,) = decode(frame("0601" + "0101" + f"{len(text):02x}" + text.hex()))
    assert message.body.detail()["app"]["items"][0]["configuration"] == "二号楼"
    assert not message.faults


def test_confirmations() -> None:
    codec = Gb26875Codec(ClockOptions())
    (message,) = codec.feed(FIRE)
    confirmed = codec.reply(message, Verdict.STORED, NOW)
    assert confirmed == bytes.fromhex("404001000101233a091a090c385b01000000790300000000000003ab2323")
    denied = codec.reply(message, Verdict.REFUSED, NOW)
    assert denied == bytes.fromhex("404001000101233a091a090c385b01000000790300000000000006ae2323")
    assert codec.reply(message, Verdict.BUSY, NOW) is None
    (answer,) = codec.feed(frame("1501" + "01", command=5))
    assert codec.reply(answer, Verdict.STORED, NOW) is None


def test_a_length_that_promises_too_much_keeps_no_fire_waiting() -> None:
    codec = Gb26875Codec(ClockOptions())
    assert codec.feed(FIRE[:24] + (1000).to_bytes(2, "little") + FIRE[26:], NOW) == []
    found = codec.feed(FIRE, NOW + 61_000_000_000)
    assert [fault.kind for message in found for fault in message.faults] == [FaultKind.TRUNCATED]
    assert found[-1].readings


def test_junk_bad_sums_and_wrong_lengths() -> None:
    broken, longer = bytearray(FIRE), bytearray(FIRE)
    broken[40] ^= 1
    longer[24] += 5
    messages = decode(b"junk" + FIRE + bytes(broken) + FIRE + bytes(longer) + FIRE + b"@@12")
    kinds = [[fault.kind for fault in message.faults] for message in messages]
    assert kinds == [[FaultKind.FRAME], [], [FaultKind.CHECKSUM], [], [FaultKind.FRAME], [], [FaultKind.TRUNCATED]]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 255), st.integers(0, 255))
def test_arbitrary_bytes_never_raise(data: bytes, kind: int, count: int) -> None:
    codec = Gb26875Codec(ClockOptions())
    for piece in (
        data,
        frame(data.hex()),
        frame(f"{kind:02x}{count:02x}{data.hex()}"),
        frame(f"{kind % 30:02x}{count % 4:02x}{data.hex()}"),
    ):
        for message in codec.feed(piece):
            codec.reply(message, Verdict.STORED, NOW)
            if message.body is not None:
                json.dumps(message.body if isinstance(message.body, dict) else message.body.detail())
    codec.end()


def test_a_frame_that_reaches_over_the_hour_that_comes_twice_keeps_its_objects_apart() -> None:
    """A panel that was cut off sends what it kept: fire, well again, fire an hour later; all were put into the second hour."""

    def at(hour: int, minute: int, state: int, address: str) -> str:
        return part(state, address).replace(TIME, f"00{minute:02x}{hour:02x}190a1a")

    app = at(1, 50, 2, "0a000200") + at(2, 40, 2, "0b000200") + at(2, 10, 2, "0c000200") + at(2, 10, 2, "0d000200") + at(2, 40, 2, "0e000200")  # fmt: skip
    codec = Gb26875Codec(ClockOptions(zone="Europe/Zurich"))
    (message,) = codec.feed(frame("0205" + app), from_text("2026-10-25T01:45:00Z"))
    assert not message.faults
    times = [to_text(reading.observed_at or 0)[11:16] for reading in message.readings]
    assert times == ["23:50", "00:40", "01:10", "01:40"]
