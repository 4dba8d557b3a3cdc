"""Warnings for people and other systems in the Common Alerting Protocol. See README.md."""

from adapters.cap.sink import CapOptions, CapSink
from hub.ports import Plugin


def _sink(name: str, options: CapOptions) -> CapSink:
    return CapSink(options)


PLUGIN = Plugin(
    protocol="cap",
    summary="warnings as CAP 1.2 messages with an Atom feed; Actual only after a person's approval",
    sink_options=CapOptions,
    sink=_sink,
)
