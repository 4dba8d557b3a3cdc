"""OsmAnd and Traccar Client: positions of phones and hand-helds over HTTP."""

from adapters.osmand.codec import OsmandCodec, OsmandCodecOptions
from adapters.transport import StreamOptions, stream_adapter
from hub.ports import Plugin


class OsmandOptions(StreamOptions, kw_only=True, frozen=True):
    """Phones that send positions over HTTP; "tls://" makes it HTTPS."""

    idle_timeout_s: float = 120.0
    """Phones open a new connection whenever they like; a silent one is not kept long."""


PLUGIN = Plugin(
    protocol="osmand",
    summary="OsmAnd and Traccar Client: phones and hand-helds over HTTP, query, form and JSON",
    options=OsmandOptions,
    codec_options=OsmandCodecOptions,
    codec=OsmandCodec,
    adapter=stream_adapter(OsmandCodec),
    kind="phone",
)

__all__ = ["PLUGIN"]
