"""How good warnings were: events hit and missed, lead, false raises, raises outside events. Pure; the only place that says so.

Definitions. A *raise* is any step up to orange or red; warnings of silence are counted as load, never as hits.

- **Hit**: a warning came to stand at orange or above no later than the event's `warn_by` (its peak where it names none) and
  still stood when the event began or came after that; at each device that the event names, or at the `share` of them that it
  names. An event on `*` is felt by all devices of its kind: half of them must be warned where it spreads over a
  region (`SPREADING`), one where it happens at a spot. What comes after the peak is a *miss*, whatever its level.
  A warning that stands on from an earlier event at the same device is no warning of the next one.
- **Lead**: from the warning to the peak. It counts from the event's start at most, or from when the data rose before it: from
  when a metric that the rule reads (there, or up the river) stayed a quarter of the way from its usual value to its extreme in the event, six hours
  before the start at most. What stood for days has no more lead than that.
- **False**: a raise that good data do not bear (no figure that the rule cites met its limit), or that hangs on readings
  which were *taken back*: `taken_back` says which those are, and the same rules over the recording without them do not
  stand at that level within an hour (two readings' time) of the raise. Spikes and drop-outs count alike. And a raise that
  **people marked** as a false alarm: one of a warning of the same rule about the same subject that was raised within an hour of the marked one.
- **Outside**: raises on devices or at times of no event. The data bear one out when what follows stays: the median of
  the readings of the next quarter of an hour (three readings at least) is beyond the official limit of the level, or, but for
  air, stands off the median of the week before by more than `OFF_MADS` robust deviations. No pack can see that far ahead.
  Two vessels: they did pass within 0.2 nm. A wave up the river: it reached the gauge within six hours.
- POD = hits / events, FAR = false raises / raises, CSI = hits / (events + false raises); only events that the
  recording covers count. None where nothing is there to divide by.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import ceil
from statistics import median
from typing import NamedTuple

import msgspec
import numpy as np

from hub.app.limits import RuleLimit, limits, might_hold
from hub.backtest.events import Event
from hub.backtest.observed import Observed, Series
from hub.backtest.official import Official, beyond
from hub.backtest.spans import ORANGE, SILENT, Span, joined, spans_of
from hub.backtest.taken_back import interval_of
from hub.model import LEVELS, AlertChange, Change
from hub.moment import SECOND, to_text
from hub.pairs import PAIR, members
from rules.book import RuleBook
from rules.language import ir

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
MONTH = 30 * DAY
YEAR = 365.25 * DAY
EARLY = 6 * HOUR
"""How long before an event's start a warning may count as its own."""
RISEN = 0.25
"""The data rose once they stay this part of the way from the usual to the event's extreme."""
BASELINE = "baseline/"
"""How the rules of the plain threshold are called: `baseline/METRIC`."""
FELT_BY = {
    "smog": "air-station", "dust": "air-station", "smoke": "air-station", "flood": "river-gauge", "flash-flood": "river-gauge",
    "collision": "vessel", "grounding": "vessel",
}  # fmt: skip
"""The kind of device that feels an event on no device in particular (`*`); of other kinds of event, every device."""
SPREADING = frozenset({"smog", "dust", "smoke", "flood"})
FOLLOWS = 15 * MINUTE
FOLLOWS_MIN = 3
OFF_MADS = 5.0
USUAL_MIN = 20
PASSED_M = 370.0
"""0.2 nm."""
PASSES = 15 * MINUTE


class Marked(NamedTuple):
    """A warning that people marked as a false alarm, and who said so, why."""

    rule: str
    subject: str
    raised_at: int
    why: str


class EventResult(msgspec.Struct, frozen=True):
    """One event in short."""

    event: str
    subject: str | None
    """The device whose warning completed the hit; without one, where the gravest warning stood."""
    level: str | None
    """The gravest level that stood by the deadline; of a late warning, its own."""
    at: str | None
    """When orange was reached."""
    lead_s: float | None
    """To the peak; below zero where it came late."""
    hit: bool


class EventOutcome(msgspec.Struct, frozen=True):
    """What the warnings made of one event."""

    event: str
    kind: str
    device: str
    covered: bool
    """Whether the recording has readings of it at all; an event that is not covered is neither hit nor missed."""
    hit: bool = False
    level: str | None = None
    rule: str | None = None
    subject: str | None = None
    first: str | None = None
    """When any level first stood, six hours before the start at most."""
    reached: str | None = None
    """When orange was reached."""
    lead_min: float | None = None
    devices: int = 0
    """How many of its devices were warned in time."""
    asked: int = 0
    """How many had to be."""


