"""What is done with a reading of one set of rules: which values are kept, which windows fed, which rules judged.

Devices with the same rules share a plan; within it each shape of reading (the names and types of its values) has its
own fused function, made once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

from hub.metrics import vocabulary
from hub.model import LEVELS
from hub.pairs import PAIR
from rules import book as books
from rules import qartod, taking
from rules.book import RuleBook
from rules.language import codegen, ir
from rules.language.codegen import Compiled
from rules.language.ir import WindowKey, walk
from rules.language.rule import Derivation, QualityEntry, Rule, own_series
from rules.qartod import Settings
from rules.taking import RECENT_MAX, Span

MAX_SHAPES = 512
"""Shapes of reading with a function of their own; a device that keeps inventing more gets the general one."""

DISASTER = LEVELS.index("orange")
"""The lowest level that is a disaster warning, which a lone jump may not raise."""

_TYPES: dict[str, tuple[type, ...]] = {
    "number": (float, int, bool),
    "flag": (bool, int),
    "text": (str,),
    "texts": (list,),
}


NOTHING_KEPT = Span()


class Shape(NamedTuple):
    """What a reading with these values needs done."""

    used: tuple[str, ...]
    take: Callable[[Any, Mapping[str, Any], int, bool], int]
    """(subject, values, time, whether to test them): `rules.taking.taking`. Where something is derived, it only keeps the values."""
    joins: tuple[str, ...]
    silent: tuple[str, ...]
    gaps: tuple[tuple[str, int], ...]
    """Metrics that are missing so many ns after their last value."""
    tested: tuple[tuple[str, Settings], ...]
    calm: Callable[[Any, Mapping[str, Any], int], bool]
    """(subject, values, time): `rules.taking.calm`."""
    derivations: tuple[Recipe, ...]
    judge: Callable[..., int]
    """(subject, values, time) → bits of the rules that need attention."""


class Plan:
    """The rules of one kind of subject, compiled. It knows nothing of any subject: all engines of a book share it, in whatever threads
    they run; two that make the same shape at once make the same."""

    def __init__(
        self,
        rules: Sequence[Compiled],
        derivations: Sequence[Derivation],
        asked: Mapping[str, tuple[WindowKey, ...]],
        qualities: Sequence[QualityEntry] = (),
    ) -> None:
        self.rules = tuple(rules)
        self.positions = {compiled.rule.name: position for position, compiled in enumerate(self.rules)}
        self.derivations = tuple(recipe(spec) for spec in derivations if not spec.select.every)
        self.inputs = frozenset().union(*(found.inputs for found in self.derivations))
        """What something is derived of."""
        self.words = tuple(sorted(name for name in self.inputs if not is_number(name)))
        """Those of them that are texts and flags."""
        self.measures = tuple(recipe(spec) for spec in derivations if spec.select.every)
        """Of a place: what is derived of it each minute."""
        self.silent = tuple(c.rule.name for c in self.rules if c.rule.silent_ns is not None)
        self.asked = asked
        nodes = [node for c in self.rules for node in c.rule.nodes()]
        nodes += [node for spec in derivations for node in walk(spec.node)]
        self.passing: dict[tuple[str, tuple[str, ...]], int] = {}
        """Of a place: (series, kinds) told in it that are kept, and for how long, ns."""
        for node in nodes:
            if isinstance(node, ir.Window) and node.around.which == "passing":
                told = node.series, node.around.words
                self.passing[told] = max(node.size_ns, self.passing.get(told, 0))
        windows = [*ir.window_keys(nodes, own=True).items(), *asked.items()]
        self.spans: dict[str, Span] = {
            series: Span(0, RECENT_MAX) for series in sorted(self.inputs) if is_number(series)
        }
        """What is kept of each series."""
        for series, keys in windows:
            for key in keys:
                known = self.spans.get(series, NOTHING_KEPT)
                self.spans[series] = known._replace(size_ns=max(key.size_ns, known.size_ns))
        self.series = frozenset(asked).union(
            *(_series(c.rule) for c in self.rules),
            self.inputs,
            *(found.inputs for found in self.measures),
            (entry.metric for entry in qualities),
        )
        self.settings = qartod.settled(qualities)
        self.any_quality = frozenset(name for name in self.series if name.endswith("~"))
        self.shapes: dict[Any, Shape] = {}

    def shape(self, values: Mapping[str, Any]) -> Shape:
        """What to do with these values."""
        key = (*values, *map(type, values.values()))
        found = self.shapes.get(key)
        if found is None:
            found = self._make(
                [name for name, value in values.items() if _well_typed(name, value)], len(self.shapes) >= MAX_SHAPES
            )
            if len(self.shapes) < MAX_SHAPES:
                self.shapes[key] = found
        return found

    def _make(self, names: Sequence[str], general: bool) -> Shape:
        used = tuple(name for name in names if name in self.series)
        constants: dict[str, Any] = {}
        judge = self.readers if general else self._fused(frozenset(used), constants)
        derivations = tuple(
            found
            for found in self.derivations
            if (not found.inputs or not found.inputs.isdisjoint(used))
            and found.metric not in {name.rstrip("~") for name in used}
        )
        tested = tuple((name, self.settings[name]) for name in used if name in self.settings)
        return Shape(
            used=used,
            take=self._taking(used, tested, judge, bool(derivations), constants),
            joins=tuple(name for name in used if name in self.asked),
            silent=self.speakers(names),
            gaps=tuple((name, round(s.gap_s * qartod.SECOND)) for name, s in tested if s.gap_s < inf),
            tested=tested,
            calm=taking.calm(tested),
            derivations=derivations,
            judge=judge,
        )

    def speakers(self, names: Collection[str]) -> tuple[str, ...]:
        """The rules whose silence a reading ends that says something of these metrics, be it a value or a mark alone: that
        an instrument is dead is the device's word too."""
        present = {name.rstrip("~") for name in names}
        return tuple(
            c.rule.name for c in self.rules if c.rule.silent_ns is not None and _speaks(c.rule, present, bool(names))
        )

    def _fused(self, used: frozenset[str], constants: dict[str, Any]) -> Callable[..., int]:
        try:
            return codegen.fused([(i, c.rule) for i, c in enumerate(self.rules)], used, constants)
        except Exception:  # one of the rules cannot be written so; it is found when each is looked at by itself
            return self.readers

    def _taking(
        self,
        used: Sequence[str],
        tested: Sequence[tuple[str, Settings]],
        judge: Callable[..., int],
        keep_only: bool,
        constants: dict[str, Any],
    ) -> Callable[..., int]:
        numbered = [(i, c.rule) for i, c in enumerate(self.rules)]
        if keep_only or judge == self.readers:
            kept = taking.taking(used, self.spans, tested, None, self.readers, {})
            if keep_only:
                return kept
            return lambda d, v, t, c: found if (found := kept(d, v, t, c)) else self.readers(d, v, t)
        return taking.taking(used, self.spans, tested, numbered, self.readers, constants)

    def readers(self, subject: Any, values: Mapping[str, Any], at: int) -> int:
        """Every rule that reads one of these values: slower, and right for any shape."""
        hit = 0
        for position, compiled in enumerate(self.rules):
            if compiled.rule.levels and (
                compiled.rule.on_any_reading() or not compiled.rule.own_series().isdisjoint(values)
            ):
                hit |= 1 << position
        return hit


