"""The functions of a rule, written for it (`writer`).

Per set of rules and shape of reading one fused function tells which rules need attention; one `judge` per rule then says exactly which levels
are true, false, clear or not clear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hub.model import LEVELS
from rules.language import ir
from rules.language.ir import NEWS
from rules.language.rule import Derivation, LevelRule, Rule, own_series
from rules.language.writer import (
    LOCALS,
    NEVER,
    Writer,
    asks_others,
    define,
    fetched,
    function,
    is_dear,
    question,
    takes_work,
)

TRUE, FALSE, CLEAR, NOT_CLEAR = 0, 4, 8, 12
"""Bit offsets in what `judge` returns; level k stands at offset + k."""


class Compiled:
    """The functions of one rule.

    `judge(d, t, m)` → bits (see TRUE …); `hopeful(d, t, m)` → levels that neighbours could still make true; `any(d, t, m)` → whether one may be true; `raises(d, t)` → whether one is,
    of rules without memories that ask neighbours; `advance(d, t, m)` moves the memories on; `values(d, t, m)` → what the rule
    names, for titles and evidence.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.said: dict[Any, Any] = {}
        """What `rules.judging.telling` has worked out about each level."""
        waits = {item.level: (item.when.for_ns, item.clear.for_ns if item.clear else 0) for item in rule.levels}
        self.waits = tuple(waits.get(level, (0, 0)) for level in range(len(LEVELS)))
        """By level, how long its condition has to hold, and its clear condition, ns."""
        constants: dict[str, Any] = {}
        self.judge = self._judge(constants)
        self.advance = self._advance(constants) if rule.memories else None
        self.any = self._any_level(constants) if rule.memories else None
        self.raises = (
            self._raises(constants) if any(map(asks_others, rule.conditions())) and not rule.memories else None
        )
        self.asks = tuple(
            dict.fromkeys(
                (series, around) for node in rule.conditions() if (found := _asked(node)) for series, around in found
            )
        )
        """(series, around) that its conditions ask of neighbours."""
        self.hopeful = self._hopeful(constants) if self.asks else None
        self.decides = self._decides() if rule.select.every else None
        """(d, t) → whether this device inside could make a level true that is not; None where any of them could."""
        self.values = self._values(constants)

    def _judge(self, constants: dict[str, Any]) -> Callable[..., int]:
        """What each level's conditions say. What asks windows or neighbours is computed only where the newest values do not say "certainly
        not" of every level that asks them."""
        writer = Writer(self.rule.hold_ns, constants)
        body = ["bits = 0"]
        working: list[LevelRule] = []
        for level in self.rule.levels:
            if level.clear is not None:
                body += _said(writer, level.clear.node, [CLEAR + level.level], [NOT_CLEAR + level.level])
            if takes_work(level.when.node):
                working.append(level)
            else:
                body += _said(writer, level.when.node, *_bits(level))
        writer.granted, writer.assumed = takes_work, False
        refused = [writer.false(level.when.node) for level in working]
        inner = writer.below("r")
        full = [line for level in working for line in _said(inner, level.when.node, *_bits(level))]
        writer.used |= inner.used
        if "False" in refused or not working:  # one of them is to be computed in any case
            return function("judge", "d, t, m", writer, [*body, *inner.lines, *full, "return bits"], constants)
        none = sum(1 << bit for level in working for bit in _bits(level)[1])
        body += [f"if {' and '.join(refused)}: bits |= {none}", "else:"]
        body += [f"    {line}" for line in (*inner.lines, *full)]
        return function("judge", "d, t, m", writer, [*body, "return bits"], constants)

    def _any_level(self, constants: dict[str, Any]) -> Callable[..., bool]:
        """Whether any level may be true: asked first of rules with memories, which are looked at every time."""
        return self._some_level("any_level", "d, t, m", constants, is_dear)

    def _raises(self, constants: dict[str, Any]) -> Callable[..., bool]:
        """Whether any level is true, without asking neighbours what only decides when a warning ends."""
        return self._some_level("raises", "d, t", constants, lambda node: False)

    def _some_level(
        self, name: str, parameters: str, constants: dict[str, Any], granted: Callable[[ir.Node], bool]
    ) -> Callable[..., bool]:
        """Whether any level is true, `granted` parts being so; first by the newest values, which mostly say that none is."""
        writer = Writer(self.rule.hold_ns, constants)
        nodes = [level.when.node for level in self.rule.levels]
        writer.granted = takes_work
        first = _any(writer, nodes)
        if first != "True":
            writer.lines.append(f"if not ({first}): return False")
        writer.granted, writer.only_true = granted, True
        return function(name, parameters, writer, [f"return {_any(writer, nodes)}"], constants)

    def _hopeful(self, constants: dict[str, Any]) -> Callable[..., int]:
        """Bits of the levels that would be true, said the neighbours what the rule hopes for."""
        writer = Writer(self.rule.hold_ns, constants)
        writer.granted = is_dear
        body = [f"if {writer.true(level.when.node)}: bits |= {1 << level.level}" for level in self.rule.levels]
        return function("hopeful", "d, t, m", writer, ["bits = 0", *body, "return bits"], constants)

    def _decides(self) -> Callable[..., bool] | None:
        asked = [_needs([level.when.node]) for level in self.rule.levels]
        if self.rule.memories or not all(asked):
            return None
        checks = [question(node).meets for nodes in asked for node in nodes or ()]
        return lambda d, t: any(check(d, t) for check in checks)

    def _advance(self, constants: dict[str, Any]) -> Callable[..., None]:
        lines = list(LOCALS.values())
        for memory in self.rule.memories:
            writer = Writer(self.rule.hold_ns, constants, prefix=f"y{memory.index}_")
            if memory.kind == "k-of-n":
                operands = [writer.true(memory.operands[0]), writer.false(memory.operands[0])]
            elif memory.kind in ("then", "since"):
                operands = [writer.true(operand) for operand in memory.operands]
            else:
                operands = [writer.value(operand)[0] for operand in memory.operands]
            own = sorted(set().union(*map(own_series, memory.operands))) if memory.kind in NEWS else []
            push = f"m[{memory.index}].push(t, {', '.join(operands)})"
            if not own:
                lines += [*writer.lines, push]
                continue
            times = ", ".join(f"LT.get({series!r}, {NEVER})" for series in own)
            lines.append(f"u = {f'max({times})' if len(own) > 1 else times}")
            lines.append(f"if u == t or u != m[{memory.index}].told:")
            lines += [f"    {line}" for line in (f"m[{memory.index}].told = u", *writer.lines, push)]
        return define("advance", "d, t, m", lines, constants)

    def _values(self, constants: dict[str, Any]) -> Callable[..., dict[str, Any]]:
        writer = Writer(self.rule.hold_ns, constants)
        named: dict[str, str] = {}
        for series in sorted(self.rule.own_series()):
            named[series.rstrip("~")] = self._one(writer, ir.Series(series))
        for name, (node, _) in self.rule.lets.items():
            named[name] = f"bool({writer.true(node)})" if _is_condition(node) else self._one(writer, node)
        body = ["return {" + ", ".join(f"{name!r}: {code}" for name, code in named.items()) + "}"]
        return function("values", "d, t, m", writer, body, constants)

    @staticmethod
    def _one(writer: Writer, node: ir.Node) -> str:
        code, missing = writer.value(node)
        if not missing or code in missing:
            return code
        return f"({code} if {' and '.join(f'{name} is not None' for name in sorted(missing))} else None)"


