"""The simulated city against a whole hub over real sockets: every protocol gets through, and the ledger balances."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hub.app.city import load_city
from hub.app.plugins import Plugins
from simulators import CITY, Player, changes_of, find
from simulators.devices.faults import Faults
from tests.acceptance.ports import free_port

PORTS = ("8080", "1883", "10110", "8808", "8527", "5023", "8329", "5055", "9212", "9651", "9875", "5683", "5020")
RUN_S = 14.0
LONGEST_S = 120.0
"""On a busy machine, and where chance has eaten a node's births: until everybody has been heard."""


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
def hub(city: tuple[Path, dict[str, str]]) -> Iterator[str]:
    """`cityhub run` on that folder; the address of its API."""
    folder, endpoints = city
    running = subprocess.Popen([sys.executable, "-m", "hub.cli", "run", str(folder)], stderr=subprocess.PIPE)
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{endpoints['http']}/api/v1/health", trust_env=False).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield endpoints["http"]
    finally:
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
    assert running.returncode == 0, said.decode()


async def set_once_heard(client: httpx.AsyncClient, hub: str, names: set[str], stop: asyncio.Event) -> None:
    """End the play when it has run its time and every adapter has logged something."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        while (took := loop.time() - began) < LONGEST_S:
            await asyncio.sleep(0.5)
            status = (await client.get(f"{hub}/api/v1/status")).json()
            heard = {adapter["name"] for adapter in status["adapters"] if adapter["logged"]}
            if took >= RUN_S and names <= heard and status["balances"]:
                return
    finally:
        stop.set()


@pytest.mark.acceptance
@pytest.mark.timeout(300)
@pytest.mark.parametrize("faulty", [False, True], ids=["well", "faulty"])
async def test_every_protocol_gets_through_and_the_ledger_balances(
    city: tuple[Path, dict[str, str]], hub: str, faulty: bool
) -> None:
    folder, endpoints = city
    faults = Faults(duplicate=0.1, corrupt=0.05, loss=0.05, reconnect_every_s=4) if faulty else Faults()
    player = Player(folder, endpoints, lambda _: None, find(["overvoltage"]), faults=faults)
    stop = asyncio.Event()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        ending = asyncio.create_task(set_once_heard(client, hub, set(endpoints) - {"http"}, stop))
        await player.play(stop)
        await ending
        status = (await client.get(f"{hub}/api/v1/status")).json()
        alerts = (await client.get(f"{hub}/api/v1/alerts")).json()
    by_name = {adapter["name"]: adapter for adapter in status["adapters"]}
    assert status["balances"]
    for name in set(endpoints) - {"http"}:
        assert by_name[name]["logged"] > 0, by_name[name]
        if not faulty:
            assert not by_name[name]["faults"], by_name[name]
    if faulty:
        assert sum(sum(adapter["faults"].values()) for adapter in by_name.values()) > 0
    assert any(change["subject"] == "substation-north" for change in changes_of(alerts)) or faulty
