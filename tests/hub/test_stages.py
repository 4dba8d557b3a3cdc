"""How long the stages of the journey take: what is measured, and that nothing is unless it is asked for."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from pathlib import Path

import pytest

from hub.model import AlertChange, Change, Reading
from hub.ports import LogPosition
from hub.stages import BOUNDS_S, LOGGED_TO_JUDGED, LOGGED_TO_STORED, RAISED_TO_DELIVERED, RECEIVED_TO_LOGGED, Stages
from tests.acceptance.ports import free_port
from tests.acceptance.running import write_city
from tests.adapters.http_peer import http_peer
from tests.hub.running import running


class Clock:
    at = 0.0

    def __call__(self) -> float:
        return self.at


def readings(number: int) -> list[Reading]:
    return [Reading("gauge", at, {"water_level": 1.0}) for at in range(number)]


def change(alert: str) -> AlertChange:
    return AlertChange(alert, 1, 0, "flood", "gauge", Change.RAISED, "red")


def seen(stages: Stages, stage: str) -> tuple[int, float]:
    """Number and sum."""
    found = stages.histograms[stage]
    return sum(found.counts), found.sum_s


def test_each_reader_is_measured_from_when_the_log_had_it() -> None:
    clock = Clock()
    stages = Stages(clock)
    clock.at = 0.5
    stages.logged("door", 0.25, readings(3), LogPosition(3))
    clock.at = 1.0
    stages.logged("door", 1.0, readings(2), LogPosition(5))
    assert seen(stages, RECEIVED_TO_LOGGED) == (5, 0.75)
    clock.at = 2.5
    stages.read(LOGGED_TO_JUDGED, LogPosition(4))  # the second group is judged in part
    assert seen(stages, LOGGED_TO_JUDGED) == (3, 6.0)
    stages.read(LOGGED_TO_JUDGED, LogPosition(5))
    assert seen(stages, LOGGED_TO_JUDGED) == (5, 9.0)
    assert seen(stages, LOGGED_TO_STORED) == (0, 0.0)


def test_a_reader_that_hears_of_it_before_the_door_took_no_time() -> None:
    clock = Clock()
    stages = Stages(clock)
    stages.read(LOGGED_TO_JUDGED, LogPosition(1))
    clock.at = 7.0
    stages.logged("door", 6.5, readings(1), LogPosition(1))
    assert seen(stages, LOGGED_TO_JUDGED) == (1, 0.0)


def test_a_warning_is_measured_to_each_destination_and_one_of_before_the_start_to_none() -> None:
    clock = Clock()
    stages = Stages(clock)
    stages.raised(change("a"))
    clock.at = 4.0
    for id in ("a#1", "a#1", "b#1"):
        stages.delivered(id, "video", 1)
    assert seen(stages, RAISED_TO_DELIVERED) == (2, 8.0)


def test_a_bound_belongs_to_its_bucket() -> None:
    stages = Stages(Clock())
    found = stages.histograms[RECEIVED_TO_LOGGED]
    for seconds in (0.0, BOUNDS_S[0], BOUNDS_S[0] * 1.01, BOUNDS_S[-1] + 1):
        found.observe(seconds)
    assert (found.counts[0], found.counts[1], found.counts[-1]) == (2, 1, 1)


def _ask(url: str, body: object = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        text: str = answer.read().decode()
    return text


def _numbers(metrics: str) -> dict[str, int]:
    """By stage; each histogram must be one: counts that only rise, the last of them the number."""
    numbers = {}
    for stage, number in re.findall(r'^cityhub_stage_seconds_count{stage="(\w+)"} (\d+)$', metrics, re.MULTILINE):
        buckets = re.findall(rf'_bucket{{stage="{stage}",le="([^"]+)"}} (\d+)', metrics)
        counts = [int(count) for _, count in buckets]
        assert counts == sorted(counts)
        assert (len(buckets), buckets[-1]) == (len(BOUNDS_S) + 1, ("+Inf", number))
        numbers[stage] = int(number)
    return numbers


@pytest.mark.acceptance
async def test_a_reading_and_its_warning_are_measured_through_the_whole_hub(tmp_path: Path) -> None:
    async with http_peer() as peer:
        api = free_port()
        toml = f'[metrics]\nstages = true\n[[sinks]]\nname = "video"\nprotocol = "webhook"\nurl = "{peer.url}/alerts"\n'
        async with running(write_city(tmp_path, toml, api)):
            base = f"http://127.0.0.1:{api}"
            reading = {"device": "underpass-1", "values": {"water_depth": 0.5}}
            await asyncio.to_thread(_ask, f"{base}/api/v1/readings", reading)
            wanted = dict.fromkeys((RECEIVED_TO_LOGGED, LOGGED_TO_STORED, LOGGED_TO_JUDGED, RAISED_TO_DELIVERED), 1)
            async with asyncio.timeout(120):
                while _numbers(await asyncio.to_thread(_ask, f"{base}/metrics")) != wanted:
                    await asyncio.sleep(0.05)


async def test_nothing_is_measured_unless_it_is_asked_for(tmp_path: Path) -> None:
    api = free_port()
    async with running(write_city(tmp_path, api=api)) as hub:
        assert hub.following.journey is None
        assert "cityhub_stage_seconds" not in await asyncio.to_thread(_ask, f"http://127.0.0.1:{api}/metrics")
