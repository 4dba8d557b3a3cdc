"""In words what operators know that learn from the values: since when one has not moved, when a limit is expected, what a coupled
channel lets expect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hub.bilingual import NOTHING, Text, joined, unit_zh
from hub.metrics import vocabulary
from rules.language import ir
from rules.state.learning import Expectation, Residual, Unchanged
from rules.state.memories import Memory
from rules.state.subject import Subject
from rules.state.words import to_text

WORTH_TELLING = 2.0
"""Spreads off from which a coupled channel is told of."""
SECOND = 1_000_000_000


def words(subject: Subject, memories: Sequence[Memory], nodes: Iterable[ir.Memory | ir.Comparison]) -> Text:
    """ "water_level expected to reach 5 m at 18:20 UTC ± 15 min; pressure 200 kPa unchanged since 2026-11-29T08:00:00Z" for such
    operators in a condition, in its order."""
    found: dict[Text, None] = {}
    for node in nodes:
        if isinstance(node, ir.Comparison):
            if isinstance(node.left, ir.Memory) and (told := _expected(subject, memories, node.left, node.right)):
                found[told] = None
        elif told := _known(subject, memories, node):
            found[told] = None
    return joined(found)


def tells(node: ir.Node) -> bool:
    """Whether a node of a condition is one that `words` speaks of."""
    if isinstance(node, ir.Comparison):
        return isinstance(node.left, ir.Memory) and node.left.kind == "expects"
    return isinstance(node, ir.Memory) and node.kind in ("unchanged", "residual")


def _expected(subject: Subject, memories: Sequence[Memory], node: ir.Memory, limit: ir.Node) -> Text:
    memory, value = memories[node.index], _number(subject, limit)
    if not isinstance(memory, Expectation) or value is None or memory.value is None:
        return NOTHING
    crossing = memory.crossing(value)
    if crossing is None:
        return NOTHING
    metric, unit, metric_zh, unit_zh = _name(node)
    at = to_text(crossing.at)[11:16]
    minutes = max(1, round(crossing.give_or_take_s / 60))
    return Text(
        f"{metric} expected to reach {value:.4g}{unit} at {at} UTC ± {minutes} min",
        f"预计{metric_zh}于协调世界时{at}（±{minutes}分钟）达到{value:.4g}{unit_zh}",
    )


def _known(subject: Subject, memories: Sequence[Memory], node: ir.Memory) -> Text:
    memory = memories[node.index]
    metric, unit, metric_zh, unit_zh = _name(node)
    if isinstance(memory, Unchanged) and memory.value and memory.last is not None:
        since = to_text(memory.since)
        return Text(
            f"{metric} {memory.last:.4g}{unit} unchanged since {since}",
            f"{metric_zh} {memory.last:.4g}{unit_zh}自{since}起未变",
        )
    if isinstance(memory, Residual) and memory.pair is not None and abs(memory.value or 0.0) >= WORTH_TELLING:
        y, x = memory.pair
        off = memory.value or 0.0
        coupled = node.operands[1]
        other, other_zh = (
            (coupled.metric, _title_zh(coupled.metric)) if isinstance(coupled, ir.Series) else ("the other", "另一通道")
        )
        expected = f"{memory.expected(x):.4g}"
        return Text(
            f"{metric} {y:.4g}{unit}, {abs(off):.0f} spreads {'above' if off > 0 else 'below'} the {expected}{unit} that {other} lets expect",
            f"{metric_zh} {y:.4g}{unit_zh}，{'高于' if off > 0 else '低于'}按{other_zh}预期的{expected}{unit_zh}{abs(off):.0f}个离散度",
        )
    return NOTHING


def _name(node: ir.Memory) -> tuple[str, str, str, str]:
    """The metric and its unit, in English and in Chinese."""
    series = node.operands[0]
    metric = series.metric if isinstance(series, ir.Series) else "value"
    unit = vocabulary()[metric].unit if metric in vocabulary() else ""
    return (
        metric,
        f" {unit}" if unit not in ("", "1") else "",
        _title_zh(metric),
        f" {unit_zh(unit)}".rstrip(),
    )


def _title_zh(metric: str) -> str:
    if metric == "value":
        return "数值"
    return (vocabulary()[metric].title_zh if metric in vocabulary() else "") or metric


def _number(subject: Subject, node: ir.Node) -> float | None:
    """The value of a limit that is a number, an attribute, or made of such."""
    match node:
        case ir.Const(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
        case ir.Attribute(name=name):
            told = subject.attributes.get(name)
            return float(told) if isinstance(told, int | float) and not isinstance(told, bool) else None
        case ir.Scaled(operand=operand, factor=factor, shift=shift):
            inner = _number(subject, operand)
            return None if inner is None else inner * factor + shift
        case ir.Operation(op=op, left=left, right=right):
            a, b = _number(subject, left), _number(subject, right)
            if a is None or b is None:
                return None
            return {"+": a + b, "-": a - b, "*": a * b}.get(op)
    return None
