"""What an alert change says: title, reason, values and evidence, so that a person can see why and check it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from math import inf
from typing import Any, NamedTuple

from hub.bilingual import LEVELS_ZH, NOTHING, UNITS_ZH, Text, figure_zh, joined
from hub.metrics import vocabulary
from hub.model import LEVELS, AlertChange, Change, Value
from rules.judging import learnt, moving
from rules.judging.unusual import words
from rules.language import chinese, ir
from rules.language.codegen import Compiled
from rules.language.ir import WindowKey
from rules.language.rule import Condition, Hole, Rule
from rules.language.writer import question
from rules.state.subject import OpenAlert, Standing, Subject
from rules.state.words import duration, to_text
from rules.state.world import World

_LEVEL = tuple(Text(f"{level}: ", f"{LEVELS_ZH[level]}：") for level in LEVELS)
_CLEAR, _NO_LONGER = Text("clear: ", "解除条件满足："), Text("no longer: ", "条件不再满足：")
MAX_EVIDENCE_READINGS = 4
"""Samples of a window, and neighbours, that evidence lists one by one."""


def change(
    world: World,
    subject: Subject,
    alert: OpenAlert,
    what: Change,
    at: int,
    reason: Text,
    late: bool,
    who: str,
    note: str,
) -> AlertChange:
    """The change as it goes onto the stream "alerts"."""
    base = alert.rule.removesuffix(":silent")
    compiled = world.orders.compiled.get(base)
    made = AlertChange(
        alert=alert.alert,
        ordinal=alert.ordinal,
        at=at,
        rule=alert.rule,
        subject=alert.subject,
        change=what,
        level=LEVELS[alert.level],
        position=subject.position,
        reason=reason.en,
        reason_zh=reason.zh,
        late=late,
        area=subject.device.area,
        group=alert.group,
        who=who,
        note=note,
        contact=alert.contact,
        until=alert.shelved_until,
        motion=moving.now(world, subject, at),
        pair=subject.pair,
    )
    if alert.rule != base:
        over = what is Change.CLEARED
        made.title = f"{subject.name}: {'reports again' if over else 'no data'}"
        made.title_zh = f"{subject.name}：{'恢复上报' if over else '无数据'}"
        made.values = {"last_observed": to_text(subject.newest)} if subject.newest > 0 else {}
        made.evidence = [
            {"condition": reason.en, "last_observed": to_text(subject.newest) if subject.newest > 0 else None}
        ]
    elif compiled is not None:
        made.title = f"{subject.name}: {base}"  # where the rule's own cannot be put together, a warning still goes out
        world.failures.alone(
            base, subject.id, world.clock.now, lambda: _explain(made, compiled, subject, alert), None, judging=False
        )
    _keep_worst(alert, made)
    if compiled is not None:
        made.cap = compiled.rule.cap.copy()
        if alert.rule == base:
            made.source = compiled.rule.source_at(subject.newest).copy()
    return made


def _explain(made: AlertChange, compiled: Compiled, subject: Subject, alert: OpenAlert) -> None:
    """Say in a change what its rule's values, titles and evidence are."""
    standing = subject.standing.get(compiled.rule.name)
    values = observe(compiled, subject, standing)
    made.values = {name: value for name, value in values.items() if value is not None}
    made.title = title(compiled.rule, subject, alert.level, values)
    made.title_zh = title_zh(compiled.rule, subject, alert.level, values)
    made.evidence = evidence(compiled, subject, standing, alert.level)


def _keep_worst(alert: OpenAlert, made: AlertChange) -> None:
    """What has ended keeps the title of its worst moment, and says beside it how things are now."""
    if made.change in (Change.CLEARED, Change.EXPIRED):
        if made.title != alert.title:
            made.title, made.title_now = alert.title or made.title, made.title if alert.title else ""
        if made.title_zh != alert.title_zh:
            made.title_zh, made.title_now_zh = alert.title_zh, made.title_zh if alert.title_zh else ""
    elif alert.level > alert.worst:
        alert.title, alert.title_zh, alert.worst = made.title, made.title_zh, alert.level


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
    return "".join(
        [part if isinstance(part, str) else _fill(part, rule, subject, level, values) for part in rule.title]
    )


def title_zh(rule: Rule, subject: Subject, level: int, values: dict[str, Value | None]) -> str:
    """The title in Chinese; empty where the rule has none."""
    return "".join(
        [part if isinstance(part, str) else _fill_zh(part, rule, subject, level, values) for part in rule.title_zh]
    )


