"""The vocabulary of metrics, read from `metrics.toml`: one name, one unit, one plausible range."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Set
from difflib import get_close_matches
from functools import cache, lru_cache
from heapq import nlargest
from importlib import resources
from types import MappingProxyType, ModuleType

import msgspec

from hub.extensions import working
from hub.units import UnitError, convert, unit

LIKE_MAX = 8
"""Words compared with an unknown name, to suggest one."""
NAME = "[a-z][a-z0-9_]*"
TYPES = ("number", "flag", "text", "texts")
PERSONAL = ("person", "place")
NAME_MAX = 80
"""Characters of an unknown name that are looked at."""


class Metric(msgspec.Struct, frozen=True):
    """`type` is "number", "flag", "text" or "texts"; `unit` and the range count for numbers only."""

    name: str
    family: str
    type: str
    title: str
    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    title_zh: str = ""
    """In Chinese; the English title stands in where it is empty."""
    personal: str = ""
    """ "person" where it says who somebody is, "place" where a device is or goes; see `hub.personal`."""


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """One metric as a file states it."""

    title: str
    type: str = "number"
    unit: str | None = None
    range: tuple[float, float] | None = None
    title_zh: str = ""
    personal: str = ""


def vocabulary() -> Mapping[str, Metric]:
    """Every metric by name: the hub's own, those of installed packages (`cityhub.metrics`), and the city's (`use_city`)."""
    return _vocabulary()


@cache
def _vocabulary() -> dict[str, Metric]:
    """One mapping for the whole process, changed in place, so that whoever holds it sees the city's words too."""
    metrics: dict[str, Metric] = {}
    for extension, package in working(
        "metrics", lambda thing: "" if isinstance(thing, ModuleType) else "it names no package"
    ):
        try:
            text = resources.files(package).joinpath("metrics.toml").read_text("utf-8")
        except (
            OSError,
            TypeError,
            UnicodeDecodeError,
        ) as error:  # TypeError: a module that is no package has no folder
            extension.reject(f"its metrics.toml cannot be read: {error}")
            continue
        brought, lines = read(text, metrics)
        lines = lines or [
            (_line_of(text, name), f"{name} is in the vocabulary already") for name in brought if name in metrics
        ]
        if lines and extension.own:
            raise ValueError(f"metrics.toml:{lines[0][0]}: {lines[0][1]}")
        if lines:
            extension.reject(f"line {lines[0][0]} of its metrics.toml: {lines[0][1]}")
            continue
        metrics |= brought
    return metrics


_numbers: set[str] = set()


def numbers() -> Set[str]:
    """Names of the metrics that are numbers; as `_vocabulary` changed in place."""
    if not _numbers:
        _count_numbers()
    return _numbers


def _count_numbers() -> None:
    found = {name for name, metric in vocabulary().items() if metric.type == "number"}
    _numbers.update(found)
    _numbers.intersection_update(found)


_city: dict[str, Metric | None] = {}
"""What the city's file changed: name → what stood there before."""
_texts = [""]


def use_city(text: str) -> list[tuple[int, str]]:
    """Take the words of a city's `metrics.toml` into the vocabulary, in the place of another city's; empty text for none. Gives what
    is wrong with it, by line; then nothing is taken. A process has one city, hence one vocabulary.

    The file reads as `hub/metrics.toml`. A name that is there already may get another range or title, never another unit or type.
    """
    words = _vocabulary()
    known = {name: metric for name, metric in words.items() if name not in _city}
    known |= {name: before for name, before in _city.items() if before is not None}
    brought, wrong = read(text, known)
    for name, metric in brought.items():
        was = known.get(name)
        if was and (metric.unit, metric.type, metric.family) != (was.unit, was.type, was.family):
            said = f"[{was.family}], type {was.type}" + (f", unit {was.unit}" if was.unit else "")
            wrong.append(
                (
                    _line_of(text, name),
                    f"{name} is in the vocabulary as {said}; a name never changes these: choose another name",
                )
            )
    if wrong:
        return wrong
    # What is personal stays so where a city only gives a name another range or title.
    brought = {
        name: msgspec.structs.replace(
            metric, personal=metric.personal or (known[name].personal if name in known else "")
        )
        for name, metric in brought.items()
    }
    words.update(known | brought)  # never without a word that stays, for others are reading
    for name in words.keys() - known.keys() - brought.keys():
        del words[name]
    _city.clear()
    _city.update({name: known.get(name) for name in brought})
    _texts[:] = [text]
    nearest.cache_clear()
    _words_by_pair.cache_clear()
    _count_numbers()
    return []


def city_text() -> str:
    """The file that `use_city` took last."""
    return _texts[0]


def city_words() -> list[str]:
    """Names that the city's own file states."""
    return list(_city)


