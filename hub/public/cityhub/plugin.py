"""What a package of another hand needs to add to cityhub, and all that it may rely on: these names stay.

Protocols, destinations, stores, rule packs, vocabularies, functions and camera lists are found by entry points; see docs/plugins.md.
"""

from __future__ import annotations

import cityhub as _opened  # noqa: F401  # the hub's folders can be imported from here on
from adapters.lines import LineCodec
from adapters.transport import StreamOptions, stream_adapter
from hub.bilingual import Text
from hub.metrics import Metric, to_vocabulary, vocabulary
from hub.model import (
    AlertChange,
    Camera,
    Device,
    Fault,
    FaultKind,
    Mark,
    Message,
    Position,
    Reading,
    Verdict,
)
from hub.moment import from_text, to_text
from hub.ports import (
    Adapter,
    Bucket,
    Codec,
    Delivery,
    DeviceCommand,
    Intake,
    Inventory,
    Listing,
    NoOptions,
    NotSupported,
    Order,
    Plugin,
    ReadingSink,
    Refusal,
    Row,
    SeriesQuery,
    Sink,
    Store,
    StoreKind,
    StoreUnavailable,
)
from hub.wire import change_to_json
from rules.figures.derived import Derived as Function

__all__ = [
    "Adapter",
    "AlertChange",
    "Bucket",
    "Camera",
    "Codec",
    "Delivery",
    "Device",
    "DeviceCommand",
    "Fault",
    "FaultKind",
    "Function",
    "Intake",
    "Inventory",
    "LineCodec",
    "Listing",
    "Mark",
    "Message",
    "Metric",
    "NoOptions",
    "NotSupported",
    "Order",
    "Plugin",
    "Position",
    "Reading",
    "ReadingSink",
    "Refusal",
    "Row",
    "SeriesQuery",
    "Sink",
    "Store",
    "StoreKind",
    "StoreUnavailable",
    "StreamOptions",
    "Text",
    "Verdict",
    "change_to_json",
    "from_text",
    "stream_adapter",
    "to_text",
    "to_vocabulary",
    "vocabulary",
]
