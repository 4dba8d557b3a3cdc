"""GB/T 28181: what platforms do otherwise than the standard has it, each against a platform that does so."""

from __future__ import annotations

import asyncio

import pytest

from adapters.gb28181 import manscdp, ptz
from adapters.gb28181.catalog import cameras
from adapters.gb28181.device import Device
from adapters.gb28181.manscdp import Alarm, Channel
from adapters.gb28181.profile import PROFILES
from adapters.gb28181.sip import SipMessage
from hub.model import Change
from tests.adapters.gb28181_platform import PASSWORD, Platform, header, tag
from tests.adapters.test_gb28181 import DEVICE, INPUT, SERVER, T, change, dome, session, until


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GB_PASSWORD", PASSWORD)


def registers(platform: Platform) -> list[str]:
    return [head for head, _ in platform.heard if head.startswith("REGISTER")]


# ---------------------------------------------------------------------------------------------- registration


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_a_nonce_that_has_grown_old_is_answered_anew(algorithm: str) -> None:
    platform = Platform()
    platform.algorithm, platform.granted_s = algorithm, 1  # renewed at four fifths of what was granted
    async with session(platform, keepalive_s=0.1) as sink:
        await until(lambda: platform.registered)
        platform._nonce = "n2"
        before = len(registers(platform))
        await until(lambda: len(registers(platform)) >= before + 2)
        assert sink.agent.state.en == "registered"
        assert 'nonce="n2"' in header(registers(platform)[-1], "Authorization")
        assert len({header(head, "Call-ID") for head in registers(platform)}) == 1  # wvp does not challenge those


async def test_every_registration_states_expires_and_the_edition() -> None:
    """wvp refuses one without Expires; the edition stands in X-GB-Ver (Annex I)."""
    for profile, edition in (("2016", "2.0"), ("2022", "3.0"), ("wvp", "2.0")):
        platform = Platform()
        async with session(platform, profile=profile):
            await until(lambda platform=platform: platform.registered)  # type: ignore[misc]
        for head in registers(platform):
            assert header(head, "Expires") in ("86400", "0")
            assert header(head, "X-GB-Ver") == edition


async def test_an_older_platform_is_not_sent_what_2022_added() -> None:
    for stated, modern in (("2.0", False), ("3.0", True), ("", True)):
        platform = Platform()
        platform.version = stated
        async with session(platform, profile="2022", turn_cameras=True) as sink:
            assert (await sink.deliver(change(cameras=[dome()]), "k", T)).taken
            (alarm,) = platform.bodies("Alarm")
            assert ("<ExtraInfo>" in alarm) == modern
            (order,) = platform.bodies("DeviceControl")
            assert ("PTZPreciseCtrl" in order) == modern
            assert (tag(order, "PTZCmd") == ptz.preset(3)) == (not modern)


# ---------------------------------------------------------------------------------------------- alarms


@pytest.mark.parametrize(
    ("body", "confirmed", "said"),
    [
        # EasyCVR: the Response in the 200. Monibuca: with a fixed SN and no Result.
        ("<?xml version=\"1.0\" encoding=\"GB2312\"?><Response><CmdType>Alarm</CmdType><SN>1</SN><DeviceID>x</DeviceID><Result>OK</Result></Response>", 1, ""),
        ("<Response><CmdType>Alarm</CmdType><SN>17430</SN><DeviceID>x</DeviceID></Response>", 1, ""),
        ("<Response><CmdType>Alarm</CmdType><SN>1</SN><DeviceID>x</DeviceID><Result>ERROR</Result></Response>", 1, "the platform says ERROR"),
        ("rubbish", 0, ""),
    ],
)  # fmt: skip
async def test_a_response_in_the_200_is_evidence_and_no_more(body: str, confirmed: int, said: str) -> None:
    platform = Platform()
    platform.in_the_200 = body
    async with session(platform, profile="easycvr") as sink:
        delivery = await sink.deliver(change(), "k", T)
        assert delivery.taken
        assert delivery.detail.endswith(said)
        assert sink.device.confirmed == confirmed


@pytest.mark.parametrize("profile", sorted(PROFILES))
async def test_what_each_profile_sends(profile: str) -> None:
    """wvp keeps methods 1, 2, 3, 5 and 6 only; EasyCVR fails without Info/AlarmType; AlarmTypeParam spoils the description at wvp."""
    platform = Platform()
    async with session(platform, profile=profile) as sink:
        assert (await sink.deliver(change(), "k", T)).taken
        (alarm,) = platform.bodies("Alarm")
        assert tag(alarm, "AlarmMethod") not in ("4", "7")
        assert "AlarmTypeParam" not in alarm
        if profile in ("wvp", "easycvr", "monibuca"):
            assert tag(alarm, "AlarmType") == "1"
        declared = "GB18030" if PROFILES[profile].version == "3.0" else "GB2312"
        assert f'encoding="{declared}"' in alarm


