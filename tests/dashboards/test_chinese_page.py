"""The console in Chinese before a real hub that has every kind of trouble: no English sentence of the hub's own is left on any page."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from rules.figures import derived
from tests.acceptance.ports import free_port
from tests.acceptance.running import RULES, write_city
from tests.acceptance.test_rules_that_fail import SICK, hub_of, say, until, warned
from tests.dashboards.browser import Browser
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.acceptance

ENGLISH = """((names) => {
  const runs = (text) => names.reduce((left, name) => left.replaceAll(name, ""), text).match(/[A-Za-z][A-Za-z']+(?:[ ,]+[A-Za-z']+){2,}/g) ?? [];
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const box = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    if (box.closest("[lang=en], .raw, noscript, script")) continue;
    const texts = node.nodeType === Node.TEXT_NODE ? [node.data] : ["title", "aria-label", "placeholder", "alt"].map((name) => node.getAttribute(name) ?? "");
    for (const text of texts) for (const run of runs(text)) found.push(`${box.closest("[id]")?.id} ${box.className}: ${run}`);
  }
  return [...new Set(found)];
})(NAMES)"""
NAMES = ["North Gate", "River at the mill"]
"""What the city calls its things, which is not the hub's to translate."""
CHINESE = re.compile("[\u4e00-\u9fff]")
CLICK = """(() => { const button = document.querySelector("WHAT"); button?.click(); return !!button; })()"""

TOML = """
[store]
kind = "influxdb"
version = 1
url = "http://127.0.0.1:{dead}"
[[adapters]]
name = "broker"
protocol = "mqtt"
connect = "mqtt://127.0.0.1:{dead}"
topics = ["#"]
[[adapters]]
name = "trackers"
protocol = "jt808"
listen = "tcp://127.0.0.1:{taken}"
[[adapters]]
name = "ships"
protocol = "ais"
connect = "tcp://127.0.0.1:{dead}"
[[sinks]]
name = "duty"
protocol = "webhook"
url = "http://127.0.0.1:{dead}/"
secret_env = "DUTY_SECRET"
"""


@pytest.fixture
def ill_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: float) -> float:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setitem(derived.FUNCTIONS, "beaufort", derived.FUNCTIONS["beaufort"]._replace(function=fails))
    monkeypatch.setenv("DUTY_SECRET", "whsec_" + "c2VjcmV0LW9mLXRoZS1kdXR5LWRlc2stMTIzNA==")


async def test_no_english_sentence_is_left_on_the_chinese_page(tmp_path: Path, ill_rules: None) -> None:
    dead, api = free_port(), free_port()
    with socket.create_server(("127.0.0.1", 0)) as other:
        toml = TOML.format(dead=dead, taken=other.getsockname()[1])
        hub = hub_of(write_city(tmp_path / "city", toml, api, RULES + SICK))
        await hub.start()
        try:
            async with httpx.AsyncClient(base_url=hub.address, timeout=PATIENCE_S) as client:
                await trouble(client)
                await asyncio.to_thread(read_all_pages, tmp_path, api)
        finally:
            await hub.stop()


async def trouble(client: httpx.AsyncClient) -> None:
    """A warning that no destination takes, faults of several kinds, an unknown device, an ill rule, parts that are down."""
    await say(client, water_depth=0.8, wind_speed=3.0)
    assert await until(lambda: warned(client, "red"))
    for body in (
        b"{",
        b'{"device": "underpass-1", "values": {"water_depth": 1e9}}',
        b'{"device": "underpass-1", "values": {"no_such_metric": 1, "water_depth": 0.7}}',
        b'{"device": "underpass-1", "time": "2001-01-01T00:00:00Z", "values": {"water_depth": 0.7}}',
        b'{"device": "stranger-1", "values": {"water_depth": 0.7}}',
    ):
        await client.post("/api/v1/readings", content=body, headers={"content-type": "application/json"})

    async def all_told() -> bool:
        parts = {part["part"]: part for part in (await client.get("/api/v1/status")).json()["parts"]}
        ill = ("adapter/broker", "adapter/trackers", "adapter/ships", "destination/duty", "rule/city/sick")
        return "store/events" in parts and all(
            name in parts and parts[name]["reason"] for name in (*ill, "store/events")
        )

    assert await until(all_told)
    said = [part["reason"] for part in (await client.get("/api/v1/status?lang=zh")).json()["parts"]]
    assert [reason for reason in said if " " in reason and not CHINESE.search(reason)] == []


def read_all_pages(folder: Path, api: int) -> None:
    with Browser(folder) as browser:
        browser.size(1280, 1000)
        browser.go(f"http://127.0.0.1:{api}/")
        browser.wait("document.readyState === 'complete'", "no page")
        browser.ask("localStorage.setItem('cityhub.tongue', '1')")
        found: list[str] = []
        look = looker(browser, api, found)
        look("", "!!document.querySelector('.card')")
        browser.ask("document.querySelector('.card .head').click()")
        look(None, "!!document.querySelector('.card.chosen')")
        look("device=underpass-1", "!!document.querySelector('#curve p')")
        look("fleet", "!!document.getElementById('tab-fleet').children.length")
        look("air", "!!document.getElementById('tab-air').children.length")
        look("hub", "document.querySelectorAll('#tab-hub .box').length > 8")
        assert browser.ask(CLICK.replace("WHAT", "[data-test=duty]"))
        look(None, "!!document.querySelector('#tab-hub [role=status]') && !document.querySelector('#tab-hub [role=status]').textContent.startsWith('…')")  # fmt: skip
        look("quarantine", "document.querySelectorAll('#tab-quarantine .fault').length >= 4")
        for button in ("[data-decode]", "[data-retry]", "[data-admit]"):
            assert browser.ask(CLICK.replace("WHAT", button)), button
        look(None, "!!document.querySelector('#tab-quarantine .decoded') && !!document.querySelector('.admission')")
        browser.ask("document.querySelector('.admission [data-field=lon]').value = '121'")
        assert browser.ask(CLICK.replace("WHAT", "[data-propose]"))
        look(None, "!!document.querySelector('.admission .wrong').textContent")
        assert browser.ask(CLICK.replace("WHAT", "[data-do=zones]"))
        look(None, "!document.getElementById('fences').hidden")
        assert browser.ask("document.documentElement.lang") == "zh-CN"
        assert found == []
        assert browser.errors == []


def looker(browser: Browser, api: int, found: list[str]) -> Callable[[str | None, str], Any]:
    wanted = ENGLISH.replace("NAMES", str(NAMES))

    def look(fragment: str | None, ready: str) -> None:
        if fragment is not None:
            browser.go("about:blank")
            browser.go(f"http://127.0.0.1:{api}/#{fragment}")
        browser.wait(f"document.documentElement.lang === 'zh-CN' && ({ready})", f"{fragment}: not shown")
        found.extend(f"{fragment}: {run}" for run in browser.ask(wanted))

    return look


def test_the_walk_finds_a_sentence_where_there_is_one(tmp_path: Path) -> None:
    """Or it would find nothing for ever."""
    with Browser(tmp_path) as browser:
        browser.go(
            "data:text/html,<p id=a>中文 and then some English</p><q lang=en>not this one here</q><i title='nor is this'>x</i>"
        )
        browser.wait("!!document.querySelector('i')", "no page")
        found = browser.ask(ENGLISH.replace("NAMES", "[]"))
        assert [run.partition(": ")[2] for run in found] == ["and then some English", "nor is this"]
