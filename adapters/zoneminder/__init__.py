"""Warnings as ZoneMinder triggers. See README.md."""

from adapters.zoneminder.sink import ZoneminderOptions, ZoneminderSink
from hub.ports import Plugin


def _sink(name: str, options: ZoneminderOptions) -> ZoneminderSink:
    return ZoneminderSink(options)


PLUGIN = Plugin(
    protocol="zoneminder",
    summary="recordings in ZoneMinder by its trigger port",
    sink_options=ZoneminderOptions,
    sink=_sink,
)
