"""HJ 212: how pollution sources and environmental stations in China report."""

from adapters.hj212.codec import Hj212Codec
from hub.ports import Plugin

PLUGIN = Plugin(
    protocol="hj212",
    summary="HJ 212 (2005, 2017, the known part of 2025): pollution sources, air, water, dust and noise stations",
    codec=Hj212Codec,
)
