"""Import, rollups and GeoJSON on a hub that runs and owns its store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city

pytestmark = pytest.mark.acceptance
CSV = "time,device,metric,value\n2020-01-01T00:00:00Z,gauge-7,water_level,3.25\n2020-01-01T00:00:00Z,stranger,water_level,1\n"


def test_history_goes_in_while_the_hub_runs_and_raises_no_warning(tmp_path: Path) -> None:
    api = free_port()
    city = write_city(tmp_path / "city", api=api)
    zone = {"type": "Feature", "properties": {"zone": "z", "kind": "water", "name": "Z"}, "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}}  # fmt: skip
    (city / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [zone]}))
    file = tmp_path / "old.csv"
    file.write_text(CSV + "2020-01-01T00:05:00Z,underpass-1,water_depth,0.6\n")
    hub = RunningHub(city, api)
    try:
        done = cityhub("import", city, file, "--json")
        assert done.returncode == 1, done.stderr
        told = json.loads(done.stdout)
        assert (told["readings"], told["stored"], told["refused"], told["rollups"]) == (3, 2, 1, 6)
        assert len(hub.get("/api/v1/series?device=gauge-7")["rows"]) == 1
        alerts = hub.get("/api/v1/alerts")
        assert (alerts["open"], alerts["closed"], alerts["truncated"]) == ([], [], False)
        assert json.loads(cityhub("store", city, "rebuild", "--json").stdout) == {"rollups": 6}
        zones = hub.get("/api/v1/geojson/zones")
        assert zones["features"][0]["geometry"] == {
            "type": "Polygon",
            "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]],
        }
        assert {feature["properties"]["device"] for feature in hub.get("/api/v1/geojson/devices")["features"]} == {
            "underpass-1",
            "gauge-7",
        }
        status, answer = hub.post("/api/v1/import", {"files": [str(file)]})
        assert (status, "this machine only" in answer["error"]) == (403, True)
    finally:
        assert hub.stop() == 0
