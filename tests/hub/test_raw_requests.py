"""What no client library sends: bytes on the API's socket, in a hub of this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.app.hub import Hub
from tests.acceptance.running import write_city
from tests.hub.running import running

READINGS = "POST /api/v1/readings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
ASKED_NEXT = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
ENDS_TWICE = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
NO_HTTP = (
    "\x16\x03\x01\x02\x00\x01\x00\x01",
    "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET /healthz HTTP/1.1\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
    READINGS + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    READINGS + "Content-Length: +2\r\n\r\n{}",
    READINGS + "Transfer-Encoding: gzip\r\n\r\n",
    READINGS + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    READINGS + "Transfer-Encoding: chunked\r\n\r\nno size\r\n",
)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running(write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\nbody_bytes_max = 2000\n')) as hub:
        yield hub


async def say(hub: Hub, sent: str, *, to_the_end: bool) -> list[tuple[int, dict[str, str], bytes]]:
    """Status, headers and body of each answer; `to_the_end`: until the hub closes, else of the first."""
    host, _, port = hub.address.rpartition("//")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent.encode("latin-1"))
    answers = []
    try:
        async with asyncio.timeout(30):
            while not (answers and not to_the_end):
                try:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                except asyncio.IncompleteReadError:
                    break
                first, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                answers.append((int(first.split()[1]), headers, body))
    finally:
        writer.close()
    return answers


async def test_a_body_that_ends_twice_carries_no_other_request_in(hub: Hub) -> None:
    """The hub read the chunks and then took what stood behind them for the next request of that connection."""
    chunked_first = "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    for ends in (ENDS_TWICE, ENDS_TWICE.replace("5", "0"), chunked_first):
        [(status, headers, body)] = await say(hub, READINGS + ends + ASKED_NEXT, to_the_end=True)
        assert (status, headers["connection"]) == (400, "close")
        assert "where the body ends" in json.loads(body)["detail"]
    for path in ("/healthz", "/api/v1/stream", "/tiles/none", "/nowhere"):  # also where no body is read
        asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{ENDS_TWICE}{ASKED_NEXT}"
        assert [status for status, _, _ in await say(hub, asked, to_the_end=True)] == [400]


async def test_what_is_no_http_is_a_problem_like_any_other_and_no_line_of_the_journal(
    hub: Hub, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    for sent in NO_HTTP:
        [(status, headers, body)] = await say(hub, sent, to_the_end=True)
        assert (status, headers["content-type"], headers["connection"]) == (400, "application/problem+json", "close")
        assert json.loads(body)["status"] == 400
        assert (await say(hub, ASKED_NEXT, to_the_end=False))[0][0] == 200
    assert [record.getMessage() for record in caplog.records] == []
    assert capsys.readouterr().err == ""


async def test_bytes_that_follow_a_stream_end_it_without_a_traceback(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    host, _, port = hub.address.rpartition("//")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    async with asyncio.timeout(30):
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"no size\r\n")
        await reader.read()  # to the end: the hub closes
    writer.close()
    assert [record.getMessage() for record in caplog.records] == []


async def test_nobody_here_speaks_websocket(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    asked = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    [(status, _, _)] = await say(hub, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + asked, to_the_end=False)
    assert status == 200  # as if it had not asked (RFC 9110, 7.8)
    assert caplog.records == []


async def test_a_body_whose_length_is_too_much_is_refused_before_it_comes(hub: Hub) -> None:
    for length in ("2001", "99999999999999999999"):
        for expects in ("", "Expect: 100-continue\r\n"):
            sent = f"{READINGS}{expects}Content-Length: {length}\r\n\r\n"
            [(status, _, body)] = await say(hub, sent, to_the_end=False)
            assert (status, "limit of 2000 bytes" in json.loads(body)["detail"]) == (413, True)


async def test_a_packed_body_hears_that_it_is_packed(hub: Hub) -> None:
    for path in ("/api/v1/readings", "/api/v1/maintenance"):
        for coding in ("gzip", "x-gzip", "br", "deflate, gzip", "GZIP"):
            sent = (
                READINGS.replace("/api/v1/readings", path)
                + f"Content-Encoding: {coding}\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"
            )
            [(status, headers, body)] = await say(hub, sent, to_the_end=False)
            assert (status, headers["accept-encoding"]) == (415, "identity")
            assert coding.lower() in json.loads(body)["detail"]


async def test_every_coding_of_a_body_counts_whichever_header_says_it(hub: Hub) -> None:
    """Of two headers the first alone was looked at, and one that says nothing was refused."""
    for codings, status in (("identity", 200), ("", 200), ("identity, Identity", 200), ("gzip, gzip", 415), ("identity\r\nContent-Encoding: gzip", 415), ("\r\nContent-Encoding: zstd", 415)):  # fmt: skip
        body = '{"device": "gauge-7", "values": {"water_level": 1.5}}'
        sent = f"{READINGS}Content-Encoding: {codings}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        [(found, _, told)] = await say(hub, sent, to_the_end=False)
        assert found == status, (codings, told)
