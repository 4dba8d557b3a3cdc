"""A city on several machines: two take in and show, one judges, stores and delivers, one stands by for it; over one server of the log or three.
Whichever is killed, nothing that was acknowledged is lost, doubled, or told twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from collections import Counter
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from hub.cli.serving import OVERTAKEN
from hub.log.jetstream import JetStreamLog, Servers
from hub.model import AlertChange, Reading
from tests.acceptance.nats_server import NatsServer, cluster
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city
from tests.cluster.machines import log_toml
from tests.hub.logs import everything
from tests.oracle.desk import Desk
from tests.oracle.judge import deliveries, implied

pytestmark = pytest.mark.acceptance

TAKE_OVER_S, TAKE_OVER_BUSY_S = 10.0, 30.0
"""How long taking over may take: what is promised, held in `make oracle-cluster`; and where other tests share the cores (5 s of it are the lease's)."""
RESTARTED_S = 2.0
"""How long a device may wait while machines and servers are restarted in order, one after the other."""
DEPTHS = [0.05, 0.2, 0.5, 0.3, 0.02]
"""Metres: yellow, red, and clear again."""
WORKS, STANDS_BY = "Ctrl-C stops it", "standing by"
DOORS, WORKERS = ("d1", "d2"), ("w1", "w2")
DOOR, WORKER = ("ingest", "api"), ("store", "delivery", "rules")
SINK = '[[sinks]]\nname = "desk"\nprotocol = "webhook"\nurl = "http://127.0.0.1:{port}/"\n'


class Machines:
    """Each with a folder of its own."""

    overtaken = 0
    """How often one that worked has lost its lease by itself."""

    def __init__(self, folder: Path, toml: str) -> None:
        self.ports = {name: free_port() for name in (*DOORS, *WORKERS)}
        self.folders = {name: write_city(folder / name, toml, port) for name, port in self.ports.items()}
        self.hubs = {"w1": self.run("w1", WORKS)}
        self.hubs |= {name: self.run(name, WORKS) for name in DOORS}
        self.hubs["w2"] = self.run("w2", STANDS_BY)

    def run(self, name: str, ready: str) -> RunningHub:
        roles = DOOR if name.startswith("d") else WORKER
        more = ["--role", ",".join(roles), "--node", name]
        return RunningHub(self.folders[name], self.ports[name], ready=ready, more=more)

    def kill_door(self, name: str) -> None:
        self.hubs[name].kill()
        self.hubs[name] = self.run(name, WORKS)

    def restart_door(self, name: str) -> None:
        assert self.hubs[name].stop() == 0, self.hubs[name].said
        self.hubs[name] = self.run(name, WORKS)

    def lose_worker(self, by: signal.Signals) -> float:
        """Gives the seconds until the other works: from its loss, or, where it ends in order, from its end, for until then it works."""
        works = self.settled()
        (waits,) = {*WORKERS} - {works}
        lost, heir = self.hubs[works], self.hubs[waits]
        began = time.monotonic()
        lost.process.send_signal(by)
        if by == signal.SIGTERM:
            assert lost.wait_end() == 0, lost.said
            began = time.monotonic()
        heir.wait(lambda: heir.has_said(WORKS), "it did not take over", 60)
        took = time.monotonic() - began
        if by == signal.SIGSTOP:
            lost.process.send_signal(signal.SIGCONT)
        code = lost.wait_end()
        assert code == {signal.SIGKILL: -signal.SIGKILL, signal.SIGSTOP: OVERTAKEN, signal.SIGTERM: 0}[by], lost.said
        self.hubs[works] = self.run(works, STANDS_BY)
        return took

    def settled(self) -> str:
        """The worker that works, as soon as one does and the other stands by. Whoever has lost its lease, because servers were lost, is
        started again, as the service does."""
        until = time.monotonic() + 120
        while True:
            for name in WORKERS:
                if self.hubs[name].process.poll() == OVERTAKEN:
                    self.hubs[name].wait_end()
                    self.overtaken += 1
                    self.hubs[name] = self.run(name, "")
            working = [name for name in WORKERS if self.hubs[name].has_said(WORKS)]
            standing = [name for name in WORKERS if self.hubs[name].has_said(STANDS_BY)]
            if len(working) == 1 and {*working, *standing} == {*WORKERS}:
                return working[0]
            assert time.monotonic() < until, {name: self.hubs[name].said for name in WORKERS}
            time.sleep(0.05)

    def end(self) -> None:
        self.settled()
        for hub in self.hubs.values():
            assert hub.stop() == 0, "".join(hub.said)


class Device(threading.Thread):
    """Sends one reading after another to its door, and to the other as soon as that one does not take it, until one says "stored"."""

    def __init__(self, machines: Machines, name: str, doors: list[str]) -> None:
        super().__init__(daemon=True)
        self.machines, self.device, self.doors = machines, name, doors
        self.acknowledged: list[tuple[str, int]] = []
        self.waited_max_s = 0.0
        self.over = threading.Event()
        self.gave_up = False

    def run(self) -> None:
        metric = "water_depth" if self.device == "underpass-1" else "water_level"
        while not self.over.is_set():
            at = time.time_ns() // 1_000_000
            depth = DEPTHS[len(self.acknowledged) % len(DEPTHS)]
            began = time.monotonic()
            while not self._stored({metric: depth}, at):
                if time.monotonic() - began > 60:
                    self.gave_up = True
                    return
                self.doors.reverse()
                time.sleep(0.05)
            self.waited_max_s = max(self.waited_max_s, time.monotonic() - began)
            self.acknowledged.append((self.device, at * 1_000_000))
            time.sleep(0.05)

    def _stored(self, values: dict[str, Any], at: int) -> bool:
        try:
            return self.machines.hubs[self.doors[0]].reading(values, self.device, time=at)[0] == 200
        except (OSError, HTTPException):  # also where a machine was killed in the middle of an answer
            return False


async def until(ready: Any, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(ready):
            await asyncio.sleep(0.1)


async def lose(machines: Machines, servers: list[NatsServer], what: str) -> float:
    """One part, which then comes again. Gives how long the taking over took, where there was one."""
    how, _, part = what.partition(" ")
    if part.startswith("server"):
        server = servers[int(part[-1]) - 1]
        if how == "kill":
            server.kill()
            await asyncio.sleep(1)
            await asyncio.to_thread(server.start)
            await until(lambda: server.current)  # two lost are a majority
        else:
            await asyncio.to_thread(server.restart)
        return 0.0
    if part in DOORS:
        await asyncio.to_thread(machines.kill_door if how == "kill" else machines.restart_door, part)
        return 0.0
    by = {"kill": signal.SIGKILL, "pause": signal.SIGSTOP, "restart": signal.SIGTERM}[how]
    return await asyncio.to_thread(machines.lose_worker, by)


SEEDS = [int(seed) for seed in os.environ.get("ORACLE_SEEDS", "1 2").split()]
LOSSES = int(os.environ.get("ORACLE_LOSSES", "10"))
"""What `make oracle-cluster` is told by SEEDS and LOSSES."""
ROWS = "/api/v1/series?device=underpass-1&metric=water_depth&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z"


def seeded(seed: int, count: int) -> list[str]:
    chosen = random.Random(seed)
    parts = ["kill d1", "kill d2", "kill worker", "pause worker", "kill server-1", "kill server-2", "kill server-3"]
    return [chosen.choice(parts) for _ in range(count)]


ROLLING = [f"restart {part}" for part in ("d1", "d2", "worker", "worker", "server-1", "server-2", "server-3")]


@pytest.mark.parametrize(
    ("servers", "losses"),
    [
        pytest.param(1, ["kill d1", "kill worker"], id="one-server"),
        pytest.param(3, ROLLING, id="restarted", marks=pytest.mark.slow),
        *(
            pytest.param(3, seeded(seed, LOSSES), id=f"three-servers-seed-{seed}", marks=pytest.mark.slow)
            for seed in SEEDS
        ),
    ],
)
@pytest.mark.timeout(1800)
async def test_whichever_machine_is_lost_nothing_is_lost_or_doubled(
    tmp_path: Path, servers: int, losses: list[str]
) -> None:
    running = (
        await asyncio.to_thread(cluster, tmp_path / "servers", servers)
        if servers > 1
        else [NatsServer(tmp_path / "servers")]
    )
    if servers == 1:
        running[0].start()
    desk = Desk(random.Random(7), 0.1)
    port = free_port()
    await desk.open(port)
    try:
        machines = await asyncio.to_thread(Machines, tmp_path, log_toml(running) + SINK.format(port=port))
        devices = [Device(machines, "underpass-1", ["d1", "d2"]), Device(machines, "gauge-7", ["d2", "d1"])]
        for device in devices:
            device.start()
        took = []
        for what in losses:
            before = sum(len(device.acknowledged) for device in devices)
            await until(lambda before=before: sum(len(device.acknowledged) for device in devices) > before + 10)
            took.append(await lose(machines, running, what))
        before = sum(len(device.acknowledged) for device in devices)
        await until(lambda: sum(len(device.acknowledged) for device in devices) > before + 20)
        await asyncio.to_thread(see_what_the_doors_show, machines)
        for device in devices:
            device.over.set()
            await asyncio.to_thread(device.join, 90)
            assert not device.gave_up
        desk.well()
        connection = Servers([one.url for one in running])
        log = JetStreamLog(connection, "cityhub", servers)
        await until(lambda: len(desk.heard) >= len(everything(log, "alerts")) > 5)
        await asyncio.to_thread(machines.end)
        events, alerts, derived = (everything(log, name) for name in ("events", "alerts", "derived"))
        await log.close()
        connection.close()
    finally:
        desk.close()
        for server in running:
            server.kill()
    acknowledged = [one for device in devices for one in device.acknowledged]
    changes = [seconds for seconds in took if seconds]
    print(
        f"{len(losses)} losses ({', '.join(losses)}), {len(acknowledged)} readings acknowledged, {len(alerts)} changes of warnings; {machines.overtaken} leases lost with servers; another took over after {max(changes, default=0):.1f} s at most; "
        f"a device waited {max(device.waited_max_s for device in devices):.1f} s at most"
    )
    judge(machines, acknowledged, events, alerts, derived, desk.heard)
    assert max(changes, default=0.0) <= (TAKE_OVER_S if servers > 1 else TAKE_OVER_BUSY_S), took
    if losses == ROLLING:
        assert max(device.waited_max_s for device in devices) < RESTARTED_S


def see_what_the_doors_show(machines: Machines) -> None:
    """A door shows what the whole city knows, and says who does what."""
    for name in DOORS:
        hub = machines.hubs[name]
        ready = hub.get("/readyz")
        assert '"roles":["ingest","api"]' in ready
        # Of a machine that was lost a moment ago it may know nothing yet.
        hub.wait(lambda hub=hub: who_does_what(hub) == {"d1": list(DOOR), "d2": list(DOOR), machines.settled(): list(WORKER)}, "it does not hear who does what")  # fmt: skip
        hub.wait(lambda hub=hub: hub.get("/api/v1/alerts")["closed"], "it shows no warnings")
        hub.wait(lambda hub=hub: len(hub.get("/api/v1/devices")["devices"]) == 2, "it does not show both devices")
        hub.wait(lambda hub=hub: hub.get(ROWS)["rows"], "it has no history")
        hub.wait(lambda hub=hub: hub.get("/api/v1/status")["rules"], "it does not hear how the rules are")


def who_does_what(hub: RunningHub) -> dict[str, list[str]]:
    return {node["node"]: node["roles"] for node in hub.get("/api/v1/status")["nodes"]}


def judge(
    machines: Machines,
    acknowledged: list[tuple[str, int]],
    events: list[Any],
    alerts: list[Any],
    derived: list[Any],
    heard: list[dict[str, Any]],
) -> None:
    kept = Counter((one.device, one.observed_at) for one in events if isinstance(one, Reading))
    assert len(set(acknowledged)) == len(acknowledged) > 20
    assert not Counter(acknowledged) - kept, "acknowledged and not in the log"
    assert max(kept.values()) == 1, "in the log more than once"
    assert all(isinstance(change, AlertChange) for change in alerts)
    wrong: list[str] = []
    implied(machines.folders["w1"], events, alerts, derived, wrong)
    deliveries(alerts, heard, wrong)
    assert wrong == []


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        (["ingest", "rules"], "go together"),
        (["ingest", "api"], "[log] servers"),
    ],
)
def test_roles_that_are_not_safe_are_refused_at_start(tmp_path: Path, roles: list[str], said: str) -> None:
    folder = write_city(tmp_path / "city", "", free_port())
    done = cityhub("run", folder, "--role", ",".join(roles))
    assert done.returncode in (1, 2)
    assert said in done.stderr
