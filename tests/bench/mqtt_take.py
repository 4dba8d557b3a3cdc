"""How many QoS 1 messages a second the MQTT source takes from a broker, acknowledgements held back as by a log.

    python -m tests.bench.mqtt_take --port 1883 --seconds 10 [--version 5] [--sync FOLDER]

Start `tests.bench.mqtt_load` against the same broker beside it. The stand-in for the hub collects groups for 3 ms (or
writes and syncs them into a file in FOLDER, one fdatasync a group) before it says "stored".
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence

import msgspec

from adapters.mqtt import MqttAdapter, MqttOptions
from hub.bilingual import NOTHING, Text
from hub.model import Message, Reading, Verdict


class GroupCommit:
    """An intake that says "stored" for all that came in while the last group was on its way to the disk."""

    def __init__(self, folder: str | None) -> None:
        self.taken = 0
        self.first = asyncio.Event()
        self.faults = 0
        self._file = os.open(tempfile.mkstemp(dir=folder)[1], os.O_WRONLY | os.O_APPEND) if folder else None
        self._waiting: list[tuple[asyncio.Future[list[Verdict]], int]] = []
        self._readings: list[Reading] = []
        self._encode = msgspec.msgpack.Encoder().encode

    def submit(self, messages: Sequence[Message]) -> asyncio.Future[list[Verdict]]:
        future: asyncio.Future[list[Verdict]] = asyncio.get_running_loop().create_future()
        for message in messages:
            self._readings += message.readings
            self.faults += len(message.faults)
        if not self._waiting:
            asyncio.get_running_loop().create_task(self._commit())
        self._waiting.append((future, len(messages)))
        return future

    async def _commit(self) -> None:
        if self._file is None:
            await asyncio.sleep(0.003)
            waiting, self._waiting = self._waiting, []
            self._readings = []
        else:
            await asyncio.sleep(0)
            waiting, self._waiting = self._waiting, []
            blob, self._readings = self._encode(self._readings), []
            await asyncio.to_thread(self._write, blob)
        self.first.set()
        for future, count in waiting:
            self.taken += count
            if not future.done():
                future.set_result([Verdict.STORED] * count)

    def _write(self, blob: bytes) -> None:
        assert self._file is not None
        os.write(self._file, blob)
        os.fdatasync(self._file)

    def rest_s(self) -> float:
        return 0.0

    def report(self, state: str, why: Text | str = NOTHING) -> None:
        sys.stderr.write(f"{state}: {why!s}\n")

    def now(self) -> int:
        return time.time_ns()

    def knows(self, device: str) -> bool:
        return True

    def attribute(self, device: str, name: str) -> float | str | None:
        return None


async def take(options: MqttOptions, seconds: float, folder: str | None) -> dict[str, float]:
    intake = GroupCommit(folder)
    source = asyncio.create_task(MqttAdapter("bench", options).run(intake))
    await intake.first.wait()
    start, before, cpu = time.perf_counter(), intake.taken, resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.sleep(seconds)
    taken, wall, after = intake.taken - before, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    source.cancel()
    await asyncio.wait([source])
    used = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    return {
        "taken": taken,
        "per_s": round(taken / wall),
        "cpu_us_each": round(used / max(1, taken) * 1e6, 1),
        "faults": intake.faults,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="what the MQTT source takes from a broker")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--topic", default="city/+/readings")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--version", default="5")
    parser.add_argument("--sync", metavar="FOLDER", help="write every group to a file here and fdatasync it")
    arguments_ = parser.parse_args(arguments)
    options = MqttOptions(
        connect=f"mqtt://127.0.0.1:{arguments_.port}",
        topics=[arguments_.topic],
        version=arguments_.version,
        session_expiry_s=0,
    )
    sys.stdout.write(json.dumps(asyncio.run(take(options, arguments_.seconds, arguments_.sync))) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
