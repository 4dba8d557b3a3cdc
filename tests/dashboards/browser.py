"""Debian's Chromium, headless, driven by playwright: open a page, ask it, take a picture of it."""

from __future__ import annotations

import base64
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest
from playwright.sync_api import Error, sync_playwright

from tests.waiting import PATIENCE_S

WIDTH, HEIGHT = 1280, 800
P = ParamSpec("P")
T = TypeVar("T")


def chromium_or_skip() -> str:
    """The browser's path; skips loudly where it is absent, and fails where CI promises it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        message = "Chromium is missing; the console's tests need it (apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(f"LOUD SKIP: {message}")
    return found


class Browser:
    """One page. Playwright has a thread of its own here: its loop would stand in the way of tests that have one."""

    def __init__(self, folder: Path) -> None:
        self._program = chromium_or_skip()
        self._profile = folder / "profile"
        self._thread = ThreadPoolExecutor(1, "browser")
        self.errors: list[str] = []
        """What the page's own code raised and nobody caught."""

    def __enter__(self) -> Browser:
        self._do(self._open)
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close)
        self._thread.shutdown()

    def go(self, url: str) -> None:
        self._do(self._page.goto, url, wait_until="commit")

    def ask(self, expression: str) -> Any:
        """What the page's JavaScript says to this."""
        return self._do(self._page.evaluate, expression)

    def wait(self, expression: str, complaint: str, seconds: float = PATIENCE_S) -> None:
        until = time.monotonic() + seconds
        while not self._holds(expression):
            if time.monotonic() > until:
                text = self.ask("document.body ? document.body.innerText : ''")
                raise AssertionError(f"{complaint}; the page says: {text}")
            time.sleep(0.1)

    def in_each_page(self, script: str) -> None:
        """Runs in each page from now on, before its own scripts."""
        self._do(self._page.add_init_script, script)

    def heap_mb(self) -> float:
        """What the page's objects take once what nobody needs is collected."""
        self._call("HeapProfiler.collectGarbage")
        return float(self._call("Runtime.getHeapUsage")["usedSize"]) / 1e6

    def size(self, width: int, height: int) -> None:
        """As large as this from now on; a phone below 600 pixels."""
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def picture(self, path: Path) -> None:
        """In the format that the name's ending says: png, webp."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format=path.suffix.lstrip("."))["data"]))

    def _open(self) -> None:
        self._playwright = sync_playwright().start()
        self._context = self._playwright.chromium.launch_persistent_context(
            self._profile,
            executable_path=self._program,
            args=["--disable-gpu"],
            locale="en-GB",
            viewport={"width": WIDTH, "height": HEIGHT},
            chromium_sandbox=False,
        )
        self._page = self._context.pages[0]
        self._page.on("pageerror", lambda error: self.errors.append(str(error)[:1500]))
        self._protocol = self._context.new_cdp_session(self._page)

    def _close(self) -> None:
        self._context.close()
        self._playwright.stop()

    def _holds(self, expression: str) -> bool:
        try:
            return self.ask(expression) is True
        except Error:  # of what is not there yet, or of a page that goes away
            return False

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What playwright has no name for, by Chromium's own protocol."""
        return self._do(self._protocol.send, method, parameters)

    def _do(self, what: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        return self._thread.submit(what, *arguments, **named).result()
