"""A trip played back on the map: by hand, by itself, over a gap; and that it leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.dashboards.browser import Browser
from tests.dashboards.stub import HOSTILE, STATUS, Stub

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("playback")]

MAP = "document.getElementById('map').cityMap"


def rows() -> list[dict[str, Any]]:
    """Ten minutes east, a fix a minute, then a gap of an hour and one more fix."""
    found: list[dict[str, Any]] = []
    for minute in (*range(11), 70):
        at = f"2026-11-22T{8 + minute // 60:02}:{minute % 60:02}:00Z"
        place = {"lon": 122.0 + minute * 0.001, "lat": 29.25}
        found += [{"time": at, "metric": "speed", "value": 30.0 + minute, **place}, {"time": at, "metric": "course", "value": 90.0, **place}]  # fmt: skip
    return [*found[::-1], {"time": "2026-11-22T08:03:30Z", "metric": "fuel", "value": 1.0, "lon": None, "lat": None}]


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    bus = {"device": "bus-1", "name": HOSTILE, "kind": "bus", "adapter": "a", "position": [122.0, 29.25], "observed_at": now, "received_at": now, "values": {"speed": {"value": 30.0, "at": now}}}  # fmt: skip
    trip = {"from": "2026-11-22T08:00:00Z", "until": "2026-11-22T09:10:00Z", "start": [122.0, 29.25], "end": [122.07, 29.25], "distance_m": 970.0, "fastest_kmh": 40.0, "idling_s": 0.0, "open": False}  # fmt: skip
    further = {"/api/v1/devices": {"devices": [bus]}, "/api/v1/trips": {"trips": [trip], "stops": []}, "/api/v1/series": {"rows": rows()}, "/api/v1/status": STATUS}  # fmt: skip
    with Stub(streams=False, further=further) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("playback")) as page:
        yield page


def test_where_it_was_between_two_fixes(stub: Stub, browser: Browser) -> None:
    browser.go(stub.url)
    browser.wait(f"!!{MAP}", "no page")
    state = "import('/static/playback.js').then(({ stateAt }) => stateAt([{ at: 0, place: [0, 0], speed: 1 }, { at: 60000, place: [6, 3], speed: null }, { at: 3660000, place: [9, 9], speed: 7 }], AT))"
    for at, told in (
        (0, {"place": [0, 0], "speed": 1, "passed": 1}), (20_000, {"place": [2, 1], "speed": 1, "passed": 1}), (60_000, {"place": [6, 3], "speed": None, "passed": 2}),
        (2_000_000, {"place": [6, 3], "speed": None, "passed": 2}), (3_660_000, {"place": [9, 9], "speed": 7, "passed": 3}),
    ):  # fmt: skip
        assert browser.ask(state.replace("AT", str(at))) == told, at


def test_a_trip_is_played_back_and_leaves_nothing(stub: Stub, browser: Browser) -> None:
    browser.go(f"{stub.url}/#device=bus-1")
    browser.wait("!!document.querySelector('.trip')", "no trip")
    browser.ask("document.querySelector('.trip').click()")
    browser.wait("!!document.querySelector('.playback')", "no playback")
    assert browser.ask(f"{MAP}.track.length") == 12, "a fix a moment, in the order of time"
    assert browser.ask(f"{MAP}.replay.place") == [122.0, 29.25]
    move = "(() => { const slider = document.querySelector('.playback input'); slider.value = 150000; slider.dispatchEvent(new Event('input')); })()"
    browser.ask(move)
    lon, _ = browser.ask(f"{MAP}.replay.place")
    assert lon == pytest.approx(122.0025, abs=1e-9), "half way between the third fix and the fourth"
    said = str(browser.ask("document.querySelector('.playback').innerText"))
    assert "16:02:30" in said, "the city's time"
    assert "32 km/h" in said
    browser.ask(
        "document.querySelector('.playback select').value = '300', document.querySelector('[data-play]').click()"
    )
    browser.wait(f"{MAP}.replay.place[0] === 122.07 && !document.querySelector('[data-play]').textContent.includes('❚')", "it does not come to its end")  # fmt: skip
    browser.ask("document.querySelector('[data-play]').click()")
    browser.wait(f"{MAP}.replay.place[0] < 122.07", "it does not begin anew")
    browser.ask("document.querySelector('#detail .shut').click()")
    browser.wait(f"{MAP}.replay === null && {MAP}.track === null", "it stays on the map")
    assert browser.errors == []
