"""Tests of data quality after QARTOD, and their settings: pure functions of numbers.

The flags are those of U.S. IOOS; the figures of the table are house defaults, which rule files set for their devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from math import inf
from typing import NamedTuple

from rules.language.ir import Around
from rules.language.rule import QualityEntry

SECOND = 1_000_000_000


HOUR = 3600 * SECOND


class Flag(IntEnum):
    """The flags of QARTOD (U.S. IOOS, Manual for Real-Time Oceanographic Data Quality Control Flags)."""

    GOOD = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


def gross_range(value: float, fail: tuple[float, float], suspect: tuple[float, float] | None = None) -> Flag:
    """FAIL outside what the sensor can measure, SUSPECT outside what the site has seen."""
    if not fail[0] <= value <= fail[1]:
        return Flag.FAIL
    return Flag.GOOD if suspect is None or suspect[0] <= value <= suspect[1] else Flag.SUSPECT


def spike(before: float | None, value: float, after: float | None, suspect: float, fail: float = inf) -> Flag:
    """How far a value stands off the mean of the values beside it."""
    if before is None or after is None:
        return Flag.NOT_EVALUATED
    off = abs(value - (before + after) / 2)
    return Flag.FAIL if off > fail else Flag.SUSPECT if off > suspect else Flag.GOOD


def rate_of_change(before: float | None, value: float, seconds: float, suspect_per_s: float) -> Flag:
    """SUSPECT where the value changed faster than `suspect_per_s` since the one before it."""
    if before is None or seconds <= 0:
        return Flag.NOT_EVALUATED
    return Flag.SUSPECT if abs(value - before) / seconds > suspect_per_s else Flag.GOOD


def flat_line(seconds: float, readings: int, suspect_s: float, fail_s: float, at_least: int = 6) -> Flag:
    """How long a value has not moved at all; below `at_least` equal readings nothing is said."""
    if readings < at_least:
        return Flag.GOOD
    return Flag.FAIL if seconds >= fail_s else Flag.SUSPECT if seconds >= suspect_s else Flag.GOOD


def gap(seconds: float | None, longest_s: float) -> Flag:
    """MISSING where a value should have come by now."""
    return Flag.MISSING if seconds is None or seconds >= longest_s else Flag.GOOD


def climatology(value: float, at: int, months: Sequence[tuple[float, float] | None]) -> Flag:
    """SUSPECT outside what the month (UTC, of `at` in ns) usually sees; months without bounds say nothing."""
    bounds = months[_month(at)] if months else None
    if bounds is None:
        return Flag.NOT_EVALUATED
    return Flag.GOOD if bounds[0] <= value <= bounds[1] else Flag.SUSPECT


def _month(at: int) -> int:
    """January is 0. Civil month of a day count (Howard Hinnant, days_from_civil, reversed)."""
    day = at // (86_400 * SECOND) + 719_468
    day_of_era = day % 146_097
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    return ((5 * day_of_year + 2) // 153 + 2) % 12


def neighbours(before: float, value: float, others: Iterable[float], share: float = 0.25) -> Flag:
    """SUSPECT where a value left the one before it and no neighbour stands at least a `share` of the way with it."""
    heard = list(others)
    if not heard:
        return Flag.NOT_EVALUATED
    limit = before + share * (value - before)
    agrees = any(other >= limit for other in heard) if value >= before else any(other <= limit for other in heard)
    return Flag.GOOD if agrees else Flag.SUSPECT


_GRAVEST_FIRST = (Flag.FAIL, Flag.SUSPECT, Flag.GOOD, Flag.MISSING, Flag.NOT_EVALUATED)


def worst(flags: Iterable[Flag]) -> Flag:
    """One flag for a value: FAIL before SUSPECT before GOOD; MISSING and NOT_EVALUATED only where nothing else is known."""
    return min(flags, key=_GRAVEST_FIRST.index, default=Flag.NOT_EVALUATED)


class Settings(NamedTuple):
    """What is normal for a metric, in its unit of the vocabulary. Infinite or 0: that test is left out."""

    low: float = -inf
    high: float = inf
    suspect_low: float = -inf
    suspect_high: float = inf
    jump: float = inf
    """Change between two readings running, from which on the newer one is a jump; as a spike it is measured by half of it."""
    jump_within_s: float = 7200.0
    """Readings further apart are no neighbours in time."""
    flat_suspect_s: float = 0.0
    flat_fail_s: float = inf
    neighbours_m: float = 0.0
    """How far the same weather and air reach: within that, a true jump is seen by others too."""
    spike_fail: float = inf
    """A spike that stands off by more than this fails instead of being suspect."""
    rate: float = inf
    """Change per second, beyond which a value is suspect."""
    gap_s: float = inf
    """So long after a value the next one is missing; what comes then is not compared with what was before."""
    alone: float = inf
    """A value that leaves both its neighbours in time by so much the same way is denied once that is known: it is taken out of
    windows and memories (`rules.state.alone`)."""
    climatology: tuple[tuple[float, float] | None, ...] = ()
    """What each month, from January on, usually sees; None where nothing is known of it, empty without the test."""

    def around(self) -> Around:
        """Who measures the same air or weather."""
        return Around("within", self.neighbours_m)


H = 3600.0


SETTINGS: Mapping[str, Settings] = {
    "pm25": Settings(-15, 5000, -5, 1000, 100, 2 * H, 12 * H, 24 * H, 30_000),
    "pm10": Settings(-15, 20_000, -5, 3000, 200, 2 * H, 12 * H, 24 * H, 30_000),
    "o3": Settings(-15, 1500, -10, 600, 120, 2 * H, 24 * H, 72 * H, 30_000),
    "no2": Settings(-15, 4000, -10, 1000, 150, 2 * H, 24 * H, 72 * H),
    "so2": Settings(-15, 10_000, -10, 2000, 300, 2 * H, 24 * H, 96 * H),
    "co": Settings(-1, 200, -0.5, 50, 8, 2 * H, 24 * H, 96 * H),
    "air_temperature": Settings(-70, 60, -50, 50, 8, 1 * H, 12 * H, 24 * H, 30_000, alone=8),
    "relative_humidity": Settings(0, 105, 2, 102, 40, 1 * H),
    "air_pressure": Settings(400, 1100, 500, 1085, 5, 1 * H, 12 * H, 24 * H, 100_000),
    "wind_speed": Settings(0, 115, 0, 60, alone=20),
    "wind_gust": Settings(0, 115, 0, 80),
    "rainfall": Settings(0, 305, 0, 120),
    "rain_intensity": Settings(0, 2000, 0, 400),
    "water_depth": Settings(-0.5, 20, -0.05, 6, 0.3, 0.5 * H, alone=0.05),
    "water_level": Settings(jump=2.0, jump_within_s=1 * H, alone=0.3),
    "water_temperature": Settings(-3, 80, -1, 40, 4, 1 * H, 24 * H, 96 * H),
    "ph": Settings(0, 14, 3, 11, 1.5, 1 * H),
    "dissolved_oxygen": Settings(0, 40, 0, 25, 4, 1 * H),
    "turbidity": Settings(low=0),
    "free_chlorine": Settings(0, 30, 0, 6),
    "sog": Settings(0, 102.2, 0, 60),
    "frequency": Settings(low=0, high=500),
    "pressure": Settings(alone=25),
    "displacement": Settings(alone=5),
    "settlement": Settings(alone=5),
    "tilt": Settings(alone=0.05),
    "battery_temperature_max": Settings(alone=5),
}
"""House defaults throughout, QARTOD leaves the figures to the operator. Gas, smoke, fire, vibration and earthquakes are not
tested here: their detectors must be heard at once. Rain and rivers have no neighbour test: they are local. 305 mm is the most
rain known to have fallen in an hour (Holt, 1947; to be confirmed), so a failure for any reading of an hour or less. `alone` is the
least change for which a pack warns: less does no harm."""


def settled(entries: Iterable[QualityEntry]) -> Mapping[str, Settings]:
    """The settings of devices that these entries of the book apply to, by metric: the table, then each entry over what
    is set so far, the most precise selection last (of equals, the later one)."""
    found = dict(SETTINGS)
    for entry in sorted(entries, key=lambda entry: entry.select.precision()):
        found[entry.metric] = found.get(entry.metric, Settings())._replace(**dict(entry.settings))
    return {metric: s if s.alone <= s.spike_fail else s._replace(alone=s.spike_fail) for metric, s in found.items()}


def words(s: Settings, unit: str) -> str:
    """The settings in a line, for people; `unit` is the metric's."""
    parts = []
    if (s.low, s.high) != (-inf, inf):
        parts.append(f"fails outside {s.low:g} to {s.high:g} {unit}")
    if (s.suspect_low, s.suspect_high) != (-inf, inf):
        parts.append(f"suspect outside {s.suspect_low:g} to {s.suspect_high:g} {unit}")
    if s.jump < inf:
        parts.append(f"spike or jump {s.jump:g} {unit} within {s.jump_within_s / H:g} h")
    if s.alone < inf:
        parts.append(f"denied where it stands alone by {s.alone:g} {unit}")
    if s.flat_suspect_s:
        parts.append(f"flat suspect {s.flat_suspect_s / H:g} h, fails {s.flat_fail_s / H:g} h")
    if s.neighbours_m:
        parts.append(f"neighbours within {s.neighbours_m / 1000:g} km")
    return "; ".join(parts)


def neighbourly(entries: Iterable[QualityEntry]) -> frozenset[str]:
    """Metrics of which neighbours may be asked."""
    asked = {entry.metric for entry in entries if dict(entry.settings).get("neighbours_m")}
    return frozenset(metric for metric, settings in SETTINGS.items() if settings.neighbours_m) | asked
