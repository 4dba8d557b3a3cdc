"""The part of Grafana's HTTP API that publishing and annotating use, kept in memory; and faults to order."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "glsa_test"


class Stub:
    """What Grafana holds, what it was asked (method, path, body), and answers to give first: a status, or "cut"."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str, Any]] = []
        self.faults: list[int | str] = []
        self.cut_after: dict[tuple[str, str], int] = {}
        """Requests to carry out and then not answer, so many times."""
        self.teams: dict[int, str] = {}
        self.source: dict[str, Any] | None = None
        self.folders: dict[str, dict[str, Any]] = {}
        self.permissions: dict[str, list[dict[str, Any]]] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.annotations: list[dict[str, Any]] = []

    @property
    def writes(self) -> list[tuple[str, str, Any]]:
        return [asked for asked in self.asked if asked[0] != "GET"]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        for pattern, handler in (
            (r"/api/frontend/settings", self._settings),
            (r"/api/teams(?:/search)?", self._teams),
            (r"/api/datasources(?:/uid/(?P<uid>[^/]+))?", self._datasource),
            (r"/api/folders(?:/(?P<uid>[^/]+))?", self._folder),
            (r"/api/search", self._search),
            (r"/api/folders/(?P<uid>[^/]+)/permissions", self._permissions),
            (r"/api/dashboards/uid/(?P<uid>[^/]+)", self._dashboard),
            (r"/api/dashboards/db", self._save),
            (r"/api/annotations(?:/(?P<number>\d+))?", self._annotation),
        ):
            if found := re.fullmatch(pattern, path):
                return handler(method, query, body, **found.groupdict())
        return 404, {"message": f"the stub knows no {path}"}

    def _settings(self, method: str, query: Any, body: Any) -> tuple[int, Any]:
        return 200, {"buildInfo": {"version": "13.2.3", "commit": "x"}}

    def _teams(self, method: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if method == "POST":
            number = len(self.teams) + 1
            self.teams[number] = body["name"]
            return 200, {"message": "Team created", "teamId": number}
        wanted = query.get("name", [""])[0]
        return 200, {
            "teams": [{"id": number, "name": name} for number, name in self.teams.items() if name == wanted],
            "totalCount": 1,
        }

    def _datasource(self, method: str, query: Any, body: Any, uid: str | None) -> tuple[int, Any]:
        if method == "GET":
            return (404, {"message": "Data source not found"}) if self.source is None else (200, self.source)
        told = dict(body)
        secrets = told.pop("secureJsonData", {})
        self.source = {**told, "id": 1, "readOnly": False, "secureJsonFields": dict.fromkeys(secrets, True)}
        return 200, {"datasource": self.source, "message": "ok"}

    def _folder(self, method: str, query: Any, body: Any, uid: str | None) -> tuple[int, Any]:
        if method == "GET" and uid is None:
            return 200, list(self.folders.values())
        if method == "POST":
            if body["uid"] in self.folders:
                return 412, {"message": "a folder with that uid exists"}
            if body["uid"] in self.dashboards:
                return self._taken(body["uid"])
            self.folders[body["uid"]] = {"uid": body["uid"], "title": body["title"]}
            self.permissions[body["uid"]] = [{"role": "Viewer", "permission": 1}, {"role": "Editor", "permission": 2}]
        elif uid not in self.folders:
            return 404, {"message": "folder not found"}
        elif method == "DELETE":
            return 200, self.folders.pop(uid or "")
        elif method == "PUT":
            self.folders[uid or ""]["title"] = body["title"]
        return 200, self.folders[uid or body["uid"]]

    def _search(self, method: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        wanted = query.get("folderUIDs", [])
        return 200, [{"uid": uid} for uid, item in self.dashboards.items() if item["meta"]["folderUid"] in wanted]

    def _permissions(self, method: str, query: Any, body: Any, uid: str) -> tuple[int, Any]:
        if method == "GET":
            return 200, [{**item, "inherited": False} for item in self.permissions[uid]]
        self.permissions[uid] = body["items"]
        return 200, {"message": "Folder permissions updated"}

    def _dashboard(self, method: str, query: Any, body: Any, uid: str) -> tuple[int, Any]:
        return (200, self.dashboards[uid]) if uid in self.dashboards else (404, {"message": "Dashboard not found"})

    def _save(self, method: str, query: Any, body: Any) -> tuple[int, Any]:
        model = body["dashboard"]
        if body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        if model["uid"] in self.folders:
            return self._taken(model["uid"])
        version = self.dashboards.get(model["uid"], {}).get("dashboard", {}).get("version", 0) + 1
        self.dashboards[model["uid"]] = {
            "meta": {"folderUid": body["folderUid"]},
            "dashboard": {**model, "id": len(self.dashboards) + 1, "version": version},
        }
        return 200, {"status": "success", "uid": model["uid"], "version": version}

    def _taken(self, uid: str) -> tuple[int, Any]:
        """Grafana 12 answers so: folders and dashboards share one set of uids."""
        return 409, {"message": f'dashboards.dashboard.grafana.app "{uid}" already exists'}

    def _annotation(self, method: str, query: dict[str, list[str]], body: Any, number: str | None) -> tuple[int, Any]:
        if method == "POST":
            self.annotations.append({"id": len(self.annotations) + 1, **body})
            return 200, {"id": len(self.annotations), "message": "Annotation added"}
        if method == "PATCH":
            self.annotations[int(number or 0) - 1].update(body)
            return 200, {"message": "Annotation patched"}
        tags = set(query.get("tags", []))
        return 200, [item for item in self.annotations if tags <= set(item["tags"])]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer in one packet
    stub: Stub

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        self.stub.asked.append((self.command, path, body))
        if self.stub.faults:
            fault = self.stub.faults.pop(0)
            if fault == "cut":
                self.close_connection = True
                return
            return self._send(int(fault), {"message": "ordered by the test"})
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            return self._send(401, {"message": "Invalid API key"})
        answer = self.stub.answer(self.command, path, parse_qs(parts.query), body)
        if self.stub.cut_after.get((self.command, path), 0):
            self.stub.cut_after[self.command, path] -= 1
            self.close_connection = True
            return
        self._send(*answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _send(self, status: int, told: Any) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def grafana_stub() -> Iterator[Stub]:
    stub = Stub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"stub": stub}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