async def test_a_platform_that_loses_alarms_in_silence_is_told_again() -> None:
    """wvp with a full queue answers nothing at all."""
    silent = {"now": True}
    platform = Platform(lambda method, text: 0 if silent["now"] and "<CmdType>Alarm<" in text else None)
    async with session(platform, timeout_s=0.8) as sink:
        await until(lambda: platform.registered)
        first = await sink.deliver(change(), "k", T)
        assert (first.taken, first.final, first.detail) == (False, False, "no answer to the alarm")
        silent["now"] = False
        assert (await sink.deliver(change(), "k", T)).taken


def test_an_alarm_over_udp_stays_under_an_mtu() -> None:
    long = Alarm(INPUT, 1, 2, T, "管廊<瓦斯>超限" * 80, 116.4, 39.9, 1, "x#1")
    for limit in (0, manscdp.UDP_BODY_BYTES):
        body = manscdp.encode(manscdp.alarm(1, long, limit), "GB2312")
        read = manscdp.read(body)
        assert isinstance(read, manscdp.Body)
        assert read.text("ExtraInfo") == "x#1"
        assert read.text("AlarmDescription").startswith("管廊<瓦斯>超限")
        assert (len(body) <= manscdp.UDP_BODY_BYTES + 60) == bool(limit)
    short = Alarm(INPUT, 1, 2, T, "x")
    assert manscdp.alarm(1, short, manscdp.UDP_BODY_BYTES) == manscdp.alarm(1, short)


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
async def test_a_long_alarm_is_cut_for_datagrams_only(scheme: str) -> None:
    platform = Platform()
    async with session(platform, scheme) as sink:
        long = change()
        long.title = "瓦斯" * 400
        assert (await sink.deliver(long, "k", T)).taken
        said = tag(platform.bodies("Alarm")[0], "AlarmDescription")
        assert len(said) == 500 if scheme == "tcp" else 150 < len(said) < 400


# ---------------------------------------------------------------------------------------------- subscriptions


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ("<AlarmMethod>0</AlarmMethod><AlarmType>0</AlarmType>", True),
        ("<AlarmMethod>1/5</AlarmMethod>", True),
        ("<AlarmMethod>1/2</AlarmMethod>", False),
        ("<AlarmType>1</AlarmType>", True),
        ("<AlarmType>6</AlarmType>", False),
        ("<StartAlarmTime>2026-01-01T07:59:59</StartAlarmTime><EndAlarmTime>2026-01-01T08:00:01</EndAlarmTime>", True),
        ("<EndAlarmTime>2026-01-01T07:00:00</EndAlarmTime>", False),
        ("<StartAlarmTime>2026-01-02T00:00:00</StartAlarmTime>", False),
        ("<StartAlarmTime>soon</StartAlarmTime>", True),
        ("<StartAlarmPriority>2</StartAlarmPriority><EndAlarmPriority>4</EndAlarmPriority>", False),
    ],
)  # fmt: skip
def test_the_filters_of_a_subscription(filters: str, told: bool) -> None:
    device = Device(DEVICE, "hub", [Channel(id=INPUT, name="x")], PROFILES["wvp"])
    body = f"<Query><CmdType>Alarm</CmdType><SN>1</SN><DeviceID>{DEVICE}</DeviceID>{filters}</Query>".encode()
    names = (
        ("Via", "v"),
        ("From", f"<sip:{SERVER}@x>;tag=1"),
        ("To", "t"),
        ("Call-ID", "c"),
        ("CSeq", "1 SUBSCRIBE"),
        ("Event", "presence"),
    )
    assert device.hear(SipMessage(names, body, "SUBSCRIBE", "sip:x"), "tag", T).status == 200
    assert bool(device.subscribers(Alarm(INPUT, 1, 5, T, "x", type=1), T)) == told


async def test_a_subscriber_who_forgot_is_told_by_message_and_dropped() -> None:
    platform = Platform(lambda method, text: 481 if method == "NOTIFY" else None)
    query = f"<Query><CmdType>Alarm</CmdType><SN>1</SN><DeviceID>{DEVICE}</DeviceID></Query>"
    async with session(platform) as sink:
        await until(lambda: platform.registered)
        platform.message(query, "SUBSCRIBE", "Event: presence\r\nExpires: 600\r\n", "sub1")
        await until(lambda: platform.responses)
        assert (await sink.deliver(change(), "k", T)).taken
        assert [head.split()[0] for head, body in platform.heard if "Alarm" in body] == ["NOTIFY", "MESSAGE"]
        await sink.deliver(change(1, Change.ESCALATED), "k1", T)
        assert platform.heard[-1][0].startswith("MESSAGE")


