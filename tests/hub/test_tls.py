"""TLS of the API: by configuration, renewed without a restart, with client certificates as identities; and slow clients."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.access.users import RoleGrant, User, save_user
from hub.app import listening
from hub.app.city import load_city
from hub.app.connections import Connection
from hub.app.hub import Hub
from hub.app.plugins import Plugins
from tests import certificates
from tests.acceptance.running import write_city
from tests.hub.running import running

TLS = '[api]\nlisten = "127.0.0.1:0"\ntls_cert_file = "server.pem"\ntls_key_file = "server.key"\n'


def city_with(folder: Path, toml: str) -> Path:
    (folder / "users.toml").unlink(missing_ok=True)
    write_city(folder, toml)
    save_user(folder / "users.toml", User("li.example", "", (RoleGrant("viewer"),)))
    save_user(folder / "users.toml", User("wu.example", "", (RoleGrant("viewer"),)))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("tls")
    ca, strange = certificates.authority(folder), certificates.authority(folder, "strange")
    files = {
        name: certificates.signed(folder, ca, name, "DNS:localhost,IP:127.0.0.1") for name in ("server", "renewed")
    }
    files |= {
        name: certificates.signed(folder, ca, name, f"DNS:{name}") for name in ("li.example", "wu.example", "nobody")
    }
    files["foreign"] = certificates.signed(folder, strange, "foreign", "DNS:li.example")
    return {"ca": ca, "strange": strange, "folder": folder, **files}


def put(folder: Path, files: certificates.Files) -> None:
    for source, name in ((files.key, "server.key"), (files.cert, "server.pem")):
        shutil.copy(source, folder / f"{name}.new")
        (folder / f"{name}.new").rename(folder / name)


def client_tls(made: dict[str, Any], who: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=made["ca"].cert)
    if who:
        context.load_cert_chain(*made[who])
    return context


async def asked(hub: Hub, made: dict[str, Any], who: str | None, path: str = "/api/v1/devices") -> httpx.Response:
    async with httpx.AsyncClient(base_url=hub.address, verify=client_tls(made, who), timeout=30) as client:
        return await client.get(path)


def serial_of(address: str, made: dict[str, Any]) -> str:
    host, _, port = address.rpartition("//")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as plain, client_tls(made).wrap_socket(plain, server_hostname=host) as tls:  # fmt: skip
        return str((tls.getpeercert() or {})["serialNumber"])


def resumed(
    address: str, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[bool, ssl.SSLSession | None]:
    """Whether the server took the session up again, and the session of this connection. Raises OSError where it lets nobody in."""
    host, _, port = address.rpartition("//")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as plain, context.wrap_socket(plain, server_hostname=host, session=session) as tls:  # fmt: skip
        return bool(tls.session_reused), tls.session


async def renewed(hub: Hub, before: str) -> None:
    """Wait until the hub has read its files again."""
    async with asyncio.timeout(60):
        while hub.listening.reason == before:
            await asyncio.sleep(0.02)


async def test_the_certificate_is_renewed_without_a_restart(
    made: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "LOOK_EVERY_S", 0.02)
    put(tmp_path, made["server"])
    async with running(city_with(tmp_path, TLS)) as hub:
        assert hub.address.startswith("https://")
        answer = await asked(hub, made, None, "/healthz")
        assert (answer.status_code, answer.headers["strict-transport-security"]) == (200, "max-age=31536000")
        first = await asyncio.to_thread(serial_of, hub.address, made)
        (tmp_path / "server.pem").write_text("half of a renewal")
        async with asyncio.timeout(60):
            while "the certificate of before is in use" not in hub.listening.reason:
                await asyncio.sleep(0.02)
        assert await asyncio.to_thread(serial_of, hub.address, made) == first
        put(tmp_path, made["renewed"])
        async with asyncio.timeout(60):
            while await asyncio.to_thread(serial_of, hub.address, made) == first:
                await asyncio.sleep(0.02)


async def test_a_client_certificate_is_who_its_name_says_until_it_is_taken_back(
    made: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a connection that stands, for a session that is resumed, and by a list of the same second as the one before."""
    monkeypatch.setattr(listening, "LOOK_EVERY_S", 0.02)
    put(tmp_path, made["server"])
    shutil.copy(made["ca"].cert, tmp_path / "ca.pem")
    (tmp_path / "crl.pem").write_text(certificates.revoked(tmp_path, made["ca"]))
    async with (
        running(city_with(tmp_path, TLS + 'tls_client_ca_file = "ca.pem"\ntls_crl_file = "crl.pem"\n')) as hub,
        httpx.AsyncClient(base_url=hub.address, verify=client_tls(made, "li.example"), timeout=30) as standing,
    ):
        assert (await asked(hub, made, None)).status_code == 401
        assert (await asked(hub, made, "nobody")).status_code == 401
        assert (await asked(hub, made, "li.example")).status_code == 200
        assert (await standing.get("/api/v1/session")).json()["user"] == "li.example"
        with pytest.raises(httpx.HTTPError):  # signed by an authority that nobody named
            await asked(hub, made, "foreign")
        older = client_tls(made, "li.example")
        older.maximum_version = ssl.TLSVersion.TLSv1_2
        session = (await asyncio.to_thread(resumed, hub.address, older, None))[1]
        assert (await asyncio.to_thread(resumed, hub.address, older, session))[0]  # as long as nothing was taken back
        before = hub.listening.reason
        certificates.replaced(tmp_path / "crl.pem", certificates.revoked(tmp_path, made["ca"], made["li.example"]))
        await renewed(hub, before)
        for taken_back in (asked(hub, made, "li.example"), standing.get("/api/v1/session")):
            with pytest.raises(httpx.HTTPError):
                await taken_back
        with pytest.raises(OSError):  # noqa: PT011 - an alert of TLS, or the end of the connection
            await asyncio.to_thread(resumed, hub.address, older, session)
        assert (await asked(hub, made, "wu.example")).status_code == 200


