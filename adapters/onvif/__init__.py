"""PTZ cameras that turn to fresh warnings, by ONVIF. See README.md."""

from adapters.onvif.sink import OnvifOptions, OnvifSink
from hub.ports import Plugin


def _sink(name: str, options: OnvifOptions) -> OnvifSink:
    return OnvifSink(options)


PLUGIN = Plugin(
    protocol="onvif",
    summary="PTZ cameras turn to fresh warnings by ONVIF: GeoMove, calibrated angles, or presets",
    sink_options=OnvifOptions,
    sink=_sink,
)
