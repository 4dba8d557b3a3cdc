"""What judging costs in parts: processor time of each part, all in threads of one process, against one engine over the same events.

    python -m tests.bench.bench_parts [--stations 3000] [--vehicles 300] [--rounds 20]

Stations that stand all over two degrees, and vehicles that drive through them; six rules, two of which ask neighbours within 3 km. Only the
threads' own processor time counts: what other parts and other programs do meanwhile does not.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections.abc import Sequence

from hub.app.part_worker import Begin, PartWorker
from hub.model import Device, Event, Position, Reading, Tick
from rules.book import RuleBook, read_book
from rules.edition import registry_text
from rules.engine import Engine

SECOND = 1_000_000_000
START = 1_780_000_000 * SECOND
AT_ONCE = 500
RULES = """
- rule: hot
  for_each: {kind: station}
  levels: {yellow: temperature > 39 degC, orange: temperature > 39.8 degC}
- rule: warm
  for_each: {kind: station}
  levels: {yellow: "mean(temperature, 1 h) > 35 degC"}
- rule: wet
  for_each: {kind: station}
  levels: {yellow: "humidity > 99.5 %"}
- rule: patch
  for_each: {kind: station}
  levels: {blue: "temperature > 39.5 degC and mean(temperature, 10 min, within 3 km) > 25 degC"}
- rule: fast
  for_each: {kind: vehicle}
  levels: {yellow: speed > 115 km/h}
- rule: crowd
  for_each: {kind: vehicle}
  levels: {blue: "speed < 3 km/h and mean(speed, 5 min, within 3 km) < 40 km/h"}
"""


def city(stations: int, vehicles: int, rounds: int, degrees: float = 2.0) -> tuple[list[Device], list[Event]]:
    """`degrees`: its side."""
    chance = random.Random(1)
    devices = [
        Device(
            f"s{n}", kind="station", position=Position(115 + chance.random() * degrees, 39 + chance.random() * degrees)
        )
        for n in range(stations)
    ]
    devices += [Device(f"v{n}", kind="vehicle") for n in range(vehicles)]
    ways = [
        (chance.random() * degrees, chance.random() * degrees, chance.uniform(-0.01, 0.01)) for _ in range(vehicles)
    ]
    events: list[Event] = []
    for step in range(rounds):
        now = START + step * 60 * SECOND
        told = [
            Reading(
                f"s{n}",
                now,
                {"temperature": chance.uniform(15, 40), "humidity": chance.uniform(20, 100)},
                received_at=now,
            )
            for n in range(stations)
        ]
        for n, (lon, lat, way) in enumerate(ways):
            place = Position(115 + (lon + way * step) % degrees, 39 + lat)
            values = {"speed": chance.uniform(0, 120), "course": 90.0}
            told.append(Reading(f"v{n}", now, values, place, received_at=now))  # type: ignore[arg-type]
        chance.shuffle(told)
        events += [*told, Tick(now + 59 * SECOND)]
    return devices, events


class Posts:
    """In memory."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, bytes]] = []
        self.bytes = 0
        self._more = threading.Condition()

    def last(self, part: int) -> bytes | None:
        return None

    def send(self, part: int, message: bytes) -> None:
        with self._more:
            self.messages.append((part, message))
            self.bytes += len(message)
            self._more.notify_all()

    def read(self, after: int, wait: bool) -> list[tuple[int, int, bytes]]:
        with self._more:
            while wait and len(self.messages) <= after:
                self._more.wait()
            found = self.messages[after:]
        return [(after + 1 + at, part, data) for at, (part, data) in enumerate(found)]


def one_engine(book: RuleBook, devices: Sequence[Device], events: Sequence[Event]) -> float:
    engine = Engine(book, devices)
    began = time.thread_time()
    for at in range(0, len(events), AT_ONCE):
        engine.feed(events[at : at + AT_ONCE])
    return time.thread_time() - began


def in_parts(parts: int, book: RuleBook, devices: Sequence[Device], events: Sequence[Event]) -> tuple[list[float], int]:
    """Processor seconds of each part, and the bytes that they wrote for each other."""
    posts = Posts()
    begin = Begin(parts, book.text, registry_text(devices, ()), 0, b"")
    took = [0.0] * parts

    def judge(part: int) -> None:
        worker = PartWorker(part, posts, begin)
        began = time.thread_time()
        for at in range(0, len(events), AT_ONCE):
            few = events[at : at + AT_ONCE]
            worker.judge(few, range(at, at + len(few) + 1))
        took[part] = time.thread_time() - began

    threads = [threading.Thread(target=judge, args=(part,)) for part in range(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, posts.bytes


def main(stations: int, vehicles: int, rounds: int, turns: int) -> None:
    found = read_book([("b", "b.yaml", RULES)])
    assert isinstance(found, RuleBook), found
    devices, events = city(stations, vehicles, rounds)
    print(f"{len(devices)} devices, {len(events)} events, {len(found.rules)} rules")
    for _ in range(turns):
        whole = one_engine(found, devices, events)
        print(f"one engine: {whole / len(events) * 1e6:.1f} us an event")
        for parts in (2, 4, 8):
            took, size = in_parts(parts, found, devices, events)
            each = ", ".join(f"{one / len(events) * 1e6:.1f}" for one in took)
            print(
                f"{parts} parts: {each} us an event; the slowest {max(took) / whole:.2f} and all {sum(took) / whole:.2f} of one engine; {size / len(events):.0f} bytes an event"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=3000)
    parser.add_argument("--vehicles", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--turns", type=int, default=2)
    given = parser.parse_args()
    main(given.stations, given.vehicles, given.rounds, given.turns)
