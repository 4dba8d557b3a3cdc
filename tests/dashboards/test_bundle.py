"""What the console uses from others: built by its lock file, without addresses, and typed against the console's own modules."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dashboards.bundle.__main__ import HERE, MADE, fresh, make
from dashboards.bundle.npm import install, run_npm
from tests.npm import GROUP, or_skip

pytestmark = pytest.mark.xdist_group(GROUP)


@pytest.fixture(scope="module")
def modules() -> Path:
    with or_skip():
        make()
        return install(HERE)


def test_the_bundle_is_made_and_needs_nobody(modules: Path) -> None:
    assert fresh()
    script = MADE[0].read_text("utf-8")
    for name in ("PMTiles", "VectorTile", "PbfReader", "Plot"):
        assert re.search(rf"\bas {name}\b", script), name
    assert not re.search(r"\beval\(|new Function\(|import\(", script), "the page's policy would refuse it"


def test_the_lock_file_has_hashes_and_no_addresses() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert all("integrity" in entry and "resolved" not in entry for entry in packages.values())
    wanted = json.loads((HERE / "package.json").read_text("utf-8"))
    versions = wanted["dependencies"] | wanted["devDependencies"]
    assert all(re.fullmatch(r"[\d.]+", version) for version in versions.values()), "exact versions"


def test_the_consoles_modules_are_typed(modules: Path) -> None:
    with or_skip():
        run_npm(["run", "types"], 200, HERE)
