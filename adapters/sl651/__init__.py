"""SL 651-2014: how hydrological stations in China report."""

from __future__ import annotations

from adapters.sl651.codec import Sl651Codec, Sl651CodecOptions
from adapters.transport import StreamOptions, stream_adapter
from hub.ports import Plugin


class Sl651Options(StreamOptions, kw_only=True, frozen=True):
    """Stations that dial the hub as their centre."""

    retry_busy: bool = True
    """Stations in mode M1 never send twice."""


PLUGIN = Plugin(
    protocol="sl651",
    summary="SL 651-2014: rain, river, reservoir, tide, soil and groundwater stations (HEX/BCD and ASCII)",
    options=Sl651Options,
    proof="message",
    codec_options=Sl651CodecOptions,
    codec=Sl651Codec,
    adapter=stream_adapter(Sl651Codec),
    binary=True,
)

__all__ = ["PLUGIN"]
