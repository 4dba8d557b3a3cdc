"""Cayenne LPP: what the hub finds by the entry points in pyproject.toml."""

from cityhub.plugin import Plugin, StreamOptions, stream_adapter
from cityhub_lpp.codec import LppCodec


class LppOptions(StreamOptions, kw_only=True, frozen=True):
    """Lines with Cayenne LPP payloads."""


PLUGIN = Plugin(
    protocol="lpp",
    summary="Cayenne LPP payloads of LoRaWAN sensors, a line an uplink",
    options=LppOptions,
    codec=LppCodec,
    adapter=stream_adapter(LppCodec),
)
