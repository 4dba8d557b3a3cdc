"""Python written from checked expressions.

Each condition is written twice, as "certainly true" and "certainly false", so that unknown values do neither. Per set
of rules and shape of reading one fused function tells which rules need attention; one `judge` per rule then says
exactly which levels are true, false, clear or not clear. Generated functions are pure but for trimming windows.

In generated code: d the subject's state, t the observed time, v the reading's values, m the rule's memories;
L newest values, LT their times, W windows, A attributes, H the neighbourhood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from hub.model import LEVELS
from rules.figures import derived
from rules.figures.ranks import NEAR
from rules.language import ir
from rules.language.ir import NEWS, WindowKey
from rules.language.rule import Derivation, LevelRule, Rule, own_series

INVERSE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}
NEVER = -(1 << 62)

TRUE, FALSE, CLEAR, NOT_CLEAR = 0, 4, 8, 12
"""Bit offsets in what `judge` returns; level k stands at offset + k."""

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
        self.roughly = False
        """Whether a condition may also be said to hold that only nearly does: saves the rounding of means."""
        self.slid: Mapping[WindowKey, tuple[str, str]] = {}
        """Windows whose sum and number of samples stand in these variables already (`rules.taking`)."""
        self.at_hand: Mapping[str, str] = {}
        """Values of the reading that stand in these variables already."""
        self.means: list[WindowKey] = []
        """The windows whose mean was asked for, whatever the values are."""
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

    def _near_mean(self, node: ir.Window) -> str:
        """The variable that holds a window's mean, not rounded."""
        key = (node, "near")
        if key not in self.names:
            wanted = WindowKey(node.series, node.size_ns, node.closed)
            self.means.append(wanted)
            if wanted in self.slid:
                total, count = self.slid[wanted]
                code = f"{total} / {count} if {count} >= {max(1, node.at_least)} else None"
            else:
                window = self._window(node)
                code = f"{window}.near_mean(t, {node.at_least}) if {window} is not None else None"
            name = f"{self.prefix}{len(self.names)}"
            self.names[key] = (name, True)
            self.lines.append(f"{name} = {code}")
        return self.names[key][0]

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
        *first, last = sorted(node.parts, key=_takes_work)
        for part in first:
            code = self.stepwise(part)
            self.lines.append(f"if not {code}: return False")
        return self.stepwise(last)

    def _logic(self, node: ir.Node, wanted: bool) -> str:
        settled = self._settled(node, wanted)
        if settled is not None:
            return repr(settled)
        match node:
            case ir.Negated(operand=operand):
                return self._logic(operand, not wanted)
            case ir.AllOf(parts=parts) | ir.AnyOf(parts=parts):
                open_parts = [part for part in sorted(parts, key=_is_dear) if self._settled(part, wanted) is None]
                word = " and " if isinstance(node, ir.AllOf) == wanted else " or "
                return f"({word.join(self._logic(part, wanted) for part in open_parts)})"
            case ir.Comparison(op=op, left=left, right=ir.Const(value=limit)) if _is_dear(left) and isinstance(
                left, ir.Agree | ir.Window
            ):
                name, code = self._dear(left)
                return f"(({name} := {code} if {name} is None else {name}) is not None and {name} {op if wanted else INVERSE[op]} {limit!r})"
            case ir.Comparison(
                op=">" | ">=" | "<" | "<=" as op,
                left=ir.Window(function="mean", around=ir.Around(which="")) as left,
                right=ir.Const(value=float() | int() as limit),
            ) if self.roughly and wanted:
                name = self._near_mean(left)
                edge = limit - NEAR if op[0] == ">" else limit + NEAR
                return f"({name} is not None and {name} {op} {edge!r})"
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

    def _settled(self, node: ir.Node, wanted: bool) -> bool | None:
        """What a condition says whatever the values are, by the parts that are not looked at; None where the values decide."""
        match node:
            case ir.Negated(operand=operand):
                return self._settled(operand, not wanted)
            case ir.AllOf(parts=parts) | ir.AnyOf(parts=parts):
                found = {self._settled(part, wanted) for part in parts}
                decisive = isinstance(node, ir.AllOf) != wanted
                return decisive if decisive in found else None if None in found else not decisive
            case _:
                return self.assumed if self.granted(node) else None

    def below(self, prefix: str) -> Writer:
        """A writer of code that runs behind this one's lines, so that it knows what they have computed."""
        inner = Writer(self.hold_ns, self.constants, self.known, prefix)
        inner.names, inner.windows, inner.dear = dict(self.names), dict(self.windows), dict(self.dear)
        inner.trimmed = set(self.trimmed)
        return inner


def _is_dear(node: ir.Node) -> bool:
    """Whether a part asks neighbours: it is written last, and not hoisted, so that it is rarely asked."""
    return any(map(_asks_others, ir.walk(node)))


def _asks_others(node: ir.Node) -> bool:
    return isinstance(node, ir.Agree) or (isinstance(node, ir.Window) and node.around.which != "")


def _takes_work(node: ir.Node) -> bool:
    """Whether a part asks more than the newest values and what memories hold."""
    return isinstance(node, ir.Agree | ir.Window) or (
        not isinstance(node, ir.Memory) and any(map(_takes_work, ir.children(node)))
    )


def _holds(node: ir.Node, granted: Callable[[ir.Node], bool]) -> bool:
    """Whether a condition holds whatever the values are, once some parts are granted."""
    match node:
        case ir.AllOf(parts=parts):
            return all(_holds(part, granted) for part in parts)
        case ir.AnyOf(parts=parts):
            return any(_holds(part, granted) for part in parts)
        case _:
            return granted(node)


_LOCALS = {"L": "L = d.last", "LT": "LT = d.last_t", "W": "W = d.windows", "A": "A = d.attributes", "H": "H = d.hood"}


