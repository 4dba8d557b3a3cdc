"""The simulated city against a whole hub over real sockets: every protocol gets through, and the ledger balances."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.app.city import load_city
from hub.app.plugins import Plugins
from simulators import CITY, Player, changes_of, find
from simulators.devices.faults import Faults
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub
from tests.waiting import PATIENCE_S

PORTS = ("8080", "1883", "10110", "8808", "8527", "5023", "8329", "5055", "9212", "9651", "9875", "5683", "5020")
RUN_S = 6.0
"""Devices of the faulty city connect anew every 4 s."""


@pytest.fixture
def city(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """The demo's folder on free ports, and the address of each adapter."""
    folder = tmp_path / "city"
    shutil.copytree(CITY, folder)
    text = (folder / "hub.toml").read_text()
    moved = {port: str(free_port()) for port in PORTS}
    assert all(f':{port}"' in text for port in PORTS)
    text = re.sub(r':(\d{4,5})"', lambda found: f':{moved.get(found[1], found[1])}"', text)  # all at once: no chains
    (folder / "hub.toml").write_text(text)
    loaded, mistakes = load_city(folder, Plugins())
    assert loaded is not None, mistakes
    endpoints = {"http": f"http://{loaded.config.api.listen}"}
    for adapter in loaded.config.adapters:
        endpoints[adapter.name] = getattr(adapter.options, "listen", None) or adapter.options.connect
    return folder, endpoints


@pytest.fixture
def hub(city: tuple[Path, dict[str, str]]) -> Iterator[RunningHub]:
    """`cityhub run` on that folder."""
    folder, endpoints = city
    running = RunningHub(folder, int(endpoints["http"].rpartition(":")[2]))
    try:
        yield running
    finally:
        assert running.stop() == 0, "".join(running.said)


async def stop_once_heard(hub: RunningHub, names: set[str], seen: Callable[[], bool], stop: asyncio.Event) -> None:
    """End the play when it has run its time, every adapter has logged something, and what the play is for has been `seen`; in any case when
    only a hub that hangs would not have come to it."""

    def heard() -> bool:
        logged = {adapter["name"] for adapter in hub.get("/api/v1/status")["adapters"] if adapter["logged"]}
        return names <= logged and seen()

    try:
        await asyncio.sleep(RUN_S)
        async with asyncio.timeout(PATIENCE_S):
            while not await asyncio.to_thread(heard):
                await asyncio.sleep(0.5)
    finally:
        stop.set()


@pytest.mark.acceptance
@pytest.mark.parametrize("faulty", [False, True], ids=["well", "faulty"])
async def test_every_protocol_gets_through_and_the_ledger_balances(
    city: tuple[Path, dict[str, str]], hub: RunningHub, faulty: bool
) -> None:
    folder, endpoints = city
    names = set(endpoints) - {"http"}
    faults = Faults(duplicate=0.1, corrupt=0.05, loss=0.05, reconnect_every_s=4) if faulty else Faults()
    player = Player(folder, endpoints, lambda _: None, find(["overvoltage"]), faults=faults)

    def seen() -> bool:
        if faulty:
            return any(adapter["faults"] for adapter in hub.get("/api/v1/status")["adapters"])
        return any(change["subject"] == "substation-north" for change in changes_of(hub.get("/api/v1/alerts")))

    stop = asyncio.Event()
    ending = asyncio.create_task(stop_once_heard(hub, names, seen, stop))
    await player.play(stop)
    await ending
    status = hub.get("/api/v1/status")
    assert status["balances"]
    by_name = {adapter["name"]: adapter for adapter in status["adapters"]}
    if not faulty:
        assert {name: by_name[name]["faults"] for name in names if by_name[name]["faults"]} == {}
