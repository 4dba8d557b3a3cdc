"""The hourly index of air-cn: every hour above a limit has its level, at once or with the hour that bears it out; and the
episode takes no part in fireworks. By hours drawn at random, and over the embassy's five years."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model import LEVELS, AlertChange, Change, Device, Reading
from hub.moment import SECOND, from_text
from rules.book import RuleBook, load
from rules.engine import Engine
from tests.played import played, summary_of, together
from tests.shared import shared_path

HOUR = 3600 * SECOND
START = from_text("2026-06-01T00:00:00Z")
LIMITS = {"blue": 60.0, "yellow": 115.0, "orange": 150.0, "red": 250.0}
RULE = "air-cn/pm25-hourly"


@cache
def book() -> RuleBook:
    found = load([], ["air-cn"])
    assert isinstance(found, RuleBook), found
    return found


def standing(changes: Sequence[AlertChange], rule: str = RULE) -> int:
    """The level after these changes, -1 for none."""
    level = -1
    for change in changes:
        if change.rule == rule:
            level = -1 if change.change in (Change.CLEARED, Change.EXPIRED) else LEVELS.index(change.level)
    return level


def hour_by_hour(hours: Sequence[float]) -> list[int]:
    """The level that stands once each hour is in, at a station alone."""
    engine = Engine(book(), [Device("a", kind="air-station")])
    told: list[AlertChange] = []
    levels = []
    for n, value in enumerate(hours):
        at = START + n * HOUR
        told += engine.feed([Reading("a", at, {"pm25": value}, received_at=at)]).changes
        levels.append(standing(told))
    return levels


@given(
    st.lists(
        st.sampled_from([20.0, 59.0, 61.0, 100.0, 116.0, 140.0, 151.0, 190.0, 240.0, 251.0, 700.0]),
        min_size=1,
        max_size=24,
    )
)
@settings(max_examples=50, deadline=None)
def test_every_hour_above_a_limit_has_its_level_at_once_or_with_the_second(hours: list[float]) -> None:
    levels = hour_by_hour(hours)
    for n, (value, level) in enumerate(zip(hours, levels, strict=True)):
        for name, limit in LIMITS.items():
            if value <= limit or (name in ("orange", "red") and (n == 0 or hours[n - 1] <= limit)):
                continue
            assert level >= LEVELS.index(name), (n, hours)


@given(
    st.lists(st.floats(5, 55), min_size=4, max_size=12),
    st.floats(151, 900),
    st.lists(st.floats(5, 55), min_size=4, max_size=8),
)
@settings(max_examples=25, deadline=None)
def test_an_hour_alone_is_yellow_and_no_more(before: list[float], leap: float, after: list[float]) -> None:
    levels = hour_by_hour([*before, leap, *after])
    assert levels[len(before)] == LEVELS.index("yellow")
    assert max(levels) == LEVELS.index("yellow")


# ------------------------------------------------------------------------------------------------ five years

CST = timezone(timedelta(hours=8))
NEW_YEARS = ("2010-02-13", "2011-02-02", "2012-01-22", "2013-02-09", "2014-01-30")


@pytest.mark.long
@together("beijing-embassy")
@pytest.mark.recordings
def test_five_years_at_the_embassy() -> None:
    """Nearly every hour has its level at once, all but lone ones with the next; hardly any orange or red is false."""
    hours = embassy_hours()
    levels, _ = embassy_levels(hours)
    summary = summary_of("beijing-embassy")
    assert summary.baseline is not None
    assert 2 * summary.false <= summary.baseline.false  # two hours of a station alone that the third takes back
    times = sorted(hours)
    following = dict(pairwise(times))
    for name, limit, at_once, never in (("blue", 75, 1, 0), ("yellow", 115, 1, 0), ("orange", 150, 0.95, 0.012), ("red", 250, 0.95, 0.015)):  # fmt: skip
        wanted = LEVELS.index(name)
        above = [at for at in times if hours[at] > limit]
        there = [at for at in above if levels[at] >= wanted]
        soon = [at for at in above if max(levels[at], levels.get(following.get(at, 0), -1)) >= wanted]
        assert len(there) >= at_once * len(above), name
        assert len(above) - len(soon) <= never * len(above), name


@pytest.mark.long
@together("beijing-embassy")
@pytest.mark.recordings
def test_fireworks_have_their_level_and_raise_no_episode() -> None:
    hours = embassy_hours()
    levels, episodes = embassy_levels(hours)
    for night in NEW_YEARS:
        eve = datetime.fromisoformat(night + "T18:00").replace(tzinfo=CST)
        known = [at for n in range(14) if (at := int(eve.timestamp()) + n * 3600) in hours]
        for n, at in enumerate(known[:-1]):
            if hours[at] > 400:
                assert max(levels[at], levels[known[n + 1]]) >= LEVELS.index("red"), (night, hours[at])
        raised = [e for e in episodes if known[0] <= from_text(e["at"]) // SECOND <= known[-1] and e["level"] in ("orange", "red") and e["change"] in ("raised", "escalated")]  # fmt: skip
        assert raised == [], night


@cache
def embassy_hours() -> Mapping[int, float]:
    """PM2.5 by the hour (UNIX s)."""
    path = shared_path("data/air_beijing_embassy/PRSA_data_2010-2014_hourly.csv.gz")
    hours = {}
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            if row["pm2.5"] not in ("", "NA"):
                at = datetime(*(int(row[name]) for name in ("year", "month", "day", "hour")), tzinfo=CST)  # type: ignore[arg-type]
                hours[int(at.timestamp())] = float(row["pm2.5"])
    return hours


def embassy_levels(hours: Mapping[int, float]) -> tuple[dict[int, int], list[dict[str, Any]]]:
    """The level that stands at each hour, and the changes of the episode."""
    changes = played("beijing-embassy").changes
    mine = [change for change in changes if change["rule"] == RULE]
    levels: dict[int, int] = {}
    level, position = -1, 0
    for at in sorted(hours):
        while position < len(mine) and from_text(str(mine[position]["at"])) // SECOND <= at:
            change = mine[position]
            level = -1 if change["change"] in ("cleared", "expired") else LEVELS.index(str(change["level"]))
            position += 1
        levels[at] = level
    episodes = [change for change in changes if change["rule"] == "air-cn/heavy-pollution-episode"]
    return levels, episodes
