"""GB 26875.3-2011: how fire-alarm transmission devices report to a city's fire centre."""

from adapters.gb26875.codec import Gb26875Codec
from hub.ports import Plugin

PLUGIN = Plugin(
    protocol="gb26875",
    summary="GB 26875.3-2011: fire-alarm transmission devices",
    codec=Gb26875Codec,
    binary=True,
    kind="fire-panel",
)
