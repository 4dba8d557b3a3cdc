"""Rules: how many rule·readings one core judges a second, with 300 rules loaded over 10,000 devices. Ten of the rules apply to
each reading of five values, and only those are counted.

    python -m tests.bench.bench_rules [--now]

Time is that of the processor, the best of some rounds. A round is one reading of every device. Each profile is measured with the
present code and with that of an earlier commit (`tests.bench.before`), one after the other; `--now` leaves the earlier one out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

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


class Profile(NamedTuple):
    """What the rules ask, and what the readings are like."""

    title: str
    level: Level
    goal: float
    """Rule·readings a second, on the machine of the goals."""
    times: float
    """That goal as so many times what the code before took there: 2.7 M thresholds, 0.67 M means, 0.65 M mixed, 0.40 M in a storm."""
    warm: int = 1
    """Rounds before those that are measured."""
    storm: bool = False
    """Whether one reading in twenty stands above a level, so that alerts are raised and cleared all the time."""


PROFILES = {
    "thresholds": Profile("thresholds, calm", threshold, 3.0e6, 1.1),
    "means": Profile("hourly means, calm", window, 1.2e6, 1.8, WARM_ROUNDS),
    "mixed": Profile("mixed: 7 thresholds, 2 means, 1 neighbours", mixed, 1.0e6, 1.55, WARM_ROUNDS),
    "storm": Profile("thresholds, one reading in 20 above a level", threshold, 0.5e6, 1.25, storm=True),
}


def measure(profile: Profile) -> tuple[float, str]:
    """Seconds of the processor for one reading, and the state that was built."""
    devices = [Device(f"d{n}", kind=f"kind-{n % KINDS}", position=place(n)) for n in range(DEVICES)]
    engine = Engine(book(profile.level), devices)
    for turn in range(profile.warm):
        engine.feed(round_of(turn, lambda n: False))
    best, changes = float("inf"), 0
    for turn in range(profile.warm, profile.warm + ROUNDS):
        events = round_of(turn, lambda n, turn=turn: profile.storm and (n + turn) % 20 == 0)  # type: ignore[misc]
        began = time.process_time()
        changes += len(engine.feed(events).changes)
        best = min(best, (time.process_time() - began) / DEVICES)
    state = engine.stats()
    told = ", ".join(f"{state[name]:,} {name}" for name in ("windows", "samples", "standings", "open_alerts", "timers"))
    return best, f"{changes:,} changes; state: {told}"


def measured_with(code: Path, name: str) -> tuple[float, str]:
    """`measure` in a process of its own, with the rules of the project in that folder."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), "--one", name],
        cwd=code,
        env={**os.environ, "PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, state = done.stdout.strip().split(" ", 1)
    return float(seconds), state


def compare(before: Path | None) -> None:
    """Print a line a profile: the present code, and what it was before."""
    for name, profile in PROFILES.items():
        earlier = measured_with(before, name)[0] if before else None
        seconds, state = measured_with(Path(__file__).resolve().parents[2], name)
        rate = RULES_PER_KIND / seconds
        was = ""
        if earlier:
            times = earlier / seconds
            was = f", before {RULES_PER_KIND / earlier / 1e6:.2f} M: {times:.2f} times as fast, goal {profile.times} times: {_met(times >= profile.times)}"
        print(
            f"{profile.title:46} {seconds * 1e6:6.2f} µs a reading  {rate / 1e6:5.2f} M rule·readings/s, goal {profile.goal / 1e6:.1f} M: {_met(rate >= profile.goal)}{was}"
        )
        print(f"{'':46} {state}", flush=True)


def _met(met: bool) -> str:
    return "met" if met else "NOT met"


def main() -> None:
    if "--one" in sys.argv:
        print(*measure(PROFILES[sys.argv[-1]]))
        return
    from tests.bench.before import BEFORE, code_of

    print(f"{KINDS * RULES_PER_KIND} rules, {DEVICES:,} devices, {RULES_PER_KIND} rules apply to each reading")
    if "--now" in sys.argv:
        compare(None)
        return
    try:
        with code_of(BEFORE) as folder:
            compare(folder)
    except LookupError as error:
        print(f"The present code alone: {error}")
        compare(None)


if __name__ == "__main__":
    main()
