"""What is done with a reading of one set of rules: which values are kept, which windows fed, which rules judged.

Devices with the same rules share a plan; within it each shape of reading (the names and types of its values) has its
own fused function, made once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

from hub.metrics import vocabulary
from rules import quality
from rules.deriving import Recipe, recipe
from rules.language import codegen
from rules.language.codegen import Compiled
from rules.language.ir import walk
from rules.language.rule import Derivation, QualityEntry, Rule, own_series
from rules.quality import Settings
from rules.windows import WindowKey

MAX_SHAPES = 512
"""Shapes of reading with a function of their own; a device that keeps inventing more gets the general one."""

_TYPES: dict[str, tuple[type, ...]] = {
    "number": (float, int, bool),
    "flag": (bool, int),
    "text": (str,),
    "texts": (list,),
}


class Shape(NamedTuple):
    """What a reading with these values needs done."""

    used: tuple[str, ...]
    windowed: tuple[str, ...]
    joins: tuple[str, ...]
    silent: tuple[str, ...]
    gaps: tuple[tuple[str, int], ...]
    """Metrics that are missing so many ns after their last value."""
    tested: tuple[tuple[str, Settings], ...]
    calm: Callable[[Mapping[str, Any], Mapping[str, Any], Mapping[str, int], int, Mapping[str, Any]], bool]
    derivations: tuple[Recipe, ...]
    judge: Callable[..., int]


class Plan:
    """The rules of one kind of subject, compiled."""

    def __init__(
        self,
        rules: Sequence[Compiled],
        derivations: Sequence[Derivation],
        asked: Mapping[str, tuple[WindowKey, ...]],
        qualities: Sequence[QualityEntry] = (),
    ) -> None:
        self.rules = tuple(rules)
        self.positions = {compiled.rule.name: position for position, compiled in enumerate(self.rules)}
        self.derivations = tuple(map(recipe, derivations))
        self.inputs = frozenset().union(*(found.inputs for found in self.derivations))
        """What something is derived of."""
        self.silent = tuple(c.rule.name for c in self.rules if c.rule.silent_ns is not None)
        self.asked = asked
        nodes = [node for c in self.rules for node in c.rule.nodes()]
        nodes += [node for spec in derivations for node in walk(spec.node)]
        windows = [*codegen.window_keys(nodes, own=True).items(), *asked.items()]
        self.spans: dict[str, int] = {}
        """The largest window over each series, ns."""
        for series, keys in windows:
            for key in keys:
                self.spans[series] = max(key.size_ns, self.spans.get(series, 0))
        self.series = frozenset(asked).union(
            *(_series(c.rule) for c in self.rules),
            self.inputs,
            (entry.metric for entry in qualities),
        )
        self.settings = quality.settled(qualities)
        self.any_quality = frozenset(name for name in self.series if name.endswith("~"))
        self.shapes: dict[Any, Shape] = {}
        self.constants: dict[str, Any] = {}

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
        judge = self.readers if general else self._fused(frozenset(used))
        tested = tuple((name, self.settings[name]) for name in used if name in self.settings)
        present = {name.rstrip("~") for name in used}
        return Shape(
            used=used,
            windowed=tuple(name for name in used if name in self.spans),
            joins=tuple(name for name in used if name in self.asked),
            silent=self.speakers(names),
            gaps=tuple((name, round(s.gap_s * quality.SECOND)) for name, s in tested if s.gap_s < inf),
            tested=tested,
            calm=_calm(tested),
            derivations=tuple(
                found for found in self.derivations if not found.inputs.isdisjoint(used) and found.metric not in present
            ),
            judge=judge,
        )

    def speakers(self, names: Collection[str]) -> tuple[str, ...]:
        """The rules whose silence a reading ends that says something of these metrics, be it a value or a mark alone: that
        an instrument is dead is the device's word too."""
        present = {name.rstrip("~") for name in names}
        return tuple(
            c.rule.name for c in self.rules if c.rule.silent_ns is not None and _speaks(c.rule, present, bool(names))
        )

    def _fused(self, used: frozenset[str]) -> Callable[..., int]:
        try:
            return codegen.fused([(i, c.rule) for i, c in enumerate(self.rules)], used, self.constants)
        except Exception:  # one of the rules cannot be written so; it is found when each is looked at by itself
            return self.readers

    def readers(self, subject: Any, values: Mapping[str, Any], at: int) -> int:
        """Every rule that reads one of these values: slower, and right for any shape."""
        hit = 0
        for position, compiled in enumerate(self.rules):
            if compiled.rule.levels and (
                compiled.rule.on_any_reading() or not compiled.rule.own_series().isdisjoint(values)
            ):
                hit |= 1 << position
        return hit


def _calm(tested: Sequence[tuple[str, Settings]]) -> Callable[..., bool]:
    """(newest values, values of a reading, times of the newest, its own, what nothing bears out yet) → whether no test of quality could have anything
    against them: in range whatever the month, no jump, not too fast, no standing still. One expression, because nearly
    every value is asked and nearly every one is calm."""
    terms = []
    for name, s in tested:
        value, before = f"v[{name!r}]", f"L.get({name!r}, inf)"
        usual = [(s.suspect_low, s.suspect_high), *(bounds for bounds in s.climatology if bounds)]
        low, high = max(low for low, _ in usual), min(high for _, high in usual)
        leap = min(s.jump, s.alone)
        terms.append(f"{low} <= {value} <= {high} and -{leap} < {value} - {before} < {leap}")
        if s.alone < inf:
            terms.append(f"{name!r} not in P")
        if s.flat_suspect_s:
            terms.append(f"{value} != {before}")
        if s.rate < inf:
            terms.append(f"abs({value} - {before}) <= {s.rate / quality.SECOND!r} * (t - LT.get({name!r}, t))")
    return codegen.define("calm", "L, v, LT, t, P", [f"return {' and '.join(terms) or True}"], {"inf": inf})


def _speaks(rule: Rule, present: set[str], anything: bool) -> bool:
    """Whether these values end the rule's silence: one it reads, or any at all where it reads none."""
    own = {name.rstrip("~") for name in rule.own_series()}
    return not own.isdisjoint(present) if own else anything


def _series(rule: Rule) -> set[str]:
    found = set(rule.own_series())
    for node, _ in rule.lets.values():
        found |= own_series(node)
    return found


def _well_typed(name: str, value: object) -> bool:
    metric = vocabulary().get(name.rstrip("~"))
    return metric is not None and isinstance(value, _TYPES[metric.type])
