"""`[rules] partitions = 3` in a hub of its own process, readings over HTTP: the same alerts as with one, and a change of the number between two starts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from hub.moment import SECOND, to_text
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city

RULES = """
- rule: slow
  title: "{subject.name}: {speed:.0f km/h} among {around:.0f km/h}"
  for_each: {kind: vehicle}
  let: {around: "mean(speed, 10 min, within 3 km)"}
  levels:
    yellow: speed < 20 km/h
    orange: speed < 20 km/h and agree(speed < 20 km/h, within 3 km) >= 1
  clear: speed > 30 km/h
"""
CARS = 6
ROUNDS = 8


def drive(round_of: int, now: int) -> list[dict[str, Any]]:
    """Cars side by side that cross a border of cells (a quarter of a degree) every few reports; each is slow in turn."""
    at = to_text(now + (round_of - ROUNDS) * 20 * SECOND)
    return [
        {
            "device": f"car-{number}", "time": at, "lon": 116.2 + 0.04 * round_of + 0.012 * number, "lat": 39.74 + 0.01 * (number % 3),
            "values": {"speed": 12.0 if (round_of + number // 2) % 4 < 2 else 50.0},
        }
        for number in range(CARS)
    ]  # fmt: skip


def alerts_of(hub: RunningHub) -> list[Any]:
    """All that was said, without the times at which this hub heard it."""
    marker = {"device": "last", "values": {"speed": 0.0}, "lon": 110.0, "lat": 30.0}
    assert hub.post("/api/v1/readings", marker)[0] == 200

    def everything() -> dict[str, Any]:
        found: dict[str, Any] = hub.get("/api/v1/alerts?closed=500")
        return found

    hub.wait(lambda: any(row["subject"] == "last" for row in everything()["open"]), "the alerts did not keep up")
    listed = everything()
    told = ("change", "level", "at", "reason", "values", "evidence")
    return sorted(
        [
            row["alert"],
            row["rule"],
            row["subject"],
            row["title"],
            [[change.get(name) for name in told] for change in row["changes"]],
        ]
        for row in [*listed["open"], *listed["closed"]]
        if row["subject"] != "last"
    )


def test_a_hub_with_three_partitions_says_what_one_says(tmp_path: Path) -> None:
    now = time.time_ns() // SECOND * SECOND
    said = []
    for partitions in (1, 3):
        api = free_port()
        folder = write_city(tmp_path / str(partitions), f"[rules]\npartitions = {partitions}\n", api, RULES)
        with (folder / "devices.csv").open("a") as registry:
            registry.writelines(
                f"{name},{name},vehicle,,,,,,\n" for name in ("last", *(f"car-{n}" for n in range(CARS)))
            )
        hub = RunningHub(folder, api)
        try:
            for round_of in range(ROUNDS):
                if round_of == ROUNDS // 2 and partitions == 3:  # from the snapshot, as two
                    hub.stop()
                    text = (folder / "hub.toml").read_text()
                    (folder / "hub.toml").write_text(text.replace("partitions = 3", "partitions = 2"))
                    hub = RunningHub(folder, api)
                for row in drive(round_of, now):
                    status, answer = hub.post("/api/v1/readings", row)
                    assert status == 200, answer
            said.append(alerts_of(hub))
        finally:
            hub.stop()
    assert said[0] == said[1]
    assert len(said[0]) >= CARS
    assert any(change[1] == "orange" for row in said[0] for change in row[4])
