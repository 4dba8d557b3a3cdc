"""How far each reader has come, on the servers: whichever node takes over goes on from there."""

from __future__ import annotations

import re

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from hub.log.jetstream.leases import Lease
from hub.log.jetstream.servers import Servers
from hub.ports import LogPosition


class JetStreamCursors:
    """One key a reader. With a lease each is replaced only where nobody else has done so: a node that was stopped, and goes on when another has
    its lease, sets none back, and gives its lease up."""

    def __init__(self, servers: Servers, bucket: KeyValue, lease: Lease | None = None) -> None:
        self._servers, self._bucket, self._lease = servers, bucket, lease
        self._revisions: dict[str, int] = {}
        self._unanswered: dict[str, set[LogPosition]] = {}
        """Places that were sent to the servers, of which nobody knows whether they got there."""

    def get(self, reader: str) -> LogPosition | None:
        """Raises OSError where the servers do not answer: then nobody knows."""
        found = self._servers.insist(lambda: self._get(_key(reader)), f"the place of {reader} cannot be asked for")
        self._revisions[_key(reader)] = found[1]
        return found[0]

    async def _get(self, key: str) -> tuple[LogPosition | None, int]:
        """The place and the revision of its key; None and 0 where there is none."""
        try:
            entry = await self._bucket.get(key)
        except KeyNotFoundError as error:
            return None, (error.entry.revision or 0) if error.entry is not None else 0  # a key that was dropped has one
        return LogPosition(int(entry.value or b"0")), entry.revision or 0

    def set(self, reader: str, position: LogPosition) -> None:
        """Raises OSError where the servers do not answer, or another node has the lease."""
        self._servers.insist(lambda: self._set(_key(reader), position), f"the place of {reader} cannot be kept")

    async def _set(self, key: str, position: LogPosition) -> None:
        if self._lease is None:
            await self._bucket.put(key, b"%d" % position)
            return
        if not self._lease.held:
            raise PermissionError("another node has the lease")
        if key not in self._revisions:
            self._revisions[key] = (await self._get(key))[1]
        sent = self._unanswered.setdefault(key, set())
        sent.add(position)
        try:
            self._revisions[key] = await self._bucket.update(key, b"%d" % position, last=self._revisions[key])
        except KeyWrongLastSequenceError:
            found, self._revisions[key] = await self._get(key)
            if found not in sent:
                self._lease.give_up()
                raise PermissionError("another node has replaced it") from None
            if found != position:
                raise TimeoutError("an earlier place got there without an answer") from None
        sent.clear()

    def forget(self, reader: str) -> None:
        self._servers.insist(lambda: self._bucket.purge(_key(reader)), f"the place of {reader} cannot be dropped")

    def all(self) -> dict[str, LogPosition]:
        """Nothing: a stream on the servers outlives every reader, so no place has to be kept free for one."""
        return {}


def _key(reader: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", reader).strip(".")
