"""The fleet's page in a browser: what vehicles do now, what they did in a day, and names that stay text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.dashboards.browser import Browser
from tests.dashboards.stub import HOSTILE, Stub

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("fleet page")]

PANEL = "document.getElementById('tab-fleet')"


def vehicle(name: str, ago_s: float, **values: Any) -> dict[str, Any]:
    at = (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat().replace("+00:00", "Z")
    told = {metric: {"value": value, "at": at} for metric, value in values.items()}
    return {"device": name, "name": name, "kind": "bus", "adapter": "jt808", "area": "", "position": [122.04, 29.25], "observed_at": at, "received_at": at, "readings": 1, "skew_s": 0.0, "registered": True, "values": told}  # fmt: skip


LINE = {"device": "bus-1", "name": HOSTILE, "trips": 2, "distance_km": 12.5, "moving_h": 0.5, "idling_h": 0.1, "standing_h": 3.0, "fastest_kmh": 61.0, "first_start": "2026-11-21T23:00:00Z", "last_end": None, "fuel_l": None}  # fmt: skip


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    found = [
        vehicle("bus-1", 5, speed=42.0, ignition=True, driver=HOSTILE),
        vehicle("bus-2", 5, speed=1.0, ignition=True),
        vehicle("bus-3", 5, speed=0.0, ignition=False),
        vehicle("bus-4", 900, speed=50.0, ignition=True),
        vehicle("bus-5", 5, speed=3.0),
    ]
    status = {"at": now, "adapters": [], "readers": [], "parts": [], "log": {}, "rules": {}, "ready": True, "balances": True}  # fmt: skip
    further = {"/api/v1/devices": {"devices": found}, "/api/v1/fleet": {"day": "2026-11-22", "vehicles": [LINE]}, "/api/v1/status": status}  # fmt: skip
    with Stub(streams=False, further=further) as running:
        yield running


def test_what_vehicles_do_now_and_did_in_a_day(stub: Stub, browser: Browser) -> None:
    browser.go(f"{stub.url}/#fleet")
    browser.wait(f"{PANEL}.querySelectorAll('[data-state]').length === 5", "not every vehicle is shown")
    states = "Object.fromEntries([..." + PANEL + ".querySelectorAll('[data-state]')].map((row) => [row.dataset.key, row.dataset.state]))"  # fmt: skip
    assert browser.ask(states) == {"bus-1": "moving", "bus-2": "idling", "bus-3": "parked", "bus-4": "offline", "bus-5": "parked"}  # fmt: skip
    assert browser.ask(f"{PANEL}.querySelector('[role=status]').textContent") == "moving 1 · idling 1 · parked 2 · offline 1"  # fmt: skip
    browser.wait(f"!!{PANEL}.querySelector('tr[data-vehicle=\"bus-1\"]')", "no report of a day")
    row = str(browser.ask(f"{PANEL}.querySelector('tr[data-vehicle=\"bus-1\"]').innerText"))
    assert HOSTILE in row, "a hostile name stays a name"
    assert "12.5" in row
    assert browser.ask(f"{PANEL}.querySelectorAll('img, script').length") == 0
    assert browser.ask(f"{PANEL}.querySelector('input[type=date]').value") == "2026-11-22"
    browser.ask(f"{PANEL}.querySelector('input[type=date]').value = '2026-11-20', {PANEL}.querySelector('input[type=date]').dispatchEvent(new Event('change'))")  # fmt: skip
    browser.wait(f"{PANEL}.querySelector('input[type=date]').value === '2026-11-22'", "the answer's day is not shown")
    assert "/api/v1/fleet?day=2026-11-20" in stub.asked
    browser.ask("document.getElementById('language').click()")
    browser.wait(f"{PANEL}.innerText.includes('行驶 1 · 怠速 1 · 停放 2 · 离线 1') && {PANEL}.innerText.includes('首次出发')", "not Chinese")  # fmt: skip
    browser.ask("document.getElementById('language').click()")
    assert browser.errors == []


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("fleet")) as page:
        yield page
