"""NMEA 0183: positions, speed, course and heading of GNSS receivers and compasses."""

from adapters.nmea0183.codec import Nmea0183Codec, Nmea0183CodecOptions
from adapters.transport import StreamOptions, stream_adapter
from hub.ports import Plugin


class Nmea0183Options(StreamOptions, kw_only=True, frozen=True):
    """A GNSS receiver's serial line, TCP or UDP port, or a recording."""

    retry_busy: bool = True
    """Receivers do not send a moment twice."""


PLUGIN = Plugin(
    protocol="nmea0183",
    summary="GNSS receivers: NMEA 0183 RMC, GGA, VTG, GLL, ZDA, HDT, GSA and GSV, one reading a moment",
    options=Nmea0183Options,
    codec_options=Nmea0183CodecOptions,
    codec=Nmea0183Codec,
    adapter=stream_adapter(Nmea0183Codec),
    kind="vehicle",
    best_effort="receivers take no answers: over UDP, and while a TCP or serial feed is down, what is lost stays lost",
)

__all__ = ["PLUGIN"]