def _bits(level: LevelRule) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The bits that say that a level's condition is certainly true, and that it is certainly false: without a clear condition of its own the
    level is clear then."""
    n = level.level
    return ((TRUE + n,), (FALSE + n,)) if level.clear else ((TRUE + n, NOT_CLEAR + n), (FALSE + n, CLEAR + n))


def _said(writer: Writer, node: ir.Node, true: Sequence[int], false: Sequence[int]) -> list[str]:
    """Code that sets these bits where the condition is certainly true, or certainly false."""
    return [
        f"if {writer.true(node)}: bits |= {sum(1 << bit for bit in true)}",
        f"elif {writer.false(node)}: bits |= {sum(1 << bit for bit in false)}",
    ]


def _asked(node: ir.Node) -> list[tuple[str, ir.Around]]:
    """What a node asks of neighbours: their series. Gauges upstream wake those below in any case, devices their place; what lies ahead
    is asked with each reading of one's own."""
    if isinstance(node, ir.Agree | ir.Window) and node.around.which in ("upstream", "inside", "ahead"):
        return []
    if isinstance(node, ir.Agree):
        return [(n.series, node.around) for n in ir.walk(node.condition) if isinstance(n, ir.Series | ir.Window)]
    if isinstance(node, ir.Window) and node.around.which:
        return [(node.series, node.around)]
    return []


