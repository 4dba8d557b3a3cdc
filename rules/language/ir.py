"""Checked expressions: every name resolved, every number in a known unit, ready to be written as Python.

Values may be unknown (never reported, too old, bad quality). Logic is three-valued: code is generated for "certainly
true" and for "certainly false", so an unknown value neither raises nor clears anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from math import inf
from typing import NamedTuple, TypeAlias

from rules.calendars import Calendar


class Part:
    """What all nodes share: those directly below are looked for once, since every question about a rule walks its nodes."""

    __slots__ = ("_below",)
    _below: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Const(Part):
    value: float | str | bool


@dataclass(frozen=True, slots=True)
class Series(Part):
    """The newest good value of a metric of the subject; `pm25~` is the same with any quality."""

    series: str

    @property
    def metric(self) -> str:
        return self.series.rstrip("~")


@dataclass(frozen=True, slots=True)
class Attribute(Part):
    """A column of devices.csv."""

    name: str


@dataclass(frozen=True, slots=True)
class Limit(Part):
    """A limit of the zone the subject is in (`speed_limit_kmh`)."""

    name: str


class Around(NamedTuple):
    """Other devices: within `metres`, "upstream" (from which water takes `travel_min` at most), in the "same area", in the "same zone" (`words`: of those names or kinds),
    in that zone and those that it names under `ahead` ("ahead"), all "inside" the place that is the subject (`words`: of those kinds), or all that told something while
    they were in it ("passing"). Empty `which` means the subject alone."""

    which: str = ""
    metres: float = 0.0
    words: tuple[str, ...] = ()
    travel_min: float = inf


@dataclass(frozen=True, slots=True)
class Window(Part):
    """A figure over the samples of one series. `closed` windows keep the sample that stands at their far edge."""

    function: str
    series: str
    size_ns: int
    closed: bool
    parameter: float
    at_least: int
    around: Around


@dataclass(frozen=True, slots=True)
class Operation(Part):
    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Scaled(Part):
    """operand * factor + shift: a change of unit."""

    operand: Node
    factor: float
    shift: float


@dataclass(frozen=True, slots=True)
class Comparison(Part):
    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Flag(Part):
    operand: Node


@dataclass(frozen=True, slots=True)
class Has(Part):
    text: str
    operand: Node


@dataclass(frozen=True, slots=True)
class AllOf(Part):
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOf(Part):
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Negated(Part):
    operand: Node


@dataclass(frozen=True, slots=True)
class Memory(Part):
    """The outcome of a stateful operator, kept per rule and subject; `index` is its place among the rule's."""

    index: int
    kind: str  # k-of-n, then (conditions); since, ewma, cusum, soil-water, unchanged, expects, residual (numbers)
    operands: tuple[Node, ...]
    numbers: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Agree(Part):
    """How many other devices meet a condition now, none of their values older than `age_ns`; as a `share`, how many in a
    hundred of those that can say (unknown while fewer than `at_least` can). With `together_m`, how many of them stand at one spot: the
    most within that distance of one of them."""

    condition: Node
    around: Around
    age_ns: int
    share: bool = False
    at_least: int = 1
    together_m: float = 0.0


@dataclass(frozen=True, slots=True)
class ByDate(Part):
    """`cases[i]` holds before its time (ns); `last` from then on: editions of a standard by observation date."""

    cases: tuple[tuple[int, Node], ...]
    last: Node


@dataclass(frozen=True, slots=True)
class Function(Part):
    """A pure function of `rules.figures.derived`."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class InZone(Part):
    """Whether the subject's newest position lies in a zone of that name or kind; unknown up to `margin_m` outside it."""

    name: str
    margin_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Stay(Part):
    """In how many reports, up to the newest, the subject has been within so many metres of where it was in the first of them."""

    metres: float


@dataclass(frozen=True, slots=True)
class During(Part):
    """Whether the moment judged lies in a calendar."""

    calendar: Calendar


@dataclass(frozen=True, slots=True)
class Marked(Part):
    """Whether the newest reading carried one of these marks on any value."""

    marks: tuple[str, ...]


Node: TypeAlias = (
    Const | Series | Attribute | Limit | Window | Operation | Scaled | Comparison | Flag | Has | AllOf | AnyOf | Negated
    | Memory | Agree | ByDate | Function | InZone | Stay | During | Marked
)  # fmt: skip


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, top-down."""
    waiting = [node]
    while waiting:
        at = waiting.pop()
        yield at
        waiting += reversed(children(at))


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below this one."""
    try:
        return node._below
    except AttributeError:
        below = tuple(child for name in _FIELDS[type(node)] for child in _nodes_in(getattr(node, name)))
        object.__setattr__(node, "_below", below)
        return below


def _nodes_in(value: object) -> Sequence[Node]:
    if isinstance(value, tuple):
        return [node for item in value for node in _nodes_in(item)]
    return (value,) if type(value) in _NODES else ()  # type: ignore[return-value]


_NODES = {Const, Series, Attribute, Limit, Window, Operation, Scaled, Comparison, Flag, Has, AllOf, AnyOf, Negated,
          Memory, Agree, ByDate, Function, InZone, Stay, During, Marked}  # fmt: skip
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in _NODES}


def implies(lower: Node, higher: Node) -> bool:
    """Whether `lower` being true makes `higher` true, for plain comparisons of one thing with constants."""
    if not (isinstance(lower, Comparison) and isinstance(higher, Comparison) and lower.left == higher.left):
        return False
    if not (isinstance(lower.right, Const) and isinstance(higher.right, Const)):
        return False
    a, b = lower.right.value, higher.right.value
    if not (isinstance(a, float) and isinstance(b, float)):
        return False
    if lower.op in (">", ">=") and higher.op in (">", ">="):
        return a > b or (a == b and not (lower.op == ">=" and higher.op == ">"))
    if lower.op in ("<", "<=") and higher.op in ("<", "<="):
        return a < b or (a == b and not (lower.op == "<=" and higher.op == "<"))
    return False


class WindowKey(NamedTuple):
    series: str
    size_ns: int
    closed: bool


def window_keys(nodes: Iterable[Node], own: bool) -> Mapping[str, tuple[WindowKey, ...]]:
    """The windows that these nodes need, by series: those of the subject itself, or those asked of neighbours."""
    keys: dict[str, list[WindowKey]] = {}
    for node in nodes:
        if isinstance(node, Window) and (not node.around.which) == own:
            key = WindowKey(node.series, node.size_ns, node.closed)
            if key not in keys.setdefault(node.series, []):
                keys[node.series].append(key)
    return {series: tuple(found) for series, found in keys.items()}


OF_NOW = ("nowcast", "hour_median", "hour_spread")
"""Window functions that ask what moment it is."""


NEWS = ("k-of-n", "ewma", "cusum", "soil-water", "unchanged", "expects", "residual")
"""Kinds that take each value once: they are pushed when a series that their operands read has a new value, not when the rule is
judged for another one. Their `told` is the newest time of those series that they have taken."""
