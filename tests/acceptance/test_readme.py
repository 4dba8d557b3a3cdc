"""The README's tour, as written, in an empty folder: every `cityhub` and `curl` line of it must work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.ports import free_port
from tests.acceptance.running import ROOT, RunningHub, cityhub
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.acceptance

README = (ROOT / "README.md").read_text("utf-8")


ELSEWHERE = ("cityhub run /etc/cityhub", "cityhub delivery city test video")
"""A service manager runs the one; the other reaches a video platform (`tests/hub/test_exercise.py` has one)."""
STREETS = '{"type": "Feature", "properties": {"highway": "primary"}, "geometry": {"type": "LineString", "coordinates": [[121.49, 31.23], [121.51, 31.24]]}}'
"""What `osmium export` gives, of a very small city."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    """The tour's lines, continued ones joined, comments taken off."""
    text = "\n".join(blocks("sh")).replace("\\\n", " ")
    lines = [re.sub(r"\s+#.*$", "", line).strip() for line in text.splitlines()]
    return [line for line in lines if line.startswith(("cityhub ", "curl ", "echo "))]


def spoken() -> list[str]:
    """Commands in running text, but for those of elsewhere."""
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    return [line for line in re.findall(r"`(cityhub [^`]+)`", prose) if line not in ELSEWHERE]


@pytest.mark.long
def test_the_tour_works_as_written(tmp_path: Path) -> None:
    api = free_port()
    ran: list[str] = []
    hub: RunningHub | None = None
    (tmp_path / "city.geojson").write_text(f'{{"type": "FeatureCollection", "features": [{STREETS}]}}')
    try:
        for line in [*commands(), *spoken()]:
            if line.startswith("cityhub run "):
                toml = tmp_path / "city" / "hub.toml"
                broker = free_port()
                text = toml.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{api}")
                toml.write_text(
                    text.replace(
                        'topics = ["city/+/readings"]',
                        f'topics = ["city/+/readings"]\nlisten = "tcp://127.0.0.1:{broker}"',
                    )
                )
                hub = RunningHub(tmp_path / "city", api)
            else:
                shell = line.replace("127.0.0.1:8080", f"127.0.0.1:{api}").replace(
                    "cityhub ", f"{sys.executable} -m hub.cli "
                )
                done = subprocess.run(
                    ["bash", "-c", shell],
                    cwd=tmp_path,
                    env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE_S,
                )
                assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
                if line.startswith("curl"):
                    assert '"readings":1' in done.stdout
                    assert hub is not None
                    raised = partial(hub.get, "/api/v1/alerts")
                    hub.wait(lambda raised=raised: bool(raised()["open"]), "the reading raised nothing")
                if line.startswith("cityhub alerts"):
                    assert "30 cm deep" in done.stdout
                if line.startswith("cityhub export"):
                    (tmp_path / "history.csv").write_text(done.stdout)
                if line.startswith("echo"):
                    assert "jt808:013900000001" in done.stdout
            ran.append(line)
    finally:
        if hub:
            assert hub.stop() == 0
    assert len(ran) >= 7
    assert shutil.which("bash")


def test_its_configuration_and_its_rule_are_valid_in_a_city(tmp_path: Path) -> None:
    assert cityhub("init", tmp_path / "city").returncode == 0
    toml = tmp_path / "city" / "hub.toml"
    kept, _, _ = toml.read_text().partition("\n[[adapters]]")
    toml.write_text("\n".join([kept, *blocks("toml")]))
    (tmp_path / "city" / "pumps.toml").write_text((ROOT / "simulators/city/substation.toml").read_text())
    (tmp_path / "city" / "rules" / "rivers.yaml").write_text(
        "\n".join(blocks("yaml"))
    )  # beside those that `init` ships
    done = subprocess.run(
        [sys.executable, "-m", "hub.cli", "check", str(tmp_path / "city")],
        cwd=ROOT,
        env=os.environ | dict.fromkeys(re.findall(r'\w+_env = "(\w+)"', README), "secret"),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_path_it_names_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
