"""The wheel: one name in site-packages, everything that the commands need inside, and it works where nothing else is installed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

import cityhub
from rules.book import shipped_packs
from tests.packaged import Clean, build
from tests.shared import ROOT

pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture
def clean(tmp_path: Path) -> Clean:
    return Clean(tmp_path / "env")


def test_one_name_is_installed_and_all_that_is_needed_is_inside(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "cityhub",
        next(n for n in names if "dist-info" in n).split("/")[0],
    }
    tree = {name.removeprefix("cityhub/tree/") for name in names if name.startswith("cityhub/tree/")}
    assert {name.split("/")[0] for name in tree} == set(cityhub.FOLDERS)
    for folder in (
        "hub/starter",
        "dashboards/console",
        "dashboards/grafana/generated",
        "simulators/city",
        "rules/packs",
        "rules/recordings",
    ):
        here = {
            str(path.relative_to(ROOT))
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert here
        assert here <= tree, folder
    assert not [
        name for name in tree if "node_modules" in name or name.endswith(".pyc") or name.startswith("hub/public")
    ]
    assert "cityhub/__init__.py" in names


def test_it_works_without_the_checkout(wheel: Path, clean: Clean, tmp_path: Path) -> None:
    clean.lend_dependencies()
    clean.install(wheel)
    where = clean.run("python", "-c", "import cityhub, hub, rules; print(hub.__file__, rules.__file__)")
    assert where.count(str(clean.site / "cityhub" / "tree")) == 2
    clean.run("cityhub", "init", "city")
    assert "is fine" in clean.run("cityhub", "check", "city")
    packs = {
        json.loads(line)["rule"].split("/")[0] for line in clean.run("cityhub", "rules", "list", "--json").splitlines()
    }
    assert packs == set(shipped_packs())
    assert clean.run("python", "-m", "cityhub", "--version") == clean.run("cityhub", "--version")


def test_another_package_of_the_same_name_does_no_harm(wheel: Path, clean: Clean) -> None:
    """Neither does cityhub hide it from other programs, nor does it come before the hub's own."""
    clean.lend_dependencies()
    (clean.site / "rules").mkdir()
    (clean.site / "rules" / "__init__.py").write_text('OWNER = "somebody else"\n')
    clean.install(wheel)
    assert clean.run("python", "-c", "import rules; print(rules.OWNER)") == "somebody else\n"
    assert "air-cn/" in clean.run("cityhub", "rules", "list")
    said = "import rules\ntry:\n import cityhub\nexcept ImportError as error:\n print(error)"
    assert "another package of that name" in clean.run("python", "-c", said)


@pytest.mark.slow
def test_it_brings_its_dependencies_and_the_demo_runs(wheel: Path, clean: Clean) -> None:
    """Asks the package registry, as a user's installation does."""
    clean.install(wheel, dependencies=True)
    assert "open http://127.0.0.1:" in clean.run("cityhub", "demo", "--seconds", "5")
