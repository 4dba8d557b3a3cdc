"""The seams: what an adapter, a codec, a sink, a store and a log reader are to the hub.

A plug-in folder under `adapters/` exports one `PLUGIN`. It may import `hub.model`, `hub.ports`, `hub.metrics` and
nothing else of the hub; the hub reaches it only through this package.
"""

from hub.ports.log import BEGINNING, FRAME_ENTRIES_MAX, Batch, Cursors, Heard, Log, LogFull, LogPosition, Stream, behind
from hub.ports.plugin import Inventory, Listing, Plugin, StoreKind
from hub.ports.sinks import (
    Chosen,
    Delivery,
    HistorySink,
    KnowingSink,
    ReadingSink,
    RememberingSink,
    RenewingSink,
    ReportFile,
    ReportSink,
    ReportWishes,
    RunningSink,
    SessionSink,
    Sink,
)
from hub.ports.sources import (
    Adapter,
    Codec,
    Commandable,
    DeviceCommand,
    Intake,
    NotKnown,
    NotReached,
    NotSupported,
    Order,
)
from hub.ports.store import Bucket, CountingStore, Refusal, Row, SeriesQuery, Store, StoreUnavailable

__all__ = [
    "BEGINNING",
    "FRAME_ENTRIES_MAX",
    "Adapter",
    "Batch",
    "Bucket",
    "Chosen",
    "Codec",
    "Commandable",
    "CountingStore",
    "Cursors",
    "Delivery",
    "DeviceCommand",
    "Heard",
    "HistorySink",
    "Intake",
    "Inventory",
    "KnowingSink",
    "Listing",
    "Log",
    "LogFull",
    "LogPosition",
    "NotKnown",
    "NotReached",
    "NotSupported",
    "Order",
    "Plugin",
    "ReadingSink",
    "Refusal",
    "RememberingSink",
    "RenewingSink",
    "ReportFile",
    "ReportSink",
    "ReportWishes",
    "Row",
    "RunningSink",
    "SeriesQuery",
    "SessionSink",
    "Sink",
    "Store",
    "StoreKind",
    "StoreUnavailable",
    "Stream",
    "behind",
]
