"""Modbus polling against pymodbus's own server over real sockets, and against slaves that misbehave."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from adapters.modbus import poller
from adapters.modbus.bus import Bus, Down, Refused, parse_url
from adapters.modbus.poller import Group, Health, ModbusAdapter, ModbusOptions
from adapters.modbus.registers import Unit
from adapters.modbus.scan import scan
from adapters.modbus.values import ValueProblem, encode
from hub.bilingual import NOTHING, Text
from hub.cli import main
from hub.model import Fault, Message, Reading, Verdict


class Hub:
    """An intake that remembers."""

    def __init__(self, *verdicts: Verdict) -> None:
        self.messages: list[Message] = []
        self.states: list[tuple[str, str]] = []
        self._verdicts = list(verdicts)
        self._news = asyncio.Event()

    async def submit(self, messages: Sequence[Message]) -> list[Verdict]:
        verdict = self._verdicts.pop(0) if self._verdicts else Verdict.STORED
        if verdict is Verdict.STORED:
            self.messages += messages
        self._news.set()
        return [verdict] * len(messages)

    def rest_s(self) -> float:
        return 0.0

    def report(self, state: str, why: Text | str = NOTHING) -> None:
        self.states.append((state, str(why)))
        self._news.set()

    def now(self) -> int:
        return time.time_ns()

    def knows(self, device: str) -> bool:
        return True

    def attribute(self, device: str, name: str) -> None:
        return None

    @property
    def readings(self) -> list[Reading]:
        return [reading for message in self.messages for reading in message.readings]

    @property
    def faults(self) -> list[Fault]:
        return [fault for message in self.messages for fault in message.faults]

    async def until(self, ready: Callable[[], Any], seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while not ready():
                self._news.clear()
                await self._news.wait()


def words(address: int, values: list[int]) -> SimData:
    return SimData(address, values=values, datatype=DataType.REGISTERS)


def device(unit: int, holding: list[SimData]) -> SimDevice:
    bits = [SimData(0, values=[True, False, True] + [False] * 13, datatype=DataType.BITS)]
    return SimDevice(unit, simdata=(bits, list(bits), holding, [words(0, [7, 8, 9])]))


@asynccontextmanager
async def server(devices: list[SimDevice], framer: FramerType = FramerType.SOCKET) -> AsyncIterator[int]:
    one = ModbusTcpServer(devices, address=("127.0.0.1", 0), framer=framer)
    await one.listen()
    try:
        yield one.transport.sockets[0].getsockname()[1]
    finally:
        await one.shutdown()


@asynccontextmanager
async def slave(answer: Callable[[bytes], bytes | None]) -> AsyncIterator[int]:
    """A slave by hand, Modbus/TCP: `answer` gets unit and data unit, gives the data unit of its answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readexactly(6)
                body = await reader.readexactly(int.from_bytes(head[4:], "big"))
                pdu = answer(body)
                if pdu is not None:
                    writer.write(head[:4] + (len(pdu) + 1).to_bytes(2, "big") + body[:1] + pdu)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    one = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield one.sockets[0].getsockname()[1]
    finally:
        one.close()


@asynccontextmanager
async def running(adapter: ModbusAdapter, hub: Hub) -> AsyncIterator[None]:
    task = asyncio.create_task(adapter.run(hub))
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., ModbusAdapter]:
    def build(port: int, text: str, scheme: str = "tcp", **options: Any) -> ModbusAdapter:
        path = tmp_path / "map.toml"
        path.write_text(text)
        given = {"timeout_s": 0.15} | options
        return ModbusAdapter("pumps", ModbusOptions(connect=f"{scheme}://127.0.0.1:{port}", map=str(path), **given))

    return build


PUMP = """
[[devices]]
device = "pump-1"
unit = 1
every_s = 0.1
writable = true
fields = [
  {metric = "flow", address = 0, type = "float32", order = "CDAB"},
  {metric = "pressure", address = 4, type = "int16", scale = 0.1, unit = "bar", writable = true},
  {metric = "running", table = "coil", address = 2, writable = true},
  {metric = "door", table = "discrete", address = 1},
  {metric = "level", table = "input", address = 1, unit = "cm"},
]
"""
FLOW = encode(23.5, "float32", "CDAB")
EXPECTED = {"flow": 23.5, "pressure": 550.0, "running": True, "door": False, "level": 0.08}


