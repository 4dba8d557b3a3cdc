"""The webhook against a real HTTP server that misbehaves, through a real courier and a real journal."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from adapters.webhook import PLUGIN
from adapters.webhook.signing import message_id, secret_keys
from adapters.webhook.sink import WebhookOptions, WebhookSink, outcome
from hub.delivery import Courier, Journal, Pace
from hub.log import numbered
from hub.model import AlertChange, CameraView, Change, Position
from hub.ports import Batch
from hub.wire import change_to_json

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(24))).decode()
T = 1_770_000_000_000_000_000
QUICK = Pace(first_s=0.005, longest_s=0.02, breaker_after=4, breaker_s=0.03, per_second_max=2_000)


def change(number: int = 0, ordinal: int = 0, what: Change = Change.RAISED) -> AlertChange:
    return AlertChange(
        f"flood/level 河.{number} 2026-02-02T02:40:00Z", ordinal, T, "flood/level", f"河.{number}", what, "red", "水位 high",
        {"water_level": 3.5, "alarms": ["x"]}, Position(116.4, 39.9),
        [CameraView("c1", 0.9, 140.0, 12.0, True, "in its sector")], [{"at": T, "value": float("nan")}],
    )  # fmt: skip


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.setenv("TWO_SECRETS", f"{SECRET} {OTHER}")
    monkeypatch.setenv("NOT_BASE64", "whsec_###")
    monkeypatch.setenv("SHORT", "whsec_c2hvcnQ=")


class Receiver:
    """A platform: an HTTP/1.1 server by hand, so that it can misbehave in ways that no framework lets it."""

    def __init__(self) -> None:
        self.port = 0
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.faults: list[str] = []
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/alerts"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append((headers, body))
                fault = self.faults.pop(0) if self.faults else ""
                if fault == "slow":
                    for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 50000\r\n\r\n" + b"x" * 50:
                        writer.write(bytes([byte]))
                        await writer.drain()
                        await asyncio.sleep(0.02)
                    return
                if fault == "cut":
                    return
                if fault == "garbage":
                    writer.write(b"\x00\xff not http at all\r\n\r\n")
                    return
                if not fault:
                    self.taken.append((headers["webhook-id"], Webhook(SECRET).verify(body, headers)))
                if fault == "taken, but not said":
                    self.taken.append((headers["webhook-id"], json.loads(body)))
                    return
                status = fault or "204 No Content"
                writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


class Alerts:
    """The stream "alerts", in memory; nothing is added while a test runs."""

    first = 0

    def __init__(self, entries: list[AlertChange]) -> None:
        self.entries = entries

    @property
    def next(self) -> int:
        return len(self.entries)

    async def read(self, offset: int, entries_max: int = 10_000) -> Batch:
        if offset >= len(self.entries):
            await asyncio.Event().wait()
        return numbered(offset, self.entries[offset : offset + entries_max])

    def lag(self, offset: int, end: int | None = None) -> int:
        return max(0, (self.next if end is None else end) - offset)


class Places:
    def __init__(self, **known: int) -> None:
        self.known = {f"delivery.{name}": offset for name, offset in known.items()}

    def get(self, reader: str) -> int | None:
        return self.known.get(reader)

    def set(self, reader: str, offset: int) -> None:
        self.known[reader] = offset


async def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not come about"
        await asyncio.sleep(0.005)


FAULTS = [
    "500 Internal Server Error",
    "502 Bad Gateway",
    "429 Too Many Requests\r\nretry-after: 0",
    "503 Service Unavailable\r\nretry-after: Mon, 02 Feb 2026 02:40:00 GMT",
    "302 Found\r\nlocation: http://127.0.0.1:9/",
    "slow",
    "cut",
    "garbage",
]


async def test_through_every_fault_each_change_arrives_in_order_and_once_by_key(
    receiver: Receiver, tmp_path: Path
) -> None:
    changes = [change(n % 3, n // 3, Change.RAISED if n < 3 else Change.ESCALATED) for n in range(30)]
    chance = random.Random(7)
    receiver.faults = [chance.choice([*FAULTS, "taken, but not said", "", ""]) for _ in range(60)]
    journal, places = Journal(tmp_path / "delivery.sqlite"), Places(video=0)
    stream = Alerts(changes)

    async def run_for(seconds: float | None) -> Courier:
        """A hub's life: its courier, until it is stopped."""
        sink = WebhookSink(WebhookOptions(url=receiver.url, secret_env="SECRET", timeout_s=0.3))
        courier = Courier("video", sink, stream, places, journal, pace=QUICK)
        task = asyncio.create_task(courier.run())
        if seconds is None:
            await until(lambda: places.get("delivery.video") == 30, 60)
        else:
            await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await courier.close()
        return courier

    await run_for(0.3)  # stopped in the middle
    await receiver.stop()  # and the receiver goes away
    await run_for(0.2)
    await receiver.start()
    await run_for(0.5)
    await run_for(None)

    keys = [key for key, _ in receiver.taken]
    assert list(dict.fromkeys(keys)) == [message_id(said.id) for said in changes]
    bodies = {key: body for key, body in receiver.taken}
    assert [bodies[message_id(said.id)]["id"] for said in changes] == [said.id for said in changes]
    assert journal.dead_letters() == []
    outcomes = {attempt.outcome for attempt in journal.attempts(limit=1_000)}
    assert outcomes == {"taken", "failed"}
    journal.close()