def _needs(nodes: list[ir.Node]) -> list[ir.Agree] | None:
    """What has to be met by one more device before any of these conditions can become true; None where that is not all."""
    found: list[ir.Agree] = []
    for node in nodes:
        match node:
            case ir.AllOf(parts=parts) | ir.AnyOf(parts=parts):
                below = _needs(list(parts))
                if below is None:
                    return None
                found += below
            case ir.Comparison(op=">=" | ">", left=ir.Agree(share=False) as agreed, right=ir.Const(value=float(limit))):
                moves_by_itself = any(isinstance(inner, ir.Window) for inner in ir.walk(agreed.condition))
                if moves_by_itself or limit < 0 or (limit == 0 and node.op == ">="):
                    return None
                found.append(agreed)
            case _:
                return None
    return found


def _is_condition(node: ir.Node) -> bool:
    return isinstance(
        node, ir.Comparison | ir.Flag | ir.Has | ir.AllOf | ir.AnyOf | ir.Negated | ir.InZone | ir.During | ir.Marked
    )


def attention(
    rules: Iterable[tuple[int, Rule]],
    known: frozenset[str],
    constants: dict[str, Any],
    at_hand: Mapping[str, str] | None = None,
    kept: Mapping[str, str] | None = None,
) -> list[str]:
    """Code that leaves in `hit` the bits of the rules (by position) that a shape of reading concerns: d, v and t are at hand.

    A rule needs attention when one of its levels is certainly true, when it is busy already, or when it has a memory. `known` are the series
    that the reading brings; rules that read none of them are left out. `at_hand`: values that stand in variables already, `kept`: samples that do.
    """
    writer = Writer(0, constants, known)
    writer.at_hand, writer.kept = at_hand or {}, kept or {}
    writer.roughly = True
    touched = always = 0
    body: list[str] = []
    for position, rule in rules:
        if not rule.levels or (known.isdisjoint(rule.own_series()) and not rule.on_any_reading()):
            continue
        touched |= 1 << position
        if rule.memories:
            always |= 1 << position
            continue
        writer.hold_ns = rule.hold_ns
        nodes = [level.when.node for level in rule.levels]
        writer.granted, writer.bounded = takes_work, True
        if any(map(takes_work, nodes)) and not any(writer.settled(node, True) for node in nodes):
            # First what the newest values and the bounds of the samples say: mostly that the windows need not be looked at. They need not
            # either where the rule is busy.
            first = _any(writer, nodes)
            writer.assumed = writer.bounded = False
            enough = _any(writer, nodes)
            writer.assumed = True
            rest = Writer(rule.hold_ns, constants, known, prefix=f"r{position}_")
            rest.granted, rest.roughly, rest.at_hand, rest.means = is_dear, True, writer.at_hand, writer.means
            condition = _any(rest, nodes)
            writer.used |= rest.used
            body += [f"if ({first}) and not hit & {1 << position}:"]
            if enough != "False":
                body += [f"    if {enough}: hit |= {1 << position}", "    else:"]
            indent = "        " if enough != "False" else "    "
            body += [f"{indent}{line}" for line in (*rest.lines, f"if {condition}: hit |= {1 << position}")]
        else:
            writer.granted, writer.bounded = is_dear, False
            body.append(f"if {_any(writer, nodes)}: hit |= {1 << position}")
    start = f"hit = d.busy & {touched}" + (f" | {always}" if always else "")
    unasked = [f"{' = '.join(writer.means.values())} = False"] if writer.means else []
    return [*fetched(writer), *unasked, *writer.lines, start, *body]


def fused(rules: Iterable[tuple[int, Rule]], known: frozenset[str], constants: dict[str, Any]) -> Callable[..., int]:
    """One function for a shape of reading: (d, v, t) → the rules that need attention."""
    return define("fused", "d, v, t", [*attention(rules, known, constants), "return hit"], constants)


def _any(writer: Writer, nodes: list[ir.Node]) -> str:
    """The disjunction of conditions, without those that another, weaker comparison already covers."""
    kept = [
        n
        for i, n in enumerate(nodes)
        if not any(ir.implies(n, o) and not (ir.implies(o, n) and j > i) for j, o in enumerate(nodes) if j != i)
    ]
    codes = [code for node in kept if (code := writer.true(node)) != "False"]
    return "True" if "True" in codes else " or ".join(codes) or "False"


def derivation(spec: Derivation) -> Callable[..., float | None]:
    """(d, t) → the derived value, None where it is not known."""
    constants: dict[str, Any] = {}
    writer = Writer(spec.hold_ns, constants)
    code, missing = writer.value(spec.node)
    guard = f" if {' and '.join(f'{name} is not None' for name in sorted(missing))} else None" if missing else ""
    return function("derive", "d, t", writer, [f"return {code}{guard}"], constants)
