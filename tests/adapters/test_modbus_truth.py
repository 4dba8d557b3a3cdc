"""A unit's state comes from what it answers, and a value from the answer to its own request: over TCP, RTU over TCP and serial."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from adapters.modbus import poller
from adapters.modbus.bus import Bus, Short, Silent
from adapters.modbus.framing import Request, RtuFraming, TcpFraming, read_request, write_request
from adapters.modbus.pdu import EXCEPTIONS
from adapters.modbus.planner import halve, plan
from adapters.modbus.poller import ModbusAdapter, ModbusOptions
from adapters.modbus.registers import Field, Unit
from adapters.modbus.sunspec import discover
from hub.model import Value
from tests.adapters.intake import FakeIntake
from tests.adapters.modbus_slave import Asked, Said, Slave, answer_of, crc, on_serial, on_tcp

Place = Callable[[Any], AbstractAsyncContextManager[tuple[Slave, str]]]
PROMPT = Said()


@asynccontextmanager
async def polling(tmp_path: Path, url: str, text: str, **options: Any) -> AsyncIterator[FakeIntake]:
    path = tmp_path / "map.toml"
    path.write_text(text)
    adapter = ModbusAdapter("plant", ModbusOptions(connect=url, map=str(path), **({"timeout_s": 0.15} | options)))
    intake = FakeIntake()
    task = asyncio.create_task(adapter.run(intake))
    try:
        yield intake
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def block_map(every_s: float = 0.05, fields: str = '{metric = "flow", address = 100}') -> str:
    return f'[[devices]]\ndevice = "pump"\nunit = 1\nevery_s = {every_s}\nfields = [{fields}]\n'


def newest(intake: FakeIntake) -> dict[str, Value]:
    return {metric: value for reading in intake.readings for metric, value in reading.values.items()}


# ----------------------------------------------------------------------------------------------- states (field case 3.1)


async def test_a_port_that_accepts_and_never_answers_is_never_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "BREAK_MAX_S", 0.01)
    async with (
        on_tcp(lambda asked: Said(None)) as (slave, url),
        polling(tmp_path, url, block_map(), timeout_s=0.05) as intake,
    ):
        await intake.until(lambda: slave.connections >= 3, 30)
    assert slave.connections >= 3, "the connection was made anew again and again"
    states = [state for state, _ in intake.states]
    assert "up" not in states
    assert states[0] == "degraded"
    assert "no unit answers: unit 1 does not answer (no answer in 0.05 s)" in [text for _, text in intake.states]


async def test_a_connection_that_is_refused_or_cut_at_once_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "RECONNECT_S", (0.01, 0.02))
    cut = 0

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal cut
        cut += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with polling(tmp_path, url, block_map()) as intake:
        await intake.until(lambda: cut >= 3)
    server.close()
    assert {state for state, _ in intake.states} == {"down"}


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        (lambda asked: Said(unit=9), "unit 9 for unit 1"),
        (lambda asked: Said(transaction=asked.transaction + 7), "transaction 8 for 1"),
        (lambda asked: Said(transaction=0), "transaction 0 for 1"),
        (lambda asked: Said(pdu=b"\x01\x01\x05"), "function 1 for 3"),
        (lambda asked: Said(count=2), "4 bytes of values for 2"),
    ],
    ids=["wrong unit", "swapped transaction", "no transaction", "wrong function", "too many values"],
)
async def test_what_came_and_was_discarded_is_said(tmp_path: Path, manner: Callable[[Asked], Said], said: str) -> None:
    async with on_tcp(manner) as (_, url), polling(tmp_path, url, block_map()) as intake:
        await intake.until(lambda: any(said in text for _, text in intake.states))
        assert "up" not in [state for state, _ in intake.states]
    assert not [reading for reading in intake.readings if "flow" in reading.values]


async def test_answers_that_are_late_are_called_late(tmp_path: Path) -> None:
    async with (
        on_tcp(lambda asked: Said(0.3)) as (_, url),
        polling(tmp_path, url, block_map(), timeout_s=0.2) as intake,
    ):
        await intake.until(lambda: any("late" in text for _, text in intake.states))
    text = next(text for _, text in intake.states if "late" in text)
    assert "answered 0.3 s late (time-out 0.2 s)" in text
    assert "up" not in [state for state, _ in intake.states]
    assert "flow" not in newest(intake)


async def test_two_answers_with_each_others_numbers_are_not_taken() -> None:
    """The answer to the first request is held back until the second is there; then each carries the other's number."""
    numbers: list[int] = []

    def manner(asked: Asked) -> Said:
        numbers.append(asked.transaction)
        return Said(None) if len(numbers) == 1 else Said(transaction=numbers[-2])

    async with on_tcp(manner) as (_, url):
        bus = Bus(url, timeout_s=0.1)
        for address in (1, 2, 3):
            with pytest.raises(Silent):
                await bus.read(1, "holding", address, 1)
        bus.close()


