"""TLS, ending cleanly, and the mistakes in options."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from adapters.transport import StreamOptions
from adapters.transport.files import OpenFiles
from adapters.transport.options import parse_endpoint
from adapters.transport.session import Allowance
from hub.model import FaultKind
from tests import certificates
from tests.adapters.transport.peers import TCP, Hub, dialled, port_of, running, soon, until


def make_certificates(folder: Path, client_names: str = "IP:127.0.0.1") -> None:
    """An authority, a server's certificate for 127.0.0.1 and a client's."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca")
    for name in ("server", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / f"{name}.ext").write_text(f"subjectAltName={client_names if name == 'client' else 'IP:127.0.0.1'}\n")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)


async def test_tls_and_mutual_tls(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    server = {"tls_cert_file": str(tmp_path / "server.pem"), "tls_key_file": str(tmp_path / "server.key")}
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    hub = Hub()
    async with running(hub, listen="tls://127.0.0.1:0", **server) as adapter:
        async with dialled(adapter, ssl=client) as (reader, writer):
            writer.write(b"a 1\n")
            assert await soon(reader.readline()) == b"stored a 1\n"
        async with dialled(adapter) as (_, plain):
            plain.write(b"a 2\nthis is no handshake\n")
            await until(lambda: hub.faults(FaultKind.UNAUTHORISED))
    assert hub.values == [1]

    hub = Hub()
    async with running(
        hub, listen="tls://127.0.0.1:0", tls_client_ca_file=str(tmp_path / "ca.pem"), handshake_timeout_s=1.0, **server
    ) as adapter:
        async with dialled(adapter, ssl=client) as (reader, writer):
            with contextlib.suppress(OSError):
                writer.write(b"a 1\n")
                assert await soon(reader.read()) == b""
        await until(lambda: hub.faults(FaultKind.UNAUTHORISED))
        client.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")
        async with dialled(adapter, ssl=client) as (reader, writer):
            writer.write(b"a 3\n")
            assert await soon(reader.readline()) == b"stored a 3\n"
        async with running(
            Hub(),
            connect=f"tls://127.0.0.1:{port_of(adapter)}",
            tls_ca_file=str(tmp_path / "ca.pem"),
            tls_cert_file=str(tmp_path / "client.pem"),
            tls_key_file=str(tmp_path / "client.key"),
        ) as outgoing:
            await until(lambda: outgoing.connections == 1)
            await until(lambda: adapter.connections == 1)
        async with dialled(adapter) as (reader, _silent):
            began = time.monotonic()
            assert await soon(reader.read()) == b""  # never said a word of TLS
            assert time.monotonic() - began < 5
    assert hub.values == [3]


async def test_cancelling_closes_every_connection_and_frees_the_port() -> None:
    hub = Hub()
    async with running(hub, listen=TCP) as adapter:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(adapter))
        port = port_of(adapter)
        await until(lambda: adapter.connections == 1)
    assert adapter.connections == 0
    with contextlib.suppress(ConnectionError):
        assert await soon(reader.read()) == b""
    writer.close()
    socket.create_server(("127.0.0.1", port)).close()
    assert hub.states[-1] == ("down", "stopped")


