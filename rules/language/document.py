"""Rule files: every key of a rule read, checked and named; every mistake of a file found at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

import yaml

from hub.metrics import nearest, vocabulary
from hub.model import LEVELS
from hub.moment import from_text, to_text
from hub.units import UnitError
from rules.calendars import Calendar
from rules.language import grammar as g
from rules.language import ir
from rules.language import types as t
from rules.language.calendars import is_calendar
from rules.language.calls import read_call_entry, read_calls
from rules.language.entry import EntryReader
from rules.language.places import Document, Entry, unknown
from rules.language.response import read_cameras, read_cap
from rules.language.rule import (
    DEFAULT_HOLD_NS,
    HOUR,
    CallEntry,
    Condition,
    Derivation,
    Hole,
    LevelRule,
    QualityEntry,
    Rule,
    Source,
)
from rules.language.settings import SettingsReader
from rules.language.tracing import read_tracing

RULE_KEYS = ("rule", "title", "title_zh", "about", "for_each", "let", "let_zh", "editions", "levels", "clear", "silent", "hold", "late", "wait", "expire", "quality", "source", "cap", "cameras", "call", "attribute")  # fmt: skip
DERIVE_KEYS = ("derive", "about", "for_each", "value", "hold", "source")
MAX_WAIT_NS = 24 * HOUR
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_HOLE = re.compile(r"\{([^{}]*)\}")
_FORMAT = re.compile(r"([0-9.]*[fgde]?)\s*(.*)\Z")


@dataclass
class Entries:
    """What one rule file holds."""

    rules: list[Rule] = field(default_factory=list)
    derivations: list[Derivation] = field(default_factory=list)
    qualities: list[QualityEntry] = field(default_factory=list)
    calls: list[CallEntry] = field(default_factory=list)


def metrics_of_places(document: Document) -> frozenset[str]:
    """The metrics that a file derives of places: read before all rules, since any may read them. Mistakes are left for `read_rules`."""
    found = set()
    for node in document.root.value if isinstance(document.root, yaml.SequenceNode) else ():
        entries = node.value if isinstance(node, yaml.MappingNode) else ()
        keys = {key.value: value for key, value in entries if isinstance(key, yaml.ScalarNode)}
        derive, select = keys.get("derive"), keys.get("for_each")
        of_places = isinstance(select, yaml.MappingNode) and any(key.value == "every" for key, _ in select.value)
        if isinstance(derive, yaml.ScalarNode) and of_places:
            found.add(str(derive.value))
    return frozenset(found)


def read_rules(
    document: Document,
    pack: str,
    calendars: Mapping[str, Calendar] = MappingProxyType({}),
    measured: frozenset[str] = frozenset(),
) -> Entries:
    """The entries of one file, rules named `pack/rule`. Mistakes are kept in the document. `calendars` and `measured` (metrics derived of
    places) are those of the whole book, which were read before."""
    found = Entries()
    if document.root is None:
        return found
    for node in document.items(document.root, "a rule file"):
        if is_calendar(node):
            continue
        entries = {entry.key: entry for entry in document.entries(node, "a rule")}
        if "derive" in entries:
            derivation = RuleReader(document, pack, node, entries, calendars, measured).derivation()
            if derivation:
                found.derivations.append(derivation)
        elif "quality" in entries and "rule" not in entries:
            quality = SettingsReader(EntryReader(document, pack, node, entries, calendars)).read()
            if quality:
                found.qualities.append(quality)
        elif "call" in entries and "rule" not in entries:
            call = read_call_entry(EntryReader(document, pack, node, entries, calendars))
            if call:
                found.calls.append(call)
        elif "rule" in entries:
            rule = RuleReader(document, pack, node, entries, calendars, measured).rule()
            if rule:
                found.rules.append(rule)
        elif isinstance(node, yaml.MappingNode):
            known = "'rule: name', 'derive: metric', 'quality: metric', 'calendar: name' or 'call: 10 min'"
            document.wrong(node, f"an entry starts with {known}")
    return found


class RuleReader(EntryReader):
    """Reads one rule. A rule with any mistake is not built; the others of the file still are."""

    def rule(self) -> Rule | None:
        self.known_keys(RULE_KEYS)
        entry = self.entries["rule"]
        short = self._name(entry)
        text = self.document.text[self.node.start_mark.index : self.node.end_mark.index].rstrip()
        line, column = self.document.locate(entry.key_node)
        self.select = self.select_of(places=True)
        self.any_quality = self.word("quality", ("good", "any"), "good") == "any"
        self.hold_ns = self.duration("hold", DEFAULT_HOLD_NS)
        sources = self._editions_and_lets()
        rule = Rule(
            name=f"{self.pack}/{short}",
            file=self.document.file,
            line=line,
            column=column,
            text=text,
            digest=_digest(text),
            select=self.select,
            about=self.plain_text("about"),
            levels=self._levels(),
            lets=self.lets,
            let_texts=self.let_texts,
            hold_ns=self.hold_ns,
            late_ns=self.duration("late", 2 * HOUR),
            expire_ns=self.duration("expire", 24 * HOUR),
            wait_ns=self._wait(),
            any_quality=self.any_quality,
            sources=sources,
            cap=read_cap(self, self.entries["cap"].value) if "cap" in self.entries else {},
            cameras=read_cameras(self, self.entries["cameras"].value) if "cameras" in self.entries else {},
            tracing=read_tracing(self, self.entries["attribute"].value) if "attribute" in self.entries else None,
            calls=read_calls(self, self.entries["call"].value) if "call" in self.entries else None,
        )
        rule.silent_ns, rule.silent_level, rule.silent_exactly = self._silent()
        rule.title = self._title(short)
        rule.title_zh = self._template("title_zh") if "title_zh" in self.entries else ()
        rule.let_zh = self._names_zh()
        rule.memories = tuple(self.memories)
        rule.digest = _digest(text + _calendars_of(rule.nodes()))
        if "levels" not in self.entries and rule.silent_ns is None:
            self.document.wrong(self.node, f"{rule.name} has neither levels nor silent: it can never warn")
        if (
            len(self.document.mistakes) == self.seen
            and (rule.levels or rule.select.every)
            and not rule.own_series()
            and not any(_wakes(node) for node in rule.conditions())
        ):
            message = "no condition reads a metric of the subject itself, so nothing would have it judged"
            if rule.select.every:
                message = "no level asks the devices inside anything, so nothing would have it judged"
            self.document.wrong(self.entries["levels"].key_node if rule.levels else self.node, message)
        return rule if len(self.document.mistakes) == self.seen else None

    def derivation(self) -> Derivation | None:
        self.known_keys(DERIVE_KEYS)
        entry = self.entries["derive"]
        metric = self.document.text_of(entry.value, "derive") or ""
        found = vocabulary().get(metric)
        if found is None or found.type != "number":
            self.document.wrong(entry.value, f"{metric!r} is not a metric with a number{nearest(metric)}")
        self.select = self.select_of(places=True)
        self.hold_ns = self.duration("hold", DEFAULT_HOLD_NS)
        node: ir.Node = ir.Const(0.0)
        if "value" not in self.entries:
            self.document.wrong(self.node, "derive needs a value")
        else:
            value = self.entries["value"].value
            scope = self.scope(value)
            scope.measuring = self.select.every != ""
            clause = self.parse(value)
            if clause is not None:
                node, kind = scope.number(clause.condition)
                if found is not None and found.type == "number" and kind.kind == "number":
                    node = scope._to(clause.condition, node, kind, t.quantity(found.unit))
        if self.memories:
            self.document.wrong(self.node, "a derived metric cannot use operators with a memory")
        text = self.document.text[self.node.start_mark.index : self.node.end_mark.index].rstrip()
        line, _ = self.document.locate(entry.key_node)
        result = Derivation(
            f"{self.pack}/{metric}",
            self.document.file,
            line,
            text,
            _digest(text + _calendars_of(ir.walk(node))),
            metric,
            self.select,
            node,
            self.hold_ns,
        )
        return result if len(self.document.mistakes) == self.seen else None

    # ------------------------------------------------------------------------------------------ words

    def _name(self, entry: Entry) -> str:
        name = self.document.text_of(entry.value, "rule") or "unnamed"
        if not _NAME.match(name):
            self.document.wrong(entry.value, f"{name!r} is not a rule name; lower-case letters, digits and hyphens")
        return name

    def _wait(self) -> int:
        if "wait" not in self.entries:
            return 0
        wait_ns, entry = self.duration("wait", 0), self.entries["wait"]
        if wait_ns > MAX_WAIT_NS:
            self.document.wrong(entry.value, f"a rule may wait for {t.seconds_text(MAX_WAIT_NS)} at most")
        if "levels" not in self.entries:
            self.document.wrong(entry.key_node, "only levels wait; silence is measured on arrival")
        return wait_ns

    # ------------------------------------------------------------------------------------------ expressions

    def _editions_and_lets(self) -> tuple[Source, ...]:
        """Reads `let` and `editions`; an edition's lets hold for what was observed before its `until`."""
        base = list(self.document.entries(self.entries["let"].value, "let")) if "let" in self.entries else []
        editions: list[tuple[int | None, dict[str, Entry], dict[str, str] | None]] = []
        if "editions" in self.entries:
            editions = [self._edition(node) for node in self.document.items(self.entries["editions"].value, "editions")]
            self._ordered(editions)
        by_name: dict[str, list[tuple[int | None, Entry]]] = {}
        for entry in base:
            by_name[entry.key] = [(None, entry)]
        for until, lets, _ in editions:
            for name, entry in lets.items():
                slot = by_name.setdefault(name, [])
                if slot and slot[0][0] is None and slot[0][1] in base:
                    slot.clear()
                slot.append((until, entry))
        ordered = [name for _, lets, _ in editions for name in lets] + [entry.key for entry in base]
        for name in dict.fromkeys(ordered):
            self._let(name, by_name[name])
        source = self._source(self.entries["source"].value) if "source" in self.entries else {}
        if not editions:
            return (Source(None, source),)
        return tuple(Source(until, {**source, **(fields or {})}) for until, _, fields in editions)

    def _edition(self, node: yaml.Node) -> tuple[int | None, dict[str, Entry], dict[str, str] | None]:
        until: int | None = None
        lets: dict[str, Entry] = {}
        source: dict[str, str] | None = None
        for entry in self.document.entries(node, "an edition"):
            if entry.key == "until":
                text = self.document.text_of(entry.value, "until") or ""
                try:
                    until = from_text(text)
                except ValueError as error:
                    self.document.wrong(entry.value, str(error))
            elif entry.key == "let":
                lets = {e.key: e for e in self.document.entries(entry.value, "let")}
            elif entry.key == "source":
                source = self._source(entry.value)
            else:
                self.document.wrong(entry.key_node, unknown("key of an edition", entry.key, ("until", "let", "source")))
        return until, lets, source

    def _ordered(self, editions: list[tuple[int | None, dict[str, Entry], dict[str, str] | None]]) -> None:
        node = self.entries["editions"].key_node
        untils = [until for until, _, _ in editions]
        if not untils or untils[-1] is not None or None in untils[:-1]:
            self.document.wrong(node, "every edition but the last needs 'until', and the last none")
        elif any(a >= b for a, b in pairwise(untils[:-1])):  # type: ignore[operator]
            self.document.wrong(node, "editions stand in the order of their 'until'")
        if len({frozenset(lets) for _, lets, _ in editions}) > 1:
            self.document.wrong(node, "every edition defines the same names under let")

    def _let(self, name: str, given: list[tuple[int | None, Entry]]) -> None:
        cases: list[tuple[int | None, ir.Node]] = []
        kind = t.UNKNOWN
        for until, entry in given:
            if name == "level" or not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
                self.document.wrong(
                    entry.key_node, f"{name!r} cannot be defined; lower-case letters, digits and _, and not 'level'"
                )
            clause = self.parse(entry.value)
            if clause is None:
                continue
            if clause.duration:
                self.document.wrong(entry.value, "'for' belongs to a level, not to let")
            scope = self.scope(entry.value)
            node, this = scope.value(clause.condition)
            if cases and kind.kind == this.kind == "number":
                node = scope._to(clause.condition, node, this, kind)
            else:
                kind = this
            cases.append((until, node))
            said = str(entry.value.value)
            if until is not None:
                said += f" until {to_text(until)}"
            self.let_texts[name] = f"{self.let_texts[name]}, then {said}" if name in self.let_texts else said
        if cases:
            dated = tuple((until, node) for until, node in cases if until is not None)
            self.lets[name] = (ir.ByDate(dated, cases[-1][1]) if dated else cases[-1][1], kind)
        else:
            self.lets[name] = (ir.Const(0.0), t.UNKNOWN)

    def _levels(self) -> tuple[LevelRule, ...]:
        if "levels" not in self.entries:
            return ()
        conditions: dict[int, Condition] = {}
        nodes: dict[int, yaml.Node] = {}
        for entry in self.document.entries(self.entries["levels"].value, "levels"):
            if entry.key not in LEVELS:
                self.document.wrong(entry.key_node, unknown("level", entry.key, LEVELS))
                continue
            condition = self._condition(entry.value)
            if condition:
                conditions[LEVELS.index(entry.key)] = condition
                nodes[LEVELS.index(entry.key)] = entry.value
        self._overtaken(conditions, nodes)
        return tuple(LevelRule(i, conditions[i], self._clear(i, conditions[i])) for i in sorted(conditions))

    def _condition(
        self, node: yaml.Node, find_level: Callable[[ir.Node], ir.Node | None] | None = None, level: str = ""
    ) -> Condition | None:
        clause = self.parse(node)
        if clause is None:
            return None
        scope = self.scope(node)
        scope.find_level, scope.level_name = find_level, level
        condition = scope.condition(clause.condition)
        for_ns = scope.duration(clause.duration) if clause.duration else 0
        return Condition(condition, for_ns, " ".join(str(node.value).split()))

    def _clear(self, index: int, level: Condition) -> Condition | None:
        """The level's clear condition: one for all levels, or one of a mapping by level."""
        if "clear" not in self.entries:
            return None
        before = len(self.document.mistakes)
        node = self.entries["clear"].value
        if isinstance(node, yaml.MappingNode):
            entries = {entry.key: entry for entry in self.document.entries(node, "clear")}
            for entry in entries.values():
                if entry.key not in LEVELS:
                    self.document.wrong(entry.key_node, unknown("level", entry.key, LEVELS))
            if LEVELS[index] not in entries:
                self._once(before)
                return None
            node = entries[LEVELS[index]].value

        def threshold(operand: ir.Node) -> ir.Node | None:
            for found in ir.walk(level.node):
                if isinstance(found, ir.Comparison) and found.left == operand:
                    return found.right
            return None

        condition = self._condition(node, threshold, LEVELS[index])
        self._once(before)
        return condition

    def _once(self, before: int) -> None:
        """Drop mistakes made since `before` that were known already: a clear is read once for each level."""
        known, fresh = self.document.mistakes[:before], self.document.mistakes[before:]
        self.document.mistakes[before:] = [mistake for mistake in fresh if mistake not in known]

    def _overtaken(self, conditions: dict[int, Condition], nodes: dict[int, yaml.Node]) -> None:
        """A level whose threshold a higher level reaches first can never be the level."""
        for low, lower in conditions.items():
            for high, higher in conditions.items():
                if low < high and higher.for_ns <= lower.for_ns and ir.implies(lower.node, higher.node):
                    self.document.wrong(
                        nodes[low], f"{LEVELS[low]} can never be reached: whenever it holds, {LEVELS[high]} holds too"
                    )

    # ------------------------------------------------------------------------------------------ the rest of a rule

    def _silent(self) -> tuple[int | None, int, bool]:
        if "silent" not in self.entries:
            return None, 0, False
        node = self.entries["silent"].value
        if isinstance(node, yaml.ScalarNode):
            return self.duration_of(node, "silent"), 0, False
        after, level, exactly = None, 0, False
        for entry in self.document.entries(node, "silent"):
            if entry.key == "after":
                after = self.duration_of(entry.value, "after")
            elif entry.key == "level" and entry.value.value in LEVELS:
                level = LEVELS.index(str(entry.value.value))
            elif entry.key == "exactly" and entry.value.value in ("true", "false"):
                exactly = entry.value.value == "true"
            else:
                self.document.wrong(entry.key_node, "silent is a duration, or {after: 15 min, level: yellow}")
        if after is None:
            self.document.wrong(node, "silent needs 'after', such as 15 min")
        return after, level, exactly

    def _source(self, node: yaml.Node) -> dict[str, str]:
        fields: dict[str, str] = {}
        for entry in self.document.entries(node, "source"):
            text = self.document.text_of(entry.value, entry.key)
            if text is not None:
                fields[entry.key] = text
        return fields

    def _title(self, short: str) -> tuple[str | Hole, ...]:
        if "title" not in self.entries:
            return (Hole("subject.name", "", "", 1.0, 0.0), f": {short} ", Hole("level", "", "", 1.0, 0.0))
        return self._template("title")

    def _template(self, key: str) -> tuple[str | Hole, ...]:
        node = self.entries[key].value
        template = self.document.text_of(node, key) or ""
        parts: list[str | Hole] = []
        position = 0
        for match in _HOLE.finditer(template):
            parts.append(template[position : match.start()])
            hole = self._hole(node, match)
            if hole:
                parts.append(hole)
            position = match.end()
        parts.append(template[position:])
        return tuple(part for part in parts if part != "")

    def _names_zh(self) -> dict[str, str]:
        names: dict[str, str] = {}
        if "let_zh" not in self.entries:
            return names
        for entry in self.document.entries(self.entries["let_zh"].value, "let_zh"):
            if entry.key not in self.let_texts:
                self.document.wrong(entry.key_node, f"let has no name {entry.key!r}")
            names[entry.key] = self.document.text_of(entry.value, entry.key) or entry.key
        return names

    def _hole(self, node: yaml.Node, match: re.Match[str]) -> Hole | None:
        name, _, form = match.group(1).partition(":")
        name = name.strip()
        if name.startswith("subject."):
            if name not in ("subject.name", "subject.id", "subject.kind", "subject.area", "subject.operator"):
                self.document.wrong(
                    node, f"{name!r} is not known; subject has name, id, kind, area and operator", match.start()
                )
            return Hole(name, "", "", 1.0, 0.0)
        if name in ("level", "rule"):
            return Hole(name, "", "", 1.0, 0.0)
        scope = self.scope(node)
        value, kind = scope.name(g.Name(name, match.start() + 1))
        if name not in self.lets:
            self.lets[name] = (value, kind)
        parsed = _FORMAT.match(form.strip())
        assert parsed is not None
        digits, symbol = parsed.group(1), parsed.group(2).strip()
        if not symbol or kind.kind != "number":
            return Hole(name, digits, symbol, 1.0, 0.0)
        try:
            fit = t.scale(kind, t.quantity(symbol))
        except UnitError as error:
            self.document.wrong(node, str(error), match.start())
            return None
        if fit is None:
            self.document.wrong(node, f"{name} is {kind.shown()}, it cannot be shown in {symbol}", match.start())
            return None
        return Hole(name, digits, symbol, *fit)


def _wakes(node: ir.Node) -> bool:
    """Whether something other than the subject's own metrics has a rule with this node judged."""
    if isinstance(node, ir.Window | ir.Agree):
        return node.around.which in ("upstream", "inside")
    return isinstance(node, ir.Marked | ir.InZone | ir.Stay)


def _calendars_of(nodes: Iterable[ir.Node]) -> str:
    """The texts of the calendars that these nodes ask for: another calendar makes another rule."""
    texts = {node.calendar.name: node.calendar.text for node in nodes if isinstance(node, ir.During)}
    return "".join(f"\n{texts[name]}" for name in sorted(texts))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
