"""GT06 and its relatives: vehicle trackers of Concox, Jimi and many others."""

from adapters.gt06.codec import Gt06Codec, Gt06CodecOptions
from adapters.gt06.commands import order
from adapters.transport import StreamOptions, stream_adapter
from hub.ports import Plugin


class Gt06Options(StreamOptions, kw_only=True, frozen=True):
    """GT06 trackers."""

    login_required: bool = True
    """Only the login names the device, so readings before it belong to nobody."""


PLUGIN = Plugin(
    protocol="gt06",
    summary="GT06 family (Concox, Jimi and relatives): vehicle and asset trackers over TCP",
    options=Gt06Options,
    codec_options=Gt06CodecOptions,
    codec=Gt06Codec,
    adapter=stream_adapter(Gt06Codec),
    order=order,
    binary=True,
    kind="vehicle",
)

__all__ = ["PLUGIN"]
