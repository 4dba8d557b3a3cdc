"""A table of keys as a struct, key by key, so that each wrong one is named: a block of hub.toml, options of a command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

import msgspec


@cache
def fields(kind: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """Key as it is written → field. Kept: msgspec evaluates the annotations anew at each call."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def read(kind: type[msgspec.Struct], table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What the struct is made of, by field; and what is wrong, by key. Keys that it does not have are passed over; see `unknown`."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for key, field in fields(kind).items():
        if key in table:
            try:
                values[field.name] = msgspec.convert(table[key], field.type, strict=True)
            except msgspec.ValidationError as error:
                said = str(error).split(" - at")[0]
                wrong[key] = f"{key} = {shown(table[key])}: {said[:1].lower()}{said[1:]}"
        elif field.required:
            wrong[key] = f"{key} is missing here"
    return values, wrong


def unknown(key: str, known: Iterable[str]) -> str:
    """The sentence for a key that nobody knows here."""
    listed = list(known)
    near = get_close_matches(key, listed, n=1)
    return f"unknown key {key!r}" + (
        f"; was {near[0]!r} meant?" if near else f"; known here: {', '.join(listed) or 'none'}"
    )


def shown(value: Any) -> str:
    """What was written, for a mistake; not all of it where it is long."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
