"""Modbus, the pure part: values, the register map, the planner, and both framings."""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastcrc.crc16 import modbus as crc16
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.modbus.codec import MAX_ADU, ModbusRtuCodec, ModbusTcpCodec
from adapters.modbus.planner import Block, plan, split
from adapters.modbus.registers import Field, MapError, RegisterMap, Unit, read_map, value_of
from adapters.modbus.scan import interpret
from adapters.modbus.values import ORDERS, TYPES, ValueProblem, decode, encode
from hub.model import FaultKind
from tests.shared import ROOT, shared_path

PUMP = """
[[devices]]
device = "pump-1"
unit = 17
order = "CDAB"

  [[devices.fields]]
  metric = "flow"
  address = 100
  type = "float32"
  unit = "L/s"

  [[devices.fields]]
  metric = "pressure"
  address = 104
  type = "int16"
  scale = 0.1
  unit = "bar"
  sentinel = [-32768]
  range = [0, 25]

  [[devices.fields]]
  metric = "running"
  table = "coil"
  address = 3
"""


# ------------------------------------------------------------------------------------------------------ values


def test_value_vectors() -> None:
    seen = 0
    for line in shared_path("vectors/modbus.jsonl").read_text().splitlines():
        vector = json.loads(line)
        expected = vector["expected"]
        if vector["protocol"] != "modbus-value" or expected["type"].startswith("SunSpec") or "order" not in expected:
            continue
        assert decode(expected["registers"], expected["type"], expected["order"]) == expected["value"]
        assert encode(expected["value"], expected["type"], expected["order"]) == expected["registers"]
        seen += 1
    assert seen == 13


@pytest.mark.parametrize(
    ("registers", "kind", "order", "bit", "value"),
    [
        ([0xFF38], "int16", "ABCD", None, -200),
        ([0x38FF], "int16", "BADC", None, -200),
        ([0x8000], "uint16", "ABCD", 15, True),
        ([0x0001], "uint16", "ABCD", 0, True),
        ([0x0001, 0x0000], "uint32", "CDAB", 0, True),
        ([0x12FE], "int8l", "ABCD", None, -2),
        ([0x12FE], "uint8h", "ABCD", None, 0x12),
        ([0x1234], "bcd16", "ABCD", None, 1234),
        ([0x5678, 0x1234], "bcd32", "CDAB", None, 12345678),
        ([0x7F80, 0], "float32", "ABCD", None, None),
        ([0x7FC0, 0], "float32", "ABCD", None, None),
        ([0x4D00], "float16", "ABCD", None, 20.0),
        ([0x4241, 0x0043], "string", "BADC", None, "ABC"),
    ],
)
def test_values(registers: list[int], kind: str, order: str, bit: int | None, value: Any) -> None:
    assert decode(registers, kind, order, bit) == value


def test_digits_that_are_no_bcd() -> None:
    with pytest.raises(ValueProblem, match="no BCD"):
        decode([0x12FA], "bcd16")
    with pytest.raises(ValueProblem, match="does not fit"):
        encode(70000, "uint16")
    with pytest.raises(ValueProblem, match="does not fit"):
        encode(12345, "bcd16")


@given(st.sampled_from([name for name, kind in TYPES.items() if kind.code]), st.sampled_from(ORDERS), st.data())
def test_encoding_undoes_decoding(kind: str, order: str, data: st.DataObject) -> None:
    words = data.draw(st.lists(st.integers(0, 0xFFFF), min_size=TYPES[kind].registers, max_size=TYPES[kind].registers))
    value = decode(words, kind, order)
    if value is not None:
        assert encode(value, kind, order) == words


# --------------------------------------------------------------------------------------------------- the map


def test_a_map() -> None:
    (unit,) = read_map(PUMP).devices
    flow, pressure, running = unit.fields
    assert (flow.order, flow.every_s, running.type) == ("CDAB", 10.0, "bool")
    assert value_of(flow, [0x0000, 0x41BC]) == 84.6  # 23.5 L/s in m3/h
    assert value_of(pressure, [55]) == 550.0
    assert value_of(pressure, [0x8000]) is None
    assert value_of(running, [1]) is True
    with pytest.raises(ValueProblem, match="outside the map's range"):
        value_of(pressure, [1000])


