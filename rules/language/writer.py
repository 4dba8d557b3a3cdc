"""Python written from checked expressions.

Each condition is written twice, as "certainly true" and "certainly false", so that unknown values do neither. Generated functions are pure but
for trimming windows.

In generated code: d the subject's state, t the observed time, v the reading's values, m the rule's memories;
L newest values, LT their times, W windows, A attributes, H the neighbourhood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any

from rules.figures import derived
from rules.figures.ranks import NEAR
from rules.language import ir
from rules.language.bounds import INVERSE, Bound, bound
from rules.language.ir import WindowKey

NEVER = -(1 << 62)

_SCALARS: dict[str, Callable[..., float]] = {"greatest": max, "least": min, "abs": abs}


def _ranked(rank: int) -> Callable[..., float | None]:
    """The number of that rank among those that are known, the greatest being 1."""

    def of(*numbers: float | None) -> float | None:
        known = sorted((number for number in numbers if number is not None), reverse=True)
        return known[rank - 1] if len(known) >= rank else None

    return of


_OF_THE_KNOWN = {"greatest_known": _ranked(1), "second_greatest": _ranked(2), "third_greatest": _ranked(3)}
"""Functions for which unknown arguments are left out: k of n over channels."""


class Writer:
    """Collects hoisted values (each computed once) while expressions are turned into text."""

    def __init__(
        self, hold_ns: int, constants: dict[str, Any], known: frozenset[str] = frozenset(), prefix: str = "x"
    ) -> None:
        self.hold_ns = hold_ns
        self.constants = constants
        self.known = known
        self.prefix = prefix
        self.granted: Callable[[ir.Node], bool] = lambda node: False
        """Parts that are not looked at; used to find levels that neighbours' readings could still raise, and to ask first what costs least."""
        self.assumed = True
        """Whether such a part is taken to say what is asked of it, be that "certainly true" or "certainly false"."""
        self.only_true = False
        """Whether it is asked of conditions only whether they are true, so that what is known to be false need not be computed."""
        self.roughly = False
        """Whether a condition may also be said to hold that only nearly does: saves the rounding of means."""
        self.bounded = False
        """Whether parts that are not looked at are denied where the bounds of the samples tell that they cannot hold (`bound`)."""
        self.at_hand: Mapping[str, str] = {}
        """Values of the reading that stand in these variables already."""
        self.kept: Mapping[str, str] = {}
        """The variables in which the samples of a series stand already."""
        self.means: dict[tuple[WindowKey, int], str] = {}
        """The variables that hold means, not rounded, and `False` until somebody asks; by window and the fewest samples."""
        self.lines: list[str] = []
        self.names: dict[Any, tuple[str, bool]] = {}
        self.dear: dict[ir.Node, tuple[str, str]] = {}
        self.used: set[str] = set()
        self.windows: dict[WindowKey, str] = {}
        """The variables that hold windows of the subject itself."""
        self.trimmed: set[str] = set()
        """Those of them that have been moved on to now."""

    # ------------------------------------------------------------------------------------------ numbers and texts

    def value(self, node: ir.Node) -> tuple[str, frozenset[str]]:
        """Code of a value, and the variables in it that may be None."""
        match node:
            case ir.Const(value=value):
                return repr(value), frozenset()
            case ir.Operation(op="/", left=left, right=right):
                return self._hoist(node, lambda: self._division(left, right))
            case ir.Operation(op=op, left=left, right=right):
                a, missing_a = self.value(left)
                b, missing_b = self.value(right)
                return f"({a} {op} {b})", missing_a | missing_b
            case ir.Scaled(operand=operand, factor=factor, shift=shift):
                code, missing = self.value(operand)
                return f"({code} * {factor!r} + {shift!r})", missing
            case ir.ByDate(cases=cases, last=last):
                code, missing = self.value(last)
                for until, case in reversed(cases):
                    this, more = self.value(case)
                    code, missing = f"({this} if t < {until} else {code})", missing | more
                return code, missing
            case ir.Series(series=series) if series in self.known:
                if series in self.at_hand:
                    return self.at_hand[series], frozenset()
                return self._hoist(node, lambda: (f"v[{series!r}]", False))
            case _:
                return self._hoist(node, lambda: self._lookup(node))

    def _hoist(self, node: ir.Node, write: Callable[[], tuple[str, bool]]) -> tuple[str, frozenset[str]]:
        key = (node, 0 if isinstance(node, ir.Window) else self.hold_ns)
        if key not in self.names:
            code, may_miss = write()
            name = f"{self.prefix}{len(self.names)}"
            self.names[key] = (name, may_miss)
            self.lines.append(f"{name} = {code}")
        name, may_miss = self.names[key]
        return name, frozenset((name,)) if may_miss else frozenset()

    def _division(self, left: ir.Node, right: ir.Node) -> tuple[str, bool]:
        a, missing_a = self.value(left)
        b, missing_b = self.value(right)
        guard = "".join(f"{name} is not None and " for name in sorted(missing_a | missing_b))
        return f"({a}) / ({b}) if {guard}({b}) != 0 else None", True

    def _lookup(self, node: ir.Node) -> tuple[str, bool]:
        """Code that fetches one value, and whether it may be None."""
        match node:
            case ir.Series(series=series):
                self.used |= {"L", "LT"}
                return f"L.get({series!r}) if t - LT.get({series!r}, {NEVER}) <= {self.hold_ns} else None", True
            case ir.Attribute(name=name):
                self.used.add("A")
                return f"A.get({name!r})", True
            case ir.Limit(name=name):
                self.used.add("H")
                return f"H.limit(d, {name!r})", True
            case ir.Window(around=ir.Around(which="")):
                slot, inside = self._window(node), self._inside(node)
                absent = "0.0" if node.function == "count" and node.at_least <= 1 else "None"
                given = {"percentile": repr(node.parameter), **dict.fromkeys(ir.OF_NOW, "t")}.get(node.function, "")
                return f"{slot}.{node.function}({given}) if {inside} >= {node.at_least} else {absent}", True
            case ir.Window():
                self.used.add("H")
                return f"H.figure(d, t, {self._constant(node)})", True
            case ir.Agree():
                self.used.add("H")
                series = sorted({n.series for n in ir.walk(node.condition) if isinstance(n, ir.Series | ir.Window)})[0]
                asked = f"d, t, {self._constant(node.around)}, {series!r}, {self._constant(question(node))}"
                if not node.share:
                    return f"H.agree({asked}, {node.together_m!r})", True
                denies = self._constant(question(node, wanted=False))
                return f"H.share({asked}, {denies}, {node.at_least})", True
            case ir.Memory(index=index):
                return f"m[{index}].value", True
            case ir.Stay(metres=metres):
                return f"d.stayed({metres!r})", True
            case ir.Function(name=name, arguments=arguments):
                return self._call(name, arguments), True
        raise TypeError(f"{node!r} is a condition, not a value")

    def _dear(self, node: ir.Agree | ir.Window) -> tuple[str, str]:
        """The variable for what neighbours are asked, and the code that asks them: once, and only when it matters."""
        if node not in self.dear:
            name = f"{self.prefix}n{len(self.dear)}"
            self.lines.append(f"{name} = None")
            self.dear[node] = (name, self._lookup(node)[0])
        return self.dear[node]

    def _near_mean(self, node: ir.Window) -> tuple[str, str]:
        """The variable for a window's mean, not rounded, and the code that leaves it there: once, when the first condition asks."""
        key = WindowKey(node.series, node.size_ns, node.closed)
        name = self.means.setdefault((key, node.at_least), f"m{len(self.means)}")
        self.used.add("W")
        held = self._constant(key)
        asked = f"w.near_mean(t, {node.at_least}) if (w := W.get({held}) or d.window({held})) is not None else None"
        return name, f"{name} := ({asked}) if {name} is False else {name}"

    def _own_bound(self, node: ir.Node, wanted: bool) -> Bound | None:
        """What the bounds of the subject's own samples say of a part that is not looked at."""
        told = bound(node, wanted) if self.bounded and self.granted(node) else None
        return told if told is not None and not told.window.around.which else None

    def _bounds_allow(self, told: Bound) -> str:
        """Code that is truthy where the bounds of the subject's own samples leave room for what is asked."""
        series = told.window.series
        if series in self.kept:
            store, missing = self.kept[series], ""
        else:
            if series not in self.names:
                name = f"{self.prefix}{len(self.names)}"
                self.names[series] = (name, True)
                self.lines.append(f"{name} = d.samples.get({series!r})")
            store = self.names[series][0]
            missing = f"{store} is not None and "
        figure = f"{store}.high - {store}.low" if told.which == "width" else f"{store}.{told.which}"
        return f"({missing}{figure} {told.then})"

    def _neighbours_allow(self, node: ir.Node, wanted: bool) -> str:
        """The same of the samples of others, to be asked before their windows are: code that ends in `and`, or none."""
        told = bound(node, wanted)
        if told is None:
            return ""
        self.used.add("H")
        return f"H.{told.which}(d, {told.window.series!r}, {self._constant(told.window.around)}) {told.then} and "

    def _window(self, node: ir.Window) -> str:
        """The variable that holds a window of the subject itself, or None; one for all figures over it."""
        wanted = WindowKey(node.series, node.size_ns, node.closed)
        if wanted not in self.windows:
            self.used.add("W")
            key = self._constant(wanted)
            slot = self.windows[wanted] = f"{self.prefix}w{len(self.windows)}"
            self.lines.append(f"{slot} = W.get({key}) or d.window({key})")
        return self.windows[wanted]

    def _inside(self, node: ir.Window) -> str:
        """The variable that holds how many samples that window covers now: it is moved on once, whatever is asked of it; -1 where there is none."""
        slot = self._window(node)
        inside = f"{slot}n"
        if slot not in self.trimmed:
            self.trimmed.add(slot)
            self.lines.append(f"{inside} = {slot}.trim(t) if {slot} is not None else -1")
        return inside

    def _call(self, name: str, arguments: tuple[ir.Node, ...]) -> str:
        spec = derived.FUNCTIONS.get(name)
        takes_missing = spec.takes_missing if spec else name in _OF_THE_KNOWN
        called = self._constant(spec.function if spec else _OF_THE_KNOWN.get(name) or _SCALARS[name])
        codes: list[str] = []
        missing: set[str] = set()
        for argument in arguments:
            code, absent = self.value(argument)
            if takes_missing and absent and code not in absent:
                code = f"({code} if {' and '.join(f'{n} is not None' for n in sorted(absent))} else None)"
            codes.append(code)
            missing |= absent
        listed = ", ".join(["t", *codes] if spec and spec.dated else codes)
        if not missing or takes_missing:
            return f"{called}({listed})"
        return f"{called}({listed}) if {' and '.join(f'{n} is not None' for n in sorted(missing))} else None"

    def _constant(self, value: Any) -> str:
        for name, known in self.constants.items():
            if known is value or (type(known) is type(value) and not callable(value) and known == value):
                return name
        name = f"K{len(self.constants)}"
        self.constants[name] = value
        return name

    # ------------------------------------------------------------------------------------------ conditions

    def true(self, node: ir.Node) -> str:
        """Code that is truthy exactly when the condition certainly holds."""
        return self._logic(node, True)

    def false(self, node: ir.Node) -> str:
        """Code that is truthy exactly when the condition certainly does not hold."""
        return self._logic(node, False)

    def stepwise(self, node: ir.Node) -> str:
        """The same, for a function that is to say no more: of a conjunction each part is computed only once those before it hold, those that
        ask the newest values alone first."""
        if not isinstance(node, ir.AllOf):
            return self.true(node)
        *first, last = sorted(node.parts, key=takes_work)
        for part in first:
            code = self.stepwise(part)
            self.lines.append(f"if not {code}: return False")
        return self.stepwise(last)

    def _logic(self, node: ir.Node, wanted: bool) -> str:
        settled = self.settled(node, wanted)
        if settled is not None:
            return repr(settled)
        match node:
            case ir.Comparison() if (told := self._own_bound(node, wanted)) is not None:
                return self._bounds_allow(told)
            case ir.Negated(operand=operand):
                return self._logic(operand, not wanted)
            case ir.AllOf(parts=parts) | ir.AnyOf(parts=parts):
                open_parts = [part for part in sorted(parts, key=is_dear) if self.settled(part, wanted) is None]
                word = " and " if isinstance(node, ir.AllOf) == wanted else " or "
                return f"({word.join(self._logic(part, wanted) for part in open_parts)})"
            case ir.Comparison(op=op, left=left, right=ir.Const(value=limit)) if is_dear(left) and isinstance(
                left, ir.Agree | ir.Window
            ):
                name, code = self._dear(left)
                first = self._neighbours_allow(node, wanted) if self.only_true else ""
                return f"({first}({name} := {code} if {name} is None else {name}) is not None and {name} {op if wanted else INVERSE[op]} {limit!r})"
            case ir.Comparison(
                op=">" | ">=" | "<" | "<=" as op,
                left=ir.Window(function="mean", around=ir.Around(which="")) as left,
                right=ir.Const(value=float() | int() as limit),
            ) if self.roughly and wanted:
                name, code = self._near_mean(left)
                edge = limit - NEAR if op[0] == ">" else limit + NEAR
                return f"(({code}) is not None and {name} {op} {edge!r})"
            case ir.Comparison(op=op, left=left, right=right):
                a, missing_a = self.value(left)
                b, missing_b = self.value(right)
                guard = "".join(f"{name} is not None and " for name in sorted(missing_a | missing_b))
                return f"({guard}{a} {op if wanted else INVERSE[op]} {b})"
            case ir.Has(text=text, operand=operand):
                code, missing = self.value(operand)
                guard = "".join(f"{name} is not None and " for name in sorted(missing))
                return f"({guard}{text!r} {'in' if wanted else 'not in'} {code})"
            case ir.Flag(operand=ir.Const(value=value)):
                return repr(bool(value) == wanted)
            case ir.Const(value=value):
                return repr(bool(value) == wanted)
            case ir.InZone(name=name, margin_m=margin):
                self.used.add("H")
                return f"(H.in_zone(d, {name!r}, {margin!r}) is {wanted})"
            case ir.During(calendar=calendar):
                return f"({'' if wanted else 'not '}{self._constant(calendar)}.during(t))"
            case ir.Marked(marks=marks):
                return f"({'' if wanted else 'not '}(d.marks and not d.marks.isdisjoint({self._constant(frozenset(marks))})))"
            case _:
                operand = node.operand if isinstance(node, ir.Flag) else node
                code, missing = self.value(operand)
                if wanted:
                    return f"({code})"
                guard = "".join(f"{name} is not None and " for name in sorted(missing))
                return f"({guard}not {code})"

    def settled(self, node: ir.Node, wanted: bool) -> bool | None:
        """What a condition says whatever the values are, by the parts that are not looked at; None where the values decide."""
        match node:
            case ir.Negated(operand=operand):
                return self.settled(operand, not wanted)
            case ir.AllOf(parts=parts) | ir.AnyOf(parts=parts):
                found = {self.settled(part, wanted) for part in parts}
                decisive = isinstance(node, ir.AllOf) != wanted
                return decisive if decisive in found else None if None in found else not decisive
            case _:
                if not self.granted(node):
                    return None
                return self.assumed if self._own_bound(node, wanted) is None else None

    def below(self, prefix: str) -> Writer:
        """A writer of code that runs behind this one's lines, so that it knows what they have computed."""
        inner = Writer(self.hold_ns, self.constants, self.known, prefix)
        inner.names, inner.windows, inner.dear = dict(self.names), dict(self.windows), dict(self.dear)
        inner.trimmed = set(self.trimmed)
        return inner


