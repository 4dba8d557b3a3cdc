"""How answers travel: packed for who takes it, 304 for who has them, and never one asker's answer for another."""

from __future__ import annotations

import gzip
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.api import transfer
from hub.api.transfer import takes_gzip
from hub.app.hub import Hub
from tests.acceptance.running import write_city
from tests.hub.running import running

TOKENS = '[tokens.desk]\ntoken = "desk"\nroles = ["view"]\n[tokens.elsewhere]\ntoken = "elsewhere"\nroles = ["view"]\nareas = ["nowhere"]\n'


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    api = '[api]\nlisten = "127.0.0.1:0"\ntokens_file = "tokens.toml"\norigins = ["https://grafana.example"]\n'
    folder = write_city(tmp_path, api)
    (folder / "tokens.toml").write_text(TOKENS)
    async with running(folder) as hub:
        yield hub


def asking(hub: Hub, token: str = "desk", accept: str = "identity") -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {token}", "accept-encoding": accept}
    return httpx.AsyncClient(base_url=hub.address, timeout=30, headers=headers)


@pytest.mark.parametrize(
    ("asked", "takes"),
    [
        ("", False), ("identity", False), ("gzip", True), ("GZIP", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.000", False),
        ("*", True), ("*;q=0", False), ("gzip;q=0, *", False), ("deflate, br", False), ("x-gzip", True),
    ],
)  # fmt: skip
def test_gzip_is_for_who_takes_it(asked: str, takes: bool) -> None:
    assert takes_gzip(asked) is takes


async def test_a_long_answer_is_packed_and_the_same(hub: Hub) -> None:
    async with asking(hub) as client:
        plain = await client.get("/api/v1/openapi.json")
        async with client.stream("GET", "/api/v1/openapi.json", headers={"accept-encoding": "gzip"}) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
        short = await client.get("/api/v1/health", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(raw) < len(plain.content) / 3
    assert gzip.decompress(raw) == plain.content
    assert answer.headers["etag"] == plain.headers["etag"]
    assert "content-encoding" not in short.headers
    for one in (plain, answer, short):
        assert "accept-encoding" in one.headers["vary"].lower()


async def through(body: bytes, pieces: int) -> list[dict[str, Any]]:
    """What leaves of an answer that comes in so many pieces."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        step = -(-len(body) // pieces)
        for at in range(0, len(body), step):
            more = at + step < len(body)
            await send({"type": "http.response.body", "body": body[at : at + step], "more_body": more})

    left: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        left.append(message)

    scope = {"type": "http", "method": "GET", "headers": [(b"accept-encoding", b"gzip")]}
    await transfer.Transfer(app)(scope, None, send)  # type: ignore[arg-type]
    return left


async def test_a_long_answer_is_tagged_and_packed_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the hub hears others meanwhile: of 6 MB either takes some ten milliseconds. For a short one a thread is not worth it."""
    where: list[int] = []
    for name in ("_tag", "_packed"):
        work = getattr(transfer, name)
        monkeypatch.setattr(
            transfer, name, lambda body, work=work: (where.append(threading.get_ident()), work(body))[1]
        )
    long = await through(b"[" + b"7," * 50_000 + b"7]", 1)
    assert len(where) == 2
    assert threading.get_ident() not in where
    where.clear()
    short = await through(b"[" + b"7," * 1_000 + b"7]", 1)
    assert where == [threading.get_ident()] * 2
    for start, *_ in (long, short):
        assert (b"content-encoding", b"gzip") in start["headers"]


@pytest.mark.parametrize("size", [10, 5_000, 200_000])
async def test_an_answer_in_pieces_is_the_same_as_one_at_once(size: int) -> None:
    body = b"[" + b"7," * (size // 2) + b"7]"
    once, pieces = await through(body, 1), await through(body, 7)
    assert once == pieces
    packed = b"".join(message.get("body", b"") for message in once)
    assert (gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed) == body


@pytest.mark.parametrize("path", ["/api/v1/openapi.json", "/api/v1/city", "/api/v1/docs", "/", "/static/console.css"])
async def test_who_has_an_answer_hears_304_until_it_changes(hub: Hub, path: str) -> None:
    async with asking(hub) as client:
        tag = (await client.get(path)).headers["etag"]
        strong = tag.removeprefix("W/")
        for shown in (tag, strong, f'"other", {tag}', "*"):
            again = await client.get(path, headers={"if-none-match": shown})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"].removeprefix("W/") == strong
            assert "content-length" not in again.headers or again.headers["content-length"] == "0"
        assert (await client.get(path, headers={"if-none-match": '"other"'})).status_code == 200
        packed = await client.get(path, headers={"accept-encoding": "gzip", "if-none-match": tag})
        assert packed.status_code == 304


async def test_the_tag_is_of_what_the_asker_sees(hub: Hub) -> None:
    async with asking(hub) as desk, asking(hub, "elsewhere") as north, asking(hub, "nobody") as nobody:
        all_of_it = await desk.get("/api/v1/city")
        tag = {"if-none-match": all_of_it.headers["etag"]}
        assert (await desk.get("/api/v1/city", headers=tag)).status_code == 304
        assert (await north.get("/api/v1/city", headers=tag)).status_code == 200
        assert (await nobody.get("/api/v1/city", headers=tag)).status_code == 401
        assert all_of_it.headers["cache-control"] == "private, no-cache"
        refused = await nobody.get("/api/v1/city")
    assert refused.headers["cache-control"] == "no-store"
    assert "etag" not in refused.headers


async def test_head_has_the_head_of_get_and_streams_and_sessions_are_left_alone(hub: Hub) -> None:
    async with asking(hub, accept="gzip") as client:
        got, head = await client.get("/api/v1/city"), await client.head("/api/v1/city")
        assert head.content == b""
        assert head.headers["etag"] == got.headers["etag"]
        session = await client.get("/api/v1/session")
        assert session.headers["cache-control"] == "no-store"
        assert "etag" not in session.headers
        async with client.stream("GET", "/api/v1/stream") as stream:
            assert "content-encoding" not in stream.headers
            assert "etag" not in stream.headers


async def test_where_origins_are_listed_every_answer_varies_by_them(hub: Hub) -> None:
    async with asking(hub) as client:
        for headers in ({}, {"origin": "https://grafana.example"}):
            answer = await client.get("/api/v1/city", headers=headers)
            assert "origin" in answer.headers["vary"].lower()
            assert ("access-control-allow-origin" in answer.headers) is bool(headers)
