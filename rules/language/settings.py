"""`quality:` entries of rule files: what an operator knows of a metric at some devices, better than the house defaults.

    - quality: water_level
      for_each: {kind: river-gauge, device: "gauge-7"}
      range: {suspect: [0 m, 8 m], fail: [-1 m, 15 m]}    # ~ leaves an end open
      climatology: {winter: [0 m, 3 m], jun-sep: [0 m, 6 m]}
      spike: {suspect: 50 cm, fail: 3 m, alone: 50 cm, within: 1 h}
      rate: 1 m/min
      flat: {suspect: 12 h, fail: 24 h}
      gap: 2 h
      neighbours: 20 km

Each key may be `off`. What an entry leaves out stays as it is. `rules.qartod` says what the tests are.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import yaml

from hub.metrics import nearest, vocabulary
from rules.language import grammar as g
from rules.language import ir
from rules.language import types as t
from rules.language.entry import EntryReader
from rules.language.rule import QualityEntry
from rules.language.types import Type

TESTS = ("range", "climatology", "spike", "rate", "flat", "gap", "neighbours")
QUALITY_KEYS = ("quality", "about", "for_each", *TESTS)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
SEASONS = {"winter": (11, 0, 1), "spring": (2, 3, 4), "summer": (5, 6, 7), "autumn": (8, 9, 10)}
"""Meteorological seasons of the northern half of the earth; months elsewhere."""
MAX_NEIGHBOURS_M = 200_000.0

Found = dict[str, Any]


class SettingsReader:
    """Reads one entry; `reader` knows the file, its mistakes, and the selection language of rules."""

    def __init__(self, reader: EntryReader) -> None:
        self.reader = reader
        self.document = reader.document
        self.metric = Type("?")

    def read(self) -> QualityEntry | None:
        """The entry, None where it has a mistake."""
        reader, before = self.reader, len(self.document.mistakes)
        reader.known_keys(QUALITY_KEYS)
        entry = reader.entries["quality"]
        metric = self.document.text_of(entry.value, "quality") or ""
        known = vocabulary().get(metric)
        if known is None or known.type != "number":
            self.document.wrong(entry.value, f"{metric!r} is not a metric with a number{nearest(metric)}")
        else:
            self.metric = t.quantity(known.unit)
        given = {key: reader.entries[key].value for key in TESTS if key in reader.entries}
        if not given:
            self.document.wrong(reader.node, f"quality {metric} sets nothing; known are {', '.join(TESTS)}")
        found: Found = {}
        for key, node in given.items():
            off = isinstance(node, yaml.ScalarNode) and node.value in ("off", "false")
            found |= OFF[key] if off else _READERS[key](self, node)
        select = reader.select_of()
        if len(self.document.mistakes) > before:
            return None
        line, column = self.document.locate(entry.key_node)
        return QualityEntry(
            name=f"{reader.pack}/quality:{metric}",
            file=self.document.file,
            line=line,
            column=column,
            metric=metric,
            select=select,
            settings=tuple(found.items()),
            texts=tuple((key, self._text(node)) for key, node in given.items()),
        )

    def _text(self, node: yaml.Node) -> str:
        return " ".join(self.document.text[node.start_mark.index : node.end_mark.index].split())

    # ------------------------------------------------------------------------------------------ the tests

    def range(self, node: yaml.Node) -> Found:
        found: Found = {}
        for key, value in self._parts(node, "range", ("suspect", "fail")).items():
            low, high = self._bounds(value)
            found |= {"low": low, "high": high} if key == "fail" else {"suspect_low": low, "suspect_high": high}
        outer = found.get("low", -inf), found.get("high", inf)
        inner = found.get("suspect_low", -inf), found.get("suspect_high", inf)
        if found and len(found) == 4 and not (outer[0] <= inner[0] and inner[1] <= outer[1]):
            self.document.wrong(node, "what is suspect lies inside what fails")
        return found

    def climatology(self, node: yaml.Node) -> Found:
        months: list[tuple[float, float] | None] = [None] * 12
        for entry in self.document.entries(node, "climatology"):
            bounds = self._bounds(entry.value)
            chosen = _months(entry.key)
            if not chosen:
                message = f"{entry.key!r} is no month or season; write jan, jun-sep or winter"
                self.document.wrong(entry.key_node, message)
            for month in chosen:
                if months[month] is not None:
                    self.document.wrong(entry.key_node, f"{MONTHS[month]} is given twice")
                months[month] = bounds
        return {"climatology": tuple(months)}

    def spike(self, node: yaml.Node) -> Found:
        difference = t.difference(self.metric)
        if isinstance(node, yaml.ScalarNode):
            return {"jump": self._amount(node, difference)}
        found: Found = {}
        for key, value in self._parts(node, "spike", ("suspect", "fail", "alone", "within")).items():
            if key == "within":
                found["jump_within_s"] = self._seconds(value, "within")
            else:
                found[{"suspect": "jump", "fail": "spike_fail", "alone": "alone"}[key]] = self._amount(
                    value, difference
                )
        return found

    def rate(self, node: yaml.Node) -> Found:
        return {"rate": self._amount(node, t.per_time(self.metric)) if self.metric.kind == "number" else inf}

    def flat(self, node: yaml.Node) -> Found:
        if isinstance(node, yaml.ScalarNode):
            return {"flat_suspect_s": self._seconds(node, "flat"), "flat_fail_s": inf}
        parts = self._parts(node, "flat", ("suspect", "fail"))
        seconds = {key: self._seconds(value, key) for key, value in parts.items()}
        suspect, fail = seconds.get("suspect"), seconds.get("fail", inf)
        if suspect is not None and suspect > fail:
            self.document.wrong(node, "what fails has stood still for longer than what is suspect")
        return {"flat_suspect_s": fail if suspect is None else suspect, "flat_fail_s": fail}

    def gap(self, node: yaml.Node) -> Found:
        return {"gap_s": self._seconds(node, "gap")}

    def neighbours(self, node: yaml.Node) -> Found:
        metres = self._amount(node, t.quantity("m"))
        if not metres <= MAX_NEIGHBOURS_M:
            self.document.wrong(node, f"neighbours may be up to {MAX_NEIGHBOURS_M / 1000:g} km away")
        return {"neighbours_m": metres}

    # ------------------------------------------------------------------------------------------ numbers with units

    def _parts(self, node: yaml.Node, what: str, known: tuple[str, ...]) -> dict[str, yaml.Node]:
        parts: dict[str, yaml.Node] = {}
        for entry in self.document.entries(node, what):
            if entry.key in known:
                parts[entry.key] = entry.value
            else:
                self.document.wrong(
                    entry.key_node, f"unknown key {entry.key!r} of {what}; known are {', '.join(known)}"
                )
        return parts

    def _bounds(self, node: yaml.Node) -> tuple[float, float]:
        ends = self.document.items(node, "a range such as [0 m, 8 m]")
        if len(ends) != 2:
            if isinstance(node, yaml.SequenceNode):
                self.document.wrong(node, "a range has two ends, such as [0 m, 8 m]; ~ leaves one open")
            return -inf, inf
        low, high = (
            open_end if isinstance(end, yaml.ScalarNode) and end.value in ("~", "") else self._number(end, self.metric)
            for end, open_end in zip(ends, (-inf, inf), strict=True)
        )
        if low >= high:
            self.document.wrong(node, "the lower end comes first")
        return low, high

    def _amount(self, node: yaml.Node, target: Type) -> float:
        number = self._number(node, target)
        if not number > 0:
            self.document.wrong(node, "a number above 0 is needed here")
        return number

    def _number(self, node: yaml.Node, target: Type) -> float:
        """A number in the target's unit; 1 (and a mistake) where it is none."""
        clause = self.reader.parse(node)
        if clause is None or self.metric.kind != "number":
            return 1.0
        tree, sign = clause.condition, 1.0
        if isinstance(tree, g.Negative):
            tree, sign = tree.operand, -1.0
        if not isinstance(tree, g.Quantity) or clause.duration:
            self.document.wrong(node, f"a number is needed here, such as 5 {target.symbol}".rstrip())
            return 1.0
        literal = g.Quantity(sign * tree.value, tree.unit, tree.at)
        scope = self.reader.scope(node)
        value, kind = scope.literal(literal)
        made = scope._to(literal, value, kind, target) if kind.kind == "number" else value
        return made.value if isinstance(made, ir.Const) and isinstance(made.value, float) else 1.0

    def _seconds(self, node: yaml.Node, key: str) -> float:
        return self.reader.duration_of(node, key) / 1e9


