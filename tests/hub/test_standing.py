"""A warning may stand for longer than the log of warnings reaches back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from adapters.hub import wire
from hub.alerts import Alerts
from hub.app.telemetry import worst_levels
from hub.client import AsyncClient, calls
from hub.model import Alert, AlertChange, Change, Position
from hub.moment import to_text
from tests.acceptance.ports import free_port
from tests.acceptance.running import write_city
from tests.hub.running import running
from tests.waiting import PATIENCE_S

T = 1_795_334_400_000_000_000
TOKEN = "token-of-district-a-0123456789"
BELOW = "district-a/flood@gauge-1@t"


async def forward(port: int, ordinal: int, kind: Change, level: str) -> None:
    """A change of a warning of the hub below."""
    change = AlertChange("flood@gauge-1@t", ordinal, T + ordinal - 1, "flood/stage", "gauge-1", kind, level, "high water", {}, Position(121.4, 31.2))  # fmt: skip
    body = wire.body("district-a", changes=[wire.change_item(change, "district-a")])
    async with httpx.AsyncClient() as client:
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": wire.CONTENT_TYPE}
        answer = await client.post(f"http://127.0.0.1:{port}/", content=body, headers=headers)
    assert answer.status_code == 200, answer.text


@pytest.mark.acceptance
async def test_a_warning_older_than_the_log_of_warnings_is_open_after_a_restart(tmp_path: Path) -> None:
    """Its changes made room for those of a gauge that chatters; started again, the hub said that nothing was open there."""
    api = free_port()
    above = free_port()
    peers = tmp_path / "peers.toml"
    peers.write_text(f'[peers.district-a]\ntoken = "{TOKEN}"\n')
    folder = write_city(
        tmp_path,
        f'[log]\nalerts_gb = 0.00003\n[[adapters]]\nname = "below"\nprotocol = "hub"\nlisten = "tcp://127.0.0.1:{above}"\npeers_file = "{peers}"\n',
        api=api,
    )
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
        await forward(above, 1, Change.RAISED, "yellow")
        await forward(above, 2, Change.ESCALATED, "red")
        async with asyncio.timeout(PATIENCE_S):
            while (below := hub.alerts.open.get(BELOW)) is None or below.level != "red":
                await asyncio.sleep(0.01)
        await client.ask(calls.operate(BELOW, "acknowledge"))
        async with asyncio.timeout(4 * PATIENCE_S):
            number = 0
            while hub.log.alerts.first < 6:
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
            told_above = shown["district-a/gauge-1"]
            assert (told_above["level"], told_above["title"]) == ("red", "high water")
            assert (told_above["origin"], told_above["acknowledged_by"]) == ("district-a", below.acknowledged_by)
            assert told_above["raised_at"] == to_text(T)
            assert told_above["position"] == [121.4, 31.2]
            await forward(above, 3, Change.CLEARED, "red")
            async with asyncio.timeout(PATIENCE_S):
                while BELOW in hub.alerts.open:
                    await asyncio.sleep(0.01)


def test_of_a_warning_whose_beginning_the_log_has_dropped_the_rules_know_the_rest() -> None:
    """Its newest change was still there, so it was shown, as raised at that moment, and by nobody acknowledged."""

    def change(ordinal: int, kind: Change, at: int) -> AlertChange:
        return AlertChange("a", ordinal, at, "r", "s", kind, "red", who="li" if kind is Change.ACKNOWLEDGED else "")

    alerts = Alerts()
    alerts.feed([change(2, Change.ESCALATED, T + 9)])
    alerts.know([Alert("a", "r", "s", "yellow", T, T + 1, True, "li", T + 99, [change(1, Change.ACKNOWLEDGED, T + 1)])])
    known = alerts.open["a"]
    assert (known.raised_at, known.level, known.changed_at) == (T, "red", T + 9)
    assert (known.acknowledged_by, known.shelved_until) == ("li", T + 99)
    alerts.feed([change(3, Change.UNSHELVED, T + 10), change(4, Change.CLEARED, T + 11)])
    assert "a" not in alerts.open


def test_an_encounter_that_somebody_acknowledged_is_still_about_both() -> None:
    """What a person says of another hub's warning names no pair."""
    raised = AlertChange("a", 1, T, "r", "b/one+b/two", Change.RAISED, "orange", pair=("b/one", "b/two"))
    said = AlertChange("a", 2, T + 1, "r", "b/one+b/two", Change.ACKNOWLEDGED, "orange", who="li")
    alerts = Alerts()
    alerts.feed([raised, said])
    assert worst_levels(alerts.open.values()) == {"b/one": 3, "b/two": 3, "b/one+b/two": 3}
