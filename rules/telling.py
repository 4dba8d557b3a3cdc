"""What an alert change says: title, reason, values and evidence, so that a person can see why and check it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.metrics import vocabulary
from hub.model import LEVELS, AlertChange, Change, Value
from hub.moment import to_text
from rules.language import ir
from rules.language.codegen import Compiled
from rules.language.rule import Hole, Rule
from rules.language.types import seconds_text
from rules.subject import OpenAlert, Standing, Subject
from rules.windows import WindowKey

if TYPE_CHECKING:
    from rules.engine import Engine

MAX_EVIDENCE_READINGS = 12
"""Samples of a window, and neighbours, that evidence lists one by one."""

duration = seconds_text
moment = to_text


def alert_id(rule: str, subject: str, observed: int) -> str:
    """`rule@subject@time`, the time being when what raised it was observed."""
    return f"{rule}@{subject}@{to_text(observed)}"


def change(
    engine: Engine,
    subject: Subject,
    alert: OpenAlert,
    what: Change,
    at: int,
    reason: str,
    late: bool,
    who: str,
    note: str,
) -> AlertChange:
    """The change as it goes onto the stream "alerts"."""
    base = alert.rule.removesuffix(":silent")
    compiled = engine.compiled.get(base)
    made = AlertChange(
        alert=alert.alert,
        ordinal=alert.ordinal,
        at=at,
        rule=alert.rule,
        subject=alert.subject,
        change=what,
        level=LEVELS[alert.level],
        position=subject.position,
        reason=reason,
        late=late,
        area=subject.area,
        who=who,
        note=note,
    )
    if alert.rule != base:
        made.title = f"{subject.name}: {'no data' if what is not Change.CLEARED else 'reports again'}"
        made.values = {"last_observed": to_text(subject.newest)} if subject.newest > 0 else {}
        made.evidence = [
            {"condition": reason, "last_observed": to_text(subject.newest) if subject.newest > 0 else None}
        ]
    elif compiled is not None:
        standing = subject.standing.get(base)
        values = observe(compiled, subject, standing)
        made.values = {name: value for name, value in values.items() if value is not None}
        made.title = title(compiled.rule, subject, alert.level, values)
        made.evidence = evidence(compiled.rule, subject, standing, alert.level, values)
    if compiled is not None:
        made.cap = dict(compiled.rule.cap)
        if alert.rule == base:
            made.source = dict(compiled.rule.source_at(subject.newest))
    return made


def observe(compiled: Compiled, subject: Subject, standing: Standing | None) -> dict[str, Value | None]:
    """What the rule's names stand for now."""
    at = standing.judged if standing and standing.judged > 0 else subject.newest
    memories = standing.memories if standing else [None] * len(compiled.rule.memories)
    if standing is None and compiled.rule.memories:
        return {}
    values: dict[str, Value | None] = compiled.values(subject, at, memories)
    return values


def title(rule: Rule, subject: Subject, level: int, values: dict[str, Value | None]) -> str:
    """The title with its holes filled; what is not known shows as –."""
    return "".join(part if isinstance(part, str) else _fill(part, rule, subject, level, values) for part in rule.title)


