"""The vocabulary of metrics, read from `metrics.toml`: one name, one unit, one plausible range."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache, lru_cache
from heapq import nlargest
from importlib import resources

import msgspec

from hub.units import UnitError, convert, unit

LIKE_MAX = 8
"""Words compared with an unknown name, to suggest one."""
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


@cache
def vocabulary() -> Mapping[str, Metric]:
    """Every metric by name."""
    text = resources.files("hub").joinpath("metrics.toml").read_text("utf-8")
    metrics: dict[str, Metric] = {}
    for family, entries in tomllib.loads(text).items():
        for name, entry in entries.items():
            if name in metrics:
                raise ValueError(f"metrics.toml: {name} stands in [{metrics[name].family}] and in [{family}]")
            low, high = entry.get("range", (float("-inf"), float("inf")))
            kind = entry.get("type", "number")
            if kind == "number":
                unit(entry["unit"])
            metrics[name] = Metric(name, family, kind, entry["title"], entry.get("unit", ""), float(low), float(high))
    return metrics


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


__all__ = ["Metric", "UnitError", "convert", "nearest", "to_vocabulary", "unit", "vocabulary"]
