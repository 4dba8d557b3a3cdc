"""Every generated dashboard against the JSON Schema made from Grafana's own types (`@grafana/schema`, pinned)."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dashboards.grafana import build
from dashboards.grafana.build import GENERATED, Page
from tests.npm import FOLDER, GROUP, INSTALL_S, MAKE_S, installed, locked, or_skip, run_npm

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group(GROUP), pytest.mark.timeout(INSTALL_S + MAKE_S + 30)]


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft7Validator:
    """Made once and kept beside its lock file; made anew where the lock or the type is newer."""
    installed()
    made = FOLDER / "dashboard.schema.json"
    sources = [FOLDER / name for name in ("package-lock.json", "package.json", "dashboard.ts")]
    with or_skip(), locked(FOLDER):
        if not made.exists() or made.stat().st_mtime < max(path.stat().st_mtime for path in sources):
            run_npm(["run", "-s", "schema"], MAKE_S)
    return jsonschema.Draft7Validator(json.loads(made.read_text("utf-8")))


def faults(schema: jsonschema.Draft7Validator, model: dict[str, Any]) -> list[str]:
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in schema.iter_errors(model)]


FILES = sorted(GENERATED.rglob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(GENERATED)) for path in FILES])
def test_a_dashboard_is_what_grafana_takes_one_to_be(schema: jsonschema.Draft7Validator, path: Path) -> None:
    assert faults(schema, json.loads(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda model: model.update(schemaVersion="42"),
        lambda model: model.update(graphTooltip="crosshair"),
        lambda model: model.update(colour="red"),
        lambda model: model["panels"][0].update(gridPos={"x": "0", "y": 0, "w": 1, "h": 1}),
        lambda model: model["panels"][0]["fieldConfig"]["defaults"].update(unit=3),
        lambda model: model["templating"]["list"][0].update(type="guess"),
        lambda model: model["annotations"]["list"][0]["target"].update(query=1),
    ],
)
def test_the_schema_finds_mistakes(schema: jsonschema.Draft7Validator, spoil: Any) -> None:
    page: Page = next(iter(build.pages()))
    model = copy.deepcopy(page.model)
    spoil(model)
    assert faults(schema, model)
