"""The back-test report: one HTML file without anything from elsewhere; figures, charts, a map, the changes. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from html import escape
from importlib import resources
from typing import NamedTuple

from hub.app.limits import limits
from hub.backtest import report_chart, report_map
from hub.backtest.evaluation import EventResult, Summary
from hub.backtest.events import Event
from hub.backtest.observed import Observed, where
from hub.backtest.report_chart import Mark, Picture, Shade, Strip
from hub.backtest.run import Tally
from hub.backtest.spans import ORANGE, Span, spans_of
from hub.metrics import vocabulary
from hub.model import LEVELS, AlertChange, Change, Position
from hub.moment import SECOND
from hub.pairs import members
from hub.registry import Registry
from rules.book import RuleBook

CHANGES_MAX = 400
"""Rows of the table of changes; beyond, only steps to orange and red are shown, the first so many."""
SCENES_MAX = 8
CHARTS_MAX = 10
MARGIN = 6 * 3600 * SECOND
FALSE_MAX = 60


class Findings(NamedTuple):
    """All that a report tells of."""

    name: str
    zone: tzinfo
    registry: Registry
    book: RuleBook
    tally: Tally
    changes: Sequence[AlertChange]
    observed: Observed
    judged: Summary
    events: Sequence[Event]


class Curve(NamedTuple):
    """What a chart of one device shows: a metric, and the levels of the rule that spoke of it most."""

    metric: str
    limits: dict[str, float]
    upward: bool


def report(findings: Findings) -> str:
    """The page."""
    page = _Page(findings)
    style = resources.files("hub.backtest").joinpath("report.css").read_text("utf-8")
    title = escape(f"Back-test: {findings.name}")
    sections = [
        page.head(), page.cards(), page.evaluation(), page.scenes(), page.map(), page.devices(), page.rules(), page.changes(),
        page.fate(),
    ]  # fmt: skip
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{style}</style></head><body><main>{''.join(sections)}</main></body></html>\n"
    )


class _Page:
    def __init__(self, findings: Findings) -> None:
        self.f = findings
        self.spans = spans_of(findings.changes)
        self.by_subject: dict[str, list[Span]] = {}
        for span in self.spans:
            for device in members(span.subject):
                self.by_subject.setdefault(device, []).append(span)
        self.top = {subject: max(span.level for span in spans) for subject, spans in self.by_subject.items()}
        self.end = findings.tally.last_at or 0

    # ---------------------------------------------------------------------------------------------- words

    def _moment(self, at: int | None) -> str:
        return datetime.fromtimestamp(at / SECOND, self.f.zone).strftime("%Y-%m-%d %H:%M") if at is not None else "–"

    def _name(self, subject: str) -> str:
        device = self.f.registry.devices.get(subject)
        return device.name if device and device.name else subject

    # ---------------------------------------------------------------------------------------------- sections

    def head(self) -> str:
        tally = self.f.tally
        packs = sorted({rule.name.partition("/")[0] for rule in self.f.book.rules})
        return (
            f"<h1>{escape(self.f.name)}</h1><p class=soft>Back-test of {len(self.f.book.rules)} rules "
            f"({escape(', '.join(packs)) or 'none'}) over {self._moment(tally.first_at)} to {self._moment(tally.last_at)}. "
            f"Times are {escape(str(self.f.zone))}.</p>"
        )

    def cards(self) -> str:
        tally, judged = self.f.tally, self.f.judged
        shown = [
            (f"{tally.readings:,}", "readings"),
            (f"{tally.devices:,}", "devices" if tally.devices != 1 else "device"),
        ]
        shown += [(f"{tally.quarantined:,}", "quarantined"), (f"{tally.duplicates:,}", "duplicates")]
        shown.append((f"{sum(tally.levels.values()):,}", "warnings raised"))
        shown.append((_figure(judged.alerts_per_device_week), "warnings a device-week"))
        if judged.events:
            shown.append((f"{judged.hits} of {len(judged.events)}", "events hit"))
            shown.append((_lead(judged.median_lead_min), "median lead to the peak"))
        return (
            "<div class=cards>"
            + "".join(f"<div class=card><b>{value}</b><span>{name}</span></div>" for value, name in shown)
            + "</div>"
        )

    def evaluation(self) -> str:
        judged, plain = self.f.judged, self.f.judged.baseline
        others = {found.event: found for found in plain.events} if plain else {}
        rows = [
            [
                escape(outcome.event), escape(outcome.kind),
                "<span class=good>hit</span>" if outcome.hit else "<span class=miss>missed</span>",
                _pill(outcome.level), escape(outcome.rule or "–"), escape(self._name(outcome.subject or "")),
                _text_moment(outcome.reached), _lead(outcome.lead_min), f"{outcome.devices} of {outcome.asked}",
                _beside(others.get(outcome.event)),
            ]
            for outcome in judged.per_event if outcome.covered
        ]  # fmt: skip
        parts = []
        if rows:
            heads = (
                "event", "kind", "", "level", "rule", "device", "orange at (UTC)", "lead to peak", "devices in time", "plain threshold",
            )  # fmt: skip
            parts.append("<h2>Events</h2><div class=panel>" + _table(heads, rows) + "</div>")
        figures = [_figures("Rules", judged), *([_figures("Plain threshold", plain)] if plain else [])]
        columns = (
            "", "POD", "FAR", "CSI", "median lead", "steps to orange or red", "false", "outside events: orange", "red", "a site-month",
            "borne out",
        )  # fmt: skip
        parts.append("<h2>Beside a plain threshold</h2><div class=panel>" + _table(columns, figures) + "</div>")
        definition = (
            "An event is hit when a warning stands at orange or above by its peak, at the devices it names. The lead counts "
            "from the event's start at most, unless the data rose before. A step to orange or red is false when no good reading "
            "met the rule's limit, when it hangs on readings that the next ones or the neighbours took back, or when people marked it as a false alarm. The plain "
            "threshold watches the official limits, and for what is unusual the last 24 hours of each channel."
        )
        parts.append(f"<p class='soft small'>{definition}</p>")
        if judged.false_raises:
            false = [
                [
                    _text_moment(found.at),
                    _pill(found.level),
                    escape(found.rule),
                    escape(self._name(found.subject)),
                    escape(found.why),
                ]
                for found in judged.false_raises[:FALSE_MAX]
            ]
            more = (
                f"<p class='soft small'>The first {FALSE_MAX} of {judged.false}.</p>"
                if judged.false > FALSE_MAX
                else ""
            )
            parts.append(
                f"<details><summary class=small>False steps ({judged.false:,})</summary><div class=panel>"
                f"{_table(('at (UTC)', 'level', 'rule', 'device', 'why'), false)}{more}</div></details>"
            )
        return "".join(parts)

    def scenes(self) -> str:
        """Each event from near; without events the gravest warnings."""
        drawn: list[str] = []
        by_name = {event.event: event for event in self.f.events}
        for outcome in self.f.judged.per_event[: 4 * SCENES_MAX]:
            event = by_name[outcome.event]
            subject = outcome.subject or (event.device if event.device != "*" else None)
            if outcome.covered and subject and len(drawn) < SCENES_MAX:
                margin = max(MARGIN, (event.end - event.start) // 2)
                title = f"{outcome.event}: {self._name(subject)}"
                drawn.append(self._chart(title, subject, event.start - margin, event.end + margin, event))
        if not drawn:
            for span in self._gravest():
                until = span.until or self.end
                margin = max(MARGIN, until - span.since)
                title = f"{self._name(span.subject)}: {span.rule}, {LEVELS[span.level]}"
                drawn.append(self._chart(title, members(span.subject)[0], span.since - margin, until + margin, None))
        drawn = [chart for chart in drawn if chart]
        if not drawn:
            return ""
        key = "".join(
            f"<span><i style='background:{report_chart.COLOURS[level]}'></i>{level}</span>" for level in LEVELS
        )
        return (
            "<h2>From near</h2><div class=key>"
            + key
            + "<span>triangle: a step up</span><span>strip: the highest warning of the "
            "device at the time</span><span>grey: the event</span></div>" + "".join(drawn)
        )

    def _gravest(self) -> list[Span]:
        chosen: dict[str, Span] = {}
        for span in sorted(self.spans, key=lambda span: (-span.level, span.since)):
            chosen.setdefault(span.subject, span)
        return [span for span in list(chosen.values())[:4] if span.level >= LEVELS.index("yellow")]

    def map(self) -> str:
        places = {
            device: place
            for device, place in where(self.f.registry.devices.values(), self.f.observed).items()
            if device in self.f.observed.spans
        }
        named: dict[str, Position] = {}
        for change in self.f.changes:
            for view in change.cameras:
                camera = self.f.registry.cameras.get(view.camera)
                if camera and len(named) < 300:
                    named[camera.name or camera.camera] = camera.position
        names = {device: self._name(device) for device in places}
        drawing = report_map.draw(places, self.top, names, self.f.observed.tracks, list(named.items()))
        if not drawing:
            return ""
        told = f" Squares: {len(named)} cameras that warnings named." if named else ""
        return f"<h2>Map</h2><p class='soft small'>Devices by their highest warning.{told}</p><div class=panel>{drawing}</div>"

    def devices(self) -> str:
        raised = Counter(change.subject for change in self.f.changes if change.change is Change.RAISED)
        order = sorted(self.f.observed.spans, key=lambda device: (-self.top.get(device, -1), -raised[device], device))
        since, until = self.f.tally.first_at, self.f.tally.last_at
        if since is None or until is None or since >= until:
            return ""
        charts = [
            chart
            for device in order[:CHARTS_MAX]
            if (chart := self._chart(self._name(device), device, since, until, None))
        ]
        more = f" The {CHARTS_MAX} with the gravest warnings of {len(order):,}." if len(order) > CHARTS_MAX else ""
        return (
            f"<h2>Devices</h2><p class='soft small'>The whole recording.{more}</p>{''.join(charts)}" if charts else ""
        )

    def rules(self) -> str:
        counts: dict[str, Counter[str]] = {}
        for change in self.f.changes:
            if change.change in (Change.RAISED, Change.ESCALATED):
                counts.setdefault(change.rule, Counter())[change.level] += 1
        rows = []
        for name, levels in sorted(counts.items()):
            rule = self.f.book.rule(name)
            source = rule.source_at(self.end) if rule else {}
            cited = ", ".join(filter(None, (source.get("standard"), source.get("clause")))) or "–"
            rows.append(
                [escape(name), *(f"{levels[level]:,}" if levels[level] else "–" for level in LEVELS), escape(cited)]
            )
        if not rows:
            return "<h2>Rules</h2><p class=soft>No rule raised a warning.</p>"
        heads = ("rule", *(f"to {level}" for level in LEVELS), "source of the limits")
        return "<h2>Rules</h2><div class=panel>" + _table(heads, rows, numbers=range(1, 5)) + "</div>"

    def changes(self) -> str:
        shown = list(self.f.changes)
        told = ""
        if len(shown) > CHANGES_MAX:
            total = len(shown)
            shown = [
                c for c in shown if c.change in (Change.RAISED, Change.ESCALATED) and LEVELS.index(c.level) >= ORANGE
            ]
            told = f"<p class='soft small'>Of {total:,} changes the {min(len(shown), CHANGES_MAX):,} first steps to orange and red.</p>"
        rows = [
            [
                self._moment(change.at), change.change.value, _pill(change.level), escape(change.rule), escape(self._name(change.subject)),
                escape(change.title) + (f"<div class='soft small'>{escape(change.reason[:240])}</div>" if change.reason else ""),
                escape(", ".join(view.name or view.camera for view in change.cameras if view.sees)) or "–",
            ]
            for change in shown[:CHANGES_MAX]
        ]  # fmt: skip
        if not rows:
            return ""
        return (
            "<h2>Changes</h2>"
            + told
            + "<div class=panel>"
            + _table(("at", "change", "level", "rule", "device", "what and why", "cameras that see it"), rows)
            + "</div>"
        )

    def fate(self) -> str:
        tally = self.f.tally
        rows = [
            [escape(kind), f"{count:,}", escape(tally.examples.get(kind, ""))]
            for kind, count in sorted(tally.faults.items())
        ]
        counted = ""
        if tally.rows.rows:
            counted = f"{tally.rows.rows:,} rows, of them {tally.rows.empty:,} without a value and {tally.rows.left_out:,} left out by the map; "
        told = (
            f"<p>{counted}{tally.readings:,} readings = {tally.used:,} used + {tally.duplicates:,} duplicates + "
            f"{tally.quarantined:,} quarantined; {tally.wall_s:.1f} s.</p>"
        )
        table = (
            "<div class=panel>" + _table(("fault", "times", "such as"), rows, numbers=(1,)) + "</div>" if rows else ""
        )
        return "<h2>What became of the recording</h2>" + told + table

    # ---------------------------------------------------------------------------------------------- one chart

    def _chart(self, title: str, device: str, since: int, until: int, event: Event | None) -> str:
        since = max(since, self.f.tally.first_at or since)
        until = min(until, self.end)
        curve = self._curve(device, since, until) if since < until else None
        if curve is None:
            return ""
        series = self.f.observed.series[(device, curve.metric)].order()
        first, last = bisect_left(series.times, since), bisect_right(series.times, until)
        if first == last:
            return ""
        spans = [
            span
            for span in self.by_subject.get(device, ())
            if span.since <= until and (span.until is None or span.until >= since)
        ]
        strips = [
            Strip(
                span.since,
                span.until or self.end,
                span.level,
                f"{span.rule}: {LEVELS[span.level]} from {self._moment(span.since)}",
            )
            for span in spans
        ]
        marks = [
            Mark(span.since, span.level, f"{span.rule}: {LEVELS[span.level]} at {self._moment(span.since)}")
            for span in _steps(spans)
        ]
        unit = vocabulary()[curve.metric].unit.replace("ug", "µg").replace("m3", "m³")
        shade = Shade(event.start, event.peak, event.end, event.event) if event else None
        picture = Picture(
            since, until, series.times[first:last], series.values[first:last], curve.limits, curve.upward, strips, marks, shade, self.f.zone
        )  # fmt: skip
        subtitle = f"{vocabulary()[curve.metric].title}, {unit}; {self._moment(since)} to {self._moment(until)}"
        return f"<div class=panel><h3>{escape(title)}</h3><div class='soft small'>{escape(subtitle)}</div>{report_chart.draw(picture)}</div>"

    def _curve(self, device: str, since: int, until: int) -> Curve | None:
        """The metric that the device's warnings spoke of most, the gravest first; else the one with most readings."""
        votes: Counter[tuple[str, str]] = Counter()
        for span in self.by_subject.get(device, ()):
            if span.since <= until and (span.until is None or span.until >= since):
                rule = self.f.book.rule(span.rule)
                for limit in limits(rule, LEVELS[span.level], span.since) if rule else ():
                    if (device, limit.metric) in self.f.observed.series:
                        votes[(limit.metric, span.rule)] += 10**span.level
        if votes:
            (metric, name), _ = max(votes.items(), key=lambda item: (item[1], item[0]))
            levels, upward = self._levels(name, metric, since)
            return Curve(metric, levels, upward)
        own = {
            metric: len(series.times) for (owner, metric), series in self.f.observed.series.items() if owner == device
        }
        return Curve(max(own, key=lambda metric: (own[metric], metric)), {}, True) if own else None

    def _levels(self, name: str, metric: str, at: int) -> tuple[dict[str, float], bool]:
        rule = self.f.book.rule(name)
        found: dict[str, float] = {}
        upward = True
        for item in rule.levels if rule else ():
            plain = (
                [limit for limit in limits(rule, item.name, at) if limit.metric == metric and limit.level_like]
                if rule
                else []
            )
            if plain:
                found[item.name], upward = plain[0].value, plain[0].upward
        return found, upward