@pytest.mark.parametrize(
    ("address", "table", "zero_based"),
    [(40108, "holding", 107), (108, "holding", 107), (30001, "input", 0), (400108, "holding", 107), (1, "coil", 0)],
)
def test_the_manuals_addresses(address: int, table: str, zero_based: int) -> None:
    metric = "running" if table == "coil" else "flow"
    text = f'[[devices]]\ndevice = "a"\none_based = true\nfields = [{{metric = "{metric}", address = {address}, table = "{table}"}}]'
    assert read_map(text).devices[0].fields[0].address == zero_based


def test_states_and_text() -> None:
    text = """
    [[devices]]
    device = "a"
    fields = [
      {metric = "state", address = 1, states = {0 = "stopped", 1 = "running"}},
      {metric = "firmware", address = 10, type = "string", length = 4},
    ]
    """
    state, firmware = read_map(text).devices[0].fields
    assert value_of(state, [1]) == "running"
    assert value_of(firmware, [0x4142, 0x4300, 0, 0]) == "ABC"
    with pytest.raises(ValueProblem, match="state 7"):
        value_of(state, [7])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('metric = "flwo"\naddress = 1', "the vocabulary has no metric 'flwo'; was flow meant?"),
        ('metric = "flow"\naddress = 1\nunit = "bar"', "'bar' is a pressure, 'm3/h' a flow"),
        ('metric = "flow"\naddress = 70000', "outside the table of 65,536"),
        ('metric = "flow"\naddress = 1\ntype = "flaot32"', "type = 'flaot32'; was 'float32' meant?"),
        ('metric = "flow"\naddress = 1\ntable = "holdings"', "was 'holding' meant?"),
        ('metric = "flow"\naddress = 1\norder = "BACD"', "one of ABCD, CDAB, BADC, DCBA was meant"),
        ('metric = "flow"\naddress = 1\nbit = 16', "uint16 has bits 0 to 15"),
        ('metric = "flow"\naddress = 1\nscael = 2', "unknown key 'scael'; was 'scale' meant?"),
        ('metric = "flow"\naddress = "x"', "address = 'x': expected `int`, got `str`"),
        ('metric = "flow"', "address is missing"),
        ('metric = "flow"\naddress = 1\nwritable = true', "its device does not say writable = true"),
        ('metric = "flow"\naddress = 1\nrange = [5, 1]', "range = [5.0, 1.0] is empty"),
        ('metric = "state"\naddress = 1', "a table of states is needed"),
        ('metric = "firmware"\naddress = 1\ntype = "string"', "a string needs length"),
    ],
)
def test_mistakes_have_sentences(line: str, said: str) -> None:
    with pytest.raises(MapError) as raised:
        read_map(f'[[devices]]\ndevice = "pump-1"\n[[devices.fields]]\n{line}', "pumps.toml")
    assert len(raised.value.mistakes) == 1
    assert raised.value.mistakes[0].startswith("pumps.toml: pump-1")
    assert said in raised.value.mistakes[0]


def test_the_map_of_the_readme() -> None:
    text = (ROOT / "adapters" / "modbus" / "README.md").read_text().partition("```toml\n")[2].partition("```")[0]
    (unit,) = read_map(text).devices
    assert [field.metric for field in unit.fields] == ["flow", "running", "state", "firmware", "energy"]


def test_all_mistakes_at_once() -> None:
    text = '[devcies]\n[[devices]]\ndevice = "a"\nunit = 300\ngap = 999\nfields = [{metric = "flow"}, {metric = "x", address = 1}]'
    with pytest.raises(MapError) as raised:
        read_map(text)
    assert len(raised.value.mistakes) == 5
    with pytest.raises(MapError, match="no \\[\\[devices\\]\\] block"):
        read_map("")
    with pytest.raises(MapError, match="line 1"):
        read_map("= 3")


