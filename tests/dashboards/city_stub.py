"""A city of 10,000 devices and 2,000 moving things for the console, served by the stub of the API."""

from __future__ import annotations

import random
from typing import Any

AT = "2026-11-22T08:00:00Z"
WEST, SOUTH, WIDE, HIGH = 122.0, 29.2, 0.2, 0.15


def place(chance: random.Random) -> list[float]:
    return [WEST + WIDE * chance.random(), SOUTH + HIGH * chance.random()]


def standing(many: int, chance: random.Random) -> list[dict[str, Any]]:
    kinds = ("air-station", "river-gauge", "underpass-gauge", "gas-detector")
    return [_device(f"s-{n}", kinds[n % 4], place(chance), {"water_depth": n % 90 / 100}) for n in range(many)]


def moving(many: int, chance: random.Random) -> list[dict[str, Any]]:
    return [_device(f"bus-{n}", "bus", place(chance), {"speed": n % 60, "course": n % 360}) for n in range(many)]


def moved(devices: list[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    """The same, some metres further."""
    return [
        {**item, "position": [item["position"][0] + (chance.random() - 0.5) * 2e-4, item["position"][1] + (chance.random() - 0.5) * 2e-4]}
        for item in devices
    ]  # fmt: skip


def _device(name: str, kind: str, at: list[float], values: dict[str, float]) -> dict[str, Any]:
    return {
        "device": name, "name": name, "kind": kind, "adapter": "mqtt", "area": "", "position": at, "observed_at": AT, "received_at": AT,
        "readings": 1, "skew_s": 0.0, "registered": True, "values": {metric: {"value": value, "at": AT} for metric, value in values.items()},
    }  # fmt: skip
