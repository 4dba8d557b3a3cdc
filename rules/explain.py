"""A rule in words, for `cityhub rules explain`."""

from __future__ import annotations

from math import inf

from hub.metrics import vocabulary
from hub.model import LEVELS
from rules import qartod
from rules.book import RuleBook
from rules.language import ir
from rules.language.rule import QualityEntry, Rule, Select, Tracing
from rules.language.types import attribute_unit, seconds_text


def explain(book: RuleBook, name: str) -> str | None:
    """What a rule watches, what raises and clears each level, what it needs, and where its figures come from.

    Of `pack/quality:metric` what is set there. None where the book has neither a rule nor such an entry of that name.
    """
    rule = book.rule(name)
    if rule is None:
        entries = [entry for entry in book.qualities if entry.name == name]
        return "\n".join(_entry(entry) for entry in entries) or None
    lines = [f"{rule.name}   ({rule.file}:{rule.line})"]
    if rule.about:
        lines += ["", rule.about]
    lines += ["", f"Watches  {_select(rule.select)}"]
    if rule.select.every:
        who = f"each {' or '.join(rule.select.of)}" if rule.select.of else "every device"
        lines.append(f"         judged over {who} inside, when one of them reports, enters or leaves")
    if rule.levels:
        lines += ["", "Levels (the alert stands at the highest in effect)"]
        for level in reversed(rule.levels):
            clear = level.clear.text if level.clear else "the condition certainly does not hold"
            lines += [f"  {level.name:7} {level.when.text}", f"          clears: {clear}"]
    if rule.let_texts:
        lines += ["", "Where"]
        lines += [f"  {key} = {text}{_unit(rule, key)}" for key, text in rule.let_texts.items()]
    lines += [
        "",
        "Reads",
        *_reads(rule),
        "",
        "Quality tests",
        *_tests(book, rule),
        "",
        "Behaviour",
        *_behaviour(book, rule),
        "",
        "Source",
        *_source(rule),
    ]
    if rule.tracing:
        lines += ["", "Attribution", *_tracing(rule.tracing)]
    if rule.cap:
        lines += ["", "CAP 1.2  " + ", ".join(f"{key}: {_joined(value)}" for key, value in rule.cap.items())]
    if rule.cameras:
        lines += ["", "Cameras  " + ", ".join(f"{key}: {_joined(value)}" for key, value in rule.cameras.items())]
    return "\n".join(lines) + "\n"


def summary(book: RuleBook) -> list[tuple[str, str, str, str]]:
    """(name, subjects, levels, standard) of every rule, and of every entry that sets tests of quality, for `rules list`."""
    rows = []
    for rule in book.rules:
        levels = " ".join(level.name for level in rule.levels) or "silence"
        standard = rule.sources[-1].fields.get("standard", "") if rule.sources else ""
        rows.append((rule.name, _select(rule.select), levels, standard))
    rows += [
        (entry.name, _select(entry.select), " ".join(key for key, _ in entry.texts), "quality tests")
        for entry in book.qualities
    ]
    return rows


def _select(select: Select) -> str:
    parts = []
    if select.every:
        parts.append(f"every {select.every}")
    if select.every and select.kinds:
        parts.append(f"of kind {' or '.join(select.kinds)}")
    elif select.kinds:
        parts.append("every device" if "*" in select.kinds else f"each {' or '.join(select.kinds)}")
    for word, names in (
        ("named", select.devices),
        ("of area", select.areas),
        ("in zone", select.zones),
        ("of operator", select.operators),
    ):
        if names:
            parts.append(f"{word} {' or '.join(names)}")
    parts += [f"with {key} = {value}" for key, value in select.attributes]
    return " ".join(parts) or "every device"


def _unit(rule: Rule, name: str) -> str:
    _, kind = rule.lets[name]
    return f"   [{kind.symbol}]" if kind.symbol else ""


def _reads(rule: Rule) -> list[str]:
    own = sorted(series.rstrip("~") for series in rule.own_series())
    lines = [] if rule.select.every else [f"  metrics of the device: {', '.join(own) or 'none'}"]
    around = sorted(
        {
            f"{n.series.rstrip('~')} {_around(n.around)}"
            for n in rule.nodes()
            if isinstance(n, ir.Window) and n.around.which
        }
    )
    around += sorted(
        {
            f"{'share' if n.share else 'agreement'} in {', '.join(_series_of(n))} {_around(n.around)}"
            for n in rule.nodes()
            if isinstance(n, ir.Agree)
        }
    )
    if around:
        lines.append(f"  of {'the devices' if rule.select.every else 'others'}: {', '.join(around)}")
    lines += [f"  calendar {calendar.name}: {calendar.words}" for calendar in rule.calendars()]
    fences = sorted({(n.name, n.margin_m) for n in rule.nodes() if isinstance(n, ir.InZone)})
    for name, margin in fences:
        tolerance = f", known to be out of it from {margin:g} m beyond its edge" if margin else ""
        lines.append(f"  zone {name} (name or kind){tolerance}")
    for level in rule.levels:
        for name in sorted(rule.attributes_of(level)):
            lines.append(
                f"  attribute {name} [{attribute_unit(name) or 'text'}]: {level.name} is silent for {rule.select.every or 'device'}s without it"
            )
    return lines


