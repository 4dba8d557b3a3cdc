"""One entry of a rule file: its keys, words, durations, distances, selections and expressions, every mistake named."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from hub.units import UnitError
from rules.calendars import Calendar
from rules.language import grammar as g
from rules.language import ir
from rules.language import types as t
from rules.language.functions import Scope
from rules.language.places import Document, Entry, unknown
from rules.language.rule import DEFAULT_HOLD_NS, Select
from rules.language.types import Type

SELECT_KEYS = ("kind", "device", "area", "zone", "operator", "attribute", "every")
PLACE_KEYS = {"zone": ("every", "kind", "zone", "attribute", "of"), "area": ("every", "area", "of")}
"""What may restrict `every: zone` and `every: area`; `of` are the kinds of the devices inside that count."""


class EntryReader:
    """What every sort of entry (rule, derivation, quality, call) is read with. Mistakes are kept in the document."""

    def __init__(
        self,
        document: Document,
        pack: str,
        node: yaml.Node,
        entries: dict[str, Entry],
        calendars: Mapping[str, Calendar],
        measured: frozenset[str] = frozenset(),
    ) -> None:
        self.document = document
        self.calendars = calendars
        self.measured = measured
        """Metrics that the book derives of places."""
        self.pack = pack
        self.node = node
        self.entries = entries
        self.memories: list[ir.Memory] = []
        self.lets: dict[str, tuple[ir.Node, Type]] = {}
        self.let_texts: dict[str, str] = {}
        self.seen = len(document.mistakes)
        self.any_quality = False
        self.hold_ns = DEFAULT_HOLD_NS
        self.select = Select()

    def known_keys(self, known: tuple[str, ...]) -> None:
        for entry in self.entries.values():
            if entry.key not in known:
                self.document.wrong(entry.key_node, unknown("key", entry.key, known))

    def plain_text(self, key: str) -> str:
        return (self.document.text_of(self.entries[key].value, key) or "").strip() if key in self.entries else ""

    def word(self, key: str, known: tuple[str, ...], default: str) -> str:
        if key not in self.entries:
            return default
        word = self.document.text_of(self.entries[key].value, key) or default
        if word not in known:
            self.document.wrong(self.entries[key].value, unknown(key, word, known))
        return word

    def texts(self, node: yaml.Node, what: str) -> tuple[str, ...]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        return tuple(text for item in nodes if (text := self.document.text_of(item, what)) is not None)

    def duration(self, key: str, default: int) -> int:
        return self.duration_of(self.entries[key].value, key) if key in self.entries else default

    def duration_of(self, node: yaml.Node, key: str) -> int:
        clause = self.parse(node)
        if clause is None:
            return 1
        if not isinstance(clause.condition, g.Quantity) or clause.duration:
            self.document.wrong(node, f"{key} is a duration such as 15 min")
            return 1
        return self.scope(node).duration(clause.condition)

    def distance(self, node: yaml.Node, key: str, limit_m: float) -> float:
        """Metres of a distance; 1 m (and a mistake) where it is none."""
        clause = self.parse(node)
        given = clause.condition if clause else None
        try:
            if not isinstance(given, g.Quantity) or t.quantity(given.unit or "").dimension != "length":
                raise UnitError(f"{key} is a distance such as 800 m")
            metres = t.tidy(given.value * t.quantity(given.unit or "").unit.factor)
            if not 0 < metres <= limit_m:
                raise UnitError(f"{key} may be up to {limit_m / 1000:g} km")
        except UnitError as error:
            self.document.wrong(node, str(error))
            return 1.0
        return metres

    def select_of(self, places: bool = False) -> Select:
        if "for_each" not in self.entries:
            self.document.wrong(self.node, "for_each is missing: which devices, such as {kind: river-gauge}?")
            return Select()
        return self.selection(self.entries["for_each"].value, "for_each", places)

    def selection(self, node: yaml.Node, what: str, places: bool = False) -> Select:
        """What a mapping such as for_each selects; zones and areas themselves only where `places` may be subjects."""
        parts: dict[str, tuple[str, ...]] = {}
        attributes: list[tuple[str, str]] = []
        entries = list(self.document.entries(node, what))
        every = next((str(entry.value.value) for entry in entries if entry.key == "every"), "")
        known = PLACE_KEYS.get(every, SELECT_KEYS) if places else SELECT_KEYS
        for entry in entries:
            if entry.key == "every" and not places:
                self.document.wrong(entry.key_node, f"{what} selects devices here; only rules are about places")
            elif entry.key == "every" and every not in PLACE_KEYS:
                self.document.wrong(entry.value, unknown("place", every, tuple(PLACE_KEYS)))
            elif entry.key not in known:
                where = f"key of {what}: {{every: {every}}}" if every else f"key of {what}"
                self.document.wrong(entry.key_node, unknown(where, entry.key, known))
            elif entry.key == "attribute":
                attributes = [
                    (e.key, self.document.text_of(e.value, e.key) or "")
                    for e in self.document.entries(entry.value, "attribute")
                ]
            else:
                parts[entry.key] = self.texts(entry.value, entry.key)
        return Select(
            parts.get("kind", ()), parts.get("device", ()), parts.get("area", ()), parts.get("zone", ()),
            parts.get("operator", ()), tuple(attributes), every if places and every in PLACE_KEYS else "", parts.get("of", ()),
        )  # fmt: skip

    def scope(self, node: yaml.Node) -> Scope:
        reported: set[tuple[str, int]] = set()

        def wrong(message: str, offset: int) -> None:
            if (message, offset) not in reported:
                reported.add((message, offset))
                self.document.wrong(node, message, offset)

        return Scope(
            wrong, self.lets, self.any_quality, self.hold_ns, self.memories, self.select, self.calendars, self.measured
        )

    def parse(self, node: yaml.Node) -> g.Clause | None:
        text = self.document.text_of(node, "an expression")
        if text is None:
            return None
        try:
            return g.parse(text)
        except g.ExpressionError as error:
            self.document.wrong(node, str(error), error.offset)
            return None
