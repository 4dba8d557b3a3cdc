"""Data quality before thresholds, after QARTOD: each value gets a flag, and says why.

Pure tests on numbers come first; `examine` applies them to one reading of one subject, with the settings of each
metric; `withheld` asks the neighbours about a jump before it may raise a disaster warning.

- A value that fails (outside what the sensor can measure; stuck for very long) is not used by rules, unless `quality: any`.
- A suspect value is used: a flood also begins with a jump. But a jump of one reading, while neighbours that measure the same
  stay calm, raises no orange or red until the sensor's own next reading confirms it or a neighbour follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from math import inf
from typing import Any, NamedTuple

import msgspec

from hub.bilingual import NOTHING, Text
from hub.metrics import vocabulary
from hub.model import Reading, Value
from rules.language import ir
from rules.language.rule import Rule
from rules.plan import Plan, Shape
from rules.qartod import (
    SECOND,
    SETTINGS,
    Flag,
    H,
    Settings,
    climatology,
    flat_line,
    gap,
    gross_range,
    neighbours,
    rate_of_change,
    spike,
    worst,
)
from rules.state import alone
from rules.state.neighbourhood import Neighbourhood
from rules.state.outcome import Outcome
from rules.state.subject import NOTHING_YET, Subject
from rules.state.track import Jump
from rules.state.world import World

# ------------------------------------------------------------------------------------------------ tests on numbers


# ------------------------------------------------------------------------------------------------ settings


# ------------------------------------------------------------------------------------------------ one reading


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
            if -leap < step < leap and metric not in subject.leaps:
                if step != 0 or not s.flat_suspect_s:
                    continue
                before_at = subject.last_t[metric]
                if before_at < at and gap((at - before_at) / SECOND, s.gap_s) is not Flag.MISSING:
                    if value != 0 and (finding := _flat(subject, metric, s, float(value), before_at, at, told)):
                        found = finding if found is None else found + finding
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
    subject.own("jumps")[metric] = Jump(at, before, value, told)
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
    subject.own("flat")[metric] = (value, since, readings + 1, at)
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
        flags: dict[str, Flag] = {}
        for finding in found:
            flags[finding.metric] = worst((finding.flag, flags.get(finding.metric, finding.flag)))
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


def withheld(hood: Neighbourhood, subject: Subject, series: Set[str], at: int, hold_ns: int) -> Text:
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
            low, high = f"{min(heard):g}", f"{max(heard):g}"
            span = Text(low, low) if low == high else Text(f"{low} to {high}", f"{low}至{high}")
            name = vocabulary()[metric.rstrip("~")].title_zh or metric
            return Text(
                f"{metric} jumped from {jump.before:g} to {jump.value:g} in one reading while {len(heard)} within {reach} "
                f"stay at {span.en}; it waits for the next reading or a neighbour",
                f"{name}在一次读数中由{jump.before:g}跳变为{jump.value:g}，而{reach}内{len(heard)}个站点保持在{span.zh}；等待下一读数或邻站印证",
            )
    return NOTHING


# ------------------------------------------------------------------------------------------------ gaps


def heard(world: World, subject: Subject, gaps: Iterable[tuple[str, int]]) -> None:
    """Values of these metrics have come. A timer is set with the first, and set anew only when it goes off."""
    listening = world.clock.listening
    for metric, longest_ns in gaps:
        known = subject.gaps.get(metric)
        subject.own("gaps")[metric] = (listening, False)
        if known is None or known[1]:
            world.clock.schedule(listening + longest_ns, subject.id, metric)


def miss(world: World, subject: Subject, metric: str, outcome: Outcome) -> None:
    """The timer of a metric went off: flag it where no value has come for too long."""
    since, missing = subject.gaps[metric]
    if missing or subject.plan is None:
        return
    longest_s = subject.plan.settings[metric].gap_s
    if gap((world.clock.listening - since) / SECOND, longest_s) is not Flag.MISSING:
        world.clock.schedule(since + round(longest_s * SECOND), subject.id, metric)
        return
    subject.gaps[metric] = (since, True)
    mark = {metric: Flag.MISSING.name.lower()}
    outcome.derived.append(
        Reading(subject.id, world.clock.now, {}, None, mark, world.clock.now, adapter="rules", kind=subject.kind)
    )


def arm(world: World, subject: Subject) -> None:
    """Under a new plan: forget metrics that cannot go missing any more, and set the timers of the others."""
    settings = subject.plan.settings if subject.plan else {}
    kept = {metric: known for metric, known in subject.gaps.items() if settings.get(metric, Settings()).gap_s < inf}
    subject.gaps = kept or NOTHING_YET
    for metric, (since, missing) in sorted(kept.items()):
        if not missing:
            world.clock.schedule(since + round(settings[metric].gap_s * SECOND), subject.id, metric)


def doubted(world: World, place: Subject, rule: Rule, at: int) -> dict[str, Text]:
    """The devices inside whose newest value jumped alone, and what speaks against each."""
    around = ir.Around("inside", words=rule.select.of)
    found: dict[str, Text] = {}
    for series in sorted(world.orders.over[rule.name]):
        for device in world.hood.others(place, series, around):
            if series in device.jumps and device.id not in found:
                why = withheld(world.hood, device, frozenset((series,)), at, rule.hold_ns)
                if why:
                    found[device.id] = Text(f"{device.name}: ", f"{device.name}：") + why
    return found