def is_dear(node: ir.Node) -> bool:
    """Whether a part asks neighbours: it is written last, and not hoisted, so that it is rarely asked."""
    return any(map(asks_others, ir.walk(node)))


def asks_others(node: ir.Node) -> bool:
    return isinstance(node, ir.Agree) or (isinstance(node, ir.Window) and node.around.which != "")


def takes_work(node: ir.Node) -> bool:
    """Whether a part asks more than the newest values and what memories hold."""
    return isinstance(node, ir.Agree | ir.Window) or (
        not isinstance(node, ir.Memory) and any(map(takes_work, ir.children(node)))
    )


LOCALS = {"L": "L = d.last", "LT": "LT = d.last_t", "W": "W = d.windows", "A": "A = d.attributes", "H": "H = d.hood"}


def function(
    name: str, parameters: str, writer: Writer, body: Sequence[str], constants: dict[str, Any]
) -> Callable[..., Any]:
    """Compile one function: fetched locals, hoisted values, body."""
    return define(name, parameters, [*fetched(writer), *writer.lines, *body], constants)


def fetched(writer: Writer) -> list[str]:
    return [LOCALS[used] for used in ("L", "LT", "W", "A", "H") if used in writer.used]


class Question:
    """What is asked of other devices. `meets(d, t)` → whether that device certainly meets it, or certainly does not."""

    __slots__ = ("age_ns", "lasts", "meets", "series", "windows")

    def __init__(self, node: ir.Agree, wanted: bool) -> None:
        constants: dict[str, Any] = {}
        inner = Writer(node.age_ns, constants)
        code = inner.stepwise(node.condition) if wanted else inner.false(node.condition)
        self.meets: Callable[..., bool] = function("neighbour", "d, t", inner, [f"return {code}"], constants)
        self.age_ns = node.age_ns
        nodes = list(ir.walk(node.condition))
        self.series = tuple(dict.fromkeys(n.series for n in nodes if isinstance(n, ir.Series)))
        """Series of which it asks the newest value, if not older than `age_ns`."""
        self.windows = tuple(key for keys in ir.window_keys(nodes, own=True).values() for key in keys)
        self.lasts = bool(self.windows) and not any(_moves(n) for n in nodes)
        """Whether an answer is worth keeping and holds for a while (`rules.state.answers`): of the newest values alone it is found as fast
        anew."""


