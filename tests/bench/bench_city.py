"""The simulated city at scale against one hub: 2,000 vehicles, 300 vessels, 5,000 sensors, over sockets, in processes of their own.

python -m tests.bench.bench_city [--broker mosquitto|embedded] [--fleet N] [--vessels N] [--sensors N] [--seconds S]
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from simulators import CITY
from tests.acceptance.mosquitto import BINARY, Mosquitto
from tests.acceptance.ports import free_port
from tests.acceptance.running import ROOT, RunningHub
from tests.waiting import PATIENCE_S

PORTS = {"8080": "api", "1883": "broker", "8808": "jt808", "10110": "ais"}
TICKS = 100
"""Clock ticks a second of /proc/PID/stat."""


class Figures(NamedTuple):
    """What came of a run."""

    logged_per_s: float
    waiting: int
    balances: bool
    behind: dict[str, int]
    hub_mb: float
    hub_cpu: float
    simulators_cpu: float
    broker_cpu: float
    said: str


def city_at_scale(folder: Path, broker: int | None) -> tuple[Path, int]:
    """The demo's city on free ports, that admits who is not listed; MQTT through the broker on that port, else its own."""
    shutil.copytree(CITY, folder)
    text = (folder / "hub.toml").read_text("utf-8")
    kept = [
        block
        for block in re.split(r"\n(?=\[\[adapters\]\])", text)
        if not block.startswith("[[adapters]]") or re.search(r'name = "(mqtt|ais|jt808)"', block)
    ]
    text = "\n".join(kept)
    ports = {port: str(free_port()) for port in PORTS}
    for port, moved in ports.items():
        text = text.replace(f':{port}"', f':{moved}"')
    text = re.sub(r'(protocol = "(?:mqtt|jt808)")', r'\1\nunknown_devices = "admit"', text)
    if broker is not None:
        text = re.sub(
            r'(protocol = "mqtt"[^[]*?)listen = "[^"]*"', rf'\1connect = "mqtt://127.0.0.1:{broker}"', text, count=1
        )
    (folder / "hub.toml").write_text(text, "utf-8")
    return folder, int(ports["8080"])


def cpu_s(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(fleet: int, vessels: int, sensors: int, seconds: float, warm_s: float, through_mosquitto: bool) -> Figures:
    with tempfile.TemporaryDirectory(prefix="cityhub-bench-") as name:
        folder = Path(name)
        broker = Mosquitto(folder).start() if through_mosquitto else None
        city, api = city_at_scale(folder / "city", broker.port if broker else None)
        hub = RunningHub(city, api)
        counts = ["--fleet", fleet, "--vessels", vessels, "--sensors", sensors]
        playing = subprocess.Popen(
            [
                sys.executable, "-m", "hub.cli", "simulate", "--city", str(city), *map(str, counts), "--seconds", str(warm_s + seconds),
                "overvoltage",
            ],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        try:
            time.sleep(warm_s)
            pids = [hub.process.pid, playing.pid, broker.pid if broker else hub.process.pid]
            cpu, began, logged = [cpu_s(pid) for pid in pids], time.monotonic(), _logged(hub)
            time.sleep(seconds - 1)
            took = time.monotonic() - began
            rate = (_logged(hub) - logged) / took
            shares = [(cpu_s(pid) - before) / took for pid, before in zip(pids, cpu, strict=True)]
            memory = Path(f"/proc/{hub.process.pid}/status").read_text().split("VmRSS:")[1].split()[0]
            _, said = playing.communicate(timeout=PATIENCE_S)
            status = hub.get("/api/v1/status")
            behind = {item["reader"]: item["behind"] for item in status["readers"] if item["behind"]}
            waiting = int(re.findall(r"([\d,]+) wait", said)[-1].replace(",", ""))
            return Figures(
                rate,
                waiting,
                status["balances"],
                behind,
                int(memory) / 1024,
                shares[0],
                shares[1],
                shares[2] if broker else 0.0,
                said,
            )
        finally:
            if playing.poll() is None:
                playing.kill()
                playing.communicate()
            hub.stop()
            if broker:
                broker.stop()


def _logged(hub: RunningHub) -> int:
    return sum(item["logged"] for item in hub.get("/api/v1/status")["adapters"])


def main() -> int:
    parser = argparse.ArgumentParser(description="The simulated city at scale")
    parser.add_argument("--broker", choices=["mosquitto", "embedded"], default="mosquitto" if BINARY else "embedded")
    parser.add_argument("--fleet", type=int, default=2000)
    parser.add_argument("--vessels", type=int, default=300)
    parser.add_argument("--sensors", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    found = measure(options.fleet, options.vessels, options.sensors, options.seconds, 15, options.broker == "mosquitto")
    print(f"{options.fleet} vehicles, {options.vessels} vessels, {options.sensors} sensors through {options.broker}:")
    print(
        f"  {found.logged_per_s:,.0f} readings/s logged, {found.waiting:,} waiting at devices; readers behind: {found.behind}"
    )
    print(f"  ledger {'balances' if found.balances else 'DOES NOT BALANCE'}, hub {found.hub_mb:.0f} MB")
    print(f"  cores: hub {found.hub_cpu:.2f}, simulators {found.simulators_cpu:.2f}, broker {found.broker_cpu:.2f}")
    print(f"  processor time: hub {1000 * found.hub_cpu / found.logged_per_s:.2f} ms a reading logged")
    print("  " + "\n  ".join(line for line in found.said.splitlines() if "reports/s" in line or "wait" in line))
    return 0 if found.balances else 1


if __name__ == "__main__":
    raise SystemExit(main())
