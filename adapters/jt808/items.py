"""Vendor items of a location by configuration: `items = { 0x82 = { metric = "supply_voltage", … } }`.

Ids from 0x40 on mean something else with every vendor (weight, temperatures, voltages), so the city says what its
terminals mean. One item may hold several metrics (a list), or items of its own (`inner`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adapters.jt808.location import Item, inner_items, signed_word
from hub.metrics import UnitError, nearest, to_vocabulary, vocabulary
from hub.model import Value

_TYPES = {"u8": (1, False), "i8": (1, True), "u16": (2, False), "i16": (2, True), "u32": (4, False), "i32": (4, True)}
_TEXTS: Mapping[str, Callable[[bytes], str]] = {
    "text": lambda raw: raw.strip(b"\0 ").decode("gbk", "replace"),
    "hex": bytes.hex,
}
_KEYS = {"metric", "type", "scale", "offset", "unit", "at", "bit", "inverted"}
_INNER = "inner"


def vendor_items(settings: Mapping[str, Any]) -> dict[int, Item]:
    """Items by id from `{"0x82": {metric, type = "u16", scale = 1, offset = 0, unit = the metric's own, at = 0}}`, or a list of such, or
    `{"0xEB": {inner = {"0x00A8": {metric, …}}}}` for one that holds items of its own (see `inner_items`).

    `at` is where in the value the number starts, bytes. All ones (unsigned) is taken as "no value". A flag has `bit` (0 the lowest) of
    the number, and `inverted` where 0 means yes. A text has type "text" (GBK) or "hex" (BCD digits), from `at` to the end. Raises
    ValueError with a sentence.
    """
    return {_ident(key, 0xFF, "items"): _reader(key, setting) for key, setting in settings.items()}


def _ident(key: str, most: int, where: str) -> int:
    try:
        ident = int(key, 16)
    except ValueError:
        ident = -1
    if not 0 <= ident <= most:
        raise ValueError(f"{where}: {key!r} is no item id such as 0x82")
    return ident


def _reader(key: str, setting: Any) -> Item:
    if isinstance(setting, Mapping) and _INNER in setting:
        if len(setting) > 1 or not isinstance(setting[_INNER], Mapping):
            raise ValueError(f"items.{key}: {_INNER} stands alone, and is a table of items by id")
        return _nested(
            {
                _ident(inner, 0xFFFF, f"items.{key}.{_INNER}"): _several(f"{key}.{_INNER}.{inner}", one)
                for inner, one in setting[_INNER].items()
            }
        )
    return _several(key, setting)


def _nested(items: Mapping[int, Item]) -> Item:
    def read(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
        for ident, value in inner_items(b[at : at + size]):
            if ident in items:
                items[ident](values, value, 0, len(value))

    return read


def _several(key: str, setting: Any) -> Item:
    settings = setting if isinstance(setting, list) else [setting]
    for one in settings:
        if not isinstance(one, Mapping):
            raise ValueError(f'items.{key}: {one!r} is no table such as {{ metric = "battery", type = "u8" }}')
    items = [_item(key, one) for one in settings]
    if len(items) == 1:
        return items[0]

    def read(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
        for item in items:
            item(values, b, at, size)

    return read


def _item(key: str, setting: Mapping[str, Any]) -> Item:
    unknown = set(setting) - _KEYS
    if unknown:
        raise ValueError(f"items.{key}: unknown key {min(unknown)!r}; known are {', '.join(sorted({*_KEYS, _INNER}))}")
    metric = str(setting.get("metric", ""))
    known = vocabulary().get(metric)
    if known is None:
        raise ValueError(f"items.{key}: metric {metric!r} is not in the vocabulary{nearest(metric)}")
    form = str(setting.get("type", "u16"))
    start = int(setting.get("at", 0))
    if known.type in ("text", "texts"):
        return _text(key, metric, form, start)
    if form not in _TYPES:
        raise ValueError(f"items.{key}: type {form!r} is none of {', '.join(_TYPES)}, as {metric} is no text")
    if known.type == "flag":
        return _flag(key, metric, form, start, setting)
    return _number(key, metric, known.unit, form, start, setting)


def _text(key: str, metric: str, form: str, start: int) -> Item:
    if form not in _TEXTS or vocabulary()[metric].type == "texts":
        raise ValueError(f"items.{key}: {metric} is no number; a text has type = {' or '.join(_TEXTS)}")
    convert = _TEXTS[form]

    def read(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
        if size > start and (said := convert(b[at + start : at + size])):
            values[metric] = said

    return read


def _flag(key: str, metric: str, form: str, start: int, setting: Mapping[str, Any]) -> Item:
    width, _ = _TYPES[form]
    bit, inverted = setting.get("bit"), setting.get("inverted", False)
    if type(bit) is not int or not 0 <= bit < 8 * width:
        raise ValueError(
            f"items.{key}: {metric} is a flag: bit says which of {form}, 0 the lowest, {8 * width - 1} the highest"
        )
    if type(inverted) is not bool:
        raise ValueError(f"items.{key}: inverted is true or false")

    def read(values: dict[str, Value], b: bytes, at: int, size: int) -> None:
        if size >= start + width:
            values[metric] = bool(int.from_bytes(b[at + start : at + start + width], "big") >> bit & 1) is not inverted

    return read


def _number(key: str, metric: str, own_unit: str, form: str, start: int, setting: Mapping[str, Any]) -> Item:
    width, signed = _TYPES[form]
    scale, offset = float(setting.get("scale", 1)), float(setting.get("offset", 0))
    unit = str(setting.get("unit", own_unit))
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
