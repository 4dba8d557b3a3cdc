"""How long live readings wait while a year of history comes in: `cityhub import` on a running hub, DuckDB, 100 rules.

    python -m tests.bench.bench_backfill [--rows 525600]

Two hundred gauges tell something twice a second while one of them has a year by minutes imported. For each report: how long until the
hub acknowledged it (HTTP), until the rules had judged it and until the store had it. The same is measured before the import.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.acceptance.mosquitto import a_broker
from tests.acceptance.ports import free_port
from tests.bench.bench_spine import ROOT, RunningHub, city

ALONE_S = 15.0
GOAL_S = 2.0
EVERY_S = 0.5
GAUGES = 200
MINUTE_S = 60


def year(path: Path, rows: int) -> None:
    begin = int(time.time()) // MINUTE_S * MINUTE_S - (rows + 1440) * MINUTE_S
    with path.open("w") as file:
        file.write("time,device,metric,value\n")
        for number in range(rows):
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin + number * MINUTE_S))
            file.write(f"{at},gauge-7,water_level,{number % 40 / 10}\n")


class Live:
    """Reports at a steady pace, each watched until it has been judged and stored."""

    def __init__(self, api: int) -> None:
        self._api = api
        self._over = threading.Event()
        self.acknowledged: list[float] = []
        self.waited: dict[str, list[float]] = {"rules": [], "store/events": []}
        """How long readers had something to do without ever being at the end of it, s."""
        self._threads = [threading.Thread(target=self._tell), threading.Thread(target=self._watch)]

    def __enter__(self) -> Live:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _tell(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._api, timeout=120)
        number = 0
        while not self._over.wait(EVERY_S):
            number += 1
            body = [{"device": f"gauge-{n}", "values": {"flow": number % 90 + n / 1000}} for n in range(GAUGES)]
            begun = time.perf_counter()
            link.request("POST", "/api/v1/readings", json.dumps(body), {"Content-Type": "application/json"})
            link.getresponse().read()
            self.acknowledged.append(time.perf_counter() - begun)

    def _watch(self) -> None:
        """A report is over when a reader has taken the entry that was the newest when it was seen."""
        link = http.client.HTTPConnection("127.0.0.1", self._api, timeout=120)
        wanted: dict[str, tuple[int, float]] = {}
        while not self._over.wait(0.05):
            link.request("GET", "/api/v1/status")
            told: dict[str, Any] = json.loads(link.getresponse().read())
            at = time.perf_counter()
            for one in told["readers"]:
                name, cursor = one["reader"], one["cursor"]
                if name not in self.waited:
                    continue
                if name in wanted and cursor >= wanted[name][0]:
                    self.waited[name].append(at - wanted.pop(name)[1])
                if name not in wanted and one["behind"]:
                    wanted[name] = (cursor + one["behind"], at)

    def told(self, when: str) -> None:
        for what, times in (
            ("acknowledged", self.acknowledged),
            ("judged", self.waited["rules"]),
            ("stored", self.waited["store/events"]),
        ):
            ordered = sorted(times)
            figures = (
                f"p50 {ordered[len(ordered) // 2]:5.2f} s, max {ordered[-1]:5.2f} s of {len(ordered)}"
                if ordered
                else "at once, always"
            )
            print(f"{when:<14} {what:<13} {figures} (goal {GOAL_S:.0f} s)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=525_600)
    rows = parser.parse_args().rows
    with a_broker() as broker:
        folder = broker.folder
        year(folder / "year.csv", rows)
        api = free_port()
        where = city(folder / "city", broker.port, api)
        hub = RunningHub(where, api)
        try:
            print(f"load of the machine {os.getloadavg()[0]:.1f}")
            with Live(api) as live:
                time.sleep(ALONE_S)
            live.told("before")
            begun, cpu = time.monotonic(), hub.cpu_s()
            with Live(api) as live:
                subprocess.run(
                    [sys.executable, "-m", "hub.cli", "import", str(where), str(folder / "year.csv")],
                    cwd=ROOT,
                    check=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            live.told("while importing")
            print(
                f"{rows:,} rows imported in {time.monotonic() - begun:.0f} s, {hub.cpu_s() - cpu:.0f} s of the hub's CPU; {hub.memory_mb():.0f} MB"
            )
        finally:
            hub.stop()


if __name__ == "__main__":
    main()
