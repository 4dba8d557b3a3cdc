"""`calendar:` entries of rule files.

    - calendar: school-hours
      timezone: Asia/Shanghai
      weekdays: mon-fri                       # default every day
      hours: [07:30-08:30, 16:00-17:30]       # default the whole day; 22:00-06:00 goes over midnight
      dates: [2026-09-01 to 2027-01-20]       # default always; 06-01 to 09-30 is every year
      except: [2026-10-01 to 2026-10-07]
      also: [2026-10-10]                      # whatever weekday it is: a working Saturday

All files of a pack share its calendars, and every pack sees those of the others; the city's take the place of a pack's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from difflib import get_close_matches
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import yaml

from rules.calendars import DAY_MINUTES, WEEKDAYS, Calendar, Days, Hours
from rules.language.places import Document, Entry, unknown

KEYS = ("calendar", "about", "timezone", "weekdays", "hours", "dates", "except", "also")
MAX_HOURS, MAX_DATES = 50, 400
"""Spans of hours, and of dates, that one calendar may list."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_HOURS = re.compile(r"(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)\Z")
_DAY = re.compile(r"(?:(\d{4})-)?(\d\d)-(\d\d)\Z")
_LEAP_YEAR = 2024
Spans = TypeVar("Spans")


def read_calendars(document: Document) -> list[tuple[Entry, Calendar]]:
    """The calendars of one file, each with the entry that names it. Mistakes are kept in the document, and a calendar with
    any is handed out all the same, so that nobody who asks for it is told that it is unknown."""
    found: list[tuple[Entry, Calendar]] = []
    if not isinstance(document.root, yaml.SequenceNode):
        return found
    for node in document.root.value:
        if not is_calendar(node):
            continue
        entries = {entry.key: entry for entry in document.entries(node, "a calendar")}
        found.append((entries["calendar"], _calendar(document, node, entries)))
    return found


def is_calendar(node: yaml.Node) -> bool:
    """Whether an entry of a rule file is a calendar."""
    keys = [str(key.value) for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
    return "calendar" in keys and "rule" not in keys


def _calendar(document: Document, node: yaml.Node, entries: dict[str, Entry]) -> Calendar:
    for entry in entries.values():
        if entry.key not in KEYS:
            document.wrong(entry.key_node, unknown("key of a calendar", entry.key, KEYS))
    name = document.text_of(entries["calendar"].value, "calendar") or ""
    if not _NAME.match(name):
        what = f"{name!r} is not the name of a calendar; lower-case letters, digits and hyphens"
        document.wrong(entries["calendar"].value, what)
    zone = "UTC"
    if "timezone" in entries:
        zone = _zone(document, entries["timezone"].value)
    else:
        document.wrong(node, "a calendar needs its timezone, such as Asia/Shanghai")
    made: dict[str, tuple[Days, ...]] = {}
    for key in ("dates", "except", "also"):
        if key in entries:
            made[key] = tuple(_each(document, entries[key], _days, MAX_DATES))
    weekdays = sorted({day for some in _each(document, entries.get("weekdays"), _weekdays, 7) for day in some})
    hours = tuple(_each(document, entries.get("hours"), _hours, MAX_HOURS))
    return Calendar(
        name,
        zone,
        tuple(weekdays) or tuple(range(7)),
        hours or (Hours(0, DAY_MINUTES),),
        made.get("dates", ()),
        made.get("except", ()),
        made.get("also", ()),
        document.text[node.start_mark.index : node.end_mark.index].rstrip(),
    )


def _zone(document: Document, node: yaml.Node) -> str:
    name = document.text_of(node, "timezone") or ""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = get_close_matches(name, sorted(available_timezones()), n=1)
        hint = f"; was {near[0]} meant?" if near else ", such as Asia/Shanghai"
        document.wrong(node, f"{name!r} is not a time zone{hint}")
        return "UTC"
    return name


def _each(document: Document, entry: Entry | None, read: Callable[[str], Spans], limit: int) -> list[Spans]:
    """What a value, or each of a list of values, says; a list that is empty or too long is a mistake."""
    if entry is None:
        return []
    nodes = list(entry.value.value) if isinstance(entry.value, yaml.SequenceNode) else [entry.value]
    if not 0 < len(nodes) <= limit:
        document.wrong(entry.value, f"{entry.key} lists 1 to {limit} of them")
    found: list[Spans] = []
    for node in nodes[:limit]:
        text = document.text_of(node, entry.key)
        try:
            if text is not None:
                found.append(read(" ".join(text.split())))
        except ValueError as error:
            document.wrong(node, str(error))
    return found


def _weekdays(text: str) -> tuple[int, ...]:
    first, dash, last = (part.strip().lower()[:3] for part in text.partition("-"))
    if first not in WEEKDAYS or (dash and last not in WEEKDAYS):
        raise ValueError(f"{text!r} is no weekday; write mon, or mon-fri")
    start, end = WEEKDAYS.index(first), WEEKDAYS.index(last if dash else first)
    return tuple((start + step) % 7 for step in range((end - start) % 7 + 1))


def _hours(text: str) -> Hours:
    match = _HOURS.match(text)
    numbers = [int(number) for number in match.groups()] if match else []
    if not numbers or max(numbers[1], numbers[3]) > 59:
        raise ValueError(f"{text!r} are no hours; write 07:30-08:30")
    start, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if start >= DAY_MINUTES or end > DAY_MINUTES or start == end:
        raise ValueError(
            f"{text!r} are no hours of a day; they lie between 00:00 and 24:00, and 22:00-06:00 goes over midnight"
        )
    return Hours(start, end)


def _days(text: str) -> Days:
    first, word, last = text.partition(" to ")
    days = Days(_day(first), _day(last if word else first))
    if len(days.first) != len(days.last):
        raise ValueError(f"{text!r}: both days need their year, or neither")
    if len(days.first) == 3 and days.first > days.last:
        raise ValueError(f"{text!r} ends before it begins")
    return days


def _day(text: str) -> tuple[int, ...]:
    match = _DAY.match(text.strip())
    if match is None:
        raise ValueError(
            f"{text!r} is no date; write 2026-10-01, 2026-10-01 to 2026-10-07, or 06-01 to 09-30 for every year"
        )
    year, month, day = (int(part) if part else 0 for part in match.groups())
    try:
        date(year or _LEAP_YEAR, month, day)
    except ValueError:
        raise ValueError(f"there is no {text.strip()}") from None
    return (year, month, day) if match[1] else (month, day)
