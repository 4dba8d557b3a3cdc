"""A mail server that hangs, and one that says a byte now and then: the exchange ends, and its thread with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from adapters.email.late import Refused
from adapters.email.line import Cut
from adapters.email.message import build
from adapters.email.sink import EmailOptions, EmailSink
from hub.model import AlertChange, Change

T = 1_790_000_000_000_000_000
RECORD = b"\x16\x03\x03\x40\x00"
"""The head of a TLS record of 16 KiB, which is then awaited."""


class Counting(EmailSink):
    """Knows how many threads it holds."""

    held = 0

    def _send(self, mail: EmailMessage, recipients: Sequence[str], cut: Cut) -> Refused:
        self.held += 1
        try:
            return super()._send(mail, recipients, cut)
        finally:
            self.held -= 1


def change(title: str = "high") -> AlertChange:
    return AlertChange("a", 0, T, "flood/high", "g", Change.RAISED, "red", title, {})


@contextlib.asynccontextmanager
async def speaking(greeting: bytes, drip: bytes, security: str, timeout_s: float):  # type: ignore[no-untyped-def]
    """A sink towards a server that begins so, and goes on byte by byte for as long as anybody listens."""

    serving: set[asyncio.Task[None]] = set()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())  # type: ignore[arg-type]
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            writer.write(greeting)
            while True:
                writer.write(drip)
                await writer.drain()
                await asyncio.sleep(min(timeout_s / 10, 0.2))
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        sink = Counting(EmailOptions(host="127.0.0.1", port=port, security=security, sender="a@b", recipients=["c@d"], timeout_s=timeout_s))  # fmt: skip
        yield sink, serving
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving)


@pytest.mark.parametrize(
    ("security", "greeting", "drip"),
    [("none", b"2", b"2"), ("none", b"", b""), ("tls", RECORD, b"\0"), ("tls", b"", b""), ("starttls", b"220-", b"x")],
)
async def test_an_exchange_ends_whatever_the_server_does(security: str, greeting: bytes, drip: bytes) -> None:
    async with speaking(greeting, drip, security, 0.3) as (sink, _), asyncio.timeout(60):
        outcome = await sink.deliver(change(), "k", T)
        assert (outcome.taken, outcome.final) == (False, False)
        assert sink.held == 0


async def test_an_exchange_that_nobody_waits_for_holds_no_thread() -> None:
    """The courier gives up before a patient sink does; six such attempts held all threads that the store writes with."""
    async with speaking(b"2", b"2", "none", 30.0) as (sink, serving), asyncio.timeout(60):
        for number in range(3):
            waiting = asyncio.create_task(sink.deliver(change(), "k", T))
            while not (sink.held and len(serving) > number):
                await asyncio.sleep(0.01)
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
            while sink.held:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "text", ["x\r\nBcc: all@city.example", "x\nTo: y", "x\x85\u2028Bcc: z", "x\x00\x1b[31m", "x" * 9000]
)
def test_no_name_of_a_device_makes_a_header(text: str) -> None:
    for one in (change(text), change("")):
        one.subject = text
        for language in ("en", "zh"):
            one.title_zh = text
            raw = build(one, "k", "Hub <hub@city.example>", ["duty@city.example"], language=language).as_bytes()
            mail = message_from_bytes(raw, policy=default)
            assert mail["To"] == "duty@city.example"
            assert mail["Bcc"] is None
            assert all(len(line) < 998 for line in raw.splitlines())  # RFC 5322, 2.1.1
