"""Three machines that share the parts of the rules, over real servers of the log: each is killed in turn, and what they say together is what one
engine says of the log. `CITY_SERVERS=3` in the environment runs it over three servers instead of one."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from hub.app.city import load_city
from hub.app.plugins import Plugins
from hub.app.telemetry import noted_by_the_hub
from hub.log.jetstream import JetStreamLog, Servers
from hub.model import AlertChange
from hub.moment import SECOND
from rules.engine import Engine
from tests.acceptance.nats_server import NatsServer, cluster
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city
from tests.acceptance.test_partitioned_hub import CARS, RULES, drive
from tests.cluster.machines import log_toml
from tests.hub.logs import everything
from tests.laws.test_partitions import per_subject
from tests.oracle.desk import Desk
from tests.oracle.judge import deliveries
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.acceptance

PARTS = 3
NODES = ("n1", "n2", "n3")
TAKE_OVER_S = 10.0
SINK = '[[sinks]]\nname = "desk"\nprotocol = "webhook"\nurl = "http://127.0.0.1:{port}/"\n'
SERVERS = int(os.environ.get("CITY_SERVERS", "1"))


class Nodes:
    """Machines that all do everything."""

    def __init__(self, folder: Path, toml: str) -> None:
        self.ports = {name: free_port() for name in NODES}
        self.folders = {name: write_city(folder / name, toml, port, RULES) for name, port in self.ports.items()}
        for name in NODES:
            with (self.folders[name] / "devices.csv").open("a") as registry:
                registry.writelines(f"car-{n},car-{n},vehicle,,,,,,\n" for n in range(CARS))
        self.hubs = {name: self.run(name) for name in NODES}

    def run(self, name: str) -> RunningHub:
        return RunningHub(self.folders[name], self.ports[name], ready="Ctrl-C stops it", more=["--node", name])

    def holders(self) -> dict[str, list[str]]:
        """By part of the rules, and `rules` itself: the machines that do it."""
        alive = {name: hub for name, hub in self.hubs.items() if hub.process.poll() is None}
        roles = ["rules", *(f"rules-{part}" for part in range(PARTS))]
        return {
            role: [name for name, hub in alive.items() if hub.has_said(f"{role}: this machine does it now")]
            for role in roles
        }

    def settle(self) -> float:
        """Wait until each is done by one machine; the seconds that took."""
        began = time.monotonic()
        while any(len(names) != 1 for names in self.holders().values()):
            said = {name: hub.said for name, hub in self.hubs.items()}
            assert time.monotonic() < began + PATIENCE_S, (self.holders(), said)
            time.sleep(0.05)
        return time.monotonic() - began

    def see_what_is_said(self) -> None:
        """Each machine says which parts it judges, and all say of each part who does it."""
        shared = [f"rules-{part}" for part in range(PARTS)]
        held = {role: names[0] for role, names in self.holders().items() if role in shared}
        wanted = {f"role/{role}": f"{holder} does it" for role, holder in held.items()}
        for name, hub in self.hubs.items():
            own = [role for role in shared if held[role] == name]
            assert [role for role in json.loads(hub.get("/readyz"))["roles"] if role in shared] == own
            readers = [reader["reader"] for reader in hub.get("/api/v1/status")["readers"]]
            assert [reader for reader in readers if reader in shared] == own
            hub.wait(lambda hub=hub: wanted.items() <= _parts(hub).items(), "it does not say who judges")

    def kill(self, name: str) -> float:
        """Gives the seconds until others do all that it did."""
        self.hubs[name].process.send_signal(signal.SIGKILL)
        self.hubs[name].wait_end()
        took = self.settle()
        self.hubs[name] = self.run(name)
        return took

    def wait_judged(self) -> None:
        """Until all that is in the log now is judged, and told."""
        hub = self.hubs[self.holders()["rules"][0]]
        hub.wait(lambda: hub.reader("rules")["behind"] == 0, "the rules did not keep up")

    def end(self) -> None:
        for hub in self.hubs.values():
            if hub.process.poll() is None:
                hub.stop()


class Traffic(threading.Thread):
    """Cars that cross borders, told to whichever machine answers."""

    def __init__(self, nodes: Nodes) -> None:
        super().__init__(daemon=True)
        self._nodes, self._chance = nodes, random.Random(3)
        self.over = threading.Event()
        self.rounds = 0

    def run(self) -> None:
        start = time.time_ns() // SECOND * SECOND - 3600 * SECOND
        for number in itertools.count():
            for row in drive(number % 12, start + number * 20 * SECOND):
                while not self.over.is_set():
                    hub = self._nodes.hubs[self._chance.choice(NODES)]
                    try:
                        if hub.process.poll() is None and hub.post("/api/v1/readings", row)[0] == 200:
                            break
                    except OSError:
                        pass
                    time.sleep(0.05)
            self.rounds = number + 1
            if self.over.wait(0.2):
                return


@pytest.mark.timeout(600)
async def test_whichever_machine_is_killed_they_say_what_one_engine_says(tmp_path: Path) -> None:
    if SERVERS > 1:
        servers = await asyncio.to_thread(cluster, tmp_path / "servers", SERVERS)
    else:
        servers = [NatsServer(tmp_path / "servers")]
        servers[0].start()
    desk, port = Desk(random.Random(7), 0.1), free_port()
    await desk.open(port)
    try:
        toml = log_toml(servers) + SINK.format(port=port) + f"[rules]\npartitions = {PARTS}\n"
        nodes = await asyncio.to_thread(Nodes, tmp_path, toml)
        await asyncio.to_thread(nodes.settle)
        await asyncio.to_thread(nodes.see_what_is_said)
        shares = [names[0] for role, names in nodes.holders().items() if role != "rules"]
        traffic = Traffic(nodes)
        traffic.start()
        took = []
        for name in (*NODES, NODES[0]):
            before = traffic.rounds
            await _until(lambda before=before: traffic.rounds >= before + 5)
            took.append(await asyncio.to_thread(nodes.kill, name))
            print(f"{name} killed: {took[-1]:.1f} s; {nodes.holders()}", flush=True)
        before = traffic.rounds
        await _until(lambda: traffic.rounds >= before + 5)
        traffic.over.set()
        await asyncio.to_thread(traffic.join, PATIENCE_S)
        desk.well()
        await asyncio.to_thread(nodes.wait_judged)
        connection = Servers([one.url for one in servers])
        log = JetStreamLog(connection, "cityhub", len(servers))
        await asyncio.to_thread(nodes.end)
        events, alerts, derived = (everything(log, name) for name in ("events", "alerts", "derived"))
        await log.close()
        connection.close()
    finally:
        desk.close()
        for server in servers:
            server.kill()
    city, mistakes = load_city(tmp_path / NODES[0], Plugins())
    assert city is not None, mistakes
    engine = Engine(city.book, city.registry.devices.values(), city.registry.zones.values())
    outcome = engine.feed(events)
    assert per_subject(_plain(alerts)) == per_subject(_plain(outcome.changes))
    assert sorted(map(str, outcome.derived)) == sorted(str(one) for one in derived if not noted_by_the_hub(one))
    wrong: list[str] = []
    deliveries(alerts, desk.heard, wrong)
    assert wrong == []
    print(f"{len(events)} events, {len(alerts)} changes; shares at first {shares}; taken over after {took}")
    assert len({change.subject for change in alerts}) >= CARS
    assert max(took) <= TAKE_OVER_S


def _parts(hub: RunningHub) -> dict[str, str]:
    """By part of the machine, what it says of itself."""
    return {part["part"]: part["reason"] for part in hub.get("/api/v1/status")["parts"]}


def _plain(changes: list[AlertChange]) -> list[AlertChange]:
    """Without cameras, which the hub adds."""
    for change in changes:
        change.cameras, change.handover = [], []
    return changes


async def _until(ready: object, seconds: float = PATIENCE_S) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(ready):  # type: ignore[arg-type]
            await asyncio.sleep(0.05)
