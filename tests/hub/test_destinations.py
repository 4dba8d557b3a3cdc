"""Destinations as the hub runs them: a sink with a session of its own is run, delivers through its courier, and is closed."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from adapters.gb28181 import ptz
from adapters.gb28181.manscdp import Channel
from adapters.gb28181.sink import Gb28181Options
from adapters.onvif.sink import OnvifCamera, OnvifOptions
from adapters.webhook.sink import WebhookOptions
from hub.app import destinations as of_hub
from hub.app.destinations import Destinations
from hub.delivery import Courier
from hub.log import Cursors, Log
from hub.model import AlertChange, CameraView, Change, Pose
from hub.options import SinkConfig
from hub.ports import Delivery
from tests.adapters.gb28181_platform import PASSWORD, Platform, tag
from tests.adapters.http_peer import http_peer


async def test_a_sink_with_a_session_is_run_and_delivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GB_PASSWORD", PASSWORD)
    platform = Platform()
    await platform.start_udp()
    options = Gb28181Options(
        connect=f"udp://127.0.0.1:{platform.port}",
        server_id="34020000002000000001",
        device_id="34020000002050000001",
        channels=[Channel(id="34020000001340000001", name="x")],
        password_env="GB_PASSWORD",
    )
    log = Log(tmp_path / "log")
    config = SinkConfig("vms", "gb28181", options, (), (), (), 1)
    destinations = Destinations(log, tmp_path)
    await destinations.begin([config], Cursors(tmp_path / "cursors"))
    destinations.start()
    async with asyncio.timeout(60):
        while not platform.registered:  # before any warning
            await asyncio.sleep(0.01)
        said = [AlertChange("a", n, n, "city/gas", "s", Change.RAISED, "red", f"第{n}") for n in range(3)]
        await log.alerts.append(said)
        while len(platform.bodies("Alarm")) < 3:
            await asyncio.sleep(0.01)
    assert [tag(body, "AlarmDescription") for body in platform.bodies("Alarm")] == ["第0", "第1", "第2"]
    await destinations.close()
    assert not platform.registered  # it took its leave
    await log.close()
    await platform.stop()


async def _run_for(
    config: SinkConfig, folder: Path, changes: list[AlertChange], until: Callable[[], object], while_down: int = 0
) -> None:
    """A hub's destinations from start to stop. The last `while_down` changes come when they have stopped again."""
    log, cursors = Log(folder / "log"), Cursors(folder / "cursors")
    destinations = Destinations(log, folder)
    await destinations.begin([config], cursors)
    destinations.start()
    async with asyncio.timeout(30):
        while cursors.get("delivery.vms") is None:  # a new destination begins at the end of the stream
            await asyncio.sleep(0.01)
        if live := changes[: len(changes) - while_down]:
            await log.alerts.append(live)
        while not until() or cursors.get("delivery.vms") < log.alerts.next:  # type: ignore[operator]
            await asyncio.sleep(0.01)
    await destinations.close()
    if while_down:
        await log.alerts.append(changes[-while_down:])
    await log.close()


def _turning(alert: str, at: int) -> AlertChange:
    view = CameraView(
        "dome", 0.9, 100, 90, True, "r", gb28181_id="34020000001320000007", pose=Pose(90.0, 5.0, preset=3, home=1)
    )
    return AlertChange(alert, 0, at, "city/gas", "s", Change.RAISED, "red", alert, cameras=[view])


async def _over_a_restart(config: SinkConfig, folder: Path, orders: Callable[[], list[int]]) -> None:
    """A camera is turned, the hub stops, an hour-old warning waits when it is back: the camera goes home, and only that. On a busy machine the
    lease may end before the hub stops; then the way home may be told twice, which is once more than it must and does no harm."""

    def is_home() -> bool:
        return orders()[:1] == [3] and set(orders()[1:]) == {1}

    now = time.time_ns()
    old = _turning("old", now - 3600 * 10**9)
    await _run_for(config, folder, [_turning("fresh", now), old], lambda: orders()[:1] == [3], while_down=1)
    assert (folder / "ptz.json").exists()
    await asyncio.sleep(0.3)  # the lease ends while nobody is there
    await _run_for(config, folder, [], is_home)
    log = Log(folder / "log")
    assert Cursors(folder / "cursors").get("delivery.vms") == log.alerts.next == 2
    await log.close()
    assert is_home(), orders()


async def test_an_onvif_camera_goes_home_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.ptz.HOME_CHECK_S", 0.05)  # a first try that fails on a busy machine is made again
    async with http_peer() as peer:
        camera = OnvifCamera(url=f"{peer.url}/ptz")
        config = SinkConfig("vms", "onvif", OnvifOptions(cameras={"dome": camera}, lease_s=0.2), (), (), (), 1)

        def orders() -> list[int]:
            bodies = [heard.body.decode() for heard in peer.heard]
            return [int(body.partition("PresetToken>")[2][0]) for body in bodies if "GotoPreset" in body]

        await _over_a_restart(config, tmp_path, orders)


