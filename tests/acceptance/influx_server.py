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


@contextlib.contextmanager
def influx_server(folder: Path, port: int | None = None) -> Iterator[str]:
    """Run the server with its data under `folder`; yields its address, e.g. http://127.0.0.1:40213.

    A `port` given lets it come back where it was before.
    """
    program = influxd_or_skip()
    folder.mkdir(parents=True, exist_ok=True)
    http, rpc = port or free_port(), free_port()
    config = folder / "influxdb.conf"
    config.write_text(CONFIG.format(folder=folder, http=http, rpc=rpc))
    with (folder / "influxd.log").open("wb") as log:
        process = subprocess.Popen([program, "-config", str(config)], stdout=log, stderr=log)
        url = f"http://127.0.0.1:{http}"
        try:
            _wait_until_up(process, url, folder / "influxd.log")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"influxd ended with {process.returncode}: {log.read_text()[-2000:]}")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/ping").status_code == 204:
                return
        time.sleep(0.1)
    raise RuntimeError(f"influxd did not answer within {PATIENCE_S:.0f} s")