# --------------------------------------------------------------------------------------------------- planner


def unit(*spans: tuple[int, str], **limits: Any) -> Unit:
    fields = tuple(Field(metric="flow", address=address, type=kind) for address, kind in spans)
    return Unit(device="a", fields=fields, **limits)


def ranges(blocks: list[Block]) -> list[tuple[int, int]]:
    return [(block.address, block.count) for block in blocks]


def test_neighbours_share_a_request() -> None:
    pump = unit((0, "float32"), (2, "uint16"), (11, "uint16"), (30, "float64"))
    assert ranges(plan(pump, pump.fields)) == [(0, 12), (30, 4)]
    assert ranges(plan(pump, pump.fields, gap=0)) == [(0, 3), (11, 1), (30, 4)]


def test_no_request_is_over_the_limit() -> None:
    pump = unit(*[(address, "float32") for address in range(0, 300, 2)], registers_max=125)
    assert ranges(plan(pump, pump.fields)) == [(0, 124), (124, 124), (248, 52)]


def test_bits_and_registers_are_asked_for_apart() -> None:
    fields = [Field(metric="running", table="coil", address=3, type="bool"), Field(metric="flow", address=3)]
    assert [block.table for block in plan(Unit(device="a"), fields)] == ["coil", "holding"]


def test_a_refused_block_is_split_to_the_field_that_is_not_there() -> None:
    pump = unit((0, "uint16"), (1, "uint16"), (5, "uint16"))
    (block,) = plan(pump, pump.fields)
    parts = split(pump, block)
    assert ranges(parts) == [(0, 2), (5, 1)]
    assert ranges(split(pump, parts[0])) == [(0, 1), (1, 1)]
    assert split(pump, parts[1]) == []


def test_fields_of_one_register_are_not_split_for_ever() -> None:
    fields = tuple(Field(metric="running", address=4, bit=bit) for bit in range(3))
    pump = Unit(device="a", fields=fields)
    (block,) = plan(pump, fields)
    assert split(pump, block) == []


@given(
    st.lists(
        st.tuples(st.integers(0, 600), st.sampled_from(["uint16", "float32", "float64"])), min_size=1, max_size=30
    ),
    st.integers(0, 40),
    st.integers(4, 125),
)
def test_every_field_is_read_and_no_limit_broken(spans: list[tuple[int, str]], gap: int, limit: int) -> None:
    pump = unit(*spans, gap=gap, registers_max=limit)
    blocks = plan(pump, pump.fields)
    assert all(block.count <= limit for block in blocks)
    for field in pump.fields:
        assert any(
            b.address <= field.address and field.address + field.registers <= b.address + b.count for b in blocks
        )


# --------------------------------------------------------------------------------------------------- framings


def rtu(data: str) -> bytes:
    raw = bytes.fromhex(data.replace(" ", ""))
    return raw + crc16(raw).to_bytes(2, "little")


def test_frame_vectors() -> None:
    seen = 0
    for line in shared_path("vectors/modbus.jsonl").read_text().splitlines():
        vector = json.loads(line)
        if vector["protocol"] != "modbus":
            continue
        expected = vector["expected"]
        codec = ModbusTcpCodec() if expected["framer"] == "tcp" else ModbusRtuCodec()
        (message,) = codec.feed(bytes.fromhex(vector["raw_hex"])) + codec.end()
        detail = message.body.detail()
        assert not message.faults
        for key in set(expected) - {"what", "note"}:
            assert detail[key] == expected[key], key
        seen += 1
    assert seen == 13


def test_answers_become_readings_by_the_map() -> None:
    codec = ModbusRtuCodec(read_map(PUMP))
    messages = codec.feed(rtu("11 03 0064 0005") + rtu("11 03 0a 0000 41bc 0000 0000 0037"), 5)
    assert messages[1].device == "pump-1"
    assert [(r.device, r.observed_at, r.values) for m in messages for r in m.readings] == [
        ("pump-1", 5, {"flow": 84.6, "pressure": 550.0})
    ]
    coil = codec.feed(rtu("11 01 0003 0001") + rtu("11 01 01 01"))
    assert coil[1].readings[0].values == {"running": True}


