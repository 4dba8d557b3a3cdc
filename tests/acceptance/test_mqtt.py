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
        await asyncio.sleep(0.1)
        intake.held.clear()
        assert adapter.session is not None
        adapter.session.give_up("the test pulls the plug")
        await intake.until(lambda: len(intake.messages) == 20 - first)
        assert levels(intake)[10:] == list(range(first, 10))
        intake.release()
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


async def test_tls_with_certificates_of_both_sides(tmp_path: Path, need_program: Callable[[str], str]) -> None:
    openssl = need_program("openssl")
    authority(openssl, tmp_path)
    lines = f"cafile {tmp_path}/ca.pem\ncertfile {tmp_path}/server.pem\nkeyfile {tmp_path}/server.key\nrequire_certificate true\nallow_anonymous true"
    broker = Mosquitto(tmp_path, lines).start()
    try:
        intake = FakeIntake()
        tls = {"connect": f"mqtts://localhost:{broker.port}", "tls_ca_file": f"{tmp_path}/ca.pem"}
        mine = {"tls_cert_file": f"{tmp_path}/hub.pem", "tls_key_file": f"{tmp_path}/hub.key"}
        async with taking(intake, broker.port, **tls, **mine):
            await intake.until(lambda: up(intake))
        stranger = FakeIntake()
        async with taking(stranger, broker.port, connect=f"mqtts://localhost:{broker.port}", **mine):
            await stranger.until(lambda: any("not trusted" in detail for _, detail in stranger.states))
        nobody = FakeIntake()
        async with taking(nobody, broker.port, **tls):
            await nobody.until(lambda: any(state == "down" for state, _ in nobody.states))
        assert not any(state == "up" for state, _ in nobody.states)
    finally:
        broker.stop()


def authority(openssl: str, folder: Path) -> None:
    """ca.pem, and server and hub certificates signed by it."""

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], check=True, capture_output=True, cwd=folder)

    run(
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-days",
        "2",
        "-subj",
        "/CN=ca",
    )
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for name in ("server", "hub"):
        run(
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
            "-subj",
            f"/CN={name}",
        )
        run(
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-out",
            f"{name}.pem",
            "-extfile",
            "names",
        )
