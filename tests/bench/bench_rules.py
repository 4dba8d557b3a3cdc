"""Rules: how many rule·readings one core judges a second, with 300 rules loaded over 10,000 devices. Ten of the rules apply to
each reading of five values, and only those are counted.

    python -m tests.bench.bench_rules

Time is that of the processor, the best of some rounds. A round is one reading of every device.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hub.model import Device, Event, Position, Reading
from rules.book import RuleBook, read_book
from rules.engine import Engine

KINDS = 30
RULES_PER_KIND = 10
DEVICES = 10_000
EVERY_S = 120
"""A device reports every two minutes: an hour's window holds thirty samples."""
WARM_ROUNDS, ROUNDS = 31, 6
"""Rounds until windows of an hour are full and give up a sample for each they take, and rounds that are measured."""
METRICS = ("pm25", "pm10", "so2", "no2", "o3")
HOT = 75.0
LEVELS = ("blue", "yellow", "orange", "red")
START = 1_780_000_000_000_000_000
SECOND = 1_000_000_000
GOAL = 1_000_000

Level = Callable[[int, int], str]
"""(number of the rule within its kind, level) → condition."""


def book(level: Level) -> RuleBook:
    """300 rules in thirty kinds."""
    rules = []
    for kind in range(KINDS):
        for number in range(RULES_PER_KIND):
            levels = "\n".join(f"    {name}: {level(number, k)}" for k, name in enumerate(LEVELS))
            metric = METRICS[number % len(METRICS)]
            rules.append(
                f"- rule: k{kind}-r{number}\n  for_each: {{kind: kind-{kind}}}\n  levels:\n{levels}\n"
                f"  clear: {metric} < 48 ug/m3 for 10 min\n"
            )
    found = read_book([("bench", "bench.yaml", "".join(rules))])
    assert isinstance(found, RuleBook), found[0]
    return found


def threshold(number: int, k: int) -> str:
    """A plain threshold on one of five metrics."""
    return f"{METRICS[number % len(METRICS)]} >= {500 + 10 * number + 100 * k} ug/m3"


def window(number: int, k: int) -> str:
    """An hourly mean of one of five metrics."""
    return f"mean({METRICS[number % len(METRICS)]}, 1 h) >= {500 + 10 * number + 100 * k} ug/m3"


def neighbours(number: int, k: int) -> str:
    """A threshold that the sensors around bear out."""
    metric, limit = METRICS[number % len(METRICS)], HOT + 100 * k
    return f"{metric} >= {limit} ug/m3 and mean({metric}, 1 h, within 3 km) >= {limit} ug/m3"


def mixed(number: int, k: int) -> str:
    """As a city has it: of ten rules seven plain thresholds, two windows, one that asks the neighbours."""
    return neighbours(number, k) if number == 9 else window(number, k) if number >= 7 else threshold(number, k)


def place(number: int) -> Position:
    """Devices on a grid over 100 by 100 km: 28 within 3 km of each."""
    return Position(116.0 + number % 100 * 0.0117, 39.5 + number // 100 * 0.009)


def round_of(turn: int, above: Callable[[int], bool]) -> list[Event]:
    """One reading of each device; those `above` stand above the first threshold of every rule, and one in a hundred so high
    that it asks its neighbours: one of four hot spots in turn."""
    at = START + turn * EVERY_S * SECOND
    made: list[Event] = []
    for n in range(DEVICES):
        level = 650.0 if above(n) else HOT if (n + turn % 4) % 100 == 0 else 40.0 + (n + turn) % 7
        made.append(Reading(f"d{n}", at, dict.fromkeys(METRICS, level), received_at=at))
    return made


def run(title: str, level: Level, warm: int = 1, above: Callable[[int, int], bool] = lambda n, turn: False) -> None:
    devices = [Device(f"d{n}", kind=f"kind-{n % KINDS}", position=place(n)) for n in range(DEVICES)]
    engine = Engine(book(level), devices)
    for turn in range(warm):
        engine.feed(round_of(turn, lambda n: False))
    best, changes = float("inf"), 0
    for turn in range(warm, warm + ROUNDS):
        events = round_of(turn, lambda n, turn=turn: above(n, turn))  # type: ignore[misc]
        began = time.process_time()
        changes += len(engine.feed(events).changes)
        best = min(best, (time.process_time() - began) / DEVICES)
    rate = RULES_PER_KIND / best
    met = "" if above(0, 0) else f", goal {GOAL / 1e6:.2f} M: {'met' if rate >= GOAL else 'NOT met'}"
    print(f"{title:46} {best * 1e6:6.2f} µs a reading  {rate / 1e6:5.2f} M rule·readings/s{met}")
    state = engine.stats()
    told = ", ".join(f"{state[name]:,} {name}" for name in ("windows", "samples", "standings", "open_alerts", "timers"))
    print(f"{'':46} {changes:,} changes; state: {told}", flush=True)


def main() -> None:
    print(f"{KINDS * RULES_PER_KIND} rules, {DEVICES:,} devices, {RULES_PER_KIND} rules apply to each reading")
    run("thresholds, calm", threshold)
    run("hourly means, calm", window, WARM_ROUNDS)
    run("mixed: 7 thresholds, 2 means, 1 neighbours", mixed, WARM_ROUNDS)
    run("thresholds, one reading in 20 above a level", threshold, above=lambda n, turn: (n + turn) % 20 == 0)


if __name__ == "__main__":
    main()
