"""Hub to hub: a district's warnings and chosen readings to its city, a city's to its province. See README.md."""

from __future__ import annotations

from adapters.hub.codec import HubCodec, HubCodecOptions
from adapters.hub.peers import load_peers
from adapters.hub.sink import HubSink, HubSinkOptions
from adapters.transport import StreamOptions
from adapters.transport.adapter import StreamAdapter
from hub.ports import Adapter, Plugin


class HubOptions(StreamOptions, kw_only=True, frozen=True):
    """Hubs below that forward to this one over HTTP; "tls://" makes it HTTPS."""

    peers_file: str
    """TOML outside of version control: `[peers.district-a]` with `token` or `sha256` for each hub that may forward."""
    connections_max: int = 256
    connections_per_peer_max: int = 16
    """Of one network address."""
    idle_timeout_s: float = 120.0
    frames_per_s_max: float = 50.0
    """Requests a second of one connection."""
    bytes_per_s_max: float = 4_000_000.0
    in_flight_max: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.listen is None or self.endpoint().scheme == "udp":
            raise ValueError(
                'hubs below come to this one: listen = "tls://0.0.0.0:8443" was meant (or tcp:// behind a TLS proxy)'
            )


def _adapter(name: str, options: HubOptions, codec_options: HubCodecOptions) -> Adapter:
    if not codec_options.hub:
        raise ValueError('hub: this hub needs a name among hubs, such as hub = "city" (by default [hub] name)')
    peers = load_peers(options.peers_file, codec_options.hub)
    return StreamAdapter(name, options, lambda: HubCodec(codec_options, peers))


def _sink(name: str, options: HubSinkOptions) -> HubSink:
    return HubSink(options)


PLUGIN = Plugin(
    protocol="hub",
    summary="warnings and chosen readings from hub to hub: district to city to province",
    options=HubOptions,
    codec_options=HubCodecOptions,
    codec=HubCodec,
    adapter=_adapter,
    sink_options=HubSinkOptions,
    sink=_sink,
    unknown_devices="admit",
)

__all__ = ["PLUGIN"]
