"""A real mosquitto on a free loopback port, with a configuration of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.ports import free_port
from tests.waiting import PATIENCE_S

BINARY = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def require_mosquitto() -> str:
    """The broker's path; skips loudly where it is absent, and fails where CI promises real servers."""
    if BINARY is not None:
        return BINARY
    reason = (
        "LOUD SKIP: mosquitto is not installed (Debian: apt-get install mosquitto); the MQTT source met no real broker"
    )
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


class Mosquitto:
    """Start, stop and kill it as a test needs; the persistence file survives in `folder`."""

    def __init__(self, folder: Path, lines: str = "allow_anonymous true") -> None:
        self.binary = require_mosquitto()
        self.port = free_port()
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "mosquitto.conf"
        user = "user root\n" if os.geteuid() == 0 else ""
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\n{user}persistence true\npersistence_location {folder}/\n"
            f"max_queued_messages 0\n{lines}\n"
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> Mosquitto:
        self._process = subprocess.Popen(
            [self.binary, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"mosquitto does not listen on {self.port}")

    def stop(self, kill: bool = False) -> None:
        if self._process is not None:
            self._process.kill() if kill else self._process.terminate()
            self._process.wait(PATIENCE_S)
            self._process = None


@contextmanager
def a_broker(more: str = "") -> Iterator[Mosquitto]:
    """One in a folder of its own, where whatever is measured with it may lie too; both are gone afterwards. `more`: lines of its configuration."""
    with tempfile.TemporaryDirectory(prefix="cityhub-bench-", ignore_cleanup_errors=True) as name:
        broker = Mosquitto(Path(name), f"allow_anonymous true\n{more}").start()
        try:
            yield broker
        finally:
            broker.stop()
