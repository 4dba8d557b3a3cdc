"""A zone drawn on the map in a browser before a real hub: corners by clicks and as text, the change shown, written, taken away again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub.access import audit
from hub.registry import load_registry
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city
from tests.dashboards.browser import Browser

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("fences")]

MAP = "document.getElementById('map').cityMap"
CLICK = """(() => { const canvas = document.getElementById("map"), box = canvas.getBoundingClientRect();
  for (const type of ["pointerdown", "pointerup"]) canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1, clientX: box.left + EAST, clientY: box.top + SOUTH, bubbles: true })); })()"""

POINT = """(() => { const canvas = document.getElementById("map"), box = canvas.getBoundingClientRect();
  canvas.dispatchEvent(new PointerEvent("KIND", { pointerId: 1, clientX: box.left + EAST, clientY: box.top + SOUTH, bubbles: true })); })()"""
KEY = """document.getElementById("map").dispatchEvent(new KeyboardEvent("keydown", { key: "NAME", bubbles: true, cancelable: true }))"""


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
            there = browser.ask(f"{MAP}.view.project(...{MAP}.sketch.corners[1]).map(Math.round)")
            assert there == [600, 300], "a corner lies where it was clicked"
            drag(browser, (600, 300), (640, 320))
            there = browser.ask(f"{MAP}.view.project(...{MAP}.sketch.corners[1]).map(Math.round)")
            assert there == [640, 320], "a corner goes where it is pulled"
            browser.ask(CLICK.replace("EAST", "545").replace("SOUTH", "310"))  # on the edge of the first two
            assert browser.ask(f"[{MAP}.sketch.corners.length, {MAP}.sketch.picked]") == [4, 1]
            view = browser.ask(f"{MAP}.view.project(...{MAP}.sketch.corners[0])")
            for key in ("p", "ArrowLeft", "ArrowDown"):
                browser.ask(KEY.replace("NAME", key))
            moved = browser.ask(f"{MAP}.view.project(...{MAP}.sketch.corners[0])")
            assert [round(after - before) for after, before in zip(moved, view, strict=True)] == [-8, 8], "keys move it"
            browser.ask(KEY.replace("NAME", "n"))
            browser.ask(KEY.replace("NAME", "Delete"))
            assert browser.ask(f"{MAP}.sketch.corners.length") == 3
            assert browser.ask("document.querySelector('#fences textarea').value.split('\\n').length") == 3
            browser.ask(KEY.replace("NAME", "Escape"))
            assert browser.ask(f"{MAP}.sketch.picked") is None
            press(browser, "undoCorner")
            assert browser.ask(f"{MAP}.sketch.corners.length") == 2
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
            reshape(browser, city)
            press(browser, "removeZone")
            browser.wait("document.querySelector('#fences .gone')?.textContent.startsWith('− {')", "the change is not shown")  # fmt: skip
            press(browser, "write")
            browser.wait(f"{MAP}.ground.zones.length === 0", "it stays on the map")
            noted = [one for one in audit.entries(city / "var") if "zone" in one["action"]]
            assert [one["action"] for one in noted] == ["draw-zone", "reshape-zone", "remove-zone"]
            assert noted[1]["before"]["geometry"]["coordinates"] == feature["geometry"]["coordinates"]
            assert load_registry(city)[0].zones == {}
            press(browser, "close")
            assert browser.ask(f"{MAP}.sketch === null && document.getElementById('fences').hidden") is True
            assert browser.errors == []
    finally:
        assert hub.stop() == 0


def reshape(browser: Browser, city: Path) -> None:
    """The zone's own shape is taken up, a corner more of an edge and one pulled, with the keys alone; what is there but its shape stays."""
    press(browser, "reshapeZone")
    browser.wait(f"{MAP}.sketch.corners.length === 3 && !{MAP}.view.flight", "its corners are not there")
    assert browser.ask("document.querySelector('[data-zone-field=zone]').disabled") is True
    assert browser.ask("document.activeElement.id") == "map", "keys move its corners at once"
    for key in ("n", "n", "i", "ArrowRight", "ArrowRight"):  # behind the second corner one more, further east
        browser.ask(KEY.replace("NAME", key))
    press(browser, "showLine")
    browser.wait("document.querySelector('#fences .gone')?.textContent.startsWith('− {') && document.querySelector('#fences .added').textContent.startsWith('+ {')", "what goes and what comes is not shown")  # fmt: skip
    press(browser, "write")
    browser.wait(f"{MAP}.ground.zones[0].rings[0].length === 5", "the new shape is not on the map")
    [feature] = json.loads((city / "zones.geojson").read_text("utf-8"))["features"]
    assert feature["properties"] == {"zone": "school-1", "speed_limit_kmh": 30}
    [ring] = feature["geometry"]["coordinates"]
    assert ([ring[0], ring[1], ring[3]], ring[2][0] > 121.52, ring[2][1]) == ([[121.49, 31.23], [121.52, 31.23], [121.52, 31.25]], True, 31.24)  # fmt: skip
    assert browser.ask("document.querySelector('[data-zone-field=zone]').disabled") is False


def drag(browser: Browser, start: tuple[int, int], end: tuple[int, int]) -> None:
    """In two moves, as a hand does."""
    half = ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2)
    for kind, (x, y) in (("pointerdown", start), ("pointermove", half), ("pointermove", end), ("pointerup", end)):
        browser.ask(POINT.replace("KIND", kind).replace("EAST", str(x)).replace("SOUTH", str(y)))


def press(browser: Browser, what: str) -> None:
    browser.wait(f"!!document.querySelector('[data-fence={what}]')", f"no button {what}")
    browser.ask(f"document.querySelector('[data-fence={what}]').click()")


def fill(browser: Browser, where: str, text: str) -> None:
    browser.ask(f"(() => {{ const field = document.querySelector({where!r}); field.value = {text!r}; field.dispatchEvent(new Event('input')); }})()")  # fmt: skip
