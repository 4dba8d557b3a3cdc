"""The code of an earlier commit beside the present one, so that both are measured or compared in the same run."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")
ROOT = Path(__file__).resolve().parents[2]
BEFORE = "a1061fb"
"""The last commit before rules got their fused `take`."""
FIRST_ROUND = "b8c3b08"
"""The code that the goals of an ordinary day's cost were set beside, on a machine that is not here: a goal as a ratio is the goal over what this
code took there, and is held against what the present code takes over what this code takes here."""


@contextmanager
def code_of(commit: str) -> Iterator[Path]:
    """A folder with the project as it was at that commit, for as long as the context lasts. Raises LookupError where this is no
    repository that has it."""
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        raise LookupError(f"no commit {commit} here: {packed.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory(prefix="cityhub-before-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def now_and_first_round(measure: Callable[[Path], Found], alone: bool) -> tuple[Found, Found | None]:
    """What is measured of the present code, and before it of the first round's: None where it is not wanted (`alone`), or this is no repository that has it."""
    first = None
    if not alone:
        try:
            with code_of(FIRST_ROUND) as folder:
                print(f"The code of {FIRST_ROUND}:", flush=True)
                first = measure(folder)
        except LookupError as error:
            print(f"LOUD SKIP: the code of the first round is not measured: {error}")
        print("The present code:", flush=True)
    return measure(ROOT), first
