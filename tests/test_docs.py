"""What the adapters' folders say of themselves: complete, and their sample blocks pass `cityhub check`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from docs.build_site import build
from hub.app.city import load_city
from hub.app.plugins import Plugins
from hub.config import load_config
from hub.extensions import extensions
from tests.acceptance.running import write_city
from tests.shared import ROOT

MODULES = {
    name: extension.value.partition(":")[0].removeprefix("adapters.")
    for group in ("adapters", "sinks")
    for name, extension in extensions(group).items()
    if extension.own
}
FOLDERS = sorted(set(MODULES.values()))
TAKING_IN = sorted(
    {MODULES[name] for name, plugin in Plugins().items() if name in MODULES and (plugin.codec or plugin.adapter)}
)
FENCED = re.compile(r"```.*?```", re.DOTALL)
"""Blocks of persona pages are walked through by tests/acceptance/test_personas.py."""
SAMPLES = sorted(path.parent.name for path in (ROOT / "adapters").glob("*/sample.toml"))

FILES = {
    "cameras.csv": "camera,name,lon,lat\ncam-market,Market,121.49,31.24\ncam-north-gate-ptz,North Gate,121.49,31.25\n",
    "secrets/peers.toml": '[peers.district-a]\ntoken = "0123456789abcdef"\n',
    "pumps.toml": '[[devices]]\ndevice = "pump-1"\nunit = 1\n[[devices.fields]]\nmetric = "flow"\naddress = 1\n',
    "tasmota.toml": 'topic = "tele/{device}/SENSOR"\ndevice = "{device}"\n[values]\nair_temperature = "t"\n',
    "plant.toml": '[metrics]\n"Tank 1/Level" = "level"\n',
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_plugin_has_a_readme_and_a_sample(folder: str) -> None:
    assert (ROOT / "adapters" / folder / "README.md").read_text("utf-8").startswith("# ")
    assert folder in SAMPLES


@pytest.mark.parametrize("folder", TAKING_IN)
def test_a_protocols_readme_says_what_is_not_covered(folder: str) -> None:
    readme = (ROOT / "adapters" / folder / "README.md").read_text("utf-8")
    assert re.search(r"not covered|not read|not known|does not|no readings", readme, re.IGNORECASE)


def test_the_index_names_every_folder() -> None:
    index = (ROOT / "adapters" / "README.md").read_text("utf-8")
    for folder in FOLDERS:
        assert f"]({folder}/README.md)" in index, folder


def test_every_decision_stands_in_their_index() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"^\| \[[^\]]+\]\(([^)]+)\.md\)", (folder / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in folder.glob("*.md") if path.stem != "README")


def test_links_of_the_index_lead_somewhere() -> None:
    index = ROOT / "adapters" / "README.md"
    for link in re.findall(r"\]\(([^)#]+)\)", index.read_text("utf-8")):
        assert "://" in link or (index.parent / link).exists(), link


@pytest.mark.parametrize("folder", SAMPLES)
def test_a_sample_passes_the_check(folder: str, tmp_path: Path) -> None:
    sample = (ROOT / "adapters" / folder / "sample.toml").read_text("utf-8")
    folder = write_city(tmp_path, sample)
    (folder / "secrets").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    if "tls_cert_file" in sample:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=hub", "-keyout", "hub.key", "-out", "hub.pem"], cwd=tmp_path / "secrets", check=True, capture_output=True,
        )  # fmt: skip
    city, mistakes = load_city(folder, Plugins())
    assert city is not None, mistakes
    assert city.config.adapters or city.config.sinks


@pytest.mark.parametrize("folder", SAMPLES)
def test_the_keys_that_a_sample_offers_exist(folder: str, tmp_path: Path) -> None:
    """Commented keys with a value are keys: uncommented one by one, none is unknown."""
    sample = (ROOT / "adapters" / folder / "sample.toml").read_text("utf-8")
    lines = sample.splitlines()
    for number, line in enumerate(lines):
        if not re.match(r"# [a-z_]+ = [^\[{]", line):
            continue
        key = line[2:].split(" = ")[0]
        rest = [other for other in lines if not other.startswith(f"{key} = ")]
        rest.insert(rest.index(line), line[2:])
        (tmp_path / "hub.toml").write_text('[hub]\nname = "x"\n' + "\n".join(rest))
        _, mistakes = load_config(tmp_path, Plugins())
        assert not [said for said in mistakes if "unknown key" in said.message], (number, line, mistakes)


def test_the_site_builds_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    build(tmp_path / "site")
    for page in ("README.html", "docs/personas/water.zh.html", "reference/configuration.html", "reference/packs.html"):
        text = (tmp_path / "site" / ("index.html" if page == "README.html" else page)).read_text("utf-8")
        assert "<h1" in text, page
    commands = (tmp_path / "site" / "reference" / "commands.html").read_text("utf-8")
    assert "cityhub restore" in commands


def test_a_persona_has_a_page_in_both_languages_with_the_same_steps() -> None:
    pages = sorted((ROOT / "docs" / "personas").glob("*.md"))
    english = [page for page in pages if not page.name.endswith(".zh.md")]
    assert len(pages) == 2 * len(english) > 0
    for page in english:
        prose = [FENCED.sub("", one.read_text("utf-8")) for one in (page, page.with_suffix(".zh.md"))]
        code = [re.findall(r"`([^`]+)`", text) for text in prose]
        assert set(code[0]) == set(code[1]), page.name


def test_the_site_is_built_strictly() -> None:
    """With --quiet mkdocs counts no warnings, and a link that leads nowhere passes."""
    code = (ROOT / "docs" / "build_site.py").read_text("utf-8")
    assert '"--strict"' in code
    assert "quiet" not in code
