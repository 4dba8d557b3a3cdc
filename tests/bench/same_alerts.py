"""Whether an earlier commit and the present code give the same alerts, byte for byte, on every recording.

What is compared is what both say: keys that only one of the two ever writes are named and left out.

    python -m tests.bench.same_alerts [--commit COMMIT] [NAME…]

Each code plays its own city folders with its own packs, so an edited rule shows as a difference too. Prints one line a recording, where
both warn of the same in what fields they say otherwise, and the first lines that differ; ends with 1 where any do. The recordings lie beside the project (`tests.bench.recordings`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any

from tests.bench.before import BEFORE, ROOT, code_of
from tests.bench.recordings import DATA, RUNS, Run

SHOWN = 20
"""Lines of difference that are shown."""


def alerts(code: Path, run: Run) -> list[str]:
    """Every change of a warning that the code in that folder makes of a recording, one JSON line each, in order."""
    city = code / "rules" / "recordings" / run.city
    arguments = [
        sys.executable,
        "-m",
        "hub.cli",
        "backtest",
        str(city),
        "--json",
        "--quiet",
        "--readings",
        *run.arguments(city),
    ]
    environment = {**os.environ, "PYTHONPATH": str(code)}
    done = subprocess.run(arguments, cwd=code, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{run.name}: {done.stderr[-2000:]}")
    return done.stdout.splitlines()


def keys_of(value: Any) -> set[str]:
    """The names of all fields in it, however deep."""
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def only(value: Any, keys: set[str]) -> Any:
    """It without the fields of other names."""
    if isinstance(value, dict):
        return {key: only(item, keys) for key, item in value.items() if key in keys}
    return [only(item, keys) for item in value] if isinstance(value, list) else value


def in_common(before: list[str], now: list[str]) -> tuple[list[str], list[str], set[str]]:
    """Both with the fields that both know, and the names of the others. Numbers stay as they were written."""
    told = [[json.loads(line, parse_float=str, parse_int=str) for line in lines] for lines in (before, now)]
    known, knows = map(keys_of, told)
    kept = [[json.dumps(only(change, known & knows), ensure_ascii=False) for change in changes] for changes in told]
    return kept[0], kept[1], known ^ knows


def differences(before: list[str], now: list[str]) -> Iterator[str]:
    """The lines that only one of the two has, or has elsewhere."""
    if before != now:
        for line in unified_diff(before, now, "before", "now", n=0, lineterm=""):
            if not line.startswith(("---", "+++", "@@")):
                yield line


WARNING = ("at", "rule", "subject", "change", "level", "late")
"""What makes a change of a warning, whatever is said of it."""


def told_otherwise(before: list[str], now: list[str]) -> Counter[str] | None:
    """In how many changes each field says something else, where both make the same changes in the same order; None where they do not."""
    if len(before) != len(now):
        return None
    fields: Counter[str] = Counter()
    for earlier, later in zip(map(json.loads, before), map(json.loads, now), strict=True):
        if any(earlier.get(name) != later.get(name) for name in WARNING):
            return None
        fields.update(name for name in earlier.keys() | later.keys() if earlier.get(name) != later.get(name))
    return fields


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="recordings; default all")
    parser.add_argument("--commit", default=BEFORE, help="the code to compare with (default %(default)s)")
    asked = parser.parse_args(arguments)
    differ = 0
    with code_of(asked.commit) as folder:
        for run in RUNS:
            if (asked.names and run.name not in asked.names) or not list(DATA.glob(run.files)):
                continue
            before, now, others = in_common(alerts(folder, run), alerts(ROOT, run))
            found = list(differences(before, now))
            differ += bool(found)
            print(
                f"{run.name}: {len(now):,} changes, {'DIFFERENT' if found else 'the same bytes'}"
                + (f", but for {', '.join(sorted(others))}" if others else ""),
                flush=True,
            )
            fields = told_otherwise(before, now) if found else None
            if fields is not None:
                said = ", ".join(f"{name} in {count:,}" for name, count in sorted(fields.items()))
                print(f"    the same warnings at the same times; otherwise: {said}", flush=True)
            for line in found[:SHOWN]:
                print(f"    {line[:300]}", flush=True)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
