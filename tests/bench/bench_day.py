"""What an ordinary day costs: a hub at steady moderate rates, MQTT QoS 1 through a real mosquitto to DuckDB, 100 rules.

    python -m tests.bench.bench_day [--seconds 15] [--rates 50,300,1000,3000,10000] [--at-once] [--alone]

First the hub at rest. For each rate: cores used, CPU, fdatasyncs and bytes written for each 1,000 readings, resident memory. Then at 1,000/s the time until
a device has its acknowledgement (HTTP) and from a publish to its warning (MQTT, seen through the API). CPU stands beside what
decoding the same JSON alone costs on this machine in the same run, and times beside what the disk alone takes, so that runs on different
machines can be compared. The same is done before with the code of the first round: what a rate costs now is told as a part of what it cost
that code here, beside the goal as a part of what it cost that code on the machine of the goals. `--alone`: without that. `--at-once`: the broker sends each message by itself; mosquitto as it is delivered sends what has gathered.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from adapters.json import decode_native
from tests.acceptance.mosquitto import Mosquitto, a_broker
from tests.acceptance.ports import free_port
from tests.bench import counted_hub
from tests.bench.before import FIRST_ROUND, now_and_first_round
from tests.bench.bench_spine import Publisher, RunningHub, adapter, city, iso_now, load, reader, wait
from tests.bench.mqtt_load import payloads

GOALS = {300: 0.03, 1000: 0.06, 3000: 0.15, 10000: 0.35}
"""Cores used, by readings a second."""
FIRST_ROUND_THERE = {300: 0.12, 1000: 0.33, 3000: 0.53, 10000: 0.60}
"""The same of the first round's code, on the machine of the goals."""
GOAL_SYNCS = 200
"""For each 1,000 readings, at 1,000/s."""
LATENCY_RATE = 1000
GOAL_ACKNOWLEDGED_MS, GOAL_ALERT_MS = 15, 30
PROBES = 100
DISK_PROBES, DISK_BYTES, DISK_PAUSE_S = 200, 2_000, 0.01
SETTLE_S = 3.0
READERS = ("store/events", "rules")


