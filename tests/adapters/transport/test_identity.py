"""A peer speaks for the devices that are its own: by session, by certificate; and the bindings of topics and tokens."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from adapters.mqtt.codec import Publish
from adapters.mqtt.options import MqttOptions
from adapters.mqtt.payload import reader as reader_of
from adapters.transport import StreamOptions
from adapters.transport.session import Session
from hub.api.auth import load_tokens
from hub.identity import belongs, listed, only, topic_level
from hub.model import Fault, FaultKind, Message, Reading
from tests.adapters.transport.peers import TCP, Hub, LineCodec, dialled, running, soon, until
from tests.adapters.transport.test_tls_and_options import make_certificates


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *lines: bytes) -> list[bytes]:
    writer.write(b"".join(line + b"\n" for line in lines))
    return [(await soon(reader.readline())).rstrip() for _ in lines]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_session_logged_in_as_one_device_does_not_speak_for_another(at_once: bool) -> None:
    """Without any option: also where no login is required, and where both come in one piece."""
    hub = Hub()
    async with running(hub, listen=TCP) as adapter, dialled(adapter) as (reader, writer):
        lines = (b"login a", b"a 1", b"b 2", b"a 3")
        if at_once:
            said = await talk(reader, writer, *lines)
        else:
            said = [answer for line in lines for answer in await talk(reader, writer, line)]
    assert said == [b"stored login a", b"stored a 1", b"refused b 2", b"stored a 3"]
    assert hub.values == [1, 3]
    (fault,) = hub.faults(FaultKind.UNAUTHORISED)
    assert fault.readings == 1
    assert "logged in as a and may not speak for b" in fault.detail


def without_a_time(device: str) -> Message:
    """As codecs hand on what a device says whose clock shows none."""
    reading = Reading(device, None, {"speed": 1.0})
    return Message([], [Fault(FaultKind.TIME, "no time", readings=1, reading=reading)], device)


def test_what_has_no_time_speaks_for_no_other_device_either() -> None:
    """A door whose time is the hub's makes readings of such faults, behind the place where devices are told apart."""
    both = Message([], [*without_a_time("a").faults, *without_a_time("b").faults], None)
    bound = only(both, lambda device: device == "a", "the certificate of a")
    assert [reading.device for reading in bound.held] == ["a"]
    assert [(fault.kind, fault.device, fault.readings) for fault in bound.faults] == [
        (FaultKind.TIME, None, 1), (FaultKind.TIME, None, 1), (FaultKind.UNAUTHORISED, "b", 0),
    ]  # fmt: skip


def test_what_has_no_time_needs_a_login_too() -> None:
    session = Session(
        "peer", LineCodec(), StreamOptions(listen=TCP, login_required=True), lambda _: True, lambda _: None
    )
    refused = session.admit(without_a_time("a"))
    assert refused.held == []
    assert [fault.kind for fault in refused.faults] == [FaultKind.TIME, FaultKind.UNAUTHORISED]
    session.logged_in.add("a")
    assert [reading.device for reading in session.admit(without_a_time("a")).held] == ["a"]
    assert session.admit(without_a_time("b")).held == []


def test_a_clock_that_shows_no_time_is_no_bad_frame() -> None:
    """A tracker without a fix for an hour was thrown off its line again and again."""
    session = Session("peer", LineCodec(), StreamOptions(listen=TCP, faults_max=2), lambda _: True, lambda _: None)
    assert not session.count([without_a_time("a")] * 3)
    assert session.count([Message([], [Fault(FaultKind.CHECKSUM, "x")])] * 2)


def test_a_retained_message_without_a_time_never_counts_as_of_now() -> None:
    read = reader_of(MqttOptions(topics=["#"]))
    payload = b'{"device":"a","time":"never","values":{"speed":1}}'
    now, before = (Publish("t", payload, 0, 1, retained, False, {}, len(payload)) for retained in (False, True))
    assert [reading.device for reading in read(now, 1).held] == ["a"]
    assert read(before, 1).held == []


async def test_who_never_logs_in_may_bring_several_devices_unless_the_door_is_bound() -> None:
    hub = Hub()
    async with running(hub, listen=TCP) as adapter, dialled(adapter) as (reader, writer):
        assert await talk(reader, writer, b"a 1", b"b 2") == [b"stored a 1", b"stored b 2"]
    hub = Hub()
    async with running(hub, listen=TCP, identity="session") as adapter:
        async with dialled(adapter) as (reader, writer):
            said = await talk(reader, writer, b"a 1", b"b 2", b"login b", b"b 3", b"a 4")
        assert said == [b"stored a 1", b"refused b 2", b"refused login b", b"refused b 3", b"stored a 4"]
        async with dialled(adapter) as (reader, writer):
            assert await talk(reader, writer, b"b 5") == [b"stored b 5"]
    assert hub.values == [1, 4, 5]
    assert len(hub.faults(FaultKind.UNAUTHORISED)) == 3