async def test_a_unit_that_recovers_is_up_by_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "BREAK_MAX_S", 0.01)
    well = False
    async with (
        on_tcp(lambda asked: PROMPT if well else Said(None)) as (_, url),
        polling(tmp_path, url, block_map(), timeout_s=0.1) as intake,
    ):
        await intake.until(lambda: any(state == "down" for state, _ in intake.states))
        well = True
        await intake.until(lambda: intake.states[-1][0] == "up")
    assert newest(intake) == {"flow": 100.0, "online": True}


async def test_a_unit_that_refuses_everything_is_no_unit_that_is_well(tmp_path: Path) -> None:
    async with on_tcp(lambda asked: Said(pdu=b"\x83\x01")) as (_, url), polling(tmp_path, url, block_map()) as intake:
        await intake.until(lambda: bool(intake.states))
    assert intake.states[-1] == ("degraded", "unit 1 refuses all that is asked")


# ------------------------------------------------------------------------------------- late answers (field case 3.2)


def late_ones(timeout_s: float, every: int = 5, seed: int = 1) -> Callable[[Asked], Said]:
    """Every so manieth answer comes 1.02 to 2.05 time-outs after its request."""
    chance = random.Random(seed)
    return lambda asked: Said(timeout_s * chance.uniform(1.02, 2.05) if asked.number % every == 0 else 0.0)


MANY = ", ".join(
    f'{{metric = "{metric}", address = {address}}}'
    for metric, address in (("flow", 100), ("level", 200), ("pressure", 300), ("current", 400), ("voltage", 500))
)


def wrong(intake: FakeIntake) -> list[tuple[str, Value]]:
    right = {"flow": 100.0, "level": 200.0, "pressure": 300.0, "current": 400.0, "voltage": 500.0, "online": True}
    return [
        (metric, value)
        for reading in intake.readings
        for metric, value in reading.values.items()
        if metric != "online" and value != right[metric]
    ]


@pytest.mark.parametrize(
    "place",
    [lambda manner: on_tcp(manner), lambda manner: on_tcp(manner, rtu=True), on_serial],
    ids=["tcp", "rtu over tcp", "serial"],
)
async def test_a_late_answer_is_never_the_next_requests(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "BREAK_MAX_S", 0.01)
    async with (
        place(late_ones(0.1)) as (slave, url),
        polling(tmp_path, url, block_map(0.05, MANY), timeout_s=0.1) as intake,
    ):
        await intake.until(lambda: len(slave.asked) >= 60, 60)
    assert len([reading for reading in intake.readings if "current" in reading.values]) >= 5
    assert wrong(intake) == []


