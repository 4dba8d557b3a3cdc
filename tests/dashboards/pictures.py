"""`make pictures`: the console's pictures in docs/pictures/, taken of a real demo in Chromium."""

from __future__ import annotations

import re
import signal
import tempfile
from pathlib import Path

from tests.acceptance.test_demo import Demo
from tests.dashboards.browser import Browser
from tests.shared import ROOT

PICTURES = ROOT / "docs" / "pictures"
WARNED_S, SHOWN_S = 180, 120
OPEN = "document.querySelector('.card[data-alert*=\"underpass\"]:not(.closed):not(.blue)')"


def take(into: Path) -> None:
    """The warning of the demo's first scenario: in the control room by night, by day, and on a phone in Chinese."""
    with tempfile.TemporaryDirectory() as folder, Browser(Path(folder)) as browser:
        demo = Demo(Path(folder), "--scenario", "cloudburst")
        try:
            address = re.search(r"http://\S+", demo.until("open http://", WARNED_S))
            assert address is not None
            browser.go(address[0])
            browser.wait(f"!!{OPEN}", "no warning came", WARNED_S)
            for name, theme, tongue, size in (
                ("console", "dark", 0, (1280, 800)),
                ("console-light", "light", 0, (1280, 800)),
                ("console-phone", "light", 1, (390, 800)),
            ):
                browser.size(*size)
                browser.ask(f"localStorage.setItem('cityhub.theme', '{theme}'), localStorage.setItem('cityhub.tongue', '{tongue}')")  # fmt: skip
                browser.go("about:blank")
                browser.go(address[0])
                browser.wait(f"!!{OPEN}", "the warning went", SHOWN_S)
                browser.ask(f"{OPEN}.classList.contains('chosen') || {OPEN}.querySelector('.head').click()")
                browser.wait("!!document.querySelector('.evidence .uplot')", "no curve", SHOWN_S)
                browser.wait("document.querySelector('#flow b').textContent !== '–'", "no rate", SHOWN_S)
                browser.wait("!document.getElementById('map').cityMap.view.flight", "the map still moves", SHOWN_S)
                browser.wait("(({ tiles, asked }) => tiles.size > 0 && asked.size === 0)(document.getElementById('map').cityMap.ground.basemap)", "no base map", SHOWN_S)  # fmt: skip
                browser.picture(into / f"{name}.webp")
        finally:
            demo.process.send_signal(signal.SIGINT)
            demo.ends()


if __name__ == "__main__":
    take(PICTURES)
