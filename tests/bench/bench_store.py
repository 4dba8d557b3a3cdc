"""Rows and points per second of both stores, each measured from `Reading` objects to "it is on disk".

    python -m tests.bench.bench_store

The InfluxDB part needs `influxd` (apt-get install influxdb) and runs on the same cores as the writer.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from hub.model import Position, Reading
from hub.ports import SeriesQuery, Store
from hub.store import open_store
from hub.store.lineprotocol import Encoder
from tests.acceptance.influx_server import influx_server
from tests.acceptance.influx_shim import influx_shim

T = 1_770_000_000_000_000_000
METRICS = ("pm25", "pm10", "so2", "no2", "co")


def readings(count: int, values: int, at: int, place: bool = False) -> list[Reading]:
    position = Position(116.404, 39.915) if place else None
    return [
        Reading(
            f"station-{(at + n) % 10_000:05d}",
            at + n,
            {metric: round(random.random() * 300, 1) for metric in METRICS[:values]},
            position,
            None,
            at + n + 50_000_000,
            "broker",
            "air-station",
        )
        for n in range(count)
    ]


def measure(store: Store, what: str, count: int, values: int, seconds: float = 3.0, place: bool = False) -> None:
    prepared = [readings(count, values, T + n * 1_000_000_000, place) for n in range(8)]
    took: list[float] = []
    started, burnt, offset = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - started < seconds:
        begun = time.perf_counter()
        refused = store.write("events", prepared[len(took) % 8], offset, offset + count)
        assert not refused
        offset += count
        took.append(time.perf_counter() - begun)
    wall, burnt = sum(took), time.process_time() - burnt
    took.sort()
    rows = offset * values
    print(
        f"{what:<45} {rows / wall:>9,.0f} rows/s  {burnt / rows * 1e6:5.2f} µs CPU of the writer a row  "
        f"p50 {took[len(took) // 2] * 1000:6.1f} ms  max {took[-1] * 1000:6.1f} ms"
    )


def asked(store: Store, what: str, devices: Sequence[str]) -> None:
    for name, query in (
        ("latest of all", lambda: store.latest()),
        ("latest of one", lambda: store.latest(devices[:1])),
        ("series of one", lambda: store.series(SeriesQuery(device=devices[0], metric="pm25"))),
        ("buckets of one", lambda: store.buckets(SeriesQuery(T, T + 8_000_000_000, devices[0], "pm25"), 1_000_000_000)),
    ):
        begun = time.perf_counter()
        found = len(query())
        print(f"{what:<45} {name:<16} {(time.perf_counter() - begun) * 1000:7.1f} ms, {found} found")


def main() -> None:
    random.seed(1)
    batch = readings(10_000, 1, T)
    encoder = Encoder()
    encoder.lines(batch[0])  # reads the vocabulary
    begun = time.perf_counter()
    lines = [line for reading in batch for line in encoder.lines(reading)]
    took = time.perf_counter() - begun
    print(f"line protocol: {took / len(lines) * 1e6:.2f} µs a line")

    folder = Path(tempfile.mkdtemp(prefix="bench-store-"))
    try:
        duckdb = open_store("duckdb", {}, folder)
        for count, values in ((500, 1), (2_000, 1), (10_000, 1), (2_000, 5)):
            measure(duckdb, f"DuckDB, batches of {count} x {values}", count, values)
        asked(duckdb, "DuckDB", [batch[0].device])
        duckdb.close()
        size = (folder / "history.duckdb").stat().st_size
        print(f"DuckDB file: {size / 1e6:.0f} MB")
        if shutil.which("influxd") is None:
            print("LOUD SKIP: no influxd here, InfluxDB was not measured")
            return
        with influx_server(folder / "influxd") as url:
            httpx.post(f"{url}/query", params={"q": "CREATE DATABASE city"})
            for zipped in (False, True):
                influxdb = open_store("influxdb", {"url": url, "version": 1, "gzip": zipped}, folder)
                for place in (False, True):
                    what = f"InfluxDB /write{' gzip' * zipped}{' with position' * place}, 10000 x 1"
                    measure(influxdb, what, 10_000, 1, place=place)
                influxdb.close()
            influxdb = open_store("influxdb", {"url": url, "version": 1, "gzip": False}, folder)
            measure(influxdb, "InfluxDB /write, 10000 x 5", 10_000, 5)
            asked(influxdb, "InfluxDB", [batch[0].device])
            influxdb.close()
            with influx_shim(url, mode=1) as shim:
                influxdb = open_store("influxdb", {"url": shim.url, "version": 2, "gzip": False, "token": "t"}, folder)
                measure(influxdb, "InfluxDB /api/v2/write through the shim", 10_000, 1)
                influxdb.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
