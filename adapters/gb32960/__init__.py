"""GB/T 32960.3: electric vehicles, 2016 and 2025 editions."""

from adapters.gb32960.codec import Gb32960Codec
from adapters.transport import StreamOptions, stream_adapter
from hub.ports import Plugin


class Gb32960Options(StreamOptions, kw_only=True, frozen=True):
    """Electric vehicles' terminals, or platforms that forward them."""

    zone: str = "Asia/Shanghai"
    """Of the six time bytes: an IANA name, or an offset such as "+08:00"."""
    coordinates: str = "wgs84"
    """ "gcj02" where 2016 terminals send shifted positions; 2025 frames say it themselves."""
    relay: bool = True
    """A platform that has logged in speaks for its vehicles."""


PLUGIN = Plugin(
    protocol="gb32960",
    summary="GB/T 32960.3-2016 and -2025: electric vehicles' terminals and forwarding platforms over TCP",
    options=Gb32960Options,
    proof="login",
    codec=Gb32960Codec,
    adapter=stream_adapter(Gb32960Codec),
    binary=True,
    kind="vehicle",
)

__all__ = ["PLUGIN"]
