"""What a package brings: a protocol, a kind of store, a list of cameras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hub.model import Camera
from hub.ports.sinks import Sink
from hub.ports.sources import Adapter, Codec, DeviceCommand, Order
from hub.ports.store import Store


class Plugin(msgspec.Struct, frozen=True):
    """What one folder under `adapters/` offers. Set only what it has."""

    protocol: str
    summary: str
    options: type[msgspec.Struct] | None = None
    """Keys of `[[adapters]]` beyond name and protocol, typed and with defaults; docstrings become the reference."""
    codec: Callable[[Mapping[str, Any]], Codec] | None = None
    """A codec from decoded options; used by `cityhub decode`, `replay`, and by `adapter` through a transport."""
    adapter: Callable[[str, Any], Adapter] | None = None
    """(name, options) → a source. Protocols that are a codec over a stream use `adapters.transport.stream_adapter`.

    Reads what the options name (maps, certificates) and raises ValueError or OSError for what cannot be used, but opens no socket
    before `run`: `cityhub check` builds every adapter to find mistakes. An error of a file named by `map` may carry `mistakes`, one
    sentence for each, "where: what is wrong".
    """
    sink_options: type[msgspec.Struct] | None = None
    sink: Callable[[str, Any], Sink] | None = None
    order: Callable[[Codec, str, DeviceCommand], Order] | None = None
    """(codec of the live session, device, command) → bytes down. Raises `NotSupported`, or ValueError where it is wrong."""
    binary: bool = False
    """`cityhub decode` reads hex lines for binary protocols, text otherwise."""
    kind: str = ""
    """Kind of devices this feed brings by itself (`vessel`, `vehicle`)."""
    proof: str = ""
    """How a device shows its secret of `[ingest] device_secrets_file`: "login" (when it logs in), "message" (in every
    message), "" not at all."""
    unknown_devices: str = "quarantine"
    """The policy where the city states none: "quarantine", or "admit" for open feeds such as AIS."""
    devices: Callable[[Any], Sequence[str]] | None = None
    """(options) → the devices that the configuration names, where it does: `cityhub check` notes those that the registry lacks."""
    best_effort: str = ""
    """Why law 1 cannot hold here (a datagram without an answer), in a sentence; empty where it does."""


class StoreKind(msgspec.Struct, frozen=True):
    """A kind of store, as `[store] kind` names it (entry points `cityhub.stores`)."""

    summary: str
    open: Callable[[Mapping[str, Any], Path, Mapping[str, str]], Store]
    """(options, the hub's data folder, device → area) → a store that also keeps rollups (`cityhub.testing` holds it to all
    laws). Options are the keys of `[store]` with secrets resolved, and on top those of `[store.options]`. Raises `StoreUnavailable`
    where it cannot be opened now, ValueError for options that make no sense."""


class Listing(msgspec.Struct, frozen=True):
    """Cameras found elsewhere: the text of a `cameras.csv`, how many, and what a person should know of them."""

    text: str
    count: int
    remarks: tuple[str, ...] = ()
    said: str = ""
    """A sentence about the whole."""
    cameras: tuple[Camera, ...] = ()


class Inventory(msgspec.Struct, frozen=True):
    """A list of cameras from elsewhere (entry points `cityhub.inventories`), for `cityhub camera-list SOURCE --from NAME`."""

    summary: str
    read: Callable[[str, Mapping[str, str]], Listing]
    """(SOURCE, the `--option KEY=VALUE` given) → what was found. Raises ValueError or OSError with a sentence."""
    file: bool = False
    """SOURCE is a file: `read` gets its text. Otherwise SOURCE as given, an address say."""
