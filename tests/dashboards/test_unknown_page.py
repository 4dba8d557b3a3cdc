"""Unknown devices in a browser before a real hub: one is admitted after its line was looked at, one is refused; hostile ids stay text."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.registry import load_registry
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city
from tests.dashboards.browser import Browser
from tests.dashboards.stub import HOSTILE

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("unknown page")]


def press(browser: Browser, what: str, device: str) -> None:
    browser.wait(f"!!document.querySelector('[data-{what}={device}]')", f"no button to {what}")
    browser.ask(f"document.querySelector('[data-{what}={device}]').click()")


def test_a_device_is_admitted_in_place_and_another_refused(tmp_path: Path) -> None:
    api = free_port()
    city = write_city(tmp_path / "city", "", api)
    hub = RunningHub(city, api)
    try:
        for device in ("gauge-new", "stranger", HOSTILE):
            hub.post("/api/v1/readings", {"device": device, "values": {"water_depth": 0.1}})
        with Browser(tmp_path) as browser:
            browser.go(f"http://127.0.0.1:{api}/#quarantine")
            press(browser, "admit", "gauge-new")
            fill = "(name, text) => { const field = document.querySelector(`[data-knock=gauge-new] [data-field=${name}]`); field.value = text; field.dispatchEvent(new Event('input')); }"
            for name, text in (("name", "Mill, lane"), ("kind", "underpass-gauge"), ("lon", "121.5"), ("lat", "31.2")):
                browser.ask(f"({fill})({name!r}, {text!r})")
            before = (city / "devices.csv").read_bytes()
            press(browser, "propose", "gauge-new")
            browser.wait("document.querySelector('.added')?.textContent.startsWith('+ gauge-new,\"Mill, lane\",underpass-gauge,121.5,31.2')", "the line is not shown")  # fmt: skip
            assert (city / "devices.csv").read_bytes() == before, "only shown"
            hub.post("/api/v1/readings", {"device": "gauge-new", "values": {"water_depth": 0.2}})
            browser.wait(
                "document.querySelectorAll('#tab-quarantine .fault').length === 4", "the next knock is not shown"
            )
            assert browser.ask("!!document.querySelector('[data-write=gauge-new]')"), "a knock takes no form away"
            press(browser, "write", "gauge-new")
            browser.wait("!document.querySelector('[data-knock=gauge-new]')", "it is still unknown")
            assert load_registry(city)[0].devices["gauge-new"].name == "Mill, lane"
            assert hub.post("/api/v1/readings", {"device": "gauge-new", "values": {"water_depth": 0.3}})[0] == 200

            press(browser, "refuse", "stranger")
            browser.wait("!!document.querySelector('[data-knock=stranger].refused')", "it is not refused")
            browser.wait("[...document.querySelectorAll('[data-knock]')].at(-1).dataset.knock === 'stranger'", "the refused stand last")  # fmt: skip
            assert list(load_registry(city)[0].refused) == ["stranger"]
            press(browser, "refuse", "stranger")
            browser.wait("!document.querySelector('[data-knock=stranger].refused')", "the refusal stands")
            panel = "document.getElementById('tab-quarantine')"
            assert HOSTILE[:60] in str(browser.ask(f"{panel}.innerText"))
            assert browser.ask(f"{panel}.querySelectorAll('img, script').length") == 0
            assert browser.errors == []
    finally:
        assert hub.stop() == 0
