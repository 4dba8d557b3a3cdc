"""Roses and rivers out of the store: what enters, whose wind it is, when the next stage is expected; and both over HTTP."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.model import Device
from hub.moment import from_text
from hub.ports import Row
from hub.reports.rivers import HOUR_NS, line
from hub.reports.roses import class_of, winds_by_hour
from tests.acceptance.running import write_city
from tests.hub.running import running

AT = from_text("2026-11-29T08:00:00Z")
MINUTE = HOUR_NS // 60
GAUGE = Device("g", kind="river-gauge", attributes={"warning_level_m": 3.0, "guaranteed_level_m": 4.0, "record_level_m": 5.0})  # fmt: skip


def row(metric: str, value: float | bool, minute: int, quality: int = 0) -> Row:
    return Row(AT + minute * MINUTE, "s", "", metric, value, quality, None, None, 0)


def test_only_winds_that_hold_and_have_both_count() -> None:
    speeds = [row("wind_speed", 2.0, 0), row("wind_speed", 4.0, 10), row("wind_speed", 50.0, 20, 10), row("wind_speed", 3.0, 61)]  # fmt: skip
    directions = [row("wind_direction", 90.0, minute) for minute in (0, 10, 20, 30)] + [
        row("wind_direction", 180.0, 61)
    ]
    found = winds_by_hour(speeds, directions)
    assert {begin: (wind.speed_mps, round(wind.from_deg, 6)) for begin, wind in found.items()} == {
        AT: (3.0, 90.0),
        AT + HOUR_NS: (3.0, 180.0),
    }


@pytest.mark.parametrize(
    ("pollutant", "value", "place"),
    [("pm25", 20.0, 0), ("pm25", 90.0, 2), ("pm25", 900.0, 5), ("so2", 900.0, 3), ("co", 3.0, 0), ("pm10", -2.0, 0)],
)
def test_an_hour_has_a_class_whatever_it_holds(pollutant: str, value: float, place: int) -> None:
    assert class_of(pollutant, value, AT) == place


def test_an_hour_too_high_for_the_edition_of_2012_counts_as_in_that_of_2026() -> None:
    assert class_of("so2", 900.0, from_text("2025-11-29T08:00:00Z")) == 3


def rising(first: float, per_hour: float, minutes: int = 120, step: int = 5) -> list[tuple[int, float]]:
    return [(AT - (minutes - m) * MINUTE, first + per_hour * m / 60) for m in range(0, minutes + 1, step)]


def test_a_rising_river_has_its_next_stage_and_when() -> None:
    """0.5 m/h at 2.8 m: 0.2 m to go. On a path that fades with an hour: -ln(1 - 0.2 / 0.5) h = 30.65 min."""
    told = line(GAUGE, rising(1.8, 0.5), AT)
    assert (told["level_m"], told["stands"], told["change_m_per_h"]) == (2.8, None, 0.5)
    expected = told["expected"]
    assert (expected["stage"], expected["level_m"]) == ("warning", 3.0)
    assert from_text(expected["at"]) == pytest.approx(AT + 30.65 * MINUTE, abs=MINUTE)
    assert expected["give_or_take_s"] > 0


def test_a_river_above_a_stage_is_held_to_the_next() -> None:
    told = line(GAUGE, rising(2.8, 0.5), AT)
    assert (told["stands"], told["expected"]["stage"]) == ("warning", "guaranteed")
    assert line(GAUGE, rising(9.0, 0.1), AT)["stands"] == "record"


@pytest.mark.parametrize(
    ("levels", "why"),
    [
        (rising(2.0, 0.0), "it does not move"),
        (rising(3.5, -0.5), "it falls"),
        (rising(0.5, 0.1), "2.8 m are not within two hours"),
        ([], "nobody told anything"),
        (rising(1.8, 0.5)[:2], "two levels are no trend"),
        ([(at - 3 * HOUR_NS, level) for at, level in rising(1.8, 0.5)], "the newest is three hours old"),
    ],
)
def test_nothing_is_expected_without_a_reason(levels: list[tuple[int, float]], why: str) -> None:
    assert line(GAUGE, levels, AT)["expected"] is None, why


def test_a_gauge_without_stages_shows_its_level() -> None:
    told = line(Device("g", kind="river-gauge", attributes={"warning_level_m": "high"}), rising(1.8, 0.5), AT)
    assert (told["stages"], told["stands"], told["expected"], told["level_m"]) == ({}, None, None, 2.8)


async def test_roses_and_rivers_over_http(tmp_path: Path) -> None:
    folder = write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\n')
    (folder / "devices.csv").write_text(
        "device,name,kind,lon,lat,warning_level_m\nair-1,Market,air-station,121.49,31.24,\nwind-far,Far,weather-station,121.55,31.24,\n"
        "wind-near,Near,weather-station,121.50,31.24,\nriver-1,Bridge,river-gauge,121.49,31.25,3\nriver-2,Mill,river-gauge,121.49,31.26,\n"
    )
    now = datetime.now(UTC)
    local = now + timedelta(hours=8) - timedelta(days=1)
    begin = datetime(local.year, local.month, local.day, tzinfo=UTC) - timedelta(hours=8)
    body: list[dict[str, Any]] = []
    for hour in range(24):
        at = (begin + timedelta(hours=hour, minutes=30)).isoformat()
        body.append({"device": "air-1", "time": at, "values": {"pm25": 90.0 if hour < 6 else 20.0}})
        for station, angle in (("wind-near", 270.0 if hour < 6 else 90.0), ("wind-far", 180.0)):
            body.append({"device": station, "time": at, "values": {"wind_speed": 2.0, "wind_direction": angle}})
    body += [
        {"device": "river-1", "time": (now - timedelta(minutes=120 - m)).isoformat(), "values": {"water_level": 1.8 + 0.5 * m / 60}}
        for m in range(0, 121, 5)
    ]  # fmt: skip
    async with running(folder) as hub, httpx.AsyncClient(base_url=hub.address, timeout=60) as client:
        assert (await client.post("/api/v1/readings", json=body)).status_code == 200
        async with asyncio.timeout(60):
            while len((await client.get("/api/v1/series?device=river-1")).json()["rows"]) < 25:
                await asyncio.sleep(0.05)
        day = f"{local:%Y-%m-%d}"
        told = (await client.get(f"/api/v1/roses?device=air-1&span={day}")).json()
        assert (told["wind_device"], told["pollutant"]) == ("wind-near", "pm25"), "the nearest that has a wind"
        assert told["wind_distance_m"] == pytest.approx(951, abs=5)
        assert (told["wind"]["hours"], told["pollution"]["hours"]) == (24, 24)
        assert (sum(told["wind"]["sectors"][12]), sum(told["wind"]["sectors"][4])) == (6, 18)
        assert told["pollution"]["sectors"][12] == [0, 0, 6, 0, 0, 0]
        assert told["pollution"]["means"][12] == 90.0
        assert (await client.get("/api/v1/roses?device=nobody&span=2026-11")).status_code == 404
        for wrong in ("span=soon", f"span={day}&pollutant=smoke", "pollutant=pm25"):
            assert (await client.get(f"/api/v1/roses?device=air-1&{wrong}")).status_code == 400, wrong
        first, second = (await client.get("/api/v1/rivers")).json()["rivers"]
        assert (first["device"], first["expected"]["stage"], second["level_m"]) == ("river-1", "warning", None)
        assert first["change_m_per_h"] == pytest.approx(0.5, abs=0.01)
