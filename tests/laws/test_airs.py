"""Air made by rule: smoke and fireworks over a few monitors that report every 2 to 60 minutes, beside a plain threshold of the hour; and what
one monitor alone tells."""

from __future__ import annotations

import random
from math import exp

import pytest

from hub.model import Device, Position
from tests.laws.generated import Row, every, first, grave, said

PACKS = pytest.mark.parametrize(("pack", "red"), [("air-us", 225.4), ("air-cn", 250.0)])
BEGINS_H = 6
SPACING_DEG = 0.05


def stations(count: int) -> list[Device]:
    return [Device(f"s{n}", kind="air-station", position=Position(121 + SPACING_DEG * n, 31.0)) for n in range(count)]


def air(cadence_min: int, count: int, hours: int, kind: str) -> dict[str, list[tuple[float, Row]]]:
    """By station: `smoke` grows for three hours and stays for seven, `fireworks` grow for one and fade; `stuck`, `spike`: the first alone."""
    chance = random.Random(3)
    found: dict[str, list[tuple[float, Row]]] = {}
    for station in range(count):
        rows: list[Row | None] = []
        for n in range(hours * 60 // cadence_min):
            since = n * cadence_min / 60 - BEGINS_H
            value = 25 + 10 * chance.random()
            if kind == "smoke" and since >= 0:
                value += 420 * min(1.0, since / 3) * (1 + chance.gauss(0, 0.1))
            if kind == "fireworks" and since >= 0:
                value += 700 * min(since, exp(-(since - 1) / 2.5)) * (1 + chance.gauss(0, 0.1))
            if station == 0 and since >= 0 and (kind == "stuck" or (kind == "spike" and since < 2 * cadence_min / 60)):
                value = 985.0
            rows.append({"pm25": round(value, 1)})
        found[f"s{station}"] = every(cadence_min * 60, rows)
    return found


@PACKS
@pytest.mark.parametrize(("cadence_min", "count"), [(2, 1), (10, 4), (60, 4), (60, 1)])
def test_smoke_is_red_within_the_hour_of_a_plain_threshold(pack: str, red: float, cadence_min: int, count: int) -> None:
    series = air(cadence_min, count, BEGINS_H + 6, "smoke")
    hour = 60 // cadence_min
    own = [float(row["pm25"]) for _, row in series["s0"]]  # type: ignore[arg-type]
    plain_s = next(n for n in range(hour, len(own)) if sum(own[n - hour + 1 : n + 1]) / hour > red) * cadence_min * 60
    raises = said(pack, stations(count), series, tick_s=600)
    told = first([one for one in raises if one.subject == "s0"], "red")
    assert told is not None
    assert BEGINS_H * 3600 < told <= plain_s + 3600


@PACKS
@pytest.mark.parametrize("cadence_min", [10, 60])
def test_an_evening_of_fireworks_is_no_episode(pack: str, red: float, cadence_min: int) -> None:
    raises = said(pack, stations(2), air(cadence_min, 2, BEGINS_H + 16, "fireworks"), tick_s=600)
    assert first(raises, "red") is not None
    assert [one for one in raises if "episode" in one.rule] == []


@PACKS
@pytest.mark.parametrize("cadence_min", [10, 60])
@pytest.mark.parametrize("kind", ["stuck", "spike"])
def test_one_monitor_alone_among_calm_ones_raises_nothing_grave(
    pack: str, red: float, cadence_min: int, kind: str
) -> None:
    assert grave(said(pack, stations(4), air(cadence_min, 4, BEGINS_H + 6, kind), tick_s=600)) == []
