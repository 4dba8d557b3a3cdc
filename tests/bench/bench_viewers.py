"""Who looks: how long the newest values of 10,000 devices take to be told, and a hub with many viewers of its event stream while readings
flow. One hub, the feeder, the viewers and whoever asks are processes of their own, over sockets: who shares a process with a thousand viewers sends late and
waits for itself.

python -m tests.bench.bench_viewers [--devices 10000] [--viewers 1000] [--rate 2000] [--seconds 15]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city
from tests.bench.bench_city import cpu_s

AT_ONCE = 500
"""Readings in one request of the feeder."""
ASKS = 10
SETTLE_MAX_S = 120.0
"""For the viewers to be let in before readings flow; on a busy machine a thousand take a while."""


def body(first: int, count: int, devices: int, value: float) -> bytes:
    return json.dumps(
        [
            {"device": f"station-{(first + n) % devices:05d}", "values": {"water_level": value, "battery_voltage": 12.5}, "lon": 121.4, "lat": 31.2}
            for n in range(count)
        ]
    ).encode()  # fmt: skip


class Viewer:
    """One event stream, read as fast as it comes and thrown away; notes when a status came, which is once a second."""

    def __init__(self) -> None:
        self.told: list[float] = []
        self.bytes = 0
        self.refused = True  # until it is let in

    async def look(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        try:
            self.refused = b" 200 " not in await reader.readline()
            while piece := await reader.read(1 << 16):
                self.bytes += len(piece)
                if b"event: status" in piece:
                    self.told.append(time.monotonic())
        finally:
            writer.close()


def memory_mb(pid: int, what: str) -> float:
    """VmRSS or VmHWM (the highest so far)."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(what)]
    return int(line.split()[1]) / 1024


async def feed(client: httpx.AsyncClient, devices: int, rate: int, until: float) -> int:
    """Readings by HTTP at that rate; how many were taken."""
    begun, sent = time.monotonic(), 0
    while time.monotonic() < until:
        (await client.post("/api/v1/readings", content=body(sent, AT_ONCE, devices, 2.0 + sent % 7 / 100), headers={"content-type": "application/json"})).raise_for_status()  # fmt: skip
        sent += AT_ONCE
        await asyncio.sleep(max(0.0, begun + sent / rate - time.monotonic()))
    return sent


def feed_alone(port: int, devices: int, rate: int, seconds: float, told: Any) -> None:
    """The feeder as a process: tells readings taken, and the seconds it took."""

    async def run() -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            begun = time.monotonic()
            sent = await feed(client, devices, rate, begun + seconds)
            told.put((sent, time.monotonic() - begun))

    asyncio.run(run())


def look_alone(port: int, viewers: int, seconds: float, inside: Any, told: Any) -> None:
    """The viewers as a process: sets `inside` when all are told something, and tells how many were let in, their longest waits for a status, and the bytes they were told."""

    async def run() -> None:
        found = [Viewer() for _ in range(viewers)]
        looking = [asyncio.create_task(viewer.look(port)) for viewer in found]
        begun = time.monotonic()
        while not all(viewer.told for viewer in found) and time.monotonic() - begun < SETTLE_MAX_S:
            await asyncio.sleep(0.1)
        for viewer in found:
            viewer.told, viewer.bytes = viewer.told[-1:], 0
        inside.set()
        await asyncio.sleep(seconds)
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        welcome = [viewer for viewer in found if not viewer.refused]
        gaps = [max((b - a for a, b in zip(one.told, one.told[1:], strict=False)), default=seconds) for one in welcome]
        told.put((len(welcome), gaps, sum(viewer.bytes for viewer in found)))

    asyncio.run(run())


async def asked(client: httpx.AsyncClient, **headers: str) -> list[float]:
    """Milliseconds of each of some requests for all devices, to the last byte."""
    took = []
    for _ in range(ASKS):
        begun = time.perf_counter()
        answer = await client.get("/api/v1/devices", headers=headers)
        assert answer.status_code in (200, 304)
        took.append((time.perf_counter() - begun) * 1000)
    return took


def told(what: str, took: list[float]) -> None:
    print(f"  {what:<58} {statistics.median(took):7.1f} ms, longest {max(took):7.1f}")


async def measure(options: argparse.Namespace, hub: RunningHub) -> None:
    pid, plain = hub.process.pid, {"accept-encoding": "identity"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{hub.api}", timeout=60) as client:
        for first in range(0, options.devices, AT_ONCE):
            sent = body(first, AT_ONCE, options.devices, 1.0)
            (await client.post("/api/v1/readings", content=sent, headers={"content-type": "application/json"})).raise_for_status()  # fmt: skip
        while len((await client.get("/api/v1/devices")).json()["devices"]) < options.devices:
            await asyncio.sleep(0.2)
        answer = await client.get("/api/v1/devices", headers=plain)
        print(f"newest values of {options.devices} devices, {len(answer.content) / 1e6:.1f} MB of JSON")
        told("nothing new", await asked(client, **plain))
        told("nothing new, packed", await asked(client))
        told("nothing new, with the tag of before (304)", await asked(client, **{"if-none-match": answer.headers["etag"]}))  # fmt: skip
        own = multiprocessing.get_context("spawn")
        seen, taken = own.Queue(), own.Queue()
        fed = (hub.api, options.devices, options.rate, options.seconds, taken)
        feeder = own.Process(target=feed_alone, args=fed)
        feeder.start()
        await asyncio.sleep(options.seconds / 2)
        told(f"while {options.rate} readings/s come", await asked(client, **plain))
        await asyncio.to_thread(taken.get)
        await asyncio.to_thread(feeder.join)
        print(f"{options.viewers} viewers, {options.rate} readings/s for {options.seconds:g} s")
        alone = memory_mb(pid, "VmRSS")
        inside, joining = own.Event(), time.monotonic()
        looking = own.Process(target=look_alone, args=(hub.api, options.viewers, options.seconds, inside, seen))
        looking.start()
        await asyncio.to_thread(inside.wait)
        print(f"  all let in after {time.monotonic() - joining:.1f} s")
        feeder = own.Process(target=feed_alone, args=fed)
        begun, used = time.monotonic(), cpu_s(pid)
        feeder.start()
        await asyncio.sleep(options.seconds / 2)
        answers = await asked(client, **plain)
        sent, took = await asyncio.to_thread(taken.get)
        cores = (cpu_s(pid) - used) / (time.monotonic() - begun)
        welcome, gaps, heard = await asyncio.to_thread(seen.get)
        for process in (feeder, looking):
            await asyncio.to_thread(process.join)
        print(f"  streams {welcome}, refused {options.viewers - welcome}")
        print(f"  readings taken {sent / took:.0f}/s, cores used {cores:.2f}")
        print(f"  longest wait of a viewer for a status: median {statistics.median(gaps or [0]):.1f} s, longest {max(gaps or [0]):.1f} s")  # fmt: skip
        print(f"  told {heard / options.seconds / 1e6:.1f} MB/s")
        print(f"  memory before {alone:.0f} MB, highest {memory_mb(pid, 'VmHWM'):.0f} MB")
        told("newest values of all meanwhile", answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--viewers", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, options.viewers * 2 + 500)), hard))
    with tempfile.TemporaryDirectory(prefix="cityhub-bench-") as name:
        api: Any = free_port()
        extra = 'unknown_devices = "admit"\nprincipal_per_s = 0\naddress_per_s = 0\n'
        hub = RunningHub(write_city(Path(name) / "city", extra, api=api), api)
        try:
            asyncio.run(measure(options, hub))
        finally:
            hub.stop()


if __name__ == "__main__":
    main()
