"""A codec by what people write on a command line, or beside a recording: its protocol, and options as texts."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec

from hub.keys import fields, read
from hub.ports import Codec, Plugin


def codec_of(plugin: Plugin, given: Mapping[str, str]) -> Codec:
    """The plug-in's codec with these options. Raises ValueError or OSError with a sentence."""
    if plugin.codec is None:
        raise ValueError(f"{plugin.protocol} has no frames to decode")
    return plugin.codec(codec_options(plugin, given))


def codec_options(plugin: Plugin, given: Mapping[str, str]) -> msgspec.Struct:
    """Options as texts, typed. Raises ValueError for one that the codec does not have, which names those it has, and for a value of
    another type."""
    known = fields(plugin.codec_options)
    for key in given:
        if key not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise ValueError(f"{plugin.protocol} has no option {key!r}; {has}")
    typed = {key: _typed(text, known[key].type) for key, text in given.items()}
    values, wrong = read(plugin.codec_options, typed)
    if wrong:
        raise ValueError("; ".join(wrong.values()))
    return plugin.codec_options(**values)


def _typed(text: str, kind: Any) -> Any:
    """The text as that type: as it stands, or as hub.toml would have it (tables, lists). The text where it is neither."""
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
