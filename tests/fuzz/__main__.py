"""`make fuzz`: inputs nobody meant, against everything that reads what others wrote; prints a table, keeps what broke something.

    python -m tests.fuzz [TARGET …] [--seconds 20] [--seed 1] [--found FOLDER]

TARGET is a part of a name ("decoder", "rules", "api"). Each runs for so many seconds. Where something raises, the input is kept in
`tests/fuzz/found/TARGET/`, and `tests/fuzz/test_found.py` tries it from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.mutate import mutants
from tests.fuzz.targets import TARGETS, Target

FOUND = Path(__file__).with_name("found")
SLOW_S = 2.0
"""An input that takes longer is a finding too (of the process's own time)."""


@dataclass
class Tried:
    inputs: int = 0
    wall_s: float = 0.0
    slowest_s: float = 0.0
    found: dict[str, bytes] = field(default_factory=dict)
    """By what was raised and where: the first input that did."""


def tried(target: Target, seconds: float, seed: int) -> Tried:
    done = Tried()
    inputs = mutants(target.seeds, random.Random(f"{target.name} {seed}"), target.sealed)
    with target.open() as attempt:
        began = time.monotonic()
        while not done.inputs or time.monotonic() - began < seconds:
            for data, _ in zip(inputs, range(20), strict=False):
                done.inputs += 1
                before = time.thread_time()
                try:
                    attempt(data)
                except Exception as error:
                    last = traceback.extract_tb(error.__traceback__)[-1]
                    done.found.setdefault(f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}", data)
                took = time.thread_time() - before
                done.slowest_s = max(done.slowest_s, took)
                if took > SLOW_S:
                    done.found.setdefault(f"took more than {SLOW_S:g} s", data)
        done.wall_s = time.monotonic() - began
    return done


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("target", nargs="*", default=[""])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--found", type=Path, default=FOUND)
    options = parser.parse_args()
    chosen = [target for name, target in TARGETS.items() if any(part in name for part in options.target)]
    if not chosen:
        parser.error(f"no target of that name; there are {', '.join(TARGETS)}")
    total, broken = 0, 0
    print(f"{'target':24}{'inputs':>10}{'a second':>10}{'slowest':>10}  found")
    for target in chosen:
        done = tried(target, options.seconds, options.seed)
        total, broken = total + done.inputs, broken + len(done.found)
        what = "; ".join(done.found) or "-"
        print(
            f"{target.name:24}{done.inputs:10}{done.inputs / done.wall_s:10.0f}{done.slowest_s * 1000:7.0f} ms  {what}",
            flush=True,
        )
        for data in done.found.values():
            folder = options.found / target.name.replace(" ", "-")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    print(f"{total} inputs, {broken} findings")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
