"""A data folder that the version before wrote: this one goes on with it. (`data/city-0.1.tar.xz`: 201 readings, one warning, one reading in quarantine.)"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub

pytestmark = pytest.mark.acceptance

OLD = Path(__file__).parents[1] / "hub" / "data" / "city-0.1.tar.xz"


@pytest.fixture
def city(tmp_path: Path) -> Path:
    with tarfile.open(OLD) as old:
        old.extractall(tmp_path, filter="data")
    return tmp_path / "city"


def test_it_is_checked_without_being_touched(city: Path) -> None:
    before = {path: path.read_bytes() for path in city.rglob("*") if path.is_file()}
    done = cityhub("upgrade", city, "--check", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    parts = {line["part"]: line["said"] for line in map(json.loads, done.stdout.splitlines())}
    assert parts["store"] == "its rows can be read"
    assert {"log/events", "log/alerts", "log/quarantine", "city folder"} <= set(parts)
    assert {path: path.read_bytes() for path in before} == before
    log = next((city / "var" / "log" / "events").glob("*.log"))
    log.write_bytes(b"\0" * 64 + log.read_bytes()[64:])
    assert cityhub("upgrade", city, "--check").returncode == 1
    assert log.exists(), "a check moves nothing"


def test_the_hub_goes_on_with_it(city: Path) -> None:
    api = free_port()
    toml = city / "hub.toml"
    toml.write_text(toml.read_text().replace("18931", str(api)))
    hub = RunningHub(city, api)
    try:
        rows = hub.get("/api/v1/series?device=gauge-7&metric=water_flow&limit=1000")["rows"]
        assert sorted(row["value"] for row in rows) == list(range(200))
        (alert,) = hub.get("/api/v1/alerts")["open"]
        assert (alert["rule"], alert["level"]) == ("city/underpass-flooding", "red")
        assert "no_such" in str(hub.get("/api/v1/quarantine"))
        assert hub.get("/api/v1/status")["balances"]
        assert not list((city / "var").rglob("*.damaged*"))
        assert hub.reading({"water_depth": 0.0}, "underpass-1")[0] == 200
        hub.wait(lambda: not hub.get("/api/v1/alerts")["open"], "the warning of before does not end")
    finally:
        assert hub.stop() == 0
