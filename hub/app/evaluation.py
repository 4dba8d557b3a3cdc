"""How good a back-test's warnings were: events hit and missed, false raises, lead times, alarm load. Pure.

Definitions (a *raise* is any step up to orange or red; warnings of silence are counted as load, never as hits):

- An event is *hit* when a warning on its device (`*`: on any) stands at orange or above at some time between its start
  and its end. Its *lead* is from when it came to stand there to the event's peak; what stood longer than `EARLY` before
  the start counts from there.
- A raise is *false* when good data did not exceed the limit that its rule cites, or when only one device's spike
  carried it and its neighbours or its own next readings deny it. What half of the neighbours show is not one device's
  spike; what has lasted an hour above the limit is denied by neighbours only.
- POD = hits / events, FAR = false raises / raises, CSI = hits / (events + false raises); only events that the
  recording covers count. None where nothing is there to divide by.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean, median
from typing import NamedTuple

import msgspec

from hub.app.limits import RuleLimit, limits
from hub.app.observed import Observed, Series
from hub.model import LEVELS, AlertChange, Change, Position
from hub.moment import SECOND, from_text, to_text
from rules.book import RuleBook

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
WEEK = 7 * 24 * HOUR
YEAR = 365.25 * 24 * HOUR
ORANGE = LEVELS.index("orange")
EARLY = 6 * HOUR
"""How long before an event's start a standing warning is credited."""
SILENT = ":silent"
KINDS = {"smog": "air-station", "dust": "air-station", "smoke": "air-station"}
"""The kind of device that feels an event on no device in particular (`*`)."""

# What a spike is. House definitions, after the spike and neighbour tests of QARTOD, free of any unit.
SPIKE_STEPS = 5.0
"""A spike stands out from the reading before it by so many median steps of its surroundings."""
AROUND = 12
"""Readings on each side that tell the median step."""
OWN_NEXT = 2
"""The device itself denies it when it is back, by more than half, within so many readings."""
LASTED = HOUR
"""What two readings so far apart both show above the limit has lasted: hour by hour that is no spike, and only its
neighbours can deny it."""
LONE = 6
"""… and its neighbours deny it when it is back within so many, and none of them moved with it."""
NEIGHBOURS_MIN = 2
WITHIN_M = 40_000.0


class Event(NamedTuple):
    """Something that happened, times in ns. `device`: where it showed, or `*`."""

    event: str
    kind: str
    device: str
    start: int
    peak: int
    end: int


class EventOutcome(msgspec.Struct, frozen=True):
    """What the warnings made of one event."""

    event: str
    kind: str
    device: str
    covered: bool
    """Whether the recording has readings of it at all; an event that is not covered is neither hit nor missed."""
    hit: bool = False
    level: str | None = None
    """The highest level that stood during the event."""
    rule: str | None = None
    subject: str | None = None
    first: str | None = None
    """When any level first stood."""
    reached: str | None = None
    """When orange was reached: the lead counts from here."""
    lead_min: float | None = None
    devices: int = 0
    """How many devices had a warning at orange or above."""


class FalseRaise(msgspec.Struct, frozen=True):
    """A raise that the data do not bear out, and why not."""

    at: str
    rule: str
    subject: str
    level: str
    why: str


class Summary(msgspec.Struct, frozen=True):
    """The figures of a back-test."""

    events: int
    hits: int
    misses: int
    raises: int
    false: int
    pod: float | None
    far: float | None
    csi: float | None
    median_lead_min: float | None
    alerts: int
    """Warnings raised at any level, silence included."""
    device_weeks: float
    alerts_per_device_week: float | None
    false_per_device_year: float | None
    per_event: list[EventOutcome]
    false_raises: list[FalseRaise]


def read_events(text: str) -> list[Event]:
    """The events of a CSV `event,kind,device,start,peak,end`, times in ISO 8601 with offset. Raises ValueError by line."""
    rows = csv.DictReader(io.StringIO(text, newline=""))
    lacking = [name for name in Event._fields if name not in (rows.fieldnames or ())]
    if lacking:
        raise ValueError(f"line 1: {','.join(Event._fields)} were meant; {', '.join(lacking)} is missing")
    found: list[Event] = []
    for row in rows:
        try:
            start, peak, end = (from_text(row[name] or "") for name in ("start", "peak", "end"))
        except ValueError as error:
            raise ValueError(f"line {rows.line_num}: {error}") from None
        if not start <= peak <= end:
            raise ValueError(f"line {rows.line_num}: start, peak and end are not in this order")
        found.append(Event(row["event"], row["kind"], row["device"], start, peak, end))
    return found


