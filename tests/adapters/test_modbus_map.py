"""A register map's mistakes: each has its own sentence, whole, and no other; and what stands at a limit is none."""

from __future__ import annotations

import pytest

from adapters.modbus.registers import MapError, load_map, read_map

DEVICE = '[[devices]]\ndevice = "a"\n'
WHOLE = DEVICE + 'fields = [{metric = "flow", address = 1}]\n'
LENGTH = "a string needs length, its registers: 1 to 125"


def mistakes(text: str) -> list[str]:
    with pytest.raises(MapError) as raised:
        read_map(text, "m.toml")
    assert str(raised.value) == "; ".join(raised.value.mistakes)
    assert all(said.startswith("m.toml: ") for said in raised.value.mistakes)
    return [said.removeprefix("m.toml: ") for said in raised.value.mistakes]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["no [[devices]] block; one for each device on the bus is needed"]),
        ("devices = 3", ["no [[devices]] block; one for each device on the bus is needed"]),
        ("devices = []", ["no [[devices]] block; one for each device on the bus is needed"]),
        ("devices = [1]", ["device 1: a table of keys is needed here"]),
        ('devices = [{device = "a", fields = 3}]', ["a: fields are written as [[devices.fields]], a block for each"]),
        (DEVICE, ["a: it has no [[devices.fields]], and sunspec = true is not said"]),
        ("[[devices]]\ndevice = 3", ["3: device = 3: expected `str`, got `int`"]),
        ("[[devices]]\nunit = 3\nfields = []", ["device 1: device is missing"]),
        (WHOLE + WHOLE, ["a: this device stands twice; put its fields under one [[devices]] block"]),
        (WHOLE + "[other]", ["unknown key 'other'; a map is written as [[devices]] blocks with [[devices.fields]]"]),
        (WHOLE + 'order = "ABDC"', ["a: order = 'ABDC'; one of ABCD, CDAB, BADC, DCBA was meant"]),
        (WHOLE + "every_s = 0.04", ["a: every_s = 0.04 is under 0.05 seconds", "a, flow: every_s = 0.04 is under 0.05 seconds"]),
        (WHOLE + "jitter_s = -1", ["a: jitter_s = -1.0 is not between 0 and every_s"]),
        (WHOLE + "jitter_s = 10.1", ["a: jitter_s = 10.1 is not between 0 and every_s"]),
        (WHOLE + "unit = -1", ["a: unit = -1 is outside 0 to 255"]),
        (WHOLE + "unit = 256", ["a: unit = 256 is outside 0 to 255"]),
        (WHOLE + "registers_max = 0", ["a: registers_max = 0 is outside 1 to 125", "a, flow: uint16 spans 1 registers, more than registers_max = 0"]),
        (WHOLE + "registers_max = 126", ["a: registers_max = 126 is outside 1 to 125"]),
        (WHOLE + "bits_max = 0", ["a: bits_max = 0 is outside 1 to 2000"]),
        (WHOLE + "bits_max = 2001", ["a: bits_max = 2001 is outside 1 to 2000"]),
        (WHOLE + "gap = -1", ["a: gap = -1 is outside 0 to 125"]),
        (WHOLE + "gap = 126", ["a: gap = 126 is outside 0 to 125"]),
        (WHOLE + "gpa = 1", ["a: unknown key 'gpa'; was 'gap' meant?"]),
        (WHOLE + "xyzzy = 1", ["a: unknown key 'xyzzy'"]),
    ],
)  # fmt: skip
def test_of_devices(text: str, said: list[str]) -> None:
    assert mistakes(text) == said


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("3", ["a, field 1: a table of keys is needed here"]),
        ("{address = 1}", ["a, field 1: metric is missing"]),
        ('{metric = "flow"}', ["a, flow: address is missing"]),
        ('{metric = "flow", address = 1}, {metric = "flow", address = 2}', ["a, flow: this metric stands twice; a device has one value of a metric"]),
        ('{metric = "zzzzz", address = 1}', ["a, zzzzz: the vocabulary has no metric 'zzzzz'"]),
        ('{metric = "flow", address = 1, sentinel = ["x"]}', ["a, flow: sentinel = ['x']: expected `int`, got `str`"]),
        ('{metric = "flow", address = 1, range = [1]}', ["a, flow: range = [1]: expected `array` of length 2, got 1"]),
        ('{metric = "flow", address = 1, range = [2, 2]}', ["a, flow: range = [2.0, 2.0] is empty; it is written [lowest, highest]"]),
        ('{metric = "flow", address = 1, scale = 0}', ["a, flow: scale = 0 would make every value the offset"]),
        ('{metric = "flow", address = 1, every_s = 0.04}', ["a, flow: every_s = 0.04 is under 0.05 seconds"]),
        ('{metric = "flow", address = 1, unit = "furlong"}', ["a, flow: unknown unit 'furlong'"]),
        ('{metric = "flow", address = 1, type = "floot"}', ["a, flow: type = 'floot'; was 'float64' meant?"]),
        ('{metric = "flow", address = 1, table = "zzz"}', ["a, flow: table = 'zzz'; one of holding, input, coil, discrete was meant"]),
        ('{metric = "flow", address = 1, order = "zzz"}', ["a, flow: order = 'zzz'; one of ABCD, CDAB, BADC, DCBA was meant"]),
        ('{metric = "flow", address = 1, bit = -1}', ["a, flow: bit = -1; uint16 has bits 0 to 15"]),
        ('{metric = "flow", address = 1, type = "int32", bit = 32}', ["a, flow: bit = 32; int32 has bits 0 to 31"]),
        ('{metric = "flow", address = 1, type = "string", length = 1}', ["a, flow: flow is a number, and a string is none"]),
        ('{metric = "state", address = 1}', ['a, state: state is text: type = "string" or a table of states is needed']),
        ('{metric = "state", address = 1, type = "string"}', ["a, state: " + LENGTH]),
        ('{metric = "state", address = 1, type = "string", length = 126}', ["a, state: " + LENGTH]),
        ('{metric = "alarms", address = 1, type = "string", length = 2}', ["a, alarms: alarms is a list of texts, and no register holds one"]),
        ('{metric = "flow", address = -1}', ["a, flow: address -1 is outside the table of 65,536"]),
        ('{metric = "flow", address = 65536}', ["a, flow: address 65536 is outside the table of 65,536"]),
        ('{metric = "flow", address = 65535, type = "uint32"}', ["a, flow: address 65535 is outside the table of 65,536"]),
        ('{metric = "flow", address = 1, writable = true}', ["a, flow: writable = true, but its device does not say writable = true"]),
    ],
)  # fmt: skip
def test_of_fields(field: str, said: list[str]) -> None:
    assert mistakes(f"{DEVICE}fields = [{field}]") == said


