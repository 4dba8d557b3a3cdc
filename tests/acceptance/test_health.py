"""What `cityhub run` and /readyz say when something real fails and comes back: broker, ports, disk, store."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.influx_server import influx_server
from tests.acceptance.mosquitto import Mosquitto
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city

pytestmark = pytest.mark.acceptance


def readiness(hub: RunningHub) -> tuple[int, dict[str, dict[str, Any]]]:
    """The status of /readyz, and its parts by name."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{hub.api}/readyz", timeout=20) as answer:
            status, body = answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        status, body = error.code, json.load(error)
    for part in body["parts"]:
        assert part.keys() >= {"part", "state", "since", "reason"}
    return status, {part["part"]: part for part in body["parts"]}


def said(hub: RunningHub, *words: str) -> bool:
    """Whether one line of its standard error has all of these words."""
    return any(all(word in line for word in words) for line in hub.said)


def status_of(hub: RunningHub, path: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{hub.api}{path}", timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@contextmanager
def running(folder: Path, api: int) -> Iterator[RunningHub]:
    hub = RunningHub(folder, api)
    try:
        yield hub
        assert not any("Traceback" in line for line in hub.said), "".join(hub.said)
    finally:
        assert hub.stop() == 0


def test_a_broker_that_goes_and_comes_back_is_said_and_leaves_the_hub_ready(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path).start()
    api = free_port()
    city = write_city(
        tmp_path / "city",
        f'[[adapters]]\nname = "broker"\nprotocol = "mqtt"\nconnect = "mqtt://127.0.0.1:{broker.port}"\ntopics = ["a/b"]\n',
        api,
    )
    try:
        with running(city, api) as hub:
            hub.wait(lambda: said(hub, "adapter/broker: up"), "it did not say that the broker is there")
            broker.stop()
            hub.wait(lambda: said(hub, "adapter/broker: down"), "it did not say that the broker is gone")
            status, parts = readiness(hub)
            assert status == 200, "one source less is no reason to take the others' readings elsewhere"
            assert parts["adapter/broker"]["state"] == "down"
            assert parts["adapter/broker"]["reason"]
            assert status_of(hub, "/readyz?part=adapter/broker")[0] == 503
            assert 'cityhub_part_state{part="adapter/broker",state="down"} 1' in hub.get("/metrics")
            broker.start()
            hub.wait(lambda: said(hub, "adapter/broker: up again"), "it did not say that the broker is back")
            assert readiness(hub)[1]["adapter/broker"]["state"] == "up"
    finally:
        broker.stop()


def test_ports_that_are_taken_are_named_and_tried_again(tmp_path: Path) -> None:
    api, other = free_port(), free_port()
    city = write_city(
        tmp_path / "city",
        f'[[adapters]]\nname = "trackers"\nprotocol = "jt808"\nlisten = "tcp://127.0.0.1:{other}"\n'
        f'[[adapters]]\nname = "stars"\nprotocol = "gt06"\nlisten = "tcp://*:{free_port()}"\n',
        api,
    )
    first, second = socket.create_server(("127.0.0.1", api)), socket.create_server(("127.0.0.1", other))
    with running(city, api) as hub:
        hub.wait(lambda: said(hub, "api: down", f"127.0.0.1:{api} is in use"), "the API's port was not named")
        hub.wait(lambda: said(hub, "adapter/trackers: down", f":{other} is in use"), "the adapter's port was not named")
        hub.wait(lambda: said(hub, "adapter/stars: down", "names no address of this machine"), "`*` was not named")
        assert said(hub, "not listening on")
        shown = cityhub("alerts", city)
        assert shown.returncode == 0, "commands on this machine need no port"
        first.close()
        second.close()
        hub.wait(lambda: said(hub, "api: up again"), "the API did not come up on the freed port")
        hub.wait(lambda: said(hub, "adapter/trackers: up again"), "the adapter did not come up on the freed port")
        status, parts = readiness(hub)
        assert (status, parts["adapter/stars"]["state"]) == (200, "down")


@pytest.mark.skipif(os.geteuid() != 0, reason="LOUD SKIP: only root may mount a small disk to fill")
def test_a_full_disk_is_said_and_so_is_its_end(tmp_path: Path) -> None:
    api = free_port()
    city = write_city(tmp_path / "city", "", api)
    (city / "var").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", city / "var"], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"LOUD SKIP: no tmpfs can be mounted here: {mounted.stderr.decode()}")
    try:
        with running(city, api) as hub:
            filler = city / "var" / "filler"
            with filler.open("wb", buffering=0) as file:
                try:
                    while file.write(b"\0" * 4096):
                        pass
                except OSError:
                    pass
            # what is left of the log's last block takes some readings yet
            hub.wait(lambda: hub.reading({"water_level": 1.0})[0] == 503, "readings were taken on a full disk")
            hub.wait(lambda: said(hub, "log: down", "is full"), "it did not say that the disk is full")
            status, parts = readiness(hub)
            assert (status, parts["log/events"]["state"]) == (503, "down")
            assert "full" in parts["log/events"]["reason"]
            code, answer = hub.reading({"water_level": 1.0})
            assert (code, "full" in answer["detail"]) == (503, True)
            assert status_of(hub, "/healthz")[0] == 200
            assert status_of(hub, "/api/v1/health")[0] == 503
            filler.unlink()
            hub.wait(lambda: said(hub, "log: up again"), "it did not say that there is room again")
            hub.wait(lambda: readiness(hub)[0] == 200, "it was not ready again")
            assert hub.reading({"water_level": 1.0})[0] == 200
    finally:
        subprocess.run(["umount", city / "var"], check=True)


def test_a_store_that_is_away_is_said_and_asked_questions_get_the_reason(tmp_path: Path) -> None:
    api, port = free_port(), free_port()
    city = write_city(
        tmp_path / "city",
        f'[store]\nkind = "influxdb"\nversion = 1\nurl = "http://127.0.0.1:{port}"\ndatabase = "city"\n',
        api,
    )
    with influx_server(tmp_path / "influx", port) as url:
        urllib.request.urlopen(f"{url}/query?q=CREATE%20DATABASE%20city", b"", timeout=20).close()
        with running(city, api) as hub:
            assert hub.reading({"water_level": 1.0})[0] == 200
            hub.wait(lambda: said(hub, "store: up"), "it did not say that the store is there")
            hub.wait(lambda: readiness(hub)[0] == 200, "it was not ready")
            _stop_and_start(hub, tmp_path, port)


def _stop_and_start(hub: RunningHub, tmp_path: Path, port: int) -> None:
    pid = _pid_listening(port)
    os.kill(pid, signal.SIGTERM)
    hub.reading({"water_level": 1.1})
    hub.wait(lambda: said(hub, "store: down"), "it did not say that the store is away")
    status, parts = readiness(hub)
    assert (status, parts["store"]["state"]) == (503, "down")
    assert parts["store"]["reason"]
    status, answer = status_of(hub, "/api/v1/series?device=gauge-7")
    assert status == 503
    assert "history cannot be had now" in answer["detail"]
    with influx_server(tmp_path / "influx", port):
        hub.wait(lambda: said(hub, "store: up again"), "it did not say that the store is back")
        hub.wait(lambda: readiness(hub)[0] == 200, "it was not ready again")


def _pid_listening(port: int) -> int:
    found = subprocess.run(["pgrep", "-f", "influxd.*influxdb.conf"], capture_output=True, text=True, check=True)
    for text in found.stdout.split():
        config = Path(f"/proc/{text}/cmdline").read_bytes().split(b"\0")
        files = [Path(os.fsdecode(item)) for item in config if item.endswith(b"influxdb.conf")]
        if files and f"127.0.0.1:{port}" in files[0].read_text():
            return int(text)
    raise AssertionError("influxd was not found")


class WriteOnly(BaseHTTPRequestHandler):
    """An InfluxDB whose token may write and not read."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self._answer(204 if "/write" in self.path else 401)

    def do_GET(self) -> None:
        self._answer(401)

    def _answer(self, status: int) -> None:
        body = b"" if status == 204 else b'{"code":"unauthorized","message":"unauthorized access"}'
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


def test_a_token_that_may_only_write_gives_reads_the_reason(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), WriteOnly)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    api = free_port()
    city = write_city(
        tmp_path / "city",
        f'[store]\nkind = "influxdb"\nversion = 2\nurl = "http://127.0.0.1:{server.server_port}"\ntoken_file = "token"\n',
        api,
    )
    (city / "token").write_text("writer")
    try:
        with running(city, api) as hub:
            assert hub.reading({"water_level": 1.0})[0] == 200
            for path in (
                "/api/v1/series?device=gauge-7",
                "/api/v1/series?device=gauge-7&from=2026-01-01T00:00:00Z&every=86400",
            ):
                status, answer = status_of(hub, path)
                assert (status, "401" in answer["detail"]) == (503, True), answer
            status, answer = hub.post("/api/v1/store/rebuild", {"from": "2026-11-01T00:00:00Z"})
            assert status == 503, answer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
