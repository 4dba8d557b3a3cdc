"""Debian's real InfluxDB server (1.6.7), started for one test session on loopback ports of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.ports import free_port
from tests.waiting import PATIENCE_S

CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
[logging]
  level = "error"
"""


def influxd_or_skip() -> str:
    """The path of `influxd`. Without one the test is skipped, loudly, or fails where CI=true."""
    found = shutil.which("influxd")
    if found is None:
        message = (
            "LOUD SKIP: no influxd here (apt-get install influxdb); the InfluxDB store was not tried on a real server"
        )
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


class InfluxServer:
    """Start, stop, kill and hold up a server as a test needs; its data survives in `folder`, and it comes back on the same port."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self._program = influxd_or_skip()
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._http, self._rpc = port or free_port(), free_port()
        self._config, self._log = folder / "influxdb.conf", folder / "influxd.log"
        self._config.write_text(CONFIG.format(folder=folder, http=self._http, rpc=self._rpc))
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._http}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> InfluxServer:
        """Returns when it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([self._program, "-config", str(self._config)], stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"influxd ended with {self._process.returncode}: {self._log.read_text()[-2000:]}")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/ping").status_code == 204:
                    return self
            time.sleep(0.1)
        raise RuntimeError(f"influxd did not answer within {PATIENCE_S:.0f} s")

    def stop(self, kill: bool = False) -> None:
        if self._process is None:
            return
        self._process.kill() if kill else self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


@contextlib.contextmanager
def influx_server(folder: Path, port: int | None = None) -> Iterator[str]:
    """Run the server with its data under `folder`; yields its address, e.g. http://127.0.0.1:40213.

    A `port` given lets it come back where it was before.
    """
    server = InfluxServer(folder, port)
    try:
        yield server.start().url
    finally:
        server.stop()
