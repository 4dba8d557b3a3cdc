"""`cityhub alerts DIR`: the order of its lines; with `--load` what the warnings ask of their watchers, for people and as JSON, with and without a hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hub.log import Log
from hub.model import AlertChange, Change
from hub.moment import SECOND, from_text
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city

START = from_text("2026-06-01T00:00:00Z")


def step(second: float, subject: str, change: Change = Change.RAISED, level: str = "yellow", n: int = 0) -> AlertChange:
    return AlertChange(f"p/r@{subject}", n, START + round(second * SECOND), "p/r", subject, change, level)


async def city_with_alerts(folder: Path, *changes: AlertChange, api: int | None = None) -> Path:
    city = write_city(folder, api=api)
    log = Log(city / "var" / "log")
    if changes:
        await log.alerts.append(list(changes))
    await log.close()
    return city


def load_of(city: Path) -> dict[str, Any]:
    said = cityhub("alerts", city, "--load", "--json")
    assert said.returncode == 0, said.stderr
    found: dict[str, Any] = json.loads(said.stdout)
    return found


async def test_a_flood_and_something_that_chatters(tmp_path: Path) -> None:
    flood = [step(n, f"gauge-{n}", level="red" if n == 0 else "yellow") for n in range(12)]
    chatter = [
        change
        for n in range(3)
        for change in (step(1200 + 20 * n, "bell", n=2 * n), step(1210 + 20 * n, "bell", Change.CLEARED, n=2 * n + 1))
    ]
    called = step(1300, "gauge-1", Change.CALLED, n=1)
    city = await city_with_alerts(tmp_path / "city", *flood, *chatter, called)
    assert load_of(city) == {
        "since": "2026-06-01T00:00:00Z",
        "until": "2026-06-01T00:21:40.000000001Z",
        "alarms": 15,
        "per_10_min": 5.0,
        "peak_10_min": 12,
        "busy_share": 1 / 3,
        "floods": [{"since": "2026-06-01T00:00:00Z", "until": "2026-06-01T00:10:00Z", "alarms": 12}],
        "flood_share": 1 / 3,
        "top": [{"rule": "p/r", "subject": "bell", "raised": 3}]
        + [{"rule": "p/r", "subject": f"gauge-{n}", "raised": 1} for n in (0, 1, 10, 11, 2, 3, 4, 5, 6)],
        "top_share": 12 / 15,
        "chattering": [{"rule": "p/r", "subject": "bell", "raised": 3}],
        "stale": [],
        "by_level": {"blue": 0.0, "yellow": 14 / 15, "orange": 0.0, "red": 1 / 15},
    }
    shown = cityhub("alerts", city, "--load").stdout
    for words in ("warnings raised", "ten at most", "1 floods; below 1 %", "three times in a minute; none", "bell"):
        assert words in shown


async def test_without_a_warning(tmp_path: Path) -> None:
    city = await city_with_alerts(tmp_path / "city")
    assert cityhub("alerts", city, "--load").stdout == "no warning was ever raised\n"
    assert load_of(city)["alarms"] == 0


async def test_a_running_hub_counts_all_it_knows_up_to_now(tmp_path: Path) -> None:
    """Not only the hundred closed ones that the console shows; and what stands open since long ago is stale by now."""
    closed = [
        change for n in range(150) for change in (step(n * 60, f"d{n}"), step(n * 60 + 5, f"d{n}", Change.CLEARED, n=1))
    ]
    api = free_port()
    city = await city_with_alerts(tmp_path / "city", *closed, step(9000, "old"), api=api)
    hub = RunningHub(city, api)
    try:
        load = load_of(city)
        assert len(hub.get("/api/v1/alerts")["closed"]) == 100
        assert len(cityhub("alerts", city, "--all", "--json").stdout.splitlines()) == 301
    finally:
        assert hub.stop() == 0
    assert (load["alarms"], load["stale"]) == (151, ["p/r@old"])
    assert load["until"] > "2026-06-02"


async def test_changes_are_listed_in_the_order_of_their_times(tmp_path: Path) -> None:
    """1.1 s before 1.12 s, though their texts sort the other way: "…01.1Z", "…01.12Z"."""
    changes = step(1, "a"), step(1.1, "a", Change.ESCALATED, "red", 1), step(1.12, "a", Change.CLEARED, "red", 2)
    city = await city_with_alerts(tmp_path / "city", *changes)
    said = [json.loads(line)["change"] for line in cityhub("alerts", city, "--all", "--json").stdout.splitlines()]
    assert said == ["raised", "escalated", "cleared"]
