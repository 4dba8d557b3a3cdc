"""NMEA 0183: positions, speed, course and heading of GNSS receivers and compasses."""

from adapters.nmea0183.codec import Nmea0183Codec
from adapters.transport import StreamOptions, stream_adapter
from hub.ports import Plugin


class Nmea0183Options(StreamOptions, kw_only=True, frozen=True):
    """A GNSS receiver's serial line, TCP or UDP port, or a recording."""

    device: str | None = None
    """The device all readings belong to. Without it: the tag block's source, else the talker ("nmea0183:GP")."""
    kind: str = "vehicle"
    """"vehicle" gives speed (km/h) and course, "vessel" gives sog (kn) and cog."""
    retry_busy: bool = True
    """Receivers do not send a moment twice."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in ("vehicle", "vessel"):
            raise ValueError(f'kind is "vehicle" or "vessel", not {self.kind!r}')


PLUGIN = Plugin(
    protocol="nmea0183",
    summary="GNSS receivers: NMEA 0183 RMC, GGA, VTG, GLL, ZDA, HDT, GSA and GSV, one reading a moment",
    options=Nmea0183Options,
    codec=Nmea0183Codec,
    adapter=stream_adapter(Nmea0183Codec),
    kind="vehicle",
    best_effort="receivers take no answers: over UDP, and while a TCP or serial feed is down, what is lost stays lost",
)

__all__ = ["PLUGIN"]