def _speaks(rule: Rule, present: set[str], anything: bool) -> bool:
    """Whether these values end the rule's silence: one it reads, or any at all where it reads none."""
    own = {name.rstrip("~") for name in rule.own_series()}
    return not own.isdisjoint(present) if own else anything


def _series(rule: Rule) -> set[str]:
    found = set(rule.own_series())
    for node, _ in rule.lets.values():
        found |= own_series(node)
    return found


def is_number(name: str) -> bool:
    """Whether the values of this metric are numbers."""
    metric = vocabulary().get(name.rstrip("~"))
    return metric is not None and metric.type == "number"


def _well_typed(name: str, value: object) -> bool:
    metric = vocabulary().get(name.rstrip("~"))
    return metric is not None and isinstance(value, _TYPES[metric.type])


TIMELESS = (ir.Series, ir.Const, ir.Operation, ir.Scaled, ir.ByDate, ir.Function, ir.Attribute)
"""What can be asked of the past: anything else (windows, neighbours, zones) is known for now only."""


class Recipe(NamedTuple):
    """One derived metric: how it is computed, of what, and how long an input counts (ns)."""

    name: str
    metric: str
    function: Callable[..., float | None]
    inputs: frozenset[str]
    hold_ns: int
    timeless: bool
    """Whether it can be computed for the past."""


def recipe(spec: Derivation) -> Recipe:
    timeless = all(isinstance(node, TIMELESS) for node in ir.walk(spec.node))
    return Recipe(spec.name, spec.metric, codegen.derivation(spec), spec.own_series(), spec.hold_ns, timeless)


SPEED, DIRECTION = "wind_speed", "wind_direction"


RISE_NS = 3_600_000_000_000


def asked_windows(rule: Rule) -> dict[str, WindowKey]:
    """The windows of other devices that tracing this rule's origins needs, by series."""
    spec = rule.tracing
    if spec is None:
        return {}
    return {
        spec.metric: WindowKey(spec.metric, RISE_NS, True),
        SPEED: WindowKey(SPEED, spec.wind_over_ns, False),
        DIRECTION: WindowKey(DIRECTION, spec.wind_over_ns, False),
    }


