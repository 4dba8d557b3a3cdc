"""What only npm has, installed once by lock files: schemas and Grafana's own code in dashboards/grafana/schema/, an OpenID provider in
tests/oidc_provider/.

`make test` installs before any test begins (`python -m tests.npm`). A test that runs alone installs for itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.bundle import npm
from dashboards.bundle.npm import NpmError, locked

__all__ = [
    "FOLDER",
    "GROUP",
    "INSTALL_S",
    "MAKE_S",
    "PROVIDER",
    "NpmError",
    "install",
    "installed",
    "locked",
    "node",
    "or_skip",
    "run_npm",
]

FOLDER = Path(__file__).resolve().parents[1] / "dashboards" / "grafana" / "schema"
PROVIDER = Path(__file__).resolve().parent / "oidc_provider"
INSTALL_S, MAKE_S = npm.INSTALL_S, 90
GROUP = "npm"
"""Tests that use it stay on one worker (`xdist_group`), so that none waits for another's install."""


def run_npm(arguments: list[str], seconds: float, folder: Path = FOLDER) -> str:
    """npm in that folder; what it printed."""
    return npm.run_npm(arguments, seconds, folder)


def install(folder: Path = FOLDER) -> Path:
    """node_modules as the lock file has it."""
    return npm.install(folder)


def node() -> str:
    """The machine's node. Raises NpmError."""
    found = shutil.which("node")
    if found is None:
        raise NpmError("there is no node here (Debian: apt-get install npm)")
    return found


def installed(folder: Path = FOLDER) -> Path:
    """`install()` for a test: a loud skip on a laptop without npm, a failure in CI."""
    with or_skip():
        return install(folder)


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
        for needed in (FOLDER, PROVIDER):
            install(needed)
    except NpmError as trouble:
        print(f"{trouble}. Tests that need it will say so.")
        sys.exit(os.environ.get("CI") == "true")
