"""Packages that add to the hub, found by their metadata: those that work, and those that do not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoints
from pathlib import Path

import pytest

import cityhub
from hub.app.plugins import Plugins
from hub.extensions import GROUPS, extensions
from tests.acceptance.running import write_city
from tests.shared import ROOT


def package(folder: Path, name: str, points: str, files: Mapping[str, str]) -> None:
    """An installed package as pip leaves it: its modules, and beside them what it says of itself."""
    about = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text(points)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def run(folder: Path, *command: str, code: int = 0) -> str:
    """A command of a process of its own that has these packages."""
    done = subprocess.run(
        [sys.executable, "-m", "cityhub", *command], cwd=folder, env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def listed(folder: Path, code: int) -> dict[tuple[str, str], str]:
    lines = run(folder, "plugins", "--json", code=code).splitlines()
    found = list(map(json.loads, lines))
    names = {(line["group"], line["name"]) for line in found if line["package"] != "bad"}
    return {
        (
            line["group"],
            line["name"] + " again" * (line["package"] == "bad" and (line["group"], line["name"]) in names),
        ): line["trouble"]
        for line in found
    }


TICKER = """
import msgspec
from cityhub.plugin import LineCodec, Message, Plugin, Reading, StreamOptions, stream_adapter

class TickerCodecOptions(msgspec.Struct, kw_only=True, frozen=True):
    metres_per_step: float = 1.0

    def __post_init__(self):
        if self.metres_per_step <= 0:
            raise ValueError("metres_per_step must be more than 0")

def codec(options):
    def decode(line, received_at):
        device, depth = line.decode("ascii", "replace").split(",")
        return Message([Reading(device, received_at, {"water_depth": float(depth) * options.metres_per_step})], [])
    return LineCodec(decode)

PLUGIN = Plugin(protocol="ticker", summary="a line a reading", options=StreamOptions, codec_options=TickerCodecOptions, codec=codec,
                adapter=stream_adapter(codec))
