"""What taking in costs where several machines append to one log on three servers, and what it costs the others: all on this machine.

    python -m tests.bench.bench_doors [--seconds 6] [--rounds 2] [--at-once 64]

Each door is a process with the hub's own front door and log. One that takes in offers readings of devices of its own as fast as they are acknowledged; one
that hears offers nothing. Servers and doors share the cores, so more doors than cores show what taking turns costs, not what more machines bring. What a
reading costs the processor at the door that took it, and at another, does not hang on that; the efficiency of machines of their own is calculated from these
two, where each spends all of one core:

    N doors ÷ (N × one door) = taken ÷ (taken + (N - 1) × heard)

What a door needs at rest is measured apart, and left out of both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hub import clock
from hub.ingest import Ingest
from hub.ledger import Ledger
from hub.log.jetstream import JetStreamLog, Servers
from hub.model import Device, Message, Reading, Verdict
from hub.options import IngestOptions
from hub.ports import LogPosition
from hub.registry import Registry
from tests.acceptance.nats_server import cluster

READINGS = 100
"""Of one message of a device."""
WARM_S = 3.0
FLOOD = IngestOptions(readings_per_device_s_max=1e9)


async def offer(urls: list[str], name: str, seconds: float, at_once: int) -> None:
    """Prints what this door did: readings taken, readings that others put into the log meanwhile, messages offered to the servers, seconds of the processor
    and of the clock."""
    servers = Servers(urls)
    log = await asyncio.to_thread(JetStreamLog, servers, "bench", 3)
    names = [f"{name}-{number}" for number in range(at_once)]
    ingest = Ingest(log, Registry({one: Device(one, "gauge") for one in names}), Ledger(), clock.now, FLOOD)
    log.events.hear(log.events.next, ingest.heard)
    door, taken, tries, publish = ingest.door("bench"), 0, 0, servers.js.publish

    async def counted(*given: Any, **named: Any) -> Any:
        nonlocal tries
        tries += 1
        return await publish(*given, **named)

    servers.js.publish = counted  # type: ignore[method-assign]

    async def sends(device: str) -> None:
        nonlocal taken
        at = clock.now() - 3_600_000_000_000
        while True:
            readings = [Reading(device, at + number, {"water_level": 1.5}) for number in range(READINGS)]
            at += READINGS
            verdicts = await door.submit([Message([reading], [], device) for reading in readings])
            taken += sum(verdict is Verdict.STORED for verdict in verdicts)

    def now() -> tuple[int, LogPosition, int, float, float]:
        return taken, log.events.next, tries, time.process_time(), time.monotonic()

    sending = [asyncio.create_task(sends(one)) for one in names]
    await asyncio.sleep(WARM_S)
    before = now()
    await asyncio.sleep(seconds)
    after = now()
    in_log = log.events.lag(before[1], after[1])
    print(
        json.dumps(
            {
                "taken": after[0] - before[0],
                "heard": in_log - (after[0] - before[0]),
                "messages": (after[1] - before[1]) >> 16,
                "tries": after[2] - before[2],
                "cpu": after[3] - before[3],
                "took": after[4] - before[4],
            }
        ),
        flush=True,
    )
    for one in sending:
        one.cancel()
    await asyncio.gather(*sending, return_exceptions=True)
    await log.close()
    await asyncio.to_thread(servers.close)


def run(urls: list[str], doors: list[int], seconds: float) -> list[dict[str, float]]:
    """What each door said. `doors`: how many devices each has that send all the time."""
    command = [sys.executable, "-m", "tests.bench.bench_doors", "--seconds", str(seconds), "--servers", *urls]
    running = [
        subprocess.Popen(
            [*command, "--door", f"d{number}", "--at-once", str(at_once)], stdout=subprocess.PIPE, text=True
        )
        for number, at_once in enumerate(doors)
    ]
    return [json.loads(one.communicate(timeout=120)[0]) for one in running]


def said_of(doors: list[dict[str, float]]) -> str:
    rates = [one["taken"] / one["took"] / 1000 for one in doors]
    taken, tries = sum(one["taken"] for one in doors), sum(one["tries"] for one in doors)
    cpu = sum(one["cpu"] for one in doors)
    messages = max(one["messages"] for one in doors)
    return (
        f"{sum(rates):6.1f} k readings/s (doors {min(rates):.1f} to {max(rates):.1f}); {cpu / max(1, taken) * 1e6:5.1f} µs of all doors' processors a reading; "
        f"{taken / max(1, messages):.0f} readings a message, {tries / max(1, messages):.2f} tries"
    )


def measure(urls: list[str], seconds: float, at_once: int) -> None:
    alone = run(urls, [at_once], seconds)
    print(f"1 door:  {said_of(alone)}", flush=True)
    [resting] = run(urls, [0], seconds)
    rest = resting["cpu"] / resting["took"]
    taker, hearer = run(urls, [at_once, 0], seconds)
    taken = (taker["cpu"] - rest * taker["took"]) / taker["taken"] * 1e6
    heard = max(0.0, hearer["cpu"] - rest * hearer["took"]) / max(1.0, hearer["heard"]) * 1e6
    print(
        f"1 takes, 1 hears: {taken:.2f} µs of a processor where it is taken in, {heard:.2f} where it is heard ({hearer['heard'] / hearer['took'] / 1000:.1f} k readings/s), "
        f"beside {100 * rest:.1f} % of a core that a door needs at rest",
        flush=True,
    )
    for count in (2, 4):
        efficiency = taken / (taken + (count - 1) * heard)
        print(f"         calculated for {count} machines of their own: efficiency {efficiency:.2f}", flush=True)
    for count in (2, 4):
        print(f"{count} doors: {said_of(run(urls, [at_once] * count, seconds))}", flush=True)


def main(seconds: float, rounds: int, at_once: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        servers = cluster(Path(folder))
        try:
            for _ in range(rounds):
                measure([one.url for one in servers], seconds, at_once)
        finally:
            for one in servers:
                one.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=64, help="devices of a door, each with one message under way")
    parser.add_argument("--servers", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--door", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.door:
        asyncio.run(offer(given.servers, given.door, given.seconds, given.at_once))
    else:
        main(given.seconds, given.rounds, given.at_once)
