"""Modbus data units, each function asked and answered: what is shown of them, whole, and how long they are.

The bytes are the examples of the Modbus Application Protocol V1.1b3, clause 6, and cases at the limits that it states.
"""

from __future__ import annotations

from typing import Any

import pytest

from adapters.modbus.pdu import EXCEPTIONS, Pdu, lengths, parse

ASKED: dict[str, dict[str, Any]] = {
    "01 0013 0013": {"address": 0x13, "count": 19},
    "02 00c4 0016": {"address": 0xC4, "count": 22},
    "03 006b 0003": {"address": 0x6B, "count": 3},
    "04 0008 0001": {"address": 8, "count": 1},
    "05 00ac ff00": {"address": 0xAC, "value": True},
    "05 00ac 0000": {"address": 0xAC, "value": False},
    "06 0001 0003": {"address": 1, "value": 3},
    "07": {},
    "08 0000 a537": {"subfunction": 0, "payload_hex": "a537"},
    "0b": {},
    "0c": {},
    "0f 0013 000a 02 cd01": {"address": 0x13, "count": 10, "bytes_hex": "cd01", "bits": [True, False, True, True, False, False, True, True, True, False]},
    "10 0001 0002 04 000a 0102": {"address": 1, "count": 2, "bytes_hex": "000a0102", "registers": [10, 0x0102]},
    "11": {},
    "14 07 06 0004 0001 0002": {"payload_hex": "06000400010002"},
    "15 09 06 0004 0007 0001 06af": {"payload_hex": "0600040007000106af"},
    "16 0004 00f2 0025": {"address": 4, "and_mask": 0xF2, "or_mask": 0x25},
    "17 0003 0006 000e 0003 06 00ff 00fe 00fd": {"address": 3, "count": 6, "write_address": 14, "write_count": 3, "registers": [0xFF, 0xFE, 0xFD]},
    "18 04de": {"address": 0x04DE},
    "2b 0e 01 00": {"mei_type": 14, "read_code": 1, "object_id": 0},
}  # fmt: skip
ANSWERED: dict[tuple[str, str], dict[str, Any]] = {
    ("01 0013 0013", "01 03 cd6b05"): {"address": 0x13, "count": 19, "bytes_hex": "cd6b05", "bits": [bool(0x056BCD >> bit & 1) for bit in range(19)], "first8": [True, False, True, True, False, False, True, True]},
    ("02 00c4 0003", "02 01 05"): {"address": 0xC4, "count": 3, "bytes_hex": "05", "bits": [True, False, True], "first8": [True, False, True]},
    ("03 006b 0003", "03 06 022b 0000 0064"): {"address": 0x6B, "count": 3, "bytes_hex": "022b00000064", "registers": [555, 0, 100]},
    ("04 0008 0001", "04 02 000a"): {"address": 8, "count": 1, "bytes_hex": "000a", "registers": [10]},
    ("05 00ac ff00", "05 00ac ff00"): {"address": 0xAC, "value": True},
    ("06 0001 0003", "06 0001 0003"): {"address": 1, "value": 3},
    ("07", "07 6d"): {"status": 0x6D},
    ("08 0000 a537", "08 0000 a537"): {"subfunction": 0, "payload_hex": "a537"},
    ("0b", "0b ffff 0108"): {"status": 0xFFFF, "events": 0x0108},
    ("0c", "0c 08 0000 0108 0121 2000"): {"payload_hex": "0000010801212000"},
    ("0f 0013 000a 02 cd01", "0f 0013 000a"): {"address": 0x13, "count": 10},
    ("10 0001 0002 04 000a 0102", "10 0001 0002"): {"address": 1, "count": 2},
    ("11", "11 02 41ff"): {"payload_hex": "41ff"},
    ("16 0004 00f2 0025", "16 0004 00f2 0025"): {"address": 4, "and_mask": 0xF2, "or_mask": 0x25},
    ("17 0003 0002 000e 0001 02 00ff", "17 04 00fe 0acd"): {"address": 3, "count": 2, "bytes_hex": "00fe0acd", "registers": [0xFE, 0x0ACD]},
    ("18 04de", "18 0006 0002 01b8 1284"): {"count": 2, "registers": [0x01B8, 0x1284]},
    ("2b 0e 01 00", "2b 0e 01 01 00 00 02 00 03 414243 09 02 5634"): {"mei_type": 14, "read_code": 1, "conformity": 1, "more_follows": False, "objects": {"vendor": "ABC", "object_9": "V4"}},
    ("2b 0e 01 00", "2b 0e 01 01 ff 02 01 01 01 42"): {"mei_type": 14, "read_code": 1, "conformity": 1, "more_follows": True, "objects": {"product_code": "B"}},
}  # fmt: skip


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked(asked: str) -> None:
    assert parse(raw(asked)) == Pdu(raw(asked)[0], "request", ASKED[asked], "", raw(asked))


