"""Mails that the server takes for some and not yet for others: nobody misses one by a restart, and nobody is told that all is well."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from email import message_from_string
from pathlib import Path

import pytest

from adapters.email import late
from adapters.email.sink import EmailOptions, EmailSink
from hub.model import AlertChange, Change
from hub.moment import SECOND
from hub.ports import RememberingSink, RenewingSink, ReportFile
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city
from tests.adapters.test_video_sinks import Greylisting

T = 1_790_000_000_000_000_000


def change(number: int = 0, alert: str = "a") -> AlertChange:
    kind = Change.RAISED if number == 0 else Change.CLEARED
    return AlertChange(alert, number, T, "flood/high", "g", kind, "red", f"{alert} {number} 高", {})


@contextlib.asynccontextmanager
async def listening(server: Greylisting) -> AsyncIterator[int]:
    made = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 22)
    async with made:
        yield made.sockets[0].getsockname()[1]


def sink_at(port: int, path: Path) -> EmailSink:
    sink = EmailSink(
        EmailOptions(
            host="127.0.0.1", port=port, security="none", sender="Hub 中枢 <hub@city.example>",
            recipients=["duty@city.example", "二 <two@city.example>"], timeout_s=5.0,
        )
    )  # fmt: skip
    assert isinstance(sink, RememberingSink)
    assert isinstance(sink, RenewingSink)
    sink.remember_in(path)
    return sink


async def test_a_mail_that_waits_survives_a_restart(tmp_path: Path) -> None:
    server, path = Greylisting("two@", "450 greylisted"), tmp_path / "sink-duty.json"
    async with listening(server) as port:
        sink = sink_at(port, path)
        assert (await sink.deliver(change(), "k0", T)).partly
        report = ReportFile("Fleet report", "fleet-2026-11-29.pdf", b"%PDF" + bytes(range(256)) * 40)
        assert (await sink.deliver_report(report, "duty/fleet/2026-11-29", T)).taken
        first, second = server.mails
        again = sink_at(port, path)
        assert again.due(T + 59 * SECOND) == []
        server.answer = "250 ok"
        keys = again.due(T + 60 * SECOND)
        assert sorted(keys) == ["a", "duty/fleet/2026-11-29"]
        outcomes = [await again.renew(key, T + 60 * SECOND) for key in keys]
        assert [(one.taken, one.partly) for one in outcomes] == [(True, True), (True, False)], "the report still waits"
        assert server.recipients[-2:] == ["<two@city.example>"] * 2
        for sent, repeated in zip((first, second), server.mails[2:], strict=True):
            known, now = message_from_string(sent), message_from_string(repeated)
            assert known["Message-ID"] == now["Message-ID"]
            assert [part.get_payload(decode=True) for part in known.walk()] == [
                part.get_payload(decode=True) for part in now.walk()
            ]
        assert sink_at(port, path).due(T + 10**6 * SECOND) == [], "what was taken does not come back"


async def test_a_mail_that_reached_all_does_not_hide_that_another_still_waits(tmp_path: Path) -> None:
    server = Greylisting("two@", "450 greylisted")
    async with listening(server) as port:
        sink = sink_at(port, tmp_path / "sink-duty.json")
        assert (await sink.deliver(change(), "k0", T)).partly
        server.answer = "250 ok"
        outcome = await sink.deliver(change(0, "b"), "k1", T)
        assert (outcome.taken, outcome.partly) == (True, True)
        assert outcome.detail == "1 mails wait for two@city.example"
        assert "two@city.example" in outcome.detail_zh
        assert not (await sink.renew("a", T + 60 * SECOND)).partly


async def test_a_mail_that_is_given_up_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = Greylisting("two@", "450 greylisted")
    async with listening(server) as port:
        sink = sink_at(port, tmp_path / "sink-duty.json")
        await sink.deliver(change(), "k0", T)
        await sink.renew("a", T + late.OLDEST_NS + 1)
        assert sink.due(T + 10**6 * SECOND) == []
        assert "a was not taken for two@city.example in time, and is given up" in caplog.text


async def test_a_file_that_cannot_be_written_or_read_costs_what_it_holds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Greylisting("two@", "450 greylisted")
    (tmp_path / "sink-duty.json").write_bytes(b"\0" * 100)
    async with listening(server) as port:
        sink = sink_at(port, tmp_path / "sink-duty.json")
        assert sink.due(T) == []
        assert "is set aside" in caplog.text
        sink = sink_at(port, tmp_path / "no such folder" / "sink-duty.json")
        assert (await sink.deliver(change(), "k0", T)).taken, "the others have it: they must not get it again"
        assert "cannot be written" in caplog.text
        assert sink.due(T + 60 * SECOND) == ["a"]


@pytest.mark.acceptance
async def test_a_hub_that_is_killed_still_mails_who_was_greylisted_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Greylisting("two@", "450 greylisted")
    async with listening(server) as port:
        api = free_port()
        toml = (
            f'[[sinks]]\nname = "duty"\nprotocol = "email"\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\n'
            'sender = "hub@city.example"\nrecipients = ["one@city.example", "two@city.example"]\n'
        )
        city = write_city(tmp_path / "city", toml, api)
        hub = await asyncio.to_thread(RunningHub, city, api)
        await asyncio.to_thread(raised, hub)
        await asyncio.to_thread(hub.kill)
        assert server.recipients == ["<one@city.example>"]
        await asyncio.to_thread(minutes_later, city / "var" / "sink-duty.json")
        hub = await asyncio.to_thread(RunningHub, city, api)
        try:
            await asyncio.to_thread(degraded, hub)
            server.answer = "250 ok"
            await asyncio.to_thread(hub.wait, lambda: len(server.recipients) == 2, "who was greylisted got nothing")
            assert server.recipients[1:] == ["<two@city.example>"]
            await asyncio.to_thread(
                hub.wait, lambda: hub.reader("delivery/duty")["state"] == "up", "it is not well again"
            )
        finally:
            assert await asyncio.to_thread(hub.stop) == 0


def minutes_later(path: Path) -> None:
    """Who waits is tried again a minute after; the hub was off for longer."""
    waiting = json.loads(path.read_bytes())
    for mail in waiting.values():
        mail["next_at"] = 0
    path.write_text(json.dumps(waiting))


def raised(hub: RunningHub) -> None:
    hub.reading({"water_depth": 0.5}, "underpass-1")
    degraded(hub)


def degraded(hub: RunningHub) -> None:
    hub.wait(lambda: hub.reader("delivery/duty")["state"] == "degraded", "nothing says that one has not got it")
    assert "two@city.example" in hub.reader("delivery/duty")["detail"]
