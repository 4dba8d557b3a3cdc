"""HJ 212: how pollution sources and environmental stations in China report."""

from __future__ import annotations

from adapters.hj212.codec import Hj212Codec, Hj212CodecOptions
from adapters.transport import StreamOptions, stream_adapter
from hub.ports import Plugin


class Hj212Options(StreamOptions, kw_only=True, frozen=True):
    """Stations that dial the hub, or a collecting platform that it connects to."""

    idle_timeout_s: float = 7_200.0
    """Some stations speak once an hour."""
    retry_busy: bool = True
    """Stations that ask for no answer (Flag bit 0) never send twice."""


PLUGIN = Plugin(
    protocol="hj212",
    summary="HJ 212 (2005, 2017, the known part of 2025): pollution sources, air, water, dust and noise stations",
    options=Hj212Options,
    proof="message",
    codec_options=Hj212CodecOptions,
    codec=Hj212Codec,
    adapter=stream_adapter(Hj212Codec),
)

__all__ = ["PLUGIN"]