def read(
    text: str, known: Mapping[str, Metric] = MappingProxyType({})
) -> tuple[dict[str, Metric], list[tuple[int, str]]]:
    """The metrics of a `metrics.toml`, and everything wrong with it, by line. `known`: those of which it may have instances."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        return {}, [(int(line[1]) if line else text.count("\n") + 1, f"is not valid TOML: {error}")]
    metrics: dict[str, Metric] = {}
    wrong: list[tuple[int, str]] = []
    for family, entries in table.items():
        if not isinstance(entries, dict) or not re.fullmatch(NAME, family):
            wrong.append(
                (_line_of(text, family), f"{family}: a table [family] of metrics was meant, its name in small letters")
            )
            continue
        for name, entry in entries.items():
            try:
                if name in metrics:
                    raise ValueError(f"it stands in [{metrics[name].family}] too")
                metrics[name] = _metric(family, name, entry, {**known, **metrics})
            except ValueError as error:
                wrong.append((_line_of(text, name), f"{name}: {error}"))
    return metrics, wrong


def _metric(family: str, name: str, entry: object, known: Mapping[str, Metric]) -> Metric:
    """Raises ValueError with a sentence."""
    if "#" in name:
        return _instance(family, name, entry, known)
    if not re.fullmatch(NAME, name) or len(name) > NAME_MAX:
        raise ValueError("a metric's name has small letters, digits and _, and begins with a letter")
    try:
        found = msgspec.convert(entry, _Entry, strict=True)
    except msgspec.ValidationError as error:
        raise ValueError(str(error).replace("Object", "it").replace("`", "'")) from None
    if found.type not in TYPES:
        raise ValueError(f"type is {found.type!r}; one of {', '.join(TYPES)} was meant")
    if found.type != "number" and (found.unit is not None or found.range is not None):
        raise ValueError(f"a {found.type} has no unit and no range")
    if found.type == "number":
        if found.unit is None:
            raise ValueError('a number needs a unit, such as unit = "m" (UCUM; "1" or "index" where there is none)')
        unit(found.unit)
    if found.personal and found.personal not in PERSONAL:
        raise ValueError(f"personal is {found.personal!r}; {' or '.join(PERSONAL)} was meant")
    low, high = found.range or (float("-inf"), float("inf"))
    if not low < high:
        raise ValueError(f"range = [{low:g}, {high:g}]: the lower end, then the higher was meant")
    return Metric(name, family, found.type, found.title, found.unit or "", low, high, found.title_zh, found.personal)


def _instance(family: str, name: str, entry: object, known: Mapping[str, Metric]) -> Metric:
    """`pressure#in`: one of several pressures of one device. It has unit, type and table of `pressure`; raises ValueError."""
    base, _, which = name.partition("#")
    if not re.fullmatch("[a-z0-9][a-z0-9_]{0,30}", which):
        raise ValueError(f'{which!r} after the "#" is no name of an instance: small letters, digits and _ were meant')
    if base not in known:
        raise ValueError(f"it is an instance of {base}, which the vocabulary does not have")
    of = known[base]
    if of.family != family:
        raise ValueError(f"it belongs into [{of.family}], where {base} stands")
    given = dict(entry) if isinstance(entry, dict) else entry
    if isinstance(given, dict):
        for key in ("unit", "type"):
            if key in given:
                raise ValueError(f"an instance has the {key} of {base}; take it out")
        given["type"] = of.type
        given.setdefault("personal", of.personal)
        if of.type == "number":
            given["unit"] = of.unit
            given.setdefault("range", [of.low, of.high])
    return msgspec.structs.replace(_metric(family, base, given, known), name=name)


def _line_of(text: str, name: str) -> int:
    """Where a table or key of that name stands."""
    named = re.compile(rf"""\s*(?:\[\s*)?(?:[\w.]+\.)?["']?{re.escape(name)}["']?\s*[\].=]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if named.match(line)), 1)


@lru_cache(4096)
def nearest(name: str) -> str:
    """ "; was X meant?" for a name that the vocabulary lacks, or nothing.

    Of the words that share most pairs of letters with it the likest by `difflib`. Strangers choose the names, thousands in one
    message, so it must cost little: the pairs leave `LIKE_MAX` words of some 300 to compare.
    """
    pairs = _pairs(name)
    by_pair, sizes = _words_by_pair()
    shared: Counter[str] = Counter()
    for pair in pairs:
        shared.update(by_pair.get(pair, ()))
    likest = nlargest(LIKE_MAX, shared, key=lambda word: (shared[word] / (len(pairs) + sizes[word]), word))
    found = get_close_matches(name[:NAME_MAX], likest, n=1)
    return f"; was {found[0]} meant?" if found else ""


def _pairs(name: str) -> set[str]:
    """Pairs of letters, the ends with a blank each."""
    name = f" {name[:NAME_MAX]} "
    return {name[at : at + 2] for at in range(len(name) - 1)}


@cache
def _words_by_pair() -> tuple[dict[str, list[str]], dict[str, int]]:
    """Words of the vocabulary by the pairs of letters in them, and how many pairs each has."""
    words: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for word in vocabulary():
        pairs = _pairs(word)
        sizes[word] = len(pairs)
        for pair in pairs:
            words.setdefault(pair, []).append(word)
    return words, sizes


def to_vocabulary(value: float, source_unit: str, metric: str) -> float:
    """`value` in `source_unit`, in the metric's own unit. Raises `UnitError` where they do not fit, KeyError if unknown."""
    return convert(value, source_unit, vocabulary()[metric].unit)


__all__ = [
    "Metric",
    "UnitError",
    "city_words",
    "convert",
    "nearest",
    "numbers",
    "read",
    "to_vocabulary",
    "unit",
    "use_city",
    "vocabulary",
]
