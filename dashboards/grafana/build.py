"""All dashboards in both languages, as the files that Grafana provisions and `cityhub dashboards publish` sends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.grafana import city, environment, hub, moving, utilities, warnings
from dashboards.grafana.board import Board
from dashboards.grafana.look import LANGUAGES, Language, Said

GENERATED = Path(__file__).parent / "generated"
BOARDS: tuple[Callable[[Language], Board], ...] = (
    city.city,
    environment.air,
    environment.water,
    utilities.utilities,
    moving.fleet,
    moving.vehicle,
    moving.harbour,
    moving.vessel,
    warnings.warnings,
    hub.hub,
    hub.devices,
    hub.one_device,
    environment.public,
)


class Folder(NamedTuple):
    """A folder of one audience. `viewers`: whether everybody signed in may look, else only its own team."""

    name: str
    title: Said
    team: str
    """Team that may look at it (and nobody else, but editors and admins); empty: every viewer."""


FOLDERS: Mapping[str, Folder] = {
    folder.name: folder
    for folder in (
        Folder("city", ("City overview", "城市总览"), ""),
        Folder("environment", ("Environment", "环境"), ""),
        Folder("utilities", ("Utilities", "公用事业"), "utilities"),
        Folder("fleet", ("Fleet", "车队"), "fleet"),
        Folder("harbour", ("Harbour", "港区"), "harbour"),
        Folder("warnings", ("Warnings", "预警"), ""),
        Folder("hub", ("Hub", "中枢"), "operations"),
        Folder("public", ("Public", "公众"), ""),
    )
}


PROVIDERS = Path(__file__).parent / "provisioning" / "dashboards" / "cityhub.yaml"


def folder_uid(name: str, language: Language) -> str:
    """Of a folder. Grafana keeps folders and dashboards under one set of uids, so the two must never share one."""
    return f"cityhub-folder-{name}-{language}"


def providers() -> str:
    """Grafana's file provisioning: a provider for each folder and language."""
    head = (
        "# Made by `cityhub dashboards build`. $CITYHUB_DASHBOARDS is where dashboards/grafana/generated is mounted.\n"
        "apiVersion: 1\nproviders:\n"
    )
    return head + "".join(
        f"""  - name: cityhub-{folder.name}-{language}
    folder: {folder.title[at]}
    folderUid: {folder_uid(folder.name, language)}
    type: file
    disableDeletion: true
    allowUiUpdates: false
    updateIntervalSeconds: 60
    options:
      path: $CITYHUB_DASHBOARDS/{folder.name}/{language}
"""
        for folder in FOLDERS.values()
        for at, language in enumerate(LANGUAGES)
    )


class Page(NamedTuple):
    """One generated dashboard: where its file stands, and what it holds."""

    folder: str
    language: Language
    name: str
    model: dict[str, Any]

    @property
    def path(self) -> Path:
        return GENERATED / self.folder / self.language / f"{self.name}.json"

    @property
    def text(self) -> str:
        return json.dumps(self.model, ensure_ascii=False, indent=1) + "\n"


def pages() -> Iterable[Page]:
    """Every dashboard, built from the code."""
    for make in BOARDS:
        for language in LANGUAGES:
            board = make(language)
            model = json.loads(json.dumps(board.build(), cls=JSONEncoder))
            yield Page(board.folder, language, board.name, model)


def drift() -> list[str]:
    """What the files say otherwise than the code: a sentence each, nothing where they agree."""
    wanted = {page.path: page.text for page in pages()}
    there = set(GENERATED.rglob("*.json"))
    found = [f"{_short(path)}: nothing makes this dashboard any more" for path in sorted(there - wanted.keys())]
    for path, text in wanted.items():
        if path not in there:
            found.append(f"{_short(path)}: is not there yet")
        elif path.read_text("utf-8") != text:
            found.append(f"{_short(path)}: differs from what the code makes")
    if not PROVIDERS.exists() or PROVIDERS.read_text("utf-8") != providers():
        found.append(f"{_short(PROVIDERS)}: differs from what the code makes")
    return found


def write() -> list[str]:
    """Bring the files in line with the code; says what changed."""
    changed = drift()
    wanted = {page.path: page.text for page in pages()}
    for path in set(GENERATED.rglob("*.json")) - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    PROVIDERS.write_text(providers(), "utf-8")
    return changed


def _short(path: Path) -> str:
    return str(path.relative_to(GENERATED.parent))
