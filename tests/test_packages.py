"""Packages of other hands, built as wheels and installed with the hub's wheel in a clean environment: the examples, and what
`cityhub new` makes. Each is held to its own tests, which hold it to the hub's laws."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from tests.acceptance.running import cityhub, write_city
from tests.packaged import Clean, build
from tests.shared import ROOT

pytestmark = pytest.mark.xdist_group("packages")

EXAMPLES = ("cityhub-lpp", "cityhub-ntfy")
MADE = (("adapter", "lora-bin"), ("sink", "pager"), ("pack", "quay"))
CITY = """
[rules]
packs = ["quay"]
[[adapters]]
protocol = "lpp"
listen = "tcp://127.0.0.1:7100"
[[sinks]]
protocol = "ntfy"
url = "http://127.0.0.1:9"
topic = "x"
"""
FROST = """
- rule: frost
  title: "{subject.name}: ice forms at {frost:.1f Cel}"
  for_each: {kind: weather-station}
  let:
    frost: frost_point(air_temperature, relative_humidity)
  levels:
    yellow: frost >= -1 Cel and air_temperature < 0 Cel and lpp_illuminance < 10 lx
  clear: air_temperature > 2 Cel
  source: {standard: house default}
"""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """Everything installed; the packages' own tests lie in `packages/`."""
    folder = tmp_path_factory.mktemp("clean")
    for name in EXAMPLES:
        shutil.copytree(ROOT / "examples" / name, folder / "packages" / name)
    for kind, name in MADE:
        done = cityhub("new", kind, name, "--in", folder / "packages")
        assert done.returncode == 0, done.stderr
    projects = sorted((folder / "packages").iterdir())
    env = Clean(folder / "env")
    env.lend_dependencies()
    env.install(build(ROOT, folder / "dist"), *(build(project, folder / "dist") for project in projects))
    return env


def test_all_are_found_and_work(clean: Clean) -> None:
    lines = [json.loads(line) for line in clean.run("cityhub", "plugins", "--json").splitlines()]
    assert all(line["works"] for line in lines)
    added = {(line["group"], line["name"]): line["package"] for line in lines if not line["built_in"]}
    assert added == {
        ("adapters", "lpp"): "cityhub-lpp", ("metrics", "lpp"): "cityhub-lpp", ("functions", "frost_point"): "cityhub-lpp",
        ("sinks", "ntfy"): "cityhub-ntfy", ("adapters", "lora-bin"): "cityhub-lora-bin", ("sinks", "pager"): "cityhub-pager",
        ("packs", "quay"): "cityhub-quay",
    }  # fmt: skip


def test_a_city_uses_them(clean: Clean) -> None:
    write_city(clean.home / "city", CITY, rules=FROST)
    assert "1 adapters, 1 destinations" in clean.run("cityhub", "check", "city")
    sample = clean.run(
        "cityhub", "decode", "lpp", "packages/cityhub-lpp/sample.txt", "--received", "2026-11-29T08:00:00Z"
    )
    assert json.loads(sample.splitlines()[0])["readings"][0]["values"] == {
        "air_temperature": 26.6,
        "relative_humidity": 57.5,
    }


def test_their_own_tests_pass(clean: Clean) -> None:
    """Without this checkout: `cityhub.testing` comes from the wheel."""
    said = clean.run(
        "python", "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", "packages", timeout=500
    )
    assert re.search(r"\d\d passed", said)
    assert "skipped" not in said
    assert "failed" not in said
