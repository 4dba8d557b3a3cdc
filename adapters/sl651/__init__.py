"""SL 651-2014: how hydrological stations in China report."""

from __future__ import annotations

import msgspec

from adapters.sl651.codec import Sl651Codec
from adapters.transport import StreamOptions, stream_adapter
from hub.ports import Plugin


class Sl651Options(StreamOptions, kw_only=True, frozen=True):
    """Stations that dial the hub as their centre."""

    zone: str = "Asia/Shanghai"
    """The zone of the stations' clocks."""
    mode: str = "M2"
    """"M1": stations that want no confirmation; "M2" serves M3 and M4 too."""
    stay_online: bool = False
    """Confirm with ESC (the station keeps the line for ten minutes) instead of EOT."""
    level_base: dict[str, float] = msgspec.field(default_factory=dict)
    """Metres added to a station's hourly relative levels (F5): { 0011223344 = 10.0 }."""
    retry_busy: bool = True
    """Stations in mode M1 never send twice."""

    def __post_init__(self) -> None:
        super().__post_init__()
        Sl651Codec({"zone": self.zone, "mode": self.mode})


PLUGIN = Plugin(
    protocol="sl651",
    summary="SL 651-2014: rain, river, reservoir, tide, soil and groundwater stations (HEX/BCD and ASCII)",
    options=Sl651Options,
    proof="message",
    codec=Sl651Codec,
    adapter=stream_adapter(Sl651Codec),
    binary=True,
)

__all__ = ["PLUGIN"]
