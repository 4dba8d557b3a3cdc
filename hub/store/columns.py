"""Batches as columns of numpy arrays, the shape in which DuckDB takes them fastest (tests/bench/bench_store.py)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from hub.marks import quality
from hub.model import AlertChange, Reading, Value
from hub.ports import Refusal
from hub.store.rows import POSITION_METRIC, as_text, observed, point, sift

_NUMBERS = {float, int, bool}


def of_readings(readings: Sequence[Reading]) -> tuple[dict[str, Any] | None, list[Refusal]]:
    """The batch in columns, one row a value; None where it has no rows, as one of marks alone. Only where something in it cannot be kept is
    each reading looked at."""
    refused: list[Refusal] = []
    good = readings
    try:
        columns = _gather(good)
    except (ValueError, OverflowError, TypeError, AttributeError):
        good, refused = sift(readings)
        columns = _gather(good)
    return (columns if len(columns["time"]) else None), refused


def _gather(readings: Sequence[Reading]) -> dict[str, Any]:
    """Raises ValueError and its like where a value is not finite, not text, or out of range."""
    said = [reading.values or _place_alone(reading) for reading in readings]
    counts = [len(values) for values in said]
    metrics = list(chain.from_iterable(said))
    number, words = _split(list(chain.from_iterable([values.values() for values in said])))
    codes = np.zeros(len(metrics), dtype=np.uint8)
    if any([reading.marks for reading in readings]):
        codes[:] = [
            quality((reading.marks or {}).get(metric, ""))
            for reading, values in zip(readings, said, strict=True)
            for metric in values
        ]
    positions = [reading.position for reading in readings]
    row = np.repeat(np.arange(len(readings)), counts)
    return {
        "time": moments([observed(reading) for reading in readings])[row],
        "device": texts([reading.device for reading in readings])[row],
        "kind": texts([reading.kind for reading in readings])[row],
        "metric": texts(metrics),
        "value": number,
        "text": words,
        "quality": codes,
        "lon": numbers([None if place is None else place.lon for place in positions])[row],
        "lat": numbers([None if place is None else place.lat for place in positions])[row],
        "alt": numbers([None if place is None else place.alt for place in positions])[row],
        "received_at": moments([reading.received_at for reading in readings])[row],
        "adapter": texts([reading.adapter for reading in readings])[row],
    }


def _place_alone(reading: Reading) -> dict[str, Value]:
    """What a reading without values says: where its device was, if anything."""
    return {} if reading.position is None else {POSITION_METRIC: point(reading.position)}


def _split(values: list[Any]) -> tuple[Any, Any]:
    """The columns value and text. Most batches are numbers only, and then numpy does it all."""
    if set(map(type, values)) <= _NUMBERS:
        number = np.array(values, dtype=np.float64)
        text = np.full(len(values), None, dtype=object)
        finite = bool(np.isfinite(number).all())
    else:
        is_number = [type(value) in _NUMBERS for value in values]
        number = numbers([value if plain else None for value, plain in zip(values, is_number, strict=True)])
        text = texts([None if plain else as_text(value) for value, plain in zip(values, is_number, strict=True)])
        finite = int(np.isfinite(number).sum()) == sum(is_number)
    if not finite:
        raise ValueError("a number is not finite")
    return number, text


def numbers(values: list[Any]) -> Any:
    """None becomes NaN, and DuckDB reads NaN in these arrays as NULL."""
    return np.array(values, dtype=np.float64)


def moments(values: list[int]) -> Any:
    return np.array(values, dtype=np.int64).view("datetime64[ns]")


def texts(values: list[Any]) -> Any:
    """Object arrays: DuckDB reads the str objects themselves, which beats fixed-width Unicode arrays."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def of_changes(changes: Sequence[AlertChange]) -> dict[str, Any]:
    nan = float("nan")

    def named(name: str) -> Any:
        return texts([str(getattr(change, name)) for change in changes])

    return {
        "id": named("id"),
        "alert": named("alert"),
        "ordinal": np.array([change.ordinal for change in changes], dtype=np.int32),
        "time": moments([change.at for change in changes]),
        **{name: named(name) for name in ("rule", "subject", "change", "level", "title")},
        "lon": numbers([nan if change.position is None else change.position.lon for change in changes]),
        "lat": numbers([nan if change.position is None else change.position.lat for change in changes]),
        **{name: named(name) for name in ("area", "who", "note")},
        "late": np.array([change.late for change in changes]),
        "body": texts([msgspec.json.encode(change).decode() for change in changes]),
    }
