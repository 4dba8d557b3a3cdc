"""`deploy/kubernetes` without a cluster: by the schemas of Kubernetes, and by what it names being there."""

from __future__ import annotations

import copy
import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from hub.app.plugins import Plugins
from hub.app.roles import here
from hub.config import load_config
from hub.options import HubOptions

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
RESOURCES = [
    document
    for name in KUSTOMIZATION["resources"]
    for document in yaml.safe_load_all((FOLDER / name).read_text("utf-8"))
]
SETS = {one["metadata"]["name"]: one["spec"] for one in RESOURCES if one["kind"] == "StatefulSet"}


def container(name: str) -> dict[str, Any]:
    (found,) = SETS[name]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_it_meets_the_schema_of_its_kind(resource: dict[str, Any]) -> None:
    kubernetes_validate.validate(resource, "1.37", strict=True)


def test_the_schema_finds_a_wrong_field() -> None:
    wrong = copy.deepcopy(next(one for one in RESOURCES if one["kind"] == "StatefulSet"))
    wrong["spec"]["replica"] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


def test_what_it_names_is_there() -> None:
    made = {one["name"] for one in KUSTOMIZATION["configMapGenerator"]}
    for generator in KUSTOMIZATION["configMapGenerator"]:
        assert all((FOLDER / name).is_file() for name in generator["files"])
    labels = {spec["template"]["metadata"]["labels"]["app"] for spec in SETS.values()}
    for one in RESOURCES:
        selector = one.get("spec", {}).get("selector")
        if one["kind"] == "Service":
            assert selector["app"] in labels
            (spec,) = [each for each in SETS.values() if each["template"]["metadata"]["labels"] == selector]
            ports = {port["name"] for each in spec["template"]["spec"]["containers"] for port in each.get("ports", ())}
            assert {port.get("targetPort", port["name"]) for port in one["spec"]["ports"]} <= ports | {"http"}
    for name, spec in SETS.items():
        pod = spec["template"]["spec"]
        claims = {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
        volumes = claims | {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container(name)["volumeMounts"]} == volumes
        assert {volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume} <= made
        assert spec["serviceName"] in {one["metadata"]["name"] for one in RESOURCES if one["kind"] == "Service"}


def test_the_machines_have_every_role_and_the_city_is_sound(tmp_path: Path) -> None:
    city = Path(shutil.copytree(FOLDER / "city", tmp_path / "city"))
    text = (city / "hub.toml").read_text()
    (city / "hub.toml").write_text(text.replace("/run/secrets/city/", f"{tmp_path}/"))
    (tmp_path / "influx_token").write_text("t" * 64)
    (tmp_path / "hub_tokens").write_text(f'[tokens.desk]\ntoken = "{"t" * 48}"\nroles = ["view"]\n')
    config, mistakes = load_config(city, Plugins())
    assert config is not None, mistakes
    assert not mistakes
    roles = {name: HubOptions("city", roles=container(name)["args"][-1].split(",")).roles for name in ("door", "judge")}
    assert roles == {"door": ["ingest", "api"], "judge": ["store", "delivery", "rules"]}
    assert [adapter.name for adapter in here(config.adapters, roles["door"])] == ["jt808"]
    assert not here(config.adapters, roles["judge"])
    servers = [f"nats://nats-{number}.nats:4222" for number in range(SETS["nats"]["replicas"])]
    assert config.log.servers == servers
    assert config.log.replicas == len(servers)


def test_the_servers_sync_before_they_acknowledge() -> None:
    text = (FOLDER / "nats.conf").read_text()
    assert "sync_interval: always" in text
    assert re.findall(r"nats-\d\.nats:6222", text) == [
        f"nats-{number}.nats:6222" for number in range(SETS["nats"]["replicas"])
    ]
