"""A real InfluxDB with the month of `history` in it, written by the hub's own store, and Grafana's own code to ask it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from hub.app.trip_notes import driven, notes
from hub.model import Reading
from hub.ports import Bucket
from hub.store import open_store
from hub.store.rollups import fold
from tests.acceptance.influx_server import influx_server
from tests.dashboards import history
from tests.dashboards.grafana import Span

BATCH = 5_000
NOW_MS = history.END // 1_000_000 + 65_201
"""Not aligned to anything, as people's clocks are."""
RANGES_MS = {"1 h": 3_600_000, "24 h": 86_400_000, "30 d": 30 * 86_400_000}
WIDTHS = (600, 1600)


def spans() -> dict[str, Span]:
    return {
        f"{name}, {width} px": Span(NOW_MS - back, NOW_MS, width)
        for name, back in RANGES_MS.items()
        for width in WIDTHS
    }


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[httpx.Client]:
    with influx_server(folder / "influxd") as url, httpx.Client(base_url=url, timeout=60) as client:
        client.post("/query", params={"q": "CREATE DATABASE city"}).raise_for_status()
        areas = {device.device: device.area for device in history.registry().values()}
        store: Any = open_store(
            "influxdb", {"url": url, "version": 1, "database": "city", "gzip": False}, folder, areas
        )
        told = list(history.readings())
        for at in range(0, len(told), BATCH):
            assert store.write("events", told[at : at + BATCH], at, at + BATCH) == []
        assert store.write("alerts", history.changes(), 0, 1) == []
        for vehicle, driven_in in driven(reading for reading in told if reading.observed_at >= history.START).items():
            assert store.write("derived", notes(store, *vehicle, driven_in, history.END), 0, 1) == []
        minutes = fold(rows(told), history.MINUTE)
        hours = fold(minutes, history.HOUR)
        for width, buckets in (("1m", minutes), ("1h", hours), ("1d", fold(hours, 24 * history.HOUR))):
            store.write_rollups(width, buckets)
        # Rollups leave marked values out (hub/store/README.md), so these come after they were made.
        assert store.write("events", list(history.marked()), len(told), len(told) + 3) == []
        store.close()
        yield client


def rows(told: list[Reading]) -> Iterator[Bucket]:
    """Each number as a bucket of its own, to be folded as the hub folds minutes: a month by queries takes minutes."""
    for reading in told:
        at = reading.observed_at
        assert at is not None
        for metric, value in reading.values.items():
            if isinstance(value, int | float):
                yield Bucket(at, reading.device, metric, 1, *[float(value)] * 4, reading.kind)


def ask(client: httpx.Client, query: str, database: str = "city") -> list[dict[str, Any]]:
    """The series of the answer."""
    answer = client.post("/query", params={"db": database, "epoch": "ms"}, data={"q": query})
    assert answer.status_code == 200, f"{answer.text} to {query}"
    result = answer.json()["results"][0]
    assert "error" not in result, f"{result} to {query}"
    found: list[dict[str, Any]] = result.get("series", [])
    return found
