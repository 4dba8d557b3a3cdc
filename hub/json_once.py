"""JSON whose objects name each key once, as RFC 8259 (section 4) asks: of a key that stands twice one reader takes the first value, another the
last, and nobody can say which was meant.

Nearly every document is clean, and told to be so by counting: the quotation marks in its bytes are those of the keys and texts that were
read. One that has more is read again with care. (An escaped quotation mark inside a text is one too many as well, and costs that second look only.)
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterable
from typing import Any

import msgspec


class Repeated(dict[str, Any]):
    """An object that named a key more than once; it has the last value of each."""

    keys_repeated: tuple[str, ...] = ()


def decode(data: bytes) -> Any:
    """A document, NaN and Infinity included, with or without the mark that some editors put first (RFC 8259, 8.1); objects in it may be `Repeated`.
    Raises ValueError or RecursionError where it is no JSON."""
    data = data.removeprefix(BOM_UTF8)
    try:
        document = msgspec.json.decode(data)
        if data.count(b'"') == 2 * _texts(document):
            return document
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        kind = (
            "packed by gzip"
            if data.startswith(b"\x1f\x8b")
            else f"no UTF-8 text (byte 0x{data[error.start]:02X} at {error.start})"
        )
        raise ValueError(f"it is {kind}") from None
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise ValueError(_why(text, error)) from None


def _why(text: str, error: json.JSONDecodeError) -> str:
    """What stands there instead, for somebody who knows the device and not the library."""
    if not text.strip():
        return "it is empty"
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return f"it breaks off after {len(text)} characters"
    if not error.pos and text.lstrip().startswith("<"):
        return f"it is HTML or XML, and begins with {text[:EXCERPT]!r}"
    return f"{error.msg.removesuffix(' at')} at character {error.pos + 1}, where {text[error.pos : error.pos + EXCERPT]!r} stands"


EXCERPT = 20
"""Characters that are told of what is no JSON."""


def loads(text: str | bytes) -> Any:
    """A whole file. Raises ValueError where it is no JSON or an object of it names a key twice, RecursionError where it is too deep."""
    return json.loads(text, object_pairs_hook=_refusing)


def key_repeated(data: bytes) -> str | None:
    """A key that an object of this document, which is JSON, names more than once. Raises ValueError or RecursionError where it is none
    after all: who read it may have passed over parts of it."""
    try:
        json.loads(
            data, object_pairs_hook=_refusing, parse_int=str
        )  # Python makes no number of 5,000 digits, and none is asked for
    except RepeatedKey as error:
        return error.key
    return None


class RepeatedKey(ValueError):
    """An object names a key twice."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the key {key[:100]!r} stands twice in one object")
        self.key = key


def refuse(document: Any) -> None:
    """Raises `RepeatedKey` where an object of a decoded document is `Repeated`."""
    waiting = [document]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Repeated):
            raise RepeatedKey(item.keys_repeated[0])
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _texts(document: Any) -> int:
    """How many keys and texts it has."""
    count = 0
    waiting: list[Iterable[Any]] = [[document]]
    for items in waiting:  # which grows meanwhile
        for item in items:
            kind = type(item)
            if kind is str:
                count += 1
            elif kind is dict:
                count += len(item)
                waiting.append(item.values())
            elif kind is list:
                waiting.append(item)
    return count


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = Repeated(found)
    repeated.keys_repeated = _twice(pairs)
    return repeated


def _refusing(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RepeatedKey(_twice(pairs)[0])
    return found


def _twice(pairs: list[tuple[str, Any]]) -> tuple[str, ...]:
    names = [name for name, _ in pairs]
    seen: set[str] = set()
    return tuple(dict.fromkeys(name for name in names if name in seen or seen.add(name)))  # type: ignore[func-returns-value]
