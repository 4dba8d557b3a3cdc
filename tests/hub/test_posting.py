"""Reports that go out by themselves: when which is due, that none goes twice, what a failure costs; and one by mail through a whole hub."""

from __future__ import annotations

import asyncio
import io
from datetime import datetime
from email import message_from_string
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec
import pytest
from pypdf import PdfReader

from hub.api.state import State
from hub.app.keeping import REPORTS
from hub.app.posting import AGAIN_NS, Posting, due
from hub.health import Part
from hub.moment import SECOND, from_text
from hub.ports import Delivery, ReportFile, ReportSink, ReportWishes, StoreUnavailable
from hub.whole_file import replace
from tests.acceptance.running import write_city
from tests.adapters.test_video_sinks import MailServer
from tests.hub.running import running

ZONE = ZoneInfo("Asia/Shanghai")
WISHES = ReportWishes(("fleet",), "07:00")


@pytest.mark.parametrize(
    ("what", "at", "span"),
    [
        ("fleet", "2026-11-29T07:00:00+08:00", "2026-11-28"), ("fleet", "2026-11-29T06:59:59+08:00", "2026-11-27"), ("air", "2026-03-01T08:00:00+08:00", "2026-02-28"),
        ("air-month", "2026-12-01T07:00:00+08:00", "2026-11"), ("air-month", "2026-12-01T06:00:00+08:00", "2026-10"), ("air-month", "2027-01-31T07:00:00+08:00", "2026-12"),
    ],
)  # fmt: skip
def test_a_report_is_due_from_its_hour_on(what: str, at: str, span: str) -> None:
    assert due(what, WISHES, from_text(at), ZONE) == span


class Desk:
    """A destination that answers what it is told to."""

    def __init__(self) -> None:
        self.reports: ReportWishes | None = WISHES
        self.answer = Delivery(True)
        self.taken: list[tuple[str, str]] = []

    async def deliver_report(self, report: ReportFile, key: str, now: int) -> Delivery:
        self.taken.append((report.name, key))
        return self.answer


class Town:
    """What Posting asks of a hub."""

    def __init__(self, at: str) -> None:
        self.at = from_text(at)
        self.config = cast(Any, type("Config", (), {"zone": ZONE}))
        self.trouble: Exception | None = None

    def clock(self) -> int:
        return self.at

    async def fleet(self, day: str, kind: str | None, seen: Any) -> dict[str, Any]:
        assert seen("any")
        if self.trouble:
            raise self.trouble
        return {"day": day}

    def paper(self, what: str, answer: Any, form: str, chinese: bool) -> bytes:
        return f"{what} {answer['day']} {form} {chinese}".encode()


def posting(folder: Path, town: Town, desk: Desk) -> tuple[Posting, Part]:
    part = Part("reports", "up")
    sinks = {"desk": cast(ReportSink, desk)}
    return Posting(cast(State, town), lambda: sinks, folder, replace, part), part


async def test_a_new_destination_begins_with_the_next_and_gets_each_once(tmp_path: Path) -> None:
    town, desk = Town("2026-11-29T12:00:00+08:00"), Desk()
    post, part = posting(tmp_path, town, desk)
    await post.once()
    assert desk.taken == []
    town.at = from_text("2026-11-30T06:59:00+08:00")
    await post.once()
    assert desk.taken == []
    town.at = from_text("2026-11-30T07:00:10+08:00")
    await post.once()
    await post.once()
    again, _ = posting(tmp_path, town, desk)
    await again.once()
    assert desk.taken == [("fleet-2026-11-29.pdf", "desk/fleet/2026-11-29")]
    assert part.state == "up"


async def test_what_was_missed_goes_out_once_the_newest_alone(tmp_path: Path) -> None:
    town, desk = Town("2026-11-20T12:00:00+08:00"), Desk()
    await posting(tmp_path, town, desk)[0].once()
    town.at = from_text("2026-11-25T09:00:00+08:00")
    await posting(tmp_path, town, desk)[0].once()
    assert [name for name, _ in desk.taken] == ["fleet-2026-11-24.pdf"]


