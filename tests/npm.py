"""Schemas that only npm has: installed once into dashboards/grafana/schema/, by its lock file."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "dashboards" / "grafana" / "schema"
INSTALL_S, MAKE_S = 90, 60
GROUP = "npm"
"""All tests that use it stay on one worker (`xdist_group`), so that it is installed once."""


def run_npm(arguments: list[str], seconds: float) -> None:
    """npm in that folder. Without npm there is nothing to do it with: a loud skip, in CI too, because npm is no part of
    `make servers`. Where npm is there but does not work, the same on a laptop; in CI that is a failure."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("LOUD SKIP: no npm here, so nothing was held against the schemas it has")
    try:
        done = subprocess.run([npm, *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=seconds)
        said = (done.stderr[-2000:] or "it failed without a word") if done.returncode else ""
    except subprocess.TimeoutExpired:
        said = f"no end within {seconds} s"
    if said:
        message = f"npm {' '.join(arguments)} did not work: {said}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(f"LOUD SKIP: {message}")


def installed() -> Path:
    """node_modules as the lock file has it."""
    modules = FOLDER / "node_modules"
    mark = modules / ".package-lock.json"
    if not mark.exists() or mark.stat().st_mtime < (FOLDER / "package-lock.json").stat().st_mtime:
        run_npm(["ci", "--no-audit", "--no-fund"], INSTALL_S)
        mark.touch()
    return modules
