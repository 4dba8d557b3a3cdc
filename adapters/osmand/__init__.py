"""OsmAnd and Traccar Client: positions of phones and hand-helds over HTTP."""

from adapters.osmand.codec import OsmandCodec
from hub.ports import Plugin

PLUGIN = Plugin(
    protocol="osmand",
    summary="OsmAnd and Traccar Client: phones and hand-helds over HTTP, query, form and JSON",
    codec=OsmandCodec,
    kind="phone",
)
