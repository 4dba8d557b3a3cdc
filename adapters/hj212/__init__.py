"""HJ 212: how pollution sources and environmental stations in China report."""

from __future__ import annotations

import msgspec

from adapters.hj212.codec import Hj212Codec
from adapters.transport import StreamOptions, stream_adapter
from hub.ports import Plugin


class Hj212Options(StreamOptions, kw_only=True, frozen=True):
    """Stations that dial the hub, or a collecting platform that it connects to."""

    zone: str = "Asia/Shanghai"
    """The zone of DataTime, which the frame does not carry."""
    units: dict[str, str] = msgspec.field(default_factory=dict)
    """Factor codes whose unit is not the standard's: { a01006 = "hPa" }."""
    map: dict[str, str] = msgspec.field(default_factory=dict)
    """Local factor codes and the metrics they mean: { x10001 = "cod" }. The unit is the metric's, or that of `units`."""
    keys_file: str = ""
    """A TOML file outside of the city's folder, "MN" = "32 hexadecimal digits": SM4 keys of stations that encrypt (HJ 212-2025)."""
    idle_timeout_s: float = 7_200.0
    """Some stations speak once an hour."""
    retry_busy: bool = True
    """Stations that ask for no answer (Flag bit 0) never send twice."""

    def __post_init__(self) -> None:
        super().__post_init__()
        Hj212Codec({"zone": self.zone, "units": self.units, "map": self.map})


PLUGIN = Plugin(
    protocol="hj212",
    summary="HJ 212 (2005, 2017, the known part of 2025): pollution sources, air, water, dust and noise stations",
    options=Hj212Options,
    proof="message",
    codec=Hj212Codec,
    adapter=stream_adapter(Hj212Codec),
)

__all__ = ["PLUGIN"]