class FalseRaise(msgspec.Struct, frozen=True):
    """A raise that the data do not bear out, and why not."""

    at: str
    rule: str
    subject: str
    level: str
    why: str


class Outside(msgspec.Struct, frozen=True):
    """Steps up on devices or at times of no event."""

    orange: int
    red: int
    site_months: float
    """Months of 30 days that the devices were observed for, together."""
    borne_out: float | None
    """The share of them that the data bear out."""
    borne: int = 0


class Summary(msgspec.Struct, frozen=True):
    """The figures of a back-test."""

    events: list[EventResult]
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
    outside: Outside
    per_event: list[EventOutcome]
    false_raises: list[FalseRaise]
    marked: int = 0
    """Of the false raises, those that people marked as false alarms."""
    baseline: Summary | None = None
    """The same figures for a plain threshold at the official limits on the same data."""


def evaluate(
    changes: Sequence[AlertChange],
    events: Iterable[Event],
    observed: Observed,
    book: RuleBook,
    again: Sequence[AlertChange] | None = None,
    official: Sequence[Official] = (),
    above: Mapping[str, Collection[str]] | None = None,
    marked: Iterable[Marked] = (),
) -> Summary:
    """Judge the changes of a back-test, in their order, by what was observed. `again`: the changes of the same rules over the
    recording without what was taken back; `official`: the limits that bear a raise out; `above`: by gauge, those up the
    river, whose rise is the data's too; `marked`: what people marked as false alarms."""
    events = list(events)
    judge = _Judge(changes, observed, book, again, official, above or {}, marked)
    judge.know(events)
    outcomes = [judge.outcome(event) for event in events]
    covered = [outcome for outcome in outcomes if outcome.covered]
    hits = [outcome for outcome in covered if outcome.hit]
    raises = [change for change in changes if _is_raise(change)]
    false = [found for change in raises if (found := judge.falsehood(change))]
    device_weeks = sum((until - since) / WEEK for since, until in _devices(observed).values())
    alerts = sum(change.change is Change.RAISED for change in changes)
    leads = [outcome.lead_min for outcome in hits if outcome.lead_min is not None]
    return Summary(
        events=[_in_short(outcome) for outcome in covered],
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
        outside=judge.outside(raises, events, false),
        per_event=outcomes,
        false_raises=false,
        marked=sum(judge.mark(change) is not None for change in raises),
    )


def dominated(judged: Summary) -> str | None:
    """How a plain threshold is better throughout: it hits all that the rules hit, no later, and something earlier or more, with
    no more raises that nothing bears out. None where it is not, or where no baseline or event is there."""
    plain = judged.baseline
    if plain is None or not judged.events:
        return None
    better: list[str] = []
    for ours, theirs in zip(judged.events, plain.events, strict=True):
        if ours.hit and (not theirs.hit or (theirs.lead_s or 0) < (ours.lead_s or 0)):
            return None
        if theirs.hit and not ours.hit:
            better.append(f"{ours.event} is missed and the plain threshold hits it")
        elif theirs.hit and (theirs.lead_s or 0) > (ours.lead_s or 0):
            better.append(f"{ours.event} is warned of {(theirs.lead_s or 0) - (ours.lead_s or 0):g} s later")
    mine, others = unborne(judged), unborne(plain)
    if not better or others > mine:
        return None
    return f"{'; '.join(better)}; raises that nothing bears out: {mine}, of the plain threshold {others}"


def unborne(judged: Summary) -> int:
    """Raises outside events that the data do not bear out."""
    return judged.outside.orange + judged.outside.red - judged.outside.borne


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def _devices(observed: Observed) -> dict[str, tuple[int, int]]:
    return {device: span for device, span in observed.spans.items() if observed.kinds.get(device) != PAIR}


def _in_short(outcome: EventOutcome) -> EventResult:
    lead = None if outcome.lead_min is None else round(outcome.lead_min * 60, 1)
    return EventResult(outcome.event, outcome.subject, outcome.level, outcome.reached, lead, outcome.hit)


def _is_raise(change: AlertChange) -> bool:
    stepped = change.change in (Change.RAISED, Change.ESCALATED)
    return stepped and LEVELS.index(change.level) >= ORANGE and not change.rule.endswith(SILENT)


# ------------------------------------------------------------------------------------------------- the judgement


class _Warned(NamedTuple):
    """One device of an event, warned: when orange was reached, from when the lead counts, and by what."""

    reached: int
    counted: int
    span: Span


