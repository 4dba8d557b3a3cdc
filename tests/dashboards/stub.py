"""A stand-in for the hub's API, with hostile names in it, for the console's tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CONSOLE = Path(__file__).resolve().parents[2] / "dashboards" / "console"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
AT = "2026-11-22T08:00:00Z"

CITY = {
    "name": "stub",
    "timezone": "Asia/Shanghai",
    "version": "0",
    "bounds": [122.0, 29.2, 122.1, 29.3],
    "cameras": [
        {
            "camera": "c1", "name": "Gate camera", "position": [122.04, 29.25], "ptz": False, "azimuth_deg": 90, "hfov_deg": 60,
            "range_m": 200, "stream_url": None, "footprint": {"type": "Polygon", "coordinates": [[[122.04, 29.25], [122.042, 29.251], [122.042, 29.249], [122.04, 29.25]]]},
        }
    ],
    "zones": [{"zone": "sea", "kind": "water", "name": HOSTILE, "rings": [[[122.0, 29.2], [122.1, 29.2], [122.1, 29.22], [122.0, 29.2]]]}],
    "devices": [{"device": "gauge-1", "name": HOSTILE, "kind": "underpass-gauge", "position": [122.041, 29.25], "area": "north"}],
}  # fmt: skip
DEVICE = {
    "device": "gauge-1", "name": HOSTILE, "kind": "underpass-gauge", "adapter": "mqtt", "area": "north", "position": [122.041, 29.25],
    "observed_at": AT, "received_at": AT, "readings": 5, "skew_s": 0.1, "registered": True,
    "values": {"water_depth": {"value": 0.42, "at": AT}, "text": {"value": HOSTILE, "at": AT}},
}  # fmt: skip
CHANGE = {
    "at": AT, "rule": "city/underpass-flooding", "subject": "gauge-1", "change": "raised", "level": "red", "values": {}, "position": [122.041, 29.25],
    "cameras": [], "alert": "a/1", "title": f"water {HOSTILE}", "reason": HOSTILE, "who": "", "note": HOSTILE,
}  # fmt: skip
ALERT = {
    "alert": "a/1", "rule": "city/underpass-flooding", "subject": "gauge-1", "level": "red", "title": f"water {HOSTILE}", "raised_at": AT,
    "changed_at": AT, "open": True, "acknowledged_by": None, "shelved_until": None, "position": [122.041, 29.25], "evidence": [],
    "reason": HOSTILE, "changes": [CHANGE],
    "cameras": [{"camera": "c1", "name": "Gate camera", "score": 0.9, "distance_m": 97.0, "bearing_deg": 90.0, "sees": True, "reason": "97 m away, looking E", "stream_url": None}],
}  # fmt: skip
STATUS = {
    "at": AT, "started_at": AT, "version": "0", "devices": 1, "open_alerts": 1, "balances": True, "damage": [], "rules": {},
    "adapters": [{"name": "mqtt", "protocol": "mqtt", "state": "up", "detail": HOSTILE, "since": AT, "frames": 7, "received": 5, "logged": 4, "in_flight": 0, "quarantined": 1, "duplicate": 0, "refused": 0, "faults": {"value": 1}}],
    "readers": [{"reader": "store/events", "stream": "events", "required": True, "cursor": 4, "behind": 3, "skipped": 0, "state": "up", "detail": ""}],
    "log": {"quarantine": {"first": 0, "next": 1, "bytes": 100, "refusing": None}},
    "maintenance": [{"id": "x", "target": HOSTILE, "from": AT, "until": "2026-11-22T10:00:00Z", "every_s": None, "state": "active", "next": None, "who": HOSTILE, "note": "new probe"}],
}  # fmt: skip
FAULT = {"offset": 0, "at": AT, "adapter": "mqtt", "device": HOSTILE, "kind": "value", "detail": "pm25 is 'x'; a number was meant", "raw_hex": "00", "raw_text": HOSTILE}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "/api/v1/city": CITY,
    "/api/v1/devices": {"devices": [DEVICE]},
    "/api/v1/alerts": {"open": [ALERT], "closed": []},
    "/api/v1/status": STATUS,
    "/api/v1/quarantine": {"entries": [FAULT]},
    "/api/v1/unknown": {
        "devices": [{"device": "jt808:0", "adapter": "jt808", "kind": "", "count": 3, "first_at": AT, "last_at": AT}]
    },
    "/api/v1/air": {"span": "2026-11-22", "days": []},
    "/api/v1/fleet": {"day": "2026-11-22", "vehicles": []},
    "/api/v1/series": {"rows": [{"time": AT, "value": 0.1}, {"time": "2026-11-22T08:01:00Z", "value": 0.42}]},
}


@dataclass
class Stub:
    """Serves the console and canned answers on a free port. `streams`: whether the live stream works. `further`: answers in place of the canned
    ones. `beats`: what the stream says once a second until the page goes; without it the stream says a little and ends."""

    streams: bool = True
    further: dict[str, Any] = field(default_factory=dict)
    beats: Callable[[], list[tuple[str, Any]]] | None = None
    posted: list[tuple[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Stub:  # noqa: C901 - one handler with all that it answers
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                stub.asked.append(self.path)
                if path == "/api/v1/stream":
                    self._stream()
                elif path in stub.further:
                    self._send(json.dumps(stub.further[path]).encode(), "application/json")
                elif path in ANSWERS:
                    self._send(json.dumps(ANSWERS[path]).encode(), "application/json")
                else:
                    name = "index.html" if path == "/" else path.removeprefix("/static/")
                    file = CONSOLE / name
                    if path != "/" and (not path.startswith("/static/") or ".." in name or not file.is_file()):
                        self.send_error(404)
                    else:
                        self._send(file.read_bytes(), TYPES[file.suffix])

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
                stub.posted.append((urlsplit(self.path).path, body))
                self._send(b'{"ok": true, "id": "x"}', "application/json")

            def _stream(self) -> None:
                if not stub.streams:
                    self.send_error(404)
                    return
                if stub.beats is not None:
                    self._beat(stub.beats)
                    return
                events = [("devices", {"devices": [DEVICE]}), ("change", CHANGE), ("status", STATUS)]
                text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
                self._send(text.encode(), "text/event-stream")

            def _beat(self, beats: Callable[[], list[tuple[str, Any]]]) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                try:
                    while not stub.ended.wait(1):
                        for name, data in beats():
                            self.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
                        self.wfile.flush()
                except OSError:
                    return  # the page has gone

            def _send(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("content-type", f"{kind}; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
