"""Readings and warnings as NGSI-LD entities, for a FIWARE context broker or whoever listens to its notifications. See README.md."""

from adapters.ngsi.sink import NgsiOptions, NgsiSink
from hub.ports import Plugin


def _sink(name: str, options: NgsiOptions) -> NgsiSink:
    return NgsiSink(options)


PLUGIN = Plugin(
    protocol="ngsi",
    summary="readings and warnings as NGSI-LD entities (Smart Data Models), for Orion-LD, Scorpio, Stellio",
    sink_options=NgsiOptions,
    sink=_sink,
)