def function(
    name: str, parameters: str, writer: Writer, body: Sequence[str], constants: dict[str, Any]
) -> Callable[..., Any]:
    """Compile one function: fetched locals, hoisted values, body."""
    return define(name, parameters, [*_fetched(writer), *writer.lines, *body], constants)


def _fetched(writer: Writer) -> list[str]:
    return [_LOCALS[used] for used in ("L", "LT", "W", "A", "H") if used in writer.used]


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
        self.windows = tuple(key for keys in window_keys(nodes, own=True).values() for key in keys)
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
            self._raises(constants) if any(map(_asks_others, rule.conditions())) and not rule.memories else None
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
            if _takes_work(level.when.node):
                working.append(level)
            else:
                body += _said(writer, level.when.node, *_bits(level))
        writer.granted, writer.assumed = _takes_work, False
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
        return self._some_level("any_level", "d, t, m", constants, _is_dear)

    def _raises(self, constants: dict[str, Any]) -> Callable[..., bool]:
        """Whether any level is true, without asking neighbours what only decides when a warning ends."""
        return self._some_level("raises", "d, t", constants, lambda node: False)

    def _some_level(
        self, name: str, parameters: str, constants: dict[str, Any], granted: Callable[[ir.Node], bool]
    ) -> Callable[..., bool]:
        """Whether any level is true, `granted` parts being so; first by the newest values, which mostly say that none is."""
        writer = Writer(self.rule.hold_ns, constants)
        nodes = [level.when.node for level in self.rule.levels]
        writer.granted = _takes_work
        first = _any(writer, nodes)
        if first != "True":
            writer.lines.append(f"if not ({first}): return False")
        writer.granted = granted
        return function(name, parameters, writer, [f"return {_any(writer, nodes)}"], constants)

    def _hopeful(self, constants: dict[str, Any]) -> Callable[..., int]:
        """Bits of the levels that would be true, said the neighbours what the rule hopes for."""
        writer = Writer(self.rule.hold_ns, constants)
        writer.granted = _is_dear
        body = [f"if {writer.true(level.when.node)}: bits |= {1 << level.level}" for level in self.rule.levels]
        return function("hopeful", "d, t, m", writer, ["bits = 0", *body, "return bits"], constants)

    def _decides(self) -> Callable[..., bool] | None:
        asked = [_needs([level.when.node]) for level in self.rule.levels]
        if self.rule.memories or not all(asked):
            return None
        checks = [question(node).meets for nodes in asked for node in nodes or ()]
        return lambda d, t: any(check(d, t) for check in checks)

    def _advance(self, constants: dict[str, Any]) -> Callable[..., None]:
        lines = list(_LOCALS.values())
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


class Attention(NamedTuple):
    """Code that leaves in `hit` the bits of the rules (by position) that need attention: d, v and t are at hand."""

    lines: list[str]
    means: list[WindowKey]
    """The subject's own windows of which it wants the mean whatever the values are."""


def attention(
    rules: Iterable[tuple[int, Rule]],
    known: frozenset[str],
    constants: dict[str, Any],
    slid: Mapping[WindowKey, tuple[str, str]] | None = None,
    at_hand: Mapping[str, str] | None = None,
) -> Attention:
    """Which rules a shape of reading concerns. `known` are the series that it brings; rules that read none of them are left out.
    A rule needs attention when one of its levels is certainly true, when it is busy already, or when it has a memory. `slid`:
    windows whose sum and number of samples stand in variables already, `at_hand`: values that do."""
    writer = Writer(0, constants, known)
    writer.slid, writer.at_hand = slid or {}, at_hand or {}
    writer.granted, writer.roughly = _is_dear, True
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
        if any(_takes_work(node) for node in nodes) and not any(_holds(node, _takes_work) for node in nodes):
            # First what the newest values say: mostly that the windows need not be looked at. They need not either where the rule is busy.
            writer.granted = _takes_work
            first = _any(writer, nodes)
            writer.assumed = False
            enough = _any(writer, nodes)
            writer.granted, writer.assumed = _is_dear, True
            rest = Writer(rule.hold_ns, constants, known, prefix=f"r{position}_")
            rest.granted, rest.roughly, rest.at_hand = _is_dear, True, writer.at_hand
            condition = _any(rest, nodes)
            writer.used |= rest.used
            body += [f"if not hit & {1 << position} and ({first}):"]
            body += [f"    if {enough}: hit |= {1 << position}", "    else:"]
            body += [f"        {line}" for line in (*rest.lines, f"if {condition}: hit |= {1 << position}")]
        else:
            body.append(f"if {_any(writer, nodes)}: hit |= {1 << position}")
    start = f"hit = d.busy & {touched}" + (f" | {always}" if always else "")
    return Attention([*_fetched(writer), *writer.lines, start, *body], writer.means)


def fused(rules: Iterable[tuple[int, Rule]], known: frozenset[str], constants: dict[str, Any]) -> Callable[..., int]:
    """One function for a shape of reading: (d, v, t) → the rules that need attention."""
    return define("fused", "d, v, t", [*attention(rules, known, constants).lines, "return hit"], constants)


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


def window_keys(nodes: Iterable[ir.Node], own: bool) -> Mapping[str, tuple[WindowKey, ...]]:
    """The windows that these nodes need, by series: those of the subject itself, or those asked of neighbours."""
    keys: dict[str, list[WindowKey]] = {}
    for node in nodes:
        if isinstance(node, ir.Window) and (not node.around.which) == own:
            key = WindowKey(node.series, node.size_ns, node.closed)
            if key not in keys.setdefault(node.series, []):
                keys[node.series].append(key)
    return {series: tuple(found) for series, found in keys.items()}
