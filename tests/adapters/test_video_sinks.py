"""Milestone, Frigate, ZoneMinder, Home Assistant, e-mail: each against a simulated peer over a real socket."""

from __future__ import annotations

import asyncio
import json
from email import message_from_bytes, message_from_string
from email.header import decode_header
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.email.message import build as build_mail
from adapters.email.sink import EmailOptions, EmailSink
from adapters.frigate.sink import FrigateOptions, FrigateSink
from adapters.gb28181 import manscdp
from adapters.homeassistant.sink import HomeAssistantOptions, HomeAssistantSink
from adapters.milestone.sink import MilestoneOptions, MilestoneSink, analytics_event
from adapters.webhook.sink import WebhookOptions, WebhookSink, cloud_event
from adapters.zoneminder.sink import ZoneminderOptions, ZoneminderSink, trigger
from hub.app.plugins import Plugins
from hub.config import load_config
from hub.model import AlertChange, CameraView, Change, Pose, Position, Watch
from hub.ports import RememberingSink, RunningSink, Sink
from tests.adapters.http_peer import http_peer
from tests.shared import ROOT

T = 1_767_225_600_000_000_000
S = 1_000_000_000
GUID = "9f3b6c0e-1f5d-4b6e-8a57-0d9a3c3f6b11"


def dome(pose: Pose | None = None) -> CameraView:
    return CameraView(
        "dome", 0.9, 100, 90, True, "r", "东门", None, "", 99.0, pose or Pose(90.0, 5.0, 12.0, 60.0, 3, 1)
    )


def change(ordinal: int = 0, what: Change = Change.RAISED, **more: Any) -> AlertChange:
    given: dict[str, Any] = {"cameras": [dome()], "title": "管廊瓦斯超限 <5 %>", **more}
    return AlertChange(
        "city/gas tunnel-7 t",
        ordinal,
        T,
        "city/gas",
        "tunnel-7",
        what,
        "red",
        position=Position(116.397, 39.908),
        **given,
    )


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "PASSWORD"):
        monkeypatch.setenv(name, "s3cret")


# ---------------------------------------------------------------------------------------------- VMS


async def test_milestone_analytics_events() -> None:
    async with http_peer() as peer:
        sink = MilestoneSink(MilestoneOptions(url=peer.url, cameras={"dome": GUID}))
        assert (await sink.deliver(change(), "k", T)).taken
        assert (await sink.deliver(change(), "k", T)).taken
        assert peer.heard[0].body == peer.heard[1].body  # the same event, by its ID
        root = ET.fromstring(peer.heard[0].body)
        space = {"m": "urn:milestone-systems"}
        assert root.findtext("m:EventHeader/m:Source/m:FQID/m:ObjectId", "", space) == GUID
        assert root.findtext("m:EventHeader/m:Message", "", space) == "CityhubAlarm"
        assert "<5 %>" in root.findtext("m:Description", "", space)
        assert [child.tag.rpartition("}")[2] for child in root[0]] == [
            "ID",
            "Timestamp",
            "Type",
            "Message",
            "CustomTag",
            "Source",
        ]
        assert (await sink.deliver(change(1, Change.CLEARED), "k", T)).taken
        assert len(peer.heard) == 2
        await sink.close()
    ET.fromstring(analytics_event(change(title="\x00\ud800x"), "k", "m", None))
    with pytest.raises(ValueError, match="GUID"):
        MilestoneOptions(url="http://x", cameras={"a": "b"})


async def test_milestone_rest_logs_in_again_when_its_token_ends() -> None:
    answers = [
        (200, b'{"access_token":"t1","expires_in":3600}'),
        (202, b""),
        (401, b""),
        (200, b'{"access_token":"t2"}'),
        (202, b""),
    ]
    async with http_peer(lambda heard: answers.pop(0)) as peer:
        sink = MilestoneSink(
            MilestoneOptions(url=peer.url, mode="rest", cameras={"dome": GUID}, username="hub", password_env="PASSWORD")
        )
        assert (await sink.deliver(change(), "k", T)).taken
        assert not (await sink.deliver(change(), "k", T)).taken
        assert (await sink.deliver(change(), "k", T)).taken
        assert [heard.headers.get("authorization") for heard in peer.heard] == [
            None,
            "Bearer t1",
            "Bearer t1",
            None,
            "Bearer t2",
        ]
        assert json.loads(peer.heard[1].body)["source"] == GUID
        await sink.close()
    async with http_peer(lambda heard: (200, b"[]")) as peer:
        sink = MilestoneSink(MilestoneOptions(url=peer.url, mode="rest"))
        failed = await sink.deliver(change(), "k", T)
        assert (failed.taken, failed.final) == (False, False)
        await sink.close()


