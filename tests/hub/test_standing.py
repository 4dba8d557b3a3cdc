"""A warning may stand for longer than the log of warnings reaches back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hub.client import AsyncClient, calls
from tests.acceptance.ports import free_port
from tests.acceptance.running import write_city
from tests.hub.running import running
from tests.waiting import PATIENCE_S


@pytest.mark.acceptance
async def test_a_warning_older_than_the_log_of_warnings_is_open_after_a_restart(tmp_path: Path) -> None:
    """Its changes made room for those of a gauge that chatters; started again, the hub said that nothing was open there."""
    api = free_port()
    folder = write_city(tmp_path, "[log]\nalerts_gb = 0.00003\n", api=api)
    with (folder / "devices.csv").open("a") as devices:
        devices.write("underpass-2,South Gate,underpass-gauge,121.6,31.3,3,south,roads,\n")
    async with running(folder) as hub, AsyncClient(f"http://127.0.0.1:{api}") as client:

        async def told(device: str, depth: float) -> None:
            await client.ask(calls.readings([{"device": device, "values": {"water_depth": depth}}]))

        await told("underpass-1", 0.3)
        async with asyncio.timeout(PATIENCE_S):
            while not hub.alerts.open:
                await asyncio.sleep(0.01)
        (stood,) = hub.alerts.open.values()
        await client.ask(calls.operate(stood.alert, "acknowledge"))
        async with asyncio.timeout(4 * PATIENCE_S):
            number = 0
            while hub.log.alerts.first < 3:
                number += 1
                await told("underpass-2", 0.3 if number % 2 else 0.5)
                await asyncio.sleep(0.01)
        assert stood.acknowledged_by
    async with running(folder) as hub:
        found = hub.alerts.open[stood.alert]
        assert (found.level, found.subject, found.raised_at) == (stood.level, "underpass-1", stood.raised_at)
        assert found.acknowledged_by == stood.acknowledged_by
        assert found.changes[0].title == stood.changes[0].title
        async with AsyncClient(f"http://127.0.0.1:{api}") as client:
            shown = {alert["subject"]: alert for alert in (await client.ask(calls.alerts())).open}
            assert shown["underpass-1"]["reason"] == "the log no longer has what was said of it before"
