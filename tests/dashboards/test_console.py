"""The console in a real browser against a stub of the API; and what must hold for its files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.api import document_page
from tests.dashboards.browser import Browser
from tests.dashboards.stub import CONSOLE, HOSTILE, STATUS, Stub


def own_files() -> list[Path]:
    """What is written here, without what `make console` builds."""
    return [file for file in CONSOLE.iterdir() if file.is_file()]


ESCAPED = HOSTILE.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@pytest.fixture
def render(tmp_path: Path) -> Callable[[str], str]:
    """The page's DOM after some seconds, as Chromium has it."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing; the console's tests need it (apt-get install chromium)")
        pytest.skip("LOUD SKIP: Chromium is missing; the console's tests need it (apt-get install chromium)")

    def dump(url: str) -> str:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--lang=en-GB"]  # fmt: skip
        done = subprocess.run(
            [
                browser,
                *flags,
                f"--user-data-dir={tmp_path / 'profile'}",
                "--virtual-time-budget=9000",
                "--dump-dom",
                url,
            ],
            capture_output=True,
            timeout=90,
            check=True,
        )
        return done.stdout.decode()

    return dump


@pytest.mark.acceptance
def test_a_warning_is_shown_with_the_cameras_that_look_at_it(render: Callable[[str], str]) -> None:
    with Stub() as stub:
        page = render(f"{stub.url}/#alert=a%2F1")
    assert re.search(r'<span class="pill red"><i class="shape red" aria-hidden="true"></i>Red</span>', page)
    assert "Gate camera" in page
    assert "97 m · 90°" in page
    assert "97 m away, looking E" in page
    assert "Acknowledge" in page
    assert "16:00:00" in page  # in the city's zone, wherever the browser is
    assert any(path == "/api/v1/stream" for path in stub.asked)


@pytest.mark.acceptance
@pytest.mark.parametrize("tab", ["alert=a%2F1", "device=gauge-1", "hub", "quarantine"])
def test_hostile_names_stay_text(render: Callable[[str], str], tab: str) -> None:
    with Stub() as stub:
        page = render(f"{stub.url}/#{tab}")
    assert ESCAPED in page
    assert ("new probe" in page) == (tab == "hub")
    assert "<title>hacked" not in page
    assert not re.search(r"<img|<script>document", page)


@pytest.mark.acceptance
def test_without_the_stream_the_console_polls(render: Callable[[str], str]) -> None:
    with Stub(streams=False) as stub:
        page = render(stub.url)
    assert "asking every few seconds" in page
    assert stub.asked.count("/api/v1/status") >= 2


def test_the_console_fetches_nothing_from_elsewhere_and_parses_no_markup() -> None:
    for file in own_files():
        text = file.read_text("utf-8")
        addresses = set(re.findall(r"https?://[\w./-]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not addresses, file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            file.name
        )


def test_every_file_the_page_names_is_there() -> None:
    named = {"index.html"}
    for file in own_files():
        named |= set(re.findall(r"/static/([\w./]+)", file.read_text("utf-8")))
        named |= set(re.findall(r'(?:from |import\()"\./([\w./]+)"', file.read_text("utf-8")))
    named |= set(re.findall(r"/static/([\w./]+)", Path(document_page.__file__).read_text("utf-8")))
    built = {"vendor/vendor.js", "vendor/vendor.css"}
    assert named - built == {file.name for file in own_files() if file.suffix != ".md"}
    assert named & built  # `make console` makes them; the test of the bundle holds that


def test_every_word_exists_in_both_languages() -> None:
    words = (CONSOLE / "words.js").read_text("utf-8")
    known = set(re.findall(r"(\w+): \[\"", words.split("const KINDS")[0]))
    used = set()
    for file in CONSOLE.glob("*.js"):
        used |= set(re.findall(r'\bsay\("(\w+)"\)', file.read_text("utf-8")))
    used |= set(re.findall(r'data-(?:text|title)="(\w+)"', (CONSOLE / "index.html").read_text("utf-8")))
    assert used <= known
    for name, pair in re.findall(r"^  (?:.*?)(\w+): (\[[^\]]*\])", words.split("const KINDS")[0], re.M):
        assert pair.count('"') == 4, name


def test_the_page_names_all_its_modules_beforehand() -> None:
    """Else each is asked for when the one before it has been read."""
    named = set(re.findall(r'rel="modulepreload" href="/static/([\w.]+)"', (CONSOLE / "index.html").read_text("utf-8")))
    assert named == {file.name for file in own_files() if file.suffix == ".js"} - {"console.js", "early.js"}


def test_what_is_shown_first_is_asked_for_without_the_modules_and_once_only(tmp_path: Path) -> None:
    early = ["/api/v1/devices", "/api/v1/city?devices=silent", "/api/v1/session"]
    with Browser(tmp_path) as browser:
        with Stub(further={"/static/console.js": "no module"}) as stub:
            browser.go(f"{stub.url}/")
            browser.wait("window.cityhubEarly?.size === 4", "nothing is asked for early")
            until = time.monotonic() + 30
            while not set(early) <= set(stub.asked) and time.monotonic() < until:
                time.sleep(0.05)
            assert set(early) <= set(stub.asked)
        with Stub(beats=lambda: [("status", STATUS)]) as stub:
            browser.go("about:blank")
            browser.go(f"{stub.url}/")
            browser.wait("!!document.querySelector('.card') && document.getElementById('link').className === 'live'", "no warning")  # fmt: skip
            assert browser.ask("document.getElementById('map').cityMap.things.devices.size") == 1
            assert [stub.asked.count(path) for path in early] == [1, 1, 1]
            assert browser.ask("window.cityhubEarly.size") == 0, "all of it was taken"
        assert browser.errors == []


def test_no_rate_is_told_before_anybody_has_counted_twice(tmp_path: Path) -> None:
    told = [STATUS]

    def beats() -> list[tuple[str, Any]]:
        return [("status", told[-1])]

    flow = "document.querySelector('#flow b')?.textContent"
    with Stub(beats=beats) as stub, Browser(tmp_path) as browser:
        browser.go(f"{stub.url}/")
        browser.wait(f"document.getElementById('link').className === 'live' && {flow} === '–'", "a rate of nothing")
        (adapter,) = STATUS["adapters"]
        told.append(
            {**STATUS, "at": "2026-11-22T08:00:02Z", "adapters": [{**adapter, "received": adapter["received"] + 14}]}
        )
        browser.wait(f"{flow} === '7.0'", "no rate")
        assert browser.errors == []
