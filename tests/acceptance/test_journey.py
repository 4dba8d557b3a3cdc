"""One reading's journey: in by MQTT, out as a signed webhook with the cameras that see the place, history in the store."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.acceptance.mosquitto import Mosquitto
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city
from tests.bench.bench_spine import Publisher

pytestmark = pytest.mark.acceptance

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAxMjM="


class VideoPlatform:
    """A receiver that checks signatures and can be told to fail."""

    def __init__(self) -> None:
        self.taken: list[dict[str, object]] = []
        self.keys: list[str] = []
        self.answers: list[int] = []
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = platform.answers.pop(0) if platform.answers else 200
                if status == 200:
                    Webhook(SECRET).verify(body.decode(), dict(self.headers))
                    platform.taken.append(json.loads(body))
                    platform.keys.append(self.headers["webhook-id"])
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/alerts"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def video() -> Iterator[VideoPlatform]:
    platform = VideoPlatform()
    yield platform
    platform.close()


def test_from_the_wire_to_the_video_platform(
    tmp_path: Path, video: VideoPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEO_WEBHOOK_SECRET", SECRET)
    (tmp_path / "mosquitto").mkdir()
    broker = Mosquitto(tmp_path / "mosquitto").start()
    api = free_port()
    toml = (
        f'[[adapters]]\nname = "broker"\nprotocol = "mqtt"\nconnect = "mqtt://127.0.0.1:{broker.port}"\ntopics = ["city/+/readings"]\n'
        f'[[sinks]]\nname = "video"\nprotocol = "webhook"\nurl = "{video.url}"\nsecret_env = "VIDEO_WEBHOOK_SECRET"\nlevels = ["red"]\n'
    )
    folder = write_city(tmp_path / "city", toml, api)
    hub = RunningHub(folder, api)
    hub.wait(lambda: hub.adapter("broker")["state"] == "up", "no broker")
    video.answers = [500, 503]  # it stumbles twice
    publisher = Publisher(broker.port)
    for depth in (0.2, 0.5, 0.3, 0.01):  # yellow (not wanted), red, still above 80 % of nothing but yellow, dry
        publisher.publish(json.dumps({"device": "underpass-1", "values": {"water_depth": depth}}).encode())
        time.sleep(0.1)
    hub.wait(lambda: len(video.taken) >= 3, "the platform was not told")
    publisher.close()
    changes = [body["change"] for body in video.taken]
    assert changes[0] == "escalated"
    assert changes[-1] == "cleared"
    first = video.taken[0]
    assert first["level"] == "red"
    assert first["subject"] == "underpass-1"
    assert first["values"]["depth"] == 0.5  # type: ignore[index]
    assert first["title"] == "North Gate: water 50 cm deep"
    assert first["evidence"]
    assert first["cameras"][0]["sees"] is True  # type: ignore[index]
    assert len(set(video.keys)) == len(video.keys)
    assert hub.reader("delivery/video")["state"] == "up"
    assert hub.stop() == 0
    broker.stop()
    told = [json.loads(line)["change"] for line in cityhub("alerts", folder, "--all", "--json").stdout.splitlines()]
    assert told[0] == "raised"
    assert told[1:] == changes
    listed = cityhub("delivery", folder, "list", "--json")
    assert json.loads(listed.stdout)["dead_letters"] == []
    rows = cityhub("export", folder, "--device", "underpass-1", "--format", "csv").stdout.splitlines()
    assert rows[0] == "time,device,kind,metric,value,quality,lon,lat,received_at"
    assert len(rows) == 5


def test_what_a_platform_refuses_for_good_is_a_dead_letter_until_retried(
    tmp_path: Path, video: VideoPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEO_WEBHOOK_SECRET", SECRET)
    api = free_port()
    folder = write_city(
        tmp_path / "city",
        f'[[sinks]]\nname = "video"\nprotocol = "webhook"\nurl = "{video.url}"\nsecret_env = "VIDEO_WEBHOOK_SECRET"\n',
        api,
    )
    hub = RunningHub(folder, api)
    video.answers = [422]
    hub.reading({"water_depth": 0.5}, "underpass-1")
    hub.wait(lambda: len(hub.get("/api/v1/delivery")["dead_letters"]) == 1, "no dead letter")
    assert video.taken == []
    retried = cityhub("delivery", folder, "retry", "--json")
    assert json.loads(retried.stdout) == {"offered": 1, "taken": 1}
    assert [body["change"] for body in video.taken] == ["raised"]
    assert hub.get("/api/v1/delivery")["dead_letters"] == []
    assert hub.stop() == 0


def test_a_missing_secret_is_said_before_anything_starts(
    tmp_path: Path, video: VideoPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIDEO_WEBHOOK_SECRET", raising=False)
    folder = write_city(
        tmp_path / "city",
        f'[[sinks]]\nname = "video"\nprotocol = "webhook"\nurl = "{video.url}"\nsecret_env = "VIDEO_WEBHOOK_SECRET"\n',
        free_port(),
    )
    refused = cityhub("run", folder)
    assert refused.returncode == 1
    assert "VIDEO_WEBHOOK_SECRET" in refused.stderr
    assert "Traceback" not in refused.stderr