@lru_cache(maxsize=1024)
def question(node: ir.Agree, wanted: bool = True) -> Question:
    """What that node asks of other devices (`wanted` False: whether they certainly do not meet it); one for all rules that ask the same."""
    return Question(node, wanted)


def _moves(node: ir.Node) -> bool:
    """Whether a figure may change from one moment to the next although no value comes, grows too old or leaves a window; or, as running
    sums do, by a last bit with the way that its window took."""
    match node:
        case ir.Window(function=function, around=around):
            return function in (*ir.OF_NOW, "sum", "mean") or around.which != ""
        case ir.Function(name=name):
            return name in derived.FUNCTIONS and derived.FUNCTIONS[name].dated
        case _:
            return isinstance(node, ir.ByDate | ir.During | ir.Agree | ir.Memory)


def define(name: str, parameters: str, lines: Sequence[str], constants: dict[str, Any]) -> Callable[..., Any]:
    """Compile `def name(parameters)` with these lines. `constants` is its global namespace, shared on purpose."""
    source = f"def {name}({parameters}):\n" + "\n".join("    " + line for line in lines)
    found: dict[str, Any] = {}
    exec(_code(source, name), constants, found)
    made: Callable[..., Any] = found[name]
    return made


@lru_cache(maxsize=4096)
def _code(source: str, name: str) -> CodeType:
    """Remembered, since each engine of a process (partitions, lanes, a back-test's second run, a restored one) wants the same functions."""
    return compile(source, f"<{name}>", "exec")