class _Judge:
    def __init__(
        self,
        changes: Sequence[AlertChange],
        observed: Observed,
        book: RuleBook,
        again: Sequence[AlertChange] | None,
        official: Sequence[Official],
        above: Mapping[str, Collection[str]],
        marked: Iterable[Marked],
    ) -> None:
        self.observed, self.book, self.official, self.above = observed, book, official, above
        self.spans = spans_of(changes)
        self.by_device: dict[str, list[Span]] = {}
        for span in self.spans:
            for name in {span.subject, *members(span.subject)}:
                self.by_device.setdefault(name, []).append(span)
        self.again: dict[tuple[str, str], list[Span]] | None = None
        if again is not None:
            self.again = {}
            for span in spans_of(again):
                self.again.setdefault((span.rule, span.subject), []).append(span)

        self.marks: dict[tuple[str, str], list[Marked]] = {}
        for mark in marked:
            self.marks.setdefault((mark.rule, mark.subject), []).append(mark)
        self.began = {change.alert: change.at for change in changes if change.change is Change.RAISED}
        """By warning: when it was raised."""
        self.ends: dict[str, list[int]] = {}
        """By device: when events at it ended."""

    # ---------------------------------------------------------------------------------------------- events

    def know(self, events: Iterable[Event]) -> None:
        """Take note of all events before any is judged."""
        for event in events:
            for device in self.watched(event)[0]:
                self.ends.setdefault(device, []).append(event.end)

    def watched(self, event: Event) -> tuple[list[str], int]:
        """The devices that the event is at, of those that the recording covers, and how many of them must be warned."""
        spans = self.observed.spans
        everywhere = event.device == "*"
        if everywhere:
            kind = FELT_BY.get(event.kind)
            named = [device for device in _devices(self.observed) if kind in (None, self.observed.kinds[device])]
        else:
            named = [name.strip() for name in event.device.split(";")]
        heard = [
            name for name in named
            if any(
                device in spans and spans[device][0] <= event.end and spans[device][1] >= event.start
                for device in {name, *members(name)}
            ) or (":" in name and name in self.by_device)
        ]  # fmt: skip
        share = event.share or (0.0 if everywhere and event.kind not in SPREADING else 0.5 if everywhere else 1.0)
        return heard, max(1, ceil(share * len(heard) - 1e-9))

    def outcome(self, event: Event) -> EventOutcome:
        """Whether the event was warned of in time, how early and by whom."""
        watched, asked = self.watched(event)
        if not watched:
            return EventOutcome(event.event, event.kind, event.device, covered=False)
        standing = [
            span for device in watched for span in self.by_device.get(device, ())
            if span.since <= event.end and (span.until is None or span.until >= event.start)
        ]  # fmt: skip
        timely = [span for span in standing if span.since <= event.deadline]
        warned = sorted(
            filter(None, (self._warned(device, event) for device in watched)), key=lambda found: found.counted
        )
        inside = [found for found in warned if found.reached <= event.deadline]
        hit = len(inside) >= asked
        carrier = warned[min(asked, len(warned)) - 1] if warned else None
        seen = timely or standing
        best = max(seen, key=lambda span: (span.level, -span.since), default=None)
        lead = None if carrier is None or len(warned) < asked else (event.peak - carrier.counted) / MINUTE
        by = carrier.span if carrier else best
        return EventOutcome(
            event.event,
            event.kind,
            event.device,
            covered=True,
            hit=hit,
            level=LEVELS[best.level] if best else None,
            rule=by.rule if by else None,
            subject=by.subject if by else None,
            first=to_text(min(max(span.since, event.start - EARLY) for span in standing)) if standing else None,
            reached=to_text(carrier.reached) if carrier else None,
            lead_min=None if lead is None else round(lead, 3),
            devices=len(inside),
            asked=asked,
        )

    def _warned(self, device: str, event: Event) -> _Warned | None:
        """The warning of this device that counts earliest."""
        earlier = max((end for end in self.ends.get(device, ()) if end < event.start), default=-1)
        found = [
            _Warned(span.since, max(span.since, self._onset(device, span.rule, event)), span)
            for span in joined(self.by_device.get(device, ()))
            if earlier < span.since <= event.end and (span.until is None or span.until >= event.start)
        ]
        return min(found, key=lambda warned: (warned.counted, warned.reached), default=None)

    def _onset(self, device: str, rule: str, event: Event) -> int:
        """The earliest moment from which a warning's lead may count."""
        own = [(device, metric) for metric in self._metrics(rule)]
        upstream = [(gauge, metric) for gauge in self.above.get(device, ()) for metric in self._metrics_upstream(rule)]
        rose = [self._rose(series, event) for key in own + upstream if (series := self.observed.series.get(key))]
        return min([event.start, *rose])

    def _rose(self, series: Series, event: Event) -> int:
        """From when a series stayed on its way to its extreme, the event's start where it did not before."""
        usual = series.between(event.start - EARLY - DAY, event.start - EARLY - 1)
        during = series.between(event.start - EARLY, event.end)
        if len(usual) < FOLLOWS_MIN or not during:
            return event.start
        base = median(usual)
        height = max(during, key=lambda value: abs(value - base)) - base
        if abs(height) <= 2 * median(abs(value - base) for value in usual):
            return event.start
        first, last = series.upto(event.start - EARLY - 1), series.upto(event.start)
        rose = event.start
        for n in range(last - 1, first - 1, -1):
            if (series.values[n] - base) / height < RISEN:
                break
            rose = series.times[n]
        return rose

    def _metrics_upstream(self, rule: str) -> Collection[str]:
        """The metrics that a rule reads of gauges up the river."""
        found = self.book.rule(rule)
        nodes = found.nodes() if found else ()
        around = [node.around for node in nodes if isinstance(node, ir.Window | ir.Agree)]
        if not any(place.which == "upstream" for place in around):
            return ()
        read = {n.series for node in nodes for n in ir.walk(node) if isinstance(n, ir.Series | ir.Window)}
        return sorted(name.rstrip("~") for name in read)

    def _metrics(self, rule: str) -> Collection[str]:
        """The metrics that a rule reads of its subject."""
        if rule.startswith(BASELINE):
            return rule.removeprefix(BASELINE).split("+")
        found = self.book.rule(rule)
        return sorted({name.rstrip("~") for name in found.own_series()}) if found else ()

    # ---------------------------------------------------------------------------------------------- false raises

    def falsehood(self, change: AlertChange) -> FalseRaise | None:
        """Why a raise is false, None where it is not."""
        mark = self.mark(change)
        why = mark.why if mark else self._not_exceeded(change) or self._hangs_on_what_was_taken_back(change)
        return FalseRaise(to_text(change.at), change.rule, change.subject, change.level, why) if why else None

    def mark(self, change: AlertChange) -> Marked | None:
        """What people said of the raise's warning: of the marks near it the nearest."""
        raised = self.began.get(change.alert, change.at)
        near = [
            mark for mark in self.marks.get((change.rule, change.subject), ()) if abs(mark.raised_at - raised) <= HOUR
        ]
        return min(near, key=lambda mark: abs(mark.raised_at - raised), default=None)

    def _not_exceeded(self, change: AlertChange) -> str | None:
        """Good data did not meet what the rule asks of them. What cannot be worked out here counts as met."""
        rule = self.book.rule(change.rule)
        if rule is None:
            return None

        def holds(limit: RuleLimit) -> bool:
            series = self.observed.series.get((change.subject, limit.metric))
            seen = None if series is None else figures_of(series, change.at, limit)
            return not seen or any(limit.exceeded(value) for value in seen)

        if might_hold(rule, change.level, change.at, holds):
            return None
        cited = [limit for limit in limits(rule, change.level, change.at) if not holds(limit)]
        shown = ", ".join(sorted({f"{limit.metric} {limit.op} {limit.value:g}" for limit in cited}))
        return f"no good reading met its limit ({shown})"

    def _hangs_on_what_was_taken_back(self, change: AlertChange) -> str | None:
        if self.again is None:
            return None
        level = LEVELS.index(change.level)
        near = max([HOUR, *(2 * self._interval(device, change) for device in members(change.subject))])
        for span in self.again.get((change.rule, change.subject), ()):
            if (
                span.level >= level
                and span.since <= change.at + near
                and (span.until is None or span.until >= change.at - near)
            ):
                return None
        return "without the readings that the next ones or the neighbours took back it would not have been raised"

    def _interval(self, device: str, change: AlertChange) -> int:
        series = (self.observed.series.get((device, metric)) for metric in self._metrics(change.rule))
        return max((interval_of(found) for found in series if found is not None), default=0)

    # ---------------------------------------------------------------------------------------------- outside events

    def outside(self, raises: Sequence[AlertChange], events: Sequence[Event], false: Sequence[FalseRaise]) -> Outside:
        """Raises that belong to no event, and how many of them the data bear out."""
        mine: dict[str, list[Event]] = {}
        for event in events:
            for device in self.watched(event)[0]:
                mine.setdefault(device, []).append(event)
        ends = {(span.rule, span.subject, span.since): span.until for span in self.spans}
        denied = {(found.at, found.rule, found.subject, found.level) for found in false}
        counted = {"orange": 0, "red": 0}
        borne = 0
        for change in raises:
            near = [event for name in {change.subject, *members(change.subject)} for event in mine.get(name, ())]
            until = ends.get((change.rule, change.subject, change.at))
            if any(_belongs(change.at, until, event) for event in near):
                continue
            counted[change.level] += 1
            if (to_text(change.at), change.rule, change.subject, change.level) not in denied:
                borne += self._borne_out(change)
        months = sum((until - since) / MONTH for since, until in _devices(self.observed).values())
        total = counted["orange"] + counted["red"]
        return Outside(counted["orange"], counted["red"], round(months, 4), _share(borne, total), borne)

    def _borne_out(self, change: AlertChange) -> bool:
        """Whether what followed on the subject bears the raise out."""
        if self.observed.kinds.get(change.subject) == PAIR:
            return self._passed_close(change)
        kind = self.observed.kinds.get(change.subject, "")
        for metric in self._metrics(change.rule):
            series = self.observed.series.get((change.subject, metric))
            if series is None:
                continue
            from_here = max(series.upto(change.at) - 1, 0)
            until = series.upto(change.at + FOLLOWS)
            follows = series.values[from_here : max(until, from_here + FOLLOWS_MIN)]
            if len(follows) < FOLLOWS_MIN:
                continue
            stays = median(follows)
            if beyond(self.official, kind, metric, change.level, stays):
                return True
            if kind != "air-station" and _off(series, change.at, stays):
                return True
        return self._wave_came(change)

    def _wave_came(self, change: AlertChange) -> bool:
        """Whether what a rule saw up the river reached the subject within `EARLY`, for three readings at least."""
        for metric in self._metrics_upstream(change.rule):
            series = self.observed.series.get((change.subject, metric))
            follows = sorted(series.between(change.at, change.at + EARLY)) if series is not None else []
            if series is not None and len(follows) >= FOLLOWS_MIN and _off(series, change.at, follows[-FOLLOWS_MIN]):
                return True
        return False

    def _passed_close(self, change: AlertChange) -> bool:
        """Whether the two vessels came within 0.2 nm of each other, by their figures around the closest point."""
        cpa = self.observed.series.get((change.subject, "cpa"))
        tcpa = self.observed.series.get((change.subject, "tcpa"))
        if cpa is None or tcpa is None:
            return False
        until = change.at + PASSES
        left = dict(zip(tcpa.order().times, tcpa.values, strict=True))
        return any(
            value < PASSED_M and left.get(at, 99.0) <= 1.0
            for at, value in zip(cpa.order().times, cpa.values, strict=True)
            if change.at <= at <= until
        )


