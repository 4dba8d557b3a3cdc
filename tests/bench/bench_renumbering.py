"""What it takes to go over to another number of parts of the rules: the steps that judging waits for, one after another.

    python -m tests.bench.bench_renumbering [--devices 10000 100000] [--rounds 12] [--parts 3 6] [--degrees 2]

Stations and vehicles as in `bench_parts`, a reading of each a minute. What the parts write goes to one real server on this machine and back. Of what
all parts do at the same time, each on a machine of its own, the slowest counts.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from hub.app.gathering import Gathering
from hub.app.part_worker import Begin, PartWorker
from hub.app.parts_number import PARTS
from hub.app.reuniting import next_of
from hub.cli.serving import GARBAGE
from hub.log.jetstream import JetStreamFiles, Servers
from hub.model import Device, Edition, Event
from rules.book import RuleBook, read_book
from rules.edition import registry_text
from rules.engine import Engine
from tests.acceptance.nats_server import NatsServer
from tests.bench.bench_parts import RULES, START, city

Made = TypeVar("Made")


class Posts:
    """Of parts that need nothing of each other."""

    def last(self, part: int) -> bytes | None:
        return None

    def send(self, part: int, message: bytes) -> None:
        pass

    def read(self, after: int, wait: bool) -> list[tuple[int, int, bytes]]:
        return []

    def close(self) -> None:
        pass


class Clock:
    """Seconds of processor time and of waiting, by step; of steps that go on at once, the longest."""

    def __init__(self) -> None:
        self.took: dict[str, tuple[float, float]] = {}

    def time(self, step: str, work: Callable[[], Made]) -> Made:
        cpu, began = time.process_time(), time.perf_counter()
        made = work()
        took = time.process_time() - cpu, time.perf_counter() - began
        self.took[step] = max(took, self.took.get(step, (0.0, 0.0)))
        return made

    def show(self) -> None:
        for step, (cpu, wall) in self.took.items():
            print(f"  {step}: {wall:.2f} s, {cpu:.2f} s of it of this process's CPU")
        cpu, wall = (sum(one) for one in zip(*self.took.values(), strict=True))
        print(f"  all: {wall:.1f} s, CPU {cpu:.1f} s", flush=True)


def change(
    devices: Sequence[Device], events: Sequence[Event], book: RuleBook, parts: Sequence[int], files: JetStreamFiles
) -> None:
    """From parts of the first number to such of the second."""
    engine = Engine(book, devices)
    engine.feed(events)
    before, after = parts
    begin = Begin(before, book.text, registry_text(devices, ()), len(events), engine.snapshot())
    print(
        f"{len(devices)} devices: {len(engine.open_alerts())} open warnings, {len(begin.engine) / 1e6:.1f} MB",
        flush=True,
    )
    del engine
    clock, saved = Clock(), list[bytes]()
    together = Gathering.begun(begin, Posts()).together
    for part in range(before):
        worker = PartWorker(part, Posts(), begin)
        worker.judge([Edition(START + 10**13, PARTS, "t", str(after))], [len(events), len(events) + 1])
        data = clock.time("a part writes its snapshot", worker.saved)
        name = f"rules-{part}.snapshot"
        clock.time("to the servers", lambda name=name, data=data: files.replace(name, data))  # type: ignore[misc]
        saved.append(data)
    print(f"  snapshots of the parts: {', '.join(f'{len(one) / 1e6:.1f}' for one in saved)} MB")
    clock.time("from the servers, all", lambda: [files.read(f"rules-{part}.snapshot") for part in range(before)])
    newest = clock.time("made one", lambda: next_of(begin, after, saved, together))
    clock.time("the whole to the servers", lambda: files.replace("parts.begin", msgspec.msgpack.encode(newest)))
    clock.time("who brings together begins", lambda: Gathering.begun(newest, Posts()))
    clock.time("the whole from the servers", lambda: files.read("parts.begin"))
    for part in range(min(after, 2)):
        clock.time("a part begins", lambda part=part: PartWorker(part, Posts(), newest))  # type: ignore[misc]
    clock.show()


def main(counts: Sequence[int], rounds: int, parts: Sequence[int], degrees: float) -> None:
    gc.set_threshold(*GARBAGE)
    book = read_book([("b", "b.yaml", RULES)])
    assert isinstance(book, RuleBook), book
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            server = NatsServer(Path(folder))
            server.start()
            try:
                servers = Servers([server.url])
                told = city(count - count // 10, count // 10, rounds, degrees * (count / 10_000) ** 0.5)
                change(*told, book, parts, JetStreamFiles(servers, "bench", 1))
                servers.close()
            finally:
                server.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--parts", type=int, nargs=2, default=[3, 6])
    parser.add_argument(
        "--degrees", type=float, default=2.0, help="the side of a city of 10,000 devices; larger ones are as dense"
    )
    given = parser.parse_args()
    main(given.devices, given.rounds, given.parts, given.degrees)
