"""A rule as the engine sees it: checked, with every duration in ns and every number in the vocabulary's unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from hub.model import LEVELS, Device
from rules.calendars import Calendar
from rules.language import ir
from rules.language.types import Type

HOUR = 3_600_000_000_000
DEFAULT_HOLD_NS = 2 * HOUR
DEFAULT_LATE_NS = 2 * HOUR
DEFAULT_EXPIRE_NS = 24 * HOUR


Calls: TypeAlias = tuple[tuple[int, ...], ...]
"""By level: the waits (ns) before contact 2, 3 …; see `rules.language.calls`."""
NO_CALLS: Calls = ((),) * len(LEVELS)


@dataclass(frozen=True, slots=True)
class Select:
    """Which devices are a rule's subjects, or with `every` which zones or areas. Empty parts do not restrict."""

    kinds: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    every: str = ""
    """"zone" or "area": the places of that sort are the subjects, judged over the devices inside."""
    of: tuple[str, ...] = ()
    """Kinds of the devices inside that count."""

    def takes(self, device: Device, kind: str, zones: frozenset[str], every: str = "") -> bool:
        """Whether the device is a subject; `zones` are names and kinds of the zones it stands in. `every` says that it is
        a zone or an area itself."""
        if self.every != every:
            return False
        if not self.may_take(kind):
            return False
        if self.devices and not any(fnmatchcase(device.device, pattern) for pattern in self.devices):
            return False
        if (self.areas and device.area not in self.areas) or (self.operators and device.operator not in self.operators):
            return False
        if self.zones and not zones.intersection(self.zones):
            return False
        return all(_as_text(device.attributes.get(name)) == wanted for name, wanted in self.attributes)

    def may_take(self, kind: str) -> bool:
        """Whether a device of this kind is not ruled out by that alone."""
        return not self.kinds or kind in self.kinds or "*" in self.kinds

    def precision(self) -> tuple[bool | int, ...]:
        """How closely it names its devices, for comparison: one device before a pattern, that before attributes, zones,
        areas, operators and kinds."""
        named = bool(self.devices)
        exact = named and not any(set("*?[") & set(name) for name in self.devices)
        parts = (self.zones, self.areas, self.operators, self.kinds)
        return (exact, named, len(self.attributes), *(bool(part) and "*" not in part for part in parts))


def _as_text(value: float | str | None) -> str | None:
    return f"{value:g}" if isinstance(value, int | float) else value


@dataclass(frozen=True, slots=True)
class Condition:
    node: ir.Node
    for_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class LevelRule:
    """One level: what raises it, and what clears it (None: its own condition being certainly false)."""

    level: int  # index into hub.model.LEVELS
    when: Condition
    clear: Condition | None

    @property
    def name(self) -> str:
        return LEVELS[self.level]


@dataclass(frozen=True, slots=True)
class Hole:
    """`{depth:.0f cm}` in a title: a value, its format, and the change of unit."""

    name: str
    format: str
    unit: str
    factor: float
    shift: float


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule's thresholds come from, for observations before `until` (ns; None: for good)."""

    until: int | None
    fields: dict[str, str]


@dataclass(slots=True)
class Tracing:
    """`attribute:`: who may have emitted the metric that rises, and which wind says so. The figures are house defaults."""

    metric: str
    candidates: Select
    within_m: float = 5_000.0
    wind_kinds: tuple[str, ...] = ("weather-station", "air-station")
    wind_within_m: float = 20_000.0
    wind_over_ns: int = HOUR
    pick: int = 3