async def test_a_platforms_camera_goes_home_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GB_PASSWORD", PASSWORD)
    platform = Platform()
    await platform.start_udp()
    monkeypatch.setattr("adapters.ptz.HOME_CHECK_S", 0.05)  # the first try comes before the registration
    options = Gb28181Options(
        connect=f"udp://127.0.0.1:{platform.port}",
        server_id="34020000002000000001",
        device_id="34020000002050000001",
        channels=[Channel(id="34020000001340000001", name="x")],
        password_env="GB_PASSWORD",
        turn_cameras=True,
        lease_s=0.2,
    )
    presets = {ptz.preset(number): number for number in (1, 3)}

    def orders() -> list[int]:
        return [presets[tag(body, "PTZCmd")] for body in platform.bodies("DeviceControl")]

    await _over_a_restart(SinkConfig("vms", "gb28181", options, (), (), (), 1), tmp_path, orders)
    assert [tag(body, "AlarmDescription")[:5] for body in platform.bodies("Alarm")] == [
        "fresh",
        "old；可",
    ]  # told all the same
    await platform.stop()


async def test_a_session_without_an_answer_is_no_destination_that_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform that takes the datagrams and never answers REGISTER: the idle destination is down, with the reason."""
    monkeypatch.setenv("GB_PASSWORD", PASSWORD)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        options = Gb28181Options(
            connect=f"udp://127.0.0.1:{deaf.getsockname()[1]}",
            server_id="34020000002000000001",
            device_id="34020000002050000001",
            channels=[Channel(id="34020000001340000001", name="x")],
            password_env="GB_PASSWORD",
            timeout_s=0.1,
        )
        log = Log(tmp_path / "log")
        config = SinkConfig("vms", "gb28181", options, (), (), (), 1)
        destinations = Destinations(log, tmp_path)
        await destinations.begin([config], Cursors(tmp_path / "cursors"))
        destinations.start()
        async with asyncio.timeout(30):
            while destinations.states()[0].detail != "no answer to REGISTER":
                await asyncio.sleep(0.02)
        assert destinations.states()[0].state == "down"
        await destinations.close()
        await log.close()


async def test_a_destination_that_a_reload_started_while_its_machine_began_to_deliver_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two couriers of one destination told each warning twice."""
    heard: list[str] = []

    async def deliver(change: AlertChange, key: str, at: int) -> Delivery:
        heard.append(key)
        return Delivery(True)

    async def close() -> None: ...

    monkeypatch.setattr(of_hub, "made", lambda config: SimpleNamespace(deliver=deliver, close=close))
    monkeypatch.setattr(of_hub, "sign", lambda config: "")
    log = Log(tmp_path / "log")
    config = SinkConfig("desk", "webhook", object(), (), (), (), 1)
    city = Destinations(log, tmp_path)
    await city.begin([], Cursors(tmp_path / "cursors"))
    await city.take_over([config], city.prepared([config]))
    city.start()
    said = [AlertChange("a", n, n, "r", "s", Change.RAISED, "red") for n in range(1, 6)]
    await log.alerts.append(said)
    async with asyncio.timeout(60):
        while city.states()[0].cursor < log.alerts.next:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert heard == [change.id for change in said]
    await city.close()
    await log.close()


async def _shown(destinations: Destinations, said: str) -> str:
    """The state of the one destination, once its reason has these words."""
    async with asyncio.timeout(30):
        while said not in destinations.states()[0].detail:
            await asyncio.sleep(0.01)
    return destinations.states()[0].state


async def test_a_destination_that_refuses_every_warning_is_not_shown_as_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its path has moved: each warning became a dead letter, and every light was green. A restart makes it no better, a test that it takes does."""
    answer = 404
    async with http_peer(lambda heard: (answer, b"no such page")) as peer:
        log, cursors = Log(tmp_path / "log"), Cursors(tmp_path / "cursors")
        config = SinkConfig("video", "webhook", WebhookOptions(url=f"{peer.url}/alerts"), (), (), (), 1)

        async def begun() -> Destinations:
            destinations = Destinations(log, tmp_path)
            await destinations.begin([config], cursors)
            destinations.start()
            return destinations

        def raised(number: int) -> AlertChange:
            return AlertChange(f"a{number}", 0, number, "city/gas", "s", Change.RAISED, "red")

        destinations = await begun()
        await log.alerts.append([raised(0)])
        assert await _shown(destinations, "HTTP 404: no such page") == "degraded"
        await log.alerts.append([raised(n) for n in range(1, 5)])
        async with asyncio.timeout(30):
            while destinations.states()[0].state != "down":
                await asyncio.sleep(0.01)
        await destinations.close()
        destinations = await begun()
        assert await _shown(destinations, "HTTP 404") == "down"
        answer = 204
        courier = destinations.couriers["video"]
        assert isinstance(courier, Courier)
        assert (await courier.exercise([raised(9)])).taken
        assert destinations.states()[0].state == "up"
        answer = 400
        await log.alerts.append([raised(5)])
        assert await _shown(destinations, "HTTP 400") == "degraded"
        answer = 200
        await log.alerts.append([raised(6)])
        async with asyncio.timeout(30):
            while destinations.states()[0].state != "up":
                await asyncio.sleep(0.01)
        await destinations.close()
        await log.close()


async def test_a_destination_whose_secret_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that could not start said that a variable is not set, of one destination among many."""
    monkeypatch.delenv("NOWHERE", raising=False)
    log = Log(tmp_path / "log")
    destinations = Destinations(log, tmp_path)
    config = SinkConfig(
        "video", "webhook", WebhookOptions(url="http://127.0.0.1:9/", secret_env="NOWHERE"), (), (), (), 1
    )
    with pytest.raises(ValueError, match="destination 'video': the environment variable NOWHERE"):
        await destinations.begin([config], Cursors(tmp_path / "cursors"))
    await destinations.close()
    await log.close()