async def test_frigate_events_begin_and_end() -> None:
    async with http_peer(lambda heard: (200, b'{"success":true,"event_id":"17.5-a"}')) as peer:
        sink = FrigateSink(FrigateOptions(url=peer.url, cameras={"dome": "east gate"}, duration_s=0))
        assert (await sink.deliver(change(), "k", T)).taken
        assert (await sink.deliver(change(1, Change.ESCALATED), "k", T)).detail == "its event is still running"
        assert (await sink.deliver(change(2, Change.CLEARED), "k", T)).taken
        assert [(heard.method, heard.path) for heard in peer.heard] == [
            ("POST", "/api/events/east%20gate/cityhub/create"),
            ("PUT", "/api/events/17.5-a/end"),
        ]
        assert json.loads(peer.heard[0].body)["duration"] is None
        assert "old" in (await sink.deliver(change(), "k", T + 7200 * S)).detail
        await sink.close()
    async with http_peer(lambda heard: (404, b"no such camera")) as peer:
        sink = FrigateSink(FrigateOptions(url=peer.url, cameras={"dome": "x"}))
        assert (await sink.deliver(change(), "k", T)).final
        await sink.close()


async def test_a_frigate_event_is_ended_also_after_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "sink-frigate.json"
    async with http_peer(lambda heard: (200, b'{"success":true,"event_id":"17.5-a"}')) as peer:
        options = FrigateOptions(url=peer.url, cameras={"dome": "east"}, duration_s=0)
        for what in (Change.RAISED, Change.ESCALATED, Change.CLEARED, Change.CLEARED):
            sink = FrigateSink(options)  # a new one each time: the hub was restarted
            assert isinstance(sink, RememberingSink)
            sink.remember_in(path)
            assert (await sink.deliver(change(what=what), "k", T)).taken
            await sink.close()
        assert [heard.method for heard in peer.heard] == ["POST", "PUT"]
        path.write_bytes(b"[1]")
        FrigateSink(options).remember_in(path)
        assert "cannot be used" in caplog.text


@pytest.mark.parametrize("name", ["milestone", "milestone-rest", "frigate", "homeassistant", "zoneminder"])
async def test_a_peer_that_is_down_or_busy_is_tried_again(name: str) -> None:
    """And a warning without a camera that the peer knows is taken, or told without one."""

    def make(url: str, port: int) -> Sink:
        if name == "milestone":
            return MilestoneSink(MilestoneOptions(url=url, cameras={"dome": GUID}))
        if name == "milestone-rest":
            return MilestoneSink(MilestoneOptions(url=url, mode="rest", username="hub", password_env="PASSWORD"))
        if name == "frigate":
            return FrigateSink(FrigateOptions(url=url, cameras={"dome": "east"}))
        if name == "homeassistant":
            return HomeAssistantSink(HomeAssistantOptions(url=url, cameras={"dome": "camera.east"}))
        return ZoneminderSink(ZoneminderOptions(host="127.0.0.1", port=port, monitors={"dome": 3}))

    down = make("http://127.0.0.1:1", 1)
    refused = await down.deliver(change(), "k", T)
    assert (refused.taken, refused.final) == (False, False)
    assert refused.detail
    await down.close()
    async with http_peer(lambda heard: (503, b"busy")) as peer:
        port = int(peer.url.rpartition(":")[2])
        busy = make(peer.url, port)
        if name != "zoneminder":  # its port answers nothing: written is taken
            later = await busy.deliver(change(), "k", T)
            assert (later.taken, later.final) == (False, False)
        elsewhere = change(cameras=[msgspec.structs.replace(dome(), camera="elsewhere")])
        if name in ("frigate", "zoneminder"):
            assert "none of its cameras" in (await busy.deliver(elsewhere, "k", T)).detail
        await busy.close()


