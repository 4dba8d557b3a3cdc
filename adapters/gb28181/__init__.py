"""Alarms to a video platform by GB/T 28181. See README.md."""

from adapters.gb28181.sink import Gb28181Options, Gb28181Sink
from hub.ports import Plugin


def _sink(name: str, options: Gb28181Options) -> Gb28181Sink:
    return Gb28181Sink(options)


PLUGIN = Plugin(
    protocol="gb28181",
    summary="warnings as GB/T 28181 alarms over SIP, with catalog, guard, subscriptions and PTZ orders",
    sink_options=Gb28181Options,
    sink=_sink,
)
