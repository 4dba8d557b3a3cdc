"""Machines that share the parts of the rules, over real servers of the log, with cars that cross borders; and what must hold of all that they said."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import re
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

from hub.app.city import load_city
from hub.app.plugins import Plugins
from hub.app.telemetry import noted_by_the_hub
from hub.log.jetstream import JetStreamFiles, JetStreamLog, Servers
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

NODES = ("n1", "n2", "n3")
SINK = '[[sinks]]\nname = "desk"\nprotocol = "webhook"\nurl = "http://127.0.0.1:{port}/"\n'
SERVERS = int(os.environ.get("CITY_SERVERS", "1"))
PARTS_LINE = re.compile(r"partitions = \d+")


TOLD_AGO_S = 12 * 3600
"""So long ago the first round of traffic was observed, each other 20 s later: what is observed in the future is refused, and long tests go on for hours of theirs."""


class Machines:
    """They all do everything."""

    def __init__(self, folder: Path, toml: str, parts: int, servers: list[NatsServer]) -> None:
        """`parts`: of the rules."""
        self.parts, self.servers = parts, servers
        toml += f"[rules]\npartitions = {parts}\n"
        self.ports = {name: free_port() for name in NODES}
        self.folders = {name: write_city(folder / name, toml, port, RULES) for name, port in self.ports.items()}
        for name in NODES:
            with (self.folders[name] / "devices.csv").open("a") as registry:
                registry.writelines(f"car-{n},car-{n},vehicle,,,,,,\n" for n in range(CARS))
        self.hubs = {name: self.run(name) for name in NODES}

    def run(self, name: str) -> RunningHub:
        return RunningHub(self.folders[name], self.ports[name], ready="Ctrl-C stops it", more=["--node", name])

    def does(self) -> dict[str, list[str]]:
        """By machine that is alive and answers: what it does."""
        found = {}
        for name, hub in self.hubs.items():
            if hub.process.poll() is None:
                try:
                    found[name] = json.loads(hub.get("/readyz"))["roles"]
                except OSError:
                    found[name] = []
        return found

    def roles(self) -> list[str]:
        """What one machine at a time is to do."""
        return ["rules", *(f"rules-{part}" for part in range(self.parts if self.parts > 1 else 0))]

    def holders(self) -> dict[str, list[str]]:
        """By part of the rules, and `rules` itself: the machines that do it."""
        found: dict[str, list[str]] = {role: [] for role in self.roles()}
        for name, does in self.does().items():
            for role in does:
                if role.startswith("rules"):
                    found.setdefault(role, []).append(name)
        return found

    def shares(self) -> list[int]:
        """How many parts each machine has, fewest first."""
        return sorted(sum(role.startswith("rules-") for role in does) for does in self.does().values())

    def settle(self) -> float:
        """Wait until each is done by one machine, and nothing else is done of the rules; the seconds that took."""
        return self.wait(
            lambda: (held := self.holders()).keys() == set(self.roles()) and all(len(one) == 1 for one in held.values())
        )

    def wait(self, ready: Callable[[], bool]) -> float:
        began = time.monotonic()
        while not ready():
            said = {name: hub.said for name, hub in self.hubs.items()}
            assert time.monotonic() < began + PATIENCE_S, (self.holders(), said)
            time.sleep(0.05)
        return time.monotonic() - began

    def see_what_is_said(self) -> None:
        """Each machine says which parts it judges, and all say of each part who does it, and of no other."""
        self.wait(self._is_said)

    def _is_said(self) -> bool:
        shared = self.roles()[1:]
        held = {role: names for role, names in self.holders().items() if role in shared}
        if any(
            len(names) != 1 for names in held.values()
        ):  # a part is going over from one machine, or generation, to the next
            return False
        wanted = {f"role/{role}": f"{names[0]} does it" for role, names in held.items()}
        for name, hub in self.hubs.items():
            try:
                status = hub.get("/api/v1/status")
            except OSError:  # it has ended, or begins
                return False
            own = [reader["reader"] for reader in status["readers"] if reader["reader"].startswith("rules-")]
            said = {one["part"]: one["reason"] for one in status["parts"] if one["part"].startswith("role/rules-")}
            if own != [role for role in shared if held[role] == [name]] or said != wanted:
                return False
        return True

    def said(self, hub: RunningHub) -> dict[str, str]:
        """By part of the machine, what it says of itself."""
        return {part["part"]: part["reason"] for part in hub.get("/api/v1/status")["parts"]}

    def kill(self, *names: str) -> float:
        """Gives the seconds until others do all that these did."""
        for name in names:
            self.hubs[name].process.send_signal(signal.SIGKILL)
            self.hubs[name].wait_end()
        return self.settle()

    def back(self, *names: str) -> None:
        for name in names:
            self.hubs[name] = self.run(name)

    def stop_short(self, name: str) -> None:
        """The machine does nothing more, and is not heard; kill it next."""
        self.hubs[name].process.send_signal(signal.SIGSTOP)

    @contextmanager
    def files(self) -> Iterator[JetStreamFiles]:
        """What the machines keep on the servers."""
        connection = Servers([one.url for one in self.servers])
        try:
            yield JetStreamFiles(connection, "cityhub", len(self.servers))
        finally:
            connection.close()

    def want(self, name: str, parts: int) -> None:
        """Write another number into the city folder of a machine."""
        toml = self.folders[name] / "hub.toml"
        toml.write_text(PARTS_LINE.sub(f"partitions = {parts}", toml.read_text()))

    def all_count(self) -> bool:
        """Whether each machine that is alive says of itself that its number of parts counts."""
        nodes = [
            node
            for name, hub in self.hubs.items()
            if hub.process.poll() is None
            for node in hub.get("/api/v1/status")["nodes"]
            if node["node"] == name
        ]
        return all(node["counts"] and node["partitions"] for node in nodes)

    def wait_judged(self) -> None:
        """Until all that is in the log now is judged, and told."""
        hub = self.hubs[self.holders()["rules"][0]]
        hub.wait(lambda: hub.reader("rules")["behind"] == 0, "the rules did not keep up")

    def end(self) -> None:
        for hub in self.hubs.values():
            if hub.process.poll() is None:
                hub.stop()


class Service(threading.Thread):
    """Starts machines again that have ended by themselves, as a service manager does: one that has lost its leases does that."""

    def __init__(self, machines: Machines) -> None:
        super().__init__(daemon=True)
        self._machines = machines
        self.over = threading.Event()
        self.starts = 0

    def run(self) -> None:
        while not self.over.wait(0.5):
            for name, hub in list(self._machines.hubs.items()):
                if hub.process.poll() is not None:
                    hub.wait_end()
                    with suppress(AssertionError):  # it does not start while no server answers
                        self._machines.back(name)
                        self.starts += 1


class Traffic(threading.Thread):
    """Cars that cross borders, told to whichever machine answers."""

    def __init__(self, machines: Machines) -> None:
        super().__init__(daemon=True)
        self._machines, self._chance = machines, random.Random(3)
        self.over = threading.Event()
        self.rounds = 0

    def run(self) -> None:
        start = time.time_ns() // SECOND * SECOND - TOLD_AGO_S * SECOND
        for number in itertools.count():
            for row in drive(number % 12, start + number * 20 * SECOND):
                while not self.over.is_set():
                    hub = self._machines.hubs[self._chance.choice(NODES)]
                    try:
                        if hub.process.poll() is None and hub.post("/api/v1/readings", row)[0] == 200:
                            break
                    except (OSError, HTTPException, ValueError):  # it ended in the middle of its answer
                        pass
                    time.sleep(0.05)
            self.rounds = number + 1
            if self.over.wait(0.2):
                return

    async def some(self) -> None:
        """Until some rounds more are driven."""
        before = self.rounds
        await until(lambda: self.rounds >= before + 5 or not self.is_alive())
        assert self.is_alive()


@asynccontextmanager
async def judged_alike(folder: Path, parts: int, count: int = SERVERS) -> AsyncIterator[tuple[Machines, Traffic]]:
    """Machines that judge in so many parts, over so many servers, and traffic. At the end: what all of them said is what one engine says of the log, and each warning was delivered once, in order."""
    if count > 1:
        servers = await asyncio.to_thread(cluster, folder / "servers", count)
    else:
        servers = [NatsServer(folder / "servers")]
        servers[0].start()
    desk, port = Desk(random.Random(7), 0.1), free_port()
    await desk.open(port)
    try:
        toml = log_toml(servers) + SINK.format(port=port)
        machines = await asyncio.to_thread(Machines, folder, toml, parts, servers)
        await asyncio.to_thread(machines.settle)
        await asyncio.to_thread(machines.wait, machines.all_count)
        await asyncio.to_thread(machines.see_what_is_said)
        traffic = Traffic(machines)
        traffic.start()
        yield machines, traffic
        await traffic.some()
        traffic.over.set()
        await asyncio.to_thread(traffic.join, PATIENCE_S)
        desk.well()
        await asyncio.to_thread(machines.wait_judged)
        connection = Servers([one.url for one in servers])
        log = JetStreamLog(connection, "cityhub", len(servers))
        await asyncio.to_thread(machines.end)
        events, alerts, derived = (everything(log, name) for name in ("events", "alerts", "derived"))
        await log.close()
        connection.close()
    finally:
        desk.close()
        for server in servers:
            server.kill()
    city, mistakes = load_city(folder / NODES[0], Plugins())
    assert city is not None, mistakes
    engine = Engine(city.book, city.registry.devices.values(), city.registry.zones.values())
    outcome = engine.feed(events)
    assert per_subject(_plain(alerts)) == per_subject(_plain(outcome.changes))
    assert sorted(map(str, outcome.derived)) == sorted(str(one) for one in derived if not noted_by_the_hub(one))
    wrong: list[str] = []
    deliveries(alerts, desk.heard, wrong)
    assert wrong == []
    assert len({change.subject for change in alerts}) >= CARS
    print(f"{len(events)} events, {len(alerts)} changes")


def _plain(changes: list[AlertChange]) -> list[AlertChange]:
    """Without cameras, which the hub adds."""
    for change in changes:
        change.cameras, change.handover = [], []
    return changes


async def until(ready: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(ready):
            await asyncio.sleep(0.05)
