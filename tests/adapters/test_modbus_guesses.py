"""What a scan takes the registers of an unknown device for: each reading that an instrument may mean, and none of the others; and what is written into a field."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.modbus.poller import ModbusOptions, _words
from adapters.modbus.registers import read_map
from adapters.modbus.scan import interpret
from adapters.modbus.values import ValueProblem


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([0xFFF6], ["int16 ABCD -10", "int16 BADC -2305", "uint16 ABCD 65526", "uint16 BADC 63231"]),
        ([0x0102], ["uint16 ABCD 258", "uint16 BADC 513", "bcd16 ABCD 102"]),
        ([0x0100], ["uint16 ABCD 256", "uint16 BADC 1", "bcd16 ABCD 100"]),
        ([0x00FF], ["uint16 ABCD 255"]),
        ([0x0009], ["uint16 ABCD 9"]),
        ([0x0010], ["uint16 ABCD 16", "bcd16 ABCD 10"]),
    ],
)
def test_one_register(words: list[int], found: list[str]) -> None:
    assert guesses(words) == found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([0, 0x41BC], ["uint32 ABCD 16828", "uint32 BADC 48193", "float32 CDAB 23.5", "float32 DCBA -0.01177978515625"]),
        ([0xFFFF, 0xFFFE], ["int32 ABCD -2", "int32 CDAB -65537", "int32 BADC -257", "int32 DCBA -16777217"]),
        ([0, 0], []),
        # 10^9 is no count of an instrument, one less is.
        ([0x3B9A, 0xCA00], ["int32 CDAB -905954406", "uint32 DCBA 13277755", "float32 ABCD 0.004723787307739258", "float32 CDAB -2100966.5"]),
        ([0x3B9A, 0xC9FF], ["int32 CDAB -906019942", "int32 DCBA -3564997", "uint32 ABCD 999999999", "float32 ABCD 0.0047237868420779705", "float32 CDAB -2090867.25"]),
    ],
)  # fmt: skip
def test_two_registers(words: list[int], found: list[str]) -> None:
    assert [guess for guess in guesses(words) if "16" not in guess.split()[0]] == found


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ([0x4142, 0x4344], ["7 ABCD 'ABCD'", "7 BADC 'BADC'"]),
        ([0x4142, 0x4344, 0x4500, 0x0001], ["7 ABCD 'ABCDE'", "7 BADC 'BADC'"]),
        ([0x2041, 0x4243], ["7 BADC 'A CB'"]),
        ([0x2041, 0x4243, 0x4445], ["7 ABCD 'ABCDE'", "7 BADC 'A CBED'"]),
        ([0x1F41, 0x4243], []),
        ([0x7E41, 0x4243], ["7 ABCD '~ABC'", "7 BADC 'A~CB'"]),
        ([0x7F41, 0x4243], []),
        ([0x4142, 0x4300], []),
        ([0x0001, 0x4142, 0x4344], ["8 ABCD 'ABCD'", "8 BADC 'BADC'"]),
    ],
)
def test_texts_begin_where_nothing_printable_stands_before(words: list[int], texts: list[str]) -> None:
    found = [one for one in interpret(dict(enumerate(words, 7))) if one.type == "string"]
    assert [f"{one.address} {one.order} {one.value!r}" for one in found] == texts


def guesses(words: list[int]) -> list[str]:
    """What the first register, with those behind it, may be."""
    return [f"{one.type} {one.order} {one.value}" for one in interpret(dict(enumerate(words, 7))) if one.address == 7]


FIELDS = """
[[devices]]
device = "pump-1"
writable = true
fields = [
  {metric = "state", address = 1, states = {0 = "stopped", 1 = "running", -1 = "fault"}, type = "int16"},
  {metric = "flow", address = 2, unit = "L/s", scale = 0.1, range = [0, 50]},
  {metric = "tampered", address = 3, bit = 2},
  {metric = "pressure", address = 4, scale_register = 5},
]
"""


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [(0, "running", [1]), (0, "fault", [0xFFFF]), (1, 36, [100]), (1, 180.0, [500])],
)
def test_what_is_written(field: int, value: Any, words: list[int]) -> None:
    assert _words(read_map(FIELDS).devices[0].fields[field], value) == words


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        (0, "flying", "'flying' is none of the states of state"),
        (1, 181, r"50\.2778 is outside the range \[0.0, 50.0\] of flow"),
        (1, -1, "is outside the range"),
        (2, True, "tampered is a part of a register, or scaled by another one, and is not written"),
        (3, 1.0, "pressure is a part of a register, or scaled by another one, and is not written"),
    ],
)
def test_what_cannot_be_written(field: int, value: Any, said: str) -> None:
    with pytest.raises(ValueProblem, match=said):
        _words(read_map(FIELDS).devices[0].fields[field], value)


@pytest.mark.parametrize("late_s", [-0.1, 600.1])
def test_a_wait_for_late_answers_has_limits(late_s: float, tmp_path: Any) -> None:
    path = tmp_path / "map.toml"
    path.write_text(FIELDS)
    with pytest.raises(ValueError, match=r"^late_s is 0 to 600 seconds$"):
        ModbusOptions(connect="tcp://127.0.0.1", map=str(path), late_s=late_s)
    assert ModbusOptions(connect="tcp://127.0.0.1", map=str(path), late_s=600).late_s == 600
