"""Readings in bulk, flat out: one a message and a hundred a message, MQTT QoS 1 through a real mosquitto, 100 rules, into DuckDB and InfluxDB.

    python -m tests.bench.bench_bulk [--seconds 15] [--stores duckdb,influxdb] [--alone]

For each: readings a second until the store and the rules have all of them, CPU of the hub for 100,000 readings, and that beside what decoding the
same JSON alone costs in the same run. Before that the same with the code of the first round, so that what there is now is told as a part of that,
beside the goal as a part of what that code did on the machine of the goals (`--alone`: without that). Broker, publisher, server and hub share the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.acceptance.influx_server import influx_server
from tests.acceptance.mosquitto import Mosquitto, a_broker
from tests.acceptance.ports import free_port
from tests.bench.before import FIRST_ROUND, ROOT, now_and_first_round
from tests.bench.bench_day import READERS, decoding_alone_us
from tests.bench.bench_spine import RunningHub, adapter, city, load, reader, wait

ARRAY = 100
GOALS = {
    ("duckdb", ARRAY): "goal 90,000/s",
    ("influxdb", ARRAY): "goal 60,000/s",
    ("influxdb", 1): "goal 50,000/s and 1.5 CPU-s",
}
GOALS_BESIDE = {
    ("duckdb", ARRAY): "goal 3.1 times as many readings a second",
    ("influxdb", ARRAY): "goal 2.1 times as many readings a second",
    ("influxdb", 1): "goal 1.3 times as many readings a second, 0.71 of the CPU",
}
"""The goals over what the first round's code did there: 29,000, 29,000 and 38,000 readings/s, 2.1 CPU-s."""
WINDOW_READINGS = 2_000
"""Readings in messages that wait for their PUBACK."""
CATCH_UP_S = 300.0


@contextmanager
def store_block(kind: str, folder: Path, more: str) -> Iterator[str]:
    """The block of hub.toml, while its server runs. `more`: its last lines."""
    if kind == "duckdb":
        yield ""
        return
    with influx_server(folder / "influxd") as url:
        httpx.post(f"{url}/query", params={"q": "CREATE DATABASE city"}).raise_for_status()
        yield f'[store]\nkind = "influxdb"\nversion = 1\nurl = "{url}"\ndatabase = "city"\n{more}'


class Found(NamedTuple):
    readings_s: float
    cpu_s: float
    """For 100,000."""


def flat_out(broker: Mosquitto, hub: RunningHub, kind: str, array: int, seconds: float, alone_us: float) -> Found:
    before, begun, cpu = adapter(hub.status())["logged"], time.monotonic(), hub.cpu_s()
    window = max(2, WINDOW_READINGS // array)
    loading = load(broker.port, seconds, 0, "--array", str(array), "--window", str(window))
    sent = json.loads(loading.communicate(timeout=seconds + CATCH_UP_S)[0].strip().splitlines()[-1])
    wanted = sent["acknowledged"] * array
    wait(lambda: adapter(hub.status())["logged"] - before >= wanted, CATCH_UP_S, "the hub never took all")
    for name in READERS:
        wait(lambda: reader(hub.status(), name)["behind"] < 10, CATCH_UP_S, f"{name} never caught up")  # noqa: B023
    took, cpu = time.monotonic() - begun, hub.cpu_s() - cpu
    status = hub.status()
    count = adapter(status)["logged"] - before
    found = Found(count / took, 1e5 * cpu / count)
    print(
        f"{kind:<9}{array:>4} a message: {found.readings_s:8,.0f} readings/s, {found.cpu_s:5.2f} CPU-s for 100,000 = "
        f"{1e6 * cpu / count / alone_us:4.1f} x decoding alone; {hub.memory_mb():4.0f} MB; {count:,} readings in {took:.0f} s; "
        f"books balance: {status['balances']} ({GOALS.get((kind, array), 'no goal')})",
        flush=True,
    )
    return found


def stores(code: Path, kinds: Sequence[str], seconds: float, alone_us: float) -> dict[tuple[str, int], Found]:
    found = {}
    more = "gzip = false\n" if code == ROOT else ""  # the first round's code always compressed, and knows no such word
    for kind in kinds:
        with a_broker() as broker, store_block(kind, broker.folder, more) as block:
            for array in (1, ARRAY):  # a hub each, so that none has the other's data behind it
                api = free_port()
                where = city(broker.folder / f"city-{array}", broker.port, api, block)
                hub = RunningHub(where, api, code=code)
                try:
                    found[kind, array] = flat_out(broker, hub, kind, array, seconds, alone_us)
                finally:
                    hub.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--stores", default="duckdb,influxdb")
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    alone_us = decoding_alone_us()
    print(f"decoding alone: {alone_us:.1f} us CPU a reading; load of the machine {os.getloadavg()[0]:.1f}", flush=True)
    kinds = options.stores.split(",")
    if "influxdb" in kinds and shutil.which("influxd") is None:
        print("LOUD SKIP: no influxd here, InfluxDB was not measured")
        kinds.remove("influxdb")
    now, before = now_and_first_round(lambda code: stores(code, kinds, options.seconds, alone_us), options.alone)
    if before is None:
        return
    for what, found in now.items():
        print(
            f"{what[0]:<9}{what[1]:>4} a message: {found.readings_s / before[what].readings_s:.2f} times the readings a second of {FIRST_ROUND}, "
            f"{found.cpu_s / before[what].cpu_s:.2f} of its CPU ({GOALS_BESIDE.get(what, 'no goal')})"
        )


if __name__ == "__main__":
    main()
