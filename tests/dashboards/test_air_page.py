"""The page of the air in a browser: the index now, yesterday's exceedances, a month by classes; names stay text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.dashboards.browser import Browser
from tests.dashboards.stub import HOSTILE, Stub

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("air page")]

PANEL = "document.getElementById('tab-air')"


def line(day: str, aqi: int | None, english: str | None = None, chinese: str | None = None) -> dict[str, Any]:
    values = dict.fromkeys(("so2", "no2", "co", "o3", "pm10"), 10.0) | {"pm25": 90.0}
    return {"device": "air-1", "name": HOSTILE, "day": day, **values, "aqi": aqi, "class": english, "class_zh": chinese, "primary": ["pm25"] if aqi else [], "capture_pct": 98.0 if aqi else 10.0}  # fmt: skip


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    station = {"device": "air-1", "name": HOSTILE, "kind": "air-station", "adapter": "a", "position": [122.04, 29.25], "observed_at": now, "received_at": now, "values": {"aqi": {"value": 62, "at": now}}}  # fmt: skip
    # The first of August 2026 is a Saturday.
    month = [line("2026-08-01", 128, "light pollution", "轻度污染"), line("2026-08-02", None), line("2026-08-03", 40, "excellent", "优")]  # fmt: skip
    with Stub(streams=False, further={"/api/v1/devices": {"devices": [station]}, "/api/v1/air": {"span": "2026-08", "days": month}, "/api/v1/report/air": {}}) as running:  # fmt: skip
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("air")) as page:
        yield page


def test_index_now_exceedances_and_a_month_by_classes(stub: Stub, browser: Browser) -> None:
    browser.go(f"{stub.url}/#air")
    browser.wait(f"{PANEL}.querySelectorAll('[data-day]').length === 3", "no calendar")
    assert browser.ask("document.getElementById('air-now').innerText.endsWith('62 good')")
    above = str(browser.ask("document.getElementById('air-above').innerText"))
    assert "AQI 128, light pollution · PM2.5 90 µg/m³" in above
    assert HOSTILE in above, "a hostile name stays a name"
    assert browser.ask(f"{PANEL}.querySelectorAll('img, script').length") == 0
    weeks = "[...document.querySelectorAll('#air-month tbody tr')].map((week) => [...week.children].map((day) => day.querySelector('b')?.textContent ?? ''))"
    assert browser.ask(weeks) == [["", "", "", "", "", "128", "–"], ["40", "", "", "", "", "", ""]]
    assert "68.7 %" in str(browser.ask("document.getElementById('air-month').innerText")), "the mean data capture"
    assert "/api/v1/air?span=2026-08" in stub.asked
    browser.ask("document.getElementById('language').click()")
    browser.wait("document.getElementById('air-above').innerText.includes('轻度污染') && document.getElementById('air-now').innerText.endsWith('62 良')", "not Chinese")  # fmt: skip
    browser.ask("document.querySelector('[data-report=\"air.pdf\"]').click()")
    browser.wait("!document.querySelector('[data-report=\"air.pdf\"]').disabled", "the report does not come")
    assert "/api/v1/report/air?span=2026-08&format=pdf&lang=zh" in stub.asked
    browser.ask("document.getElementById('language').click()")
    browser.ask("document.querySelector('#for-quarantine').append(' 1,234,567')")
    assert browser.ask("document.getElementById('tabs').scrollWidth <= document.getElementById('tabs').clientWidth"), (
        "a tab is cut off"
    )
    assert browser.errors == []
