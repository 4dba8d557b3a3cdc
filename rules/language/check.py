"""Names, types and units: a tree of `grammar` becomes a checked tree of `ir`, or a list of mistakes, all at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from hub.metrics import nearest, vocabulary
from hub.units import UnitError
from rules.calendars import Calendar
from rules.language import grammar as g
from rules.language import ir
from rules.language import types as t
from rules.language.rule import Select
from rules.language.types import Type

HOUR = 3_600_000_000_000
MAX_OF_N = 100


class Expressions(ABC):
    """What an expression of one rule may refer to, and what it came to use; `functions.Scope` knows the functions."""

    def __init__(
        self,
        wrong: Callable[[str, int], None],
        lets: Mapping[str, tuple[ir.Node, Type]],
        any_quality: bool,
        hold_ns: int,
        memories: list[ir.Memory],
        select: Select | None = None,
        calendars: Mapping[str, Calendar] = MappingProxyType({}),
        measured: frozenset[str] = frozenset(),
    ) -> None:
        self.wrong = wrong
        self.lets = lets
        self.any_quality = any_quality
        self.hold_ns = hold_ns
        self.memories = memories
        self.select = select or Select()
        self.calendars = calendars
        self.measured = measured
        """Metrics that the book derives of places."""
        self.measuring = False
        """Whether this is the value of a metric derived of places, once a minute."""
        self.find_level: Callable[[ir.Node], ir.Node | None] | None = None
        self.level: tuple[ir.Node, Type] | None = None
        self.level_name = ""
        self.inside_neighbour = False
        self.of_others = False
        """Whether the metric being read is that of other devices."""

    # ------------------------------------------------------------------------------------------ conditions

    def condition(self, tree: g.Tree) -> ir.Node:
        """The tree as a condition; a number where a condition belongs is a mistake."""
        node, kind = self.value(tree)
        if kind.kind == "flag":
            return node if isinstance(node, _CONDITIONS) else ir.Flag(node)
        if kind.kind != "?":
            self.wrong(f"a condition is needed here, this is {kind.shown()}; compare it with something", tree.at)
        return ir.Const(False)

    def value(self, tree: g.Tree) -> tuple[ir.Node, Type]:
        """The tree and its type."""
        return _READERS[type(tree)](self, tree)

    def number(self, tree: g.Tree) -> tuple[ir.Node, Type]:
        node, kind = self.value(tree)
        if kind.kind not in ("number", "?"):
            self.wrong(f"a number is needed here, this is {kind.shown()}", tree.at)
            return node, t.UNKNOWN
        return node, kind

    def compare(self, tree: g.Compare) -> tuple[ir.Node, Type]:
        left, left_type = self.value(tree.left)
        if self.find_level is not None and _mentions_level(tree.right):
            threshold = self.find_level(left)
            if threshold is None:
                self.wrong(
                    f"{self.level_name} does not compare this with a threshold, so 'level' means nothing for it; give clear by level",
                    tree.at,
                )
                return ir.Const(False), t.FLAG
            self.level = (threshold, left_type)
        right, right_type = self.value(tree.right)
        self.level = None
        if "?" in (left_type.kind, right_type.kind):
            return ir.Const(False), t.FLAG
        if left_type.kind != "number" or right_type.kind != "number":
            return self._compare_words(tree, left, left_type, right, right_type)
        left, right = self._same_unit(tree, left, left_type, right, right_type)
        self._reachable(tree, left, right)
        return ir.Comparison(tree.op, left, right), t.FLAG

    def _compare_words(
        self, tree: g.Compare, left: ir.Node, left_type: Type, right: ir.Node, right_type: Type
    ) -> tuple[ir.Node, Type]:
        if left_type.kind != right_type.kind:
            self.wrong(f"{left_type.shown()} cannot be compared with {right_type.shown()}", tree.at)
        elif tree.op not in ("==", "!="):
            self.wrong(f"{left_type.shown()} can only be compared with == or !=", tree.at)
        elif left_type.kind == "texts":
            self.wrong('a list of texts is asked with "text" in …', tree.at)
        return ir.Comparison(tree.op, left, right), t.FLAG

    def _same_unit(
        self, tree: g.Compare | g.Arithmetic, left: ir.Node, left_type: Type, right: ir.Node, right_type: Type
    ) -> tuple[ir.Node, ir.Node]:
        """Both sides in the left side's unit (the right's, where the left is a constant)."""
        if isinstance(left, ir.Const) and not isinstance(right, ir.Const):
            return self._to(tree.left, left, left_type, right_type), right
        return left, self._to(tree.right, right, right_type, left_type)

    def _to(self, tree: g.Tree, node: ir.Node, source: Type, target: Type) -> ir.Node:
        if isinstance(tree, g.Quantity) and tree.unit is None:
            if target.dimension in t.UNITLESS and target.symbol != "%":
                return node
            self.wrong(f"the other side is {target.shown()}: write {tree.value:g} {target.symbol}", tree.at)
            return node
        fit = t.scale(source, target)
        if fit is None:
            self.wrong(f"{source.shown()} cannot be compared with or added to {target.shown()}", tree.at)
            return node
        factor, shift = fit
        if isinstance(node, ir.Const) and isinstance(node.value, float):
            return ir.Const(t.tidy(node.value * factor + shift))
        return node if abs(factor - 1.0) < 1e-12 and shift == 0.0 else ir.Scaled(node, factor, shift)

    def _reachable(self, tree: g.Compare, left: ir.Node, right: ir.Node) -> None:
        """A threshold outside what the metric can be is a mistake: the condition is always or never true."""
        op = tree.op
        if isinstance(left, ir.Const) and isinstance(right, ir.Series):
            left, right, op = right, left, _MIRROR[op]
        if not (isinstance(left, ir.Series) and isinstance(right, ir.Const) and isinstance(right.value, float)):
            return
        metric = vocabulary()[left.metric]
        if (op in (">", ">=") and right.value > metric.high) or (op in ("<", "<=") and right.value < metric.low):
            self.wrong(
                f"can never be true: {metric.name} lies between {metric.low:g} and {metric.high:g} {metric.unit}",
                tree.at,
            )

    def junction(self, tree: g.Junction) -> tuple[ir.Node, Type]:
        parts = tuple(self.condition(part) for part in tree.parts)
        if len(parts) == 1:
            return parts[0], t.FLAG
        return (ir.AllOf(parts) if tree.op == "and" else ir.AnyOf(parts)), t.FLAG

    def negation(self, tree: g.Not) -> tuple[ir.Node, Type]:
        return ir.Negated(self.condition(tree.operand)), t.FLAG

    def contains(self, tree: g.Contains) -> tuple[ir.Node, Type]:
        node, kind = self.value(tree.operand)
        if kind.kind not in ("texts", "text", "?"):
            self.wrong(f"texts are needed after 'in', this is {kind.shown()}", tree.operand.at)
            return ir.Const(False), t.FLAG
        return ir.Has(tree.text, node), t.FLAG

    def k_of_n(self, tree: g.KofN) -> tuple[ir.Node, Type]:
        if not 1 <= tree.k <= tree.n <= MAX_OF_N:
            self.wrong(f"'{tree.k} of {tree.n}' needs 1 ≤ k ≤ n ≤ {MAX_OF_N}", tree.at)
        return self._memory("k-of-n", (self.condition(tree.operand),), (float(tree.k), float(tree.n)), tree.at), t.FLAG

    def then(self, tree: g.Then) -> tuple[ir.Node, Type]:
        operands = (self.condition(tree.first), self.condition(tree.second))
        return self._memory("then", operands, (float(self.duration(tree.within)),), tree.at), t.FLAG

    def _memory(self, kind: str, operands: tuple[ir.Node, ...], numbers: tuple[float, ...], at: int) -> ir.Memory:
        if self.inside_neighbour:
            self.wrong("operators with a memory cannot be asked of neighbours", at)
        for known in self.memories:
            if (known.kind, known.operands, known.numbers) == (kind, operands, numbers):
                return known
        memory = ir.Memory(len(self.memories), kind, operands, numbers)
        self.memories.append(memory)
        return memory

    # ------------------------------------------------------------------------------------------ values

    def literal(self, tree: g.Quantity) -> tuple[ir.Node, Type]:
        if tree.unit is None:
            return ir.Const(tree.value), t.NUMBER
        try:
            return ir.Const(tree.value), t.quantity(tree.unit)
        except UnitError as error:
            self.wrong(str(error), tree.at)
            return ir.Const(tree.value), t.UNKNOWN

    def text(self, tree: g.Text) -> tuple[ir.Node, Type]:
        return ir.Const(tree.value), t.TEXT

    def truth(self, tree: g.Truth) -> tuple[ir.Node, Type]:
        return ir.Const(tree.value), t.FLAG

    def name(self, tree: g.Name) -> tuple[ir.Node, Type]:
        name = tree.name
        if name == "level" and self.level is not None:
            return self.level
        if name in self.lets:
            return self.lets[name]
        if name.startswith("attr."):
            return self._attribute(name[5:], tree.at)
        if name.startswith("zone."):
            if self.select.every == "area" and not self.of_others:
                self.wrong("an area has no limits of a zone; rules with for_each: {every: zone} do", tree.at)
            return ir.Limit(name[5:]), self._suffix_type(name[5:])
        if name in vocabulary():
            return self._metric(name, tree.at)
        known = [*vocabulary(), *self.lets]
        is_attribute = t.attribute_unit(name) is not None
        # Only a metric with the same ending (current_a) can have been meant: warning_level is not warning_level_m. Looked for among those few
        # first, since every attribute of every rule comes by here.
        if is_attribute and not _nearest_of(name, [other for other in known if _ending(other) == _ending(name)]):
            return self._attribute(name, tree.at)
        near = _nearest_of(name, known)
        if is_attribute and _ending(near[0]) != _ending(name):
            return self._attribute(name, tree.at)
        hint = f"; was {near[0]} meant?" if near else nearest(name)
        self.wrong(
            f"{name!r} is neither a metric, nor defined under let, nor an attribute with a unit (such as limit_m){hint}",
            tree.at,
        )
        return ir.Const(0.0), t.UNKNOWN

    def _subject(self) -> str:
        return "an area" if self.select.every == "area" else "a zone"

    def _metric(self, name: str, at: int) -> tuple[ir.Node, Type]:
        metric = vocabulary()[name]
        if self.select.every and not self.of_others and name not in self.measured:
            self.wrong(
                f"{self._subject()} has no {name} of its own; ask the devices in it, such as mean({name}, 1 h, inside) or agree({name} > …, inside) >= 3",
                at,
            )
        node = ir.Series(name + "~" if self.any_quality else name)
        if metric.type == "number":
            return node, t.quantity(metric.unit)
        return node, Type(metric.type)

    def _attribute(self, name: str, at: int) -> tuple[ir.Node, Type]:
        if self.select.every == "area" and not self.of_others:
            self.wrong(f"an area has no attribute {name}; zones and devices have", at)
        return ir.Attribute(name), self._suffix_type(name)

    def _suffix_type(self, name: str) -> Type:
        symbol = t.attribute_unit(name)
        return t.TEXT if symbol is None else t.quantity(symbol)

    def negative(self, tree: g.Negative) -> tuple[ir.Node, Type]:
        node, kind = self.number(tree.operand)
        return ir.Operation("-", ir.Const(0.0), node), kind

    def share(self, tree: g.Share) -> tuple[ir.Node, Type]:
        node, kind = self.number(tree.operand)
        if isinstance(node, ir.Const) and isinstance(node.value, float):
            return ir.Const(t.tidy(node.value * tree.percent / 100)), kind
        return ir.Operation("*", node, ir.Const(tree.percent / 100)), kind

    def arithmetic(self, tree: g.Arithmetic) -> tuple[ir.Node, Type]:
        left, left_type = self.number(tree.left)
        right, right_type = self.number(tree.right)
        if "?" in (left_type.kind, right_type.kind):
            return ir.Const(0.0), t.UNKNOWN
        if tree.op in "+-":
            if left_type.dimension == "temperature" and left_type.unit.offset and isinstance(tree.right, g.Quantity):
                right_type = t.difference(right_type) if right_type.symbol == "K" else right_type
            result = right_type if isinstance(left, ir.Const) and not isinstance(right, ir.Const) else left_type
            a, b = self._same_unit(tree, left, left_type, right, right_type)
            if tree.op == "-" and left_type.dimension == right_type.dimension == "temperature":
                result = t.difference(result)
            return ir.Operation(tree.op, a, b), result
        plain_left, plain_right = _plain(left_type), _plain(right_type)
        if tree.op == "*" and (plain_left or plain_right):
            return ir.Operation("*", left, right), (right_type if plain_left else left_type)
        if tree.op == "/" and plain_right:
            return ir.Operation("/", left, right), left_type
        if tree.op == "/" and left_type.dimension == right_type.dimension:
            a, b = self._same_unit(tree, left, left_type, right, right_type)
            return ir.Operation("/", a, b), t.NUMBER
        if tree.op == "/" and right_type.dimension == "time":
            seconds = self._to(tree.right, right, right_type, t.SECONDS)
            return ir.Operation("/", left, seconds), t.per_time(left_type)
        word = "multiplied" if tree.op == "*" else "divided"
        self.wrong(f"{left_type.shown()} cannot be {word} by {right_type.shown()}", tree.at)
        return ir.Const(0.0), t.UNKNOWN

    def duration(self, quantity: g.Quantity) -> int:
        """Nanoseconds of a duration; 1 s (and a mistake) where it is none."""
        try:
            return t.nanoseconds(quantity.value, quantity.unit)
        except UnitError as error:
            self.wrong(str(error), quantity.at)
            return 1_000_000_000

    @abstractmethod
    def call(self, tree: g.Call) -> tuple[ir.Node, Type]:
        """A function of its arguments."""


def _nearest_of(name: str, known: list[str]) -> list[str]:
    """The one of the known names that is most like it, if any is much like it."""
    return get_close_matches(name, known, n=1, cutoff=0.8)


def _ending(name: str) -> str:
    return name.rpartition("_")[2]


def _plain(kind: Type) -> bool:
    return kind.dimension in ("share", "count", "index") and kind.symbol != "%"


def _mentions_level(tree: g.Tree) -> bool:
    match tree:
        case g.Name(name=name):
            return name == "level"
        case g.Share(operand=operand) | g.Negative(operand=operand):
            return _mentions_level(operand)
        case g.Arithmetic(left=left, right=right):
            return _mentions_level(left) or _mentions_level(right)
    return False


def _function(scope: Expressions, tree: g.Call) -> tuple[ir.Node, Type]:
    return scope.call(tree)


_CONDITIONS = (
    ir.Comparison,
    ir.Flag,
    ir.Has,
    ir.AllOf,
    ir.AnyOf,
    ir.Negated,
    ir.InZone,
    ir.During,
    ir.Marked,
    ir.Memory,
)
_MIRROR = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "==", "!=": "!="}
_READERS: dict[type, Callable[..., tuple[ir.Node, Type]]] = {
    g.Quantity: Expressions.literal, g.Text: Expressions.text, g.Truth: Expressions.truth, g.Name: Expressions.name, g.Negative: Expressions.negative,
    g.Arithmetic: Expressions.arithmetic, g.Share: Expressions.share, g.Compare: Expressions.compare, g.Contains: Expressions.contains,
    g.Junction: Expressions.junction, g.Not: Expressions.negation, g.KofN: Expressions.k_of_n, g.Then: Expressions.then, g.Call: _function,
}  # fmt: skip
