"""The console in Chromium over a real hub: it never reassures without data, and says what is not well."""

from __future__ import annotations

import os
import signal
import socket
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.acceptance.nats_server import NatsServer
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city
from tests.dashboards.browser import Browser

pytestmark = pytest.mark.acceptance

TEXT = "document.body.innerText"
CALM = f"{TEXT}.includes('All calm')"
BANNER = "(!document.getElementById('alarm').hidden && document.getElementById('alarm').innerText || '')"
GREY = "getComputedStyle(document.querySelector('main')).filter.includes('grayscale')"
LOST = f"{BANNER}.includes('No connection to the hub') && {GREY} && document.title.includes('NO CONNECTION')"


def reassured(browser: Browser) -> list[str]:
    """What on the page reassures."""
    text = str(browser.ask(TEXT))
    return [words for words in ("All calm", "No open warnings.", "/s", "caught up") if words in text]


@pytest.mark.long
def test_a_hub_that_ends_or_hangs_is_not_shown_as_calm(tmp_path: Path) -> None:
    api = free_port()
    city = write_city(tmp_path / "city", api=api)
    hub = RunningHub(city, api)
    with Browser(tmp_path) as browser:
        browser.go(f"http://127.0.0.1:{api}/")
        browser.wait(f"{CALM} && {BANNER} === '' && {TEXT}.includes('/s')", "a hub that is well was not shown as such")
        assert not browser.ask(GREY)

        hub.process.send_signal(signal.SIGSTOP)  # it hangs: connections stay open and nothing comes
        browser.wait(LOST, "a hub that hangs was not shown as such")
        assert reassured(browser) == []
        hub.process.send_signal(signal.SIGCONT)
        browser.wait(f"{CALM} && {BANNER} === ''", "the page did not recover")

        assert hub.stop() == 0
        browser.wait(LOST, "a hub that ended was not shown as such")
        assert reassured(browser) == []
        if folder := os.environ.get("CITYHUB_PICTURES"):
            browser.picture(Path(folder) / "lost.png")
        hub = RunningHub(city, api)
        browser.wait(
            f"{CALM} && {BANNER} === '' && !document.title.includes('⚠')", "the page did not find the hub again"
        )
        assert browser.errors == []
    assert hub.stop() == 0


def test_a_store_that_is_away_is_named_on_the_page(tmp_path: Path) -> None:
    api = free_port()
    toml = f'[store]\nkind = "influxdb"\nversion = 1\nurl = "http://127.0.0.1:{free_port()}"\n'
    hub = RunningHub(write_city(tmp_path / "city", toml, api), api)
    with Browser(tmp_path) as browser:
        browser.go(f"http://127.0.0.1:{api}/#hub")
        browser.wait(f"{BANNER}.includes('store: down')", "the store was not named")
        assert browser.ask("document.title.includes('HUB NOT WELL')")
        assert not browser.ask(GREY), "what is shown is of now"
        assert not browser.ask(CALM)
        assert browser.errors == []
        if folder := os.environ.get("CITYHUB_PICTURES"):
            browser.picture(Path(folder) / "ill.png")
    assert hub.stop() == 0


def test_without_one_of_its_sources_the_hub_does_not_promise_calm(tmp_path: Path) -> None:
    api, taken = free_port(), free_port()
    toml = f'[[adapters]]\nname = "trackers"\nprotocol = "jt808"\nlisten = "tcp://127.0.0.1:{taken}"\n'
    with socket.create_server(("127.0.0.1", taken)):
        hub = RunningHub(write_city(tmp_path / "city", toml, api), api)
        with Browser(tmp_path) as browser:
            browser.go(f"http://127.0.0.1:{api}/")
            browser.wait(f"{TEXT}.includes('Not everything is heard: trackers')", "the deaf source was not named")
            assert not browser.ask(CALM)
            assert browser.ask(BANNER) == ""
        assert hub.stop() == 0


def test_the_curve_of_half_an_hour_reaches_now(tmp_path: Path) -> None:
    """3,000 readings in half an hour are more than one answer holds; the oldest 2,000 ended ten minutes ago."""
    api = free_port()
    hub = RunningHub(write_city(tmp_path / "city", api=api), api)
    now = time.time()
    stamps = [now - 1790 + 0.59 * number for number in range(3_000)]
    for first in range(0, len(stamps), 500):
        body = [
            {"device": "gauge-7", "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1e6):06d}Z", "values": {"water_level": 1 + at % 7 / 10}}
            for at in stamps[first : first + 500]
        ]  # fmt: skip
        assert hub.post("/api/v1/readings", body)[0] == 200  # type: ignore[arg-type]
    hub.wait_stored()
    newest = hub.get("/api/v1/series?device=gauge-7&metric=water_level")
    assert (len(newest["rows"]), newest["truncated"]) == (2_000, True)
    assert newest["rows"][-1]["time"] / 1e9 > stamps[-1] - 0.01
    older = hub.get(newest["next"])
    assert (len(older["rows"]), older["truncated"], older["next"]) == (1_000, False, None)
    assert older["rows"][-1]["time"] < newest["rows"][0]["time"]
    with Browser(tmp_path) as browser:
        browser.go(f"http://127.0.0.1:{api}/#device=gauge-7")
        browser.wait(
            "Number(document.getElementById('curve')?.dataset.points) > 2 && !!document.querySelector('#curve .uplot')",
            "no curve was drawn",
        )
        took_s = time.time() - now
        first, last = (datetime.fromisoformat(str(browser.ask(f"document.getElementById('curve').dataset.{end}"))) for end in ("first", "last"))  # fmt: skip
        for number in range(12):
            marks = {"marks": {"water_depth": ("calibration", "maintenance", "manual")[number]}} if number < 3 else {}
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 60 * (number + 1)))
            value = 20.0 if number > 1 else 900.0
            assert hub.reading({"water_depth": value / 1000}, "underpass-1", time=at, **marks)[0] == 200
        hub.wait_stored()
        browser.go(f"http://127.0.0.1:{api}/?again#device=underpass-1")
        browser.wait(
            f"document.getElementById('curve')?.dataset.points === '10' && {TEXT}.includes('2 values of doubtful quality')",
            "the curve goes through values that their marks deny, or leaves out what was entered by hand",
        )
        assert browser.errors == []
    assert 28 * 60 - took_s < (last - first).total_seconds() < 31 * 60, "the half hour ends when the page asks"
    assert hub.stop() == 0


@pytest.mark.long
def test_a_machine_that_shows_does_not_promise_calm_while_nobody_judges(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "servers")
    server.start()
    log = f'[log]\nservers = ["{server.url}"]\nmonitoring = ["{server.monitoring}"]\nreplicas = 1\nevents_gb = 0.1\nalerts_gb = 0.1\nquarantine_gb = 0.1\n'

    def run(name: str, roles: str) -> RunningHub:
        api = free_port()
        more = ["--node", name, "--role", roles]
        return RunningHub(write_city(tmp_path / name, log, api), api, more=more)

    show = run("show", "ingest,api")
    hubs = [show]
    try:
        with Browser(tmp_path) as browser:
            browser.go(f"http://127.0.0.1:{show.api}/")
            browser.wait(f"{BANNER}.includes('role/rules: down')", "a city without a judge was not shown as such")
            assert not browser.ask(CALM)
            hubs.append(run("worker", "rules,store,delivery"))
            browser.wait(f"{CALM} && {BANNER} === ''", "the judge was not noticed")
            assert browser.errors == []
    finally:
        for hub in reversed(hubs):
            hub.stop()
        server.stop()
