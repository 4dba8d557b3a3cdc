"""The log on NATS JetStream, where a city outgrows a machine: the same promises as segment files, kept by servers.

    JetStreamLog ── stream "SPACE-events" … ── blobs: one message each, many entries, in the MessagePack of the segment files
    JetStreamCursors ── key-value bucket "SPACE-cursors"
    JetStreamFiles ── key-value bucket "SPACE-files", what is large in the object store "SPACE-objects"
    JetStreamPosts ── stream "SPACE-parts": what the parts of the rules write for each other
    Lease ── key-value bucket "SPACE-leases"

How it is built, and what it does not promise: docs/decisions/log-on-jetstream.md.
"""

from hub.log.jetstream.cursors import JetStreamCursors
from hub.log.jetstream.files import Damaged, JetStreamFiles
from hub.log.jetstream.leases import Lease, Newer, bucket_of_leases
from hub.log.jetstream.log import JetStreamLog
from hub.log.jetstream.nodes import ServersBoard
from hub.log.jetstream.posts import JetStreamPosts
from hub.log.jetstream.servers import TROUBLES, Servers
from hub.log.jetstream.trust import Unsafe, see_that_it_keeps

__all__ = [
    "TROUBLES",
    "Damaged",
    "JetStreamCursors",
    "JetStreamFiles",
    "JetStreamLog",
    "JetStreamPosts",
    "Lease",
    "Newer",
    "Servers",
    "ServersBoard",
    "Unsafe",
    "bucket_of_leases",
    "see_that_it_keeps",
]
