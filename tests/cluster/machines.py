"""City folders of the machines of one city, with ports of their own; and the machines as processes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from hub.app.demo import endpoints
from hub.cli.cities import clean_city
from simulators import CITY
from tests.acceptance.nats_server import NatsServer, cluster
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub

DOORS, STAND_IN = ("door-1", "door-2"), "stand-in"
WORKERS = {"judge": "rules", "archive": "store", "courier": "delivery"}
"""Each fills one role; the stand-in goes on for whichever of them is lost."""
ROLES = {**dict.fromkeys(DOORS, "ingest,api"), **WORKERS, STAND_IN: "store,delivery,rules"}
STARTED, FILLED = "Ctrl-C stops it", "this machine does it now"
ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")
AT_SECOND_DOOR = ("jt808", "teltonika", "gt06", "gb32960")
"""Protocols of the vehicles, which report to the second door; everything else reports to the first."""


def log_toml(servers: Sequence[NatsServer]) -> str:
    """The section [log] for these servers."""
    urls, ports = ([f'"{getattr(one, what)}"' for one in servers] for what in ("url", "monitoring"))
    return (
        f"[log]\nservers = [{', '.join(urls)}]\nmonitoring = [{', '.join(ports)}]\nreplicas = {len(servers)}\n"
        "events_gb = 0.1\nalerts_gb = 0.1\nquarantine_gb = 0.1\n"
    )


def write_folders(folder: Path, log: str) -> dict[str, Path]:
    """A city folder a machine. Whoever goes and asks finds the substation at one port, and the broker at the first door's."""
    listens = {name: _ports() for name in ROLES}
    asks = {**_ports(), "1883": listens[DOORS[0]]["1883"]}
    made = {}
    for name, own in listens.items():
        made[name] = Path(shutil.copytree(CITY, folder / name, ignore=shutil.ignore_patterns("var")))
        toml = made[name] / "hub.toml"
        lines = [_moved(line, asks if line.startswith("connect") else own) for line in toml.read_text().splitlines()]
        toml.write_text("\n".join([*lines, "", log]))
    return made


def _ports() -> dict[str, int]:
    """By the port in the demo's city: another that is free."""
    return {port: free_port() for port in sorted(set(ADDRESS.findall((CITY / "hub.toml").read_text())))}


def _moved(line: str, ports: dict[str, int]) -> str:
    return ADDRESS.sub(lambda found: f"127.0.0.1:{ports[found[1]]}", line)


class Machines:
    """All of them as processes, in sessions of their own: Ctrl-C reaches whoever ends them, and nobody else."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.servers = cluster(folder / "servers")
        self.hubs: dict[str, RunningHub] = {}
        try:
            self.folders = write_folders(folder, log_toml(self.servers))
            cities = {name: clean_city(path) for name, path in self.folders.items()}
            self.api = {name: city.config.api.listen for name, city in cities.items()}
            for name in (*WORKERS, *DOORS, STAND_IN):
                self._run(name, FILLED if name in WORKERS else STARTED)
                say(f"{name}: {ROLES[name]}" + (f", console at http://{self.api[name]}" if name in DOORS else ""))
        except BaseException:
            self.end()
            raise
        first, second = (endpoints(cities[name], f"http://{self.api[name]}") for name in DOORS)
        self.endpoints = first | {name: second[name] for name in AT_SECOND_DOOR}

    def _run(self, name: str, ready: str) -> None:
        port = int(self.api[name].rpartition(":")[2])
        more = ["--role", ROLES[name], "--node", name]
        self.hubs[name] = RunningHub(self.folders[name], port, ["setsid"], ready, more)

    def end(self) -> None:
        """The doors and the stand-in first, so that the others have all of it; the servers last."""
        for name in (*DOORS, STAND_IN, *WORKERS):
            if name in self.hubs and self.hubs[name].process.poll() is None:
                self.hubs[name].stop()
        for server in self.servers:
            server.stop()