@pytest.mark.parametrize("place", [lambda manner: on_tcp(manner, rtu=True), on_serial], ids=["rtu over tcp", "serial"])
async def test_a_unit_whose_every_answer_is_late_is_never_taken_for_dead(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is waited out each time: an answer that came late is no miss, however many there are."""
    monkeypatch.setattr(poller, "BREAK_MAX_S", 0.01)
    async with (
        place(lambda asked: Said(0.15)) as (slave, url),
        polling(tmp_path, url, block_map(0.05, MANY), timeout_s=0.1) as intake,
    ):
        await intake.until(lambda: len(slave.asked) >= 12, 60)
    assert [reading.values for reading in intake.readings if set(reading.values) - {"online"}] == []
    assert "answered 0." in intake.states[-1][1]


async def test_what_a_dead_unit_owed_comes_before_its_first_answer() -> None:
    """Five requests came to nothing. With the sixth the unit wakes, says an answer that it owed, and its own after two more time-outs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = 0
        while len(await reader.read(8)) == 8:
            asked += 1
            for after_s, address in ((0.05, 100), (0.2, 600)) if asked == 6 else ((0.0, 700),) if asked > 6 else ():
                await asyncio.sleep(after_s)
                frame = b"\x01" + answer_of(3, address, 1)
                writer.write(frame + crc(frame))
        writer.close()
        gone.set()

    gone = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    bus = Bus(f"rtu+tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=0.1)
    try:
        for address in (100, 200, 300, 400, 500, 600):
            with pytest.raises(Silent):
                await bus.read(1, "holding", address, 1)
        assert await bus.read(1, "holding", 700, 1) == [700]
    finally:
        bus.close()
        async with asyncio.timeout(30):
            await gone.wait()
        server.close()


async def test_an_answer_later_than_the_wait_is_not_the_next_requests() -> None:
    """Nothing came while the line was waited out. Then the next answer of the same shape is the old one: neither is taken."""
    async with on_tcp(lambda asked: Said(0.5 if asked.number == 1 else 0.0), rtu=True) as (_, url):
        bus = Bus(url, timeout_s=0.2, late_s=0.0)
        taken: list[tuple[int, int]] = []
        async with asyncio.timeout(30):
            for address in range(100, 1000, 100):
                try:
                    taken.append((address, (await bus.read(1, "holding", address, 1))[0]))
                except Silent:
                    continue
        assert len(taken) >= 5
        assert all(address == value for address, value in taken)
        assert bus.discarded
        bus.close()


async def test_pymodbus_as_a_slow_slave(tmp_path: Path) -> None:
    """An independent slave: every fifth answer of pymodbus's server is held back by 1.02 to 2.05 time-outs."""
    asked = 0
    chance = random.Random(2)

    async def act(*_: Any) -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.1 * chance.uniform(1.02, 2.05) if asked % 5 == 0 else 0.0)

    registers = [SimData(0, values=list(range(600)), datatype=DataType.REGISTERS)]
    server = ModbusTcpServer(
        [SimDevice(1, simdata=registers, action=act)], address=("127.0.0.1", 0), framer=FramerType.RTU
    )
    await server.listen()
    try:
        url = f"rtu+tcp://127.0.0.1:{server.transport.sockets[0].getsockname()[1]}"
        async with polling(tmp_path, url, block_map(0.05, MANY), timeout_s=0.1) as intake:
            await intake.until(lambda: asked >= 30, 60)
    finally:
        await server.shutdown()
    assert any("current" in reading.values for reading in intake.readings)
    assert wrong(intake) == []


async def test_a_retry_is_not_answered_by_the_first_try() -> None:
    async with on_tcp(lambda asked: Said(0.3 if asked.number == 1 else 0.0), rtu=True) as (slave, url):
        bus = Bus(url, timeout_s=0.2, retries=1)
        assert await bus.read(1, "holding", 100, 1) == [100]
        assert await bus.read(1, "holding", 400, 1) == [400]
        assert len(slave.asked) == 3
        bus.close()


# --------------------------------------------------------------------------------- blocks of one unit (field case 3.3)


@pytest.mark.parametrize("rtu", [False, True], ids=["tcp", "rtu over tcp"])
async def test_silence_on_one_table_goes_on_with_the_others(tmp_path: Path, rtu: bool) -> None:
    fields = (
        '{metric = "running", table = "coil", address = 3}, {metric = "open", table = "discrete", address = 3}, '
        '{metric = "level", table = "input", address = 30}, {metric = "flow", address = 100}'
    )
    manner = lambda asked: PROMPT if asked.function == 3 else Said(None)  # noqa: E731
    async with on_tcp(manner, rtu=rtu) as (_, url), polling(tmp_path, url, block_map(0.05, fields)) as intake:
        await intake.until(lambda: [r.values.get("flow") for r in intake.readings].count(100.0) >= 4, 30)
        await intake.until(lambda: "leaves" in intake.states[-1][1], 30)
    state, text = intake.states[-1]
    assert state == "degraded"
    assert "unit 1 leaves coil 3 unanswered (no answer in 0.15 s)" in text
    assert False not in [reading.values.get("online") for reading in intake.readings]


@pytest.mark.parametrize("code", [4, 5, 6, 8], ids=["failure", "acknowledge", "busy", "parity"])
async def test_a_unit_that_is_busy_or_broken_for_ever_is_not_well(tmp_path: Path, code: int) -> None:
    """It answers, so it is online; the block that it gives no values of is named, and its other blocks are read."""
    fields = '{metric = "level", table = "input", address = 30}, {metric = "flow", address = 100}'
    manner = lambda asked: Said(pdu=bytes((0x83, code))) if asked.function == 3 else PROMPT  # noqa: E731
    async with on_tcp(manner) as (_, url), polling(tmp_path, url, block_map(0.05, fields)) as intake:
        await intake.until(lambda: bool(intake.states) and intake.states[-1][0] == "degraded", 30)
        await intake.until(lambda: len(intake.readings) >= 5, 30)
    assert f"unit 1 leaves holding 100 unanswered ({EXCEPTIONS[code]} ({code}))" in intake.states[-1][1]
    assert {metric: value for metric, value in newest(intake).items() if metric != "online"} == {"level": 30.0}


@pytest.mark.parametrize("rtu", [False, True], ids=["tcp", "rtu over tcp"])
async def test_a_short_answer_halves_the_block(tmp_path: Path, rtu: bool) -> None:
    fields = ", ".join(
        f'{{metric = "{metric}", address = {100 + at}}}'
        for at, metric in enumerate(("flow", "level", "pressure", "current"))
    )
    manner = lambda asked: Said(count=min(asked.count, 2))  # noqa: E731
    async with on_tcp(manner, rtu=rtu) as (slave, url), polling(tmp_path, url, block_map(0.05, fields)) as intake:
        await intake.until(lambda: "current" in newest(intake), 30)
    assert newest(intake) == {"flow": 100.0, "level": 101.0, "pressure": 102.0, "current": 103.0}
    assert [(asked.address, asked.count) for asked in slave.asked[:3]] == [(100, 4), (100, 2), (102, 2)]


async def test_too_many_registers_are_halved_as_well(tmp_path: Path) -> None:
    fields = '{metric = "flow", address = 0}, {metric = "level", address = 5}'
    manner = lambda asked: Said(pdu=b"\x83\x03") if asked.count > 2 else PROMPT  # noqa: E731
    async with on_tcp(manner) as (_, url), polling(tmp_path, url, block_map(0.05, fields)) as intake:
        await intake.until(lambda: bool(intake.readings))
    assert newest(intake) == {"flow": 0.0, "level": 5.0}
    assert not intake.faults


async def test_one_value_in_part_is_a_fault(tmp_path: Path) -> None:
    fields = '{metric = "flow", address = 0, type = "float64"}'
    async with (
        on_tcp(lambda asked: Said(count=2)) as (_, url),
        polling(tmp_path, url, block_map(0.05, fields)) as intake,
    ):
        await intake.until(lambda: bool(intake.faults))
    assert (
        intake.faults[0].detail == "pump: unit 1 answers holding 0..3 (flow) in part: 4 values were asked for, 2 came"
    )


async def test_the_bus_says_short() -> None:
    async with on_tcp(lambda asked: Said(count=3)) as (_, url):
        bus = Bus(url, timeout_s=0.2)
        with pytest.raises(Short, match="16 values were asked for, 3 came"):
            await bus.read(1, "holding", 0, 16)
        bus.close()


def test_a_block_is_cut_between_fields_and_inside_texts() -> None:
    unit = Unit(device="a")
    fields = [
        Field(metric="flow", address=0, type="float32"),
        Field(metric="level", address=2, type="float32"),
        Field(metric="speed", address=4, type="float32"),
    ]
    (block,) = plan(unit, fields)
    assert [(part.address, part.count) for part in halve(unit, block)] in ([(0, 2), (2, 4)], [(0, 4), (4, 2)])
    (text,) = plan(unit, [Field(metric="firmware", address=0, type="string", length=40)])
    assert [(part.address, part.count) for part in halve(unit, text)] == [(0, 20), (20, 20)]
    (float64,) = plan(unit, [Field(metric="flow", address=0, type="float64")])
    assert halve(unit, float64) == []


def test_frames_are_found_behind_noise() -> None:
    frame = bytes.fromhex("0103020064") + crc(bytes.fromhex("0103020064"))
    assert RtuFraming().wrap(read_request(1, "holding", 0, 1), 0) == bytes.fromhex("010300000001840a")
    for noise in (b"", b"\x00", b"\xff\x03", b"\x01"):
        buffer = bytearray(noise + frame)
        answers, _ = RtuFraming().take(buffer)
        answers += RtuFraming().take(buffer, quiet=True)[0]
        assert [answer.pdu for answer in answers] == [bytes.fromhex("03020064")], noise
    torn = bytearray(frame[:4])
    assert RtuFraming().take(torn) == ([], 0)
    torn += frame[4:]
    assert len(RtuFraming().take(torn)[0]) == 1
    assert TcpFraming().take(bytearray(b"HTTP/1.1 400 Bad Request\r\n")) == ([], 26)


async def test_pathological_answers_are_cheap() -> None:
    began = time.process_time()
    buffer = bytearray()
    for _ in range(64):
        buffer += b"\x01\x03\xfa" * 341
        RtuFraming().take(buffer)
        assert len(buffer) <= 256
    assert time.process_time() - began < 64 * 1024 * 20e-6 * 5


# ------------------------------------------------------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("request_", "pdu", "count"),
    [
        # MODBUS Application Protocol V1.1b3: the examples of 6.1 to 6.6 and 6.12.
        (read_request(7, "coil", 0x13, 19), "0100130013", 19),
        (read_request(7, "discrete", 0xC4, 22), "0200c40016", 22),
        (read_request(7, "holding", 0x6B, 3), "03006b0003", 3),
        (read_request(7, "input", 8, 1), "0400080001", 1),
        (write_request(7, "coil", 0xAC, [1]), "0500acff00", 1),
        (write_request(7, "coil", 0xAC, [0]), "0500ac0000", 1),
        (write_request(7, "holding", 1, [3]), "0600010003", 1),
        (write_request(7, "holding", 1, [10, 258]), "1000010002" + "04000a0102", 2),
    ],
)
def test_requests_are_those_of_the_specification(request_: Request, pdu: str, count: int) -> None:
    assert (request_.unit, request_.pdu.hex(), request_.count) == (7, pdu, count)


