"""InfluxDB under a city's load: points per second into the local server with the cursor moved after each batch, and every
query of the city overview over 30 days of 1,000 devices.

    python -m tests.bench.bench_influx

Needs `influxd` (apt-get install influxdb), which runs on the same cores. Wanted: 150,000 points/s, 300 ms a query.
"""

from __future__ import annotations

import random
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from dashboards.grafana.build import pages
from dashboards.grafana.lint import panels
from hub.model import AlertChange, Change, Reading
from hub.moment import SECOND, to_text
from hub.store import open_store
from hub.store.lineprotocol import Encoder, alert_line
from hub.store.rollups import HOUR, MINUTE
from tests.acceptance.influx_server import influx_server

DEVICES, DAYS = 1_000, 30
REPORT_EVERY = 30 * MINUTE
"""The hub reports each minute; thirty times the points would take the bench ten minutes to fill in. What a chart of 30 days
reads are the rollups, which are all there."""
END = 1_770_000_000 * SECOND // HOUR * HOUR
START = END - DAYS * 24 * HOUR
AREAS = ("north", "harbour", "old town", "east", "west")
NAMES = [f"station-{n:04d}" for n in range(DEVICES)]
PLACE = {name: AREAS[n % len(AREAS)] for n, name in enumerate(NAMES)}
WANTED_POINTS_S, WANTED_MS = 150_000, 300.0
BODY_LINES = 10_000


def writing(folder: Path, url: str) -> None:
    """The store as the hub uses it, from readings to "taken, cursor moved"."""
    store = open_store("influxdb", {"url": url, "version": 1, "database": "writing", "gzip": False}, folder, PLACE)
    batches = [
        [Reading(NAMES[n % DEVICES], START + step * HOUR + n * SECOND, {"pm25": random.random() * 300}, received_at=START + step * HOUR + n * SECOND, kind="air-station") for n in range(20_000)]
        for step in range(6)
    ]  # fmt: skip
    points, took = 0, 0.0
    for turn in range(18):
        batch = batches[turn % 6]
        begun = time.perf_counter()
        refused = store.write("events", batch, points, points + len(batch))
        took += time.perf_counter() - begun
        assert not refused
        points += len(batch)
        assert store.cursor("events") == points
    store.close()
    rate = points / took
    print(
        f"{'written, cursor moved after each batch':<44} {rate:>9,.0f} points/s   wanted {WANTED_POINTS_S:,}: {_verdict(rate >= WANTED_POINTS_S)}"
    )


def fill(url: str) -> int:
    """30 days as the hub leaves them: reports on each device, their rollups of an hour, warnings. Gives the points."""
    points = 0
    body: list[str] = []
    with httpx.Client(base_url=url, timeout=120) as client:
        for line in _history():
            body.append(line)
            points += 1
            if len(body) >= BODY_LINES:
                client.post(
                    "/write", params={"db": "city", "precision": "ns"}, content="\n".join(body).encode()
                ).raise_for_status()
                body.clear()
        client.post(
            "/write", params={"db": "city", "precision": "ns"}, content="\n".join(body).encode()
        ).raise_for_status()
    return points


def _history() -> Iterator[str]:
    encoder = Encoder(PLACE)
    labelled = [
        encoder.lines(Reading(name, START, {"label": name}, received_at=START, kind="air-station"))[0] for name in NAMES
    ]
    yield from labelled
    heads = [line.partition(" label=")[0] for line in labelled]
    for at in range(START, END, REPORT_EVERY):
        for n, head in enumerate(heads):
            yield f"{head} heard=1.0,warning_level={n % 5}.0,silence=3.5,clock_skew=0.2,lat=29.0,lon=122.{n} {at}"
        for area in AREAS:
            values = {f"open_{level}": 1 for level in ("blue", "yellow", "orange", "red")}
            yield from encoder.lines(
                Reading(f"hub-warnings:{area}", at, {**values}, received_at=at, kind="hub-warnings")
            )
    for at in range(START, END, HOUR):
        tail = f"heard=1.0,heard_min=1.0,heard_max=1.0,heard_last=1.0,heard_count=60i {at}"
        yield from [f"{head.replace('device,', 'device_1h,', 1)} {tail}" for head in heads]
    for n in range(3_000):
        at = START + n * (END - START) // 3_000
        subject = NAMES[n % DEVICES]
        yield alert_line(AlertChange(f"flood/stage@{subject}@{to_text(at)}", 0, at, "flood/stage", subject, Change.RAISED, "orange", "High water", area=PLACE[subject]))  # fmt: skip


def asking(url: str) -> None:
    board = next(page for page in pages() if (page.name, page.language) == ("city", "en"))
    values = {
        "timeFilter": f"time >= {START} and time <= {END}",
        "__interval": "12h",
        "resolution": "_1h",
        "area": ".*",
    }
    slowest = 0.0
    with httpx.Client(base_url=url, timeout=120) as client:
        for panel in panels(board.model):
            for target in panel.get("targets", []):
                query = re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], found[0]), target["query"])
                took = []
                for _ in range(3):
                    begun = time.perf_counter()
                    answer = client.post("/query", params={"db": "city", "epoch": "ms"}, data={"q": query})
                    took.append((time.perf_counter() - begun) * 1000)
                assert answer.json()["results"][0].get("series"), query
                slowest = max(slowest, min(took))
                print(f"  {panel['title']:<42} first {took[0]:7.1f} ms, then {min(took):7.1f} ms")
    print(
        f"{'slowest query of the city overview, 30 days':<44} {slowest:>9.1f} ms        wanted {WANTED_MS:g}: {_verdict(slowest <= WANTED_MS)}"
    )


def _verdict(met: bool) -> str:
    return "met" if met else "NOT met"


def main() -> None:
    if shutil.which("influxd") is None:
        print("LOUD SKIP: no influxd here, InfluxDB was not measured")
        return
    random.seed(1)
    folder = Path(tempfile.mkdtemp(prefix="bench-influx-"))
    try:
        with influx_server(folder / "influxd") as url:
            for database in ("writing", "city"):
                httpx.post(f"{url}/query", params={"q": f"CREATE DATABASE {database}"}).raise_for_status()
            writing(folder, url)
            begun = time.perf_counter()
            points = fill(url)
            print(f"{'30 days of 1,000 devices':<44} {points:>9,} points in {time.perf_counter() - begun:.0f} s")
            asking(url)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
