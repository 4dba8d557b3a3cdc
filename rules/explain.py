"""A rule in words, for `cityhub rules explain`."""

from __future__ import annotations

from math import inf

from rules.book import RuleBook
from rules.language import ir
from rules.language.rule import Origin, Rule, Select
from rules.language.types import attribute_unit, seconds_text


def explain(book: RuleBook, name: str) -> str | None:
    """What a rule watches, what raises and clears each level, what it needs, and where its figures come from.

    None where the book has no rule of that name.
    """
    rule = book.rule(name)
    if rule is None:
        return None
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
    lines += ["", "Reads", *_reads(rule), "", "Behaviour", *_behaviour(rule), "", "Source", *_source(rule)]
    if rule.origin:
        lines += ["", "Origin", *_origin(rule.origin)]
    if rule.cap:
        lines += ["", "CAP 1.2  " + ", ".join(f"{key}: {_joined(value)}" for key, value in rule.cap.items())]
    if rule.cameras:
        lines += ["", "Cameras  " + ", ".join(f"{key}: {_joined(value)}" for key, value in rule.cameras.items())]
    return "\n".join(lines) + "\n"


def summary(book: RuleBook) -> list[tuple[str, str, str, str]]:
    """(name, subjects, levels, standard) of every rule, for `rules list`."""
    rows = []
    for rule in book.rules:
        levels = " ".join(level.name for level in rule.levels) or "silence"
        standard = rule.sources[-1].fields.get("standard", "") if rule.sources else ""
        rows.append((rule.name, _select(rule.select), levels, standard))
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


def _around(around: ir.Around) -> str:
    if around.which == "within":
        return f"within {around.metres / 1000:g} km"
    if around.which == "upstream" and around.travel_min < inf:
        return f"upstream, from where water takes up to {seconds_text(round(around.travel_min * 60e9))}"
    words = f" ({' or '.join(around.words)})" if around.words else ""
    return around.which + words


def _origin(origin: Origin) -> list[str]:
    return [
        f"  when raised or escalated, up to {origin.pick} candidates upwind of the sensors where {origin.metric} rises are named:",
        f"  {_select(origin.candidates)} within {origin.within_m / 1000:g} km",
        f"  by the wind of the last {seconds_text(origin.wind_over_ns)} at the nearest {' or '.join(origin.wind_kinds)}"
        f" within {origin.wind_within_m / 1000:g} km; nobody is named in calm or shifting wind",
    ]


def _behaviour(rule: Rule) -> list[str]:
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
    if rule.silent_ns is not None:
        lines.append(f"  no data for {seconds_text(rule.silent_ns)} is a warning of its own ({rule.silent_name})")
    return lines


def _source(rule: Rule) -> list[str]:
    return [
        f"  {'; '.join(f'{key}: {value}' for key, value in source.fields.items()) or 'none given'}"
        for source in rule.sources
    ]


def _joined(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