async def test_an_address_in_use_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        hub = Hub()
        with pytest.raises(OSError, match="in use"):
            async with running(hub, listen=f"tcp://127.0.0.1:{taken.getsockname()[1]}"):
                pass
    assert hub.states[-1][0] == "down"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "exactly one of listen, connect, file"),
        ({"listen": TCP, "file": "x"}, "exactly one of listen, connect, file"),
        ({"listen": "http://x"}, "does not begin with one of tcp://"),
        ({"listen": "tcp://127.0.0.1"}, "needs a host and a port"),
        ({"listen": "tcp://127.0.0.1:99999"}, "needs a host and a port"),
        ({"listen": "tls://127.0.0.1:0"}, "needs tls_cert_file"),
        ({"listen": TCP, "in_flight_max": 0}, "in_flight_max must be at least 1"),
        ({"listen": TCP, "idle_timeout_s": 0}, "idle_timeout_s must be more than 0"),
        ({"connect": "serial:///dev/ttyUSB0?baud=fast"}, "are numbers"),
        ({"connect": "serial://ttyUSB0"}, "needs a device path"),
        ({"connect": "serial:///dev/ttyUSB0?speed=9600"}, "unknown speed"),
    ],
)
def test_mistakes_in_the_options_are_sentences(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        StreamOptions(**options)


def test_an_address_with_ipv6_is_read() -> None:
    assert parse_endpoint("tcp://[::1]:8808", ("tcp",))[:3] == ("tcp", "::1", 8808)


def test_connections_leave_files_to_the_log() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        files = OpenFiles(kept_free=200)
        assert files.want(100) >= 100  # the soft limit was raised
        resource.setrlimit(resource.RLIMIT_NOFILE, (203, hard))
        assert [files.take() for _ in range(4)] == [True, True, True, False]
        files.give_back()
        assert files.take()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_allowance_refills_with_time() -> None:
    allowance = Allowance(StreamOptions(listen=TCP, frames_per_s_max=10, bytes_per_s_max=1000))
    assert allowance.spend(10, 0, 0.0) == 0.0
    assert allowance.exhausted(0.0)
    assert allowance.spend(10, 0, 0.0) == pytest.approx(1.0)
    assert allowance.spend(0, 0, 1.0) == pytest.approx(0.0)
    assert allowance.spend(0, 3000, 2.0) == pytest.approx(2.0)


async def test_a_certificate_that_was_taken_back_is_refused_on_an_open_connection_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is read again without a restart. Who may still come in comes again, and what was stored stays so."""
    monkeypatch.setattr("adapters.transport.adapter.LOOK_EVERY_S", 0.02)
    ca = certificates.authority(tmp_path)
    server, good, lost = (
        certificates.signed(tmp_path, ca, name, "IP:127.0.0.1") for name in ("server", "good", "lost")
    )
    crl = tmp_path / "crl.pem"
    crl.write_text(certificates.revoked(tmp_path, ca))
    files = {"tls_cert_file": server.cert, "tls_key_file": server.key, "tls_client_ca_file": ca.cert, "tls_crl_file": str(crl)}  # fmt: skip

    def shows(files: certificates.Files) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=ca.cert)
        context.load_cert_chain(*files)
        return context

    hub = Hub()
    async with running(hub, listen="tls://127.0.0.1:0", **files) as adapter:
        async with (
            dialled(adapter, ssl=shows(good)) as (good_reader, good_writer),
            dialled(adapter, ssl=shows(lost)) as (reader, writer),
        ):
            for each, heard in ((writer, reader), (good_writer, good_reader)):
                each.write(b"a 1\n")
                assert await soon(heard.readline()) == b"stored a 1\n"
            certificates.replaced(crl, certificates.revoked(tmp_path, ca, lost))
            assert await soon(reader.read(), 20) == b""
            assert await soon(good_reader.read(), 20) == b""
        with contextlib.suppress(OSError):
            async with dialled(adapter, ssl=shows(lost)) as (reader, writer):
                writer.write(b"a 2\n")
                assert await soon(reader.read(), 20) == b""
        async with dialled(adapter, ssl=shows(good)) as (reader, writer):
            writer.write(b"a 3\n")
            assert await soon(reader.readline(), 20) == b"stored a 3\n"
            certificates.replaced(crl, "half of a list")
            await until(lambda: hub.states[-1][0] == "degraded", 20)
            assert "the TLS files of before are in use: tls_crl_file" in hub.states[-1][1]
            writer.write(b"a 4\n")
            assert await soon(reader.readline(), 20) == b"stored a 4\n"
    assert hub.values == [1, 1, 3, 4]


async def test_a_server_whose_certificate_was_taken_back_is_not_spoken_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.transport.adapter.LOOK_EVERY_S", 0.02)
    ca = certificates.authority(tmp_path)
    server = certificates.signed(tmp_path, ca, "server", "IP:127.0.0.1")
    crl = tmp_path / "crl.pem"
    crl.write_text(certificates.revoked(tmp_path, ca))
    shown = {"tls_cert_file": server.cert, "tls_key_file": server.key}
    async with running(Hub(), listen="tls://127.0.0.1:0", **shown) as adapter:
        hub = Hub()
        url = f"tls://127.0.0.1:{port_of(adapter)}"
        more = {"tls_ca_file": ca.cert, "tls_crl_file": str(crl), "reconnect_max_s": 1.0}
        async with running(hub, connect=url, **more) as outgoing:
            await until(lambda: outgoing.connections == 1, 20)
            certificates.replaced(crl, certificates.revoked(tmp_path, ca, server))
            await until(lambda: any("certificate revoked" in said for _, said in hub.states), 20)
            assert outgoing.connections == 0
