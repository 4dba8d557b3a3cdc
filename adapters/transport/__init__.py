"""The only sockets of the stream protocols: TCP (both ways), TLS, UDP, serial lines and files, driving pure codecs.

A protocol folder derives its options from `StreamOptions` where other defaults fit it better, and sets
`adapter=stream_adapter(codec)` in its `PLUGIN`.
"""

from adapters.transport.adapter import StreamAdapter, stream_adapter
from adapters.transport.options import StreamOptions

__all__ = ["StreamAdapter", "StreamOptions", "stream_adapter"]
