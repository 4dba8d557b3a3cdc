"""Data quality before thresholds, after QARTOD: each value gets a flag, and says why.

Pure tests on numbers come first; `examine` applies them to one reading of one subject, with the settings of each
metric; `withheld` asks the neighbours about a jump before it may raise a disaster warning.

- A value that fails (outside what the sensor can measure; stuck for very long) is not used by rules, unless `quality: any`.
- A suspect value is used: a flood also begins with a jump. But a jump of one reading, while neighbours that measure the same
  stay calm, raises no orange or red until the sensor's own next reading confirms it or a neighbour follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from hub.model import Reading, Value
from rules import alone
from rules.language.ir import Around
from rules.language.rule import QualityEntry

if TYPE_CHECKING:
    from rules.engine import Engine, Outcome
    from rules.neighbourhood import Neighbourhood
    from rules.plan import Plan, Shape
    from rules.subject import Subject

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


class Flag(IntEnum):
    """The flags of QARTOD (U.S. IOOS, Manual for Real-Time Oceanographic Data Quality Control Flags)."""

    GOOD = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


# ------------------------------------------------------------------------------------------------ tests on numbers


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


def worst(flags: Iterable[Flag]) -> Flag:
    """One flag for a value: FAIL before SUSPECT before GOOD; MISSING and NOT_EVALUATED only where nothing else is known."""
    order = (Flag.FAIL, Flag.SUSPECT, Flag.GOOD, Flag.MISSING, Flag.NOT_EVALUATED)
    given = set(flags)
    return next((flag for flag in order if flag in given), Flag.NOT_EVALUATED)


# ------------------------------------------------------------------------------------------------ settings


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
    windows and memories (`rules.alone`)."""
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


# ------------------------------------------------------------------------------------------------ one reading


class Jump(NamedTuple):
    """A value that left the one before it."""

    at: int
    before: float
    value: float
    told: int
    """Its time as the device told it, where that is later than `at`."""


class Finding(NamedTuple):
    """What is held against a value."""

    metric: str
    at: int
    value: float
    flag: Flag
    why: str
    told: int
    """The time under which the store has the value."""
    denied: bool = False
    """Whether no rule is to use it."""


def examine(
    subject: Subject, tested: Iterable[tuple[str, Settings]], values: Mapping[str, Any], at: int, told: int
) -> list[Finding] | None:
    """Test a reading's values against their settings and the newest values before it; None where all is well.

    A late reading (`at` not newer than the metric's newest) is only tested for its range.
    """
    found: list[Finding] | None = None
    last = subject.last
    for metric, s in tested:
        value = values[metric]
        before = last.get(metric)
        if before is not None and s.rate == inf and not s.climatology and s.suspect_low <= value <= s.suspect_high:
            step = value - float(before)  # type: ignore[arg-type]
            leap = s.jump if s.jump <= s.alone else s.alone
            if -leap < step < leap and metric not in subject.leaps and (step != 0 or not s.flat_suspect_s):
                continue
        finding = _look(subject, metric, s, float(value), before, at, told)
        if finding:
            found = finding if found is None else found + finding
    return found


def _look(subject: Subject, metric: str, s: Settings, value: float, before: Any, at: int, told: int) -> list[Finding]:
    """The tests in full, for a value that is not plainly well."""
    found: list[Finding] = []
    flag = gross_range(value, (s.low, s.high), (s.suspect_low, s.suspect_high))
    if flag is not Flag.GOOD:
        what = "can measure" if flag is Flag.FAIL else "usually sees"
        found.append(
            Finding(metric, at, value, flag, f"{value:g} is outside what such a sensor {what}", told, flag is Flag.FAIL)
        )
    elif climatology(value, at, s.climatology) is Flag.SUSPECT:
        found.append(
            Finding(metric, at, value, Flag.SUSPECT, f"{value:g} is outside what this month usually sees", told)
        )
    before_at = subject.last_t.get(metric)
    if flag is Flag.FAIL:
        return found
    if before_at is not None and before_at >= at:
        samples = subject.samples.get(metric)
        if samples is not None and samples.stands_alone(at, value, s.alone):
            why = f"{value:g} stood alone among those around it"
            found.append(Finding(metric, at, value, Flag.SUSPECT, why, told, denied=True))
        return found
    seconds = (at - before_at) / SECOND if before_at is not None else inf
    missed = gap(seconds, s.gap_s) is Flag.MISSING
    if s.alone < inf:
        earlier = None if before is None or missed else float(before)
        denied = alone.settle(subject, metric, s.alone, earlier, value, before_at or 0, at, told)
        if denied is not None:
            why = f"{denied.value:g} stood alone: neither the value before nor the one after bears it out"
            found.append(Finding(metric, denied.at, denied.value, Flag.SUSPECT, why, denied.told, denied=True))
    if before is None or before_at is None or missed:
        return found
    if value == before and value != 0 and s.flat_suspect_s:
        return found + _flat(subject, metric, s, value, before_at, at, told)
    if rate_of_change(before, value, seconds, s.rate) is Flag.SUSPECT:
        why = f"from {before:g} to {value:g} in {seconds:g} s is faster than it changes"
        found.append(Finding(metric, at, value, Flag.SUSPECT, why, told))
    if abs(value - before) >= s.jump and seconds <= s.jump_within_s:
        found += _jump(subject, metric, s, float(before), value, before_at, at, told)
    return found