def test_an_answer_without_its_request_is_placed_by_its_size() -> None:
    codec = ModbusTcpCodec(read_map(PUMP))
    (message,) = codec.feed(bytes.fromhex("0001 0000 000d 11 03 0a 0000 41bc 0000 0000 0037".replace(" ", "")))
    assert message.readings[0].values == {"flow": 84.6, "pressure": 550.0}


def test_a_wrong_size_of_an_answer_is_a_fault() -> None:
    codec = ModbusRtuCodec()
    messages = codec.feed(rtu("11 03 0000 0002") + rtu("11 03 02 0001"))
    assert [fault.kind for fault in messages[1].faults] == [FaultKind.SYNTAX]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_rtu_frames_are_found_however_they_come(chunk: int) -> None:
    stream = (
        rtu("11 03 0064 0005")
        + rtu("11 03 0a 0000 41bc 0000 0000 0037")
        + b"\xff"
        + rtu("11 01 0003 0001")
        + rtu("11 01 01 01")
    )
    codec = ModbusRtuCodec(read_map(PUMP))
    messages = [message for at in range(0, len(stream), chunk) for message in codec.feed(stream[at : at + chunk])]
    messages += codec.end()
    assert [fault.kind for message in messages for fault in message.faults] == [FaultKind.FRAME]
    values = [reading.values for message in messages for reading in message.readings]
    assert values == [{"flow": 84.6, "pressure": 550.0}, {"running": True}]
    assert b"".join(message.raw for message in messages) == stream


def test_identification() -> None:
    answer = "2b 0e 01 01 00 00 02 00 04 41434d45 01 02 5031"
    (message,) = ModbusRtuCodec().feed(rtu("05" + answer))
    assert message.body.detail()["objects"] == {"vendor": "ACME", "product_code": "P1"}


def test_bad_checksums_and_junk() -> None:
    bad = rtu("11 03 006b 0003")[:-1] + b"\x00"
    codec = ModbusRtuCodec()
    (fault,) = codec.feed(bad) + codec.end()
    assert fault.faults[0].kind is FaultKind.CHECKSUM
    messages = codec.feed(b"\x00\x00\x00" + rtu("11 03 006b 0003"))
    assert [len(message.faults) for message in messages] == [1, 0]
    assert [message.readings for message in (fault, *messages)] == [[], [], []]
    tcp = ModbusTcpCodec()
    messages = tcp.feed(b"junkjunk" + bytes.fromhex("000200000003018302"))
    assert [[fault.kind for fault in message.faults] for message in messages] == [[FaultKind.FRAME], []]


def packets(path: Path) -> Iterator[tuple[float, bytes]]:
    """The TCP payloads of a little-endian Ethernet pcap."""
    data = path.read_bytes()
    assert data[:4] == b"\xd4\xc3\xb2\xa1"
    at = 24
    while at < len(data):
        seconds, micros, size, _ = struct.unpack_from("<4I", data, at)
        frame = data[at + 16 : at + 16 + size]
        at += 16 + size
        link = 14
        if frame[12:14] != b"\x08\x00" or frame[link + 9] != 6:
            continue
        tcp = link + (frame[link] & 15) * 4
        end = link + int.from_bytes(frame[link + 2 : link + 4], "big")
        payload = frame[tcp + (frame[tcp + 12] >> 4) * 4 : end]
        if payload:
            yield seconds + micros / 1e6, payload


