"""GB/T 28181: the codec by itself, then the agent against a platform of our own over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gb28181 import PLUGIN, manscdp, ptz
from adapters.gb28181.device import Device
from adapters.gb28181.digest import Challenge, answer, read
from adapters.gb28181.manscdp import Channel
from adapters.gb28181.profile import PROFILES
from adapters.gb28181.sink import Gb28181Options, Gb28181Sink
from adapters.gb28181.sip import Framer, Malformed, SipMessage, parse
from hub.app.plugins import Plugins
from hub.model import AlertChange, CameraView, Change, Pose, Position, Watch
from hub.ports import RunningSink
from tests.adapters.gb28181_platform import PASSWORD, Platform, header, tag

T = 1_767_225_600_000_000_000
DEVICE, SERVER = "34020000002050000001", "34020000002000000001"
INPUT = "34020000001340000001"


def change(ordinal: int = 0, what: Change = Change.RAISED, level: str = "red", **more: Any) -> AlertChange:
    return AlertChange(
        "city/gas tunnel-7 t", ordinal, T, "city/gas", "tunnel-7", what, level, "管廊瓦斯超限 <5%>",
        position=Position(116.397, 39.908), **more,
    )  # fmt: skip


def dome(pose: Pose | None = None) -> CameraView:
    given = pose or Pose(90.0, 5.0, 12.0, 60.0, 3, 1, zoom=5.2)
    return CameraView("dome", 0.9, 100, 90, True, "r", "东门", None, "34020000001320000007", 99.0, given)


def options(port: int, scheme: str = "udp", **more: Any) -> Gb28181Options:
    given: dict[str, Any] = {
        "channels": [Channel(id=INPUT, name="管廊", lon=116.0, lat=39.0)], "password_env": "GB_PASSWORD", "retry_s": 0.05,
        "timeout_s": 1.5, "keepalive_s": 30.0,
    }  # fmt: skip
    return Gb28181Options(
        connect=f"{scheme}://127.0.0.1:{port}", server_id=SERVER, device_id=DEVICE, **{**given, **more}
    )


async def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not come about"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def session(platform: Platform, scheme: str = "udp", **more: Any) -> AsyncIterator[Gb28181Sink]:
    await (platform.start_tcp() if scheme == "tcp" else platform.start_udp())
    sink = Gb28181Sink(options(platform.port, scheme, **more), now=lambda: T)
    task = asyncio.create_task(sink.run())
    try:
        yield sink
    finally:
        await sink.close()
        assert task.done()
        await platform.stop()


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GB_PASSWORD", PASSWORD)


# ---------------------------------------------------------------------------------------------- pure parts


def test_ptz_commands_of_the_standard() -> None:
    """Vectors computed by hand from A.3."""
    assert ptz.command(ptz.RIGHT, 0x80) == "A50F010180000036"
    assert ptz.command(ptz.RIGHT, 0x80, address=0) == "A50F000180000035"
    assert ptz.command(ptz.STOP) == "A50F0100000000B5"
    assert ptz.preset(3) == "A50F01820003003A"
    assert ptz.command(ptz.ZOOM_IN, zoom=15, address=0x123) == "A50F23100000F1D8"
    for bad in (0, 256):
        with pytest.raises(ValueError, match="1 to 255"):
            ptz.preset(bad)


def test_digest_of_rfc_2617() -> None:
    """The example of RFC 2617 §3.5."""
    challenge = read(
        'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    )
    assert challenge is not None
    said = answer(challenge, "Mufasa", "Circle Of Life", "GET", "/dir/index.html", 1, "0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in said
    assert read("Basic x") is None
    assert read('Digest realm="a",nonce="b",algorithm=AKAv1-MD5') is None
    without = answer(Challenge("r", "n"), "u", "p", "REGISTER", "sip:x", 1, "c")
    assert "qop" not in without


MESSAGE = (
    b"MESSAGE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9\r\nf: <sip:c@d>;tag=1\r\nt: <sip:a@b>\r\ni: x\r\n"
    b"CSeq: 7 MESSAGE\r\nSubject: a\r\n folded\r\nl: 5\r\n\r\nhello"
)


def test_sip_reads_compact_and_folded_headers() -> None:
    message = parse(MESSAGE)
    assert isinstance(message, SipMessage)
    assert (message.method, message.branch, message.sequence, message.body) == (
        "MESSAGE",
        "z9",
        (7, "MESSAGE"),
        b"hello",
    )
    assert message.header("subject") == "a folded"
    for bad in (
        b"",
        MESSAGE[:-1],
        MESSAGE.replace(b"l: 5", b"l: x"),
        MESSAGE.replace(b"CSeq", b"XSeq"),
        b"GET / HTTP/1.1\r\n\r\n",
    ):
        assert isinstance(parse(bad), Malformed)


@given(st.lists(st.integers(1, 60), max_size=20))
def test_any_chunking_of_a_stream_gives_the_same_messages(sizes: list[int]) -> None:
    stream = b"\r\n\r\n" + MESSAGE + b"\r\n" + MESSAGE
    framer, found, at = Framer(), [], 0
    for size in [*sizes, len(stream)]:
        found += framer.feed(stream[at : at + size])
        at += size
    assert [message.body for message in found if isinstance(message, SipMessage)] == [b"hello", b"hello"]


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    parse(data)
    Framer().feed(data + b"\r\n\r\n")
    manscdp.read(data)
    manscdp.read(b"<Query><CmdType>Catalog</CmdType>" + data + b"</Query>")


WORDS = st.sampled_from(
    ["Alarm", "Catalog", "DeviceInfo", "DeviceStatus", "DeviceControl", "SetGuard", "ResetGuard", "ResetAlarm", "", "²", "0", "9" * 40, INPUT, DEVICE]
)  # fmt: skip


@given(
    st.sampled_from(["MESSAGE", "SUBSCRIBE", "INVITE", "BYE", "OPTIONS"]), st.sampled_from(["Query", "Control", "Response", "Notify"]),
    st.lists(st.tuples(st.sampled_from(["CmdType", "SN", "DeviceID", "GuardCmd", "AlarmCmd", "PTZCmd", "StartAlarmPriority", "AlarmMethod"]), WORDS), max_size=6),
    WORDS | st.text(max_size=10), st.text(max_size=20),
)  # fmt: skip
def test_no_request_upsets_the_device(
    method: str, kind: str, fields: list[tuple[str, str]], expires: str, event: str
) -> None:
    device = Device(DEVICE, "hub", [Channel(id=INPUT, name="x")], PROFILES["strict"])
    inside = "".join(f"<{name}>{text}</{name}>" for name, text in fields)
    headers = (
        ("Via", "v"),
        ("From", "f"),
        ("To", "t"),
        ("Call-ID", "c"),
        ("CSeq", "1 X"),
        ("Expires", expires),
        ("Event", event),
    )
    heard = device.hear(SipMessage(headers, f"<{kind}>{inside}</{kind}>".encode(), method, "sip:x"), "tag", T)
    assert 200 <= heard.status <= 599
    alarm = manscdp.Alarm(INPUT, 1, 2, T, "x")
    device.subscribers(alarm, T)
    device.refuses(alarm, T)


def test_a_stream_without_boundaries_is_given_up() -> None:
    framer = Framer()
    assert isinstance(framer.feed(b"x" * 20_000)[0], Malformed)
    assert framer.broken
    assert framer.feed(MESSAGE) == []
    assert Framer().feed(MESSAGE.replace(b"l: 5", b"l: 99999999"))[0].detail.startswith("a body of")  # type: ignore[union-attr]


def test_charsets_that_lie() -> None:
    text = "<Notify><CmdType>Alarm</CmdType><SN>1</SN><DeviceID>1</DeviceID><D>管廊瓦斯超限</D></Notify>"
    for declared, codec in (("GB2312", "gb18030"), ("GB2312", "utf-8"), ("UTF-8", "utf-8"), ("UTF-8", "gb18030")):
        body = manscdp.read(f'<?xml version="1.0" encoding="{declared}"?>{text}'.encode(codec))
        assert isinstance(body, manscdp.Body)
        assert body.text("D") == "管廊瓦斯超限"
    for word in ("东", "门", "东门", "管廊", "甲烷", "Ω", "é"):  # little to go by; what is declared may be false
        for codec in ("gb18030", "utf-8"):
            honest = "UTF-8" if codec == "utf-8" else "GB2312"
            body = manscdp.read(
                f'<?xml version="1.0" encoding="{honest}"?>{text.replace("管廊瓦斯超限", word)}'.encode(codec)
            )
            assert isinstance(body, manscdp.Body)
            assert body.text("D") == word
        lied = manscdp.read(f'<?xml version="1.0" encoding="GB2312"?>{text.replace("管廊瓦斯超限", word)}'.encode())
        if len(word.encode()) >= 6 or word == "东":  # "东<" in UTF-8 is no GB 18030
            assert isinstance(lied, manscdp.Body)
            assert lied.text("D") == word
    broken = manscdp.read(b"<Notify><CmdType>Alarm</CmdType><D>\xff\xff\x81</D></Notify>")
    assert isinstance(broken, manscdp.Body)  # neither: replaced, and the rest is read
    assert "document type" in str(manscdp.read(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'))


def test_a_catalog_item_with_info_fields_in_either_place() -> None:
    inside = "<PTZType>1</PTZType><DirectionType>3</DirectionType><HorizontalFieldAngle>60</HorizontalFieldAngle>"
    for fields in (inside, f"<Info>{inside}</Info>"):
        body = manscdp.read(
            f"<Response><CmdType>Catalog</CmdType><SN>7</SN><SumNum>1</SumNum><DeviceList Num='1'><Item><DeviceID>1</DeviceID>"
            f"<Longitude>x</Longitude>{fields}</Item></DeviceList></Response>".encode()
        )
        assert isinstance(body, manscdp.Body)
        total, (item,) = manscdp.catalog_items(body)
        assert (total, item.ptz_type, item.azimuth_deg, item.hfov_deg, item.lon) == (1, 1, 180.0, 60.0, None)


def test_options_that_cannot_be() -> None:
    for wrong, words in (
        ({"channels": []}, "at least one alarm input"),
        ({"profile": "hik"}, "wvp"),
        ({"server_id": "1"}, "20 digits"),
        ({"connect": "http://x"}, "udp://"),
        ({"expires_s": 60}, "an hour"),
    ):
        given = {
            "connect": "udp://h:5060",
            "server_id": SERVER,
            "device_id": DEVICE,
            "channels": [Channel(id=INPUT, name="x")],
        }
        with pytest.raises(ValueError, match=words):
            Gb28181Options(**{**given, **wrong})  # type: ignore[arg-type]
    assert Plugins()["gb28181"] is PLUGIN


# ---------------------------------------------------------------------------------------------- against a platform


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
async def test_registration_alarm_and_goodbye(scheme: str) -> None:
    platform = Platform()
    platform.confirms_alarms = True
    async with session(platform, scheme) as sink:
        assert isinstance(sink, RunningSink)
        delivery = await sink.deliver(change(), "k", T)
        assert delivery.taken, delivery.detail
        (body,) = platform.bodies("Alarm")
        assert (tag(body, "DeviceID"), tag(body, "AlarmPriority"), tag(body, "AlarmMethod")) == (INPUT, "1", "2")
        assert tag(body, "AlarmTime") == "2026-01-01T08:00:00"
        assert tag(body, "AlarmDescription") == "管廊瓦斯超限 &lt;5%&gt;"
        assert tag(body, "Longitude") == "116.397000"
        assert "AlarmTypeParam" not in body
        register = platform.heard[0][0]
        assert header(register, "X-GB-Ver") == "2.0"
        assert header(register, "Call-ID") == header(platform.heard[1][0], "Call-ID")
        assert (await sink.deliver(change(1, Change.CLEARED), "k2", T)).taken  # nothing to say
        assert len(platform.bodies("Alarm")) == 1
        await until(lambda: sink.device.confirmed == 1)
    assert not platform.registered  # it logged out
    assert header(platform.heard[-1][0], "Expires") == "0"


async def test_a_wrong_password_and_a_dead_platform_are_said() -> None:
    platform = Platform()
    async with session(platform, timeout_s=0.3) as sink:
        platform._nonce = "another"
        sink.agent._account = type(sink.agent._account)(
            **{name: getattr(sink.agent._account, name) for name in sink.agent._account.__struct_fields__}
            | {"password": "x"}
        )
        delivery = await sink.deliver(change(), "k", T)
        assert (delivery.taken, delivery.final) == (False, False)
        assert "403" in delivery.detail
    silent = Platform(lambda method, text: 0)
    async with session(silent, timeout_s=0.7) as sink:
        assert not (await sink.deliver(change(), "k", T)).taken
        await until(lambda: "no answer" in sink.agent.state.en)
        assert sum("REGISTER" in head for head, _ in silent.heard) >= 2  # repeated over UDP


async def test_answers_of_the_platform_decide() -> None:
    status = {"now": 200}
    platform = Platform(lambda method, text: status["now"] if "<CmdType>Alarm<" in text else None)
    async with session(platform) as sink:
        for said, taken, final in ((200, True, False), (486, False, False), (500, False, False), (488, False, True)):
            status["now"] = said
            delivery = await sink.deliver(change(), "k", T)
            assert (delivery.taken, delivery.final) == (taken, final), said
        status["now"] = 404  # as wvp says to whom it does not know: register again
        before = sum(head.startswith("REGISTER") for head, _ in platform.heard)
        assert not (await sink.deliver(change(), "k", T)).taken
        status["now"] = 200
        await until(lambda: sum(head.startswith("REGISTER") for head, _ in platform.heard) > before)
        assert (await sink.deliver(change(), "k", T)).taken


async def test_the_platform_asks_and_orders() -> None:
    channels = [Channel(id=f"3402000000134000000{n}", name=f"输入{n}") for n in range(1, 7)]
    platform = Platform()
    async with session(platform, channels=channels) as sink:
        await until(lambda: platform.registered)
        platform.message(f"<Query><CmdType>Catalog</CmdType><SN>17</SN><DeviceID>{DEVICE}</DeviceID></Query>")
        await until(lambda: len(platform.bodies("Catalog", "Response")) == 2)
        answers = platform.bodies("Catalog", "Response")
        assert {tag(body, "SN") for body in answers} == {"17"}
        assert {tag(body, "SumNum") for body in answers} == {"6"}
        assert sum(body.count("<Item>") for body in answers) == 6
        assert "输入6" in answers[1]

        heard = len(platform.heard)
        platform.again()
        platform.message(f"<Query><CmdType>Catalog</CmdType><SN>17</SN><DeviceID>{DEVICE}</DeviceID></Query>")
        await until(lambda: len(platform.responses) >= 2 + 0)
        await asyncio.sleep(0.1)
        assert len(platform.heard) == heard  # a repeated request is answered, not done again

        for command, expected in (
            ("DeviceInfo", "DeviceName"),
            ("DeviceStatus", "ONDUTY"),
            ("ConfigDownload", "ERROR"),
        ):
            platform.message(f"<Query><CmdType>{command}</CmdType><SN>18</SN><DeviceID>{DEVICE}</DeviceID></Query>")
            await until(lambda command=command: platform.bodies(command, "Response"))  # type: ignore[misc]
            assert expected in platform.bodies(command, "Response")[-1]

        order = "<Control><CmdType>DeviceControl</CmdType><SN>19</SN><DeviceID>{}</DeviceID><{}</Control>"
        platform.message(order.format(channels[0].id, "GuardCmd>ResetGuard</GuardCmd>"))
        await until(lambda: platform.bodies("DeviceControl", "Response"))
        refused = await sink.deliver(change(), "k", T)
        assert refused.final
        assert "guard" in refused.detail
        platform.message(order.format(channels[0].id, "GuardCmd>SetGuard</GuardCmd>"))
        await until(lambda: len(platform.bodies("DeviceControl", "Response")) == 2)
        assert (await sink.deliver(change(), "k", T)).taken

        platform.message("", encoded=b"\xff\xfe rubbish")
        await until(lambda: platform.responses[-1][0].startswith("SIP/2.0 400"))
        platform.message("", method="INVITE")
        await until(lambda: platform.responses[-1][0].startswith("SIP/2.0 488"))


async def test_a_latched_channel_waits_for_reset() -> None:
    platform = Platform()
    async with session(platform, profile="strict") as sink:
        assert (await sink.deliver(change(), "k", T)).taken
        waits = await sink.deliver(change(1, Change.ESCALATED), "k2", T)
        assert (waits.taken, waits.final) == (False, False)
        platform.message(
            f"<Control><CmdType>DeviceControl</CmdType><SN>1</SN><DeviceID>{DEVICE}</DeviceID><AlarmCmd>ResetAlarm</AlarmCmd></Control>"
        )
        await until(lambda: platform.bodies("DeviceControl", "Response"))
        assert (await sink.deliver(change(1, Change.ESCALATED), "k2", T)).taken
        # Nobody resets: the warning still comes through in the end.
        assert (await sink.deliver(change(2, Change.ESCALATED), "k3", T + 301 * 10**9)).taken
        assert tag(platform.bodies("Alarm")[-1], "ExtraInfo") == change(2).id


@pytest.mark.parametrize("event", ["presence", "Alarm"])
async def test_a_subscriber_is_told_by_notify(event: str) -> None:
    platform = Platform()
    query = f"<Query><CmdType>Alarm</CmdType><SN>5</SN><DeviceID>{DEVICE}</DeviceID><EndAlarmPriority>2</EndAlarmPriority></Query>"
    async with session(platform) as sink:
        await until(lambda: platform.registered)
        platform.message(query, "SUBSCRIBE", f"Event: {event};id=9\r\nExpires: 600\r\n", "sub1")
        await until(lambda: platform.responses)
        assert header(platform.responses[0][0], "Expires") == "600"
        assert (await sink.deliver(change(), "k", T)).taken
        head, _ = platform.heard[-1]
        assert head.startswith("NOTIFY sip:34020000002000000001@127.0.0.1")
        assert (header(head, "Event"), header(head, "Call-ID")) == (f"{event};id=9", "sub1")
        assert header(head, "Subscription-State") == "active;expires=600"
        assert header(head, "From") == header(platform.responses[0][0], "To")
        await sink.deliver(change(1, Change.LOWERED, "yellow"), "k2", T)  # priority 3 was not asked for
        assert platform.heard[-1][0].startswith("MESSAGE")
        platform.message(query, "SUBSCRIBE", f"Event: {event};id=9\r\nExpires: 0\r\n", "sub1")
        await until(lambda: len(platform.responses) == 2)
        await sink.deliver(change(2), "k3", T)
        assert platform.heard[-1][0].startswith("MESSAGE")


async def test_a_ptz_camera_turns_once_while_it_is_fresh_and_goes_home() -> None:
    platform = Platform()
    async with session(platform, turn_cameras=True, profile="2022") as sink:
        taken = await sink.deliver(change(cameras=[dome()]), "k", T + 10**9)
        assert "dome turned" in taken.detail
        head, body = platform.heard[-1]
        assert head.startswith("MESSAGE sip:34020000001320000007@3402000000")
        assert (tag(body, "Pan"), tag(body, "Tilt"), tag(body, "Zoom")) == ("60.00", "5.00", "5.20")
        await sink.deliver(change(1, Change.CLEARED), "k2", T + 2 * 10**9)
        assert tag(platform.heard[-1][1], "PTZCmd") == ptz.preset(1)
        heard = len(platform.heard)
        stale = await sink.deliver(change(2, cameras=[dome()]), "k3", T + 3600 * 10**9)
        assert "3600 s old" in stale.detail
        assert len(platform.heard) == heard + 1  # the alarm, and no order
    platform = Platform()
    async with session(platform, turn_cameras=True, profile="wvp") as sink:
        ahead = Watch("next", 40.0, 60.0, pose=Pose(270.0, 3.0, preset=7, home=2), gb28181_id="34020000001320000008")
        taken = await sink.deliver(change(cameras=[dome()], handover=[ahead]), "k", T)
        assert "dome turned; next turned to wait from 40 s on" in taken.detail
        assert [tag(body, "PTZCmd") for body in platform.bodies("DeviceControl")] == [ptz.preset(3), ptz.preset(7)]
        await sink.deliver(change(1, Change.CLEARED), "k2", T)
        assert {tag(body, "PTZCmd") for body in platform.bodies("DeviceControl")[2:]} == {ptz.preset(1), ptz.preset(2)}
    async with session(Platform(), turn_cameras=True, profile="wvp") as sink:
        sink_platform_answer = await sink.deliver(change(cameras=[dome(Pose(90.0, 5.0))]), "k", T)
        assert "no camera turned: dome has no known pan scale and no preset" in sink_platform_answer.detail


async def test_the_catalog_of_a_platform() -> None:
    platform = Platform()
    async with session(platform) as sink:
        await until(lambda: platform.registered)
        asked = asyncio.create_task(sink.agent.catalog())
        await until(lambda: platform.bodies("Catalog", "Query"))
        number = tag(platform.bodies("Catalog", "Query")[0], "SN")
        for n in range(2):
            platform.message(
                f"<Response><CmdType>Catalog</CmdType><SN>{number}</SN><DeviceID>{SERVER}</DeviceID><SumNum>2</SumNum>"
                f"<DeviceList Num='1'><Item><DeviceID>3402000000132000000{n}</DeviceID><Name>东门</Name></Item></DeviceList></Response>"
            )
        found = await asked
        assert found is not None
        assert [item.name for item in found.items] == ["东门", "东门"]
        assert found.lacks == 0


async def test_keepalives_go_out_and_their_loss_is_noticed() -> None:
    silent = {"now": False}
    platform = Platform(lambda method, text: 0 if silent["now"] and "Keepalive" in text else None)
    async with session(platform, keepalive_s=0.05, timeout_s=0.1) as sink:
        await until(lambda: len(platform.bodies("Keepalive")) >= 2)
        assert tag(platform.bodies("Keepalive")[0], "Status") == "OK"
        silent["now"] = True
        await until(lambda: "keepalives without an answer" in sink.agent.state.en)
        silent["now"] = False
        await until(lambda: sink.agent.state.en == "registered")


async def test_a_lost_tcp_connection_is_made_again() -> None:
    platform = Platform()
    async with session(platform, "tcp") as sink:
        await until(lambda: platform.registered)
        platform._send(b"x" * 20_000)  # nothing SIP: the agent gives the stream up
        await until(lambda: sum(head.startswith("REGISTER") for head, _ in platform.heard) >= 3)
        assert (await sink.deliver(change(), "k", T)).taken


async def test_warnings_find_their_channel() -> None:
    channels = [
        Channel(id=INPUT, name="a", areas=["north"]),
        Channel(id="34020000001340000002", name="b", packs=["city"]),
    ]
    platform = Platform()
    async with session(platform, channels=channels) as sink:
        await sink.deliver(change(area="north"), "k", T)
        await sink.deliver(change(1, area="south"), "k", T)
        assert [tag(body, "DeviceID")[-1] for body in platform.bodies("Alarm")] == ["1", "2"]
        other = AlertChange("a", 0, T, "flood/level", "s", Change.RAISED, "red")
        assert (await sink.deliver(other, "k", T)).final


def test_every_profile_has_a_version_that_is_known() -> None:
    assert {profile.version for profile in PROFILES.values()} <= {"1.0", "1.1", "2.0", "3.0"}
