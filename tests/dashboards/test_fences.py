"""A zone drawn on the map in a browser before a real hub: corners by clicks and as text, the change shown, written, taken away again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub.registry import load_registry
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city
from tests.dashboards.browser import Browser

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("fences")]

MAP = "document.getElementById('map').cityMap"
CLICK = """(() => { const canvas = document.getElementById("map"), box = canvas.getBoundingClientRect();
  for (const type of ["pointerdown", "pointerup"]) canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1, clientX: box.left + EAST, clientY: box.top + SOUTH, bubbles: true })); })()"""


def test_a_zone_is_drawn_written_and_taken_away(tmp_path: Path) -> None:
    api = free_port()
    city = write_city(tmp_path / "city", "", api)
    hub = RunningHub(city, api)
    try:
        with Browser(tmp_path) as browser:
            browser.go(f"http://127.0.0.1:{api}/")
            browser.wait(
                f"{MAP}?.things.devices.size > 0 && {MAP}.view.width > 0 && document.getElementById('alarm').hidden && {MAP}.view.height === document.getElementById('map').clientHeight",
                "no map",
            )
            # A pointer that no hand moves cannot be captured.
            browser.ask("document.getElementById('map').setPointerCapture = () => {}; document.querySelector('[data-do=zones]').click()")  # fmt: skip
            assert browser.ask("document.querySelector('[data-do=zones]').getAttribute('aria-pressed')") == "true"
            for x, y in ((450, 300), (600, 300), (600, 420)):
                browser.ask(CLICK.replace("EAST", str(x)).replace("SOUTH", str(y)))
            browser.wait("document.querySelector('#fences textarea').value.split('\\n').length === 3", "clicks make no corners")  # fmt: skip
            there = browser.ask(f"{MAP}.view.project(...{MAP}.sketch[1]).map(Math.round)")
            assert there == [600, 300], "a corner lies where it was clicked"
            press(browser, "undoCorner")
            assert browser.ask(f"{MAP}.sketch.length") == 2
            fill(browser, "#fences textarea", "121.49, 31.23\n121.52 31.23\n121.52,31.25")
            fill(browser, "[data-zone-field=zone]", "school-1")
            fill(browser, "[data-zone-field=speed_limit_kmh]", "30")
            press(browser, "showLine")
            browser.wait("document.querySelector('#fences .added')?.textContent.startsWith('+ {')", "the change is not shown")  # fmt: skip
            assert not (city / "zones.geojson").exists(), "only shown"
            press(browser, "write")
            browser.wait(f"{MAP}.ground.zones.some((zone) => zone.zone === 'school-1')", "it is not on the map")
            [feature] = json.loads((city / "zones.geojson").read_text("utf-8"))["features"]
            assert feature["properties"] == {"zone": "school-1", "speed_limit_kmh": 30}
            assert feature["geometry"]["coordinates"] == [[[121.49, 31.23], [121.52, 31.23], [121.52, 31.25], [121.49, 31.23]]]  # fmt: skip
            press(browser, "removeZone")
            browser.wait("document.querySelector('#fences .added')?.textContent.startsWith('− {')", "the change is not shown")  # fmt: skip
            press(browser, "write")
            browser.wait(f"{MAP}.ground.zones.length === 0", "it stays on the map")
            assert load_registry(city)[0].zones == {}
            press(browser, "close")
            assert browser.ask(f"{MAP}.sketch === null && document.getElementById('fences').hidden") is True
            assert browser.errors == []
    finally:
        assert hub.stop() == 0


def press(browser: Browser, what: str) -> None:
    browser.wait(f"!!document.querySelector('[data-fence={what}]')", f"no button {what}")
    browser.ask(f"document.querySelector('[data-fence={what}]').click()")


def fill(browser: Browser, where: str, text: str) -> None:
    browser.ask(f"(() => {{ const field = document.querySelector({where!r}); field.value = {text!r}; field.dispatchEvent(new Event('input')); }})()")  # fmt: skip