def _fill_zh(hole: Hole, rule: Rule, subject: Subject, level: int, values: dict[str, Value | None]) -> str:
    if hole.name == "level":
        return LEVELS_ZH[LEVELS[level]]
    value = values.get(hole.name)
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return "、".join(map(chinese.text_zh, value))
    if isinstance(value, str):
        return chinese.text_zh(value)
    said = _fill(hole, rule, subject, level, values)
    if hole.unit in UNITS_ZH and said.endswith(hole.unit):
        return figure_zh(said.removesuffix(hole.unit).strip(), hole.unit)
    return said


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


def reason(compiled: Compiled, subject: Subject, standing: Standing, level: int) -> Text:
    """Why the alert stands at this level, in a sentence."""
    said = parts(compiled, level).when
    why = _LEVEL[level] + _met(compiled, said, subject, standing)
    if not (said.quotients or said.learnt) and standing.withheld is NOTHING:
        return why
    held = standing.withheld and Text("more is withheld: ", "更高级别暂缓：") + standing.withheld
    unusual = words(subject, said.quotients) if said.quotients else NOTHING
    known = learnt.words(subject, standing.memories, said.learnt) if said.learnt else NOTHING
    return joined((why, unusual, known, held))


def cleared(compiled: Compiled, subject: Subject, standing: Standing, level: int) -> Text:
    """Why the alert left this level, in a sentence."""
    found = parts(compiled, level)
    word = _CLEAR if found.clear else _NO_LONGER
    return word + _met(compiled, found.clear or found.when, subject, standing)


class Named(NamedTuple):
    """A value that a condition names, and what is said around it."""

    name: str
    unit: str
    before: Text
    after: str
    """The unit behind the figure, in English."""
    after_zh: str


class Said(NamedTuple):
    """A condition's text, the values named in it, and the nodes that evidence is taken of."""

    text: Text
    names: tuple[Named, ...]
    series: tuple[tuple[str, str, str], ...]
    """(series, metric, unit)."""
    windows: tuple[ir.Window, ...]
    agreed: tuple[ir.Agree, ...]
    attributes: tuple[str, ...]
    quotients: tuple[ir.Operation, ...] = ()
    learnt: tuple[ir.Memory | ir.Comparison, ...] = ()


class Parts(NamedTuple):
    when: Said
    clear: Said | None


def parts(compiled: Compiled, level: int) -> Parts:
    """What a level of a rule can say of itself; worked out once."""
    known: dict[int, Parts] = compiled.said
    if level not in known:
        found = next((item for item in compiled.rule.levels if item.level == level), None)
        when = _said(compiled.rule, found.when) if found else Said(NOTHING, (), (), (), (), ())
        known[level] = Parts(when, _said(compiled.rule, found.clear, clear=True) if found and found.clear else None)
    return known[level]


def _said(rule: Rule, condition: Condition, clear: bool = False) -> Said:
    nodes = list(dict.fromkeys(ir.walk(condition.node)))
    inside = set(nodes)
    named = {let for let, _ in rule.lets.values()}
    names: list[tuple[str, str]] = []
    for series in sorted(rule.own_series()):
        if ir.Series(series) in inside and ir.Series(series) not in named:
            names.append((series.rstrip("~"), vocabulary()[series.rstrip("~")].unit))
    names += [
        (name, kind.symbol)
        for name, (let, kind) in rule.lets.items()
        if let in inside and not isinstance(let, ir.Const)
    ]
    return Said(
        Text(condition.text, chinese.condition(condition.text, rule, clear)),
        tuple(_named(name, unit, rule) for name, unit in names),
        tuple(_measured(node.series) for node in nodes if isinstance(node, ir.Series)),
        tuple(node for node in nodes if isinstance(node, ir.Window)),
        tuple(node for node in nodes if isinstance(node, ir.Agree)),
        tuple(node.name for node in nodes if isinstance(node, ir.Attribute)),
        tuple(node for node in nodes if isinstance(node, ir.Operation) and node.op == "/"),
        tuple(node for node in nodes if isinstance(node, ir.Memory | ir.Comparison) and learnt.tells(node)),
    )


def _named(name: str, unit: str, rule: Rule) -> Named:
    before = Text(f"{name} = ", f"{chinese.name(name, rule)} = ")
    return Named(name, unit, before, f" {unit}" if unit else "", figure_zh("", unit) and " " + figure_zh("", unit))


def _measured(series: str) -> tuple[str, str, str]:
    metric = series.rstrip("~")
    return series, metric, vocabulary()[metric].unit


