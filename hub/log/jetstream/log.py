"""All streams of one hub on JetStream."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from hub.log.jetstream.cursors import JetStreamCursors
from hub.log.jetstream.leases import Lease
from hub.log.jetstream.servers import OPENING_S, Servers
from hub.log.jetstream.shared import SharedStream
from hub.log.jetstream.stream import JetStreamStream, made
from hub.log.jetstream.trust import see_that_it_is_kept
from hub.log.log import ENTRY_TYPES, Limits

SHARED = ("events", "quarantine")
"""What every node appends to that takes input."""
WRITTEN_UNDER = {"rules": ("events", "derived", "alerts"), "store": ("quarantine",)}
"""By lease, what its holder appends to. Derived readings and warnings are nobody else's; beside it others put into `SHARED` what they take in."""


class JetStreamLog:
    """Streams `SPACE-events`, …; made on the servers where they are not there."""

    def __init__(
        self,
        servers: Servers,
        space: str,
        replicas: int,
        limits: Mapping[str, Limits] | None = None,
        needed: Mapping[str, Sequence[str]] | None = None,
        lease: Lease | None = None,
    ) -> None:
        """`needed`: by stream, the required readers, wherever they run. `lease`: of a node that has every lease (`under` gives it one by one). Raises `Unsafe` where a stream may lose what it acknowledges, OSError where the servers say no."""
        limits, needed = limits or {}, needed or {}
        self.servers = servers
        readers = servers.bucket(f"{space}-readers", replicas)
        self._places = servers.bucket(f"{space}-cursors", replicas)
        self.cursors = JetStreamCursors(servers, self._places, lease)
        streams: dict[str, JetStreamStream] = {}
        for name, kind in ENTRY_TYPES.items():
            limit = limits.get(name, Limits())
            stream, subject = f"{space}-{name}", f"{space}.{name}"
            making = partial(made, servers, stream, subject, limit.bytes_max, replicas)
            info = servers.insist(making, f"the stream {stream} cannot be had from the servers of the log", OPENING_S)
            see_that_it_is_kept(info, replicas)
            streams[name] = (SharedStream if name in SHARED else JetStreamStream)(
                servers,
                name,
                stream,
                subject,
                kind,
                limit.bytes_max,
                limit.age_max_s,
                needed.get(name, ()),
                readers,
                lease,
            )
        self.streams: Mapping[str, JetStreamStream] = streams
        self.events = streams["events"]
        self.derived = streams["derived"]
        self.alerts = streams["alerts"]
        self.quarantine = streams["quarantine"]

    def under(self, lease: Lease) -> JetStreamCursors:
        """What is written by that lease is from now on; gives the places that its holder keeps. Raises OSError where the servers do not
        answer."""
        for name in WRITTEN_UNDER.get(lease.name, ()):
            self.streams[name].under(lease)
        return JetStreamCursors(self.servers, self._places, lease)

    def damage(self) -> list[str]:
        return [found for stream in self.streams.values() for found in stream.damage]

    async def close(self) -> None:
        """The servers' connection is its owner's to close."""
        await asyncio.gather(*(stream.close() for stream in self.streams.values()))
