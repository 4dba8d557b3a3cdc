"""From a node's metric names to the vocabulary: by a map, else by the last part of the name."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from adapters.json import MapError
from hub.metrics import UnitError, nearest, to_vocabulary, vocabulary
from hub.model import Value


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`Tank 1/Level` = { metric = "level", unit = "mm", scale = 1.0, offset = 0.0 }"""

    metric: str
    unit: str = ""
    """Goes before the engineering unit that the birth states."""
    scale: float = 1.0
    offset: float = 0.0

    def convert(self, value: Any, unit: str, accept: Callable[[str, Any, str], Value]) -> Value:
        """The value as the vocabulary has it. Raises what `accept` raises."""
        if isinstance(value, int | float) and not isinstance(value, bool) and (self.scale != 1.0 or self.offset != 0.0):
            value = value * self.scale + self.offset
        return accept(self.metric, value, self.unit or unit)


class MetricMap:
    """Names → targets. A name that the map lacks is looked up in the vocabulary by its last part: `Pump 3/Flow` → `flow`."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._targets = dict(targets)

    def target(self, name: str) -> Target | None:
        found = self._targets.get(name)
        if found is None:
            metric = name.rpartition("/")[2].strip().lower().replace(" ", "_")
            found = Target(metric) if metric in vocabulary() else None
        return found


def read_metrics(path: str) -> MetricMap:
    """The table [metrics] of a TOML file. Raises `MapError` with every mistake, or OSError."""
    try:
        document = tomllib.loads(Path(path).read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MapError(f"{path}: {error}") from None
    mistakes = [f"{path}: unknown key {key!r}; [metrics] was meant" for key in document if key != "metrics"]
    targets: dict[str, Target] = {}
    for name, entry in document.get("metrics", {}).items():
        try:
            target = Target(entry) if isinstance(entry, str) else msgspec.convert(entry, Target)
        except msgspec.ValidationError as error:
            mistakes.append(f"{path}: {name}: {error}")
            continue
        if target.metric not in vocabulary():
            mistakes.append(f"{path}: {name}: the vocabulary has no metric {target.metric!r}{nearest(target.metric)}")
            continue
        if target.unit:
            try:
                to_vocabulary(0.0, target.unit, target.metric)
            except UnitError as error:
                mistakes.append(f"{path}: {name}: {error}")
        targets[name] = target
    if mistakes:
        raise MapError("\n".join(mistakes))
    return MetricMap(targets)