async def test_a_failure_is_told_and_tried_again_and_a_refusal_is_not(tmp_path: Path) -> None:
    town, desk = Town("2026-11-29T12:00:00+08:00"), Desk()
    post, part = posting(tmp_path, town, desk)
    await post.once()
    town.at, desk.answer = from_text("2026-11-30T07:01:00+08:00"), Delivery(False, detail="SMTP 451 later")
    await post.once()
    await post.once()
    assert (len(desk.taken), part.state) == (1, "degraded")
    town.at += AGAIN_NS
    await post.once()
    assert (len(desk.taken), "SMTP 451 later" in part.reason) == (2, True)
    town.at += AGAIN_NS
    town.trouble = StoreUnavailable("locked")
    await post.once()
    assert (len(desk.taken), "locked" in part.reason) == (2, True)
    town.at, town.trouble = town.at + AGAIN_NS, None
    desk.answer = Delivery(False, final=True, detail="550 who")
    await post.once()
    assert (len(desk.taken), "550 who" in part.reason) == (3, True)
    town.at += AGAIN_NS
    await post.once()
    assert (len(desk.taken), part.state) == (3, "degraded"), "nobody has that report, and nothing makes it better"
    assert "550 who" in part.reason
    town.at, desk.answer = from_text("2026-12-01T07:01:00+08:00"), Delivery(True, partly=True, detail="not for b (550)")
    await post.once()
    assert (part.state, "not for b (550)" in part.reason) == ("degraded", True)
    town.at, desk.answer = from_text("2026-12-02T07:01:00+08:00"), Delivery(True)
    await post.once()
    assert (len(desk.taken), part.state) == (5, "up")
    desk.taken = desk.taken[:3]
    assert len({key for _, key in desk.taken}) == 1, "the same key each time"


@pytest.mark.parametrize("trouble", [AttributeError("a defect"), None], ids=["raises", "never answers"])
async def test_a_sink_that_fails_or_never_answers_gets_no_report_each_few_seconds_and_holds_no_other_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception | None
) -> None:
    """It may have sent it before it failed."""
    monkeypatch.setattr("hub.app.posting.TAKES_S", 0.1)

    class Failing(Desk):
        async def deliver_report(self, report: ReportFile, key: str, now: int) -> Delivery:
            await super().deliver_report(report, key, now)
            if trouble is not None:
                raise trouble
            await asyncio.Event().wait()
            raise AssertionError

    town, failing, desk = Town("2026-11-29T06:00:00+08:00"), Failing(), Desk()
    sinks = cast(Any, {"first": failing, "second": desk})
    part = Part("reports")
    posts = Posting(cast(State, town), lambda: sinks, tmp_path, replace, part)
    await posts.once()
    town.at = from_text("2026-11-29T07:00:00+08:00")
    for _ in range(3):
        await posts.once()
    assert (len(failing.taken), len(desk.taken)) == (1, 1)
    assert part.state == "degraded"
    town.at += AGAIN_NS
    await posts.once()
    assert (len(failing.taken), len(desk.taken)) == (2, 1)


async def test_a_report_by_mail_through_a_whole_hub(tmp_path: Path) -> None:
    server = MailServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 22)
    port = listening.sockets[0].getsockname()[1]
    folder = write_city(
        tmp_path,
        '[api]\nlisten = "127.0.0.1:0"\n[[sinks]]\nname = "duty"\nprotocol = "email"\nhost = "127.0.0.1"\nsecurity = "none"\nsender = "hub@city.example"\n'
        f'recipients = ["fleet@city.example"]\nport = {port}\nreports = ["fleet"]\nreports_at = "00:00"\nlanguage = "zh"\n',
    )
    (folder / "var").mkdir()
    (folder / "var" / REPORTS).write_bytes(msgspec.json.encode({"duty": {"fleet": "2026-01-01"}}))
    async with listening, running(folder) as hub, asyncio.timeout(60):
        while not server.mails:
            await asyncio.sleep(0.05)
        day = f"{datetime.fromtimestamp((hub.now() - 86_400 * SECOND) // SECOND, ZONE):%Y-%m-%d}"
        mail = message_from_string(server.mails[0])
        [file] = [part for part in mail.walk() if part.get_content_disposition() == "attachment"]
        assert (file.get_filename(), file.get_content_type()) == (f"fleet-{day}.pdf", "application/pdf")
        data = file.get_payload(decode=True)
        assert isinstance(data, bytes)
        assert f"车队日报 {day}" in PdfReader(io.BytesIO(data)).pages[0].extract_text()
        while msgspec.json.decode((folder / "var" / REPORTS).read_bytes()) != {"duty": {"fleet": day}}:
            await asyncio.sleep(0.05)