async def test_the_body_is_the_whole_change_and_its_signature_verifies(receiver: Receiver) -> None:
    sink = WebhookSink(WebhookOptions(url=receiver.url, secret_env="TWO_SECRETS"))
    said = change()
    assert (await sink.deliver(said, said.id, time.time_ns())).taken
    await sink.close()
    headers, body = receiver.requests[0]
    for secret in (SECRET, OTHER):
        verified = Webhook(secret).verify(body, headers)
    assert verified == change_to_json(said)
    assert (verified["id"], verified["at"], verified["level"]) == (said.id, "2026-02-02T02:40:00Z", said.level)
    assert verified["evidence"] == [{"at": T, "value": None}]  # NaN, as JSON can say it
    assert verified["cameras"][0]["camera"] == "c1"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"red", b"not"), headers)


async def test_without_a_secret_there_is_no_signature_and_tokens_are_sent(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VIDEO_TOKEN", "abc")
    receiver.faults = ["200 OK"]
    sink = WebhookSink(WebhookOptions(url=receiver.url, token_env="VIDEO_TOKEN"))
    assert (await sink.deliver(change(), "k", T)).taken
    await sink.close()
    headers, _ = receiver.requests[0]
    assert "webhook-signature" not in headers
    assert headers["authorization"] == "Bearer abc"
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    await WebhookSink(WebhookOptions(url=receiver.url, secret_file=str(tmp_path / "secret"))).close()


@pytest.mark.parametrize(
    ("status", "taken", "final", "gone"),
    [
        (200, True, False, False),
        (204, True, False, False),
        (301, False, False, False),
        (400, False, True, False),
        (401, False, False, False),
        (408, False, False, False),
        (410, False, True, True),
        (422, False, True, False),
        (425, False, False, False),
        (429, False, False, False),
        (500, False, False, False),
        (599, False, False, False),
    ],
)
def test_what_answers_mean(status: int, taken: bool, final: bool, gone: bool) -> None:
    told = outcome(status, None, "why", T)
    assert (told.taken, told.final, told.gone) == (taken, final, gone)
    assert str(status) in told.detail


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Mon, 02 Feb 2026 02:41:00 GMT", 60.0),
        ("Mon, 02 Feb 2026 02:00:00 GMT", 0.0),
        ("Mon, 01 Jan 1200 00:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        (" " * 14 + "7", 7.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("²", None),
        (None, None),
        ("9" * 400, 999999999999.0),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert outcome(429, text, "", T).retry_after_s == seconds


async def test_a_flood_of_an_answer_is_read_only_in_part(receiver: Receiver) -> None:
    receiver.faults = ["slow"]
    sink = WebhookSink(WebhookOptions(url=receiver.url, timeout_s=0.2))
    begun = time.monotonic()
    told = await sink.deliver(change(), "k", T)
    await sink.close()
    assert not told.taken
    assert not told.final
    assert told.detail == "no answer within 0.2 s"
    assert time.monotonic() - begun < 1.0


async def test_a_peer_that_speaks_no_tls_is_a_failure_worth_another_attempt() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sink = WebhookSink(WebhookOptions(url=f"https://127.0.0.1:{port}/"))
    told = await sink.deliver(change(), "k", T)
    await sink.close()
    server.close()
    assert not told.taken
    assert not told.final
    assert "SSL" in told.detail or "TLS" in told.detail


async def test_nobody_there_is_a_failure_worth_another_attempt() -> None:
    sink = WebhookSink(WebhookOptions(url="http://127.0.0.1:9/"))
    told = await sink.deliver(change(), "k", T)
    await sink.close()
    assert (told.taken, told.final) == (False, False)
    assert told.detail == "127.0.0.1:9 cannot be reached: Connection refused"
    assert told.detail_zh == "无法连接 127.0.0.1:9：对方拒绝连接，该端口无人监听"


def test_options_that_make_no_sense_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)

    def made(**options: object) -> WebhookSink:
        assert PLUGIN.sink is not None
        sink = PLUGIN.sink("video", msgspec.convert(options, WebhookOptions))
        assert isinstance(sink, WebhookSink)
        return sink

    for options, words in (
        ({"url": "video.example"}, "is no http"),
        ({"url": "http://x", "secret_env": "NOWHERE"}, "NOWHERE"),
        ({"url": "http://x", "secret_file": "/nowhere/at/all"}, "cannot be read"),
        ({"url": "http://x", "secret_env": "NOT_BASE64"}, "base64"),
        ({"url": "http://x", "secret_env": "SHORT"}, "24 to 64"),
        ({"url": "http://x", "timeout_s": 0}, "above 0"),
        ({"url": "http://x", "scret_env": "A"}, "scret_env"),
    ):
        with pytest.raises(ValueError, match=words):
            made(**options)


def test_message_ids_are_ascii_without_full_stops_and_stay_distinct() -> None:
    keys = ["a/b 1#0", "a/b.1#0", "a/b%2E1#0", "河#0", "a\nb"]
    ids = [message_id(key) for key in keys]
    assert len(set(ids)) == len(keys)
    assert all(name.isascii() and "." not in name and name.isprintable() for name in ids)
    assert message_id("flood/level:gauge-7:1770000000#3") == "flood/level:gauge-7:1770000000#3"


def test_keys_may_lack_their_padding() -> None:
    assert secret_keys(SECRET.rstrip("=")) == [bytes(range(32))]
    assert secret_keys("") == []
