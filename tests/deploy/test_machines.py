"""`deploy/machines` without a container engine: by the specification's schema, and by what it names being there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.app.plugins import Plugins
from hub.app.roles import here
from hub.config import load_config
from hub.options import HubOptions
from tests.acceptance.nats_server import BINARY
from tests.deploy.test_compose import PINNED, schema  # noqa: F401
from tests.npm import GROUP, INSTALL_S

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "machines"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = ["n1", "n2", "n3"]


@pytest.mark.acceptance
@pytest.mark.xdist_group(GROUP)
@pytest.mark.timeout(INSTALL_S + 30)
def test_it_meets_the_compose_specification(schema: Any) -> None:  # noqa: F811
    assert [error.message for error in schema.iter_errors(COMPOSE)] == []


def test_what_it_names_is_there() -> None:
    for name, service in SERVICES.items():
        assert service["profiles"] == [name]
        assert "build" in service or PINNED.search(service["image"]), name
        assert service["restart"] == "unless-stopped"
        assert [host.split(":")[0] for host in service["extra_hosts"]] == SERVERS
        for secret in service.get("secrets", ()):
            assert secret in COMPOSE["secrets"]
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (FOLDER / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], volume
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert {name for line in readme.splitlines() for name in re.findall(r"--profile (\w+)", line)} == set(SERVICES)
    for variable in re.findall(r"\$\{(\w+)", (FOLDER / "compose.yaml").read_text("utf-8")):
        assert f"`{variable}=" in readme, f"the README does not say what {variable} is"


def test_the_machines_have_every_role_and_the_city_is_sound(tmp_path: Path) -> None:
    city = Path(shutil.copytree(FOLDER / "city", tmp_path / "city"))
    text = (city / "hub.toml").read_text()
    for secret in re.findall(r"/run/secrets/(\w+)", text):
        assert secret in SERVICES["door"]["secrets"]
    (city / "hub.toml").write_text(text.replace("/run/secrets/", f"{tmp_path}/"))
    (tmp_path / "influx_token").write_text("t" * 64)
    (tmp_path / "hub_tokens").write_text(f'[tokens.desk]\ntoken = "{"t" * 48}"\nroles = ["view"]\n')
    config, mistakes = load_config(city, Plugins())
    assert config is not None, mistakes
    assert not mistakes
    roles = {
        name: HubOptions("city", roles=SERVICES[name]["command"][3].split(",")).roles for name in ("door", "judge")
    }
    assert roles == {"door": ["ingest", "api"], "judge": ["store", "delivery", "rules"]}
    assert [adapter.name for adapter in here(config.adapters, roles["door"])] == ["jt808"]
    assert config.log.servers == [f"nats://{name}:4222" for name in SERVERS]
    assert config.log.monitoring == [f"http://{name}:8222" for name in SERVERS]
    assert config.log.replicas == len(SERVERS)


def test_the_server_understands_its_configuration_and_syncs_before_it_acknowledges() -> None:
    assert BINARY is not None
    file = FOLDER / "nats.conf"
    done = subprocess.run(
        [BINARY, "-t", "-c", str(file)], env={"NODE": "n1"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "sync_interval: always" in file.read_text()
    assert re.findall(r"(n\d):6222", file.read_text()) == SERVERS
