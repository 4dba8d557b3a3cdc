"""Readings in bulk, flat out: one a message and a hundred a message, MQTT QoS 1 through a real mosquitto, 100 rules, into DuckDB and InfluxDB.

    python -m tests.bench.bench_bulk [--seconds 15] [--stores duckdb,influxdb]

For each: readings a second until the store and the rules have all of them, CPU of the hub for 100,000 readings, and that beside what decoding the
same JSON alone costs in the same run. Broker, publisher, server and hub share the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.acceptance.influx_server import influx_server
from tests.acceptance.mosquitto import Mosquitto, a_broker
from tests.acceptance.ports import free_port
from tests.bench.bench_day import READERS, decoding_alone_us
from tests.bench.bench_spine import RunningHub, adapter, city, load, reader, wait

ARRAY = 100
GOALS = {
    ("duckdb", ARRAY): "goal 90,000/s",
    ("influxdb", ARRAY): "goal 60,000/s",
    ("influxdb", 1): "goal 50,000/s and 1.5 CPU-s",
}
WINDOW_READINGS = 2_000
"""Readings in messages that wait for their PUBACK."""
CATCH_UP_S = 300.0


@contextmanager
def store_block(kind: str, folder: Path) -> Iterator[str]:
    """The block of hub.toml, while its server runs."""
    if kind == "duckdb":
        yield ""
        return
    with influx_server(folder / "influxd") as url:
        httpx.post(f"{url}/query", params={"q": "CREATE DATABASE city"}).raise_for_status()
        yield f'[store]\nkind = "influxdb"\nversion = 1\nurl = "{url}"\ndatabase = "city"\ngzip = false\n'


def flat_out(broker: Mosquitto, hub: RunningHub, kind: str, array: int, seconds: float, alone_us: float) -> None:
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
    print(
        f"{kind:<9}{array:>4} a message: {count / took:8,.0f} readings/s, {1e5 * cpu / count:5.2f} CPU-s for 100,000 = "
        f"{1e6 * cpu / count / alone_us:4.1f} x decoding alone; {hub.memory_mb():4.0f} MB; {count:,} readings in {took:.0f} s; "
        f"books balance: {status['balances']} ({GOALS.get((kind, array), 'no goal')})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--stores", default="duckdb,influxdb")
    options = parser.parse_args()
    alone_us = decoding_alone_us()
    print(f"decoding alone: {alone_us:.1f} us CPU a reading; load of the machine {os.getloadavg()[0]:.1f}", flush=True)
    for kind in options.stores.split(","):
        if kind == "influxdb" and shutil.which("influxd") is None:
            print("LOUD SKIP: no influxd here, InfluxDB was not measured")
            continue
        with a_broker() as broker:
            folder = broker.folder
            with store_block(kind, folder) as block:
                for array in (1, ARRAY):  # a hub each, so that none has the other's data behind it
                    api = free_port()
                    hub = RunningHub(city(folder / f"city-{array}", broker.port, api, block), api)
                    try:
                        flat_out(broker, hub, kind, array, options.seconds, alone_us)
                    finally:
                        hub.stop()


if __name__ == "__main__":
    main()