async def test_an_authority_that_is_no_longer_named_is_believed_no_longer(
    made: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "LOOK_EVERY_S", 0.02)
    put(tmp_path, made["server"])
    shutil.copy(made["ca"].cert, tmp_path / "ca.pem")
    async with running(city_with(tmp_path, TLS + 'tls_client_ca_file = "ca.pem"\n')) as hub:
        assert (await asked(hub, made, "li.example")).status_code == 200
        before = hub.listening.reason
        certificates.replaced(tmp_path / "ca.pem", (made["folder"] / "strange.pem").read_text())
        await renewed(hub, before)
        with pytest.raises(httpx.HTTPError):
            await asked(hub, made, "li.example")
        assert (await asked(hub, made, "foreign")).status_code == 200


async def test_a_required_certificate_is_required(made: dict[str, Any], tmp_path: Path) -> None:
    put(tmp_path, made["server"])
    shutil.copy(made["ca"].cert, tmp_path / "ca.pem")
    more = 'tls_client_ca_file = "ca.pem"\ntls_client_required = true\n'
    async with running(city_with(tmp_path, TLS + more)) as hub:
        with pytest.raises(httpx.HTTPError):
            await asked(hub, made, None, "/healthz")
        assert (await asked(hub, made, "li.example", "/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("api", "sentence"),
    [
        ('listen = "0.0.0.0:0"', "would travel readable"),
        ('listen = "0.0.0.0:0"\nproxy = "10.0.0.5"', ""),
        ('listen = "0.0.0.0:0"\nproxy = ["10.0.0.0/24", "::1"]', ""),
        ('listen = "0.0.0.0:0"\nproxy = true', ""),
        ('listen = "0.0.0.0:0"\nplain_http = true', ""),
        ('listen = "0.0.0.0:0"\ntls_cert_file = "server.pem"\ntls_key_file = "server.key"', ""),
        ('listen = "127.0.0.1:0"', ""),
        ('listen = "127.0.0.1:0"\nproxy = "the proxy"', "an address or a network"),
        ('listen = "127.0.0.1:0"\ntls_cert_file = "missing.pem"', "there is no such file"),
        ('listen = "127.0.0.1:0"\ntls_cert_file = "hub.toml"', "no PEM certificate chain"),
        ('listen = "127.0.0.1:0"\ntls_key_file = "server.key"', "need tls_cert_file"),
        ('listen = "127.0.0.1:0"\ntls_cert_file = "server.pem"\ntls_key_file = "server.key"\ntls_client_required = true', "need tls_client_ca_file"),
    ],
)  # fmt: skip
def test_beyond_loopback_nothing_travels_readable_unless_told_so(
    made: dict[str, Any], tmp_path: Path, api: str, sentence: str
) -> None:
    put(tmp_path, made["server"])
    _, mistakes = load_city(city_with(tmp_path, f"[api]\n{api}\n"), Plugins())
    assert [sentence in str(mistake) for mistake in mistakes] == ([True] if sentence else []), mistakes


@pytest.mark.parametrize(("proxy", "seen"), [("", "127.0.0.1"), ('proxy = "127.0.0.1"\n', "203.0.113.9")])
async def test_only_a_stated_proxy_is_believed_about_the_address(tmp_path: Path, proxy: str, seen: str) -> None:
    from hub.access import audit

    async with running(city_with(tmp_path, f'[api]\nlisten = "127.0.0.1:0"\n{proxy}')) as hub:
        async with httpx.AsyncClient(base_url=hub.address, timeout=30) as client:
            forged = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "http"}
            body = {"user": "li.example", "password": "wrong wrong"}
            assert (await client.post("/api/v1/login", json=body, headers=forged)).status_code == 401
        assert [entry["address"] for entry in audit.entries(hub.data)] == [seen]


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HTT", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"],
)  # fmt: skip
async def test_who_sends_half_a_request_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(Connection, "head_s", 0.2)
    monkeypatch.setattr(Connection, "body_s", 0.2)
    async with running(city_with(tmp_path, '[api]\nlisten = "127.0.0.1:0"\n')) as hub:
        host, _, port = hub.address.rpartition("//")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        async with asyncio.timeout(30):
            await reader.read()  # to the end: the hub closes
        writer.close()
