"""GB 26875.3-2011: how fire-alarm transmission devices report to a city's fire centre."""

from __future__ import annotations

from adapters.gb26875.codec import Gb26875Codec
from adapters.transport import StreamOptions, stream_adapter
from adapters.wallclock import ClockOptions
from hub.ports import Plugin


class Gb26875Options(StreamOptions, kw_only=True, frozen=True):
    """Transmission devices that dial the hub."""

    idle_timeout_s: float = 7_200.0
    """A quiet building may say nothing for an hour."""


PLUGIN = Plugin(
    protocol="gb26875",
    summary="GB 26875.3-2011: fire-alarm transmission devices",
    options=Gb26875Options,
    codec_options=ClockOptions,
    codec=Gb26875Codec,
    adapter=stream_adapter(Gb26875Codec),
    binary=True,
    kind="fire-panel",
)

__all__ = ["PLUGIN"]
