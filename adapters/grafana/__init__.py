"""Warnings as annotations on Grafana's charts. See README.md."""

from adapters.grafana.sink import GrafanaOptions, GrafanaSink
from hub.ports import Plugin


def _sink(name: str, options: GrafanaOptions) -> GrafanaSink:
    return GrafanaSink(options)


PLUGIN = Plugin(
    protocol="grafana",
    summary="warnings as annotations on Grafana's charts, one for each, as long as it lasts",
    sink_options=GrafanaOptions,
    sink=_sink,
)
