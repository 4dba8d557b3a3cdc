"""The log and the front door: readings a second onto the disk, fdatasync before each acknowledgement.

python -m tests.bench.bench_log
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from hub import clock
from hub.ingest import Ingest
from hub.ledger import Ledger
from hub.log import Log
from hub.model import Device, Message, Reading
from hub.registry import Registry

BATCH = 500
BATCHES = 400
ROUNDS = 3


def readings(number: int, at: int) -> list[Reading]:
    return [
        Reading(
            f"d{item}",
            at - item - number * BATCH,
            {"air_temperature": 20.5, "relative_humidity": 55.0},
            received_at=at,
            adapter="broker",
        )
        for item in range(BATCH)
    ]


async def measure(under_way: int, give: Callable[[int], Awaitable[object]]) -> float:
    """Readings a second with so many batches of 500 under way at once."""
    began = time.perf_counter()
    for first in range(0, BATCHES, under_way):
        await asyncio.gather(*(give(first + number) for number in range(under_way)))
    return BATCH * BATCHES / (time.perf_counter() - began)


async def main() -> None:
    at = clock.now()
    batches = [readings(number, at) for number in range(BATCHES)]
    for under_way in (1, 4):
        rates, door_rates = [], []
        for _ in range(ROUNDS):
            folder = Path(tempfile.mkdtemp(prefix="cityhub-bench-"))
            log = Log(folder)
            rates.append(await measure(under_way, lambda number, log=log: log.events.append(batches[number])))
            await log.close()
            log = Log(folder / "door")
            ingest = Ingest(
                log,
                Registry({f"d{item}": Device(f"d{item}", kind="air-station") for item in range(BATCH)}),
                Ledger(),
                clock.now,
            )
            door = ingest.door("broker")
            door_rates.append(
                await measure(
                    under_way,
                    lambda number, door=door: door.submit(
                        [Message([reading], [], reading.device) for reading in batches[number]]
                    ),
                )
            )
            await log.close()
            shutil.rmtree(folder)
        print(
            f"log, batches of 500, {under_way} under way     {median(rates):10,.0f} readings/s ({min(rates):,.0f} to {max(rates):,.0f}; goal 500,000)"
        )
        print(
            f"  through the front door         {median(door_rates):10,.0f} readings/s ({min(door_rates):,.0f} to {max(door_rates):,.0f})"
        )


if __name__ == "__main__":
    asyncio.run(main())