"""
GOOD = """
[cityhub.adapters]
ticker = good.ticker:PLUGIN
[cityhub.packs]
quay = good.quay
[cityhub.metrics]
good = good
[cityhub.functions]
double = good.figures:DOUBLE
[cityhub.inventories]
twins = good.cameras:TWINS
"""
GOOD_FILES = {
    "good/__init__.py": "",
    "good/ticker.py": TICKER,
    "good/metrics.toml": '[water]\nwave_height = { unit = "m", range = [0, 40], title = "Wave height", title_zh = "波高" }\n',
    "good/figures.py": 'from cityhub.plugin import Function\nDOUBLE = Function(lambda x: 2 * x, ("m",), "m", "double(x)")\n',
    "good/cameras.py": "from cityhub.plugin import Inventory, Listing\n"
    "TWINS = Inventory('two of them', lambda text, options: Listing('camera,name,lon,lat\\na,A,1,2\\nb,B,1,2\\n', 2))\n",
    "good/quay/__init__.py": "",
    "good/quay/rules.yaml": '- rule: waves\n  title: "{subject.name}: waves"\n  for_each: {kind: tide-gauge}\n  levels:\n'
    "    red: double(wave_height) >= 6 m\n  clear: wave_height < 2 m\n  source: {standard: house default}\n",
    "good/quay/tests.yaml": "- test: nothing\n  rules: [quay/waves]\n",
}


def test_a_package_adds_to_every_group_without_an_edit(tmp_path: Path) -> None:
    package(tmp_path, "good", GOOD, GOOD_FILES)
    trouble = listed(tmp_path, 0)
    for name in ("adapters ticker", "packs quay", "metrics good", "functions double", "inventories twins"):
        assert trouble[tuple(name.split())] == ""  # type: ignore[index]
    assert "good 1.2" in run(tmp_path, "plugins", "--group", "packs")
    toml = '[rules]\npacks = ["quay"]\n[[adapters]]\nprotocol = "ticker"\nlisten = "tcp://127.0.0.1:7100"\n'
    write_city(tmp_path / "city", toml + "metres_per_step = 0\n")
    assert "metres_per_step must be more than 0" in run(tmp_path, "check", "city", code=1)
    write_city(tmp_path / "city", toml + "metres_per_step = 0.1\n")
    assert "2 rules" in run(tmp_path, "check", "city")
    assert "quay/waves" in run(tmp_path, "rules", "list")
    (tmp_path / "frames").write_text("quay-1,0.5\n")
    decode = ("decode", "ticker", "frames", "--received", "2026-11-29T08:00:00Z")
    assert '"water_depth":0.5' in run(tmp_path, *decode)
    assert '"water_depth":5.0' in run(tmp_path, *decode, "--option", "metres_per_step=10")
    assert run(tmp_path, "camera-list", "anything", "--from", "twins").count("\n") == 3


BAD = """
[cityhub.adapters]
nowhere = bad.nowhere:PLUGIN
leaves = bad.leaves:PLUGIN
wrong = bad.wrong:PLUGIN
renamed = bad.renamed:PLUGIN
ais = bad.renamed:PLUGIN
[cityhub.packs]
hollow = bad.figures
flood = bad.flood
[cityhub.metrics]
bad = bad
[cityhub.functions]
beaufort = bad.figures:AGAIN
odd = bad.figures:ODD
[cityhub.stores]
bad = bad.wrong:PLUGIN
"""
BAD_FILES = {
    "bad/__init__.py": "",
    "bad/leaves.py": "import sys\nsys.exit('I leave')\n",
    "bad/wrong.py": "PLUGIN = 7\n",
    "bad/renamed.py": "from cityhub.plugin import Plugin\nPLUGIN = Plugin(protocol='other', summary='x')\n",
    "bad/metrics.toml": '[water]\nwater_level = { unit = "ft", title = "Level" }\n',
    "bad/figures.py": "from cityhub.plugin import Function\nAGAIN = Function(abs, ('m',), 'm', 'x')\nODD = Function(abs, ('furlong',), 'm', 'x')\n",
    "bad/flood/__init__.py": "",
    "bad/flood/rules.yaml": "",
}


def test_what_is_ill_is_named_and_everything_else_runs(tmp_path: Path) -> None:
    package(tmp_path, "bad", BAD, BAD_FILES)
    package(tmp_path, "good", GOOD, GOOD_FILES)
    trouble = listed(tmp_path, 1)
    said = {name: text for (group, name), text in trouble.items() if text}
    assert "No module named 'bad.nowhere'" in said["nowhere"]
    assert "SystemExit: I leave" in said["leaves"]
    assert "a int where a cityhub.plugin.Plugin was meant" in said["wrong"]
    assert "protocol 'other'" in said["renamed"]
    assert said["ais again"] == "the name is taken by package cityhub"
    assert "no rules.yaml" in said["hollow"]
    assert said["flood"] == "the pack flood is there already"
    assert "line 2 of its metrics.toml: water_level is in the vocabulary already" in trouble["metrics", "bad"]
    assert said["beaufort"] == "the function beaufort is there already"
    assert "furlong" in said["odd"]
    assert "StoreKind" in trouble["stores", "bad"]
    assert trouble["adapters", "ais"] == trouble["adapters", "ticker"] == trouble["packs", "cityhub"] == ""
    write_city(tmp_path / "city", '[[adapters]]\nprotocol = "nowhere"\n[store]\nkind = "bad"\n')
    mistakes = run(tmp_path, "check", "city", code=1)
    assert "hub.toml:6: protocol 'nowhere' of package bad 1.2 cannot be used: ModuleNotFoundError" in mistakes
    assert "the store 'bad' of package bad 1.2 cannot be used" in mistakes
    write_city(tmp_path / "city", '[[adapters]]\nprotocol = "ticker"\nlisten = "tcp://127.0.0.1:7100"\n')
    assert "is fine" in run(tmp_path, "check", "city")


def test_what_ships_takes_the_same_road() -> None:
    for group in GROUPS:
        assert any(one.own for one in extensions(group).values()), group
    assert Path(cityhub.__file__).is_relative_to(ROOT / "hub" / "public"), "an editable installation holds a copy"
    assert all(name == plugin.protocol for name, plugin in Plugins().items())


def test_an_installation_older_than_its_source_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.extensions._points", lambda: EntryPoints(()))
    extensions.cache_clear()
    try:
        with pytest.raises(RuntimeError, match="make env"):
            extensions("adapters")
    finally:
        extensions.cache_clear()
