"""GT06 and its relatives: vehicle trackers of Concox, Jimi and many others."""

from adapters.gt06.codec import Gt06Codec
from hub.ports import Plugin

PLUGIN = Plugin(
    protocol="gt06",
    summary="GT06 family (Concox, Jimi and relatives): vehicle and asset trackers over TCP",
    codec=Gt06Codec,
    binary=True,
    kind="vehicle",
)