def decoding_alone_us() -> float:
    """CPU of decoding one of the load's messages, us."""
    messages = payloads(1000, 0, 20_000, time.time_ns() // 1_000_000)
    begun = time.process_time()
    for message in messages:
        decode_native(message, None)
    return 1e6 * (time.process_time() - begun) / len(messages)


def written_bytes(hub: RunningHub) -> int:
    """Bytes that the process caused to be written to the disk."""
    return int(Path(f"/proc/{hub.process.pid}/io").read_text().split("\nwrite_bytes:")[1].split()[0])


def disk_alone(folder: Path) -> list[float]:
    """How long writes of so many bytes and their fdatasync take here, s."""
    took: list[float] = []
    with (folder / "disk_alone").open("wb", buffering=0) as file:
        for _ in range(DISK_PROBES):
            begun = time.perf_counter()
            file.write(bytes(DISK_BYTES))
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
            time.sleep(DISK_PAUSE_S)
    return took


def at_rest(hub: RunningHub, counts: Path, seconds: float) -> None:
    cpu, syncs = hub.cpu_s(), counted_hub.read(counts)
    time.sleep(seconds)
    cpu, syncs = hub.cpu_s() - cpu, counted_hub.read(counts) - syncs
    print(f"       at rest: {cpu / seconds:5.3f} cores, {syncs / seconds:.1f} fdatasyncs a second", flush=True)


def at_rate(broker: Mosquitto, hub: RunningHub, counts: Path, rate: int, seconds: float, alone_us: float) -> float:
    """Cores used."""
    before = adapter(hub.status())["logged"]
    begun, cpu, syncs, written = time.monotonic(), hub.cpu_s(), counted_hub.read(counts), written_bytes(hub)
    loading = load(broker.port, seconds, rate)
    sent = json.loads(loading.communicate(timeout=seconds + 60)[0].strip().splitlines()[-1])
    wait(lambda: adapter(hub.status())["logged"] - before >= sent["acknowledged"], 60, "the hub never took all")
    for name in READERS:
        wait(lambda name=name: reader(hub.status(), name)["behind"] < 10, 60, f"{name} never caught up")
    took = time.monotonic() - begun
    count = adapter(hub.status())["logged"] - before
    cpu, syncs, written = hub.cpu_s() - cpu, counted_hub.read(counts) - syncs, written_bytes(hub) - written
    each_us, cores = 1e6 * cpu / count, cpu / float(sent["seconds"])
    goal = f"goal {GOALS[rate]:.2f}" if rate in GOALS else ""
    wanted = f" (goal {GOAL_SYNCS})" if rate == 1000 else ""
    print(
        f"{rate:>6,} readings/s: {cores:5.3f} cores {goal:<9}  {each_us:5.0f} us a reading = {each_us / alone_us:5.1f} x decoding alone; "
        f"for 1,000 readings {1000 * syncs / count:5.0f} fdatasyncs{wanted}, {written / count:5,.0f} kB; {hub.memory_mb():4.0f} MB; {count:,} readings in {took:.0f} s",
        flush=True,
    )
    return cores


class Api:
    """One connection to the hub that stays open."""

    def __init__(self, port: int) -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def alerts(self) -> int:
        """How many changes of warnings there were."""
        self._link.request("GET", "/api/v1/health")
        answer = self._link.getresponse()
        answer.read()
        return int(answer.headers["X-Alert-Changes"])

    def give(self, body: bytes) -> None:
        """Returns when the hub has it on its disk."""
        self._link.request("POST", "/api/v1/readings", body, {"Content-Type": "application/json"})
        answer = self._link.getresponse()
        said = answer.read()
        if answer.status >= 300:
            raise RuntimeError(said.decode())


def latency(broker: Mosquitto, hub: RunningHub, rate: int) -> None:
    loading = load(broker.port, PROBES * 0.3 + SETTLE_S, rate)
    time.sleep(SETTLE_S / 2)
    acknowledged: list[float] = []
    warned: list[float] = []
    probe, api = Publisher(broker.port), Api(hub.api)
    for number in range(PROBES):
        begun = time.perf_counter()
        api.give(b'{"device":"gauge-%d","values":{"flow":%d.5}}' % (number, number))
        acknowledged.append(time.perf_counter() - begun)
        before = api.alerts()
        begun = time.perf_counter()
        probe.publish(b'{"device":"probe-%d","time":"%s","values":{"fire_alarm":true}}' % (number, iso_now().encode()))
        while api.alerts() == before and time.perf_counter() < begun + 5:
            time.sleep(0.001)
        warned.append(time.perf_counter() - begun)
        time.sleep(0.02)
    probe.close()
    loading.communicate(timeout=120)
    print(
        f"device to acknowledgement at {rate:,}/s (HTTP)   {_percentiles(acknowledged)} (goal p99 {GOAL_ACKNOWLEDGED_MS} ms)"
    )
    print(
        f"publish to warning at {rate:,}/s (MQTT)          {_percentiles(warned)} (goal p99 {GOAL_ALERT_MS} ms)",
        flush=True,
    )


def _percentiles(seconds: Sequence[float]) -> str:
    ordered = sorted(1000 * second for second in seconds)
    return f"p50 {ordered[len(ordered) // 2]:6.1f} ms, p99 {ordered[int(len(ordered) * 0.99)]:6.1f} ms, max {ordered[-1]:6.1f} ms of {len(ordered)}"


def day(code: Path, rates: Sequence[int], seconds: float, at_once: bool, alone_us: float) -> dict[int, float]:
    """Cores used by that code, by rate."""
    with a_broker("set_tcp_nodelay true" if at_once else "") as broker:
        folder = broker.folder
        counts = folder / "fdatasyncs"
        counted_hub.empty(counts)
        api = free_port()
        counted = [sys.executable, counted_hub.__file__, str(counts)]
        hub = RunningHub(city(folder / "city", broker.port, api), api, counted, code)
        try:
            time.sleep(SETTLE_S)
            at_rest(hub, counts, seconds)
            cores = {rate: at_rate(broker, hub, counts, rate, seconds, alone_us) for rate in rates}
            latency(broker, hub, LATENCY_RATE)
            print(f"the disk alone, {DISK_BYTES:,} bytes written and synced    {_percentiles(disk_alone(folder))}")
        finally:
            code_of_exit = hub.stop()
        print(f"hub stopped with exit code {code_of_exit}")
    return cores


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rates", default="50,300,1000,3000,10000")
    parser.add_argument("--at-once", action="store_true")
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    rates = [int(rate) for rate in options.rates.split(",")]
    alone_us = decoding_alone_us()
    print(f"decoding alone: {alone_us:.1f} us CPU a reading; load of the machine {os.getloadavg()[0]:.1f}")
    now, before = now_and_first_round(
        lambda code: day(code, rates, options.seconds, options.at_once, alone_us), options.alone
    )
    if before is None:
        return
    for rate in sorted(GOALS.keys() & before.keys()):
        print(
            f"{rate:>6,} readings/s: {now[rate] / before[rate]:.2f} of the cores of {FIRST_ROUND} "
            f"(goal {GOALS[rate] / FIRST_ROUND_THERE[rate]:.2f})"
        )


if __name__ == "__main__":
    main()
