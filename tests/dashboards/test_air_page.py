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


SECTORS = [[0] * 5 for _ in range(16)]
SECTORS[12] = [1, 5, 0, 0, 0]
POLLUTED = [[0] * 6 for _ in range(16)]
POLLUTED[12] = [0, 0, 6, 0, 0, 0]
MEANS: list[float | None] = [90.0 if sector == 12 else None for sector in range(16)]
ROSES = {
    "device": "air-1", "span": "2026-08", "pollutant": "pm25", "wind_device": HOSTILE, "wind_distance_m": 951,
    "wind": {"hours": 8, "bounds": [1.6, 3.4, 5.5, 8.0], "sectors": SECTORS, "calm": [2, 0, 0, 0, 0], "means": MEANS},
    "pollution": {"hours": 6, "bounds": [], "sectors": POLLUTED, "calm": [0] * 6, "means": MEANS},
}  # fmt: skip
RIVER = {
    "device": "river-1", "name": HOSTILE, "area": "", "stages": {"warning": 3.0, "record": 5.0}, "level_m": 3.2, "at": "2026-08-03T01:00:00Z", "stands": "warning", "change_m_per_h": 0.5,
    "expected": {"stage": "record", "level_m": 5.0, "at": "2026-08-03T02:30:00Z", "give_or_take_s": 900},
}  # fmt: skip


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    station = {"device": "air-1", "name": HOSTILE, "kind": "air-station", "adapter": "a", "position": [122.04, 29.25], "observed_at": now, "received_at": now, "values": {"aqi": {"value": 62, "at": now}}}  # fmt: skip
    # The first of August 2026 is a Saturday.
    month = [line("2026-08-01", 128, "light pollution", "轻度污染"), line("2026-08-02", None), line("2026-08-03", 40, "excellent", "优")]  # fmt: skip
    with Stub(streams=False, further={"/api/v1/devices": {"devices": [station]}, "/api/v1/air": {"span": "2026-08", "days": month}, "/api/v1/report/air": {}, "/api/v1/roses": ROSES, "/api/v1/rivers": {"rivers": [RIVER]}}) as running:  # fmt: skip
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
    browser.ask("document.getElementById('language').click()")
    browser.wait("document.querySelectorAll('#roses svg').length === 2", "no roses")
    petals = "[...document.querySelectorAll('[data-rose=wind] path')].map((petal) => [petal.dataset.sector, petal.dataset.place])"
    assert browser.ask(petals) == [["12", "0"], ["12", "1"]]
    assert "8 hours, calm 25.0 %, most often from W 75.0 %" in browser.ask("document.querySelector('[data-rose=wind]').getAttribute('aria-label')")  # fmt: skip
    assert browser.ask("document.querySelector('[data-rose=pollution] path').getAttribute('fill')") == "#ff7e00"
    left = "(() => { const box = document.querySelector('[data-rose=wind] path').getBBox(), middle = 100; return box.x + box.width <= middle + 1 && Math.abs(box.y + box.height / 2 - middle) < 1; })()"
    assert browser.ask(left), "the west is on the left"
    assert "/api/v1/roses?device=air-1&span=2026-08&pollutant=pm25" in stub.asked
    river = str(browser.ask("document.querySelector('[data-river=river-1]').innerText"))
    assert "above warning stage" in river
    assert "± 15 min" in river
    assert "10:30" in river, "the city's time"
    row = "[...document.querySelectorAll('#air-compared tbody td')].map((cell) => cell.textContent)"
    assert browser.ask(row)[1:] == ["10", "10", "10", "10", "10", "90", "1 / 2", "68.7"]
    assert browser.ask(f"{PANEL}.querySelectorAll('img, script').length") == 0
    browser.ask("document.getElementById('language').click()")
    browser.wait("document.querySelector('[data-rose=wind]').getAttribute('aria-label').includes('主导风向 西') && document.querySelector('[data-river=river-1]').innerText.includes('超 警戒水位')", "roses and rivers are not Chinese")  # fmt: skip
    browser.ask("document.querySelector('[data-report=\"air.pdf\"]').click()")
    browser.wait("!document.querySelector('[data-report=\"air.pdf\"]').disabled", "the report does not come")
    assert "/api/v1/report/air?span=2026-08&format=pdf&lang=zh" in stub.asked
    browser.ask("document.getElementById('language').click()")
    browser.ask("document.querySelector('#for-quarantine').append(' 1,234,567')")
    assert browser.ask("document.getElementById('tabs').scrollWidth <= document.getElementById('tabs').clientWidth"), (
        "a tab is cut off"
    )
    assert browser.errors == []