async def test_home_assistant_cameras_wait_ahead_and_go_home_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.ptz.HOME_CHECK_S", 0.02)
    moment = [T]
    async with http_peer() as peer:
        cameras = {"dome": "camera.east", "next": "camera.west"}
        options = HomeAssistantOptions(url=peer.url, cameras=cameras, lease_s=60)
        sink = HomeAssistantSink(options, now=lambda: moment[0])
        assert isinstance(sink, RunningSink)
        running = asyncio.create_task(sink.run())
        ahead = Watch("next", 20.0, 30.0, pose=Pose(270.0, 3.0, preset=7, home=2))
        assert (await sink.deliver(change(handover=[ahead]), "k", T)).detail == "dome turned; next turned"
        moment[0] = T + 61 * S
        async with asyncio.timeout(60):
            while len(peer.heard) < 5:
                await asyncio.sleep(0.01)
        moves = [json.loads(heard.body) for heard in peer.heard if heard.path.endswith("/ptz")]
        assert [(move["entity_id"], move["preset"]) for move in moves] == [
            ("camera.east", "3"), ("camera.west", "7"), ("camera.east", "1"), ("camera.west", "2"),
        ]  # fmt: skip
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await sink.close()


async def test_zoneminder_triggers() -> None:
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        sink = ZoneminderSink(ZoneminderOptions(host="127.0.0.1", port=port, monitors={"dome": 3}))
        assert (await sink.deliver(change(title="a|b\nc"), "k", T)).taken
        assert (await sink.deliver(change(), "k", T + 400 * S)).detail.startswith("no trigger")
        await asyncio.sleep(0.05)
    assert got == [b"3|on+60|240|cityhub red|a/b c|a/b c\n"]
    assert not (await sink.deliver(change(), "k", T)).taken
    line = trigger(1, change(title="x" * 500), 5).decode()
    assert [len(part) for part in line.strip().split("|")][4:] == [256, 32]


async def test_home_assistant_events_and_presets() -> None:
    async with http_peer() as peer:
        options = HomeAssistantOptions(url=peer.url, token_env="TOKEN", cameras={"dome": "camera.east"})
        sink = HomeAssistantSink(options)
        assert (await sink.deliver(change(), "k", T)).detail == "dome turned"
        event, move = peer.heard
        assert event.path == "/api/events/cityhub_alert"
        assert event.headers["authorization"] == "Bearer s3cret"
        assert json.loads(event.body)["id"] == change().id
        assert json.loads(move.body) == {"entity_id": "camera.east", "move_mode": "GotoPreset", "preset": "3"}
        await sink.deliver(change(1, Change.CLEARED), "k", T)
        assert json.loads(peer.heard[-1].body)["preset"] == "1"
        heard = len(peer.heard)
        await sink.deliver(change(2), "k", T + 3600 * S)
        assert len(peer.heard) == heard + 1  # the event, and no camera turned
        await sink.close()
    async with http_peer(lambda heard: (401, b"")) as peer:
        sink = HomeAssistantSink(HomeAssistantOptions(url=peer.url))
        refused = await sink.deliver(change(), "k", T)
        assert (refused.taken, refused.final) == (False, False)  # a token can be mended
        await sink.close()


# ---------------------------------------------------------------------------------------------- e-mail


class MailServer:
    """SMTP by hand. `said` answers a command's first word."""

    def __init__(self, **said: str) -> None:
        self.said = said
        self.mails: list[str] = []
        self.recipients: list[str] = []

    def to(self, line: str) -> str:
        """What is said of a recipient."""
        return self.said.get("RCPT", "250 ok")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        finally:  # a client that leaves without a word may end the test first
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        while line := (await reader.readline()).decode():
            word = line.split()[0].upper() if line.strip() else ""
            answer = self.to(line) if word == "RCPT" else self.said.get(word, "250 ok")
            if word == "RCPT" and answer.startswith("250"):
                self.recipients.append(line.split(":")[1].strip())
            if word == "DATA" and "DATA" not in self.said:
                writer.write(b"354 go\r\n")
                text = (await reader.readuntil(b"\r\n.\r\n")).decode()
                self.mails.append(text[:-5])
                answer = self.said.get("END", "250 taken")
            if word == "QUIT":
                answer = "221 bye"
            writer.write(f"{answer}\r\n".encode())
            await writer.drain()
            if word == "QUIT":
                break


