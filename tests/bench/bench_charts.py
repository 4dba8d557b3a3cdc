"""What a chart asks of a store: buckets of one series over a month and a year, DuckDB and a real influxd.

    python -m tests.bench.bench_charts

A station tells two metrics a minute for 400 days, among three that tell them every ten minutes; rollups are made. Each question is
asked seven times; the median and the slowest are printed, and the CPU that the hub's process spent (DuckDB works in it, influxd does not).
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from hub.model import Reading
from hub.ports import SeriesQuery
from hub.store import open_store
from hub.store.every import buckets_every
from hub.store.rollups import DAY, HOUR, MINUTE, WIDTHS, RollupStore, parts, touched
from tests.acceptance.influx_server import influx_server

DAYS = 400
START = 1_740_000_000_000_000_000 // DAY * DAY
QUESTIONS = [
    ("a month by hours", 30, HOUR, 100),
    ("a month by 10 min", 30, 10 * MINUTE, 100),
    ("a week by minutes", 7, MINUTE, 100),
    ("a year by days", 365, DAY, 200),
    ("a year by 6 hours", 365, 6 * HOUR, 200),
]
"""What is asked, its days, the width of a bucket and the goal in ms."""
TIMES = 7


def history() -> Iterator[list[Reading]]:
    """A day at a time."""
    for day in range(DAYS):
        told = []
        for device in range(4):
            for minute in range(0, 1440, 10 if device else 1):
                at = START + day * DAY + minute * MINUTE
                values = {"pm25": 50 + 40 * math.sin(minute / 229), "no2": 30.0 + device}
                told.append(Reading(f"station-{device}", at, values, None, None, at, "bench", "air-station"))
        yield told


def filled(store: RollupStore) -> int:
    offset = 0
    for told in history():
        store.write("events", told, offset, offset + len(told))
        offset += len(told)
        for part in parts(touched(told)):
            for width in WIDTHS:
                store.remake(width, part)
    return offset


def asked(store: RollupStore, name: str) -> None:
    end = START + DAYS * DAY - 7 * MINUTE
    for what, days, every, goal in QUESTIONS:
        query = SeriesQuery(end - days * DAY, end, "station-0", "pm25")
        took = []
        cpu = time.process_time()
        for _ in range(TIMES):
            begun = time.perf_counter()
            found = buckets_every(store, query, every)
            took.append(1000 * (time.perf_counter() - begun))
        took.sort()
        print(
            f"{name:<9} {what:<18} {len(found):>6,} buckets: median {took[TIMES // 2]:5.0f} ms, slowest {took[-1]:5.0f} (goal {goal}), CPU {1000 * (time.process_time() - cpu) / TIMES:4.0f}",
            flush=True,
        )


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cityhub-bench-") as folder:
        store = open_store("duckdb", {}, Path(folder))
        begun, cpu = time.perf_counter(), time.process_time()
        count = filled(store)
        print(
            f"duckdb: {count:,} readings and their rollups in {time.perf_counter() - begun:.0f} s, {time.process_time() - cpu:.0f} s of CPU"
        )
        asked(store, "duckdb")
        store.close()
        with influx_server(Path(folder) / "influxd") as url:
            httpx.post(f"{url}/query", params={"q": "CREATE DATABASE city"})
            store = open_store("influxdb", {"url": url, "version": 1}, Path(folder))
            begun = time.perf_counter()
            count = filled(store)
            print(f"influxdb: {count:,} readings and their rollups in {time.perf_counter() - begun:.0f} s")
            asked(store, "influxdb")
            store.close()


if __name__ == "__main__":
    main()