@pytest.mark.parametrize(("scheme", "framer"), [("tcp", FramerType.SOCKET), ("rtu+tcp", FramerType.RTU)])
async def test_a_pump_is_read(make: Callable[..., ModbusAdapter], scheme: str, framer: FramerType) -> None:
    hub = Hub()
    async with (
        server([device(1, [words(0, [*FLOW, 0, 0, 55])])], framer) as port,
        running(make(port, PUMP, scheme), hub),
    ):
        await hub.until(lambda: len(hub.readings) >= 2)
    assert hub.states[0] == ("up", "")
    assert hub.readings[0].device == "pump-1"
    assert hub.readings[0].values == EXPECTED
    assert (hub.readings[1].observed_at or 0) > (hub.readings[0].observed_at or 0) > 0
    assert not hub.faults


async def test_bits_are_read_least_significant_first(make: Callable[..., ModbusAdapter]) -> None:
    text = '[[devices]]\ndevice = "a"\nunit = 17\nevery_s = 0.05\nfields = [{metric = "running", table = "coil", address = 19}, {metric = "open", table = "coil", address = 20}, {metric = "leak", table = "coil", address = 55}]'
    hub = Hub()
    async with slave(lambda body: bytes.fromhex("0105cd6bb20e1b")) as port, running(make(port, text), hub):
        await hub.until(lambda: hub.readings)
    assert hub.readings[0].values == {"running": True, "open": False, "leak": True}


async def test_an_address_that_is_not_there_costs_only_its_field(make: Callable[..., ModbusAdapter]) -> None:
    text = """
    [[devices]]
    device = "a"
    unit = 1
    every_s = 0.1
    fields = [
      {metric = "flow", address = 0},
      {metric = "pressure", address = 6},
      {metric = "level", address = 300},
    ]
    """
    hub = Hub()
    async with server([device(1, [words(0, [1, 2]), words(6, [3])])]) as port:
        adapter = make(port, text)
        async with running(adapter, hub):
            await hub.until(lambda: len(hub.readings) >= 3)
    assert all(reading.values == {"flow": 1.0, "pressure": 3.0} for reading in hub.readings)
    assert [fault.detail for fault in hub.faults] == ["a: unit 1 refuses holding 300 (level): illegal data address (2)"]
    assert [block.text for block in adapter.groups[0].blocks] == ["holding 0", "holding 6", "holding 300"]


async def test_a_dead_unit_costs_its_neighbours_one_time_out(make: Callable[..., ModbusAdapter]) -> None:
    asked: list[int] = []

    def answer(body: bytes) -> bytes | None:
        asked.append(body[0])
        return None if body[0] == 2 else bytes.fromhex("03020005")

    text = "".join(
        f'[[devices]]\ndevice = "d{unit}"\nunit = {unit}\nevery_s = 0.05\nfields = [{{metric = "flow", address = 0}}]\n'
        for unit in (1, 2)
    )
    hub = Hub()
    async with slave(answer) as port, running(make(port, text), hub):
        await hub.until(lambda: len(hub.readings) >= 10)
    assert asked.count(2) <= 2
    assert {reading.device for reading in hub.readings} == {"d1"}


