"""Times of the week and the year by the clock on the wall: `during("school-hours")`.

Pure but for the time zone database, which is part of the installation. Summer time is the zone's own: 07:30 is 07:30 on
the wall on every day; an hour that the clock leaves out is in nobody's calendar, one that it shows twice counts twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTE_NS = 60_000_000_000
DAY_MINUTES = 1440
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
REMEMBERED = 4096
"""Minutes whose answer a calendar keeps: readings come from the same few."""


class Days(NamedTuple):
    """From one day to another, both included: (year, month, day), or (month, day) for every year, also over New Year."""

    first: tuple[int, ...]
    last: tuple[int, ...]

    def have(self, day: date) -> bool:
        key = (day.year, day.month, day.day) if len(self.first) == 3 else (day.month, day.day)
        if self.first <= self.last:
            return self.first <= key <= self.last
        return key >= self.first or key <= self.last

    def __str__(self) -> str:
        first, last = ("-".join(f"{part:02d}" for part in side) for side in self)
        return first if first == last else f"{first} to {last}"


class Hours(NamedTuple):
    """Minutes of the day, from `start` up to `end`; where `end` is not later, over midnight: it belongs to the day it began."""

    start: int
    end: int

    def __str__(self) -> str:
        return "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in self)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The hours of the days that are of these weekdays and dates and no exceptions, or are `also` in it."""

    name: str
    zone: str
    weekdays: tuple[int, ...] = tuple(range(7))
    hours: tuple[Hours, ...] = (Hours(0, DAY_MINUTES),)
    dates: tuple[Days, ...] = ()
    exceptions: tuple[Days, ...] = ()
    also: tuple[Days, ...] = ()
    text: str = field(default="", compare=False, repr=False)
    """As it stands in its file: part of the digest of rules that ask for it."""
    known: dict[int, bool] = field(default_factory=dict, compare=False, repr=False)

    def during(self, at: int) -> bool:
        """Whether a moment (ns) is in it."""
        minute = at // MINUTE_NS
        found = self.known.get(minute)
        if found is None:
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            found = self.known[minute] = self._holds(minute)
        return found

    def _holds(self, minute: int) -> bool:
        try:
            wall = datetime.fromtimestamp(minute * 60, UTC).astimezone(ZoneInfo(self.zone))
            before = wall.date() - timedelta(days=1)
        except (OverflowError, ValueError):
            return False  # no day that a calendar knows
        today, now = wall.date(), wall.hour * 60 + wall.minute
        for start, end in self.hours:
            if start < end:
                if start <= now < end and self.has(today):
                    return True
            elif (now >= start and self.has(today)) or (now < end and self.has(before)):
                return True
        return False

    def has(self, day: date) -> bool:
        """Whether a day is in it."""
        if any(days.have(day) for days in self.also):
            return True
        if day.weekday() not in self.weekdays or any(days.have(day) for days in self.exceptions):
            return False
        return not self.dates or any(days.have(day) for days in self.dates)

    @property
    def words(self) -> str:
        """What it is, in a line."""
        parts = ["every day" if len(self.weekdays) == 7 else " ".join(WEEKDAYS[day] for day in self.weekdays)]
        parts.append(" ".join(str(hours) for hours in self.hours))
        for word, days in (("from", self.dates), ("not", self.exceptions), ("also", self.also)):
            if days:
                parts.append(f"{word} {', '.join(map(str, days))}")
        return f"{', '.join(parts)} ({self.zone})"
