"""SL 651-2014: how hydrological stations in China report."""

from adapters.sl651.codec import Sl651Codec
from hub.ports import Plugin

PLUGIN = Plugin(
    protocol="sl651",
    summary="SL 651-2014: rain, river, reservoir, tide, soil and groundwater stations (HEX/BCD and ASCII)",
    codec=Sl651Codec,
    binary=True,
)
