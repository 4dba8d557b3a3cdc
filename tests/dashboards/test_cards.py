"""Warnings as cards, in a browser over a real hub: dates, reasons that stay, values, the curve, acts with undo, keys, filters, links."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city
from tests.dashboards.browser import Browser

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("cards")]

CARD = "document.querySelector('.card:not(.closed)')"
TEXT = f"({CARD}?.innerText ?? '')"
CLICK = "document.querySelector('.card.chosen [data-act=\"{}\"]').click()"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One hub with a warning that was raised yesterday by the readings' own times, and is red by now."""
    api = free_port()
    found = RunningHub(write_city(tmp_path_factory.mktemp("cards") / "city", api=api), api)
    try:
        yesterday = datetime.now(UTC) - timedelta(hours=26)
        for minutes, depth in ((0, 0.02), (10, 0.2), (20, 0.45), (30, 0.35)):
            at = (yesterday + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
            assert found.post("/api/v1/readings", {"device": "underpass-1", "time": at, "values": {"water_depth": depth}})[0] == 200  # fmt: skip
        found.wait(lambda: found.get("/api/v1/alerts")["open"] != [], "no warning", 60)
        found.wait(lambda: found.get("/api/v1/alerts")["open"][0]["level"] == "red", "not red", 60)
        yield found
    finally:
        assert found.stop() == 0


@pytest.fixture(scope="module")
def browser(hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as page:
        yield page


def opened(browser: Browser, hub: RunningHub, fragment: str = "") -> None:
    browser.go("about:blank")
    browser.go(f"http://127.0.0.1:{hub.api}/{fragment}")
    browser.wait(f"{TEXT}.includes('water')", "no card")


def write(browser: Browser, field: str, text: str) -> None:
    browser.ask(
        f"(() => {{ const box = document.querySelector('.card.chosen [data-focus=\"{field}\"]'); box.value = '{text}';"
        " box.dispatchEvent(new Event('input')); })()"
    )


def warning(hub: RunningHub) -> dict[str, Any]:
    found: dict[str, Any] = hub.get("/api/v1/alerts")["open"][0]
    return found


def test_the_api_tells_why_a_warning_stands_and_how_bad_it_was(hub: RunningHub) -> None:
    found = warning(hub)
    assert found["worst"]["level"] == "red"
    assert found["worst"]["values"]["depth"] == 0.45
    assert "depth" in found["cause"]
    (rule,) = [item for item in hub.get("/api/v1/rules")["rules"] if item["rule"] == found["rule"]]
    assert rule["names"] == {"depth": "water_depth"}
    assert rule["kinds"] == ["underpass-gauge"]
    limits = {level["level"]: [(one["metric"], one["op"], one["value"]) for one in level["limits"]] for level in rule["levels"]}  # fmt: skip
    assert limits == {"yellow": [("water_depth", ">=", 0.15)], "red": [("water_depth", ">=", 0.4)]}
    assert rule["ill"] is None


def test_a_card_says_date_values_and_evidence(hub: RunningHub, browser: Browser) -> None:
    opened(browser, hub, f"#alert={warning(hub)['alert'].replace('/', '%2F')}")
    zone = datetime.now(UTC) + timedelta(hours=8) - timedelta(hours=26) + timedelta(minutes=10)
    browser.wait(f"{TEXT}.includes('{zone.day} {zone:%b}')", "a warning of yesterday has no date")
    browser.wait(
        f"{TEXT}.includes('water at Red 0.45 m') && {TEXT}.includes('now 0.35 m')", "no worst and present value"
    )
    browser.wait("!!document.querySelector('.evidence .uplot canvas')", "no curve of evidence")
    if folder := os.environ.get("CITYHUB_PICTURES"):
        browser.picture(Path(folder) / "card.png")
    assert browser.errors == []


def test_an_act_can_be_undone_and_then_goes_to_the_hub_and_the_reason_stays(hub: RunningHub, browser: Browser) -> None:
    opened(browser, hub, f"#alert={warning(hub)['alert'].replace('/', '%2F')}")
    browser.wait("!!document.querySelector('.card.chosen .act')", "the card is not open")
    cause = warning(hub)["cause"]
    write(browser, "who", "Lin")
    browser.ask(CLICK.format("acknowledge"))
    browser.wait(f"{TEXT}.includes('Will be acknowledged in')", "nothing says that it waits")
    browser.ask("dispatchEvent(new KeyboardEvent('keydown', { key: 'u' }))")
    browser.wait(f"!{TEXT}.includes('Will be acknowledged')", "it was not undone")
    assert warning(hub)["acknowledged_by"] is None
    write(browser, "who", "Lin")
    browser.ask("dispatchEvent(new KeyboardEvent('keydown', { key: 'a' }))")
    browser.wait(f"{TEXT}.includes('Will be acknowledged in')", "the key did nothing")
    assert warning(hub)["acknowledged_by"] is None, "told before the ten seconds were over"
    hub.wait(lambda: warning(hub)["acknowledged_by"] == "Lin", "it never reached the hub", 60)
    browser.wait(f"{TEXT}.includes('✓ Lin')", "the card does not say who has it")
    assert cause in str(browser.ask(TEXT)), "the reason went"
    assert warning(hub)["reason"] == "acknowledged by Lin"
    write(browser, "note", "half a sent")
    assert hub.reading({"water_depth": 0.36}, "underpass-1")[0] == 200
    browser.wait(f"{TEXT}.includes('now 0.36 m')", "the present value did not move")
    assert browser.ask("document.querySelector('.card.chosen [data-focus=\"note\"]').value") == "half a sent"
    browser.ask(CLICK.format("shelve"))
    browser.go("about:blank")  # whoever leaves the page meant it
    hub.wait(lambda: warning(hub)["shelved_until"] is not None, "leaving the page lost the act", 60)


def test_the_same_in_chinese_by_the_api_and_on_the_page(hub: RunningHub, browser: Browser) -> None:
    english, asked = warning(hub), hub.get("/api/v1/alerts?lang=zh")["open"][0]
    assert english["title"].startswith("North Gate: water")
    assert asked["title"] == english["title_zh"]
    assert asked["title"].startswith("North Gate：积水深")
    assert asked["cause"].startswith("红色：水深 ≥ 40 cm（水深 = ")
    assert asked["cameras"][0]["reason"] == english["cameras"][0]["reason_zh"] != english["cameras"][0]["reason"]
    opened(browser, hub)
    browser.ask("document.getElementById('language').click()")
    browser.ask(f"location.hash = 'alert={english['alert'].replace('/', '%2F')}'")
    browser.wait(f"{TEXT}.includes('红色：水深 ≥ 40 cm')", "the reason is not Chinese")
    browser.wait(f"{TEXT}.includes('积水深') && {TEXT}.includes('观察')", "title or cameras are not Chinese")
    said = str(browser.ask("document.body.innerText"))
    browser.ask("document.getElementById('language').click()")
    for name in ("North Gate", english["rule"], *(view["name"] for view in english["cameras"]), "half a sent"):
        said = said.replace(name, "")
    assert re.findall(r"[A-Za-z]{2,}[ ,]+(?:[A-Za-z]+[ ,]+)+[A-Za-z]+", said) == [], "an English sentence"


def test_filters_say_what_they_hide_and_stand_in_the_link(hub: RunningHub, browser: Browser) -> None:
    opened(browser, hub)
    browser.ask("document.querySelector('#filters .pill.blue').click()")
    browser.wait(f"!{CARD} && document.body.innerText.includes('1 more are hidden')", "what is hidden was not said")
    link = str(browser.ask("location.href"))
    assert link.endswith("#filter=level%3Dblue")
    browser.go("about:blank")
    browser.go(link)
    browser.wait("document.body.innerText.includes('1 more are hidden')", "the link does not carry the filter")
    assert not browser.ask("document.body.innerText.includes('All calm')"), "a filter is no calm"
    browser.ask("document.querySelector('#filters .hidden-some').click()")
    browser.wait(f"!!{CARD}", "the warning did not come back")


def test_sound_is_off_until_asked_for_and_says_so(hub: RunningHub, browser: Browser) -> None:
    opened(browser, hub)
    assert browser.ask("document.getElementById('sound').getAttribute('aria-pressed')") == "false"
    browser.ask("document.getElementById('keys').click()")
    browser.wait("document.getElementById('door').open && document.getElementById('door').innerText.includes('next warning')", "no list of keys")  # fmt: skip
    assert browser.errors == []


def test_a_device_has_ranges_a_table_and_its_curve_with_limits(hub: RunningHub, browser: Browser) -> None:
    browser.go("about:blank")
    browser.go(f"http://127.0.0.1:{hub.api}/#device=underpass-1")
    browser.wait("!!document.querySelector('[data-range=\"7d\"]')", "no ranges")
    browser.ask("document.querySelector('[data-range=\"7d\"]').click()")
    browser.wait("Number(document.getElementById('curve').dataset.points) >= 4 && !!document.querySelector('#curve .uplot')", "no curve of a week")  # fmt: skip
    browser.ask("[...document.querySelectorAll('#detail .act button')][0].click()")
    browser.wait("document.querySelectorAll('#rows tbody tr').length >= 4", "no table")
    assert "0.45" in str(browser.ask("document.getElementById('rows').innerText"))
    browser.ask("document.querySelector('#detail tr[data-metric] button').focus()")
    assert hub.reading({"water_depth": 0.37}, "underpass-1")[0] == 200
    browser.wait("document.getElementById('detail').innerText.includes('0.37 m')", "the value did not move")
    assert browser.ask("document.activeElement.closest('tr')?.dataset.metric") == "water_depth", "the focus was lost"
    assert browser.errors == []


def test_the_hub_page_shows_rules_and_offers_what_was_kept_out_again(hub: RunningHub, browser: Browser) -> None:
    assert hub.reading({"water_depth": 0.2}, "gauge-of-nobody")[0] == 400
    browser.go("about:blank")
    browser.go(f"http://127.0.0.1:{hub.api}/#hub")
    browser.wait("document.getElementById('tab-hub').textContent.includes('depth >= 40 cm')", "no rules")
    browser.ask("location.hash = '#quarantine'")
    browser.wait("!!document.querySelector('[data-retry]')", "nothing to try again")
    browser.ask("document.querySelector('[data-retry]').click()")
    browser.wait("document.getElementById('tab-quarantine').innerText.includes('refused 1')", "no outcome of the retry")
    assert browser.errors == []
