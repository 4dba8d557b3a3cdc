"""Warnings into Milestone XProtect. See README.md."""

from adapters.milestone.sink import MilestoneOptions, MilestoneSink
from hub.ports import Plugin


def _sink(name: str, options: MilestoneOptions) -> MilestoneSink:
    return MilestoneSink(options)


PLUGIN = Plugin(
    protocol="milestone",
    summary="alarms in Milestone XProtect: analytics events or the REST API",
    sink_options=MilestoneOptions,
    sink=_sink,
)