def evaluate(
    changes: Sequence[AlertChange],
    events: Iterable[Event],
    observed: Observed,
    book: RuleBook,
    places: Mapping[str, Position],
) -> Summary:
    """Judge the changes of a back-test, in their order, by what was observed. `places`: where devices stand."""
    spans = spans_of(changes)
    ended = {(span.subject, span.rule, span.until): span for span in spans if span.level >= ORANGE and span.until}
    outcomes = [_outcome(event, spans, ended, observed) for event in events]
    covered = [outcome for outcome in outcomes if outcome.covered]
    hits = [outcome for outcome in covered if outcome.hit]
    raises = [change for change in changes if _is_raise(change)]
    false = [found for change in raises if (found := _falsehood(change, observed, book, dict(places)))]
    device_weeks = sum((until - since) / WEEK for since, until in observed.spans.values())
    alerts = sum(change.change is Change.RAISED for change in changes)
    leads = [outcome.lead_min for outcome in hits if outcome.lead_min is not None]
    return Summary(
        events=len(covered),
        hits=len(hits),
        misses=len(covered) - len(hits),
        raises=len(raises),
        false=len(false),
        pod=_share(len(hits), len(covered)),
        far=_share(len(false), len(raises)),
        csi=_share(len(hits), len(covered) + len(false)) if covered else None,
        median_lead_min=round(median(leads), 1) if leads else None,
        alerts=alerts,
        device_weeks=round(device_weeks, 2),
        alerts_per_device_week=_share(alerts, device_weeks),
        false_per_device_year=_share(len(false), device_weeks * WEEK / YEAR),
        per_event=outcomes,
        false_raises=false,
    )


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


# ------------------------------------------------------------------------------------------------- events


class Span(NamedTuple):
    """A stretch of time during which a warning stood at one level; `until` is None while it stands still."""

    subject: str
    rule: str
    level: int
    since: int
    until: int | None


def spans_of(changes: Iterable[AlertChange]) -> list[Span]:
    """The levels of all warnings over time, silence left out."""
    standing: dict[str, tuple[int, int]] = {}  # alert → level, since
    names: dict[str, tuple[str, str]] = {}
    found: list[Span] = []
    for change in changes:
        if change.rule.endswith(SILENT):
            continue
        before = standing.pop(change.alert, None)
        if before is not None:
            found.append(Span(change.subject, change.rule, before[0], before[1], change.at))
        names[change.alert] = (change.subject, change.rule)
        if change.change not in (Change.CLEARED, Change.EXPIRED):
            standing[change.alert] = (LEVELS.index(change.level), change.at)
    found += [Span(*names[alert], level, since, None) for alert, (level, since) in standing.items()]
    return sorted(found, key=lambda span: span.since)


def _outcome(
    event: Event, spans: Sequence[Span], ended: Mapping[tuple[str, str, int], Span], observed: Observed
) -> EventOutcome:
    kind = KINDS.get(event.kind)
    watched = [
        device for device in observed.spans
        if event.device == device or (event.device == "*" and observed.kinds[device] == (kind or observed.kinds[device]))
    ]  # fmt: skip
    covered = any(since <= event.end and until >= event.start for since, until in map(observed.spans.get, watched))  # type: ignore[misc]
    standing = [
        span for span in spans
        if (event.device == "*" or event.device in span.subject.split("+"))
        and span.since <= event.end and (span.until is None or span.until >= event.start)
    ]  # fmt: skip
    if not covered or not standing:
        return EventOutcome(event.event, event.kind, event.device, covered)
    earliest = event.start - EARLY
    high = [span for span in standing if span.level >= ORANGE]
    best = max(standing, key=lambda span: (span.level, -span.since))
    first = min(max(span.since, earliest) for span in standing)
    reached = min((max(_reached(span, ended), earliest) for span in high), default=None)
    carrier = min(high, key=lambda span: _reached(span, ended)) if high else best
    return EventOutcome(
        event.event,
        event.kind,
        event.device,
        covered=True,
        hit=bool(high),
        level=LEVELS[best.level],
        rule=carrier.rule,
        subject=carrier.subject,
        first=to_text(first),
        reached=to_text(reached) if reached is not None else None,
        lead_min=round((event.peak - reached) / MINUTE, 1) if reached is not None else None,
        devices=len({span.subject for span in high}),
    )


def _reached(span: Span, ended: Mapping[tuple[str, str, int], Span]) -> int:
    """When the warning came to stand at orange or above without a break until this span."""
    while (before := ended.get((span.subject, span.rule, span.since))) is not None and before.since < span.since:
        span = before
    return span.since


# ------------------------------------------------------------------------------------------------- false raises


def _is_raise(change: AlertChange) -> bool:
    stepped = change.change in (Change.RAISED, Change.ESCALATED)
    return stepped and LEVELS.index(change.level) >= ORANGE and not change.rule.endswith(SILENT)