async def mailed(server: MailServer, *changes: AlertChange) -> list[Any]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listening:
        sink = EmailSink(
            EmailOptions(
                host="127.0.0.1", port=listening.sockets[0].getsockname()[1], security="none", sender="Hub <hub@city.example>",
                recipients=["duty@city.example", "二 <two@city.example>"], timeout_s=5.0,
            )
        )  # fmt: skip
        return [await sink.deliver(one, one.id, T) for one in changes]


async def test_mails_form_a_thread_and_repeat_their_id() -> None:
    server = MailServer()
    outcomes = await mailed(server, change(), change(1, Change.CLEARED), change(), change(2, Change.ACKNOWLEDGED))
    assert [outcome.taken for outcome in outcomes] == [True] * 4
    assert len(server.mails) == 3  # an acknowledgement is worth none
    first, second, again = (message_from_string(mail) for mail in server.mails)
    subject = "".join(
        part.decode(code or "ascii") if isinstance(part, bytes) else part
        for part, code in decode_header(first["Subject"])
    )
    assert subject == "[red] 管廊瓦斯超限 <5 %>"
    assert first["Message-ID"] == again["Message-ID"] == second["In-Reply-To"]
    text = first.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "39.908000, 116.397000" in text
    assert "东门" in text
    assert server.recipients[:2] == ["<duty@city.example>", "<two@city.example>"]


@pytest.mark.parametrize(
    ("said", "final"),
    [({"END": "451 later"}, False), ({"END": "554 no"}, True), ({"RCPT": "550 who"}, True), ({"RCPT": "450 grey"}, False), ({"MAIL": "421 busy"}, False)],
)  # fmt: skip
async def test_what_mail_servers_answer(said: dict[str, str], final: bool) -> None:
    (outcome,) = await mailed(MailServer(**said), change())
    assert (outcome.taken, outcome.final) == (False, final)


class Greylisting(MailServer):
    """Does not take mails for one recipient yet, or ever."""

    def __init__(self, whom: str, answer: str) -> None:
        super().__init__()
        self.whom, self.answer = whom, answer

    def to(self, line: str) -> str:
        return self.answer if self.whom in line else "250 ok"


async def test_who_is_not_taken_yet_gets_the_mail_later_alone_and_nobody_waits_for_it() -> None:
    """A server that greylists one of two (450) took the mail for the other: the first never heard of the warning, and the destination was "up"."""
    server = Greylisting("two@", "450 greylisted")
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listening:
        sink = EmailSink(
            EmailOptions(
                host="127.0.0.1", port=listening.sockets[0].getsockname()[1], security="none", sender="hub@city.example",
                recipients=["duty@city.example", "two@city.example"], timeout_s=5.0,
            )
        )  # fmt: skip
        outcome = await sink.deliver(change(), "k0", T)
        assert (outcome.taken, outcome.partly, outcome.detail) == (True, True, "not taken for two@city.example (450)")
        assert server.recipients == ["<duty@city.example>"]
        assert sink.due(T) == []
        (key,) = sink.due(T + 60 * S)
        assert (await sink.renew(key, T + 60 * S)).partly
        assert sink.due(T + 120 * S) == []
        await sink.deliver(change(1, Change.CLEARED), "k1", T + 121 * S)  # who waits hears the newest alone
        server.answer = "250 ok"
        (key,) = sink.due(T + 400 * S)
        outcome = await sink.renew(key, T + 400 * S)
        assert (outcome.taken, outcome.partly) == (True, False)
        assert server.recipients == ["<duty@city.example>"] * 2 + ["<two@city.example>"]
        assert message_from_string(server.mails[-1])["In-Reply-To"]
        assert sink.due(T + 10**6 * S) == []
        server.answer = "450 full"
        await sink.deliver(change(2), "k2", T)
        for late in range(1, 10):
            for key in sink.due(T + late * 3600 * S):
                assert (await sink.renew(key, T + late * 3600 * S)).partly
        assert sink.due(T + 10**6 * S) == []  # not for ever
        server.answer = "550 nobody"
        assert (await sink.deliver(change(3), "k3", T)).partly
        assert sink.due(T + 10**6 * S) == []
    outcome = await sink.renew("a", T)
    assert outcome.taken


