"""Schemas, completion and the manual page, each made from what it describes."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from hub.app.schemas import KINDS, schema
from hub.cli import GROUPS, main, parser
from tests.shared import ROOT

HUB = jsonschema.Draft202012Validator(schema("hub.toml"))
TOMLS = [
    *(ROOT / "adapters").glob("*/sample.toml"),
    ROOT / "hub/starter/hub.toml",
    ROOT / "deploy/city/hub.toml",
    ROOT / "simulators/city/hub.toml",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_one(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", kind]) == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("path", TOMLS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sample_is_valid(path: Path) -> None:
    table = {"hub": {"name": "x"}} | tomllib.loads(path.read_text("utf-8"))
    assert [error.message for error in HUB.iter_errors(table)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"hub": {}},
        {"hub": {"name": 7}},
        {"hub": {"name": "x", "colour": "red"}},
        {"hub": {"name": "x"}, "adapter": []},
        {"hub": {"name": "x"}, "adapters": [{"protocol": "nothing"}]},
        {"hub": {"name": "x"}, "adapters": [{"protocol": "jt808", "lisen": "tcp://0.0.0.0:1"}]},
        {"hub": {"name": "x"}, "adapters": [{"protocol": "jt808", "clock": "mine"}]},
        {"hub": {"name": "x"}, "sinks": [{"protocol": "webhook", "url": "http://x", "levels": ["pink"]}]},
        {"hub": {"name": "x"}, "sinks": [{"protocol": "webhook"}]},
        {"hub": {"name": "x"}, "store": {"kind": "access"}},
        {"hub": {"name": "x"}, "rules": {"packs": ["folding"]}},
    ],
)
def test_what_the_check_refuses_the_schema_refuses(wrong: dict[str, Any]) -> None:
    assert list(HUB.iter_errors(wrong))


def test_words_and_rules_that_ship_are_valid() -> None:
    words = jsonschema.Draft202012Validator(schema("metrics.toml"))
    assert [
        error.message for error in words.iter_errors(tomllib.loads((ROOT / "hub/metrics.toml").read_text("utf-8")))
    ] == []
    assert list(words.iter_errors({"water": {"x": {"unit": "m"}}}))
    rules = jsonschema.Draft202012Validator(schema("rules"))
    for path in (ROOT / "rules/packs").glob("*/rules.yaml"):
        assert [error.message for error in rules.iter_errors(yaml.safe_load(path.read_text("utf-8")))] == [], path
    assert list(rules.iter_errors([{"rule": "x", "levles": {}}]))


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_every_command(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for name in ("backup", "install-service", "plugins"):
        assert name in script
    if shell == "bash":
        (tmp_path / "complete").write_text(script)
        asked = 'source complete; COMP_WORDS=(cityhub inst); COMP_CWORD=1; _shtab_cityhub; echo "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["install-service"], done.stderr


def test_the_manual_page_has_every_command_and_no_macro_by_accident(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["man"]) == 0
    page = capsys.readouterr().out
    commands = next(action for action in parser()._actions if hasattr(action, "choices") and action.choices)
    assert list(commands.choices or ()) == [name for own in GROUPS.values() for name in own]
    for name in commands.choices or ():
        assert f".SS {name.replace('-', chr(92) + '-')}\n" in page, name
    macros = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert macros <= {".TH", ".SH", ".SS", ".TP", ".B"}


@pytest.mark.parametrize("group", GROUPS)
def test_a_command_brings_its_own_group_only_which_is_told_rightly(group: str) -> None:
    """`cityhub users` must not wait until numpy, DuckDB and the simulators are imported."""
    for name in GROUPS[group]:
        commands = next(action for action in parser(name)._actions if hasattr(action, "choices") and action.choices)
        assert tuple(commands.choices or ()) == GROUPS[group]


def test_light_commands_import_nothing_heavy() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys, hub.cli; hub.cli.parser('users'); print(*sys.modules)"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert not {"numpy", "duckdb", "simulators", "starlette", "rules", "aiomqtt"} & set(said.stdout.split())
