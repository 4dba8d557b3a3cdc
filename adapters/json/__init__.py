"""Native JSON, and foreign JSON through a map."""

from __future__ import annotations

import msgspec

from adapters.json.codec import decode_native
from adapters.json.mapping import MapError, MapSet, read_map
from adapters.lines import LineCodec
from hub.ports import Plugin


class JsonCodecOptions(msgspec.Struct, kw_only=True, frozen=True):
    """How foreign JSON reads."""

    map: str = ""
    """A TOML file of field paths; without it, the JSON is cityhub's own."""


def codec(options: JsonCodecOptions) -> LineCodec:
    """A line is a payload. Raises `MapError` or OSError for a map that cannot be used."""
    return LineCodec(read_map(options.map).decode_line if options.map else decode_native)


PLUGIN = Plugin(
    protocol="json",
    summary="cityhub's own JSON readings, and foreign JSON through a map of field paths",
    codec_options=JsonCodecOptions,
    codec=codec,
)

__all__ = ["PLUGIN", "MapError", "MapSet", "decode_native", "read_map"]
