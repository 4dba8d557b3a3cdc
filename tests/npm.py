"""Schemas and Grafana's own code that only npm has: installed once into dashboards/grafana/schema/, by its lock file.

`make test` installs before any test begins (`python -m tests.npm`). A test that runs alone installs for itself; a file
lock lets one process at a time do that, because two `npm ci` in one folder undo each other's work.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "dashboards" / "grafana" / "schema"
INSTALL_S, MAKE_S = 240, 90
GROUP = "npm"
"""Tests that use it stay on one worker (`xdist_group`), so that none waits for another's install."""


class NpmError(Exception):
    """npm is missing or did not work; the text says what happened."""


def run_npm(arguments: list[str], seconds: float, folder: Path = FOLDER) -> str:
    """npm in that folder; what it printed."""
    npm = shutil.which("npm")
    if npm is None:
        raise NpmError("there is no npm here (Debian: apt-get install npm)")
    try:
        done = subprocess.run([npm, *arguments], cwd=folder, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise NpmError(f"npm {' '.join(arguments)}: no end within {seconds} s") from None
    if done.returncode:
        raise NpmError(f"npm {' '.join(arguments)}: {done.stderr[-2000:] or 'it failed without a word'}")
    return done.stdout


def install(folder: Path = FOLDER) -> Path:
    """node_modules as the lock file has it; one process at a time, and only where something changed."""
    modules = folder / "node_modules"
    mark = modules / ".package-lock.json"
    with locked(folder):
        if not mark.exists() or mark.stat().st_mtime < (folder / "package-lock.json").stat().st_mtime:
            run_npm(["ci", "--no-audit", "--no-fund"], INSTALL_S, folder)
            mark.touch()
    return modules


@contextlib.contextmanager
def locked(folder: Path = FOLDER) -> Iterator[None]:
    """Wait until no other process installs or makes something in that folder."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def installed() -> Path:
    """`install()` for a test: a loud skip on a laptop without npm, a failure in CI."""
    with or_skip():
        return install()


@contextlib.contextmanager
def or_skip() -> Iterator[None]:
    try:
        yield
    except NpmError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{error}; in CI what tests need from npm must be there")
        pytest.skip(f"LOUD SKIP: {error}; nothing was held against what npm has")


if __name__ == "__main__":
    try:
        install()
    except NpmError as trouble:
        print(f"{trouble}. Tests that need it will say so.")
        sys.exit(os.environ.get("CI") == "true")
