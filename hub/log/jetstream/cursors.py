"""How far each reader has come, on the servers: whichever node takes over goes on from there."""

from __future__ import annotations

import re

from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from hub.log.jetstream.servers import Servers
from hub.ports import LogPosition


class JetStreamCursors:
    """One key a reader."""

    def __init__(self, servers: Servers, bucket: KeyValue) -> None:
        self._servers, self._bucket = servers, bucket

    def get(self, reader: str) -> LogPosition | None:
        """Raises OSError where the servers do not answer: then nobody knows."""
        return self._servers.insist(lambda: self._get(_key(reader)), f"the place of {reader} cannot be asked for")

    async def _get(self, key: str) -> LogPosition | None:
        try:
            return LogPosition(int((await self._bucket.get(key)).value or b"0"))
        except KeyNotFoundError:
            return None

    def set(self, reader: str, position: LogPosition) -> None:
        self._servers.insist(
            lambda: self._bucket.put(_key(reader), b"%d" % position), f"the place of {reader} cannot be kept"
        )

    def forget(self, reader: str) -> None:
        self._servers.insist(lambda: self._bucket.purge(_key(reader)), f"the place of {reader} cannot be dropped")

    def all(self) -> dict[str, LogPosition]:
        """Nothing: a stream on the servers outlives every reader, so no place has to be kept free for one."""
        return {}


def _key(reader: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", reader).strip(".")
