"""Vendor items of a location by configuration: `items = { 0x82 = { metric = "supply_voltage", … } }`.

Ids from 0x40 on mean something else with every vendor (weight, temperatures, voltages), so the city says what its
terminals mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.jt808.location import Item, signed_word
from hub.metrics import UnitError, nearest, to_vocabulary, vocabulary
from hub.model import Value

_TYPES = {"u8": (1, False), "i8": (1, True), "u16": (2, False), "i16": (2, True), "u32": (4, False), "i32": (4, True)}
_KEYS = {"metric", "type", "scale", "offset", "unit", "at"}


def vendor_items(settings: Mapping[str, Mapping[str, Any]]) -> dict[int, Item]:
    """Items by id from `{"0x82": {metric, type = "u16", scale = 1, offset = 0, unit = the metric's own, at = 0}}`.

    `at` is where in the value the number starts, bytes. All ones (unsigned) is taken as "no value". Raises ValueError
    with a sentence.
    """
    return {_ident(key): _item(key, setting) for key, setting in settings.items()}


def _ident(key: str) -> int:
    try:
        ident = int(key, 16)
    except ValueError:
        ident = -1
    if not 0 <= ident <= 0xFF:
        raise ValueError(f"items: {key!r} is no item id such as 0x82")
    return ident


def _item(key: str, setting: Mapping[str, Any]) -> Item:
    unknown = set(setting) - _KEYS
    if unknown:
        raise ValueError(f"items.{key}: unknown key {min(unknown)!r}; known are {', '.join(sorted(_KEYS))}")
    metric = str(setting.get("metric", ""))
    known = vocabulary().get(metric)
    if known is None or known.type != "number":
        raise ValueError(f"items.{key}: metric {metric!r} is no number of the vocabulary{nearest(metric)}")
    form = setting.get("type", "u16")
    if form not in _TYPES:
        raise ValueError(f"items.{key}: type {form!r} is none of {', '.join(_TYPES)}")
    width, signed = _TYPES[form]
    scale, offset, start = float(setting.get("scale", 1)), float(setting.get("offset", 0)), int(setting.get("at", 0))
    unit = str(setting.get("unit", known.unit))
    try:
        to_vocabulary(0.0, unit, metric)
    except UnitError as error:
        raise ValueError(f"items.{key}: {error}") from None
    none = (1 << 8 * width) - 1

    def read(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
        if size < start + width:
            return
        number = int.from_bytes(b[at + start : at + start + width], "big")
        if number == none and not signed:
            return
        if signed:
            number = signed_word(number) if width == 2 else _signed(number, width)
        values[metric] = to_vocabulary(number * scale + offset, unit, metric)

    return read


def _signed(number: int, width: int) -> int:
    return number - (1 << 8 * width) if number >> 8 * width - 1 else number
