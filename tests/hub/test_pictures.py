"""Still pictures of cameras: fetched by the hub from the registry's own addresses, and nothing but pictures comes out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.app.hub import Hub
from hub.cameras import picture
from hub.registry import load_registry
from tests.acceptance.running import write_city
from tests.hub.running import running

JPEG = b"\xff\xd8\xff\xe0" + bytes(500)
LOGIN = "admin:s3cret-word"


class CameraServer(BaseHTTPRequestHandler):
    """Pictures, and everything else that an address may turn out to be."""

    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        type(self).asked.append((self.path, self.headers.get("authorization", "")))
        match self.path:
            case "/jpeg" | "/elsewhere":
                self._say(200, JPEG)
            case "/png":
                self._say(200, b"\x89PNG\r\n\x1a\n" + bytes(50))
            case "/webp":
                self._say(200, b"RIFF\x00\x00\x00\x00WEBPVP8 ")
            case "/page":
                self._say(200, b"<html>the router's own page</html>")
            case "/moved":
                self._say(302, b"", ("location", "/elsewhere"))
            case "/huge":
                self._say(200, JPEG + bytes(5 << 20))
            case "/silent":
                type(self).stop.wait(30)
            case "/wrong":
                self._say(401, b"", ("www-authenticate", 'Digest realm="c", nonce="1", qop="auth", algorithm=MD5'))
            case "/digest" if not self.headers.get("authorization", "").startswith("Digest"):
                self._say(401, b"", ("www-authenticate", 'Digest realm="c", nonce="1", qop="auth", algorithm=MD5'))
            case "/basic" if not self.headers.get("authorization", "").startswith("Basic"):
                self._say(401, b"", ("www-authenticate", 'Basic realm="c"'))
            case "/digest" | "/basic":
                self._say(200, JPEG)
            case _:
                self._say(404, b"none")

    stop: threading.Event

    def _say(self, status: int, body: bytes, header: tuple[str, str] = ("x", "y")) -> None:
        self.send_response(status)
        self.send_header(*header)
        self.send_header("content-type", "image/jpeg")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return  # the hub has heard enough

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def cameras() -> Iterator[tuple[str, type[CameraServer]]]:
    handler = type("Handler", (CameraServer,), {"asked": [], "stop": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", handler
    finally:
        handler.stop.set()
        server.shutdown()
        thread.join()
        server.server_close()


def with_cameras(folder: Path, address: str) -> Path:
    city = write_city(folder, '[api]\nlisten = "127.0.0.1:0"\ntokens_file = "tokens.toml"\n')
    urls = {
        name: f"http://{address}/{name}" for name in ("jpeg", "png", "webp", "page", "moved", "huge", "silent", "none")
    }
    urls |= {name: f"http://{LOGIN}@{address}/{name}" for name in ("digest", "basic", "wrong")}
    urls |= {"closed": f"http://{LOGIN}@127.0.0.1:1/x", "without": ""}
    rows = [f"{name},121.49,31.24,100,north,{url}" for name, url in urls.items()]
    rows.append(f"far,121.49,31.24,100,south,http://{address}/jpeg")
    (city / "cameras.csv").write_text("\n".join(["camera,lon,lat,range_m,area,snapshot_url", *rows]))
    (city / "tokens.toml").write_text('[tokens.n]\ntoken = "n-token"\nroles = ["view"]\nareas = ["north"]\n')
    return city


def asking(hub: Hub) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=hub.address, timeout=30, headers={"authorization": "Bearer n-token"})


async def test_only_pictures_of_cameras_that_are_seen_come_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "WITHIN_S", 2.0)
    monkeypatch.setattr(picture, "FRESH_S", 600.0)  # a busy machine takes longer than that over what lies between
    with cameras() as (address, camera):
        async with running(with_cameras(tmp_path, address)) as hub, asking(hub) as client:

            async def of(name: str) -> httpx.Response:
                return await client.get(f"/api/v1/cameras/{name}/picture")

            for name, media in (
                ("jpeg", "jpeg"),
                ("png", "png"),
                ("webp", "webp"),
                ("digest", "jpeg"),
                ("basic", "jpeg"),
            ):
                found = await of(name)
                assert (found.status_code, found.headers["content-type"]) == (200, f"image/{media}"), name
                assert found.headers["x-content-type-options"] == "nosniff"
            assert (await of("jpeg")).content == JPEG
            for name, why in {
                "page": "no picture (JPEG", "moved": "redirects are not followed", "huge": "larger than 4 MiB",
                "silent": "did not answer within 2 s", "none": "answered 404", "closed": "cannot be reached", "wrong": "answered 401",
            }.items():  # fmt: skip
                refused = await of(name)
                assert (refused.status_code, why in refused.json()["detail"]) == (502, True), refused.text
                assert "s3cret" not in refused.text
            for name in ("without", "far", "nobody", "jpeg/picture", "..", "http://127.0.0.1/"):
                assert (await of(name)).status_code == 404, name
            city = (await client.get("/api/v1/city")).json()
            assert "s3cret" not in str(city), "a login stands in what everybody sees"
            assert {item["camera"]: item["picture"] for item in city["cameras"]}["without"] is False
        asked = [path for path, _ in camera.asked]
        assert "/elsewhere" not in asked
        assert asked.count("/jpeg") == 1, "one question for many consoles"
        assert not any(sent.startswith("Basic") for path, sent in camera.asked if path in ("/digest", "/wrong"))


@pytest.mark.parametrize("url", ["rtsp://c/1", "c/1", "http://", "https:///x", "file:///etc/passwd", "http://c:99999/"])
def test_an_address_that_gives_no_picture_is_a_mistake_of_the_registry(tmp_path: Path, url: str) -> None:
    write_city(tmp_path)
    (tmp_path / "cameras.csv").write_text(f"camera,lon,lat,snapshot_url\nc,121.49,31.24,{url}\n")
    found = [str(mistake) for mistake in load_registry(tmp_path)[1]]
    assert [told.partition("cameras.csv:2: ")[2] for told in found] == ["snapshot_url is no http:// or https:// address with a host"]  # fmt: skip
