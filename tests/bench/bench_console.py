"""How soon the console is there, how smoothly its map moves and whether it grows: a real hub, and Debian's Chromium without a graphics card.

    python -m tests.bench.bench_console [--devices 10000] [--moving 2000] [--seconds 180] [--starts 5]

The hub has `--devices` devices with values, `--moving` of which report a new place once a second all the while. Measured in the page itself:
first content (the browser's own mark), usable (all devices on the map, the warnings listed, and the next frame drawn), the longest time that
the page would not have answered a click within the first ten seconds, frames a second while the map is dragged, and what the heap holds after
a collection, every half minute. Goals: first content within 1 s, usable within 2 s, 30 frames a second, no growth. Hub, browser and feeder share the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import Any

from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city
from tests.dashboards.browser import Browser
from tests.dashboards.test_many import PAN

WEST, SOUTH, WIDE, HIGH = 121.3, 31.1, 0.4, 0.3
AT_ONCE = 1_000
HEAP_EVERY_S = 30
WATCH = """
window.waits = [];
(() => {
  new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.waits.push(entry.duration); }).observe({ type: "longtask", buffered: true });
  const look = () => {
    const map = document.getElementById("map")?.cityMap;
    const listed = document.querySelector("#tab-warnings .card, #tab-warnings .none b");
    if (map && listed && map.things.devices.size >= WANTED) requestAnimationFrame(() => requestAnimationFrame(() => { window.usableAt ??= performance.now(); }));
    else requestAnimationFrame(look);
  };
  look();
})();
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--moving", type=int, default=2_000)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return _measured(Path(folder), options)


def _measured(folder: Path, options: argparse.Namespace) -> int:
    api = free_port()
    city = write_city(folder / "city", "", api)
    kinds = ("air-station", "river-gauge", "underpass-gauge", "gas-detector")
    chance = random.Random(7)
    places = [(WEST + WIDE * chance.random(), SOUTH + HIGH * chance.random()) for _ in range(options.devices)]
    with (city / "devices.csv").open("a", encoding="utf-8") as file:
        for number, (lon, lat) in enumerate(places):
            kind = "bus" if number < options.moving else kinds[number % 4]
            file.write(f"d-{number},Device {number},{kind},{lon:.6f},{lat:.6f},,north,,\n")
    hub = RunningHub(city, api)
    stop = threading.Event()
    try:
        for first in range(0, options.devices, AT_ONCE):
            _told(api, range(first, min(first + AT_ONCE, options.devices)), places, options.moving)
        feeder = threading.Thread(target=_feed, args=(api, options.moving, places, chance, stop), daemon=True)
        feeder.start()
        _starts(folder, api, options)
        _long(folder, api, options)
    finally:
        stop.set()
        hub.stop()
    return 0


def _feed(
    api: int, moving: int, places: list[tuple[float, float]], chance: random.Random, stop: threading.Event
) -> None:
    """A new place for everything that moves, once a second where the machine can."""
    while not stop.is_set():
        began = time.monotonic()
        for number in range(moving):
            lon, lat = places[number]
            places[number] = (lon + (chance.random() - 0.5) * 2e-4, lat + (chance.random() - 0.5) * 2e-4)
        for first in range(0, moving, AT_ONCE):
            _told(api, range(first, min(first + AT_ONCE, moving)), places, moving)
        stop.wait(max(0.0, 1 - (time.monotonic() - began)))


def _told(api: int, numbers: range, places: list[tuple[float, float]], moving: int) -> None:
    body = [
        {"device": f"d-{n}", "lon": places[n][0], "lat": places[n][1], "values": {"speed": n % 60}}
        if n < moving
        else {"device": f"d-{n}", "values": {"air_temperature": n % 30}}
        for n in numbers
    ]
    request = urllib.request.Request(f"http://127.0.0.1:{api}/api/v1/readings", json.dumps(body).encode(), {"Content-Type": "application/json"})  # fmt: skip
    urllib.request.urlopen(request, timeout=60).read()


def _starts(folder: Path, api: int, options: argparse.Namespace) -> None:
    found: list[tuple[float, float, float]] = []
    for number in range(options.starts):
        with Browser(folder / f"start-{number}") as browser:
            _opened(browser, api, options.devices)
            time.sleep(max(0.0, 10 - browser.ask("performance.now()") / 1000))
            paint, usable, waits = browser.ask(
                "[performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null, window.usableAt, window.waits]"
            )
            found.append((paint or float("nan"), usable, max(waits, default=0.0)))
    for name, values in zip(("first content", "usable", "longest wait"), zip(*found, strict=True), strict=True):
        print(
            f"{name}: median {median(values):.0f} ms, of {options.starts} starts {min(values):.0f} to {max(values):.0f}"
        )


def _opened(browser: Browser, api: int, devices: int) -> None:
    browser.in_each_page(WATCH.replace("WANTED", str(devices)))
    browser.go(f"http://127.0.0.1:{api}/")
    browser.wait("window.usableAt > 0", "the page does not become usable", 120)


def _long(folder: Path, api: int, options: argparse.Namespace) -> None:
    with Browser(folder / "long") as browser:
        _opened(browser, api, options.devices)
        panned: dict[str, Any] = max((browser.ask(PAN) for _ in range(3)), key=lambda item: item["frames"] / item["seconds"])  # fmt: skip
        print(
            f"dragged: {panned['frames'] / panned['seconds']:.1f} frames/s, {panned['drawing_ms']:.1f} ms of drawing each"
        )
        began, heaps = time.monotonic(), [browser.heap_mb()]
        while time.monotonic() - began < options.seconds:
            time.sleep(min(HEAP_EVERY_S, options.seconds))
            heaps.append(browser.heap_mb())
        print(f"heap after a collection, every {HEAP_EVERY_S} s: {', '.join(f'{mb:.1f}' for mb in heaps)} MB")
        if browser.errors:
            print(f"errors in the page: {browser.errors[:3]}")
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    sys.exit(main())
