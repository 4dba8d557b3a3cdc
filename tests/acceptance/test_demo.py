"""`cityhub demo` as a person meets it: something moves, a warning comes with its cameras, and it ends when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.acceptance.running import ROOT
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.acceptance


class Demo:
    """The command, and what it has said so far."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hub.cli", "demo", *options],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)

    def until(self, words: str) -> str:
        """The first line with these words."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self.process.poll() is None:
            if found := next((line for line in self.said if words in line), ""):
                return found
            time.sleep(0.05)
        raise AssertionError(f"no line with {words!r}; it said: {''.join(self.said)}")

    def ends(self) -> str:
        """All it said, once it has ended by itself with code 0."""
        try:
            assert self.process.wait(PATIENCE_S) == 0, "".join(self.said)
        finally:
            self.process.kill()
            self._listening.join()
            assert self.process.stdout is not None
            self.process.stdout.close()
        return "".join(self.said)


@pytest.mark.long
def test_it_warns_with_cameras_in_half_a_minute_and_ends_on_a_second_ctrl_c_too(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    try:
        demo.until("open http://")
        demo.until("A cloudburst stops over the North Gate")
        warning = demo.until("WARNING, blue: North Gate underpass: water")
        assert "seen by North Gate" in warning
        for pause_s in (0.0, 0.1, 0.5):
            time.sleep(pause_s)
            demo.process.send_signal(signal.SIGINT)
    finally:
        said = demo.ends()
    assert said.endswith("The demo has ended cleanly.\n")
    assert "Traceback" not in said
    assert not list(tmp_path.glob("cityhub-demo-*"))


def test_it_ends_on_sigterm_and_at_once_while_it_starts(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    try:
        demo.until("open http://")
        demo.process.send_signal(signal.SIGTERM)
    finally:
        said = demo.ends()
    assert said.endswith("The demo has ended cleanly.\n")
    assert "Traceback" not in said
    assert not list(tmp_path.glob("cityhub-demo-*"))
