"""A city on several machines, in any mix of roles: some take in, others judge, store or deliver, each by the lease of its role, and others stand by
for them; over one server of the log or three. Whichever is killed, nothing that was acknowledged is lost, doubled, or told twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from pprint import pformat
from typing import Any

import httpx
import pytest

from hub.cli.serving import OVERTAKEN
from hub.log.jetstream import JetStreamFiles, JetStreamLog, Servers
from hub.model import AlertChange, Reading
from hub.options import WORK
from hub.ports import SeriesQuery
from hub.store import open_store
from tests.acceptance.influx_server import influx_server
from tests.acceptance.nats_server import NatsServer, cluster
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city
from tests.cluster.machines import log_toml
from tests.hub.logs import everything
from tests.oracle.desk import Desk
from tests.oracle.judge import deliveries, implied
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.acceptance

TAKE_OVER_S, TAKE_OVER_BUSY_S = 10.0, 30.0
"""How long taking over may take: what is promised, held in `make oracle-cluster`; and where other tests share the cores (5 s of it are the lease's)."""
RESTARTED_S = 2.0
"""How long a device may wait while machines and servers are restarted in order, one after the other."""
STOPPED_S = 15.0
DEPTHS = [0.05, 0.2, 0.5, 0.3, 0.02]
"""Metres: yellow, red, and clear again."""
STARTED, STANDS_BY = "Ctrl-C stops it", "standing by"
MIX = {"d1": "ingest,api", "d2": "ingest,api", "i1": "ingest", "r1": "rules", "s1": "store", "c1": "delivery", "w1": "store,delivery,rules"}  # fmt: skip
"""Every role on a machine of its own, two doors that show, one that only takes in, and one that stands by for all that one machine does at a time."""
FEWER = {name: roles for name, roles in MIX.items() if name != "d2"}
SINK = '[[sinks]]\nname = "desk"\nprotocol = "webhook"\nurl = "http://127.0.0.1:{port}/"\n'
PHONES = (
    '[[adapters]]\nname = "phones"\nprotocol = "osmand"\nlisten = "tcp://127.0.0.1:{port}"\nunknown_devices = "admit"\n'
)
INFLUX = '[store]\nkind = "influxdb"\nurl = "{url}"\nversion = 1\ndatabase = "city"\n'


def fills(role: str) -> str:
    """What a machine says when it has begun to fill a role."""
    return f"{role}: this machine does it now"


class Machines:
    """Each with a folder of its own. `mix`: machine → its roles; started all at once, or one after another in that order."""

    def __init__(self, folder: Path, toml: str, mix: dict[str, str], at_once: bool = True) -> None:
        self.roles = {name: roles.split(",") for name, roles in mix.items()}
        self.overtaken = 0
        """How often one that had a lease has lost it by itself."""
        self.ports = {name: free_port() for name in mix}
        self.phones = {name: free_port() for name in mix}
        self.folders = {
            name: write_city(folder / name, PHONES.format(port=self.phones[name]) + toml, port)
            for name, port in self.ports.items()
        }
        with ThreadPoolExecutor(len(mix) if at_once else 1) as pool:
            self.hubs = dict(zip(mix, pool.map(self.run, mix), strict=True))

    def run(self, name: str) -> RunningHub:
        more = ["--role", ",".join(self.roles[name]), "--node", name]
        return RunningHub(self.folders[name], self.ports[name], ready=STARTED, more=more)

    def again(self, name: str, by: signal.Signals) -> None:
        """One that fills no role of its own: ended, and started again."""
        self.hubs[name].process.send_signal(by)
        assert self.hubs[name].wait_end() == (0 if by == signal.SIGTERM else -by), self.hubs[name].said
        self.hubs[name] = self.run(name)

    def lose(self, role: str, by: signal.Signals, stopped_s: float = 0.0) -> float:
        """The machine that fills that role. Gives the seconds until others fill all that it did: from its loss, or, where it ends in order, from
        its end, for until then it works."""
        holders = self.settled()
        name = holders[role]
        lost, gone = self.hubs[name], [one for one, holder in holders.items() if holder == name]
        began = time.monotonic()
        lost.process.send_signal(by)
        if by == signal.SIGTERM:
            assert lost.wait_end() == 0, lost.said
            began = time.monotonic()
        heirs = [hub for other, hub in self.hubs.items() if other != name]
        for one in gone:
            lost_to = lambda one=one: any(hub.has_said(fills(one)) for hub in heirs if hub.process.poll() is None)  # noqa: E731
            wait_for(lost_to, lambda: {other: hub.said for other, hub in self.hubs.items()})
        took = time.monotonic() - began
        if by == signal.SIGSTOP:
            time.sleep(max(0.0, stopped_s - took))
            lost.process.send_signal(signal.SIGCONT)
            assert lost.wait_end() == OVERTAKEN, lost.said
            assert "has lost a lease" in lost.said[-1], lost.said
        elif by == signal.SIGKILL:
            assert lost.wait_end() == -signal.SIGKILL, lost.said
        self.hubs[name] = self.run(name)
        return took

    def holders(self) -> dict[str, list[str]]:
        """By role, the machines that fill it, as they have said themselves."""
        alive = {name: hub for name, hub in self.hubs.items() if hub.process.poll() is None}
        return {role: [name for name, hub in alive.items() if hub.has_said(fills(role))] for role in WORK}

    def settled(self) -> dict[str, str]:
        """Role → the machine that fills it, as soon as one does for each. Whoever has lost its lease, because servers were lost, is started
        again, as the service does."""
        found: dict[str, list[str]] = {}

        def each_by_one() -> bool:
            for name, hub in self.hubs.items():
                if hub.process.poll() == OVERTAKEN:
                    hub.wait_end()
                    self.overtaken += 1
                    self.hubs[name] = self.run(name)
            found.update(self.holders())
            return all(len(names) == 1 for names in found.values())

        wait_for(each_by_one, lambda: {name: hub.said for name, hub in self.hubs.items()})
        return {role: names[0] for role, names in found.items()}

    def end(self, last: str = "w1") -> None:
        """`last` fills every role before it ends, so that it has all of the log."""
        self.settled()
        for name, hub in self.hubs.items():
            if name != last:
                assert hub.stop() == 0, "".join(hub.said)
        hub = self.hubs[last]
        hub.wait(lambda: all(hub.has_said(fills(role)) for role in WORK), "it does not fill every role")
        assert hub.stop() == 0, "".join(hub.said)


def wait_for(ready: Callable[[], object], shown: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            pytest.fail(pformat(shown(), width=200))
        time.sleep(0.05)


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
                if time.monotonic() - began > PATIENCE_S:
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


class Phone(Device):
    """Tells a machine that only takes in where it is."""

    def _stored(self, values: dict[str, Any], at: int) -> bool:
        where = f"?id={self.device.partition(':')[2]}&timestamp={at}&lat=31.24&lon=121.49&batt=50"
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.machines.phones[self.doors[0]]}/{where}", timeout=20
            ) as answer:
                return answer.status == 200 and answer.read() == b""
        except (OSError, HTTPException):
            return False


