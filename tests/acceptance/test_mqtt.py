"""The MQTT source against a real mosquitto."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from adapters.mqtt import MqttAdapter, MqttOptions
from adapters.mqtt.sink import MqttSink, MqttSinkOptions
from hub.model import AlertChange, Change
from tests import certificates
from tests.acceptance.mosquitto import Mosquitto
from tests.adapters.intake import FakeIntake

pytestmark = pytest.mark.acceptance


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    mosquitto = Mosquitto(tmp_path).start()
    yield mosquitto
    mosquitto.stop()


def reading(n: int) -> bytes:
    return b'{"device":"gauge-%d","time":"2026-11-22T08:00:%02dZ","values":{"water_level":%d}}' % (n % 5, n % 60, n)


async def publish(port: int, count: int, first: int = 0, **more: Any) -> None:
    async with aiomqtt.Client("127.0.0.1", port, **more) as client:
        for n in range(first, first + count):
            await client.publish("city/a/readings", reading(n), qos=1)


async def let_read(port: int) -> None:
    """Until the broker has read what was sent to it before: it takes a packet of each connection at a turn, and who comes by the same name ends
    a connection with all that is not read yet."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for _ in range(50):
            await client.publish("elsewhere", b"", qos=1)


@asynccontextmanager
async def taking(intake: FakeIntake, port: int, **options: Any) -> AsyncIterator[MqttAdapter]:
    settings: dict[str, Any] = {
        "connect": f"mqtt://127.0.0.1:{port}",
        "topics": ["city/+/readings"],
        "reconnect_min_s": 0.05,
        "reconnect_max_s": 0.2,
        **options,
    }
    adapter = MqttAdapter("t", MqttOptions(**settings))
    running = asyncio.create_task(adapter.run(intake))
    try:
        yield adapter
    finally:
        intake.release()
        running.cancel()
        await asyncio.wait([running])


def up(intake: FakeIntake) -> bool:
    return bool(intake.states) and intake.states[-1][0] == "up"


def waiting(adapter: MqttAdapter) -> int:
    """Messages that this connection has not acknowledged yet."""
    return 0 if adapter.session is None else adapter.session.in_flight


def levels(intake: FakeIntake) -> list[Any]:
    return [reading.values["water_level"] for reading in intake.readings]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_what_was_not_acknowledged_comes_again(broker: Mosquitto, version: str) -> None:
    intake = FakeIntake(hold=True)
    async with taking(intake, broker.port, version=version) as adapter:
        await intake.until(lambda: up(intake))
        await publish(broker.port, 10)
        await intake.until(lambda: len(intake.messages) == 10)
        for future, count in intake.held[:1]:
            future.set_result([intake.verdict] * count)
        first = intake.held[0][1]
        assert adapter.session is not None
        await intake.until(lambda: waiting(adapter) == 10 - first)
        await let_read(broker.port)
        intake.held.clear()
        adapter.session.give_up("the test pulls the plug")
        await intake.until(lambda: len(intake.messages) == 20 - first)
        assert levels(intake)[10:] == list(range(first, 10))
        intake.release()
    await let_read(broker.port)
    intake.messages.clear()
    intake.hold = False
    async with taking(intake, broker.port, version=version):
        await intake.until(lambda: up(intake))
        await asyncio.sleep(0.2)
    assert intake.messages == []


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_session_outlives_a_restart_of_the_broker(broker: Mosquitto, version: str) -> None:
    intake = FakeIntake()
    async with taking(intake, broker.port, version=version):
        await intake.until(lambda: up(intake))
    await publish(broker.port, 20)
    broker.stop()
    async with taking(intake, broker.port, version=version):
        await intake.until(lambda: any("nobody listens" in detail for _, detail in intake.states))
        broker.start()
        await intake.until(lambda: len(intake.messages) == 20)
        broker.stop(kill=True)
        await intake.until(lambda: intake.states[-1][0] == "down")
        broker.start()
        await intake.until(lambda: up(intake))
        await publish(broker.port, 5, 100)
        await intake.until(lambda: set(range(100, 105)) <= set(levels(intake)))
    # What mosquitto had not saved when it was killed it delivers again: at least once, and ingest knows duplicates.
    assert set(levels(intake)) == {*range(20), *range(100, 105)}


async def test_hubs_of_one_group_share_the_messages(broker: Mosquitto) -> None:
    one, two = FakeIntake(), FakeIntake()
    share = ["$share/hubs/city/+/readings"]
    async with (
        taking(one, broker.port, topics=share, client_id="one"),
        taking(two, broker.port, topics=share, client_id="two"),
    ):
        await one.until(lambda: up(one) and up(two))
        await publish(broker.port, 40)
        await one.until(lambda: len(one.messages) + len(two.messages) == 40)
    assert sorted(levels(one) + levels(two)) == list(range(40))
    assert one.messages
    assert two.messages


async def test_only_so_many_are_in_flight(broker: Mosquitto) -> None:
    intake = FakeIntake(hold=True)
    async with taking(intake, broker.port, receive_max=7):
        await intake.until(lambda: up(intake))
        await publish(broker.port, 50)
        await intake.until(lambda: len(intake.messages) >= 7)
        await asyncio.sleep(0.2)
        assert len(intake.messages) == 7
        intake.hold = False
        intake.release()
        await intake.until(lambda: len(intake.messages) == 50)
    assert levels(intake) == list(range(50))


