"""`make oracle`: many runs, seed after seed, and a table of what was done and what came of it.

python -m tests.oracle [--runs 20] [--seed 1] [--lives 10] [--seconds 600] [--with disk clock …] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.oracle.lives import Nursery
from tests.oracle.run import Outcome, Plan, Run

KINDS = ("disk", "clock", "rot", "files", "memory", "influxdb", "mosquitto")


async def runs(
    first: int,
    count: int,
    lives: int,
    seconds: float,
    folder: Path,
    kinds: Sequence[str] | None = None,
    canary: str = "",
) -> list[Outcome]:
    """Run seed after seed until so many are done or the time is over. The folder of a run without fault is removed."""
    nursery, outcomes, began = Nursery(), [], time.monotonic()
    await nursery.open()
    try:
        for seed in range(first, first + count):
            if time.monotonic() - began > seconds:
                break
            place = folder / str(seed)
            outcome = await Run(place, planned(seed, lives, kinds, canary), nursery).go()
            outcomes.append(outcome)
            say(outcome, place)
            if not outcome.wrong:
                shutil.rmtree(place)
    finally:
        await nursery.close()
    return outcomes


def planned(seed: int, lives: int, kinds: Sequence[str] | None, canary: str = "") -> Plan:
    """A plan with these kinds of trouble beside kills and power cuts; None: with none, one or several of them, by the seed."""
    if kinds is None:
        chance = random.Random(f"kinds {seed}")
        kinds = chance.sample(KINDS, chance.choice((0, 1, 1, 2, 4)))
    return Plan(seed, lives, canary=canary, **dict.fromkeys(kinds, True))


def say(outcome: Outcome, place: Path) -> None:
    verdict = "kept" if not outcome.wrong else f"BROKEN, see {place}"
    print(
        f"seed {outcome.seed}: {outcome.owed} owed of {outcome.sent} sent, {outcome.warnings} warnings, "
        f"{outcome.wall_s:.0f} s: {verdict}", flush=True,
    )  # fmt: skip
    for sentence in outcome.wrong:
        print(f"    {sentence}", flush=True)


def table(outcomes: list[Outcome]) -> None:
    done: Counter[str] = Counter()
    for outcome in outcomes:
        done.update(outcome.ends)
    for what, count in sorted(done.items()):
        print(f"{count:6} {what}")
    print(
        f"{len(outcomes)} runs, {sum(o.owed for o in outcomes)} readings owed, {sum(o.warnings for o in outcomes)} warnings, "
        f"{sum(bool(o.wrong) for o in outcomes)} runs with a broken promise"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description="ends and troubles hubs by a seed, and looks what became of what they owe"
    )
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lives", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument(
        "--with", nargs="*", choices=KINDS, dest="kinds", help="kinds of trouble (default: by the seed)"
    )
    parser.add_argument("--canary", default="", help="a fault of `canaries.py` to let in")
    parser.add_argument("--keep", type=Path, help="folder for the runs (else a temporary one)")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="cityhub-oracle-"))
    outcomes = asyncio.run(
        runs(options.seed, options.runs, options.lives, options.seconds, folder, options.kinds, options.canary)
    )
    table(outcomes)
    return int(any(outcome.wrong for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