def _fill(hole: Hole, rule: Rule, subject: Subject, level: int, values: dict[str, Value | None]) -> str:
    match hole.name:
        case "subject.name":
            return subject.name
        case "subject.id":
            return subject.id
        case "subject.kind":
            return subject.kind
        case "subject.area":
            return subject.area
        case "subject.operator":
            return subject.device.operator
        case "level":
            return LEVELS[level]
        case "rule":
            return rule.name
    value = values.get(hole.name)
    if value is None:
        return "–" + (f" {hole.unit}" if hole.unit else "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ", ".join(value) if isinstance(value, list) else str(value)
    text = format(value * hole.factor + hole.shift, hole.format or "g")
    return f"{text} {hole.unit}".strip()


def reason(compiled: Compiled, subject: Subject, standing: Standing, level: int) -> str:
    """Why the alert stands at this level, in a sentence."""
    rule = compiled.rule
    when = next(item.when for item in rule.levels if item.level == level)
    return f"{LEVELS[level]}: {when.text}{_with_values(rule, when.node, observe(compiled, subject, standing))}"


def cleared(compiled: Compiled, subject: Subject, standing: Standing, level: int) -> str:
    """Why the alert ended, in a sentence."""
    rule = compiled.rule
    found = next((item for item in rule.levels if item.level == level), None)
    if found is None:
        return "cleared"
    values = observe(compiled, subject, standing)
    if found.clear is None:
        return f"no longer: {found.when.text}{_with_values(rule, found.when.node, values)}"
    return f"clear: {found.clear.text}{_with_values(rule, found.clear.node, values)}"


def _with_values(rule: Rule, node: ir.Node, values: dict[str, Value | None]) -> str:
    inside = set(ir.walk(node))
    named = {let for let, _ in rule.lets.values()}
    shown = []
    for name, value in values.items():
        if value is None or (name not in rule.lets and ir.Series(name) in named):
            continue
        if name in rule.lets:
            let, kind = rule.lets[name]
            if let in inside and not isinstance(let, ir.Const):
                shown.append(f"{name} = {_plain(value)}{f' {kind.symbol}' if kind.symbol else ''}")
        elif ir.Series(name) in inside or ir.Series(name + "~") in inside:
            unit = vocabulary()[name].unit if name in vocabulary() else ""
            shown.append(f"{name} = {_plain(value)}{f' {unit}' if unit else ''}")
    return f" ({', '.join(shown)})" if shown else ""


def _plain(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def evidence(
    rule: Rule, subject: Subject, standing: Standing | None, level: int, values: dict[str, Value | None]
) -> list[dict[str, Any]]:
    """The condition of the level, the values it saw, and the readings behind them with their times."""
    found = next((item for item in rule.levels if item.level == level), None)
    if found is None:
        return []
    nodes = list(dict.fromkeys(ir.walk(found.when.node)))
    item: dict[str, Any] = {"level": found.name, "condition": found.when.text}
    if standing is not None:
        since = standing.since[level]
        if since is not None:
            item["since"] = to_text(since[0])
    readings = [r for node in nodes if isinstance(node, ir.Series) and (r := _reading(subject, node.series))]
    if readings:
        item["readings"] = readings
    windows = [_window(subject, node) for node in nodes if isinstance(node, ir.Window)]
    if windows:
        item["windows"] = windows
    attributes = {
        node.name: subject.attributes[node.name]
        for node in nodes
        if isinstance(node, ir.Attribute) and node.name in subject.attributes
    }
    if attributes:
        item["attributes"] = attributes
    around = [_neighbours(subject, node) for node in nodes if isinstance(node, ir.Agree)]
    if around:
        item["neighbours"] = around
    return [item]


def _reading(subject: Subject, series: str) -> dict[str, Any] | None:
    if series not in subject.last:
        return None
    metric = series.rstrip("~")
    return {
        "device": subject.id,
        "metric": metric,
        "value": subject.last[series],
        "unit": vocabulary()[metric].unit,
        "observed_at": to_text(subject.last_t[series]),
    }


def _window(subject: Subject, node: ir.Window) -> dict[str, Any]:
    made: dict[str, Any] = {
        "function": node.function,
        "metric": node.series.rstrip("~"),
        "window": duration(node.size_ns),
    }
    key = WindowKey(node.series, node.size_ns, node.closed)
    if node.around.which:
        others = subject.hood.others(subject, node.series, node.around)[:MAX_EVIDENCE_READINGS]
        made["neighbours"] = [r for other in others if (r := _reading(other, node.series))]
        return made
    window = subject.windows.get(key)
    if window is not None and window.times:
        made["samples"] = len(window.times)
        made["newest"] = [
            [to_text(at), value] for at, value in list(zip(window.times, window.values, strict=True))[-MAX_EVIDENCE_READINGS:]
        ]  # fmt: skip
    return made


def _neighbours(subject: Subject, node: ir.Agree) -> dict[str, Any]:
    series = sorted({n.series for n in ir.walk(node.condition) if isinstance(n, ir.Series | ir.Window)})
    others = subject.hood.others(subject, series[0], node.around)[:MAX_EVIDENCE_READINGS]
    return {"readings": [r for other in others for name in series if (r := _reading(other, name))]}
