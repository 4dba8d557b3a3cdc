"""A warning that nobody answers reaches the second contact's destination, and only then; acknowledging keeps it away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.ports import free_port
from tests.acceptance.running import RULES, RunningHub, write_city

pytestmark = pytest.mark.acceptance

SINKS = """
[[sinks]]
name = "desk"
protocol = "webhook"
url = "{url}/desk"
[[sinks]]
name = "chief"
protocol = "webhook"
url = "{url}/chief"
contact = 2
levels = ["yellow", "red"]
"""


class Receiver:
    """Keeps the changes that came, by path."""

    def __init__(self) -> None:
        self.heard: dict[str, list[dict[str, Any]]] = {"/desk": [], "/chief": []}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard[self.path].append(json.loads(body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def told(self, path: str) -> list[tuple[str, str, int]]:
        return [(change["subject"], change["change"], change["contact"]) for change in self.heard[path]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_from_the_desk_to_the_chief(receiver: Receiver, tmp_path: Path) -> None:
    api = free_port()
    rules = (
        RULES
        + "  call: 3 s\n- rule: high\n  for_each: {kind: river-gauge}\n  levels: {red: water_level > 5 m}\n  call: 4 s\n"
    )
    city = write_city(tmp_path / "city", SINKS.format(url=receiver.url), api, rules)
    hub = RunningHub(city, api)
    try:
        hub.post("/api/v1/readings", {"device": "gauge-7", "values": {"water_level": 6.0}})
        hub.wait(lambda: len(receiver.heard["/desk"]) == 1, "the desk heard nothing")
        alert = receiver.heard["/desk"][0]["alert"]
        hub.post(f"/api/v1/alerts/{quote(alert, safe='')}/acknowledge", {"who": "li", "note": "seen"})
        hub.post("/api/v1/readings", {"device": "underpass-1", "values": {"water_depth": 0.2}})
        hub.wait(lambda: receiver.told("/chief") != [], "the chief was never called")
        hub.post("/api/v1/readings", {"device": "underpass-1", "values": {"water_depth": 0.0}})
        hub.wait(lambda: len(receiver.heard["/chief"]) == 2, "the chief did not hear how it ended")
        assert receiver.told("/chief") == [("underpass-1", "called", 2), ("underpass-1", "cleared", 2)]
        assert receiver.heard["/chief"][0]["title"] == "North Gate: water 20 cm deep"
        assert receiver.told("/desk")[:2] == [("gauge-7", "raised", 1), ("gauge-7", "acknowledged", 1)]
        hub.wait(lambda: len(receiver.heard["/desk"]) == 5, "the desk did not hear it all")
    finally:
        assert hub.stop() == 0