async def test_a_unit_that_stays_silent_is_offline_and_comes_back(
    make: Callable[..., ModbusAdapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "BREAK_MAX_S", 0.01)
    dead = True
    text = '[[devices]]\ndevice = "a"\nunit = 9\nevery_s = 0.05\nfields = [{metric = "flow", address = 0}]'
    hub = Hub()
    async with (
        slave(lambda body: None if dead else bytes.fromhex("03020005")) as port,
        running(make(port, text, timeout_s=0.05), hub),
    ):
        await hub.until(lambda: hub.readings)
        dead = False
        await hub.until(lambda: len(hub.readings) >= 2)
    assert hub.readings[0].values == {"online": False}
    assert hub.readings[1].values == {"flow": 5.0, "online": True}
    states = [state for state, _ in hub.states]
    assert states[0] == "degraded"
    assert states.index("down") < states.index("up")


async def test_a_bus_that_is_down_is_tried_again(
    make: Callable[..., ModbusAdapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "RECONNECT_S", (0.05, 0.1))
    async with server([device(1, [words(0, [*FLOW, 0, 0, 55])])]) as port:
        pass
    hub = Hub()
    async with running(make(port, PUMP), hub):
        await hub.until(lambda: any(state == "down" for state, _ in hub.states))
        one = ModbusTcpServer([device(1, [words(0, [*FLOW, 0, 0, 55])])], address=("127.0.0.1", port))
        await one.listen()
        try:
            await hub.until(lambda: hub.readings)
        finally:
            await one.shutdown()
    assert hub.readings[0].values == EXPECTED


async def test_a_busy_hub_loses_no_reading(make: Callable[..., ModbusAdapter], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "FULL_LOG_PAUSE_S", 0.01)
    hub = Hub(Verdict.BUSY, Verdict.BUSY)
    async with server([device(1, [words(0, [*FLOW, 0, 0, 55])])]) as port, running(make(port, PUMP), hub):
        await hub.until(lambda: hub.readings)
    assert hub.readings[0].values == EXPECTED


async def test_a_gateway_for_one_master_is_let_go(make: Callable[..., ModbusAdapter]) -> None:
    hub = Hub()
    async with server([device(1, [words(0, [*FLOW, 0, 0, 55])])]) as port:
        adapter = make(port, PUMP, close_after_cycle=True, pause_ms=1, connect_pause_ms=1)
        async with running(adapter, hub):
            await hub.until(lambda: len(hub.readings) >= 3)
    assert all(reading.values == EXPECTED for reading in hub.readings)


async def test_writing_needs_permission_twice(make: Callable[..., ModbusAdapter]) -> None:
    async with server([device(1, [words(0, [*FLOW, 0, 0, 55])])]) as port:
        adapter = make(port, PUMP)
        await adapter.write("pump-1", "pressure", 700.0)
        await adapter.write("pump-1", "running", False)
        assert await adapter.bus.read(1, "holding", 4, 1) == [70]
        assert await adapter.bus.read(1, "coil", 2, 1) == [0]
        with pytest.raises(PermissionError, match="writable = true"):
            await adapter.write("pump-1", "flow", 1.0)
        with pytest.raises(PermissionError, match="has no level of pump-2"):
            await adapter.write("pump-2", "level", 1.0)
        with pytest.raises(ValueProblem):
            await adapter.write("pump-1", "pressure", 1e9)
        adapter.bus.close()


SUNSPEC = [
    *(0x5375, 0x6E53),
    *(1, 66, *[0] * 66),
    *(
        103,
        50,
        155,
        50,
        52,
        53,
        0xFFFF,
        400,
        400,
        400,
        2300,
        2310,
        0xFFFF,
        0xFFFF,
        3500,
        0,
        5000,
        0xFFFE,
        0x8000,
        0x8000,
        0,
        0,
        0x8000,
        0,
    ),
    *(0, 1234, 2, *[0x8000] * 25),
    *(0xFFFF, 0),
]


async def test_sunspec_models_are_found_and_read(make: Callable[..., ModbusAdapter]) -> None:
    text = '[[devices]]\ndevice = "inverter"\nunit = 1\nevery_s = 0.1\nsunspec = true'
    hub = Hub()
    async with server([device(1, [words(40000, SUNSPEC)])]) as port:
        async with running(make(port, text), hub):
            await hub.until(lambda: hub.readings)
        found = await scan(f"tcp://127.0.0.1:{port}", unit=1, start=40000, end=40001)
    values = hub.readings[0].values
    assert values["current"] == 15.5
    assert values["active_power"] == 3.5
    assert values["frequency"] == 50.0
    assert values["energy"] == 123.4
    assert "apparent_power" not in values
    assert [(model.id, model.length) for model in found.models] == [(1, 66), (103, 50)]


async def test_a_scan_reads_around_what_is_not_there() -> None:
    shown: list[tuple[int, int]] = []
    async with server([device(1, [words(0, [*FLOW]), words(10, [0x4142, 0x4344])])]) as port:
        found = await scan(
            f"tcp://127.0.0.1:{port}", unit=1, start=0, end=15, progress=lambda done, of: shown.append((done, of))
        )
    assert sorted(found.words)[:2] == [0, 1]
    assert [(low, high) for low, high, _ in found.refused] == [(2, 9), (12, 15)]
    assert any(
        (one.address, one.type, one.order, one.value) == (0, "float32", "CDAB", 23.5) for one in found.interpretations
    )
    assert any(one.value == "ABCD" for one in found.interpretations)
    assert shown[-1] == (16, 16)


async def test_a_scan_of_nothing() -> None:
    with pytest.raises(ValueError, match="no range"):
        await scan("tcp://127.0.0.1:1", start=5, end=1)
    with pytest.raises(ValueError, match="rtu\\+tcp"):
        await scan("udp://127.0.0.1:1")
    with pytest.raises(Down):
        await scan("tcp://127.0.0.1:1", timeout_s=0.2)


async def test_exceptions_have_their_names() -> None:
    async with slave(lambda body: bytes([body[1] | 0x80, 4])) as port:
        bus = Bus(f"tcp://127.0.0.1:{port}", timeout_s=0.2)
        with pytest.raises(Refused, match="server device failure"):
            await bus.read(1, "holding", 0, 1)
        bus.close()


async def test_a_busy_unit_is_asked_once_more(
    make: Callable[..., ModbusAdapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "BUSY_PAUSE_S", 0.0)
    answers: list[bytes] = [b"\x83\x06"]
    text = '[[devices]]\ndevice = "a"\nunit = 1\nevery_s = 5\nfields = [{metric = "flow", address = 0}]'
    hub = Hub()
    async with (
        slave(lambda body: answers.pop() if answers else bytes.fromhex("03020005")) as port,
        running(make(port, text), hub),
    ):
        await hub.until(lambda: hub.readings)
    assert hub.readings[0].values == {"flow": 5.0}
    assert not hub.faults


def test_the_breaker_asks_once_a_minute_at_last() -> None:
    health = Health()
    news = [health.failed(100.0) for _ in range(9)]
    assert news == [False, False, True, *[False] * 6]
    assert health.closed_until == 160.0
    assert health.answered() is True
    assert health.answered() is False


def test_the_beat_does_not_wander_with_the_jitter() -> None:
    unit = Unit(device="a", every_s=10.0, jitter_s=2.0)
    group = Group(unit, 10.0, [])
    group.start(0.0)
    first = group.due
    dues = []
    for _ in range(50):
        group.next(group.due)
        dues.append(group.due)
    assert all(abs(due - first - 10.0 * beat) <= 2.0 for beat, due in enumerate(dues, 1))
    group.next(5000.0)
    assert 5000.0 <= group.due <= 5002.0


def test_urls() -> None:
    assert parse_url("serial:///dev/ttyUSB0?baud=9600&parity=e")[:6] == ("serial", "/dev/ttyUSB0", 0, 9600, "E", 1)
    assert parse_url("rtu+tcp://10.0.0.5:4001").port == 4001
    for wrong in (
        "10.0.0.5",
        "tcp://",
        "serial:///dev/x?speed=1",
        "serial:///dev/x?baud=fast",
        "serial:///dev/x?parity=Q",
    ):
        with pytest.raises(ValueError, match=r".+"):
            parse_url(wrong)


def test_options_say_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text('[[devices]]\ndevice = "a"\nfields = [{metric = "flwo", address = 1}]')
    with pytest.raises(ValueError, match="was flow meant"):
        ModbusOptions(connect="tcp://127.0.0.1", map=str(path))


async def test_the_command_that_scans(capsys: pytest.CaptureFixture[str]) -> None:
    async with server([device(1, [words(0, [*FLOW])])]) as port:
        url = f"tcp://127.0.0.1:{port}"
        assert await asyncio.to_thread(main, ["modbus", "scan", url, "--to", "9", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert await asyncio.to_thread(main, ["modbus", "scan", url, "--from", "50", "--to", "52"]) == 1
    assert {"address": 0, "type": "float32", "order": "CDAB", "value": 23.5} in found["interpretations"]
    assert found["refused"] == [[2, 9, "illegal data address (2)"]]
    assert "50 to 52: illegal data address (2)" in capsys.readouterr().err
    assert await asyncio.to_thread(main, ["modbus", "scan", "udp://x"]) == 2
    assert "a bus is tcp://host:502" in capsys.readouterr().err


async def test_a_device_without_sunspec_is_named(make: Callable[..., ModbusAdapter]) -> None:
    hub = Hub()
    text = '[[devices]]\ndevice = "inverter"\nunit = 1\nsunspec = true'
    async with server([device(1, [words(0, [1, 2])])]) as port, running(make(port, text), hub):
        await hub.until(lambda: any(state == "degraded" for state, _ in hub.states))
    assert hub.states[-1] == ("degraded", "inverter: no SunSpec models at 40000, 50000, 0")
