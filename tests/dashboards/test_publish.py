"""`cityhub dashboards publish` against a stub of Grafana's API: the order, the bodies, what is tried again, and that a
second run changes nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.grafana.build import FOLDERS, pages, providers
from dashboards.grafana.publish import Publisher, PublishError, Source, connect
from dashboards.grafana.zones import ZonesError, outlines
from hub.cli import main
from tests.dashboards.grafana_stub import TOKEN, Stub, grafana_stub
from tests.shared import ROOT

PAGES = list(pages())
SOURCE = Source("http://influxdb:8086", "city", "influx-token")


@pytest.fixture
def grafana() -> Iterator[Stub]:
    with grafana_stub() as stub:
        yield stub


def publish(
    grafana: Stub, source: Source | None = SOURCE, hub: str = "", **more: Any
) -> tuple[int, list[str], list[float]]:
    """(things changed, what was said, seconds waited) of one run."""
    said: list[str] = []
    waited: list[float] = []
    api = connect(grafana.url, TOKEN)
    publisher = Publisher(api, said.append, waited.append)
    try:
        publisher.publish(PAGES, source, hub, **more)
    finally:
        api.client.s.close()
    return publisher.changed, said, waited


def test_everything_is_made_in_order(grafana: Stub) -> None:
    changed, said, _ = publish(grafana)
    assert changed == len(said) == len(grafana.writes)
    kinds = [path.split("/")[2] if "permissions" not in path else "permissions" for _, path, _ in grafana.asked]
    first = {
        kind: kinds.index(kind) for kind in ("frontend", "teams", "datasources", "folders", "permissions", "dashboards")
    }
    assert list(first.values()) == sorted(first.values())
    assert set(grafana.dashboards) == {page.model["uid"] for page in PAGES}
    assert grafana.folders["cityhub-folder-environment-zh"]["title"] == "环境"
    assert grafana.dashboards["cityhub-air-zh"]["meta"]["folderUid"] == "cityhub-folder-environment-zh"
    assert len(grafana.folders) == 2 * len(FOLDERS)


def test_folders_and_dashboards_share_one_set_of_uids(grafana: Stub) -> None:
    """Grafana 12 refuses a dashboard whose uid a folder has, with 409, published or provisioned."""
    publish(grafana)
    uids = [*grafana.folders, *grafana.dashboards]
    assert len(set(uids)) == len(uids) == 2 * len(FOLDERS) + len(PAGES)
    provided = yaml.safe_load(providers())["providers"]
    assert {provider["folderUid"] for provider in provided} == set(grafana.folders)


def test_a_folder_of_an_earlier_version_makes_way_where_it_is_empty(grafana: Stub) -> None:
    """Earlier versions made the folder `cityhub-city-en`, and stopped at the dashboard of the same uid."""
    grafana.folders["cityhub-city-en"] = {"uid": "cityhub-city-en", "title": "City overview"}
    _, said, _ = publish(grafana)
    assert any("earlier version deleted" in sentence for sentence in said)
    assert "cityhub-city-en" in grafana.dashboards
    assert publish(grafana)[0] == 0
    del grafana.dashboards["cityhub-city-en"]
    grafana.folders["cityhub-city-en"] = {"uid": "cityhub-city-en", "title": "City overview"}
    grafana.dashboards["own"] = {"meta": {"folderUid": "cityhub-city-en"}, "dashboard": {}}
    with pytest.raises(PublishError, match="something is in it"):
        publish(grafana)
    assert "own" in grafana.dashboards


def test_the_data_source_is_influxql_with_the_token_as_a_secret(grafana: Stub) -> None:
    publish(grafana)
    body = next(body for method, path, body in grafana.writes if path == "/api/datasources")
    assert body["jsonData"] == {
        "version": "InfluxQL", "dbName": "city", "httpMode": "POST", "timeInterval": "10s", "httpHeaderName1": "Authorization",
    }  # fmt: skip
    assert body["secureJsonData"] == {"httpHeaderValue1": "Token influx-token"}
    assert "influx-token" not in str(grafana.source)


def test_audiences_see_their_folders_and_no_others(grafana: Stub) -> None:
    publish(grafana)
    team = next(number for number, name in grafana.teams.items() if name == "cityhub-fleet")
    assert grafana.permissions["cityhub-folder-fleet-en"] == [
        {"role": "Editor", "permission": 2},
        {"teamId": team, "permission": 1},
    ]
    assert {"role": "Viewer", "permission": 1} in grafana.permissions["cityhub-folder-city-en"]


def test_a_second_run_changes_nothing(grafana: Stub) -> None:
    publish(grafana)
    before = len(grafana.writes)
    changed, said, _ = publish(grafana)
    assert (changed, said) == (0, [])
    assert len(grafana.writes) == before


def test_only_what_differs_is_mended(grafana: Stub) -> None:
    publish(grafana)
    grafana.dashboards["cityhub-air-en"]["dashboard"]["title"] = "Edited by hand"
    grafana.folders["cityhub-folder-hub-en"]["title"] = "Renamed"
    grafana.permissions["cityhub-folder-fleet-en"] = [{"role": "Viewer", "permission": 1}]
    changed, _, _ = publish(grafana)
    assert changed == 3
    assert grafana.dashboards["cityhub-air-en"]["dashboard"]["title"] == "Air"
    assert grafana.folders["cityhub-folder-hub-en"]["title"] == "Hub"


def test_a_moved_database_and_a_new_token_reach_the_data_source(grafana: Stub) -> None:
    publish(grafana)
    assert publish(grafana, SOURCE._replace(database="other"))[0] == 1
    assert grafana.source is not None
    assert grafana.source["jsonData"]["dbName"] == "other"
    assert publish(grafana, SOURCE._replace(database="other"), replace_token=True)[0] == 1
    assert publish(grafana, None)[0] == 0


@pytest.mark.parametrize("fault", [500, 503, 429, "cut"])
def test_what_may_pass_is_tried_again(grafana: Stub, fault: int | str) -> None:
    grafana.faults = [fault] * 3
    _, _, waited = publish(grafana)
    assert waited[:3] == [0.5, 1.0, 2.0]
    assert len(grafana.dashboards) == len(PAGES)


def test_a_write_whose_answer_was_lost_is_done_again_and_leaves_no_double(grafana: Stub) -> None:
    publish(grafana)
    grafana.dashboards["cityhub-air-en"]["dashboard"]["title"] = "x"
    grafana.cut_after = {("POST", "/api/dashboards/db"): 1}
    changed, _, waited = publish(grafana)
    assert (changed, waited) == (1, [0.5])
    assert len(grafana.dashboards) == len(PAGES)


def test_it_gives_up_with_grafanas_words(grafana: Stub) -> None:
    grafana.faults = [500] * 5
    with pytest.raises(PublishError, match=r"failed 5 times.*ordered by the test"):
        publish(grafana)


@pytest.mark.parametrize("status", [400, 401, 403, 412])
def test_a_refusal_ends_it_at_once(grafana: Stub, status: int) -> None:
    grafana.faults = [status]
    with pytest.raises(PublishError, match=str(status)):
        publish(grafana)
    assert len(grafana.asked) == 1


def test_the_hubs_address_reaches_links_and_maps(grafana: Stub) -> None:
    publish(grafana, hub="https://hub.city.example")
    model = grafana.dashboards["cityhub-city-en"]["dashboard"]
    variable = next(variable for variable in model["templating"]["list"] if variable["name"] == "hub")
    assert variable["current"]["value"] == "https://hub.city.example"
    layers = [panel["options"]["layers"] for panel in model["panels"] if panel["type"] == "geomap"]
    assert [layer["config"]["src"] for layer in layers[0] if layer["type"] == "geojson"] == [
        "https://hub.city.example/api/v1/geojson/zones"
    ]
    assert publish(grafana, hub="https://hub.city.example")[0] == 0


def test_the_citys_own_zones_are_put_into_the_maps(
    grafana: Stub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No tiles, no hub, no token: the outlines are in the dashboard."""
    city = ROOT / "deploy" / "city"
    src = outlines(city)
    assert publish(grafana, zones=src)[0] > 0
    for name in ("city", "fleet", "harbour", "vehicle", "vessel"):
        model = grafana.dashboards[f"cityhub-{name}-zh"]["dashboard"]
        layers = [panel["options"]["layers"][0] for panel in model["panels"] if panel["type"] == "geomap"]
        assert [layer["config"]["src"] for layer in layers] == [src]
    told = json.loads(base64.b64decode(src.partition(",")[2]))
    assert {feature["properties"]["name"] for feature in told["features"]} == {"Centre", "Waterfront"}
    ring = told["features"][0]["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1]
    assert publish(grafana, zones=src)[0] == 0
    (tmp_path / "zones.geojson").write_text("{")
    call = ["dashboards", "publish", "--url", grafana.url, "--city", str(tmp_path)]
    assert main(call) == 1
    assert "zones.geojson" in capsys.readouterr().err


def test_zones_too_large_for_a_page_are_refused(tmp_path: Path) -> None:
    ring = [[120 + n / 100_000, 30 + (n % 7) / 1000] for n in range(30_000)]
    feature = {"type": "Feature", "properties": {"zone": "z", "kind": "area", "name": "z"}, "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}}  # fmt: skip
    (tmp_path / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    with pytest.raises(ZonesError, match="simplify"):
        outlines(tmp_path)
    with pytest.raises(ZonesError, match="no zones"):
        outlines(tmp_path / "nowhere")


def test_the_command(
    grafana: Stub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "token"
    secret.write_text(TOKEN + "\n")
    call = ["dashboards", "publish", "--url", grafana.url, "--token-file", str(secret), "--language", "en"]
    assert main(call) == 0
    assert "dashboard Air (cityhub-air-en) made" in capsys.readouterr().out
    assert {uid[-2:] for uid in grafana.dashboards} == {"en"}
    monkeypatch.delenv("GRAFANA_TOKEN", raising=False)
    assert main(["dashboards", "publish", "--url", grafana.url]) == 2
    assert "GRAFANA_TOKEN is not set" in capsys.readouterr().err
    assert main(["dashboards", "check"]) == 0
