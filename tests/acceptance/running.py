"""A hub in a process of its own on a city folder, for tests that need the real thing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from tests.acceptance import forked
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]

RULES = """
- rule: underpass-flooding
  title: "{subject.name}: water {depth:.0f cm} deep"
  title_zh: "{subject.name}：积水深{depth:.0f cm}"
  for_each: {kind: underpass-gauge}
  let:
    depth: water_depth
  levels:
    yellow: depth >= 15 cm
    red: depth >= 40 cm
  clear: depth < 80 % of level
  source: {standard: house default}
"""

DEVICES = """device,name,kind,lon,lat,elevation_m,area,operator,warning_level_m
underpass-1,North Gate,underpass-gauge,121.491,31.241,3,north,roads,
gauge-7,River at the mill,river-gauge,121.492,31.242,3,north,water,3.5
"""

CAMERAS = """camera,name,lon,lat,height_m,azimuth_deg,tilt_deg,hfov_deg,range_m,ptz,area,gb28181_id,stream_url
bridge,Bridge,121.4905,31.2405,8,45,10,60,200,,north,,
dome,Dome,121.4915,31.2412,8,,,,300,true,north,,
"""


def zone_at_noon() -> tuple[str, timedelta]:
    """A time zone in which it is between twelve and one o'clock now, and how far it is ahead of UTC: no midnight comes into the way of a
    test that asks for yesterday."""
    hours = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-hours:+d}", timedelta(hours=hours)  # their names have the sign of the way to UTC


def write_city(
    folder: Path, toml: str = "", api: int | None = None, rules: str = RULES, zone: str = "Asia/Shanghai"
) -> Path:
    """A small city folder; `toml` is appended to hub.toml. Gives the folder."""
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    listen = f'[api]\nlisten = "127.0.0.1:{api}"\n' if api else ""
    (folder / "hub.toml").write_text(f'[hub]\nname = "test"\ntimezone = "{zone}"\n{listen}\n{toml}')
    (folder / "devices.csv").write_text(DEVICES)
    (folder / "cameras.csv").write_text(CAMERAS)
    (folder / "rules" / "own.yaml").write_text(rules, "utf-8")
    return folder


class RunningHub:
    """`cityhub run FOLDER`, ready when constructed, which is when it has said `ready`. `prefix` goes before the command (strace), `more`
    behind it. It is forked from a process that has loaded the program (tests/acceptance/forked.py), unless it is to be `fresh` or has a prefix.
    """

    def __init__(
        self,
        folder: Path,
        api: int,
        prefix: Sequence[str] = (),
        ready: str = "Ctrl-C stops it",
        more: Sequence[str] = (),
        fresh: bool = False,
    ) -> None:
        self.folder = folder
        self.api = api
        self.said: list[str] = []
        command = ["run", str(folder), *more]
        self.process, self._stderr = started(command, prefix) if fresh or prefix else forked.start(command)
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()
        try:
            self.wait(lambda: self.has_said(ready), "the hub did not start")
        except AssertionError:
            if self.process.poll() is not None:
                self.wait_end()
            raise

    def has_said(self, words: str) -> bool:
        return any(words in line for line in self.said)

    def _listen(self) -> None:
        for line in self._stderr:
            self.said.append(line)

    def wait(self, ready: Callable[[], bool], complaint: str, seconds: float = PATIENCE_S) -> None:
        until = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > until or self.process.poll() is not None:
                raise AssertionError(f"{complaint}; it said: {''.join(self.said)}")
            time.sleep(0.02)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.api}{path}", timeout=PATIENCE_S) as answer:
            text = answer.read()
        return json.loads(text) if path.startswith("/api") else text.decode()

    def post(self, path: str, body: bytes | dict[str, Any], **headers: str) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.api}{path}", data, {"Content-Type": "application/json", **headers}
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def reading(self, values: dict[str, Any], device: str = "gauge-7", **more: Any) -> tuple[int, Any]:
        return self.post("/api/v1/readings", {"device": device, "values": values, **more})

    def adapter(self, name: str) -> dict[str, Any]:
        return next(item for item in self.get("/api/v1/status")["adapters"] if item["name"] == name)

    def reader(self, name: str) -> dict[str, Any]:
        return next(item for item in self.get("/api/v1/status")["readers"] if item["reader"] == name)

    def wait_stored(self) -> None:
        """Until the store has what the log had when this was called."""
        reader = self.reader("store/events")
        end = reader["cursor"] + reader["behind"]
        self.wait(lambda: self.reader("store/events")["cursor"] >= end, "the store did not take them")

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_end()

    def kill(self) -> None:
        self.process.kill()
        self.wait_end()

    def wait_end(self) -> int:
        code = self.process.wait(PATIENCE_S)
        self._listening.join()
        self._stderr.close()
        return code


def started(command: Sequence[str], prefix: Sequence[str]) -> tuple[subprocess.Popen[str], IO[str]]:
    """The command by an interpreter of its own, and what it says on stderr."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "hub.cli", *command], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    return process, process.stderr


def cityhub(*arguments: object, timeout: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
    """One command to its end, forked as `RunningHub` is."""
    return forked.run([str(argument) for argument in arguments], timeout)
