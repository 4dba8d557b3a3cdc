"""Linear Road: how many expressways one core follows so that everybody is told in time.

    python -m tests.bench.bench_linear_road [--xways L] [--minutes N]

The pack `traffic` and `linear_road.yaml` judge generated traffic (`linear_road.py`), as full as the specification's at its end. Every report is answered with the speed, the vehicles and the
accidents of its road. The engine takes the reports of a second when that is over, and needs for them as long as the processor took; a report is answered in time where the answer is there within
5 s of it. Prints the highest L at which all are, for the rules engine alone (no log, no store), and what SQLstream reported of its own: 15 a core (quoted, not run here).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

from hub.model import Change, Tick
from rules.book import RuleBook, load
from rules.engine import Engine
from tests.bench.linear_road import CARS, EVERY_S, SECOND, START, Traffic, zones

LIMIT_S = 5.0
WARM_S = 61
"""Until every car has reported twice and the first minute has been measured."""


class Run(NamedTuple):
    """One run at one L."""

    xways: float
    reports: int
    answers: int
    busy: float
    """Seconds of the processor for each second of traffic."""
    worst_s: float
    """The longest from a report to its answer."""
    accidents: int
    """Told of, in the whole run."""

    def shown(self) -> str:
        in_time = "in time" if self.worst_s <= LIMIT_S else "too late"
        each = self.busy * 1e6 * self.seconds() / self.reports
        return (
            f"L = {self.xways:<5g} {self.reports:>9,} reports, {self.answers:>9,} answers, {self.accidents} accidents; "
            f"{each:.0f} µs a report, busy {self.busy:.0%}, the last answer after {self.worst_s:.1f} s: {in_time}"
        )

    def seconds(self) -> float:
        return self.reports / (self.xways * CARS / EVERY_S)


def book() -> RuleBook:
    found = load([Path(__file__).parent / "linear_road.yaml"], ["traffic"])
    assert isinstance(found, RuleBook), found
    return found


def run(xways: float, measured_s: int) -> Run:
    """Traffic of so many expressways against the clock."""
    traffic = Traffic(xways)
    engine = Engine(book(), (), zones(traffic.xways))
    reports = answers = accidents = 0
    finished = worst = spent = 0.0
    for second in range(WARM_S + measured_s):
        events = [*traffic.next_second(), Tick(START + (second + 1) * SECOND)]
        began = time.process_time()
        outcome = engine.feed(events)
        took = time.process_time() - began
        accidents += sum(c.rule == "traffic/accident" and c.change is Change.RAISED for c in outcome.changes)
        if second >= WARM_S:
            arrived = second + 1.0
            finished = max(finished, arrived) + took
            worst = max(worst, finished - arrived + 1)  # the first report of a second waited for its end
            spent += took
            reports += len(events) - 1
            answers += sum(made.kind == "vehicle" for made in outcome.derived)
    return Run(xways, reports, answers, spent / measured_s, worst, accidents)


def highest(measured_s: int) -> Run:
    """The highest L, to a tenth, at which every answer is in time: guessed by a run of a fifth of an expressway, then tried."""
    first = run(0.2, measured_s)
    print(first.shown(), flush=True)
    wanted = max(0.1, round(0.2 / first.busy, 1))
    while True:
        found = run(wanted, measured_s)
        print(found.shown(), flush=True)
        if found.worst_s <= LIMIT_S or wanted <= 0.1:
            return found
        wanted = round(min(wanted - 0.1, wanted / found.busy), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--xways", type=float, help="only this L")
    parser.add_argument("--minutes", type=float, default=2.0, help="of traffic that are measured (default %(default)s)")
    asked = parser.parse_args()
    measured_s = round(asked.minutes * 60)
    if asked.xways:
        print(run(asked.xways, measured_s).shown())
    else:
        print(f"Highest L on one core: {highest(measured_s).xways:g}")


if __name__ == "__main__":
    main()