async def test_two_hubs_with_one_client_id_are_told(broker: Mosquitto) -> None:
    one, two = FakeIntake(), FakeIntake()
    async with taking(one, broker.port):
        await one.until(lambda: up(one))
        async with taking(two, broker.port):
            await one.until(lambda: any("is client_id 'cityhub-t' used twice?" in detail for _, detail in one.states))


async def test_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, need_program: Callable[[str], str]) -> None:
    passwd = need_program("mosquitto_passwd")
    users = tmp_path / "users"
    subprocess.run([passwd, "-b", "-c", str(users), "hub", "right"], check=True, capture_output=True)  # noqa: ASYNC221
    broker = Mosquitto(tmp_path, f"allow_anonymous false\npassword_file {users}").start()
    try:
        monkeypatch.setenv("T_PASSWORD", "wrong")
        intake = FakeIntake()
        async with taking(intake, broker.port, username="hub", password_env="T_PASSWORD"):
            await intake.until(lambda: any("not authorised" in d or "wrong user" in d for _, d in intake.states))
            monkeypatch.setenv("T_PASSWORD", "right")
            await intake.until(lambda: up(intake))
    finally:
        broker.stop()


async def test_tls_with_certificates_of_both_sides(tmp_path: Path) -> None:
    ca = certificates.authority(tmp_path)
    server, mine = certificates.signed(tmp_path, ca, "server"), certificates.signed(tmp_path, ca, "hub")
    broker = Mosquitto(tmp_path, f"{_tls(ca, server)}allow_anonymous true").start()
    try:
        intake = FakeIntake()
        tls = {"connect": f"mqtts://localhost:{broker.port}", "tls_ca_file": ca.cert}
        shown = {"tls_cert_file": mine.cert, "tls_key_file": mine.key}
        async with taking(intake, broker.port, **tls, **shown):
            await intake.until(lambda: up(intake))
        stranger = FakeIntake()
        async with taking(stranger, broker.port, connect=f"mqtts://localhost:{broker.port}", **shown):
            await stranger.until(lambda: any("not trusted" in detail for _, detail in stranger.states))
        nobody = FakeIntake()
        async with taking(nobody, broker.port, **tls):
            await nobody.until(lambda: any(state == "down" for state, _ in nobody.states))
        assert not any(state == "up" for state, _ in nobody.states)
    finally:
        broker.stop()


@pytest.mark.filterwarnings(
    "ignore:unclosed <ssl:ResourceWarning"
)  # paho leaves the socket of a failed handshake to the collector
async def test_a_broker_knows_the_hub_by_a_certificate_that_is_renewed_without_a_restart(tmp_path: Path) -> None:
    """The broker's access list goes by its name; what was taken back, the hub's or the broker's, opens nothing."""
    ca = certificates.authority(tmp_path)
    server, mine = certificates.signed(tmp_path, ca, "server"), certificates.signed(tmp_path, ca, "hub")
    lists = {name: tmp_path / f"{name}.crl" for name in ("broker", "hub")}
    lists["broker"].write_text(certificates.revoked(tmp_path, ca, mine))
    lists["hub"].write_text(certificates.revoked(tmp_path, ca))
    rights = tmp_path / "rights"
    rights.write_text("user hub\ntopic read city/#\ntopic write cityhub/#\n")
    rights.chmod(0o600)
    lines = f"use_identity_as_username true\nallow_anonymous false\nacl_file {rights}\ncrlfile {lists['broker']}\n"
    broker = Mosquitto(tmp_path, _tls(ca, server) + lines).start()
    tls = {
        "connect": f"mqtts://localhost:{broker.port}", "tls_ca_file": ca.cert, "tls_cert_file": mine.cert, "tls_key_file": mine.key,
        "tls_crl_file": str(lists["hub"]),
    }  # fmt: skip
    try:
        intake = FakeIntake()
        async with taking(intake, broker.port, **tls):
            await intake.until(lambda: any(state == "down" for state, _ in intake.states))
            assert not any(state == "up" for state, _ in intake.states)
            (tmp_path / "new").mkdir()
            renewed = certificates.signed(tmp_path / "new", ca, "hub")
            for source, place in ((renewed.key, mine.key), (renewed.cert, mine.cert)):
                certificates.replaced(Path(place), Path(source).read_text())  # noqa: ASYNC240
            await intake.until(lambda: up(intake))
            sink = MqttSink("desk", MqttSinkOptions(**tls))
            assert (await sink.deliver(change(), "key", 1)).taken
            await sink.close()
        certificates.replaced(lists["hub"], certificates.revoked(tmp_path, ca, server))
        warned = FakeIntake()
        async with taking(warned, broker.port, **tls):
            await warned.until(lambda: any("certificate revoked" in detail for _, detail in warned.states))
        told = await sink.deliver(change(), "key", 1)
        assert (told.taken, "revoked" in told.detail) == (False, True)
    finally:
        broker.stop()


def change() -> AlertChange:
    return AlertChange("a", 1, 1, "flood/high", "gauge-7", Change.RAISED, "red")


def _tls(ca: certificates.Files, server: certificates.Files) -> str:
    """Lines of mosquitto.conf: nobody without a certificate."""
    return f"cafile {ca.cert}\ncertfile {server.cert}\nkeyfile {server.key}\nrequire_certificate true\n"