async def until(ready: Any, seconds: float = PATIENCE_S) -> None:
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
    by = {"kill": signal.SIGKILL, "pause": signal.SIGSTOP, "restart": signal.SIGTERM}[how]
    if part in WORK:
        return await asyncio.to_thread(machines.lose, part, by)
    await asyncio.to_thread(machines.again, part, by)
    return 0.0


SEEDS = [int(seed) for seed in os.environ.get("ORACLE_SEEDS", "1 2").split()]
LOSSES = int(os.environ.get("ORACLE_LOSSES", "10"))
"""What `make oracle-cluster` is told by SEEDS and LOSSES."""
ROWS = "/api/v1/series?device=underpass-1&metric=water_depth&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z"


def seeded(seed: int, count: int) -> list[str]:
    chosen = random.Random(seed)
    worked = [f"{how} {role}" for role in WORK for how in ("kill", "pause")]
    parts = ["kill d1", "kill d2", "kill i1", *worked, "kill server-1", "kill server-2", "kill server-3"]
    return [chosen.choice(parts) for _ in range(count)]


ROLLING = [f"restart {part}" for part in ("d1", "d2", *WORK, *WORK, "server-1", "server-2", "server-3")]


@pytest.mark.parametrize(
    ("servers", "losses", "parts"),
    [
        pytest.param(1, ["kill d1", *(f"kill {role}" for role in WORK)], 1, id="one-server", marks=pytest.mark.long),
        pytest.param(1, ["kill rules", "kill delivery", "kill rules"], 3, id="shared-judging", marks=pytest.mark.slow),
        pytest.param(3, ROLLING, 1, id="restarted", marks=pytest.mark.slow),
        *(
            pytest.param(3, seeded(seed, LOSSES), parts, id=f"three-servers-seed-{seed}{more}", marks=pytest.mark.slow)
            for seed in SEEDS
            for parts, more in ((1, ""), (3, "-shared-judging"))
        ),
    ],
)
@pytest.mark.timeout(1800)
async def test_whichever_machine_is_lost_nothing_is_lost_or_doubled(
    tmp_path: Path, servers: int, losses: list[str], parts: int
) -> None:
    """`parts`: of the rules, shared by the machines that judge."""
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
    influx = ExitStack()
    try:
        url = influx.enter_context(influx_server(tmp_path / "influx"))
        await asyncio.to_thread(httpx.post, f"{url}/query", params={"q": "CREATE DATABASE city"})
        toml = log_toml(running) + SINK.format(port=port) + INFLUX.format(url=url) + f"[rules]\npartitions = {parts}\n"
        machines = await asyncio.to_thread(Machines, tmp_path, toml, MIX if servers > 1 else FEWER)
        doors = [name for name, roles in machines.roles.items() if "api" in roles]
        devices = [
            Device(machines, "underpass-1", [*doors]),
            Device(machines, "gauge-7", [*reversed(doors)]),
            Phone(machines, "osmand:phone-1", ["i1"]),
        ]
        for device in devices:
            device.start()
        took = []
        for what in losses:
            before = sum(len(device.acknowledged) for device in devices)
            await until(lambda before=before: sum(len(device.acknowledged) for device in devices) > before + 10)
            took.append(await lose(machines, running, what))
            print(f"{what}: {took[-1]:.1f} s", flush=True)
        before = sum(len(device.acknowledged) for device in devices)
        await until(lambda: sum(len(device.acknowledged) for device in devices) > before + 20)
        await asyncio.to_thread(see_what_the_doors_show, machines)
        for device in devices:
            device.over.set()
            await asyncio.to_thread(device.join, PATIENCE_S)
            assert not device.gave_up
        desk.well()
        connection = Servers([one.url for one in running])
        log = JetStreamLog(connection, "cityhub", servers)
        await until(lambda: len(desk.heard) >= len(everything(log, "alerts")) > 5)
        await asyncio.to_thread(machines.end)
        events, alerts, derived = (everything(log, name) for name in ("events", "alerts", "derived"))
        books = json.loads(JetStreamFiles(connection, "cityhub", servers).read("ledger.json") or b"{}")
        await log.close()
        connection.close()
        wrong = history(url, tmp_path, [*events, *derived]) + kept_in(books, events)
    finally:
        influx.close()
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
    assert wrong == []
    assert max(changes, default=0.0) <= (TAKE_OVER_S if servers > 1 else TAKE_OVER_BUSY_S), took
    if losses == ROLLING:
        assert max(device.waited_max_s for device in devices[:2]) < RESTARTED_S


