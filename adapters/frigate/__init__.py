"""Warnings as Frigate events. See README.md."""

from adapters.frigate.sink import FrigateOptions, FrigateSink
from hub.ports import Plugin


def _sink(name: str, options: FrigateOptions) -> FrigateSink:
    return FrigateSink(options)


PLUGIN = Plugin(
    protocol="frigate",
    summary="events in Frigate on the cameras that see a warning",
    sink_options=FrigateOptions,
    sink=_sink,
)
