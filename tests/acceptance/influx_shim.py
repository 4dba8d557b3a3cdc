"""`/api/v2/write` in front of Debian's influxd 1.6.7, which has only `/write`.

Maps bucket to database and `us` to `u`, checks the token, and in "2.x mode" answers with the status codes and bodies that
InfluxDB 2.x documents: 400 for lines that cannot be parsed, with none of the request kept; 422 for a partial write.
In "3 mode" a query holds one statement, as in InfluxDB 3 Core.
`faults` holds answers to give instead of asking the server, in order: a status, or bytes to send raw, or "hang".
"""

from __future__ import annotations

import gzip
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec

HANG_S = 3.0
QUOTED = re.compile(r"'(?:\\.|[^'\\])*'" + r'|"(?:\\.|[^"\\])*"')
"""A text or a name in InfluxQL."""
SCRATCH = "shim_scratch"


class Shim:
    """What the tests set and see."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.url = ""
        self.faults: list[int | bytes | str] = []
        self.requests = 0
        """By POST."""
        self.questions: list[str] = []
        """What was asked for by /query, a text a request."""


class Handler(BaseHTTPRequestHandler):
    """One request: a fault that a test ordered, or a translated call of the real server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    shim: Shim
    upstream: httpx.Client
    mode: int

    def do_POST(self) -> None:
        self.shim.requests += 1
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = urlsplit(self.path)
        if self.shim.faults:
            self._fail(self.shim.faults.pop(0))
        elif self.shim.token and self.headers.get("authorization") != f"Token {self.shim.token}":
            self._answer(401, {"code": "unauthorized", "message": "unauthorized access"})
        elif parts.path == "/api/v2/write":
            self._write({key: value[0] for key, value in parse_qs(parts.query).items()}, body)
        elif parts.path == "/api/v2/delete":
            self._delete({key: value[0] for key, value in parse_qs(parts.query).items()}, msgspec.json.decode(body))
        else:
            if parts.path == "/query" and not self._may_ask(parse_qs(body.decode()) | parse_qs(parts.query)):
                return
            names = ("content-type", "content-encoding")
            headers = {name: self.headers[name] for name in names if name in self.headers}
            answer = self.upstream.post(self.path, content=body, headers=headers)
            self._send(answer.status_code, answer.content)

    def do_GET(self) -> None:
        if self.shim.token and self.headers.get("authorization") != f"Token {self.shim.token}":
            return self._answer(401, {"code": "unauthorized", "message": "unauthorized access"})
        parts = urlsplit(self.path)
        if parts.path == "/query" and not self._may_ask(parse_qs(parts.query)):
            return None
        answer = self.upstream.get(self.path)
        return self._send(answer.status_code, answer.content)

    def _may_ask(self, asked: dict[str, list[str]]) -> bool:
        """Counts what is asked; InfluxDB 3 refuses a query of several statements."""
        query = asked.get("q", [""])[0]
        self.shim.questions.append(query)
        if self.mode == 3 and ";" in QUOTED.sub("", query).rstrip("; "):
            self._answer(400, {"error": "must provide only one InfluxQl statement per query"})
            return False
        return True

    def _write(self, asked: dict[str, str], body: bytes) -> None:
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.mode == 2 and (reason := self._unparsable(body)):
            return self._answer(400, {"code": "invalid", "message": reason})
        precision = {"us": "u"}.get(asked.get("precision", "ns"), asked.get("precision", "ns"))
        name, _, policy = asked["bucket"].partition(
            "/"
        )  # as 2.x maps buckets to databases and retention policies of 1.x
        place = {"db": name, "rp": policy} if policy else {"db": name}
        answer = self.upstream.post("/write", params={**place, "precision": precision}, content=body)
        if answer.status_code == 204:
            return self._send(204, b"")
        reason = answer.json().get("error", "")
        if answer.status_code == 404:
            return self._answer(404, {"code": "not found", "message": f'bucket "{asked["bucket"]}" not found'})
        if self.mode == 3:
            refused = [{"error_message": reason}]
            return self._answer(400, {"error": "partial write of line protocol occurred", "data": refused})
        status = 422 if self.mode == 2 and "partial write" in reason else answer.status_code
        return self._answer(status, {"code": "unprocessable entity", "message": reason})

    def _delete(self, asked: dict[str, str], order: dict[str, str]) -> None:
        measurement, *tags = order["predicate"].removeprefix("_measurement=").split(" AND ")
        chosen = "".join(
            " AND {}='{}'".format(name, value.strip('"')) for name, _, value in (tag.partition("=") for tag in tags)
        )
        statement = f"DELETE FROM {measurement} WHERE time >= '{order['start']}' AND time < '{order['stop']}'{chosen}"
        self._send(
            204 if self.upstream.post("/query", params={"db": asked["bucket"], "q": statement}).is_success else 500, b""
        )

    def _unparsable(self, body: bytes) -> str:
        """2.x keeps none of a request with a bad line: try it on a database that nobody reads."""
        answer = self.upstream.post("/write", params={"db": SCRATCH, "precision": "ns"}, content=body)
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
            self._send(int(fault), b"something broke")

    def _answer(self, status: int, body: dict[str, object]) -> None:
        self._send(status, msgspec.json.encode(body))

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def influx_shim(upstream: str, token: str = "", mode: int = 2) -> Iterator[Shim]:
    """A running shim; `mode` 1 hands the server's own codes through, 2 speaks as 2.x, 3 as InfluxDB 3."""
    shim = Shim(token)
    with httpx.Client(base_url=upstream, timeout=30) as client:
        if mode == 2:
            client.post("/query", params={"q": f"CREATE DATABASE {SCRATCH}"})
        handler = type("Bound", (Handler,), {"shim": shim, "upstream": client, "mode": mode})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
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