def see_what_the_doors_show(machines: Machines) -> None:
    """A door shows what the whole city knows, and says who does what."""
    for name in (name for name, roles in machines.roles.items() if "api" in roles):
        hub = machines.hubs[name]
        hub.wait(lambda hub=hub: ready_as(hub, ["ingest", "api"]), "it is not ready")
        # Of a machine that was lost a moment ago it may know nothing yet.
        hub.wait(lambda hub=hub: who_does_what(hub) == expected(machines), "it does not hear who does what")
        hub.wait(lambda hub=hub: hub.get("/api/v1/alerts")["closed"], "it shows no warnings")
        hub.wait(lambda hub=hub: len(hub.get("/api/v1/devices")["devices"]) == 3, "it does not show all devices")
        hub.wait(lambda hub=hub: hub.get(ROWS)["rows"], "it has no history")
        hub.wait(lambda hub=hub: hub.get("/api/v1/status")["rules"], "it does not hear how the rules are")


def expected(machines: Machines) -> dict[str, list[str]]:
    """What each machine does, given who holds the leases."""
    holders = machines.settled()
    return {name: [role for role in roles if holders.get(role, name) == name] for name, roles in machines.roles.items()}


def history(url: str, folder: Path, readings: Sequence[Any]) -> list[str]:
    """What of these readings the store does not have, or has otherwise: its newest row of a device, metric and time."""
    store = open_store("influxdb", {"url": url, "version": 1, "database": "city"}, folder)
    wrong = []
    for device, metric in (("underpass-1", "water_depth"), ("gauge-7", "water_level"), ("osmand:phone-1", "battery")):
        logged = {
            (one.observed_at, one.values[metric])
            for one in readings
            if isinstance(one, Reading) and one.device == device and metric in one.values
        }
        stored = [(row.time, row.value) for row in store.series(SeriesQuery(device=device, metric=metric))]
        if set(stored) != logged or len(stored) != len(logged) or not logged:
            wrong.append(
                f"{device}: {len(logged)} in the log, {len(stored)} stored, {len(logged - set(stored))} missing"
            )
    store.close()
    return wrong