@dataclass(slots=True)
class Rule:
    """One rule. `name` is `pack/rule`; a silence alert of the rule is named `pack/rule:silent`."""

    name: str
    file: str
    line: int
    column: int
    text: str
    digest: str
    select: Select
    title: tuple[str | Hole, ...] = ()
    title_zh: tuple[str | Hole, ...] = ()
    """The title in Chinese; empty where the rule has none, and `title` stands in."""
    about: str = ""
    levels: tuple[LevelRule, ...] = ()
    lets: dict[str, tuple[ir.Node, Type]] = field(default_factory=dict)
    let_texts: dict[str, str] = field(default_factory=dict)
    let_zh: dict[str, str] = field(default_factory=dict)
    """What names of `let` are called in Chinese."""
    memories: tuple[ir.Memory, ...] = ()
    silent_ns: int | None = None
    silent_level: int = 0
    silent_exactly: bool = False
    """Whether a device's own habit of pausing makes no difference."""
    hold_ns: int = DEFAULT_HOLD_NS
    late_ns: int = DEFAULT_LATE_NS
    expire_ns: int = DEFAULT_EXPIRE_NS
    wait_ns: int = 0
    """How late readings may come and still be judged in the order in which they were observed; 0: judged on arrival."""
    any_quality: bool = False
    sources: tuple[Source, ...] = ()
    cap: dict[str, Any] = field(default_factory=dict)
    cameras: dict[str, Any] = field(default_factory=dict)
    tracing: Tracing | None = None
    calls: Calls | None = None
    """None: what a `call` entry of the book says of it."""
    _own: frozenset[str] | None = field(default=None, compare=False)
    _inside: frozenset[str] | None = field(default=None, compare=False)
    _needs: tuple[frozenset[str], ...] | None = field(default=None, init=False, compare=False)
    compiled: Any = field(default=None, init=False, compare=False, repr=False)
    """Its functions (`codegen.Compiled`), made once for every engine of the process: partitions, lanes and a restored one want the same."""

    @property
    def silent_name(self) -> str:
        return self.name + ":silent"

    def nodes(self) -> list[ir.Node]:
        """Every node of the rule's conditions and lets."""
        roots: list[ir.Node] = [level.when.node for level in self.levels]
        roots += [level.clear.node for level in self.levels if level.clear]
        roots += [node for node, _ in self.lets.values()]
        return [node for root in roots for node in ir.walk(root)]

    def conditions(self) -> list[ir.Node]:
        """Every node of the rule's conditions (lets that no condition uses are left out)."""
        roots: list[ir.Node] = [level.when.node for level in self.levels]
        roots += [level.clear.node for level in self.levels if level.clear]
        return [node for root in roots for node in ir.walk(root)]

    def own_series(self) -> frozenset[str]:
        """Series of the subject itself that its conditions read; a reading with one of them has the rule judged."""
        if self._own is None:
            own = set()
            for root in [c.node for level in self.levels for c in (level.when, level.clear) if c]:
                own |= own_series(root)
            self._own = frozenset(own)
        return self._own

    def series_inside(self) -> frozenset[str]:
        """Series that a rule about places asks of the devices inside; empty for other rules."""
        if self._inside is None:
            found: set[str] = set()
            for node in self.nodes() if self.select.every else ():
                if isinstance(node, ir.Window):
                    found.add(node.series)
                elif isinstance(node, ir.Agree):
                    found |= {n.series for n in ir.walk(node.condition) if isinstance(n, ir.Series | ir.Window)}
            self._inside = frozenset(found)
        return self._inside

    def on_any_reading(self) -> bool:
        """Whether every reading of the subject has it judged: it asks for marks, or for nothing but where the subject is."""
        nodes = self.conditions()
        return any(isinstance(node, ir.Marked) for node in nodes) or (
            not self.own_series() and any(isinstance(node, ir.InZone | ir.Stay) for node in nodes)
        )

    def calendars(self) -> list[Calendar]:
        """The calendars that it asks for, by name."""
        found = {node.calendar.name: node.calendar for node in self.nodes() if isinstance(node, ir.During)}
        return [found[name] for name in sorted(found)]

    def attributes_of(self, level: LevelRule) -> frozenset[str]:
        """Attributes of the subject that this level compares with (not those of the devices it asks)."""
        roots = [level.when.node] + ([level.clear.node] if level.clear else [])
        return frozenset(name for root in roots for name in _own_attributes(root))

    def needs(self) -> tuple[frozenset[str], ...]:
        """The attributes that each level compares with."""
        if self._needs is None:
            self._needs = tuple(self.attributes_of(level) for level in self.levels)
        return self._needs

    def source_at(self, at: int) -> dict[str, str]:
        """The source of the edition in force when something was observed."""
        for source in self.sources:
            if source.until is None or at < source.until:
                return source.fields
        return {}


def own_series(node: ir.Node) -> set[str]:
    """Series that a node reads of the subject itself, not of its neighbours."""
    if isinstance(node, ir.Agree):
        return set()
    if isinstance(node, ir.Window) and node.around.which:
        return set()
    if isinstance(node, ir.Series | ir.Window):
        return {node.series}
    found: set[str] = set()
    for child in ir.children(node):
        found |= own_series(child)
    return found


def _own_attributes(node: ir.Node) -> set[str]:
    if isinstance(node, ir.Agree):
        return set()
    if isinstance(node, ir.Attribute):
        return {node.name}
    return {name for child in ir.children(node) for name in _own_attributes(child)}


@dataclass(slots=True)
class Derivation:
    """`derive:`: a metric that the engine computes of each reading of its subjects."""

    name: str
    file: str
    line: int
    text: str
    digest: str
    metric: str
    select: Select
    node: ir.Node
    hold_ns: int = DEFAULT_HOLD_NS

    def own_series(self) -> frozenset[str]:
        return frozenset(own_series(self.node))


@dataclass(frozen=True, slots=True)
class QualityEntry:
    """`quality:`: tests of a metric set for some devices. `settings` are fields of `rules.qartod.Settings`."""

    name: str
    file: str
    line: int
    column: int
    metric: str
    select: Select
    settings: tuple[tuple[str, Any], ...]
    texts: tuple[tuple[str, str], ...]
    """Each key as it was written."""


@dataclass(frozen=True, slots=True)
class CallEntry:
    """`call:` as an entry of its own, for rules whose names fit one of the patterns and that say nothing themselves."""

    rules: tuple[str, ...]
    calls: Calls

    def fits(self, rule: str) -> bool:
        return any(fnmatchcase(rule, pattern) for pattern in self.rules)
