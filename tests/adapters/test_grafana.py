"""The sink that writes warnings as annotations, against a stub of Grafana's API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.grafana import PLUGIN
from adapters.grafana.sink import GrafanaOptions, GrafanaSink, alert_tag
from hub.delivery import Courier, Journal
from hub.log import Cursors, Log
from hub.model import AlertChange, Change
from tests.dashboards.grafana_stub import TOKEN, Stub, grafana_stub

T = 1_770_000_000_000_000_000
NOW = T + 10**12


@pytest.fixture
def grafana() -> Iterator[Stub]:
    with grafana_stub() as stub:
        yield stub


@pytest.fixture
async def sink(grafana: Stub, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GrafanaSink]:
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    made = GrafanaSink(GrafanaOptions(url=grafana.url, token_env="GRAFANA_TOKEN", timeout_s=5))
    yield made
    await made.close()


def change(
    ordinal: int = 0, what: Change = Change.RAISED, level: str = "orange", after_s: int = 0, **more: Any
) -> AlertChange:
    at = T + after_s * 10**9
    return AlertChange(
        "flood/stage@河 1+b@2026", ordinal, at, "flood/stage", "河 1", what, level, "High water", area="north", **more
    )


async def test_one_annotation_for_each_warning_as_long_as_it_lasts(grafana: Stub, sink: GrafanaSink) -> None:
    life = [
        change(),
        change(1, Change.ESCALATED, "red", 60),
        change(2, Change.ACKNOWLEDGED, "red", 90, who="li"),
        change(3, Change.CLEARED, "red", 600),
    ]
    for step in life:
        assert (await sink.deliver(step, step.id, NOW)).taken
    assert len(grafana.annotations) == 1
    noted = grafana.annotations[0]
    assert (noted["time"], noted["timeEnd"]) == (T // 10**6, T // 10**6 + 600_000)
    assert noted["tags"] == ["cityhub", alert_tag(life[0].alert), "level:red", "rule:flood/stage", "area:north"]
    assert noted["text"] == "High water · 河 1 · cleared"


async def test_delivered_twice_it_is_there_once(grafana: Stub, sink: GrafanaSink) -> None:
    for _ in range(2):
        assert (await sink.deliver(change(), change().id, NOW)).taken
    assert len(grafana.annotations) == 1
    assert len(grafana.writes) == 1


async def test_another_warning_has_its_own(grafana: Stub, sink: GrafanaSink) -> None:
    other = msgspec.structs.replace(change(), alert="flood/stage@b@2026")
    assert (await sink.deliver(change(), "1", NOW)).taken
    assert (await sink.deliver(other, "2", NOW)).taken
    assert len(grafana.annotations) == 2


@pytest.mark.parametrize("fault", [500, 503, 429, 401, 403, "cut"])
async def test_what_may_pass_is_not_final(grafana: Stub, sink: GrafanaSink, fault: int | str) -> None:
    grafana.faults = [fault]
    outcome = await sink.deliver(change(), "1", NOW)
    assert (outcome.taken, outcome.final) == (False, False)
    assert outcome.detail
    assert (await sink.deliver(change(), "1", NOW)).taken
    assert len(grafana.annotations) == 1


async def test_a_refusal_is_final_and_says_why(grafana: Stub, sink: GrafanaSink) -> None:
    grafana.faults = [400]
    outcome = await sink.deliver(change(), "1", NOW)
    assert (outcome.taken, outcome.final) == (False, True)
    assert "ordered by the test" in outcome.detail


async def test_a_new_destination_notes_the_past_and_one_that_was_down_goes_on(
    grafana: Stub, sink: GrafanaSink, tmp_path: Path
) -> None:
    log, cursors, journal = Log(tmp_path / "log"), Cursors(tmp_path / "cursors"), Journal(tmp_path / "delivery.db")
    days = [8, 3, 1]
    for ago in days:
        said = msgspec.structs.replace(change(), alert=f"flood/stage@{ago}", at=NOW - ago * 86_400 * 10**9)
        await log.alerts.append([said])

    async def run_until(count: int) -> None:
        courier = Courier("charts", sink, log.alerts, cursors, journal, now=lambda: NOW)
        task = asyncio.create_task(courier.run())
        async with asyncio.timeout(20):
            while len(grafana.annotations) < count or cursors.get("delivery.charts") != log.alerts.next:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    await run_until(2)
    await log.alerts.append([msgspec.structs.replace(change(), alert="flood/stage@new", at=NOW)])  # while it is down
    grafana.faults = [503]
    await run_until(3)
    assert [NOW // 10**6 - noted["time"] for noted in grafana.annotations] == [3 * 86_400_000, 86_400_000, 0]
    journal.close()
    await log.close()


def test_options_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PLUGIN.sink_options is GrafanaOptions
    with pytest.raises(ValueError, match="no http"):
        GrafanaOptions(url="grafana:3000")
    with pytest.raises(ValueError, match="a password has no place"):
        GrafanaOptions(url="http://admin:admin@grafana:3000")
    monkeypatch.delenv("GRAFANA_TOKEN", raising=False)
    with pytest.raises(ValueError, match="is not set"):
        GrafanaSink(GrafanaOptions(url="http://127.0.0.1:1", token_env="GRAFANA_TOKEN"))
    with pytest.raises(ValueError, match="wants a token"):
        GrafanaSink(GrafanaOptions(url="http://127.0.0.1:1"))