async def test_a_dead_mail_server_and_bad_options() -> None:
    sink = EmailSink(EmailOptions(host="127.0.0.1", port=1, security="none", sender="a@b", recipients=["c@d"]))
    assert not (await sink.deliver(change(title="x\r\nBcc: all@city"), "k", T)).taken
    for wrong, words in (
        ({"recipients": []}, "at least one"),
        ({"sender": "hub"}, "no e-mail address"),
        ({"recipients": ["a@b\r\nBcc: c@d"]}, "no e-mail address"),
        ({"security": "none", "username": "u"}, "in the clear"),
    ):
        with pytest.raises(ValueError, match=words):
            EmailOptions(**{"host": "h", "sender": "a@b", "recipients": ["c@d"], **wrong})


# ---------------------------------------------------------------------------------------------- all of them


async def test_webhooks_in_a_cloud_events_envelope() -> None:
    async with http_peer() as peer:
        sink = WebhookSink(WebhookOptions(url=peer.url, envelope="cloudevents"))
        assert (await sink.deliver(change(), change().id, T)).taken
        event = json.loads(peer.heard[0].body)
        assert peer.heard[0].headers["content-type"] == "application/cloudevents+json"
        assert (event["specversion"], event["type"], event["id"]) == ("1.0", "io.cityhub.alert.raised", change().id)
        assert event["data"]["clip"] == {"from": "2025-12-31T23:59:00Z", "to": "2026-01-01T00:02:00Z"}
        assert event["data"]["cameras"][0]["pose"]["azimuth_deg"] == 90.0
        await sink.close()
    with pytest.raises(ValueError, match="cloudevents"):
        WebhookOptions(url="http://x", envelope="soap")


@pytest.mark.parametrize(
    "protocol", ["cap", "gb28181", "onvif", "milestone", "frigate", "zoneminder", "homeassistant", "email", "webhook"]
)
def test_samples_are_read_without_a_mistake(protocol: str, tmp_path: Any) -> None:
    sample = (ROOT / "adapters" / protocol / "sample.toml").read_text("utf-8")
    (tmp_path / "hub.toml").write_text(f'[hub]\nname = "x"\n{sample}', "utf-8")
    config, mistakes = load_config(tmp_path, Plugins())
    assert mistakes == []
    assert config is not None
    assert config.sinks[0].protocol == protocol


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80), st.text(max_size=30), st.text(max_size=30), st.floats(), st.sampled_from(list(Change)))
def test_whatever_a_change_says_it_can_be_sent(title: str, subject: str, area: str, value: float, what: Change) -> None:
    said = AlertChange(
        f"r/x {subject} t", 1, T, "r/x", subject, what, "red", title, {"pm25": value}, area=area, note=title, who=subject,
        cameras=[msgspec.structs.replace(dome(), name=title, stream_url=subject)],
    )  # fmt: skip
    mail = build_mail(said, said.id, "hub@city.example", ["a@b"])
    assert mail["Subject"].startswith("[red]")
    message_from_bytes(mail.as_bytes())
    ET.fromstring(analytics_event(said, said.id, "m", GUID))
    assert trigger(1, said, 60).count(b"|") == 5
    json.dumps(cloud_event(said, said.id), allow_nan=False)
    alarm = manscdp.Alarm("34020000001340000001", 1, 2, T, title, extra=subject)
    body = manscdp.read(manscdp.encode(manscdp.alarm(1, alarm), "GB2312"))
    assert isinstance(body, manscdp.Body)
