"""Rules: how many rule·readings one core judges a second, with 100 rules loaded of which ten apply to each reading.

python -m tests.bench.bench_rules
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hub.model import Device, Event, Reading
from rules.book import RuleBook, read_book
from rules.engine import Engine

KINDS = 10
RULES_PER_KIND = 10
DEVICES = 1_000
READINGS = 100_000
METRICS = ("pm25", "pm10", "so2", "no2", "o3")
START = 1_780_000_000_000_000_000
MINUTE = 60_000_000_000


def book(level: Callable[[int, int], str]) -> RuleBook:
    """100 rules in ten kinds; `level(rule, k)` writes the condition of level k."""
    names = ("blue", "yellow", "orange", "red")
    rules = []
    for kind in range(KINDS):
        for number in range(RULES_PER_KIND):
            levels = "\n".join(f"    {name}: {level(number, k)}" for k, name in enumerate(names))
            metric = METRICS[number % len(METRICS)]
            rules.append(
                f"- rule: k{kind}-r{number}\n  for_each: {{kind: kind-{kind}}}\n  levels:\n{levels}\n"
                f"  clear: {metric} < 80 % of level for 10 min\n"
            )
    found = read_book([("bench", "bench.yaml", "".join(rules))])
    assert isinstance(found, RuleBook), found
    return found


def threshold(number: int, k: int) -> str:
    """A plain threshold on one of five metrics."""
    return f"{METRICS[number % len(METRICS)]} >= {500 + 10 * number + 100 * k} ug/m3"


def window(number: int, k: int) -> str:
    """An hourly mean of one of five metrics."""
    metric = METRICS[number % len(METRICS)]
    return f"mean({metric}, 1 h) >= {500 + 10 * number + 100 * k} ug/m3 and {metric} > 0 ug/m3"


def events(high_share: float) -> list[Event]:
    """Readings of five values each, device after device; a share of them above the first threshold."""
    made: list[Event] = []
    every = round(1 / high_share) if high_share else 0
    for i in range(READINGS):
        at = START + (i // DEVICES) * MINUTE
        level = 650.0 if every and (i // DEVICES) % every == 0 else 40.0 + i % 7
        made.append(Reading(f"d{i % DEVICES}", at, dict.fromkeys(METRICS, level), received_at=at))
    return made


def run(title: str, rules: RuleBook, stream: list[Event]) -> None:
    devices = [Device(f"d{i}", kind=f"kind-{i % KINDS}") for i in range(DEVICES)]
    engine = Engine(rules, devices)
    engine.feed(stream[:DEVICES])
    best = float("inf")
    changes = 0
    for start in range(DEVICES, READINGS, (READINGS - DEVICES) // 3):
        part = stream[start : start + (READINGS - DEVICES) // 3]
        before = time.perf_counter()
        changes += len(engine.feed(part).changes)
        best = min(best, (time.perf_counter() - before) / len(part))
    print(
        f"{title:46} {best * 1e6:6.2f} µs a reading  {RULES_PER_KIND / best / 1e6:5.2f} M rule·readings/s"
        f"  ({changes} changes, goal 1.00 M)"
    )


def main() -> None:
    run("thresholds, calm", book(threshold), events(0.0))
    run("thresholds, one round in 20 above a level", book(threshold), events(0.05))
    run("hourly means, calm", book(window), events(0.0))


if __name__ == "__main__":
    main()