@pytest.mark.parametrize(("online", "asked"), [(None, 2), (True, 2), (False, 1)])
async def test_a_unit_that_is_gone_is_asked_one_question_a_turn(
    online: bool | None, asked: int, tmp_path: Path
) -> None:
    """Each costs its neighbours the time that it is waited for."""
    path = tmp_path / "map.toml"
    path.write_text(
        block_map(
            fields=", ".join(
                f'{{metric = "{name}", address = {at}}}'
                for name, at in (("flow", 0), ("level", 200), ("pressure", 400))
            )
        )
    )
    async with on_tcp(lambda asked: Said(None)) as (slave, url):
        adapter = ModbusAdapter("plant", ModbusOptions(connect=url, map=str(path), timeout_s=0.05, retries=0))
        adapter.health[1].online = online
        cycle = await adapter._cycle(adapter.groups[0])
        adapter.bus.close()
    assert not cycle.answered
    assert len(slave.asked) == asked


async def test_a_chain_that_breaks_off_keeps_the_models_before_it() -> None:
    held = {40_000: [0x5375, 0x6E53], 40_002: [1, 66], 40_070: [103, 50]}

    async def read(address: int, count: int) -> list[int]:
        if address not in held:
            raise LookupError
        return held[address]

    assert [model.id for model in await discover(read, LookupError)] == [1, 103]
