"""Names, types and units: a tree of `grammar` becomes a checked tree of `ir`, or a list of mistakes, all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from hub.metrics import nearest, vocabulary
from hub.model import Mark
from hub.units import UnitError
from rules import derived
from rules.language import grammar as g
from rules.language import ir
from rules.language import types as t
from rules.language.rule import Select
from rules.language.types import Type

HOUR = 3_600_000_000_000
MAX_WINDOW_NS = 31 * 24 * HOUR
"""The longest window whose samples the engine keeps."""
MAX_NEIGHBOURS_M = 200_000.0
MAX_MARGIN_M = 5_000.0
MAX_OF_N = 100

WINDOW_FUNCTIONS = {
    "last": "value", "min": "value", "max": "value", "mean": "value", "sum": "value", "percentile": "value",
    "count": "count", "std": "difference", "rate": "rate", "delta": "difference", "rise": "difference",
    "fall": "difference", "nowcast": "value",
}  # fmt: skip
"""What each window function's result is, in terms of the metric's type."""
CLOSED = {"rate", "delta", "rise", "fall"}
OTHER_FUNCTIONS = (
    "ewma",
    "cusum",
    "soil_water",
    "time_since",
    "agree",
    "share",
    "in_zone",
    "marked",
    "greatest",
    "least",
    "abs",
)


class Scope:
    """What an expression of one rule may refer to, and what it came to use."""

    def __init__(
        self,
        wrong: Callable[[str, int], None],
        lets: Mapping[str, tuple[ir.Node, Type]],
        any_quality: bool,
        hold_ns: int,
        memories: list[ir.Memory],
        select: Select | None = None,
    ) -> None:
        self.wrong = wrong
        self.lets = lets
        self.any_quality = any_quality
        self.hold_ns = hold_ns
        self.memories = memories
        self.select = select or Select()
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
        near = get_close_matches(name, [*vocabulary(), *self.lets], n=1, cutoff=0.8)
        if t.attribute_unit(name) is not None and not (near and near[0].rpartition("_")[2] == name.rpartition("_")[2]):
            # Only a metric with the same ending (current_a) can have been meant: warning_level is not warning_level_m.
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
        if self.select.every and not self.of_others:
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

    # ------------------------------------------------------------------------------------------ functions

    def call(self, tree: g.Call) -> tuple[ir.Node, Type]:
        for argument in tree.arguments:
            if isinstance(argument, g.Margin) and tree.name != "in_zone":
                self.wrong("'margin' belongs to in_zone, such as in_zone(\"restricted\", margin 50 m)", argument.at)
        if tree.name in WINDOW_FUNCTIONS:
            return self._window(tree)
        if tree.name in OTHER_FUNCTIONS:
            reader = getattr(self, f"_call_{tree.name}")
            result: tuple[ir.Node, Type] = reader(tree)
            return result
        if tree.name in derived.FUNCTIONS:
            return self._derived(tree)
        known = [*WINDOW_FUNCTIONS, *OTHER_FUNCTIONS, *derived.FUNCTIONS]
        near = get_close_matches(tree.name, known, n=1)
        self.wrong(
            f"unknown function {tree.name!r}"
            + (f"; was {near[0]} meant?" if near else f"; known are {', '.join(known)}"),
            tree.at,
        )
        return ir.Const(0.0), t.UNKNOWN

    def _series(self, tree: object, function: str, at: int) -> tuple[ir.Series, Type] | None:
        if isinstance(tree, g.Name | g.Call):
            node, kind = self.value(tree)
            if isinstance(node, ir.Series) and (kind.kind == "number" or (function == "count" and kind.kind == "flag")):
                return node, kind
            if kind.kind == "?":
                return None
        self.wrong(f"{function} is taken of a metric with a number, such as {function}(pm25, 1 h)", at)
        return None

    def _window(self, tree: g.Call) -> tuple[ir.Node, Type]:
        name = tree.name
        plain = [a for a in tree.arguments if not isinstance(a, g.Aside)]
        around = self._around(tree)
        at_least = next((a.count for a in tree.arguments if isinstance(a, g.AtLeast)), 1)
        before, self.of_others = self.of_others, self.of_others or around.which != ""
        series = self._series(plain[0] if plain else None, name, tree.at)
        self.of_others = before
        parameter = 0.0
        if name == "percentile":
            if (
                len(plain) != 3
                or not isinstance(plain[1], g.Quantity)
                or plain[1].unit not in ("%", None)
                or not 0 <= plain[1].value <= 100
            ):
                self.wrong("percentile is written percentile(metric, 95 %, 24 h)", tree.at)
                return ir.Const(0.0), t.UNKNOWN
            parameter = plain[1].value
            plain = [plain[0], plain[2]]
        size = self.hold_ns
        if len(plain) == 2 and isinstance(plain[1], g.Quantity):
            size = self.duration(plain[1])
        elif len(plain) != 1 or name != "last":
            self.wrong(f"{name} is written {name}(metric, 30 min)", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        if size > MAX_WINDOW_NS:
            self.wrong(
                f"a window may be at most {t.seconds_text(MAX_WINDOW_NS)} long",
                plain[1].at if len(plain) > 1 else tree.at,
            )
        if series is None:
            return ir.Const(0.0), t.UNKNOWN
        node, kind = series
        result = {"value": kind, "count": t.COUNT, "difference": t.difference(kind), "rate": t.per_time(kind)}[
            WINDOW_FUNCTIONS[name]
        ]
        return ir.Window(name, node.series, size, name in CLOSED, parameter, max(at_least, 1), around), result

    def _around(self, tree: g.Call) -> ir.Around:
        scopes = [a for a in tree.arguments if isinstance(a, g.Scope)]
        if not scopes:
            return ir.Around()
        if len(scopes) > 1:
            self.wrong(
                "only one of 'within', 'upstream', 'same area', 'same zone' and 'inside' can stand here", tree.at
            )
        if self.inside_neighbour:
            self.wrong("neighbours of neighbours cannot be asked", tree.at)
        scope = scopes[0]
        if (scope.which == "inside") != (self.select.every != ""):
            hint = (
                f"{self._subject()} asks the devices 'inside' it, not '{scope.which}'"
                if self.select.every
                else "'inside' belongs to rules with for_each: {every: zone} or {every: area}; was 'same zone' or 'same area' meant?"
            )
            self.wrong(hint, scope.at)
        if scope.which == "inside":
            return ir.Around("inside", words=self.select.of)
        if scope.which == "upstream" and scope.distance is not None:
            return ir.Around("upstream", travel_min=self.duration(scope.distance) / 60e9)
        if scope.which != "within" or scope.distance is None:
            return ir.Around(scope.which, words=(scope.name,) if scope.name else ())
        metres = self._distance(scope.distance, "'within' needs a distance such as 3 km")
        if not 0 < metres <= MAX_NEIGHBOURS_M:
            self.wrong(f"neighbours may be up to {MAX_NEIGHBOURS_M / 1000:g} km away", scope.at)
        return ir.Around("within", metres)

    def _distance(self, distance: g.Quantity, needed: str) -> float:
        """Metres of a distance; 1 m (and a mistake) where it is none."""
        try:
            kind = t.quantity(distance.unit or "")
        except UnitError as error:
            self.wrong(str(error), distance.at)
            return 1.0
        if kind.dimension != "length":
            self.wrong(f"{needed}; {distance.unit or 'a bare number'} is {kind.shown()}", distance.at)
            return 1.0
        return t.tidy(distance.value * kind.unit.factor)

    def duration(self, quantity: g.Quantity) -> int:
        """Nanoseconds of a duration; 1 s (and a mistake) where it is none."""
        try:
            return t.nanoseconds(quantity.value, quantity.unit)
        except UnitError as error:
            self.wrong(str(error), quantity.at)
            return 1_000_000_000

    def _call_ewma(self, tree: g.Call) -> tuple[ir.Node, Type]:
        series = self._series(tree.arguments[0] if tree.arguments else None, "ewma", tree.at)
        if series is None or len(tree.arguments) != 2 or not isinstance(tree.arguments[1], g.Quantity):
            self.wrong("ewma is written ewma(metric, 30 min): a mean with that time constant", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        return self._memory("ewma", (series[0],), (float(self.duration(tree.arguments[1])),), tree.at), series[1]

    def _call_cusum(self, tree: g.Call) -> tuple[ir.Node, Type]:
        arguments = tree.arguments
        series = self._series(arguments[0] if arguments else None, "cusum", tree.at)
        if series is None or len(arguments) != 3 or not all(isinstance(a, g.Quantity) for a in arguments[1:]):
            self.wrong("cusum is written cusum(metric, target, slack)", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        numbers = []
        for argument in arguments[1:]:
            assert isinstance(argument, g.Quantity)
            node, kind = self.literal(argument)
            constant = self._to(argument, node, kind, series[1]) if kind.kind != "?" else node
            numbers.append(
                constant.value if isinstance(constant, ir.Const) and isinstance(constant.value, float) else 0.0
            )
        return self._memory("cusum", (series[0],), tuple(numbers), tree.at), t.difference(series[1])

    def _call_soil_water(self, tree: g.Call) -> tuple[ir.Node, Type]:
        series = self._series(tree.arguments[0] if tree.arguments else None, "soil_water", tree.at)
        if series is None or len(tree.arguments) != 1 or series[1].dimension != "length":
            self.wrong("soil_water is written soil_water(rainfall): the water that the soil still holds", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        return self._memory("soil-water", (series[0],), (), tree.at), series[1]

    def _call_time_since(self, tree: g.Call) -> tuple[ir.Node, Type]:
        if len(tree.arguments) != 1 or isinstance(tree.arguments[0], g.Aside):
            self.wrong("time_since is written time_since(rainfall > 0 mm)", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        return self._memory("since", (self.condition(tree.arguments[0]),), (), tree.at), t.SECONDS

    def _call_agree(self, tree: g.Call) -> tuple[ir.Node, Type]:
        return self._agreement(tree, "agree"), t.COUNT

    def _call_share(self, tree: g.Call) -> tuple[ir.Node, Type]:
        return self._agreement(tree, "share"), t.quantity("%")

    def _agreement(self, tree: g.Call, name: str) -> ir.Node:
        plain = [a for a in tree.arguments if not isinstance(a, g.Aside)]
        at_least = next((a.count for a in tree.arguments if isinstance(a, g.AtLeast)), 1)
        around = self._around(tree)
        if (
            not plain
            or not around.which
            or len(plain) > 2
            or (len(plain) == 2 and not isinstance(plain[1], g.Quantity))
        ):
            self.wrong(
                f"{name} is written {name}(pm25 > 150 ug/m3, within 3 km) or with an age, {name}(…, 1 h, within 3 km)",
                tree.at,
            )
            return ir.Const(0.0)
        age = self.duration(plain[1]) if len(plain) == 2 and isinstance(plain[1], g.Quantity) else self.hold_ns
        self.inside_neighbour = self.of_others = True
        condition = self.condition(plain[0])
        self.inside_neighbour = self.of_others = False
        if not any(isinstance(node, ir.Series | ir.Window) for node in ir.walk(condition)):
            self.wrong(f"{name} needs a condition on a metric", tree.at)
        return ir.Agree(condition, around, age, name == "share", max(at_least, 1) if name == "share" else 1)

    def _call_in_zone(self, tree: g.Call) -> tuple[ir.Node, Type]:
        plain = [a for a in tree.arguments if not isinstance(a, g.Margin)]
        margins = [a.distance for a in tree.arguments if isinstance(a, g.Margin)]
        if len(plain) != 1 or not isinstance(plain[0], g.Text) or len(margins) > 1:
            self.wrong(
                'in_zone is written in_zone("restricted") or in_zone("restricted", margin 50 m): the name or kind of a zone',
                tree.at,
            )
            return ir.Const(False), t.FLAG
        if self.select.every and not self.of_others:
            self.wrong(f"{self._subject()} does not move; in_zone is asked of devices", tree.at)
        margin = self._distance(margins[0], "'margin' needs a distance such as 50 m") if margins else 0.0
        if not 0 <= margin <= MAX_MARGIN_M:
            self.wrong(f"a margin may be up to {MAX_MARGIN_M / 1000:g} km", margins[0].at)
        return ir.InZone(plain[0].value, margin), t.FLAG

    def _call_marked(self, tree: g.Call) -> tuple[ir.Node, Type]:
        if self.select.every and not self.of_others:
            self.wrong(f"{self._subject()} carries no marks; they are asked of devices", tree.at)
        marks = [a.value for a in tree.arguments if isinstance(a, g.Text)]
        known = [mark.value for mark in Mark]
        for mark in marks:
            if mark not in known:
                self.wrong(f"unknown mark {mark!r}; known are {', '.join(known)}", tree.at)
        if not marks or len(marks) != len(tree.arguments):
            self.wrong('marked is written marked("fault", "comms")', tree.at)
        return ir.Marked(tuple(marks)), t.FLAG

    def _call_greatest(self, tree: g.Call) -> tuple[ir.Node, Type]:
        return self._several(tree, "greatest")

    def _call_least(self, tree: g.Call) -> tuple[ir.Node, Type]:
        return self._several(tree, "least")

    def _several(self, tree: g.Call, name: str) -> tuple[ir.Node, Type]:
        arguments = [a for a in tree.arguments if not isinstance(a, g.Aside)]
        if len(arguments) < 2 or len(arguments) != len(tree.arguments):
            self.wrong(f"{name} is written {name}(a, b)", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        typed = [self.number(a) for a in arguments]
        target = next((kind for node, kind in typed if not isinstance(node, ir.Const)), typed[0][1])
        if "?" in (kind.kind for _, kind in typed):
            return ir.Const(0.0), t.UNKNOWN
        nodes = tuple(self._to(tree_, node, kind, target) for tree_, (node, kind) in zip(arguments, typed, strict=True))
        return ir.Function(name, nodes), target

    def _call_abs(self, tree: g.Call) -> tuple[ir.Node, Type]:
        if len(tree.arguments) != 1 or isinstance(tree.arguments[0], g.Aside):
            self.wrong("abs is written abs(x)", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        node, kind = self.number(tree.arguments[0])
        return ir.Function("abs", (node,)), kind

    def _derived(self, tree: g.Call) -> tuple[ir.Node, Type]:
        spec = derived.FUNCTIONS[tree.name]
        arguments = [a for a in tree.arguments if not isinstance(a, g.Aside)]
        if len(arguments) != len(spec.units) or len(arguments) != len(tree.arguments):
            self.wrong(f"{tree.name} is written {spec.usage}", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        nodes: list[ir.Node] = []
        for argument, symbol in zip(arguments, spec.units, strict=True):
            node, kind = self.number(argument)
            if kind.kind != "?":
                node = self._to(argument, node, kind, t.quantity(symbol))
            nodes.append(node)
        return ir.Function(tree.name, tuple(nodes)), t.quantity(spec.result)


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


_CONDITIONS = (ir.Comparison, ir.Flag, ir.Has, ir.AllOf, ir.AnyOf, ir.Negated, ir.InZone, ir.Marked, ir.Memory)
_MIRROR = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "==", "!=": "!="}
_READERS: dict[type, Callable[..., tuple[ir.Node, Type]]] = {
    g.Quantity: Scope.literal, g.Text: Scope.text, g.Truth: Scope.truth, g.Name: Scope.name, g.Negative: Scope.negative,
    g.Arithmetic: Scope.arithmetic, g.Share: Scope.share, g.Compare: Scope.compare, g.Contains: Scope.contains,
    g.Junction: Scope.junction, g.Not: Scope.negation, g.KofN: Scope.k_of_n, g.Then: Scope.then, g.Call: Scope.call,
}  # fmt: skip
