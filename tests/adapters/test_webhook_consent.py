"""The OPTIONS handshake of CloudEvents webhooks: nothing is sent to who has not agreed, and no more than was agreed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from adapters.webhook import consent
from adapters.webhook.sink import WebhookOptions, WebhookSink
from hub.model import AlertChange, Change
from hub.ports import Delivery

T = 1_795_334_400_000_000_000
SECOND = 1_000_000_000
ORIGIN = "hub.city.example"


def change(ordinal: int = 1) -> AlertChange:
    return AlertChange("a", ordinal, T, "flood/stage", "g", Change.RAISED, "red")


class Receiver:
    """Answers OPTIONS with these headers, POST with 204."""

    def __init__(self) -> None:
        self.options: tuple[str, dict[str, str]] = ("200 OK", {"WebHook-Allowed-Origin": ORIGIN, "Allow": "POST"})
        self.heard: list[tuple[str, dict[str, str]]] = []
        self.port = 0

    def count(self, method: str) -> int:
        return sum(heard == method for heard, _ in self.heard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
                await reader.readexactly(int(headers.get("content-length", "0")))
                method = lines[0].split(" ")[0]
                self.heard.append((method, headers))
                status, said = self.options if method == "OPTIONS" else ("204 No Content", {})
                head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
                length = "" if status.startswith("204") else "content-length: 0\r\n"
                writer.write(f"HTTP/1.1 {status}\r\n{head}{length}\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


@asynccontextmanager
async def sink(to: Receiver, **more: Any) -> AsyncIterator[WebhookSink]:
    made = WebhookSink(WebhookOptions(url=f"http://127.0.0.1:{to.port}/x", request_origin=ORIGIN, timeout_s=5, **more))
    yield made
    await made.close()


async def test_asked_once_a_day_then_each_delivery_says_who_sends() -> None:
    async with receiver() as to, sink(to, request_rate_per_min=120) as made:
        for n in range(1, 4):
            assert (await made.deliver(change(n), f"k{n}", T + n)).taken
        assert [method for method, _ in to.heard] == ["OPTIONS", "POST", "POST", "POST"]
        assert to.heard[0][1]["webhook-request-origin"] == ORIGIN
        assert to.heard[0][1]["webhook-request-rate"] == "120"
        assert all(headers["webhook-request-origin"] == ORIGIN for _, headers in to.heard)
        assert (await made.deliver(change(4), "k4", T + 25 * 3600 * SECOND)).taken
        assert to.count("OPTIONS") == 2


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        ("200 OK", {}, "has not agreed"),
        ("405 Method Not Allowed", {}, "has not agreed"),
        ("200 OK", {"WebHook-Allowed-Origin": "other.example"}, "agrees to 'other.example' only"),
        ("200 OK", {"WebHook-Allowed-Origin": ORIGIN, "WebHook-Allowed-Rate": "0"}, "WebHook-Allowed-Rate"),
        ("200 OK", {"WebHook-Allowed-Origin": ORIGIN, "WebHook-Allowed-Rate": "many"}, "WebHook-Allowed-Rate"),
    ],
)
async def test_without_consent_nothing_is_sent_and_the_change_waits(
    status: str, headers: dict[str, str], words: str
) -> None:
    async with receiver() as to, sink(to) as made:
        to.options = (status, headers)
        told = await made.deliver(change(), "k", T)
        assert (told.taken, told.final, told.retry_after_s) == (False, False, consent.ASK_AGAIN_S)
        assert words in told.detail
        assert to.count("POST") == 0
        to.options = ("405 Method Not Allowed", {"WebHook-Allowed-Origin": "*"})  # the status says nothing
        assert (await made.deliver(change(), "k", T)).taken


async def test_a_receiver_in_trouble_is_asked_again_soon() -> None:
    async with receiver() as to, sink(to) as made:
        to.options = ("503 Service Unavailable", {"Retry-After": "7"})
        told = await made.deliver(change(), "k", T)
        assert (told.taken, told.final, told.retry_after_s) == (False, False, 7.0)
    async with sink(to) as nobody:
        told = await nobody.deliver(change(), "k", T)
        assert (told.taken, told.final) == (False, False)
        assert told.detail.endswith("cannot be reached: Connection refused")


async def test_no_more_a_minute_than_was_allowed() -> None:
    async with receiver() as to, sink(to) as made:
        to.options = ("200 OK", {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "3"})

        async def at(seconds: float) -> Delivery:
            return await made.deliver(change(), "k", T + round(seconds * SECOND))

        assert all([(await at(seconds)).taken for seconds in (0, 10, 20)])
        held = await at(30)
        assert (held.taken, held.final, held.retry_after_s) == (False, False, 30.0)
        assert "3 requests a minute" in held.detail
        assert (await at(60)).taken
        assert not (await at(65)).taken
        assert (await at(70)).taken
        assert to.count("POST") == 5


async def test_without_the_option_nobody_is_asked() -> None:
    async with receiver() as to:
        made = WebhookSink(WebhookOptions(url=f"http://127.0.0.1:{to.port}/x"))
        assert (await made.deliver(change(), "k", T)).taken
        await made.close()
        assert [method for method, _ in to.heard] == ["POST"]
        assert "webhook-request-origin" not in to.heard[0][1]


@pytest.mark.parametrize(
    "options", [{"request_origin": "http://x"}, {"request_origin": "a b"}, {"request_rate_per_min": 5}, {"request_origin": "x", "request_rate_per_min": -1}]
)  # fmt: skip
def test_options_that_make_no_sense_are_said(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="request_"):
        msgspec.convert({"url": "https://x", **options}, WebhookOptions)
