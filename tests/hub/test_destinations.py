"""Destinations as the hub runs them: a sink with a session of its own is run, delivers through its courier, and is closed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.gb28181.manscdp import Channel
from adapters.gb28181.sink import Gb28181Options
from hub.app.destinations import Destinations
from hub.config import SinkConfig
from hub.log import Cursors, Log
from hub.model import AlertChange, Change
from tests.adapters.gb28181_platform import PASSWORD, Platform, tag


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
    log, tasks = Log(tmp_path / "log"), list[asyncio.Task[Any]]()
    config = SinkConfig("vms", "gb28181", options, (), (), (), 1)
    destinations = Destinations([config], log, Cursors(tmp_path / "cursors"), tmp_path)
    destinations.start(lambda work: tasks.append(asyncio.create_task(work)))
    async with asyncio.timeout(10):
        while not platform.registered:  # before any warning
            await asyncio.sleep(0.01)
        said = [AlertChange("a", n, n, "city/gas", "s", Change.RAISED, "red", f"第{n}") for n in range(3)]
        await log.alerts.append(said)
        while len(platform.bodies("Alarm")) < 3:
            await asyncio.sleep(0.01)
    assert [tag(body, "AlarmDescription") for body in platform.bodies("Alarm")] == ["第0", "第1", "第2"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await destinations.close()
    assert not platform.registered  # it took its leave
    await log.close()
    await platform.stop()