def _jump(
    subject: Subject, metric: str, s: Settings, before: float, value: float, before_at: int, at: int, told: int
) -> list[Finding]:
    """Remember a value that left the one before it; where that one had just left its own, it was a spike."""
    jump = subject.jumps.get(metric)
    if jump is not None and jump.at == before_at:
        flag = spike(jump.before, jump.value, value, s.jump / 2, s.spike_fail)
        if flag is not Flag.GOOD:
            why = f"{jump.value:g} stood alone between {jump.before:g} and {value:g}"
            return [Finding(metric, jump.at, jump.value, flag, why, jump.told)]
    subject.jumps[metric] = Jump(at, before, value, told)
    return []


def _flat(
    subject: Subject, metric: str, s: Settings, value: float, before_at: int, at: int, told: int
) -> list[Finding]:
    known = subject.flat.get(metric)
    if known is None or known[0] != value or before_at > known[3]:
        known = (value, before_at, 1, before_at)
    _, since, readings, newest = known
    if at <= newest:
        return []
    subject.flat[metric] = (value, since, readings + 1, at)
    seconds = (at - since) / SECOND
    flag = flat_line(seconds, readings + 1, s.flat_suspect_s, s.flat_fail_s)
    if flag is Flag.GOOD:
        return []
    return [
        Finding(
            metric, at, value, flag, f"{value:g} for {seconds / H:.0f} h without moving at all", told, flag is Flag.FAIL
        )
    ]


def doubt(
    subject: Subject,
    plan: Plan,
    shape: Shape,
    values: Mapping[str, Value],
    doubted: Sequence[Finding],
    reading: Reading,
    now: int,
    outcome: Outcome,
) -> tuple[Mapping[str, Value], Shape]:
    """Hand out the values that failed a test or are suspect, marked so; take the failed ones away from rules, also
    an earlier one that the reading shows to have stood alone."""
    for at in sorted({finding.told for finding in doubted}):
        found = [finding for finding in doubted if finding.told == at]
        flags = {f.metric: worst(g.flag for g in found if g.metric == f.metric) for f in found}
        marks = {metric: flag.name.lower() for metric, flag in flags.items()}
        told: dict[str, Value] = {finding.metric: finding.value for finding in found}
        outcome.derived.append(msgspec.structs.replace(reading, observed_at=at, values=told, marks=marks))
    for finding in doubted:
        if finding.denied and finding.at < now:
            subject.deny(finding.metric, finding.at)
    failed = {finding.metric for finding in doubted if finding.denied and finding.at == now}
    if not failed:
        return values, shape
    values = {name: value for name, value in values.items() if name not in failed}
    return values, plan.shape(values)


# ------------------------------------------------------------------------------------------------ lone jumps


def withheld(hood: Neighbourhood, subject: Subject, series: Set[str], at: int, hold_ns: int) -> str:
    """Why a rule over these series may not raise a disaster warning now; empty where nothing speaks against it."""
    settings = subject.plan.settings if subject.plan else SETTINGS
    for metric in sorted(subject.jumps.keys() & series):
        jump, around = subject.jumps[metric], settings[metric].around()
        if not around.metres or jump.at != subject.last_t.get(metric):
            continue
        heard = [
            float(other.last[metric])  # type: ignore[arg-type]
            for other in hood.others(subject, metric, around)
            if abs(at - other.last_t[metric]) <= hold_ns
        ]
        if neighbours(jump.before, jump.value, heard) is Flag.SUSPECT:
            reach = f"{around.metres / 1000:g} km"
            span = f"{min(heard):g}" if min(heard) == max(heard) else f"{min(heard):g} to {max(heard):g}"
            return (
                f"{metric} jumped from {jump.before:g} to {jump.value:g} in one reading while {len(heard)} within {reach} "
                f"stay at {span}; it waits for the next reading or a neighbour"
            )
    return ""


# ------------------------------------------------------------------------------------------------ gaps


def heard(engine: Engine, subject: Subject, gaps: Iterable[tuple[str, int]]) -> None:
    """Values of these metrics have come. A timer is set with the first, and set anew only when it goes off."""
    listening = engine.listening
    for metric, longest_ns in gaps:
        known = subject.gaps.get(metric)
        subject.gaps[metric] = (listening, False)
        if known is None or known[1]:
            engine.schedule(listening + longest_ns, subject, metric)


def miss(engine: Engine, subject: Subject, metric: str, outcome: Outcome) -> None:
    """The timer of a metric went off: flag it where no value has come for too long."""
    since, missing = subject.gaps[metric]
    if missing or subject.plan is None:
        return
    longest_s = subject.plan.settings[metric].gap_s
    if gap((engine.listening - since) / SECOND, longest_s) is not Flag.MISSING:
        engine.schedule(since + round(longest_s * SECOND), subject, metric)
        return
    subject.gaps[metric] = (since, True)
    mark = {metric: Flag.MISSING.name.lower()}
    outcome.derived.append(
        Reading(subject.id, engine.clock, {}, None, mark, engine.clock, adapter="rules", kind=subject.kind)
    )


def arm(engine: Engine, subject: Subject) -> None:
    """Under a new plan: forget metrics that cannot go missing any more, and set the timers of the others."""
    settings = subject.plan.settings if subject.plan else {}
    kept = {metric: known for metric, known in subject.gaps.items() if settings.get(metric, Settings()).gap_s < inf}
    subject.gaps = kept
    for metric, (since, missing) in sorted(kept.items()):
        if not missing:
            engine.schedule(since + round(settings[metric].gap_s * SECOND), subject, metric)