@pytest.mark.parametrize(("asked", "answer"), ANSWERED)
def test_what_is_answered(asked: str, answer: str) -> None:
    found = parse(raw(answer), parse(raw(asked)))
    assert found == Pdu(raw(answer)[0], "response", ANSWERED[asked, answer], "", raw(answer))


@pytest.mark.parametrize("text", [*ASKED, *(answer for _, answer in ANSWERED)])
def test_its_length_is_among_those_that_it_may_have(text: str) -> None:
    """At any place, and with more behind it; and no prefix is taken for whole unless another form is as long."""
    unit = raw(text)
    for before in (b"", b"\xff\x00\x07"):
        told, more = lengths(before + unit + b"\x03" * 300, len(before))
        assert (len(unit) in told, more) == (True, 0)
        for cut in range(len(unit)):
            told, more = lengths(before + unit[:cut], len(before))
            assert more == 0 or more > cut, "it says how many bytes it has to see"
    assert parse(unit + b"\0").data != parse(unit).data


@pytest.mark.parametrize(
    ("unit", "told"),
    [
        ("01 03 cd6b05", [5, 5]), ("03 fa", [5, 252]), ("05", [5]), ("0f 0013 000a 02", [5, 8]), ("16", [7]), ("17 06 000000000000 00 04", [8, 14]), ("18 0006", [3, 9]),
        ("07", [1, 2]), ("0b", [1, 5]), ("0c 08", [1, 10]), ("11 02", [1, 4]), ("14 07", [9]), ("08", [5]), ("83", [2]), ("63", []), ("2b 0e 01 01 00 00 01 00 03", [4, 12]),
    ],
)  # fmt: skip
def test_the_lengths_that_a_beginning_may_have(unit: str, told: list[int]) -> None:
    assert lengths(raw(unit), 0) == (told, 0)


@pytest.mark.parametrize(
    ("unit", "told", "needed"),
    [("", [], 1), ("03", [5], 2), ("10 0001 0002", [5], 6), ("17", [], 10), ("17 06", [8], 10), ("18 00", [3], 3), ("0c", [1], 2), ("14", [], 2), ("2b 0e", [4], 7), ("2b 0e 01 01 00 00 01", [4], 9)],
)  # fmt: skip
def test_what_has_to_be_seen_first(unit: str, told: list[int], needed: int) -> None:
    assert lengths(raw(unit), 0) == (told, needed)


@pytest.mark.parametrize(
    ("unit", "asked", "problem"),
    [
        ("83 02 00", "", "an exception has 2 bytes, this has 3"),
        ("83", "", "an exception has 2 bytes, this has 1"),
        ("05 00ac 1234", "", "a coil is written with FF00 or 0000, not 1234"),
        ("10 0001 0003 04 000a 0102", "", "3 values do not fill 4 bytes"),
        ("0f 0013 0011 02 cd01", "", "17 values do not fill 2 bytes"),
        ("03 04 0001 0002", "03 006b 0003", "3 values were asked for, 4 bytes came instead of 6"),
        ("01 03 cd6b05", "01 0013 0019", "25 values were asked for, 3 bytes came instead of 4"),
        ("03 006b 0000", "", "5 bytes fit neither a request nor a response of function 3 (read holding registers)"),
        ("03 006b 007e", "", "5 bytes fit neither a request nor a response of function 3 (read holding registers)"),
        ("01 0013 07d1", "", "5 bytes fit neither a request nor a response of function 1 (read coils)"),
        ("2b 0e 01 01 00 00 01 00 03 41", "2b 0e 01 00", "10 bytes fit neither a request nor a response of function 43 (encapsulated interface)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(unit: str, asked: str, problem: str) -> None:
    assert parse(raw(unit), parse(raw(asked)) if asked else None).problem == problem


@pytest.mark.parametrize(("unit", "count"), [("03 0000 007d", 125), ("01 0000 07d0", 2000)])
def test_the_most_that_may_be_asked_for(unit: str, count: int) -> None:
    assert (parse(raw(unit)).problem, parse(raw(unit)).data["count"]) == ("", count)


@pytest.mark.parametrize("code", [*EXCEPTIONS, 9, 99])
def test_exceptions_by_their_names(code: int) -> None:
    found = parse(bytes([0x84, code]))
    data: dict[str, Any] = {"exception_code": code, "meaning": EXCEPTIONS.get(code, "unknown exception")}
    assert found == Pdu(0x84, "exception", data, "", bytes([0x84, code]))
    assert found.table == "input"


def test_a_function_of_a_vendor_keeps_its_bytes() -> None:
    assert parse(raw("65 0102")) == Pdu(0x65, "request", {"payload_hex": "0102"}, "", raw("65 0102"))
    assert parse(raw("65 0102"), parse(raw("65"))).kind == "response"


def test_where_both_fit_what_was_asked_decides() -> None:
    """A read of 0x03xx registers and an answer of three bytes look alike."""
    both = raw("01 03 0001 05")
    assert parse(both).kind == "request"
    assert parse(both, parse(raw("01 0013 0013"))).kind == "response"
    assert parse(both, parse(raw("02 0013 0013"))).kind == "request"
