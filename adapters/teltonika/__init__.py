"""Teltonika trackers: codec 8, 8 Extended, 16 and 12, over TCP and UDP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.teltonika.codec import TeltonikaCodec
from adapters.teltonika.commands import order
from adapters.transport import StreamOptions, stream_adapter
from hub.ports import Plugin


class TeltonikaOptions(StreamOptions, kw_only=True, frozen=True):
    """Teltonika trackers that dial the hub over TCP, TLS or UDP."""


def codec(options: Mapping[str, Any]) -> TeltonikaCodec:
    """A codec; it has no options of its own: times are UTC, coordinates WGS-84."""
    return TeltonikaCodec()


PLUGIN = Plugin(
    protocol="teltonika",
    summary="Teltonika trackers: codec 8, 8 Extended, 16 and 12 over TCP and UDP",
    options=TeltonikaOptions,
    codec=codec,
    adapter=stream_adapter(codec),
    order=order,
    binary=True,
    kind="vehicle",
)

__all__ = ["PLUGIN", "codec"]
