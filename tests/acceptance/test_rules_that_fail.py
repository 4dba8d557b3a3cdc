"""A whole hub, its API and its command line, with a rule that fails and a clock that steps: warnings come all the same."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.app.city import load_city
from hub.app.hub import Hub
from hub.app.plugins import Plugins
from hub.cli import main
from rules.figures import derived
from tests.acceptance.ports import free_port
from tests.acceptance.running import RULES, write_city
from tests.waiting import PATIENCE_S

SICK = """
- rule: sick
  for_each: {kind: underpass-gauge}
  levels: {yellow: beaufort(wind_speed) >= 0 and water_depth > 1 cm}
"""
HOUR = 3_600_000_000_000


def hub_of(folder: Path, now: Callable[[], int] = time.time_ns) -> Hub:
    city, mistakes = load_city(folder, Plugins())
    assert city is not None, mistakes
    return Hub(city, now=now, tick_s=0.1)


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while not (found := await condition()):
        assert time.monotonic() < end, "it did not come in time"
        await asyncio.sleep(0.05)
    return found


async def say(client: httpx.AsyncClient, **values: float) -> None:
    answer = await client.post("/api/v1/readings", json={"device": "underpass-1", "values": values})
    assert answer.status_code == 200, answer.text


async def warned(client: httpx.AsyncClient, level: str) -> list[str]:
    found = (await client.get("/api/v1/alerts")).json()["open"]
    return [alert["rule"] for alert in found if alert["level"] == level]


async def test_a_sick_rule_is_shown_everywhere_and_the_underpass_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*arguments: float) -> float:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setitem(derived.FUNCTIONS, "beaufort", derived.FUNCTIONS["beaufort"]._replace(function=fails))
    hub = hub_of(write_city(tmp_path, api=free_port(), rules=RULES + SICK))
    await hub.start()
    try:
        async with httpx.AsyncClient(base_url=hub.address, timeout=PATIENCE_S) as client:
            await say(client, water_depth=0.8, wind_speed=3.0)
            assert await until(lambda: warned(client, "red")) == ["city/underpass-flooding"]
            status = (await client.get("/api/v1/status")).json()
            [ill] = status["rules"]["ill"]
            assert (ill["rule"], ill["subject"], ill["count"]) == ("city/sick", "underpass-1", 1)
            assert ill["error"] == "ZeroDivisionError: float division by zero"
            [reader] = [item for item in status["readers"] if item["reader"] == "rules"]
            assert (reader["state"], reader["detail"]) == ("up", "ill rules: city/sick")
            assert 'cityhub_rule_ill{rule="city/sick"} 1' in (await client.get("/metrics")).text
            said = await asyncio.to_thread(lambda: (main(["rules", "list", str(tmp_path)]), capsys.readouterr().out)[1])
            assert "ill: city/sick: ZeroDivisionError: float division by zero (at underpass-1" in said
    finally:
        await hub.stop()
    assert main(["rules", "list", str(tmp_path), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert {line["rule"]: bool(line["ill"]) for line in lines} == {"city/underpass-flooding": False, "city/sick": True}


@pytest.mark.parametrize("step", [HOUR, 24 * HOUR])
async def test_a_hub_whose_clock_steps_ahead_and_back_warns_at_once(tmp_path: Path, step: int) -> None:
    ahead = 0
    hub = hub_of(write_city(tmp_path, api=free_port()), lambda: time.time_ns() + ahead)
    await hub.start()
    try:
        async with httpx.AsyncClient(base_url=hub.address, timeout=PATIENCE_S) as client:
            await say(client, water_depth=0.01)
            ahead = step
            await say(client, water_depth=0.02)
            ticked = hub.log.events.next + 5
            await until(lambda: _at_least(hub, ticked))
            ahead = 0
            ticked = hub.log.events.next + 5
            await until(lambda: _at_least(hub, ticked))
            await say(client, water_depth=0.8)
            assert await until(lambda: warned(client, "red")) == ["city/underpass-flooding"]
            assert abs(hub.judging.warner.engine.world.clock.now - time.time_ns()) < 60_000_000_000
            assert (await client.get("/api/v1/status")).json()["rules"]["ill"] == []
    finally:
        await hub.stop()


async def _at_least(hub: Hub, offset: int) -> bool:
    return hub.judging.warner.state.cursor >= offset


async def test_one_report_from_the_future_holds_no_warning_back(tmp_path: Path) -> None:
    hub = hub_of(write_city(tmp_path, api=free_port()))
    await hub.start()
    try:
        async with httpx.AsyncClient(base_url=hub.address, timeout=PATIENCE_S) as client:
            later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 540))
            body = {"device": "underpass-1", "time": later, "values": {"water_depth": 0.01}}
            assert (await client.post("/api/v1/readings", json=body)).status_code == 200
            await say(client, water_depth=0.8)
            assert await until(lambda: warned(client, "red")) == ["city/underpass-flooding"]
    finally:
        await hub.stop()
