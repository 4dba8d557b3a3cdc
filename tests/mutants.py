"""`make mutants`: how many small mistakes put into the code do its tests notice?

mutmut writes the mistakes (another comparison, a constant off by one, a call left out …); this picks a sample of them for
each part, runs that part's own tests against each, and prints the share that a test failed for. A part below `WANTED` makes
the run fail, and its survivors are listed as the lines that nobody would have missed.

    python -m tests.mutants [PART …] [--sample N] [--seed N]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WANTED = 0.85
SAMPLE = 150
SOURCES = ["hub", "rules", "adapters"]
HANGS_S = 120
"""A test that takes longer by a mistake hangs, which is noticed. Less than tests have else: many mistakes make them hang."""
SURVIVED, NO_TEST = 0, (5, 33)
"""mutmut's exit codes: all tests passed; no test reaches the line. Any other was noticed, a test without end too."""


@dataclass(frozen=True)
class Part:
    """Modules to mutate (patterns of paths, in which * goes through folders), and the tests that are theirs."""

    modules: list[str]
    tests: list[str]


PARTS = {
    "log": Part(
        [f"hub/log/{name}.py" for name in ("cursors", "linger", "log", "numbered", "pending", "segment", "tail")],
        ["tests/hub/test_log*.py", "tests/laws/test_logs.py"],
    ),
    "ingest": Part(
        [
            "hub/ingest.py",
            "hub/submission.py",
            "hub/pace.py",
            "hub/duplicates.py",
            "hub/ledger.py",
            "hub/faults.py",
            "hub/knocks.py",
        ],
        [
            "tests/hub/test_ingest*.py",
            "tests/hub/test_floods.py",
            "tests/hub/test_ledger.py",
            "tests/adapters/test_refused_for_good.py",
        ],
    ),
    "rules": Part(["rules/*.py"], ["tests/rules"]),
    "windows": Part(
        ["rules/language/bounds.py", "rules/state/samples.py", "rules/state/windows.py", "rules/state/pooling.py"],
        [
            "tests/rules/test_a*.py",
            "tests/rules/test_bounds.py",
            "tests/rules/test_edges.py",
            "tests/rules/test_engine.py",
            "tests/rules/test_memory.py",
            "tests/rules/test_quality.py",
            "tests/rules/test_resume.py",
            "tests/rules/test_windows.py",
        ],
    ),
    "cameras": Part(
        ["hub/cameras/ranking.py", "hub/cameras/sector.py"],
        ["tests/hub/test_cameras.py", "tests/hub/test_camera_ranking.py"],
    ),
    "delivery": Part(
        ["hub/delivery/*.py"],
        ["tests/hub/test_delivery*.py", "tests/hub/test_reading_courier.py", "tests/hub/test_taking_over.py"],
    ),
    "jt808": Part(["adapters/jt808/*.py"], ["tests/adapters/jt808"]),
    "hj212": Part(["adapters/hj212/*.py"], ["tests/adapters/test_hj212*.py"]),
    "modbus": Part(["adapters/modbus/*.py"], ["tests/adapters/test_modbus*.py"]),
}


@dataclass(frozen=True)
class Outcome:
    tried: int
    survivors: list[str]
    made: int

    @property
    def share(self) -> float:
        return 1 - len(self.survivors) / self.tried if self.tried else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="mutants tried of each part")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    low = []
    print(f"{'part':<10} {'made':>6} {'tried':>6} {'noticed':>8}", flush=True)
    for name in asked.part or PARTS:
        began = time.monotonic()
        outcome = attempt(PARTS[name], asked.sample, asked.seed)
        print(
            f"{name:<10} {outcome.made:>6} {outcome.tried:>6} {outcome.share:>8.1%}   {time.monotonic() - began:.0f} s",
            flush=True,
        )
        for line in outcome.survivors:
            print(f"    {line}")
        if outcome.share < WANTED:
            low.append(name)
    if low:
        print(f"Below {WANTED:.0%}: {', '.join(low)}")
    return len(low)


def attempt(part: Part, sample: int, seed: int) -> Outcome:
    """Mutate a copy of the project and run the part's tests against a sample of the mutants."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "project"
        _copy(place)
        _configure(place, part)
        _mutmut(place, "run", "no.such.mutant")  # makes them all, runs none
        made = sorted(_verdicts(place))
        if not made:
            raise SystemExit(f"mutmut made no mutant of {', '.join(part.modules)}")
        chosen = random.Random(seed).sample(made, min(sample, len(made)))
        said = _mutmut(place, "run", "--max-children", "2", *chosen)
        verdicts = _verdicts(place)
        untried = [name for name in chosen if verdicts[name] is None]
        if untried:
            raise SystemExit(f"mutmut left {len(untried)} of {len(chosen)} untried:\n{said[-3000:]}")
        survived = [name for name in chosen if verdicts[name] in (SURVIVED, *NO_TEST)]
        return Outcome(len(chosen), [_line(place, name) for name in survived], len(made))


def _copy(place: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place / name)


def _configure(place: Path, part: Part) -> None:
    """Tell mutmut of this part, in the way it wants it: in pyproject.toml."""
    tests = [str(path.relative_to(place)) for pattern in part.tests for path in sorted(place.glob(pattern))]
    others = [path.name for path in place.iterdir() if path.name not in (*SOURCES, "tests", "pyproject.toml")]
    with (place / "pyproject.toml").open("a") as file:
        file.write("\n[tool.mutmut]\n")
        for key, value in {
            "source_paths": SOURCES,
            "only_mutate": part.modules,
            "also_copy": others,
            "pytest_add_cli_args": ["-p", "no:cacheprovider", "--timeout", str(HANGS_S)],
            "pytest_add_cli_args_test_selection": tests,
        }.items():
            file.write(f"{key} = {json.dumps(value)}\n")
        file.write("use_git_change_detection = false\ntrack_dependencies = false\n")


def _mutmut(place: Path, *words: str) -> str:
    shared = os.environ.get("CITYHUB_SHARED", str(ROOT.parent / "shared"))
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *words],
        cwd=place,
        env=os.environ | {"CITYHUB_SHARED": shared, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def _verdicts(place: Path) -> dict[str, int | None]:
    """Exit code of the tests by mutant; None where it was not tried."""
    found: dict[str, int | None] = {}
    for path in place.glob("mutants/**/*.meta"):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return found


def _line(place: Path, mutant: str) -> str:
    """The mutant as the line that it changes."""
    shown = _mutmut(place, "show", mutant).splitlines()
    changed = [line[1:].strip() for line in shown if line[:1] in "-+" and line[:3] not in ("---", "+++")]
    return f"{mutant}: {' → '.join(changed[:2])}"


if __name__ == "__main__":
    sys.exit(main())