def _months(word: str) -> tuple[int, ...]:
    """Months (0 to 11) that a key of climatology names: a season, a month, or a span such as nov-feb."""
    if word in SEASONS:
        return SEASONS[word]
    first, _, last = word.partition("-")
    if first not in MONTHS or (last or first) not in MONTHS:
        return ()
    start = MONTHS.index(first)
    length = (MONTHS.index(last or first) - start) % 12 + 1
    return tuple((start + offset) % 12 for offset in range(length))


OFF: dict[str, Found] = {
    "range": {"low": -inf, "high": inf, "suspect_low": -inf, "suspect_high": inf},
    "climatology": {"climatology": ()},
    "spike": {"jump": inf, "spike_fail": inf, "alone": inf},
    "rate": {"rate": inf},
    "flat": {"flat_suspect_s": 0.0, "flat_fail_s": inf},
    "gap": {"gap_s": inf},
    "neighbours": {"neighbours_m": 0.0},
}
_READERS: dict[str, Callable[[SettingsReader, yaml.Node], Found]] = {
    "range": SettingsReader.range, "climatology": SettingsReader.climatology, "spike": SettingsReader.spike,
    "rate": SettingsReader.rate, "flat": SettingsReader.flat, "gap": SettingsReader.gap,
    "neighbours": SettingsReader.neighbours,
}  # fmt: skip