def _falsehood(
    change: AlertChange, observed: Observed, book: RuleBook, places: dict[str, Position]
) -> FalseRaise | None:
    rule = book.rule(change.rule)
    if rule is None:
        return None
    cited = [
        limit for limit in limits(rule, change.level, change.at) if (change.subject, limit.metric) in observed.series
    ]
    why = _not_exceeded(change, cited, observed) or _only_a_spike(change, cited, observed, places)
    return FalseRaise(to_text(change.at), change.rule, change.subject, change.level, why) if why else None


def _not_exceeded(change: AlertChange, cited: Sequence[RuleLimit], observed: Observed) -> str | None:
    """Good data did not exceed any limit that the rule cites."""
    plain = [limit for limit in cited if limit.level_like]
    if not plain or len(plain) < len(cited):
        return None  # a rate or a sum alone may carry it
    for limit in plain:
        series = observed.series[(change.subject, limit.metric)]
        newest = series.values[series.upto(change.at) - 1 : series.upto(change.at)]
        seen = series.between(change.at - limit.window_ns, change.at) if limit.window_ns else newest
        if any(limit.exceeded(value) for value in seen):
            return None
    shown = ", ".join(sorted({f"{limit.metric} {limit.op} {limit.value:g}" for limit in plain}))
    return f"no good reading met its limit ({shown})"


def _only_a_spike(
    change: AlertChange, cited: Sequence[RuleLimit], observed: Observed, places: dict[str, Position]
) -> str | None:
    """Every metric that carried it spiked, and was denied."""
    reasons: list[str] = []
    for metric in dict.fromkeys(limit.metric for limit in cited):
        series = observed.series[(change.subject, metric)]
        carrying = [limit for limit in cited if limit.metric == metric]
        around = observed.neighbours(change.subject, metric, places, WITHIN_M)
        why = _denied(series, change.at, carrying, around)
        if why is None:
            return None
        reasons.append(f"{metric} {why}")
    return "; ".join(reasons) or None


def _denied(series: Series, at: int, carrying: Sequence[RuleLimit], around: Sequence[Series]) -> str | None:
    """Why what stood at `at` is only a spike, None where it is borne out."""
    newest = series.upto(at) - 1
    values = series.values
    if newest < 1:
        return None
    sign = 1.0 if carrying[0].upward else -1.0
    start = newest
    if newest >= 2 and sign * (values[newest - 1] - values[newest - 2]) > sign * (values[newest] - values[newest - 1]):
        start = newest - 1  # the leap came with the reading before, and the rule took two
    base, height = values[start - 1], sign * (values[newest] - values[start - 1])
    newest_only = [limit for limit in carrying if limit.level_like and not limit.window_ns]
    plain = newest_only or [limit for limit in carrying if limit.level_like]
    if any(_without(series, start, newest, at, limit) for limit in plain):
        return None  # it stood without the leap
    window = values[max(0, start - AROUND) : start + AROUND]
    steps = [abs(b - a) for a, b in pairwise(window)]
    if height <= 0 or height < SPIKE_STEPS * median(steps):
        return None
    back = next(
        (
            n
            for n, value in enumerate(values[newest + 1 : newest + 1 + LONE], 1)
            if sign * (value - base) <= height / 2 and not any(limit.exceeded(value) for limit in newest_only)
        ),
        None,
    )
    if back is None:
        return None
    told = f"leapt from {base:g} to {values[newest]:g}"
    readings = "1 reading" if back == 1 else f"{back} readings"
    times = series.times
    since, until = times[start - 1], times[newest + back]
    heard = [other for other in around if len(other.between(since, until))]
    calm = [other for other in heard if _calm(other, since, until, sign, height, plain)]
    if heard and 2 * len(calm) <= len(heard):
        return None  # half of those around went with it: not one device's alone
    lasted = times[newest] - times[start] >= LASTED and all(
        limit.exceeded(value) for limit in newest_only for value in values[start : newest + 1]
    )
    if back + newest - start <= OWN_NEXT and not lasted:
        return f"{told} and was back at {values[newest + back]:g} {readings} later"
    if len(heard) >= NEIGHBOURS_MIN and len(calm) == len(heard):
        return f"{told} for {readings} while {len(heard)} neighbours stayed calm"
    return None


def _without(series: Series, start: int, newest: int, at: int, limit: RuleLimit) -> bool:
    """Whether the limit was met before the readings from `start` to `newest` came."""
    if not limit.window_ns:
        return limit.exceeded(series.values[start - 1])
    before = series.values[series.upto(at - limit.window_ns) : start]
    if not before:
        return False
    figures = {"mean": fmean(before), "max": max(before), "min": min(before)}
    return limit.exceeded(figures.get(limit.function, median(before)))


def _calm(other: Series, since: int, until: int, sign: float, height: float, plain: Sequence[RuleLimit]) -> bool:
    """A neighbour that neither moved by half as much nor met the limit meanwhile."""
    values = other.between(since, until)
    moved = max(sign * (value - values[0]) for value in values)
    return moved < height / 2 and not any(limit.exceeded(value) for limit in plain for value in values)