@pytest.mark.parametrize(
    ("device", "field", "said"),
    [
        ("registers_max = 1", 'address = 1, type = "uint32"', "uint32 spans 2 registers, more than registers_max = 1"),
        ("one_based = true", "address = 0", "address = 0; with one_based = true addresses begin at 1"),
        ("writable = true", 'address = 0, table = "input", writable = true', "writable = true, but input cannot be written"),
    ],
)  # fmt: skip
def test_of_both(device: str, field: str, said: str) -> None:
    assert mistakes(f'{DEVICE}{device}\nfields = [{{metric = "flow", {field}}}]') == [f"a, flow: {said}"]


@pytest.mark.parametrize(
    "text",
    [
        "unit = 0", "unit = 255", "registers_max = 1", "registers_max = 125", "bits_max = 1", "bits_max = 2000", "gap = 0", "gap = 125",
        "every_s = 0.05", "jitter_s = 0", "jitter_s = 10", "sunspec = true",
    ],
)  # fmt: skip
def test_limits_are_allowed(text: str) -> None:
    assert read_map(WHOLE + text).devices[0].fields


@pytest.mark.parametrize(
    "field",
    [
        'metric = "flow", address = 65535', 'metric = "flow", address = 65534, type = "uint32"', 'metric = "tampered", address = 1, bit = 15',
        'metric = "state", address = 1, type = "string", length = 125', 'metric = "flow", address = 0, every_s = 0.05',
    ],
)  # fmt: skip
def test_limits_of_fields_are_allowed(field: str) -> None:
    assert read_map(f"{DEVICE}fields = [{{{field}}}]").devices[0].fields


def test_a_device_of_sunspec_alone_needs_no_fields() -> None:
    assert read_map(DEVICE + "sunspec = true").devices[0].fields == ()


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(MapError, match=r"^no-such\.toml cannot be read: "):
        load_map("/no-such.toml")
