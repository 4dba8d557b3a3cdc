"""AIS: vessels, base stations, aids to navigation and search-and-rescue craft."""

from adapters.ais.codec import AisCodec
from adapters.transport import StreamOptions, stream_adapter
from hub.ports import Plugin


class AisOptions(StreamOptions, kw_only=True, frozen=True):
    """An AIS feed: a receiver's serial line, TCP or UDP port, or a recording."""

    frames_per_s_max: float = 50_000.0
    """One feed may carry the ships of a whole coast."""
    faults_max: int = 1_000
    """Receivers pass on what noise left of a transmission."""
    retry_busy: bool = True
    """Ships do not send a report twice."""


PLUGIN = Plugin(
    protocol="ais",
    summary="AIS receivers and networks: NMEA 0183 VDM/VDO sentences with tag blocks (ITU-R M.1371, IEC 61162-1)",
    options=AisOptions,
    codec=AisCodec,
    adapter=stream_adapter(AisCodec),
    kind="vessel",
    unknown_devices="admit",
    best_effort="AIS is a broadcast without answers: over UDP, and while a TCP or serial feed is down, what is lost stays lost",
)

__all__ = ["PLUGIN"]
