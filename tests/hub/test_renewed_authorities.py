"""A destination and a store behind a private authority: the file of that authority is replaced while the hub runs, and is gone by at the next connection."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from adapters.webhook.sink import WebhookOptions, WebhookSink
from hub.model import AlertChange, Change
from hub.ports import StoreUnavailable
from hub.store.influxdb import InfluxDBOptions, WriteV1, WriteV2
from hub.tls import believing
from tests import certificates

T = 1_770_000_000_000_000_000


class Peer:
    """An HTTPS server that takes everything, a connection a request; what it shows can be changed."""

    def __init__(self) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        class Taken(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *told: object) -> None: ...

        class Server(ThreadingHTTPServer):
            def finish_request(served, request: object, address: object) -> None:
                tls = self.context.wrap_socket(request, server_side=True)  # type: ignore[arg-type]
                with tls:
                    Taken(tls, address, served)

            def handle_error(self, *told: object) -> None: ...

        self._server = Server(("127.0.0.1", 0), Taken)
        self.address = f"https://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def show(self, files: certificates.Files) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.cert, files.key)
        self.context = context

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


Tell = Callable[[], Awaitable[bool]]
"""Sends something; whether it was taken."""


def webhook(address: str, ca: Path) -> Tell:
    sink = WebhookSink(WebhookOptions(url=address, secret_env="SECRET", ca_file=str(ca)))
    alert = AlertChange("r s 1", 0, T, "r", "s", Change.RAISED, "red", "high", {}, None, [], [])

    async def tell() -> bool:
        return (await sink.deliver(alert, "k", T)).taken

    return tell


def influxdb(kind: type[WriteV1] | type[WriteV2]) -> Callable[[str, Path], Tell]:
    def made(address: str, ca: Path) -> Tell:
        writer = kind(InfluxDBOptions(url=address, database="city", token="t", org="o", timeout_s=2, ca_file=str(ca)))

        async def tell() -> bool:
            try:
                return (await asyncio.to_thread(writer.post, b"m v=1 1"))[0] == 204
            except StoreUnavailable:
                return False

        return tell

    return made


@pytest.mark.parametrize(
    "client", [webhook, influxdb(WriteV1), influxdb(WriteV2)], ids=["webhook", "InfluxDB 1", "InfluxDB 2"]
)
async def test_a_new_authority_is_believed_without_a_restart_and_the_old_one_no_more(
    client: Callable[[str, Path], Tell], peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "whsec_" + "A" * 32)
    old, new = certificates.authority(tmp_path, "old"), certificates.authority(tmp_path, "new")
    before = certificates.signed(tmp_path, old, "before", "DNS:localhost")
    after = certificates.signed(tmp_path, new, "after", "DNS:localhost")
    believed = tmp_path / "believed.pem"
    shutil.copy(old.cert, believed)
    peer.show(before)
    told = client(peer.address, believed)
    assert await told(), "the authority of before"
    peer.show(after)
    assert not await told(), "an authority that nobody named"
    shutil.copy(new.cert, tmp_path / "next.pem")
    os.replace(tmp_path / "next.pem", believed)
    assert await told(), "the authority of now"
    peer.show(before)
    assert not await told(), "the authority of before is believed no more"
    believed.write_text("half of a file")
    peer.show(after)
    assert await told(), "a file that cannot be read changes nothing"


def test_a_file_that_is_no_authority_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(OSError, match=r"ca_file = .*no PEM certificates of authorities"):
        believing(str(tmp_path / "ca.pem"))
