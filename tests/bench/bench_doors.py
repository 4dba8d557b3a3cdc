"""What taking in costs where several machines append to one log on three servers: 1, 2 and 4 of them, all on this machine.

    python -m tests.bench.bench_doors [--seconds 6] [--rounds 2]

Each is a process with the hub's own front door and log. It offers readings of devices of its own as fast as they are acknowledged. The figures are
ratios of one run: servers and doors share the cores, so more doors than cores show what taking turns costs, not what more machines bring.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hub import clock
from hub.ingest import Ingest
from hub.ledger import Ledger
from hub.log.jetstream import JetStreamLog, Servers
from hub.model import Device, Message, Reading, Verdict
from hub.registry import Registry
from tests.acceptance.nats_server import cluster

READINGS, AT_ONCE = 100, 8
"""Of one message of a device, and messages under way at each door."""
WARM_S = 2.0


async def offer(urls: list[str], name: str, seconds: float) -> None:
    """Prints how many readings a second this door took, and the processor's seconds that it needed for a million."""
    servers = Servers(urls)
    log = await asyncio.to_thread(JetStreamLog, servers, "bench", 3)
    names = [f"{name}-{number}" for number in range(AT_ONCE)]
    ingest = Ingest(log, Registry({one: Device(one, "gauge") for one in names}), Ledger(), clock.now)
    log.events.hear(log.events.next, ingest.heard)
    door, taken = ingest.door("bench"), 0

    async def sends(device: str) -> None:
        nonlocal taken
        at = clock.now() - 3_600_000_000_000
        while True:
            readings = [Reading(device, at + number, {"water_level": 1.5}) for number in range(READINGS)]
            at += READINGS
            verdicts = await door.submit([Message([reading], [], device) for reading in readings])
            taken += sum(verdict is Verdict.STORED for verdict in verdicts)

    sending = [asyncio.create_task(sends(one)) for one in names]
    await asyncio.sleep(WARM_S)
    before, began, worked = taken, time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    took, worked = time.monotonic() - began, time.process_time() - worked
    count = taken - before
    print(f"{count / took:.0f} {worked / max(1, count) * 1e6:.2f}", flush=True)
    for one in sending:
        one.cancel()
    await asyncio.gather(*sending, return_exceptions=True)
    await log.close()
    await asyncio.to_thread(servers.close)


def measure(urls: list[str], doors: int, seconds: float) -> tuple[float, float]:
    """Readings a second of all doors, and the processor's µs a reading at a door."""
    command = [sys.executable, "-m", "tests.bench.bench_doors", "--seconds", str(seconds), "--servers", *urls]
    running = [
        subprocess.Popen([*command, "--door", f"d{number}"], stdout=subprocess.PIPE, text=True)
        for number in range(doors)
    ]
    said = [one.communicate(timeout=120)[0].split() for one in running]
    return sum(float(rate) for rate, _ in said), sum(float(cost) for _, cost in said) / doors


def main(seconds: float, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        servers = cluster(Path(folder))
        try:
            first = 0.0
            for _ in range(rounds):
                for doors in (1, 2, 4):
                    rate, cost = measure([one.url for one in servers], doors, seconds)
                    first = rate if doors == 1 else first
                    print(
                        f"{doors} doors: {rate / 1000:6.1f} k readings/s, {rate / first:.2f} times one; {cost:.1f} µs of a processor a reading",
                        flush=True,
                    )
        finally:
            for one in servers:
                one.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--servers", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--door", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.door:
        asyncio.run(offer(given.servers, given.door, given.seconds))
    else:
        main(given.seconds, given.rounds)
