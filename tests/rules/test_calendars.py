"""Calendars: the clock on the wall, its summer time, exceptions; and `during(…)` in rules."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from hub.model import Device, Edition, Reading
from hub.moment import from_text
from rules.book import RuleBook, read_book
from rules.book import from_text as book_from_text
from rules.calendars import DAY_MINUTES, REMEMBERED, Calendar, Days, Hours
from rules.engine import Engine
from rules.explain import explain
from rules.testing import run_path

MINUTE = 60_000_000_000
SCHOOL = """
- calendar: school-hours
  timezone: Asia/Shanghai
  weekdays: mon-fri
  hours: [07:30-08:30, 16:00-17:30]
  dates: 2026-09-01 to 2027-01-20
  except: [2026-10-01 to 2026-10-07]
  also: [2026-10-10]
"""
RULE = """
- rule: speeding
  for_each: {kind: vehicle}
  levels: {yellow: 'speed > 30 km/h and during("school-hours")'}
"""


def book(*texts: str, pack: str = "city") -> RuleBook:
    found = read_book([(pack, f"{number}.yaml", text) for number, text in enumerate(texts)])
    assert isinstance(found, RuleBook), found
    return found


def calendar(text: str = SCHOOL) -> Calendar:
    node = book(text, RULE).rules[0].calendars()
    (found,) = node
    return found


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        ("2026-09-01T07:30:00+08:00", True),
        ("2026-09-01T07:29:59+08:00", False),
        ("2026-09-01T08:29:59.999+08:00", True),
        ("2026-09-01T08:30:00+08:00", False),
        ("2026-09-01T16:59:00+08:00", True),
        ("2026-08-31T16:59:00+08:00", False),
        ("2026-09-05T16:59:00+08:00", False),  # a Saturday
        ("2026-10-06T08:00:00+08:00", False),  # a Tuesday, in the holidays
        ("2026-10-10T08:00:00+08:00", True),  # a Saturday that is worked
        ("2027-01-21T08:00:00+08:00", False),
    ],
)
def test_hours_weekdays_dates_and_exceptions(at: str, inside: bool) -> None:
    assert calendar().during(from_text(at)) is inside


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        ("2026-07-03T22:00:00+02:00", True),  # Friday evening
        ("2026-07-04T05:59:00+02:00", True),  # … into Saturday
        ("2026-07-04T06:00:00+02:00", False),
        ("2026-07-04T23:00:00+02:00", False),  # Saturday evening is not Friday's night
        ("2026-07-03T05:00:00+02:00", False),
    ],
)
def test_over_midnight_belongs_to_the_day_it_began(at: str, inside: bool) -> None:
    night = Calendar("night", "Europe/Berlin", weekdays=(4,), hours=(Hours(22 * 60, 6 * 60),))
    assert night.during(from_text(at)) is inside


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        ("2026-03-28T01:30:00Z", True),  # 02:30 in winter time
        ("2026-03-29T01:30:00Z", False),  # 03:30: the clock has left out 02:30
        ("2026-03-29T00:59:00Z", False),  # 01:59
        ("2026-07-01T00:30:00Z", True),  # 02:30 in summer time
        ("2026-10-25T00:30:00Z", True),  # 02:30 for the first time
        ("2026-10-25T01:30:00Z", True),  # 02:30 for the second time
        ("2026-10-25T02:30:00Z", False),  # 03:30
    ],
)
def test_summer_time(at: str, inside: bool) -> None:
    small_hours = Calendar("small-hours", "Europe/Berlin", hours=(Hours(120, 180),))
    assert small_hours.during(from_text(at)) is inside


def test_days_of_every_year_go_over_new_year() -> None:
    heating = Calendar("heating", "Asia/Shanghai", dates=(Days((11, 15), (3, 15)),))
    told = {
        day: heating.during(from_text(f"{day}T12:00:00+08:00")) for day in ("2026-11-15", "2027-01-01", "2026-03-16")
    }
    assert told == {"2026-11-15": True, "2027-01-01": True, "2026-03-16": False}


def test_moments_that_no_calendar_knows() -> None:
    always = Calendar("always", "UTC")
    assert always.during(0)
    assert not always.during(10**30)
    assert not always.during(-(10**30))


@given(st.lists(st.integers(0, 40 * 365 * 1440), max_size=30), st.integers(0, 1439), st.integers(1, 1440))
def test_what_is_remembered_is_what_the_wall_shows(minutes: list[int], start: int, end: int) -> None:
    if start == end:
        return
    found = Calendar("c", "America/New_York", hours=(Hours(start, end),))
    for minute in [*minutes, *minutes]:
        wall = datetime.fromtimestamp(minute * 60, ZoneInfo("America/New_York"))
        now = wall.hour * 60 + wall.minute
        expected = start <= now < end if start < end else now >= start or now < end
        assert found.during(minute * MINUTE + 59_000_000_000) is expected


def test_what_is_remembered_is_bounded() -> None:
    found = Calendar("c", "UTC", hours=(Hours(0, DAY_MINUTES),))
    for minute in range(2 * REMEMBERED + 5):
        found.during(minute * MINUTE)
    assert len(found.known) <= REMEMBERED


def test_a_rule_goes_by_the_time_of_the_observation() -> None:
    moments = ["2026-09-02T07:00:00+08:00", "2026-09-02T07:40:00+08:00", "2026-09-02T08:31:00+08:00"]
    late = from_text("2026-09-02T23:00:00+08:00")
    events = [Reading("v", from_text(at), {"speed": 50.0}, received_at=late, kind="vehicle") for at in moments]
    found = Engine(book(SCHOOL, RULE)).feed(events).changes
    assert [(c.change.value, c.at) for c in found] == [
        ("raised", from_text(moments[1])),
        ("cleared", from_text(moments[2])),
    ]


def test_a_calendar_is_part_of_the_edition_and_of_the_rules_that_ask_for_it() -> None:
    other = RULE.replace("speeding", "other").replace(' and during("school-hours")', "")
    before, after = book(SCHOOL, RULE + other), book(SCHOOL.replace("07:30", "07:00"), RULE + other)
    copy = book_from_text(before.text)
    assert copy is not None
    assert copy.rules[0].digest == before.rules[0].digest
    assert before.rules[0].digest != after.rules[0].digest
    assert before.rules[1].digest == after.rules[1].digest
    at = from_text("2026-09-02T07:10:00+08:00")
    engine = Engine(before, [Device("v", kind="vehicle")])
    fast = [Reading("v", at + i, {"speed": 50.0}, received_at=at + i) for i in range(2)]
    assert not engine.feed([fast[0]]).changes[1:]
    changed = engine.feed([Edition(at, "rules", "4", after.text), fast[1]]).changes
    assert [(c.rule, c.change.value) for c in changed] == [("city/speeding", "raised")]


def test_the_citys_calendar_takes_the_place_of_a_packs() -> None:
    own = SCHOOL.replace("07:30", "07:00")
    found = read_book([("city", "own.yaml", own), ("fleet", "rules.yaml", SCHOOL + RULE)])
    assert isinstance(found, RuleBook)
    assert "07:00-08:30" in found.rules[0].calendars()[0].words


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (
            ("timezone: Asia/Shanghai", "timezone: Asia/Shanghi"),
            3,
            "'Asia/Shanghi' is not a time zone; was Asia/Shanghai meant?",
        ),
        (("  timezone: Asia/Shanghai\n", ""), 2, "a calendar needs its timezone"),
        (("mon-fri", "mon-fry"), 4, "is no weekday"),
        (("16:00-17:30", "16:00-25:30"), 5, "are no hours of a day"),
        (("16:00-17:30", "four"), 5, "are no hours"),
        (("2026-09-01 to", "2026-09-31 to"), 6, "there is no 2026-09-31"),
        (("2027-01-20", "2026-01-20"), 6, "ends before it begins"),
        (("2027-01-20", "01-20"), 6, "both days need their year"),
        (("except", "excpet"), 7, "was except meant?"),
        (("school-hours", "School hours"), 2, "is not the name of a calendar"),
        (("hours: [07:30-08:30, 16:00-17:30]", "hours: []"), 5, "lists 1 to 50"),
    ],
)
def test_mistakes_in_calendars(change: tuple[str, str], line: int, words: str) -> None:
    found = read_book([("city", "c.yaml", SCHOOL.replace(*change))])
    assert isinstance(found, list)
    assert [(m.line, words in m.message) for m in found] == [(line, True)], found


@pytest.mark.parametrize(
    ("condition", "column", "words"),
    [
        ('speed > 30 km/h and during("school-ours")', 40, "unknown calendar 'school-ours'; was school-hours meant?"),
        ("speed > 30 km/h and during(school)", 33, "during is written during"),
        ('speed > 30 km/h and during("school-hours") > 1', 33, "cannot be compared"),
    ],
)
def test_mistakes_in_during(condition: str, column: int, words: str) -> None:
    text = SCHOOL + f"- rule: r\n  for_each: {{kind: k}}\n  levels:\n    yellow: {condition}\n"
    found = read_book([("city", "c.yaml", text)])
    assert isinstance(found, list)
    assert [(m.line, m.column) for m in found if words in m.message] == [(12, column)], found


def test_defined_twice() -> None:
    found = read_book([("city", "a.yaml", SCHOOL), ("city", "b.yaml", SCHOOL)])
    assert isinstance(found, list)
    assert [(m.file, m.message) for m in found] == [("b.yaml", "the calendar school-hours is defined twice")]


def test_words() -> None:
    text = explain(book(SCHOOL, RULE), "city/speeding")
    assert text is not None
    assert "calendar school-hours: mon tue wed thu fri, 07:30-08:30 16:00-17:30, from 2026-09-01 to 2027-01-20" in text
    assert "not 2026-10-01 to 2026-10-07, also 2026-10-10 (Asia/Shanghai)" in text


def test_the_starters_own_rules_keep_their_tests() -> None:
    report = run_path(Path(hub.__file__).parent / "starter" / "rules")
    assert (report.mistakes, report.untested) == ([], ["city/underpass-water"])
    assert [(result.name, result.problems) for result in report.results if result.problems] == []
    assert report.results
