"""What every store agrees on: which values can be kept, and how they look as columns."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from hub.marks import quality
from hub.metrics import vocabulary
from hub.model import Position, Reading, Value
from hub.moment import in_reach
from hub.ports import Refusal

POSITION_METRIC = "position"
"""A reading without values but with a position is kept as one row of this metric: WKT text, POINT (lon lat)."""


def as_text(value: Value) -> str:
    """A text, or a list of texts as a JSON array."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def restore(metric: str, number: float | None, text: str | None) -> float | bool | str:
    """The value again, out of its columns. Flags are kept as 0 and 1, so that their mean is a duty share."""
    if number is None:
        return text or ""
    known = vocabulary().get(metric)
    return bool(number) if known is not None and known.type == "flag" else number


def point(position: Position) -> str:
    """WKT of a position."""
    return f"POINT ({position.lon} {position.lat})"


def observed(reading: Reading) -> int:
    """The time of its rows: ns UTC. The receive time where nobody stamped it."""
    return reading.received_at if reading.observed_at is None else reading.observed_at


class Said(NamedTuple):
    """What a mark says of a value."""

    kind: str
    """Of the device."""
    quality: int
    alone: bool
    """Whether the value did not come with it."""


def marks_said(readings: Iterable[Reading]) -> dict[tuple[str, str, int], Said]:
    """What these readings say against values, by device, metric and time. Of two words on one value the last stands.

    A mark stands for its value whenever that comes, before it, beside it or behind it: a value that says nothing of its quality was
    measured, and often sent, before the mark was made, and a logger's memory holds values without their marks. Only another mark,
    such as `manual`, takes its place.
    """
    return {
        (reading.device, metric, observed(reading)): Said(reading.kind, quality(mark), metric not in reading.values)
        for reading in readings
        if reading.marks
        for metric, mark in reading.marks.items()
    }


def sift(readings: Iterable[Reading]) -> tuple[list[Reading], list[Refusal]]:
    """Take out what no store can keep: numbers that are not finite, texts that are not Unicode, times out of range.

    The careful road behind the fast ones, taken only by batches that hold such a thing. A value that cannot be kept
    takes nothing else of its reading with it.
    """
    good: list[Reading] = []
    refused: list[Refusal] = []
    for reading in readings:
        fault = _fault_of_reading(reading)
        if fault:
            refused.append(Refusal(reading, fault))
            continue
        faults = {metric: reason for metric, value in reading.values.items() if (reason := _fault_of_value(value))}
        refused.extend(Refusal(only(reading, metric), f"{metric}: {reason}") for metric, reason in faults.items())
        kept = {metric: _plain(value) for metric, value in reading.values.items() if metric not in faults}
        if faults and not kept:
            continue
        reading = msgspec.structs.replace(reading, values=kept)
        if reading.position is not None and not all(map(math.isfinite, (reading.position.lon, reading.position.lat))):
            reading = msgspec.structs.replace(reading, position=None)
        good.append(reading)
    return good, refused


def only(reading: Reading, metric: str) -> Reading:
    """The reading with this one of its values, and the mark of that."""
    mark = (reading.marks or {}).get(metric)
    return msgspec.structs.replace(
        reading, values={metric: reading.values[metric]}, marks={metric: mark} if mark else None
    )


def _plain(value: Value) -> Value:
    """Without subclasses (a numpy float, an enumeration): the fast roads go by the exact type."""
    return next((exact(value) for exact in (bool, int, float, str) if isinstance(value, exact)), value)


def _fault_of_reading(reading: Reading) -> str:
    for name, at in (("observed", observed(reading)), ("receive", reading.received_at)):
        if not in_reach(at):
            return f"its {name} time lies outside the years 1677 to 2262"
    for text in (reading.device, reading.kind, reading.adapter, *reading.values):
        if not _is_unicode(text):
            return f"{text!a} is not valid Unicode text"
    return "" if reading.device else "it names no device"


def _fault_of_value(value: object) -> str:
    match value:
        case bool():
            return ""
        case float() | int():
            try:
                return "" if math.isfinite(float(value)) else f"{value} is not a finite number"
            except OverflowError:
                return "a whole number beyond 1e308 is more than a store's number holds"
        case str():
            return "" if _is_unicode(value) else "the text is not valid Unicode"
        case list() if all(isinstance(item, str) and _is_unicode(item) for item in value):
            return ""
    return f"a {type(value).__name__} is neither number, flag, text nor list of texts"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
