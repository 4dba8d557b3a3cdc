"""The vocabulary of metrics, read from `metrics.toml`: one name, one unit, one plausible range."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import resources

import msgspec

from hub.units import UnitError, convert, unit


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


def nearest(name: str) -> str:
    """ "; was X meant?" for a name that the vocabulary lacks, or nothing."""
    near = get_close_matches(name, vocabulary(), n=1)
    return f"; was {near[0]} meant?" if near else ""


def to_vocabulary(value: float, source_unit: str, metric: str) -> float:
    """`value` in `source_unit`, in the metric's own unit. Raises `UnitError` where they do not fit, KeyError if unknown."""
    return convert(value, source_unit, vocabulary()[metric].unit)


__all__ = ["Metric", "UnitError", "convert", "nearest", "to_vocabulary", "unit", "vocabulary"]