async def test_a_refused_first_message_binds_nobody() -> None:
    hub = Hub()
    hub.refused_devices = {"a"}
    async with running(hub, listen=TCP, identity="session") as adapter, dialled(adapter) as (reader, writer):
        said = await talk(reader, writer, b"a 1", b"b 2", b"c 3")
    assert said == [b"refused a 1", b"stored b 2", b"refused c 3"]


async def test_datagram_peers_are_bound_too() -> None:
    hub = Hub()
    async with running(hub, listen="udp://127.0.0.1:0", identity="session") as adapter:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", int(adapter.bound.rpartition(":")[2]))
        )
        for line in (b"a 1\n", b"b 2\n", b"a 3\n"):
            transport.sendto(line)
        await until(lambda: hub.values == [1, 3] and hub.faults(FaultKind.UNAUTHORISED))
        transport.close()


async def test_a_certificate_speaks_for_its_own_device(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    server = {
        "tls_cert_file": str(tmp_path / "server.pem"),
        "tls_key_file": str(tmp_path / "server.key"),
        "tls_client_ca_file": str(tmp_path / "ca.pem"),
    }
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")  # its common name is "client"
    hub = Hub()
    async with (
        running(hub, listen="tls://127.0.0.1:0", identity="certificate", **server) as adapter,
        dialled(adapter, ssl=context) as (reader, writer),
    ):
        said = await talk(reader, writer, b"login b", b"b 1", b"client 2", b"toy:client 3", b"clients 4")
    assert said == [
        b"refused login b",
        b"refused b 1",
        b"stored client 2",
        b"stored toy:client 3",
        b"refused clients 4",
    ]
    assert hub.values == [2, 3]
    assert "the certificate of client, 127.0.0.1 may not speak for b" in hub.faults(FaultKind.UNAUTHORISED)[0].detail


async def test_an_alternative_name_is_a_name(tmp_path: Path) -> None:
    make_certificates(tmp_path, "DNS:truck-a")
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")
    hub = Hub()
    async with (
        running(
            hub,
            listen="tls://127.0.0.1:0",
            identity="certificate",
            tls_cert_file=str(tmp_path / "server.pem"),
            tls_key_file=str(tmp_path / "server.key"),
            tls_client_ca_file=str(tmp_path / "ca.pem"),
        ) as adapter,
        dialled(adapter, ssl=context) as (reader, writer),
    ):
        assert await talk(reader, writer, b"truck-a 1", b"truck-b 2") == [b"stored truck-a 1", b"refused truck-b 2"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"identity": "certificate"}, "needs client certificates"),
        ({"identity": "topic:2"}, '"certificate" or "session" was meant'),
        ({"identity": "tokens"}, '"certificate" or "session" was meant'),
        ({"identity": "token"}, "no place for a token"),
    ],
)
def test_wrong_bindings_are_said(options: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        StreamOptions(listen=TCP, **options)
    with pytest.raises(ValueError, match="topic:N"):
        MqttOptions(topics=["#"], identity="topic:zero")
    with pytest.raises(ValueError, match=r"bind it with .topic:N."):
        MqttOptions(topics=["#"], identity="token")


def test_a_topic_names_the_device() -> None:
    read = reader_of(MqttOptions(topics=["city/#"], identity="topic:2"))

    def message(topic: str, payload: bytes) -> Message:
        return read(Publish(topic, payload, 1, 1, False, False, {}, len(payload)), 1)

    good = message("city/mq-3", b'{"device":"mq-3","values":{"water_level":1}}')
    assert ([reading.device for reading in good.readings], good.faults) == (["mq-3"], [])
    forged = message("city/mq-3", b'[{"device":"underpass-1","values":{"ph":7}},{"device":"mq-3","values":{"ph":7}}]')
    assert [reading.device for reading in forged.readings] == ["mq-3"]
    assert [(fault.kind, fault.device, fault.readings) for fault in forged.faults] == [
        (FaultKind.UNAUTHORISED, "underpass-1", 1)
    ]
    assert not message("city", b'{"device":"city","values":{"ph":7}}').readings
    assert not message("city//x", b'{"device":"x","values":{"ph":7}}').readings


def test_names_and_patterns() -> None:
    assert belongs("jt808:014450376202", "014450376202")
    assert belongs("panel-7/loop-2", "panel-7")
    assert not belongs("panel-77", "panel-7")
    assert not belongs("anything", "")
    assert listed("weather-9", ("gauge-7", "weather-*"))
    assert not listed("gauge-77", ("gauge-7", "weather-*"))
    assert topic_level("topic:2") == 2
    message = Message([Reading("a", 1, {"ph": 7})], [], "a", raw=b"x")
    assert only(message, lambda device: True, "who") is message


def test_a_tokens_devices_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text('[tokens.a]\ntoken = "x"\nroles = ["ingest"]\ndevices = ["gauge-7", "weather-*"]\n')
    tokens, mistakes = load_tokens(path)
    assert (tokens["a"].devices, mistakes) == (("gauge-7", "weather-*"), [])
    for wrong in ("[]", '"gauge-7"', "[7]", '[""]'):
        path.write_text(f'[tokens.a]\ntoken = "x"\nroles = ["ingest"]\ndevices = {wrong}\n')
        assert "devices is a list of ids" in load_tokens(path)[1][0].message
