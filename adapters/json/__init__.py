"""Native JSON, and foreign JSON through a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.json.codec import decode_native
from adapters.json.mapping import MapError, MapSet, read_map
from adapters.lines import LineCodec
from hub.ports import Plugin


def codec(options: Mapping[str, Any]) -> LineCodec:
    """A line is a payload; with `map` (a path, or the parsed map) it is read by that map."""
    source = options.get("map")
    return LineCodec(read_map(source).decode_line if source else decode_native)


PLUGIN = Plugin(
    protocol="json",
    summary="cityhub's own JSON readings, and foreign JSON through a map of field paths",
    codec=codec,
)

__all__ = ["PLUGIN", "MapError", "MapSet", "decode_native", "read_map"]