def kept_in(books: dict[str, Any], events: Sequence[Any]) -> list[str]:
    """Whether the city's books, which moved from machine to machine, count what the log holds, and what became of it."""
    logged = Counter(one.adapter for one in events if isinstance(one, Reading))
    wrong = []
    for name, count in logged.items():
        counts = books["adapters"].get(name, {})
        answered = sum(books[what].get("store", {}).get(name, 0) for what in ("stored", "refused", "replaced"))
        if counts.get("logged") != count or answered != count or counts["received"] != count + counts["quarantined"] + counts["duplicate"]:  # fmt: skip
            wrong.append(f"{name}: {count} in the log, {counts} and {answered} answered by the store in the books")
    return wrong


def ready_as(hub: RunningHub, roles: list[str]) -> bool:
    """Whether it is ready, and says that it does this."""
    try:
        return bool(json.loads(hub.get("/readyz"))["roles"] == roles)
    except OSError:  # 503, with the reason
        return False


def who_does_what(hub: RunningHub) -> dict[str, list[str]]:
    """Without the parts of the rules, of which any machine that has the role may do any number."""
    nodes = hub.get("/api/v1/status")["nodes"]
    return {node["node"]: [role for role in node["roles"] if not role.startswith("rules-")] for node in nodes}


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
    implied(next(iter(machines.folders.values())), events, alerts, derived, wrong)
    deliveries(alerts, heard, wrong)
    assert wrong == []


@pytest.mark.parametrize("first", ["everything", pytest.param("parts", marks=pytest.mark.long)])
@pytest.mark.timeout(1800)
async def test_mixes_that_overlap_come_to_work_whatever_starts_first(tmp_path: Path, first: str) -> None:
    """And a holder that is stopped for longer than its lease lasts says nothing more when it goes on, and ends."""
    mix = {"c": "rules,delivery", "b": "store", "a": "ingest,api,store,delivery,rules"}
    if first == "everything":
        mix = dict(reversed(mix.items()))
    server, desk, port = NatsServer(tmp_path / "servers"), Desk(random.Random(7), 0.0), free_port()
    server.start()
    await desk.open(port)
    try:
        toml = log_toml([server]) + SINK.format(port=port)
        machines = await asyncio.to_thread(Machines, tmp_path, toml, mix, False)
        holders = await asyncio.to_thread(machines.settled)
        if first == "parts":
            assert holders == {"rules": "c", "delivery": "c", "store": "b"}
        else:
            assert set(holders.values()) == {"a"}
        door = machines.hubs["a"]
        door.wait(lambda: ready_as(door, expected(machines)["a"]), "it is not ready")
        device = Device(machines, "underpass-1", ["a"])
        device.start()
        await until(lambda: len(desk.heard) > 15)
        if first == "parts":  # the one with two roles, while the device goes on
            await asyncio.to_thread(machines.lose, "delivery", signal.SIGSTOP, STOPPED_S)
            heard = len(desk.heard)
            await until(lambda: len(desk.heard) > heard + 5)
        device.over.set()
        await asyncio.to_thread(device.join, PATIENCE_S)
        assert not device.gave_up
        connection = Servers([server.url])
        log = JetStreamLog(connection, "cityhub", 1)
        await until(lambda: len(desk.heard) >= len(everything(log, "alerts")))
        await asyncio.to_thread(machines.end, "a")
        events, alerts, derived = (everything(log, name) for name in ("events", "alerts", "derived"))
        await log.close()
        connection.close()
    finally:
        desk.close()
        server.kill()
    judge(machines, device.acknowledged, events, alerts, derived, desk.heard)


def test_roles_without_servers_are_refused_at_start(tmp_path: Path) -> None:
    folder = write_city(tmp_path / "city", "", free_port())
    for roles in ("ingest,api", "store"):
        done = cityhub("run", folder, "--role", roles)
        assert done.returncode in (1, 2)
        assert "[log] servers" in done.stderr
