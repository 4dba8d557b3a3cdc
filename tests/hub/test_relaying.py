"""A command finds its device on whichever machine of the city it is connected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from hub.app import relaying
from hub.app.city import load_city
from hub.app.commanding import Commander
from hub.app.hub import Hub
from hub.app.plugins import Plugins
from hub.app.relaying import Relay
from hub.log.jetstream import Servers, ServersBoard
from hub.model import Message, OperatorAction
from hub.ports import DeviceCommand, LogFull, NotKnown, NotReached, NotSupported
from simulators.devices.jt808 import Jt808
from simulators.devices.report import Report
from simulators.devices.terminal import Terminal
from tests.acceptance.nats_server import NatsServer
from tests.acceptance.running import write_city
from tests.cluster.machines import log_toml
from tests.hub.logs import everything
from tests.hub.test_commands import DEVICE, PHONE, TRACKERS, port, until

LOCATE = DeviceCommand("locate")


class Connected:
    """An adapter with one device, which answers what it is told to."""

    def __init__(self, *devices: str) -> None:
        self.devices, self.asked = devices, list[str]()
        self.answers: Callable[[], Awaitable[Message | None]] = self._well

    async def _well(self) -> Message | None:
        return Message([], [], body={"heard": True})

    def codec_of(self, device: str) -> Any:
        return object() if device in self.devices else None

    async def ask(self, device: str, order: Any, wait_s: float) -> Message | None:
        self.asked.append(device)
        return await self.answers()


class Machine:
    def __init__(self, url: str, *devices: str) -> None:
        self.servers = Servers([url])
        self.adapter, self.noted, self.audited = Connected(*devices), list[OperatorAction](), 0
        self.full = False
        plugin = SimpleNamespace(protocol="own", order=self._order)
        own = Commander({"own": self.adapter}, {"own": plugin}, self._note, lambda: 0)  # type: ignore[dict-item]
        self.relay = Relay(own, ServersBoard(self.servers, "test"))

    def _order(self, _: Any, __: str, wanted: DeviceCommand) -> Any:
        if wanted.command == "explode":
            raise NotSupported("own knows locate")
        if wanted.seconds == 0:
            raise ValueError("seconds is 0; more was meant")

    async def _note(self, action: OperatorAction) -> None:
        if self.full:
            raise LogFull("the log is full")
        self.noted.append(action)

    async def command(self, device: str, wanted: DeviceCommand = LOCATE) -> Any:
        async def allowed() -> None:
            self.audited += 1

        return await self.relay.command(device, wanted, "Li Na", 0.2, allowed)


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[list[Machine]]:
    server = NatsServer(tmp_path)
    server.start()
    made = [Machine(server.url, "own:1"), Machine(server.url, "own:2"), Machine(server.url)]
    yield made
    for machine in made:
        await asyncio.to_thread(machine.servers.close)
    server.kill()


async def test_the_machine_that_has_the_device_sends_it_and_notes_it(machines: list[Machine]) -> None:
    first, second, third = machines
    for asked in (first, third):
        assert await asked.command("own:2") == {"heard": True}
    assert second.adapter.asked == ["own:2"] * 2
    assert [(action.who, action.target) for action in second.noted] == [("Li Na", "own:2")] * 2
    assert (first.audited, second.audited, third.audited) == (1, 0, 1)
    assert first.noted == third.noted == []
    assert first.adapter.asked == []
    assert await first.command("own:1") == {"heard": True}
    assert len(first.noted) == 1


async def test_what_is_refused_there_is_refused_here_before_anything_is_audited(machines: list[Machine]) -> None:
    first, second, _ = machines
    with pytest.raises(NotSupported, match="own knows locate"):
        await first.command("own:2", DeviceCommand("explode"))
    with pytest.raises(ValueError, match="more was meant"):
        await first.command("own:2", DeviceCommand("interval", seconds=0))
    with pytest.raises(NotReached, match="any machine of this city"):
        await first.command("own:9")
    assert first.audited == 0
    second.full = True
    with pytest.raises(LogFull, match="the log is full"):
        await first.command("own:2")
    assert second.adapter.asked == []


async def test_an_answer_that_does_not_come_is_told_for_what_it_is(
    machines: list[Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = machines

    async def nothing() -> None:
        return None

    second.adapter.answers = nothing
    assert await first.command("own:2") is None  # sent, and the device has not answered
    monkeypatch.setattr(relaying, "MORE_S", 0.1)
    second.adapter.answers = asyncio.Event().wait  # type: ignore[assignment]
    with pytest.raises(NotKnown, match="not known whether the command was sent"):
        await first.command("own:2")
    assert second.adapter.asked == ["own:2"] * 2  # and never twice for one command


@asynccontextmanager
async def door(folder: Path, log: str, node: str) -> AsyncIterator[Hub]:
    write_city(folder, TRACKERS + log)
    (folder / "hub.toml").write_text((folder / "hub.toml").read_text() + '\n[api]\nlisten = "127.0.0.1:0"\n')
    city, mistakes = load_city(folder, Plugins())
    assert city is not None, mistakes
    hub = Hub(city, node=node, roles=["ingest", "api"])
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()


async def test_a_terminal_at_one_door_is_told_by_the_console_of_another(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "servers")
    server.start()
    try:
        async with AsyncExitStack() as stack:
            has, asked = [
                await stack.enter_async_context(door(tmp_path / name, log_toml([server]), name))
                for name in ("d1", "d2")
            ]
            await until(lambda: bool(getattr(has.sources.adapters.get("trackers"), "bound", "")), 60)
            terminal = Terminal(DEVICE, Jt808(PHONE, "A12345"))
            running = asyncio.create_task(terminal.run(f"tcp://127.0.0.1:{port(has, 'trackers')}"))
            terminal.send(Report(has.now(), {"speed": 36.0}, 121.49, 31.24))
            await until(lambda: DEVICE in asked.live.devices, 60)
            async with httpx.AsyncClient(base_url=asked.address, timeout=60) as person:
                path = f"/api/v1/devices/{DEVICE}/command"
                answer = await person.post(path, json={"command": "locate", "wait_s": 20, "who": "Li Na"})
                assert answer.status_code == 200, answer.text
                assert answer.json()["answer"]["location"]["speed_kmh"] == 36.0
                assert (await person.post(path, json={"command": "explode"})).status_code == 409
                nobody = await person.post("/api/v1/devices/jt808:nobody/command", json={"command": "locate"})
                assert (nobody.status_code, "any machine of this city" in nobody.text) == (404, True)
            noted = [one for one in await asyncio.to_thread(everything, has.log) if isinstance(one, OperatorAction)]
            assert [(action.who, action.action, action.target) for action in noted] == [("Li Na", "command", DEVICE)]
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    finally:
        server.kill()
