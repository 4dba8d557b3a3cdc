"""`cityhub maintenance` on a running hub: planned work keeps warnings away, is known after a restart, and ends when cancelled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city

pytestmark = pytest.mark.acceptance


def test_planned_work_over_a_restart(tmp_path: Path) -> None:
    api = free_port()
    city = write_city(tmp_path / "city", api=api)
    assert "no hub runs" in cityhub("maintenance", city, "plan", "gauge-7", "--for", "2h").stderr
    hub = RunningHub(city, api)
    try:
        planned = cityhub(
            "maintenance", city, "plan", "area:north", "--for", "2h", "--note", "new probe", "--who", "li"
        )
        assert planned.returncode == 0, planned.stderr
        assert planned.stdout.startswith("planned: area:north@")
        hub.wait(lambda: hub.get("/api/v1/maintenance")["windows"] != [], "the plan did not reach the rules")
        assert hub.reading({"water_depth": 0.5}, "underpass-1")[0] == 200
    finally:
        assert hub.stop() == 0
    listed = json.loads(cityhub("maintenance", city, "list", "--json").stdout)
    assert (listed["state"], listed["target"], listed["who"], listed["note"]) == (
        "active",
        "area:north",
        "li",
        "new probe",
    )
    hub = RunningHub(city, api)
    try:
        assert hub.get("/api/v1/maintenance")["windows"] == [listed]
        assert hub.reading({"water_depth": 0.5}, "underpass-1")[0] == 200
        hub.wait(lambda: hub.reader("rules")["behind"] == 0, "the rules did not come to it")
        alerts = hub.get("/api/v1/alerts")
        assert (alerts["open"], alerts["closed"]) == ([], [])
        assert cityhub("maintenance", city, "cancel", listed["id"]).returncode == 0
        hub.wait(lambda: hub.get("/api/v1/maintenance")["windows"] == [], "the plan was not cancelled")
        hub.reading({"water_depth": 0.6}, "underpass-1")
        hub.wait(lambda: len(hub.get("/api/v1/alerts")["open"]) == 1, "no warning after the work was cancelled")
    finally:
        assert hub.stop() == 0
    wrong = cityhub("maintenance", city, "plan", "gauge-7")
    assert (wrong.returncode, "needs an end" in wrong.stderr) == (2, True)