def _met(compiled: Compiled, said: Said, subject: Subject, standing: Standing) -> Text:
    """A condition, and the values that it was judged by."""
    values = observe(compiled, subject, standing)
    english: list[str] = []
    chinese_: list[str] = []
    for name, unit, before, after, after_zh in said.names:
        value = values.get(name)
        if isinstance(value, float):
            figure = f"{value:.6g}"
            english.append(f"{before.en}{figure}{after}")
            chinese_.append(f"{before.zh}{figure}{after_zh}")
        elif value is not None:
            english.append(f"{before.en}{value}{after}".strip())
            chinese_.append(before.zh + _plain_zh(value, unit))
    if not english:
        return said.text
    return Text(f"{said.text.en} ({', '.join(english)})", f"{said.text.zh}（{'，'.join(chinese_)}）")


def _plain_zh(value: Value, unit: str) -> str:
    """What is no measured figure, in Chinese."""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return "、".join(map(chinese.text_zh, value)) or "无"
    return chinese.text_zh(value) if isinstance(value, str) else figure_zh(str(value), unit)


def evidence(compiled: Compiled, subject: Subject, standing: Standing | None, level: int) -> list[dict[str, Any]]:
    """The condition of the level, and the readings, windows, attributes and neighbours behind it, with their times."""
    said = parts(compiled, level).when
    item: dict[str, Any] = {"level": LEVELS[level], "condition": said.text.en, "condition_zh": said.text.zh}
    if standing is not None and (since := standing.since[level]) is not None:
        item["since"] = to_text(since[0])
    if standing is not None and standing.withheld is not NOTHING and standing.withheld:
        item["withheld"], item["withheld_zh"] = standing.withheld.en, standing.withheld.zh
    if said.series and (readings := [_told(subject, *told) for told in said.series if told[0] in subject.last]):
        item["readings"] = readings
    if said.windows:
        item["windows"] = [_window(subject, node) for node in said.windows]
    if said.attributes and (
        attributes := {name: subject.attributes[name] for name in said.attributes if name in subject.attributes}
    ):
        item["attributes"] = attributes
    if said.agreed:
        at = standing.judged if standing is not None and standing.judged > 0 else subject.newest
        item["neighbours"] = [_neighbours(subject, node, at) for node in said.agreed]
    return [item]


def _reading(subject: Subject, series: str) -> dict[str, Any] | None:
    return _told(subject, *_measured(series)) if series in subject.last else None


def _told(subject: Subject, series: str, metric: str, unit: str) -> dict[str, Any]:
    """The newest value of a series that the subject has told."""
    return {
        "device": subject.id,
        "metric": metric,
        "value": subject.last[series],
        "unit": unit,
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
        others = subject.hood.others(subject, node.series, node.around)
        if node.around.which == "upstream":
            return made | {"neighbours": _upstream(subject, node, key, others)}
        made["neighbours"] = [r for other in others[:MAX_EVIDENCE_READINGS] if (r := _reading(other, node.series))]
        return made
    window = subject.window(key)
    if window is not None and window.times:
        made["samples"] = len(window.times)
        newest = list(islice(zip(reversed(window.times), reversed(window.values), strict=True), MAX_EVIDENCE_READINGS))
        made["newest"] = [[to_text(at), value] for at, value in reversed(newest)]
    return made


def _upstream(subject: Subject, node: ir.Window, key: WindowKey, others: Sequence[Subject]) -> list[dict[str, Any]]:
    """Newest readings of the gauges upstream, those first whose own figure is the largest, with the time that water takes
    from there."""
    found: list[tuple[float, str, dict[str, Any]]] = []
    for other in others:
        window, reading = other.window(key), _reading(other, node.series)
        if window is None or not window.times or reading is None:
            continue
        figure = window.figure(node.function, max(subject.newest, window.times[-1]), node.parameter, 1)
        if figure is not None:
            reading["figure"] = figure
        found.append((inf if figure is None else -figure, other.id, reading | _travel(subject, other)))
    return [reading for _, _, reading in sorted(found, key=lambda item: item[:2])[:MAX_EVIDENCE_READINGS]]


def _travel(subject: Subject, above: Subject) -> dict[str, Any]:
    minutes = subject.hood.above(subject).get(above.id, inf)
    return {"travel_min": minutes} if minutes < inf else {}


def _neighbours(subject: Subject, node: ir.Agree, at: int) -> dict[str, Any]:
    """How many of the devices asked meet the condition, and the readings of some: those that meet it first."""
    series = sorted({n.series for n in ir.walk(node.condition) if isinstance(n, ir.Series | ir.Window)})
    others, meets = subject.hood.others(subject, series[0], node.around), question(node).meets
    met = [other for other in others if meets(other, at)]
    shown = [*met, *(other for other in others if other not in met)][:MAX_EVIDENCE_READINGS]
    return {
        "asked": len(others),
        "met": len(met),
        "readings": [r | _travel(subject, other) for other in shown for name in series if (r := _reading(other, name))],
    }
