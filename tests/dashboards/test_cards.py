"""Warnings as cards, in a browser over a real hub: dates, reasons that stay, values, the curve, acts with undo, keys, filters, links."""

from __future__ import annotations

import os
import re
import struct
import threading
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.ports import free_port
from tests.acceptance.running import CAMERAS, RULES, RunningHub, write_city
from tests.dashboards.browser import Browser

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("cards")]

CARD = "document.querySelector('.card:not(.closed)')"
TEXT = f"({CARD}?.innerText ?? '')"
CLICK = "document.querySelector('.card.chosen [data-act=\"{}\"]').click()"


class Pictures(BaseHTTPRequestHandler):
    """A camera of one picture, 3 by 2."""

    def do_GET(self) -> None:
        rows = (b"\x00" + b"\x20\x60\xa0" * 3) * 2
        parts = (
            (b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        )
        png = b"".join(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts)  # fmt: skip
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"\x89PNG\r\n\x1a\n" + png)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One hub with a warning that was raised yesterday by the readings' own times, and is red by now. One of its cameras gives pictures;
    who answers for nothing is called after three hours."""
    api = free_port()
    city = write_city(tmp_path_factory.mktemp("cards") / "city", api=api, rules=f"{RULES}- call: 3 h\n")
    pictures = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    threading.Thread(target=pictures.serve_forever, daemon=True).start()
    header, bridge, *others = CAMERAS.splitlines()
    rows = [
        f"{header},snapshot_url",
        f"{bridge},http://127.0.0.1:{pictures.server_port}/",
        *(f"{row}," for row in others),
    ]
    (city / "cameras.csv").write_text("\n".join(rows))
    found = RunningHub(city, api)
    try:
        yesterday = datetime.now(UTC) - timedelta(hours=26)
        for minutes, depth in ((0, 0.02), (10, 0.2), (20, 0.45), (30, 0.35)):
            at = (yesterday + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
            assert found.post("/api/v1/readings", {"device": "underpass-1", "time": at, "values": {"water_depth": depth}})[0] == 200  # fmt: skip
        found.wait(lambda: found.get("/api/v1/alerts")["open"] != [], "no warning")
        found.wait(lambda: found.get("/api/v1/alerts")["open"][0]["level"] == "red", "not red")
        yield found
    finally:
        pictures.shutdown()
        pictures.server_close()
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
    local = datetime.fromisoformat(warning(hub)["raised_at"]) + timedelta(hours=8)
    browser.wait(f"{TEXT}.includes('{local.day} {local:%b}')", "a warning of yesterday has no date")
    browser.wait(
        f"{TEXT}.includes('water at Red 0.45 m') && {TEXT}.includes('now 0.35 m')", "no worst and present value"
    )
    browser.wait("!!document.querySelector('.evidence .uplot canvas')", "no curve of evidence")
    if folder := os.environ.get("CITYHUB_PICTURES"):
        browser.picture(Path(folder) / "card.png")
    assert browser.errors == []


def test_a_picture_comes_through_the_hub_and_the_next_call_is_counted_down(hub: RunningHub, browser: Browser) -> None:
    opened(browser, hub, f"#alert={warning(hub)['alert'].replace('/', '%2F')}")
    browser.wait("!!document.querySelector('[data-picture=\"bridge\"]')", "no button for the picture")
    assert browser.ask("document.querySelectorAll('[data-picture]').length") == 1, "the other camera has none"
    browser.ask("document.querySelector('[data-picture]').click()")
    browser.wait("document.querySelector('.picture canvas').width === 3 && !document.querySelector('.picture canvas').hidden", "no picture")  # fmt: skip
    browser.wait(f"{TEXT}.includes('the next contact is called in 3 h')", "no countdown")
    assert browser.errors == []


def test_comments_and_marks_can_be_undone_stay_and_stand_on_closed_warnings_too(
    hub: RunningHub, browser: Browser
) -> None:
    opened(browser, hub, f"#alert={warning(hub)['alert'].replace('/', '%2F')}")
    browser.wait("!!document.querySelector('.card.chosen .act')", "the card is not open")
    write(browser, "who", "Lin")
    write(browser, "note", "<b>a pump</b>")
    browser.ask("dispatchEvent(new KeyboardEvent('keydown', { key: 'c' }))")
    browser.wait(f"{TEXT}.includes('Will be commented in')", "nothing says that it waits")
    browser.ask("dispatchEvent(new KeyboardEvent('keydown', { key: 'u' }))")
    browser.wait(f"!{TEXT}.includes('Will be commented')", "it was not undone")
    assert warning(hub)["notes"] == []
    assert browser.ask("document.querySelector('.card.chosen [data-focus=\"note\"]').value") == "<b>a pump</b>"
    browser.ask(CLICK.format("comment"))
    hub.wait(
        lambda: [note["note"] for note in warning(hub)["notes"]] == ["<b>a pump</b>"], "it never reached the hub", 60
    )
    browser.wait(f"{TEXT}.includes('comment · Lin: <b>a pump</b>')", "the card does not show the comment")
    browser.ask("dispatchEvent(new KeyboardEvent('keydown', { key: 'f' }))")
    browser.wait(f"{TEXT}.includes('Will be marked as a false alarm in')", "nothing says that it waits")
    browser.ask("dispatchEvent(new PageTransitionEvent('pagehide'))")  # whoever leaves meant it
    hub.wait(lambda: warning(hub)["false_alarm"] is not None, "it never reached the hub")
    browser.wait(f"{TEXT}.includes('⊘ False alarm')", "the card does not show the mark")
    browser.ask("document.getElementById('language').click()")
    browser.wait(f"{TEXT}.includes('⊘ 误报') && {TEXT}.includes('备注 · Lin')", "not in Chinese")
    browser.ask("document.getElementById('language').click()")
    browser.ask("document.getElementById('keys').click()")
    browser.wait("['Comment', 'False alarm', 'Note for the next shift'].every((word) => document.getElementById('door').innerText.includes(word))", "keys without a name")  # fmt: skip
    assert browser.errors == []


def test_a_note_for_the_next_shift_is_shown_until_it_was_read(hub: RunningHub, browser: Browser) -> None:
    box = "document.getElementById('handover')"
    opened(browser, hub)
    browser.ask("dispatchEvent(new KeyboardEvent('keydown', { key: 'h' }))")
    browser.wait("document.activeElement?.dataset.focus === 'handover text'", "the key leads nowhere")
    fill = f"{box}.querySelector('[data-focus=\"handover {{}}\"]')"
    browser.ask(f"{fill.format('who')}.value = 'Lin', {fill.format('text')}.value = 'gate 3\\nis stuck', {fill.format('send')}.click()")  # fmt: skip
    browser.wait(f"{box}.innerText.includes('gate 3\\nis stuck')", "it is not shown")
    opened(browser, hub)
    browser.wait(f"{box}.innerText.includes('Left for this shift') && {box}.innerText.includes('Lin')", "not shown to whoever comes next")  # fmt: skip
    if folder := os.environ.get("CITYHUB_PICTURES"):
        browser.picture(Path(folder) / "handover.png")
    browser.ask(f"{box}.querySelector('[data-taken]').click()")
    browser.wait(f"!{box}.querySelector('[data-taken]')", "it stayed after it was read")
    assert hub.get("/api/v1/notes?kind=handover")["notes"][0]["read_by"] == "Lin"
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
    hub.wait(lambda: warning(hub)["acknowledged_by"] == "Lin", "it never reached the hub")
    browser.wait(f"{TEXT}.includes('✓ Lin')", "the card does not say who has it")
    assert cause in str(browser.ask(TEXT)), "the reason went"
    assert warning(hub)["reason"] == "acknowledged by Lin"
    write(browser, "note", "half a sent")
    assert hub.reading({"water_depth": 0.36}, "underpass-1")[0] == 200
    browser.wait(f"{TEXT}.includes('now 0.36 m')", "the present value did not move")
    assert browser.ask("document.querySelector('.card.chosen [data-focus=\"note\"]').value") == "half a sent"
    browser.ask(CLICK.format("shelve"))
    browser.go("about:blank")  # whoever leaves the page meant it
    hub.wait(lambda: warning(hub)["shelved_until"] is not None, "leaving the page lost the act")


def test_who_saw_orange_does_not_answer_for_red(browser: Browser, tmp_path: Path) -> None:
    """It rises within the ten seconds in which the acknowledgement can be undone."""
    api = free_port()
    hub = RunningHub(write_city(tmp_path, api=api), api)
    try:
        assert hub.reading({"water_depth": 0.3}, "underpass-1")[0] == 200
        hub.wait(lambda: hub.get("/api/v1/alerts")["open"] != [], "no warning")
        opened(browser, hub, f"#alert={warning(hub)['alert'].replace('/', '%2F')}")
        browser.wait("!!document.querySelector('.card.chosen .act')", "the card is not open")
        write(browser, "who", "Lin")
        browser.ask(CLICK.format("acknowledge"))
        assert hub.reading({"water_depth": 0.6}, "underpass-1")[0] == 200
        hub.wait(lambda: warning(hub)["level"] == "red", "not red")
        browser.wait(f"{TEXT}.includes('it is red by now')", "the page does not say why it was not acknowledged")
        assert warning(hub)["acknowledged_by"] is None
    finally:
        browser.go("about:blank")
        assert hub.stop() == 0


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
    browser.wait("Number(document.getElementById('curve').dataset.points) >= 2 && !!document.querySelector('#curve .uplot')", "no curve of a week")  # fmt: skip
    assert "2 values of doubtful quality" in str(
        browser.ask("document.getElementById('curve').innerText")
    )  # leaps stand beside it
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
    assert hub.post("/api/v1/readings", {"device": "underpass-1", "values": {"water_depth": "deep"}})[0] == 400
    browser.wait(
        "document.getElementById('tab-quarantine').innerText.includes('value not usable')", "the fault has no words"
    )
    browser.ask("document.querySelector('[data-decode]').click()")
    browser.wait("document.querySelector('.decoded')?.innerText.includes('Read by json: nothing would be read')", "not decoded")  # fmt: skip
    browser.ask("document.getElementById('language').click()")
    browser.wait("document.getElementById('tab-quarantine').innerText.includes('数值无效')", "the fault is not Chinese")
    browser.ask("document.querySelector('[data-decode]').click()")
    browser.wait("document.querySelector('.decoded')?.innerText.includes('无可读数据')", "not decoded in Chinese")
    browser.ask("location.hash = '#hub'")
    browser.wait("['存储 事件', '规则引擎', '隔离'].every((word) => document.getElementById('tab-hub').innerText.includes(word))", "parts are not Chinese")  # fmt: skip
    browser.ask("document.getElementById('language').click()")
    assert browser.errors == []