def _steps(spans: Iterable[Span]) -> list[Span]:
    """The spans that began higher than their warning stood before."""
    before: dict[tuple[str, str], Span] = {}
    found = []
    for span in spans:
        previous = before.get((span.subject, span.rule))
        if previous is None or previous.until != span.since or previous.level < span.level:
            found.append(span)
        before[(span.subject, span.rule)] = span
    return found


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    right = set(numbers)
    head = "".join(f"<th{' class=n' if n in right else ''}>{name}</th>" for n, name in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(f"<td{_class(n, cell, right)}>{cell}</td>" for n, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _class(n: int, cell: str, right: set[int]) -> str:
    return " class=n" if n in right else " class=t" if len(cell) < 22 and "<" not in cell else ""


def _pill(level: str | None) -> str:
    return f"<span class='level {level}'>{level}</span>" if level else "–"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def _lead(minutes: float | None) -> str:
    if minutes is None:
        return "–"
    return f"{minutes:.0f} min" if abs(minutes) < 120 else f"{minutes / 60:.1f} h"


def _text_moment(text: str | None) -> str:
    return text.replace("T", " ").removesuffix("Z")[:16] if text else "–"


def _figures(who: str, judged: Summary) -> list[str]:
    outside = judged.outside
    months = outside.site_months
    return [
        who, _figure(judged.pod), _figure(judged.far), _figure(judged.csi), _lead(judged.median_lead_min), f"{judged.raises:,}",
        f"{judged.false:,}" + (f" ({judged.marked:,} marked)" if judged.marked else ""), f"{outside.orange:,}", f"{outside.red:,}",
        _figure((outside.orange + outside.red) / months if months else None), _figure(outside.borne_out),
    ]  # fmt: skip


def _beside(found: EventResult | None) -> str:
    """What the plain threshold made of an event."""
    if found is None or found.at is None:
        return "missed"
    return f"{'hit' if found.hit else 'missed'} {_pill(found.level)} {_lead(None if found.lead_s is None else found.lead_s / 60)}"