def _series_of(node: ir.Agree) -> list[str]:
    return sorted({n.series.rstrip("~") for n in ir.walk(node.condition) if isinstance(n, ir.Series | ir.Window)})


def _tests(book: RuleBook, rule: Rule) -> list[str]:
    """What is held against the metrics that the rule reads: the defaults, and entries that may apply to its devices."""
    lines: list[str] = []
    for metric in sorted({series.rstrip("~") for series in rule.own_series()}):
        words = qartod.words(qartod.SETTINGS[metric], vocabulary()[metric].unit) if metric in qartod.SETTINGS else ""
        lines.append(f"  {metric}: {words or 'none'} (house default)")
        lines += [
            f"    {_select(entry.select)}: {_settings(entry)} ({entry.file}:{entry.line})"
            for entry in sorted(book.qualities, key=lambda entry: entry.select.precision())
            if entry.metric == metric
        ]
    return lines or ["  none: it reads no metric of its own"]


def _entry(entry: QualityEntry) -> str:
    lines = [f"{entry.name}   ({entry.file}:{entry.line})", "", f"Tests    {entry.metric} of {_select(entry.select)}"]
    default = qartod.SETTINGS.get(entry.metric)
    words = qartod.words(default, vocabulary()[entry.metric].unit) if default else ""
    lines += [f"  {key}: {text}" for key, text in entry.texts]
    return "\n".join([*lines, "", f"Default  {words or 'none'}", ""])


def _settings(entry: QualityEntry) -> str:
    return ", ".join(f"{key} {text}" for key, text in entry.texts)


def _around(around: ir.Around) -> str:
    if around.which == "within":
        return f"within {around.metres / 1000:g} km"
    if around.which == "upstream" and around.travel_min < inf:
        return f"upstream, from where water takes up to {seconds_text(round(around.travel_min * 60e9))}"
    words = f" ({' or '.join(around.words)})" if around.words else ""
    if around.which == "ahead":
        return f"in the zone it is in{words} and those named there as 'ahead'"
    return around.which + words


def _tracing(spec: Tracing) -> list[str]:
    return [
        f"  when raised or escalated, up to {spec.pick} candidates upwind of the sensors where {spec.metric} rises are named:",
        f"  {_select(spec.candidates)} within {spec.within_m / 1000:g} km",
        f"  by the wind of the last {seconds_text(spec.wind_over_ns)} at the nearest {' or '.join(spec.wind_kinds)}"
        f" within {spec.wind_within_m / 1000:g} km; nobody is named in calm or shifting wind",
    ]


def _behaviour(book: RuleBook, rule: Rule) -> list[str]:
    quality = (
        "values of any quality"
        if rule.any_quality
        else "good values only; marked ones (fault, maintenance, calibration …) are left out"
    )
    lines = [
        f"  uses {quality}",
        f"  a value counts for {seconds_text(rule.hold_ns)} after it was observed; unknown values neither raise nor clear",
        f"  raised more than {seconds_text(rule.late_ns)} after the observation it is marked late",
        f"  without usable data for {seconds_text(rule.expire_ns)} the alert expires",
    ]
    if rule.wait_ns:
        span = seconds_text(rule.wait_ns)
        lines.append(f"  waits {span} for late readings and judges in the order of observation; silence does not wait")
    if rule.silent_ns is not None:
        lines.append(f"  no data for {seconds_text(rule.silent_ns)} is a warning of its own ({rule.silent_name})")
    for level, waits in zip(LEVELS, book.calls_of(rule), strict=True):
        told = [f"contact {contact} after {seconds_text(ns)}" for contact, ns in enumerate(waits, 2)]
        if told:
            lines.append(f"  {level} that nobody acknowledges or shelves goes to {', then '.join(told)}")
    return lines


def _source(rule: Rule) -> list[str]:
    return [
        f"  {'; '.join(f'{key}: {value}' for key, value in source.fields.items()) or 'none given'}"
        for source in rule.sources
    ]


def _joined(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