PAIR_MEMBERS = "vessel"


PAIR_SERIES = "sog"
"""Vessels are found by it: who reports no speed is no partner."""


PAIR_TOLD = (PAIR_SERIES, "cog", "heading", "length", "beam", "to_bow", "to_port")
"""What is kept of vessels for their pairs: how they move and how far their hulls reach."""


def pairs_wanted(book: RuleBook) -> bool:
    """Whether any rule is about pairs."""
    return any(PAIR in rule.select.kinds for rule in book.rules)


def asks_who_is_inside(nodes: Iterable[ir.Node]) -> bool:
    """Whether any of these nodes needs to know who is inside a place."""
    places = ("inside", "passing", "same zone", "ahead")
    return any(isinstance(n, ir.Window | ir.Agree) and n.around.which in places for n in nodes)


def asks_upstream(nodes: Iterable[ir.Node]) -> tuple[tuple[str, ir.Around], ...]:
    """(series, around) that these nodes ask of gauges upstream."""
    found: list[tuple[str, ir.Around]] = []
    for node in nodes:
        if isinstance(node, ir.Window) and node.around.which == "upstream":
            found.append((node.series, node.around))
        elif isinstance(node, ir.Agree) and node.around.which == "upstream":
            found += [(n.series, node.around) for n in ir.walk(node.condition) if isinstance(n, ir.Series | ir.Window)]
    return tuple(dict.fromkeys(found))


class Orders:
    """What a book has the rules do, whatever the subjects are: its compiled rules and what they ask of others."""

    def __init__(self, book: RuleBook, compiled: Mapping[str, Compiled], neighbourly: frozenset[str]) -> None:
        """`neighbourly`: metrics of which neighbours may be asked whether a jump is true."""
        self.book = book
        self.compiled = compiled
        nodes = books.nodes_of(book)
        asked: dict[str, tuple[WindowKey, ...]] = dict(ir.window_keys(nodes, own=False))
        for node in nodes:
            if isinstance(node, ir.Agree):
                for inner in walk(node.condition):
                    if isinstance(inner, ir.Series):
                        asked.setdefault(inner.series, ())
                    elif isinstance(inner, ir.Window):
                        key = WindowKey(inner.series, inner.size_ns, inner.closed)
                        asked[inner.series] = tuple(dict.fromkeys((*asked.get(inner.series, ()), key)))
        self.over = {rule.name: inside for rule in book.rules if (inside := rule.series_inside())}
        """Per rule about places, what it asks of the devices inside."""
        self.measures = any(spec.select.every for spec in book.derivations)
        """Whether anything is derived of places."""
        self.stays = tuple(sorted({node.metres for node in nodes if isinstance(node, ir.Stay)}))
        """The distances within which it is counted in how many reports a device has stayed."""
        for series in sorted({name for inside in self.over.values() for name in inside}):
            asked.setdefault(series, ())
        self.asks_inside = bool(self.over) or asks_who_is_inside(nodes)
        self.tracing = [rule for rule in book.rules if rule.tracing is not None]
        for rule in self.tracing:
            for series, key in asked_windows(rule).items():
                asked[series] = tuple(dict.fromkeys((*asked.get(series, ()), key)))
        self.pairing = pairs_wanted(book)
        if self.pairing:
            for series in PAIR_TOLD:
                asked.setdefault(series, ())
        for rule in book.rules:
            if any(level.level >= DISASTER for level in rule.levels):
                for series in sorted(neighbourly & (rule.own_series() | self.over.get(rule.name, frozenset()))):
                    asked.setdefault(series, ())
        self.asked: Mapping[str, tuple[WindowKey, ...]] = asked
        """By series, the windows over it that others may ask of a subject."""
        self.summed = frozenset(
            WindowKey(node.series, node.size_ns, node.closed)
            for node in nodes
            if isinstance(node, ir.Window) and node.function in ("sum", "mean")
        )
        """The windows of which some rule asks the sum or the mean, of its own subject or of others."""
        self._of_kind = {
            kind: [rule for rule in book.rules if rule.select.may_take(kind)]
            for kind in {"", *(kind for rule in book.rules for kind in rule.select.kinds)}
        }
        self.calls = {rule.name: book.calls_of(rule) for rule in book.rules}
        self.asks_upstream = {rule.name: above for rule in book.rules if (above := asks_upstream(rule.nodes()))}

    def of_kind(self, kind: str) -> list[Rule]:
        """The rules whose selection does not rule this kind out, in the book's order."""
        return self._of_kind[kind if kind in self._of_kind else ""]

    @classmethod
    def none(cls) -> Orders:
        """Those of a book without rules."""
        return cls(RuleBook((), (), ()), {}, frozenset())
