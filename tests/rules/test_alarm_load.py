"""The alarm load of small streams counted by hand."""

from __future__ import annotations

import pytest

from hub.model import AlertChange, Change
from rules.figures.alarm_load import MINUTE, alarm_load

START = 1_780_000_000_000_000_000


def step(minute: float, subject: str, change: Change = Change.RAISED, level: str = "yellow") -> AlertChange:
    at = START + int(minute * MINUTE)
    return AlertChange(f"r@{subject}", 1, at, "p/r", subject, change, level)


def test_nothing_is_no_load() -> None:
    load = alarm_load([])
    assert (load.alarms, load.floods, load.top_share, load.stale) == (0, (), 0.0, ())


def test_a_flood_begins_with_ten_and_ends_below_five() -> None:
    counts = [1, 12, 5, 4, 0, 10, 0, 11]
    changes = [step(10 * period + 0.1 * i, f"d{period}-{i}") for period, n in enumerate(counts) for i in range(n)]
    load = alarm_load(changes, START, START + 80 * MINUTE)
    assert [((f.since - START) // MINUTE, (f.until - START) // MINUTE, f.alarms) for f in load.floods] == [
        (10, 30, 17), (50, 60, 10), (70, 80, 11)
    ]  # fmt: skip
    assert (load.alarms, load.per_10_min, load.peak_10_min) == (43, 43 / 8, 12)
    assert load.busy_share == 2 / 8
    assert load.flood_share == 4 / 8


def test_chattering_needs_three_in_a_minute() -> None:
    load = alarm_load([step(m, "a") for m in (0, 0.5, 1, 1.5)] + [step(m, "b") for m in (0, 1, 2)])
    assert load.chattering == (("p/r", "a", 3),)
    assert load.top[0] == ("p/r", "a", 4)


def test_stale_is_open_for_a_day() -> None:
    changes = [step(0, "old"), step(0, "done"), step(5, "done", Change.CLEARED), step(60, "new", level="red")]
    load = alarm_load(changes, until=START + 1441 * MINUTE)
    assert load.stale == ("r@old",)
    assert load.by_level["red"] == pytest.approx(1 / 3)
