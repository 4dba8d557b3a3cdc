"""Teltonika trackers: codec 8, 8 Extended, 16 and 12, over TCP and UDP."""

from __future__ import annotations

from adapters.teltonika.codec import TeltonikaCodec
from adapters.teltonika.commands import order
from adapters.transport import StreamOptions, stream_adapter
from hub.ports import Plugin


class TeltonikaOptions(StreamOptions, kw_only=True, frozen=True):
    """Teltonika trackers that dial the hub over TCP, TLS or UDP."""


PLUGIN = Plugin(
    protocol="teltonika",
    summary="Teltonika trackers: codec 8, 8 Extended, 16 and 12 over TCP and UDP",
    options=TeltonikaOptions,
    codec=TeltonikaCodec,
    adapter=stream_adapter(TeltonikaCodec),
    order=order,
    binary=True,
    kind="vehicle",
)

__all__ = ["PLUGIN"]