@pytest.mark.recordings
def test_the_recorded_plant_exercise() -> None:
    folder = shared_path("data/plant_modbus_pcap")
    codec = ModbusTcpCodec()
    messages = [message for _, payload in packets(folder / "modbus_example.pcap") for message in codec.feed(payload)]
    details = [message.body.detail() for message in messages]
    rows = list(csv.reader((folder / "modbus_detailed.log").read_text().splitlines(), delimiter="\t"))
    names = next(row[1:] for row in rows if row[0] == "#fields")
    log = [dict(zip(names, row, strict=False)) for row in rows if not row[0].startswith("#")]
    reads = [row for row in log if row["func"].startswith("READ_") and row["response_values"] not in ("-", "")]
    answers = [d for d in details if d["kind"] == "response" and d["function"] in (1, 2, 3, 4)]
    assert len(reads) == len(answers) == 8
    for row, answer in zip(reads, answers, strict=True):
        assert (answer["device_id"], answer["address"], answer["count"]) == (
            int(row["unit"]),
            int(row["address"]),
            int(row["quantity"]),
        )
        values = answer["registers"] if "registers" in answer else [int(bit) for bit in answer["bits"]]
        assert values == [int(value) for value in row["response_values"].split(",")]
    assert [d["meaning"] for d in details if d["kind"] == "exception"] == ["illegal data address"]
    assert not [fault for message in messages for fault in message.faults if fault.kind is not FaultKind.SYNTAX]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.binary(min_size=1, max_size=250))
def test_arbitrary_bytes_never_raise(data: bytes, pdu: bytes) -> None:
    registers = read_map(PUMP)
    for codec in (ModbusRtuCodec(registers), ModbusTcpCodec(registers)):
        framed = (
            rtu("11" + pdu.hex())
            if isinstance(codec, ModbusRtuCodec)
            else b"\x00\x01\x00\x00" + (len(pdu) + 1).to_bytes(2, "big") + b"\x11" + pdu
        )
        for piece in (data, framed):
            for message in codec.feed(piece):
                assert message.body is None or json.dumps(message.body.detail())
        codec.end()
        assert len(codec._buffer) <= MAX_ADU


def test_interpretations_find_the_word_order() -> None:
    found = interpret({0: 0x0000, 1: 0x41BC, 2: 0x4142, 3: 0x4344})
    floats = [(one.order, one.value) for one in found if one.address == 0 and one.type == "float32"]
    assert ("CDAB", 23.5) in floats
    assert any(one.type == "string" and one.value == "ABCD" for one in found)


def test_a_map_object_serves_as_option() -> None:
    assert isinstance(ModbusTcpCodec(RegisterMap())._map, RegisterMap)


def test_frames_behind_a_wrong_length_are_read_at_the_end() -> None:
    lying = bytes.fromhex("0001000000f01103")
    good = bytes.fromhex("000200000006110300640002")
    codec = ModbusTcpCodec()
    messages = [*codec.feed(lying + good + good), *codec.end()]
    assert [message.device for message in messages if message.device] == ["modbus:17"] * 2
    assert [fault.kind for message in messages for fault in message.faults] == ["truncated"]


@pytest.mark.parametrize("chunk", [1, 5, 1000])
@pytest.mark.parametrize("lying", ["request", "response"])
@pytest.mark.parametrize("lie", [-4, -1, 1, 2, 12, 13, 25, 200])
def test_a_length_that_lies_costs_its_own_frame_only(lie: int, lying: str, chunk: int) -> None:
    def frame(transaction: int, pdu: bytes, more: int = 0) -> bytes:
        return struct.pack(">HHHB", transaction, 0, len(pdu) + 1 + more, 17) + pdu

    asked, answered = bytes.fromhex("0300640002"), bytes.fromhex("030400110102")
    stream, expected = b"", []
    for transaction in range(258, 262):
        for kind, pdu in (("request", asked), ("response", answered)):
            lies = kind == lying and transaction == 259
            stream += frame(transaction, pdu, lie if lies else 0)
            expected += [] if lies else [(transaction, kind)]
    codec = ModbusTcpCodec()
    messages = [message for at in range(0, len(stream), chunk) for message in codec.feed(stream[at : at + chunk])]
    messages += codec.end()
    good = [message.body for message in messages if message.body is not None and not message.faults]
    assert [(frame.transaction, frame.pdu.kind) for frame in good] == expected
    assert [fault.kind for message in messages for fault in message.faults]
    assert b"".join(message.raw for message in messages) == stream