async def test_wvp_gets_messages_even_where_it_subscribed() -> None:
    platform = Platform()
    query = f"<Query><CmdType>Alarm</CmdType><SN>1</SN><DeviceID>{DEVICE}</DeviceID></Query>"
    async with session(platform, profile="wvp") as sink:
        await until(lambda: platform.registered)
        platform.message(query, "SUBSCRIBE", "Event: presence\r\nExpires: 600\r\n", "sub1")
        await until(lambda: platform.responses)
        await sink.deliver(change(), "k", T)
        assert platform.heard[-1][0].startswith("MESSAGE")


async def test_a_catalog_subscription_is_answered_with_its_channels() -> None:
    platform = Platform()
    query = f"<Query><CmdType>Catalog</CmdType><SN>5</SN><DeviceID>{DEVICE}</DeviceID></Query>"
    async with session(platform) as sink:
        assert sink.agent.state
        await until(lambda: platform.registered)
        platform.message(query, "SUBSCRIBE", "Event: Catalog;id=7\r\nExpires: 600\r\n", "sub2")
        await until(lambda: any(head.startswith("NOTIFY") for head, _ in platform.heard))
        head, body = next((head, body) for head, body in platform.heard if head.startswith("NOTIFY"))
        assert header(head, "Event") == "Catalog;id=7"
        assert body.count("<Item>") == 1
        assert INPUT in body


# ---------------------------------------------------------------------------------------------- a platform's catalog


def part(number: str, total: int, items: str) -> str:
    listed = f"<DeviceList Num='1'>{items}</DeviceList>" if items else ""
    return f"<Response><CmdType>Catalog</CmdType><SN>{number}</SN><DeviceID>{SERVER}</DeviceID><SumNum>{total}</SumNum>{listed}</Response>"


def item(n: int, more: str = "") -> str:
    return (
        f"<Item><DeviceID>3402000000132000000{n}</DeviceID><Name>东</Name><Longitude>116.39</Longitude>"
        f"<Latitude>39.9</Latitude>{more}</Item>"
    )


@pytest.mark.parametrize(
    ("parts", "stated", "got"),
    [
        ([(0, "")], 0, 0),  # an empty platform: no list at all
        ([(2, item(1)), (2, item(1)), (2, item(2))], 2, 2),  # a part said twice
        ([(3, item(1)), (3, item(2))], 3, 2),  # announced and never sent
        ([(1, item(1) + item(2))], 1, 2),  # more than announced
    ],
)
async def test_catalogs_that_do_not_add_up(parts: list[tuple[int, str]], stated: int, got: int) -> None:
    platform = Platform()
    async with session(platform) as sink:
        await until(lambda: platform.registered)
        asked = asyncio.create_task(sink.agent.catalog(quiet_s=0.3))
        await until(lambda: platform.bodies("Catalog", "Query"))
        number = tag(platform.bodies("Catalog", "Query")[0], "SN")
        platform.message(part("999", 9, item(9)))  # somebody else's answer
        for total, items in parts:
            platform.message(part(number, total, items))
        found = await asked
        assert found is not None
        assert (found.stated, len(found.items), found.lacks) == (stated, got, max(0, stated - got))


@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
@pytest.mark.parametrize("declared", ["GB2312", "UTF-8"])
async def test_a_catalog_whose_charset_is_another_than_it_says(codec: str, declared: str) -> None:
    platform = Platform()
    async with session(platform) as sink:
        await until(lambda: platform.registered)
        asked = asyncio.create_task(sink.agent.catalog())
        await until(lambda: platform.bodies("Catalog", "Query"))
        info = (
            "<info><PTZType>1</PTZType><DirectionType>6</DirectionType></info>"  # lower case, as one platform writes it
        )
        text = part(tag(platform.bodies("Catalog", "Query")[0], "SN"), 1, item(1, info))
        platform.message("", encoded=f'<?xml version="1.0" encoding="{declared}"?>\n{text}'.encode(codec))
        found = await asked
        assert found is not None
        ((one,), remarks) = cameras(found.items)
        assert (one.name, one.azimuth_deg, one.ptz, remarks) == ("东", 45.0, True, [])


async def test_nothing_comes_where_the_platform_refuses_or_keeps_silent() -> None:
    platform = Platform(lambda method, text: 403 if "<CmdType>Catalog<" in text else None)
    async with session(platform) as sink:
        await until(lambda: platform.registered)
        assert await sink.agent.catalog() is None
    quiet = Platform()
    async with session(quiet) as sink:
        await until(lambda: quiet.registered)
        assert await sink.agent.catalog(patience_s=0.2) is None
