"""The limits that a rule cites: which numbers its conditions compare a metric with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rules.language import ir
from rules.language.rule import Rule

LEVEL_LIKE = frozenset({"last", "min", "max", "mean", "percentile"})
"""Windows whose figure is in the metric's own unit and scale; sums, rates and counts are not."""


class RuleLimit(NamedTuple):
    """`metric` is compared with `value` by `op` (>, >=, <, <=), over a window of `window_ns` (0: the newest value)."""

    metric: str
    op: str
    value: float
    window_ns: int
    function: str
    """Of the window: mean, max …; "last" where there is none."""

    @property
    def level_like(self) -> bool:
        """Whether what is compared is in the metric's own scale."""
        return self.function in LEVEL_LIKE

    @property
    def upward(self) -> bool:
        return self.op in (">", ">=")

    def exceeded(self, value: float) -> bool:
        return value >= self.value if self.upward else value <= self.value


def limits(rule: Rule, level: str, at: int) -> list[RuleLimit]:
    """The subject's own metrics and the numbers that this level compares them with, at that observed time (ns)."""
    found: list[RuleLimit] = []
    for item in rule.levels:
        if item.name == level:
            _collect(item.when.node, at, found)
    return list(dict.fromkeys(found))


def might_hold(rule: Rule, level: str, at: int, holds: Callable[[RuleLimit], bool]) -> bool:
    """Whether a level's condition may have been met, given which of its limits were: what says nothing of a limit of the
    subject's own (neighbours, memories, zones) counts as met."""
    return all(_might(item.when.node, at, holds) for item in rule.levels if item.name == level)


def _might(node: ir.Node, at: int, holds: Callable[[RuleLimit], bool]) -> bool:
    if isinstance(node, ir.AllOf):
        return all(_might(part, at, holds) for part in node.parts)
    if isinstance(node, ir.AnyOf):
        return any(_might(part, at, holds) for part in node.parts)
    if isinstance(node, ir.Memory) and node.kind == "k-of-n":
        return all(_might(part, at, holds) for part in node.operands)
    if isinstance(node, ir.Comparison):
        found: list[RuleLimit] = []
        _collect(node, at, found)
        return all(holds(limit) for limit in found)
    return True


def _collect(node: ir.Node, at: int, found: list[RuleLimit]) -> None:
    if isinstance(node, ir.Agree):
        return  # what the neighbours must show
    if isinstance(node, ir.Comparison):
        for left, op, right in ((node.left, node.op, node.right), (node.right, _mirrored(node.op), node.left)):
            value = _number(right, at)
            if value is not None and op in (">", ">=", "<", "<=") and (limit := _limit(left, op, value)):
                found.append(limit)
        return
    for child in ir.children(node):
        _collect(child, at, found)


def _limit(left: ir.Node, op: str, value: float) -> RuleLimit | None:
    if isinstance(left, ir.Scaled) and left.factor:
        value = (value - left.shift) / left.factor
        left = left.operand
    if isinstance(left, ir.Series):
        return RuleLimit(left.metric, op, value, 0, "last")
    if isinstance(left, ir.Window) and not left.around.which:
        return RuleLimit(left.series.rstrip("~"), op, value, left.size_ns, left.function)
    return None


def _number(node: ir.Node, at: int) -> float | None:
    if isinstance(node, ir.Const):
        return node.value if isinstance(node.value, int | float) and not isinstance(node.value, bool) else None
    if isinstance(node, ir.ByDate):
        return _number(next((case for until, case in node.cases if at < until), node.last), at)
    if isinstance(node, ir.Scaled):
        inner = _number(node.operand, at)
        return None if inner is None else inner * node.factor + node.shift
    return None


def _mirrored(op: str) -> str:
    return {">": "<", ">=": "<=", "<": ">", "<=": ">="}.get(op, op)
