"""In words what operators know that learn from the values: since when one has not moved, when a limit is expected, what a coupled
channel lets expect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hub.metrics import vocabulary
from rules.language import ir
from rules.state.learning import Expectation, Residual, Unchanged
from rules.state.memories import Memory
from rules.state.subject import Subject
from rules.state.words import to_text

WORTH_TELLING = 2.0
"""Spreads off from which a coupled channel is told of."""
SECOND = 1_000_000_000


def words(subject: Subject, memories: Sequence[Memory], nodes: Iterable[ir.Memory | ir.Comparison]) -> str:
    """ "water_level expected to reach 5 m at 18:20 UTC ± 15 min; pressure 200 kPa unchanged since 2026-11-29T08:00:00Z" for such
    operators in a condition, in its order."""
    found: dict[str, None] = {}
    for node in nodes:
        if isinstance(node, ir.Comparison):
            if isinstance(node.left, ir.Memory) and (told := _expected(subject, memories, node.left, node.right)):
                found[told] = None
        elif told := _known(subject, memories, node):
            found[told] = None
    return "; ".join(found)


def tells(node: ir.Node) -> bool:
    """Whether a node of a condition is one that `words` speaks of."""
    if isinstance(node, ir.Comparison):
        return isinstance(node.left, ir.Memory) and node.left.kind == "expects"
    return isinstance(node, ir.Memory) and node.kind in ("unchanged", "residual")


def _expected(subject: Subject, memories: Sequence[Memory], node: ir.Memory, limit: ir.Node) -> str:
    memory, value = memories[node.index], _number(subject, limit)
    if not isinstance(memory, Expectation) or value is None or memory.value is None:
        return ""
    crossing = memory.crossing(value)
    if crossing is None:
        return ""
    metric, unit = _name(node)
    at = to_text(crossing.at)[11:16]
    minutes = max(1, round(crossing.give_or_take_s / 60))
    return f"{metric} expected to reach {value:.4g}{unit} at {at} UTC ± {minutes} min"


def _known(subject: Subject, memories: Sequence[Memory], node: ir.Memory) -> str:
    memory = memories[node.index]
    metric, unit = _name(node)
    if isinstance(memory, Unchanged) and memory.value and memory.last is not None:
        return f"{metric} {memory.last:.4g}{unit} unchanged since {to_text(memory.since)}"
    if isinstance(memory, Residual) and memory.pair is not None and abs(memory.value or 0.0) >= WORTH_TELLING:
        y, x = memory.pair
        off = memory.value or 0.0
        other = node.operands[1].metric if isinstance(node.operands[1], ir.Series) else "the other"
        way = "above" if off > 0 else "below"
        return f"{metric} {y:.4g}{unit}, {abs(off):.0f} spreads {way} the {memory.expected(x):.4g}{unit} that {other} lets expect"
    return ""


def _name(node: ir.Memory) -> tuple[str, str]:
    series = node.operands[0]
    metric = series.metric if isinstance(series, ir.Series) else "value"
    unit = vocabulary()[metric].unit if metric in vocabulary() else ""
    return metric, f" {unit}" if unit not in ("", "1") else ""


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
