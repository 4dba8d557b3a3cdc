"""WCAG 2.2 A and AA by axe-core, on every tab, light and dark, in both languages; and a page narrow as a phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboards.bundle.__main__ import HERE, make
from dashboards.bundle.npm import install
from tests.dashboards.browser import Browser
from tests.dashboards.stub import ALERT, Stub
from tests.npm import GROUP, or_skip

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group(GROUP)]

RUN = """axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"] })
  .then((found) => found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ") + " " + (node.any[0]?.message ?? "")).slice(0, 4).join(" | ")}`))"""


@pytest.fixture(scope="module")
def axe() -> str:
    with or_skip():
        make()
        return (install(HERE) / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("axe")) as page:
        yield page


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    # Axe judges no colours of a single letter, such as a count of 1.
    many = [{**ALERT, "alert": f"a/{number}"} for number in range(1, 13)]
    with Stub(streams=False, further={"/api/v1/alerts": {"open": many, "closed": []}}) as running:
        yield running


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_violations(axe: str, browser: Browser, stub: Stub, theme: str) -> None:
    browser.go(f"{stub.url}/")
    browser.wait("document.readyState === 'complete'", "the page did not load")
    browser.ask(f"localStorage.setItem('cityhub.theme', '{theme}'), localStorage.setItem('cityhub.tongue', '{int(theme == 'light')}')")  # fmt: skip
    for fragment in ("alert=a%2F1", "device=gauge-1", "fleet", "air", "hub", "quarantine"):
        browser.go("about:blank")
        browser.go(f"{stub.url}/#{fragment}")
        shown = "!!document.querySelector('[role=tabpanel]:not([hidden])')?.children.length && document.documentElement.dataset.theme"
        browser.wait(f"({shown}) === '{theme}'", "the tab did not show")
        if fragment == "quarantine":  # with the forms that open there and on the map
            browser.wait("!!document.querySelector('[data-admit]')", "no unknown device")
            browser.ask(
                "document.querySelector('[data-admit]').click(), document.querySelector('[data-do=zones]').click()"
            )
            browser.wait(
                "!!document.querySelector('.admission') && !document.getElementById('fences').hidden",
                "the forms do not open",
            )
        browser.ask(f"{axe}; 1")
        found = browser.ask(RUN)
        assert found == [], (fragment, theme)


def test_on_a_phone_a_warning_is_acknowledged_with_one_thumb(browser: Browser, stub: Stub) -> None:
    browser.size(390, 800)
    browser.go("about:blank")
    browser.go(f"{stub.url}/#alert=a%2F1")
    browser.wait("!!document.querySelector('.card.chosen [data-act=\"acknowledge\"]')", "the card is not open")
    assert browser.ask("document.documentElement.scrollWidth <= innerWidth"), "it is wider than the screen"
    high = browser.ask(
        "document.querySelector('.card.chosen [data-act=\"acknowledge\"]').getBoundingClientRect().height"
    )
    assert high >= 44, "a thumb needs 44 px"
    browser.size(1280, 800)
