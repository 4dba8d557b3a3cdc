"""GB/T 32960.3: electric vehicles, 2016 and 2025 editions."""

from adapters.gb32960.codec import Gb32960Codec
from hub.ports import Plugin

PLUGIN = Plugin(
    protocol="gb32960",
    summary="GB/T 32960.3-2016 and -2025: electric vehicles' terminals and forwarding platforms over TCP",
    codec=Gb32960Codec,
    binary=True,
    kind="vehicle",
)
