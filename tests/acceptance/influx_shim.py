"""`/api/v2/write` in front of Debian's influxd 1.6.7, which has only `/write`.

Maps bucket to database and `us` to `u`, checks the token, and in "2.x mode" answers with the status codes and bodies that
InfluxDB 2.x documents: 400 for lines that cannot be parsed, with none of the request kept; 422 for a partial write.
`faults` holds answers to give instead of asking the server, in order: a status, or bytes to send raw, or "hang".
"""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec

HANG_S = 3.0


class Shim:
    """What the tests set and see."""

    def __init__(self, upstream: str, token: str = "") -> None:
        self.upstream = upstream
        self.token = token
        self.url = ""
        self.faults: list[int | bytes | str] = []
        self.requests = 0
        self.taken: list[bytes] = []


@contextmanager
def influx_shim(upstream: str, token: str = "", mode: int = 2) -> Iterator[Shim]:
    """A running shim; `mode` 1 hands the server's own codes through, 2 speaks as 2.x, 3 as InfluxDB 3."""
    shim = Shim(upstream, token)
    client = httpx.Client(base_url=upstream, timeout=30)
    if mode == 2:
        client.post("/query", params={"q": "CREATE DATABASE shim_scratch"})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            shim.requests += 1
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if shim.faults:
                return self._fail(shim.faults.pop(0))
            if shim.token and self.headers.get("authorization") != f"Token {shim.token}":
                return self._answer(401, {"code": "unauthorized", "message": "unauthorized access"})
            parts = urlsplit(self.path)
            if parts.path == "/api/v2/write":
                return self._write({key: value[0] for key, value in parse_qs(parts.query).items()}, body)
            answer = client.post(
                self.path, content=body, headers={"content-type": self.headers.get("content-type", "")}
            )
            return self._send(answer.status_code, answer.content, "application/json")

        def _write(self, asked: dict[str, str], body: bytes) -> None:
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            precision = {"us": "u"}.get(asked.get("precision", "ns"), asked.get("precision", "ns"))
            if mode == 2 and (reason := self._unparsable(body)):
                return self._answer(400, {"code": "invalid", "message": reason})
            parameters = {"db": asked["bucket"], "precision": precision}
            answer = client.post("/write", params=parameters, content=body)
            if answer.status_code == 204:
                shim.taken.append(body)
                return self._send(204, b"", "")
            reason = answer.json().get("error", "")
            if answer.status_code == 404:
                return self._answer(404, {"code": "not found", "message": f'bucket "{asked["bucket"]}" not found'})
            if mode == 3:
                return self._answer(400, {"error": "partial write of line protocol occurred", "data": [{"error_message": reason}]})
            status = 422 if mode == 2 and "partial write" in reason else answer.status_code
            return self._answer(status, {"code": "unprocessable entity", "message": reason})

        def _unparsable(self, body: bytes) -> str:
            """2.x keeps none of a request with a bad line: try it on a database that nobody reads."""
            answer = client.post("/write", params={"db": "shim_scratch", "precision": "ns"}, content=body)
            reason = str(answer.json().get("error", "")) if answer.status_code == 400 else ""
            return reason if "unable to parse" in reason else ""

        def _fail(self, fault: int | bytes | str) -> None:
            if fault == "hang":
                time.sleep(HANG_S)
                self.close_connection = True
            elif isinstance(fault, bytes):
                self.wfile.write(fault)
                self.close_connection = True
            else:
                self._send(int(fault), b"something broke", "text/plain")

        def _answer(self, status: int, body: dict[str, object]) -> None:
            self._send(status, msgspec.json.encode(body), "application/json")

        def _send(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            if kind:
                self.send_header("content-type", kind)
            if status != 204:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    shim.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shim
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        client.close()
