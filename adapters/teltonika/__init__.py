"""Teltonika trackers: codec 8, 8 Extended, 16 and 12, over TCP and UDP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.teltonika.codec import TeltonikaCodec
from hub.ports import Plugin


def codec(options: Mapping[str, Any]) -> TeltonikaCodec:
    """A codec; it has no options of its own: times are UTC, coordinates WGS-84."""
    return TeltonikaCodec()


PLUGIN = Plugin(
    protocol="teltonika",
    summary="Teltonika trackers: codec 8, 8 Extended, 16 and 12 over TCP and UDP",
    codec=codec,
    binary=True,
    kind="vehicle",
)
