"""Debian's Chromium, headless, driven over its debugging pipe: open a page, ask it, take a picture of it."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--lang=en-GB", "--window-size=1280,800", "--remote-debugging-pipe",
]  # fmt: skip


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
    """One page. Messages go over a pipe, each ended by a zero byte, so no WebSocket is needed."""

    def __init__(self, folder: Path) -> None:
        self._program = chromium_or_skip()
        self._profile = folder / "profile"
        self._number = 0
        self._buffer = b""
        self.errors: list[str] = []

    def __enter__(self) -> Browser:
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        command = [self._program, *FLAGS, f"--user-data-dir={self._profile}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}', *command],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        made = self._call("Target.createTarget", {"url": "about:blank"})
        self._session = self._call("Target.attachToTarget", {"targetId": made["targetId"], "flatten": True})[
            "sessionId"
        ]
        for domain in ("Page", "Runtime"):
            self._call(f"{domain}.enable", {})
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        os.close(self._to)
        os.close(self._from)

    def go(self, url: str) -> None:
        self._call("Page.navigate", {"url": url})

    def ask(self, expression: str) -> Any:
        """What the page's JavaScript says to this."""
        said = self._call("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        return said["result"].get("value")

    def wait(self, expression: str, complaint: str, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while self.ask(expression) is not True:
            if time.monotonic() > until:
                text = self.ask("document.body ? document.body.innerText : ''")
                raise AssertionError(f"{complaint}; the page says: {text}")
            time.sleep(0.1)

    def in_each_page(self, script: str) -> None:
        """Runs in each page from now on, before its own scripts."""
        self._call("Page.addScriptToEvaluateOnNewDocument", {"source": script})

    def heap_mb(self) -> float:
        """What the page's objects take once what nobody needs is collected."""
        self._call("HeapProfiler.collectGarbage", {})
        return float(self._call("Runtime.getHeapUsage", {})["usedSize"]) / 1e6

    def size(self, width: int, height: int) -> None:
        """As large as this from now on."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def picture(self, path: Path) -> None:
        """In the format that the name's ending says: png, webp."""
        kind = path.suffix.lstrip(".")
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", {"format": kind})["data"]))

    def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._hear()
            if heard.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(heard["params"])[:1500])
            if heard.get("id") == self._number:
                assert "error" not in heard, heard
                result: dict[str, Any] = heard["result"]
                return result

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], 60)
            data = os.read(self._from, 1 << 20) if ready else b""
            if not data:
                raise AssertionError("Chromium says nothing")
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        heard: dict[str, Any] = json.loads(text)
        return heard