def _belongs(at: int, until: int | None, event: Event) -> bool:
    """A raise belongs to an event in which it came, or before which it came and still stood at its start."""
    if event.start <= at <= event.end:
        return True
    return event.start - EARLY <= at < event.start and (until is None or until >= event.start)


def _off(series: Series, at: int, stays: float) -> bool:
    """Whether a value stands off the week before."""
    usual = np.array(series.between(at - WEEK, at - FOLLOWS))
    if len(usual) < USUAL_MIN:
        return False
    base = float(np.median(usual))
    spread = 1.4826 * float(np.median(np.abs(usual - base)))
    return abs(stays - base) > max(OFF_MADS * spread, 0.01 * abs(base))


def figures_of(series: Series, at: int, limit: RuleLimit) -> Sequence[float] | None:
    """What a limit may have been held against, by the series up to `at`: the newest two readings where it is of the newest
    value (a rule may take a second one), any reading of a window of levels, else the window's figure. None where it cannot
    be made here."""
    end = series.upto(at)
    if not limit.window_ns:
        return series.values[max(0, end - 2) : end]
    since = at - limit.window_ns
    seen = series.between(since, at)
    if limit.level_like or not seen:
        return seen
    edge = series.upto(since)
    seen = series.values[max(0, edge - 1) : end]  # changes count from the reading at the far edge
    newest, oldest = seen[-1], seen[0]
    seconds = (series.times[end - 1] - series.times[max(0, edge - 1)]) / SECOND
    figures = {
        "delta": newest - oldest, "rise": newest - min(seen), "fall": max(seen) - newest, "sum": sum(seen[1:] if edge else seen),
        "count": float(len(seen)), "rate": (newest - oldest) / seconds if seconds else 0.0,
    }  # fmt: skip
    return [figures[limit.function]] if limit.function in figures else None
