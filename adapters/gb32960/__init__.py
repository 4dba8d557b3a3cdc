"""GB/T 32960.3: electric vehicles, 2016 and 2025 editions."""

from adapters.gb32960.codec import Gb32960Codec, Gb32960CodecOptions
from adapters.transport import StreamOptions, stream_adapter
from hub.ports import Plugin


class Gb32960Options(StreamOptions, kw_only=True, frozen=True):
    """Electric vehicles' terminals, or platforms that forward them."""

    relay: bool = True
    """A platform that has logged in speaks for its vehicles."""


PLUGIN = Plugin(
    protocol="gb32960",
    summary="GB/T 32960.3-2016 and -2025: electric vehicles' terminals and forwarding platforms over TCP",
    options=Gb32960Options,
    proof="login",
    codec_options=Gb32960CodecOptions,
    codec=Gb32960Codec,
    adapter=stream_adapter(Gb32960Codec),
    binary=True,
    kind="vehicle",
)

__all__ = ["PLUGIN"]
