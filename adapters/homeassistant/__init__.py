"""Warnings into Home Assistant. See README.md."""

from adapters.homeassistant.sink import HomeAssistantOptions, HomeAssistantSink
from hub.ports import Plugin


def _sink(name: str, options: HomeAssistantOptions) -> HomeAssistantSink:
    return HomeAssistantSink(options)


PLUGIN = Plugin(
    protocol="homeassistant",
    summary="warnings as events on Home Assistant's bus, its PTZ cameras to presets",
    sink_options=HomeAssistantOptions,
    sink=_sink,
)
