"""The rule book: the rules of the chosen packs and of the city, read together, with every mistake at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import ModuleType
from typing import Any

from hub.extensions import Extension, working
from hub.metrics import city_text
from hub.model import Device, Zone
from rules.calendars import Calendar
from rules.language import ir
from rules.language.calendars import read_calendars
from rules.language.document import metrics_of_places, read_rules
from rules.language.places import Document, Mistake
from rules.language.rule import NO_CALLS, CallEntry, Calls, Derivation, QualityEntry, Rule
from rules.language.types import attribute_unit

MAX_CALENDARS = 200
CITY = "city"
PACKS = "packs"
"""The file of mistakes about the packs that are asked for: who asks knows where."""
"""The pack name of a city's own rules."""


@dataclass(slots=True)
class RuleBook:
    """Checked rules. `text` is the whole book as text, fit for the stream's `Edition("rules")` and for `from_text`."""

    rules: tuple[Rule, ...]
    derivations: tuple[Derivation, ...]
    files: tuple[tuple[str, str, str], ...]  # pack, file name, text
    qualities: tuple[QualityEntry, ...] = ()
    calls: tuple[CallEntry, ...] = ()
    by_name: dict[str, Rule] = field(default_factory=dict)
    worked_out: dict[object, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What has been made of this book and holds for every engine of the process: how it is split by waits, plans of its rules."""

    def __post_init__(self) -> None:
        self.by_name = {rule.name: rule for rule in self.rules}

    @property
    def text(self) -> str:
        return json.dumps([list(file) for file in self.files], ensure_ascii=False)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def rule(self, name: str) -> Rule | None:
        """The rule of that name; of a silence alert's name (`pack/rule:silent`) the rule it belongs to."""
        return self.by_name.get(name.removesuffix(":silent"))

    def calls_of(self, rule: Rule) -> Calls:
        """Whom a warning of the rule goes to when nobody answers: by its own key, else by the last entry that fits."""
        if rule.calls is not None:
            return rule.calls
        return next((entry.calls for entry in reversed(self.calls) if entry.fits(rule.name)), NO_CALLS)

    def notes(self, devices: Iterable[Device], zones: Iterable[Zone] = ()) -> list[str]:
        """What a city should know of its devices and places: levels that stay silent for want of an attribute, rules
        without a place to watch."""
        listed = list(devices)
        grounds = list(zones)
        found: list[str] = []
        if any(isinstance(n, ir.Window | ir.Agree) and n.around.which == "upstream" for n in nodes_of(self)):
            known = {device.device for device in listed}
            found += [
                f"{device.device}: upstream names {name}, which the registry does not have"
                for device in listed
                for name in device.upstream
                if name not in known
            ]
        for rule in self.rules:
            if rule.select.every:
                found += _placeless(rule, listed, grounds)
                continue
            subjects = [d for d in listed if rule.select.takes(d, d.kind, frozenset(rule.select.zones))]
            for level in rule.levels:
                for name in sorted(rule.attributes_of(level)):
                    lacking = [d.device for d in subjects if not usable(name, d.attributes.get(name))]
                    if lacking:
                        shown = ", ".join(lacking[:5]) + (" …" if len(lacking) > 5 else "")
                        found.append(
                            f"{rule.name}: {level.name} needs the attribute {name}; silent for {len(lacking)} of {len(subjects)} devices without it ({shown})"
                        )
        return found


def _placeless(rule: Rule, devices: list[Device], zones: list[Zone]) -> list[str]:
    select = rule.select
    if select.every == "area":
        areas = {device.area for device in devices if device.area}
        missing = sorted(set(select.areas) - areas) if select.areas else []
        if not areas:
            return [f"{rule.name}: watches areas, and no device of the registry has one"]
        return [f"{rule.name}: no device of the registry is in the area {', '.join(missing)}"] if missing else []
    taken = [
        zone
        for zone in zones
        if (not select.kinds or zone.kind in select.kinds or "*" in select.kinds)
        and (not select.zones or not {zone.zone, zone.kind}.isdisjoint(select.zones))
    ]
    if taken:
        return []
    wanted = " or ".join((*select.kinds, *select.zones))
    return [f"{rule.name}: the registry has no zone{f' of kind or name {wanted}' if wanted else ''} for it to watch"]


def usable(name: str, value: object) -> bool:
    """Whether an attribute's value can be compared with: a number where its name ends in a unit."""
    return isinstance(value, int | float) if attribute_unit(name) else value not in (None, "")


def load(paths: Sequence[Path], packs: Sequence[str]) -> RuleBook | list[Mistake]:
    """The book of these rule files (or folders of them) and shipped packs, or everything wrong with them."""
    mistakes: list[Mistake] = []
    files: list[tuple[str, str, str]] = []
    for pack in packs:
        text = pack_file(pack, "rules.yaml")
        if text is None:
            known = known_packs()
            near = get_close_matches(pack, known, n=1)
            hint = f"; was {near[0]} meant?" if near else f"; known are {', '.join(known)}"
            mistakes.append(Mistake(PACKS, 1, 1, f"unknown pack {pack!r}{hint}"))
        else:
            files.append((pack, f"{pack}/rules.yaml", text))
    for path in _rule_files(paths):
        try:
            files.append((CITY, str(path), path.read_text("utf-8-sig")))
        except (OSError, UnicodeDecodeError) as error:
            mistakes.append(Mistake(str(path), 1, 1, f"cannot be read: {error}"))
    result = read_book(files)
    if isinstance(result, list):
        return mistakes + result
    return mistakes or result


def read_book(files: Sequence[tuple[str, str, str]]) -> RuleBook | list[Mistake]:
    """The book of (pack, file name, text), or every mistake in them."""
    found = _read(tuple(files), city_text())
    return found if isinstance(found, RuleBook) else list(found)


@lru_cache(maxsize=4)
def _read(files: tuple[tuple[str, str, str], ...], words: str) -> RuleBook | tuple[Mistake, ...]:
    """Remembered, since a hub that starts meets its rules in the city's folder, in its snapshot and in the log. `words`: those of the city,
    by which the same text may read otherwise."""
    mistakes: list[Mistake] = []
    rules: list[Rule] = []
    derivations: list[Derivation] = []
    qualities: list[QualityEntry] = []
    calls: list[CallEntry] = []
    documents = [(pack, Document(name, text, of_pack=pack != CITY)) for pack, name, text in files]
    calendars = _calendars(documents)
    measured = frozenset[str]().union(*(metrics_of_places(document) for _, document in documents))
    for pack, document in documents:
        name = document.file
        found = read_rules(document, pack, calendars, measured)
        for rule in found.rules:
            known = next((r for r in rules if r.name == rule.name), None)
            if known:
                document.mistakes.append(
                    Mistake(
                        name,
                        rule.line,
                        rule.column,
                        f"{rule.name} is defined twice; first in {known.file}:{known.line}",
                    )
                )
            rules.append(rule)
        derivations += found.derivations
        calls += found.calls
        for entry in found.qualities:
            twin = next((q for q in qualities if (q.name, q.select) == (entry.name, entry.select)), None)
            if twin:
                message = f"{entry.metric} is set twice for the same devices; first in {twin.file}:{twin.line}"
                document.mistakes.append(Mistake(name, entry.line, entry.column, message))
            qualities.append(entry)
        mistakes += sorted(document.mistakes)
    if mistakes:
        return tuple(mistakes)
    return RuleBook(tuple(rules), tuple(derivations), files, tuple(qualities), tuple(calls))


def _calendars(documents: Sequence[tuple[str, Document]]) -> dict[str, Calendar]:
    """The calendars of the book by name; the city's take the place of a pack's."""
    found: dict[str, Calendar] = {}
    owners: dict[str, str] = {}
    for pack, document in sorted(documents, key=lambda pair: pair[0] == CITY):
        for entry, calendar in read_calendars(document):
            if owners.get(calendar.name) == pack or (calendar.name in owners and pack != CITY):
                document.wrong(entry.value, f"the calendar {calendar.name} is defined twice")
            owners[calendar.name] = pack
            found[calendar.name] = calendar
        if len(found) > MAX_CALENDARS:
            document.mistakes.append(Mistake(document.file, 1, 1, f"a book has at most {MAX_CALENDARS} calendars"))
    return found


def from_text(text: str) -> RuleBook | None:
    """The book written by `RuleBook.text`; None where the text is something else or has mistakes."""
    try:
        files = [(str(pack), str(name), str(body)) for pack, name, body in json.loads(text)]
    except (ValueError, TypeError):
        return None
    result = read_book(files)
    return result if isinstance(result, RuleBook) else None


def shipped_packs() -> list[str]:
    """Names of the packs that ship with the hub."""
    return sorted(name for name, (extension, _) in _shelf().items() if extension.own)


def known_packs() -> list[str]:
    """Names of all packs that `[rules] packs` may choose: those that ship and those that installed packages bring."""
    return sorted(_shelf())


def pack_origin(pack: str) -> str:
    """The package that brings the pack, with its version."""
    extension, _ = _shelf()[pack]
    return f"{extension.package} {extension.version}"


def pack_file(pack: str, name: str) -> str | None:
    """The text of a pack's file, None where there is none."""
    if pack not in _shelf():
        return None
    file = _shelf()[pack][1].joinpath(name)
    return file.read_text("utf-8-sig") if file.is_file() else None


@cache
def _shelf() -> dict[str, tuple[Extension, Traversable]]:
    """Pack → who brings it, its folder. An entry point of `cityhub.packs` names a package: its folder is a pack of the entry point's
    name where it holds `rules.yaml`; else each folder in it that does is one. A name that is taken stays with whom it is."""
    shelf: dict[str, tuple[Extension, Traversable]] = {}
    for extension, module in working(
        "packs", lambda thing: "" if isinstance(thing, ModuleType) else "it names no package"
    ):
        try:
            folder = resources.files(module)
            if folder.joinpath("rules.yaml").is_file():
                found = {extension.name: folder}
            else:
                found = {item.name: item for item in folder.iterdir() if item.joinpath("rules.yaml").is_file()}
        except (TypeError, OSError):  # a module that is no package has no folder
            found = {}
        taken = sorted(found.keys() & shelf.keys())
        if taken or not found:
            extension.reject(f"the pack {taken[0]} is there already" if taken else "its package holds no rules.yaml")
        for name in found.keys() - shelf.keys():
            shelf[name] = (extension, found[name])
    return shelf


def is_test_file(path: Path) -> bool:
    """Rule tests stand beside the rules: `tests.yaml` or `NAME.tests.yaml`."""
    return path.name == "tests.yaml" or path.name.endswith((".tests.yaml", ".tests.yml"))


def _rule_files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.iterdir() if p.suffix in (".yaml", ".yml") and not is_test_file(p))
        else:
            found.append(path)
    return found


def nodes_of(book: RuleBook) -> list[ir.Node]:
    """Every node of every rule and derivation of the book."""
    nodes = [node for rule in book.rules for node in rule.nodes()]
    return nodes + [node for spec in book.derivations for node in ir.walk(spec.node)]
